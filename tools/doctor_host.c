// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the host's files say of its kernel and its network's settings. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/doctor.h"

#define DOCTOR_PATH_MAX 512
#define RELEASE_FLOOR 6001 /* 6.1 */
#define RELEASE_TCX 6006
#define RELEASE_USO 6002
#define CONNTRACK_FULL 90 /* percent */

/* --- files ---------------------------------------------------------------------------------- */

FILE *doctor_open(const char *root, const char *path)
{
	char whole[DOCTOR_PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	return fopen(whole, "re");
}

static bool doctor_exists(const char *root, const char *path)
{
	char whole[DOCTOR_PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	return !access(whole, F_OK);
}

/* The first line, without its newline; "" = there is no such file. */
static const char *doctor_line(const char *root, const char *path, char buf[256])
{
	FILE *f = doctor_open(root, path);

	buf[0] = '\0';
	if (!f)
		return buf;
	if (!fgets(buf, 256, f))
		buf[0] = '\0';
	fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

/* -1 = there is no such number. */
static long doctor_number(const char *root, const char *path)
{
	char line[256], *end;
	long n = strtol(doctor_line(root, path, line), &end, 10);

	return end == line ? -1 : n;
}

bool doctor_mount_point(const char *root, const char *type, char ret_path[256])
{
	FILE *f = doctor_open(root, "/proc/self/mounts");
	char line[1024], what[64];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %255s %63s", ret_path, what) == 2 && !strcmp(what, type);
	fclose(f);
	return found;
}

/* Is a filesystem of this type what is seen there? What was mounted last is. */
static bool doctor_mounted_at(const char *root, const char *type, const char *path)
{
	FILE *f = doctor_open(root, "/proc/self/mounts");
	char line[1024], where[256], what[64];
	bool found = false;

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %255s %63s", where, what) == 2 && !strcmp(where, path))
			found = !strcmp(what, type);
	fclose(f);
	return found;
}

/* --- kernel --------------------------------------------------------------------------------- */

unsigned int doctor_release(const char *release)
{
	unsigned int major, minor;

	return sscanf(release, "%u.%u", &major, &minor) == 2 && minor < 1000 ?
		       major * 1000 + minor :
		       0;
}

static void doctor_version(struct findings *f, const char *release)
{
	unsigned int version = doctor_release(release);

	if (version < RELEASE_FLOOR)
		finding_add(f, FINDING_ERROR, "kernel", "run kernel 6.1 or later",
			    "kernel %s: 6.1 is the oldest that can be used", release);
	else
		finding_add(f, FINDING_OK, "kernel", NULL, "kernel %s", release);
	if (version >= RELEASE_FLOOR && version < RELEASE_USO)
		finding_add(f, FINDING_NOTE, "kernel", NULL,
			    "before 6.2: a TUN takes UDP datagrams one by one (no USO)");
	if (version >= RELEASE_FLOOR && version < RELEASE_TCX)
		finding_add(f, FINDING_NOTE, "kernel", NULL,
			    "before 6.6: programs are attached by clsact, not by tcx links");
}

static void doctor_bpf_settings(struct findings *f, const char *root)
{
	long open_to_all = doctor_number(root, "/proc/sys/kernel/unprivileged_bpf_disabled");

	if (open_to_all == 0)
		finding_add(f, FINDING_WARNING, "kernel",
			    "sysctl -w kernel.unprivileged_bpf_disabled=2",
			    "everybody may load BPF programs (kernel.unprivileged_bpf_disabled=0)");
	if (doctor_number(root, "/proc/sys/net/core/bpf_jit_enable") == 0)
		finding_add(f, FINDING_WARNING, "kernel", "sysctl -w net.core.bpf_jit_enable=1",
			    "BPF programs are interpreted, which is several times slower");
}

/* Where hierarchies of version 1 are, theirs is beside them. */
static void doctor_mounts(struct findings *f, const char *root)
{
	char where[256];

	if (!doctor_mount_point(root, "cgroup2", where))
		finding_add(f, FINDING_WARNING, "kernel",
			    doctor_mounted_at(root, "tmpfs", "/sys/fs/cgroup") ?
				    "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none "
				    "/sys/fs/cgroup/unified" FIX_RESTART :
				    "mount -t cgroup2 none /sys/fs/cgroup" FIX_RESTART,
			    "cgroup2 is not mounted: own sockets are told by their mark alone, and "
			    "neither units nor processes are known");
	if (!doctor_mounted_at(root, "bpf", "/sys/fs/bpf"))
		finding_add(
			f, FINDING_NOTE, "kernel", "mount -t bpf bpf /sys/fs/bpf" FIX_RESTART,
			"/sys/fs/bpf is no bpffs: an instance mounts its own, which nobody else "
			"sees, and 'when-down: closed' cannot outlive it");
}

void doctor_kernel(struct findings *f, const char *root, const char *release,
		   const struct doctor_instance *in)
{
	char line[256];

	doctor_version(f, release);
	if (!doctor_exists(root, "/dev/net/tun"))
		finding_add(f, FINDING_ERROR, "kernel",
			    "modprobe tun; a container is given the device (--device "
			    "/dev/net/tun)",
			    "there is no /dev/net/tun");
	/* it is found elsewhere, too, by those who look for it */
	if (!in->owners && !doctor_exists(root, "/sys/kernel/btf/vmlinux"))
		finding_add(f, FINDING_WARNING, "kernel",
			    "a kernel with CONFIG_DEBUG_INFO_BTF" FIX_RESTART,
			    "the kernel does not describe its types (BTF, "
			    "/sys/kernel/btf/vmlinux): processes of flows are not known");
	doctor_mounts(f, root);
	doctor_bpf_settings(f, root);
	if (doctor_line(root, "/proc/sys/net/ipv4/tcp_congestion_control", line)[0])
		finding_add(f, FINDING_OK, "kernel", NULL,
			    "TCP upstreams use %s (net.ipv4.tcp_congestion_control)", line);
}

/* --- network -------------------------------------------------------------------------------- */

#define CONNTRACK_GROW 4 /* times as many are room for a while; each takes some 300 bytes */

static void doctor_conntrack(struct findings *f, const char *root)
{
	long count = doctor_number(root, "/proc/sys/net/netfilter/nf_conntrack_count");
	long max = doctor_number(root, "/proc/sys/net/netfilter/nf_conntrack_max");
	char fix[FINDING_TEXT_MAX];

	if (count < 0 || max <= 0)
		return;
	snprintf(fix, sizeof(fix), "sysctl -w net.netfilter.nf_conntrack_max=%ld",
		 max * CONNTRACK_GROW);
	if (count >= max)
		finding_add(f, FINDING_ERROR, "network", fix,
			    "the table of connections is full (nf_conntrack_max=%ld): new ones are "
			    "dropped",
			    max);
	else if (count >= max / 100 * CONNTRACK_FULL)
		finding_add(f, FINDING_WARNING, "network", fix,
			    "the table of connections is nearly full (%ld of "
			    "nf_conntrack_max=%ld)",
			    count, max);
}

static long rp_filter_of(const char *root, const char *device)
{
	char path[DOCTOR_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.64s/rp_filter", device);
	return doctor_number(root, path);
}

/* Of a device the larger of its own and that of "all" holds: 1 is strict, 2 loose. */
static void strict_devices(const char *root, DIR *dir, struct doctor_names *names)
{
	long all = rp_filter_of(root, "all");
	const struct dirent *entry;

	while ((entry = readdir(dir))) {
		long own;

		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "default") ||
		    !strcmp(entry->d_name, "all") || !strcmp(entry->d_name, "lo"))
			continue;
		own = rp_filter_of(root, entry->d_name);
		if ((own > all ? own : all) == 1)
			doctor_names_add(names, entry->d_name);
	}
}

static void doctor_rp_filter(struct findings *f, const char *root, const struct doctor_instance *in)
{
	struct doctor_names strict = { .count = 0 };
	char path[DOCTOR_PATH_MAX];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/sys/net/ipv4/conf", root);
	dir = opendir(path);
	if (!dir)
		return;
	strict_devices(root, dir, &strict);
	closedir(dir);
	if (strict.count && in->route)
		finding_add(f, FINDING_NOTE, "network", NULL,
			    "strict rp_filter on %s: route capture makes its own device loose, and "
			    "undoes that; egress capture needs nothing",
			    doctor_names_text(&strict));
	else if (strict.count && in->bound)
		finding_add(f, FINDING_WARNING, "network",
			    "sysctl -w net.ipv4.conf.DEVICE.rp_filter=2, of the uplink",
			    "strict rp_filter on %s: if the uplink is one of them, answers are "
			    "dropped, as routes lead to the TUN",
			    doctor_names_text(&strict));
	else if (strict.count)
		finding_add(f, FINDING_OK, "network", NULL,
			    "strict rp_filter on %s: stays as it is", doctor_names_text(&strict));
}

static void doctor_forwarding(struct findings *f, const char *root)
{
	if (doctor_number(root, "/proc/sys/net/ipv4/ip_forward") == 0)
		finding_add(f, FINDING_NOTE, "network", "sysctl -w net.ipv4.ip_forward=1",
			    "net.ipv4.ip_forward=0: of LAN clients the host forwards nothing that "
			    "is direct; what rules forward goes on");
	if (doctor_number(root, "/proc/sys/net/ipv6/conf/all/forwarding") == 0)
		finding_add(f, FINDING_NOTE, "network", "sysctl -w net.ipv6.conf.all.forwarding=1",
			    "net.ipv6.conf.all.forwarding=0: likewise for IPv6 (with 1, an uplink "
			    "that lives by router advertisements needs accept_ra=2)");
}

void doctor_network(struct findings *f, const char *root, const struct doctor_instance *in)
{
	doctor_conntrack(f, root);
	doctor_rp_filter(f, root, in);
	if (in->lan)
		doctor_forwarding(f, root);
}
