// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From "process 4711" or "client 10.9.0.5" to what the kernel half would know of their packets.
 * What is not said is not known: rules that ask for it do not match, and that is told.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "datapath/look.h"
#include "supervisor/instance.h"
#include "supervisor/rule_names.h"
#include "supervisor/subject.h"

#define KNOWN(dim) (1U << (dim))

/* --- parts of a request --------------------------------------------------------------------- */

static const char *text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

/* -1 = it is not there, -EINVAL = out of range. */
static int64_t number_of(const json_t *request, const char *key, int64_t max)
{
	const json_t *value = json_object_get(request, key);

	if (!value)
		return -1;
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
			       json_integer_value(value) <= max ?
		       json_integer_value(value) :
		       -EINVAL;
}

static int bad(char err[ERROR_TEXT_MAX], const char *key, const char *expected)
{
	return error_text(err, -EINVAL, "%s: expected %s", key, expected);
}

static int read_proto(struct subject *s, const json_t *request, char err[ERROR_TEXT_MAX])
{
	const char *text = text_of(request, "proto");
	int64_t port = number_of(request, "port", UINT16_MAX);

	if (port == -EINVAL)
		return bad(err, "port", "a number up to 65535");
	s->facts.known |= RULE_KNOWN_ALWAYS;
	s->facts.dport = port > 0 ? (uint16_t)port : 0;
	if (!text || !strcmp(text, "tcp"))
		s->facts.proto = IPPROTO_TCP;
	else if (!strcmp(text, "udp"))
		s->facts.proto = IPPROTO_UDP;
	else if (!strcmp(text, "icmp"))
		s->facts.proto = IPPROTO_ICMP;
	else
		return bad(err, "proto", "tcp, udp or icmp");
	if (s->facts.proto == IPPROTO_ICMP)
		s->facts.dport = 0;
	return 0;
}

static int read_dest(struct subject *s, const struct instance *in, const json_t *request,
		     char err[ERROR_TEXT_MAX])
{
	const char *text = text_of(request, "dest");
	size_t len = text ? strlen(text) : 0;

	if (!len || len >= sizeof(s->name))
		return bad(err, "dest", "an address or a name");
	if (!addr_parse(text, &s->addr[0])) {
		s->addrs = 1;
		return 0;
	}
	for (size_t i = 0; i <= len; i++)
		s->name[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
	if (len > 1 && s->name[len - 1] == '.')
		s->name[len - 1] = '\0';
	s->addrs = kernel_addresses_look(in->kernel, s->name, s->addr, SUBJECT_ADDRESSES_MAX);
	return 0;
}

/* --- owners --------------------------------------------------------------------------------- */

static void set_comm(struct subject *s, const char *comm)
{
	memset(s->facts.comm, 0, sizeof(s->facts.comm));
	memcpy(s->facts.comm, comm, strnlen(comm, COMM_BYTES - 1));
	s->facts.known |= KNOWN(RULE_COMM);
}

static int set_cgroup(struct subject *s, const char *path, char err[ERROR_TEXT_MAX])
{
	s->facts.cgroup = kernel_cgroup_id(path);
	if (!s->facts.cgroup)
		return error_text(err, -ENOENT, "no cgroup '%.200s'", path);
	snprintf(s->cgroup, sizeof(s->cgroup), "%s", path);
	s->facts.known |= KNOWN(RULE_CGROUP);
	return 0;
}

/* The first line of a file of the process, without its newline. */
static bool read_proc(uint32_t pid, const char *file, const char *begins, char *buf, size_t size)
{
	size_t skip = strlen(begins);
	bool found = false;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(buf, (int)size, f))
		found = !strncmp(buf, begins, skip);
	fclose(f);
	if (!found)
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	memmove(buf, buf + skip, strlen(buf + skip) + 1);
	return true;
}

static void set_executable(struct subject *s)
{
	uint64_t inode;
	uint32_t device;
	char link[64];
	ssize_t len;

	if (rule_process_identify(s->pid, &inode, &device))
		return; /* a kernel thread */
	s->facts.exe_inode = inode;
	s->facts.exe_device = device;
	s->facts.known |= KNOWN(RULE_EXE);
	snprintf(link, sizeof(link), "/proc/%u/exe", s->pid);
	len = readlink(link, s->executable, sizeof(s->executable) - 1);
	s->executable[len < 0 ? 0 : len] = '\0';
}

static int read_process(struct subject *s, uint32_t pid, char err[ERROR_TEXT_MAX])
{
	char line[1024];

	s->pid = pid;
	if (!read_proc(pid, "comm", "", line, sizeof(line)))
		return error_text(err, -ESRCH, "no process %u", pid);
	set_comm(s, line);
	set_executable(s);
	if (read_proc(pid, "status", "Uid:", line, sizeof(line))) {
		char *at = line;

		strtoul(at, &at, 10); /* the real one; sockets have the effective one */
		s->facts.uid = (uint32_t)strtoul(at, NULL, 10);
		s->facts.known |= KNOWN(RULE_UID);
	}
	if (!read_proc(pid, "cgroup", "0::", line, sizeof(line)))
		return 0;
	return set_cgroup(s, line, err);
}

static int read_owner(struct subject *s, const json_t *request, char err[ERROR_TEXT_MAX])
{
	int64_t pid = number_of(request, "pid", INT32_MAX);
	int64_t uid = number_of(request, "uid", UINT32_MAX);
	const char *cgroup = text_of(request, "cgroup"), *unit = text_of(request, "unit");
	const char *process = text_of(request, "process");
	char path[512];
	int r = 0;

	if (pid == -EINVAL || uid == -EINVAL)
		return bad(err, pid == -EINVAL ? "pid" : "uid", "a number");
	if (pid >= 0)
		r = read_process(s, (uint32_t)pid, err);
	if (!r && uid >= 0) {
		s->facts.uid = (uint32_t)uid;
		s->facts.known |= KNOWN(RULE_UID);
	}
	if (!r && cgroup)
		r = set_cgroup(s, cgroup, err);
	if (!r && unit && !kernel_cgroup_find(unit, path, sizeof(path)))
		return error_text(err, -ENOENT, "no cgroup of unit '%.200s': does it run?", unit);
	if (!r && unit)
		r = set_cgroup(s, path, err);
	if (!r && process)
		set_comm(s, process);
	return r;
}

/* What would be passed over in silence, and the answer be another flow's. */
static int check_together(const json_t *request, char err[ERROR_TEXT_MAX])
{
	static const char *const owner[] = { "pid", "uid", "cgroup", "unit", "process" };

	if (!json_object_get(request, "client"))
		return json_object_get(request, "mac") ? bad(err, "mac", "client beside it") : 0;
	for (size_t i = 0; i < sizeof(owner) / sizeof(owner[0]); i++)
		if (json_object_get(request, owner[i]))
			return bad(err, owner[i],
				   "no client beside it, whose processes nobody knows");
	return 0;
}

static int read_client(struct subject *s, const json_t *request, char err[ERROR_TEXT_MAX])
{
	const char *client = text_of(request, "client"), *mac = text_of(request, "mac");
	unsigned int b[6];
	int end = 0;

	if (!client)
		return 0;
	if (addr_parse(client, &s->facts.saddr))
		return bad(err, "client", "an address");
	s->capture = CAPTURE_LAN;
	if (!mac)
		return 0;
	sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end);
	if (!end || mac[end])
		return bad(err, "mac", "six bytes as 02:00:00:00:00:01");
	for (int i = 0; i < 6; i++)
		s->facts.mac[i] = (uint8_t)b[i];
	s->facts.known |= KNOWN(RULE_MAC);
	return 0;
}

static int read_rest(struct subject *s, const json_t *request, char err[ERROR_TEXT_MAX])
{
	int64_t mark = number_of(request, "fwmark", UINT32_MAX);
	int64_t dscp = number_of(request, "dscp", 63);
	const char *interface = text_of(request, "interface");

	if (mark == -EINVAL || dscp == -EINVAL)
		return bad(err, mark == -EINVAL ? "fwmark" : "dscp", "a number");
	s->facts.mark = mark > 0 ? (uint32_t)mark : 0;
	s->facts.dscp = dscp > 0 ? (uint8_t)dscp : 0;
	if (!interface)
		return 0;
	s->facts.ifindex = if_nametoindex(interface);
	s->interface_given = true;
	return s->facts.ifindex ? 0 : error_text(err, -ENODEV, "no device '%.30s'", interface);
}

int subject_read(struct subject *s, const struct instance *in, const json_t *request,
		 char err[ERROR_TEXT_MAX])
{
	int r;

	memset(s, 0, sizeof(*s));
	s->capture = kernel_settings_now(in->kernel)->host ? CAPTURE_EGRESS : CAPTURE_TUN;
	r = read_proto(s, request, err);
	if (!r)
		r = check_together(request, err);
	if (!r)
		r = read_client(s, request, err);
	if (!r && s->capture != CAPTURE_LAN)
		r = read_owner(s, request, err);
	if (!r)
		r = read_rest(s, request, err);
	return r ? r : read_dest(s, in, request, err);
}

/* --- where it goes by ----------------------------------------------------------------------- */

static int aim_host(struct subject *s, const struct addr *to, struct route_lookup *route)
{
	static const struct addr any;
	int r = route_lookup(to, &any, s->facts.mark, route);

	if (r)
		return r;
	s->facts.saddr = route->source;
	if (!s->interface_given)
		s->facts.ifindex = (uint32_t)route->ifindex;
	if (route->ifindex && s->capture == CAPTURE_EGRESS && addr_is_loopback(to))
		s->capture = CAPTURE_LOOPBACK;
	return 0;
}

/* A client's device is the one by which it is reached; its MAC, if not given, what is known now. */
static int aim_client(struct subject *s)
{
	static const struct addr any;
	struct route_lookup back;
	int r = s->interface_given ? 0 : route_lookup(&s->facts.saddr, &any, 0, &back);

	if (!r && !s->interface_given)
		s->facts.ifindex = (uint32_t)back.ifindex;
	if (!r && !(s->facts.known & KNOWN(RULE_MAC)) &&
	    !neighbour_lookup(&s->facts.saddr, (int)s->facts.ifindex, s->facts.mac))
		s->facts.known |= KNOWN(RULE_MAC);
	return r;
}

int subject_aim(struct subject *s, const struct instance *in, const struct addr *to,
		struct route_lookup *ret_route)
{
	memset(ret_route, 0, sizeof(*ret_route));
	if (s->facts.proto == IPPROTO_ICMP || s->facts.proto == IPPROTO_ICMPV6)
		s->facts.proto = addr_is_v4(to) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	if (s->capture == CAPTURE_LAN)
		return aim_client(s);
	if (s->capture != CAPTURE_TUN)
		return aim_host(s, to, ret_route);
	s->facts.saddr = addr_is_v4(to) ? in->capture.v4.device : in->capture.v6.device;
	s->facts.ifindex = (uint32_t)in->capture.tun.ifindex;
	return 0;
}

/* --- in words ------------------------------------------------------------------------------- */

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text[0])
		json_object_set_new(o, key, json_string(text));
}

static void show_owner(json_t *o, const struct subject *s, const struct rule_facts *f)
{
	char comm[COMM_BYTES + 1] = "";

	if (s->pid)
		json_object_set_new(o, "pid", json_integer(s->pid));
	if (f->known & KNOWN(RULE_UID))
		json_object_set_new(o, "uid", json_integer(f->uid));
	memcpy(comm, f->comm, COMM_BYTES);
	for (char *c = comm; *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	set_text(o, "process", comm);
	set_text(o, "executable", s->executable);
	set_text(o, "cgroup", s->cgroup);
}

json_t *subject_show(const struct subject *s, const struct rule_facts *f)
{
	char text[ADDR_TEXT_MAX], device[IF_NAMESIZE];
	json_t *o = json_object();

	if (!addr_is_zero(&f->saddr))
		set_text(o, "saddr", addr_format(&f->saddr, text));
	set_text(o, "daddr", addr_format(&f->daddr, text));
	set_text(o, "name", s->name);
	json_object_set_new(o, "proto",
			    json_string(f->proto == IPPROTO_TCP ? "tcp" :
					f->proto == IPPROTO_UDP ? "udp" :
								  "icmp"));
	if (f->dport)
		json_object_set_new(o, "dport", json_integer(f->dport));
	if (f->mark)
		json_object_set_new(o, "fwmark", json_integer(f->mark));
	if (f->dscp)
		json_object_set_new(o, "dscp", json_integer(f->dscp));
	if (f->ifindex && if_indextoname(f->ifindex, device))
		set_text(o, "interface", device);
	if (f->known & KNOWN(RULE_MAC)) {
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", f->mac[0], f->mac[1],
			 f->mac[2], f->mac[3], f->mac[4], f->mac[5]);
		set_text(o, "mac", text);
	}
	show_owner(o, s, f);
	return o;
}
