// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the host's files say: kernel, network settings, resolver. */
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
#define DOCTOR_DNS_PORT 53

/* --- files ---------------------------------------------------------------------------------- */

static FILE *doctor_open(const char *root, const char *path)
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

/* Is a filesystem of this type mounted? */
static bool doctor_mounted(const char *root, const char *type)
{
	FILE *f = doctor_open(root, "/proc/self/mounts");
	char line[1024], what[64];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %63s", what) == 1 && !strcmp(what, type);
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

void doctor_kernel(struct findings *f, const char *root, const char *release)
{
	char line[256];

	doctor_version(f, release);
	if (!doctor_exists(root, "/dev/net/tun"))
		finding_add(f, FINDING_ERROR, "kernel",
			    "modprobe tun, or let the container have the device",
			    "there is no /dev/net/tun");
	if (!doctor_exists(root, "/sys/kernel/btf/vmlinux"))
		finding_add(f, FINDING_WARNING, "kernel", "use a kernel with CONFIG_DEBUG_INFO_BTF",
			    "the kernel does not describe its types (BTF): processes of flows "
			    "are not known");
	if (!doctor_mounted(root, "cgroup2"))
		finding_add(f, FINDING_WARNING, "kernel",
			    "mount -t cgroup2 none /sys/fs/cgroup/unified",
			    "cgroup2 is not mounted: own sockets are told by their mark alone, and "
			    "neither units nor processes are known");
	if (!doctor_mounted(root, "bpf"))
		finding_add(f, FINDING_NOTE, "kernel", "mount -t bpf bpf /sys/fs/bpf",
			    "bpffs is not mounted: an instance mounts its own, which nobody else "
			    "sees, and 'when-down: closed' cannot outlive it");
	doctor_bpf_settings(f, root);
	if (doctor_line(root, "/proc/sys/net/ipv4/tcp_congestion_control", line)[0])
		finding_add(f, FINDING_OK, "kernel", NULL,
			    "TCP upstreams use %s (net.ipv4.tcp_congestion_control)", line);
}

/* --- network -------------------------------------------------------------------------------- */

static void doctor_conntrack(struct findings *f, const char *root)
{
	long count = doctor_number(root, "/proc/sys/net/netfilter/nf_conntrack_count");
	long max = doctor_number(root, "/proc/sys/net/netfilter/nf_conntrack_max");

	if (count < 0 || max <= 0)
		return;
	if (count >= max)
		finding_add(f, FINDING_ERROR, "network",
			    "sysctl -w net.netfilter.nf_conntrack_max=1048576",
			    "the table of connections is full (%ld): new ones are dropped", max);
	else if (count >= max / 100 * CONNTRACK_FULL)
		finding_add(f, FINDING_WARNING, "network",
			    "sysctl -w net.netfilter.nf_conntrack_max=1048576",
			    "the table of connections is nearly full (%ld of %ld)", count, max);
}

/* Devices whose rp_filter is strict; "all" counts for every one. */
static void doctor_rp_filter(struct findings *f, const char *root, const struct doctor_instance *in)
{
	char path[DOCTOR_PATH_MAX];
	const struct dirent *entry;
	unsigned int strict = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/sys/net/ipv4/conf", root);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "default"))
			continue;
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.64s/rp_filter",
			 entry->d_name);
		strict += doctor_number(root, path) == 1;
	}
	closedir(dir);
	if (strict && in->route)
		finding_add(f, FINDING_NOTE, "network", NULL,
			    "strict rp_filter on %u devices: route capture makes its own device "
			    "loose, and undoes that; egress capture needs nothing",
			    strict);
	else if (strict && in->bound)
		finding_add(f, FINDING_WARNING, "network",
			    "sysctl -w net.ipv4.conf.DEVICE.rp_filter=2, of the uplink",
			    "strict rp_filter on %u devices: if the uplink is one of them, answers "
			    "are dropped, as routes lead to the TUN",
			    strict);
	else if (strict)
		finding_add(f, FINDING_OK, "network", NULL,
			    "strict rp_filter on %u devices: stays as it is", strict);
}

static void doctor_forwarding(struct findings *f, const char *root)
{
	if (doctor_number(root, "/proc/sys/net/ipv4/ip_forward") == 0)
		finding_add(f, FINDING_NOTE, "network", "sysctl -w net.ipv4.ip_forward=1",
			    "net.ipv4.ip_forward=0: of LAN clients the host forwards nothing that "
			    "is direct; what rules forward goes on");
	if (doctor_number(root, "/proc/sys/net/ipv6/conf/all/forwarding") == 0)
		finding_add(f, FINDING_NOTE, "network", "sysctl -w net.ipv6.conf.all.forwarding=1",
			    "net.ipv6.conf.all.forwarding=0: likewise for IPv6");
}

void doctor_network(struct findings *f, const char *root, const struct doctor_instance *in)
{
	doctor_conntrack(f, root);
	doctor_rp_filter(f, root, in);
	if (in->lan)
		doctor_forwarding(f, root);
}

/* --- resolver ------------------------------------------------------------------------------- */

struct doctor_servers {
	unsigned int all, loopback;
	bool stub; /* systemd-resolved's */
	char first[64];
};

static void doctor_resolv_conf(const char *root, struct doctor_servers *s)
{
	FILE *f = doctor_open(root, "/etc/resolv.conf");
	char line[512], server[64];

	memset(s, 0, sizeof(*s));
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nameserver %63s", server) != 1)
			continue;
		if (!s->all++)
			snprintf(s->first, sizeof(s->first), "%s", server);
		s->loopback += !strncmp(server, "127.", 4) || !strcmp(server, "::1");
		s->stub |= !strcmp(server, "127.0.0.53") || !strcmp(server, "127.0.0.54");
	}
	fclose(f);
}

/* Sockets bound to port 53 in a file like /proc/net/udp; *ret_any: to all addresses. */
static unsigned int doctor_port53(const char *root, const char *path, bool *ret_any)
{
	FILE *f = doctor_open(root, path);
	unsigned int found = 0, port, state;
	char line[512], addr[40];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*d: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x", addr, &port, &state) !=
			    3 ||
		    port != DOCTOR_DNS_PORT)
			continue;
		/* 7: not connected (UDP), 10: listening (TCP) */
		if (state != 7 && state != 10)
			continue;
		found++;
		*ret_any |= strspn(addr, "0") == strlen(addr);
	}
	fclose(f);
	return found;
}

static void doctor_listeners(struct findings *f, const char *root, const struct doctor_instance *in)
{
	static const char *const files[] = { "/proc/net/udp", "/proc/net/udp6", "/proc/net/tcp",
					     "/proc/net/tcp6" };
	unsigned int found = 0;
	bool any = false;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		found += doctor_port53(root, files[i], &any);
	if (any && !in->port53_any)
		finding_add(f, FINDING_NOTE, "resolver",
			    "give dns.listen addresses of its own, or bind the other one to some "
			    "(ss -lnp 'sport = :53' names it)",
			    "somebody listens on port 53 of all addresses: dns.listen cannot have "
			    "that port");
	else if (found > in->port53)
		finding_add(f, FINDING_OK, "resolver", NULL,
			    "port 53 is taken on some addresses, by %u sockets of others",
			    found - in->port53);
}

void doctor_resolver(struct findings *f, const char *root, const struct doctor_instance *in)
{
	struct doctor_servers s;

	doctor_resolv_conf(root, &s);
	if (!s.all) {
		finding_add(f, FINDING_WARNING, "resolver",
			    "name a server in /etc/resolv.conf, or dns.upstreams",
			    "/etc/resolv.conf names no server: the host's own resolvers are those "
			    "that are asked by default");
	} else if (s.loopback == s.all && in->host && !in->loopback) {
		finding_add(
			f, FINDING_NOTE, "resolver", "capture: {loopback: dns}",
			"%s answers on %s: of its queries to outside the owner is the resolver, "
			"not the application, and what it has cached is not seen",
			s.stub ? "systemd-resolved" : "a resolver", s.first);
	} else {
		finding_add(f, FINDING_OK, "resolver", NULL, "the host asks %s%s", s.first,
			    s.stub ? " (systemd-resolved)" : "");
	}
	doctor_listeners(f, root, in);
}
