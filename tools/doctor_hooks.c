// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs on the hooks that capture uses, and their order: tcx links by bpf(2), filters of
 * clsact and XDP by rtnetlink, programs on the root cgroup by bpf(2). The client links no
 * libbpf: it asks the kernel itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "tools/doctor.h"

#define TCX_INGRESS 46 /* enum bpf_attach_type, since 6.6 */
#define TCX_EGRESS 47
#define PROGRAMS_PER_HOOK 64
#define NETLINK_ANSWER_BYTES 32768

bool doctor_is_ours(const char *program)
{
	static const char *const ours[] = {
		"dns_eth",	  "dns_tun",	   "dns_xdp",	   "host_egress",  "host_egress3",
		"host_ingress",	  "host_ingress3", "lan_egress",   "lan_egress3",  "lan_ingress",
		"lan_ingress3",	  "lo_egress",	   "tun_egress",   "tun_ingress",  "sock_note",
		"sock_connect4",  "sock_connect6", "sock_release", "sock_protect", "route_connect4",
		"route_connect6",
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcmp(program, ours[i]))
			return true;
	return false;
}

/* --- bpf(2) --------------------------------------------------------------------------------- */

static int hooks_bpf(int command, union bpf_attr *attr)
{
	long r = syscall(__NR_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static void hooks_name(uint32_t id, char name[16])
{
	union bpf_attr attr = { .prog_id = id };
	struct bpf_prog_info info = { 0 };
	int fd = hooks_bpf(BPF_PROG_GET_FD_BY_ID, &attr);

	snprintf(name, 16, "?");
	if (fd < 0)
		return;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (!hooks_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		snprintf(name, 16, "%.15s", info.name);
	close(fd);
}

static void hooks_add(struct hook_programs *p, const char *hook, const char *how,
		      const char *device, uint32_t id)
{
	struct hook_program *item = &p->item[p->count];

	if (p->count == HOOK_PROGRAMS_MAX)
		return;
	p->count++;
	*item = (struct hook_program){ .hook = hook, .how = how, .id = id };
	snprintf(item->device, sizeof(item->device), "%s", device);
	hooks_name(id, item->name);
}

/* Those of a hook, in their order. 0 or -errno. */
static int hooks_query(struct hook_programs *p, const char *hook, const char *how,
		       const char *device, uint32_t target, uint32_t type)
{
	uint32_t ids[PROGRAMS_PER_HOOK] = { 0 };
	union bpf_attr attr = { 0 };
	int r;

	attr.query.target_fd = target; /* of tcx: ifindex */
	attr.query.attach_type = type;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS_PER_HOOK;
	r = hooks_bpf(BPF_PROG_QUERY, &attr);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < attr.query.prog_cnt && i < PROGRAMS_PER_HOOK; i++)
		hooks_add(p, hook, how, device, ids[i]);
	return 0;
}

static int hooks_cgroup(struct hook_programs *p)
{
	static const struct {
		const char *hook;
		uint32_t type;
	} hooks[] = {
		{ "cgroup socket creation", BPF_CGROUP_INET_SOCK_CREATE },
		{ "cgroup connect4", BPF_CGROUP_INET4_CONNECT },
		{ "cgroup connect6", BPF_CGROUP_INET6_CONNECT },
		{ "cgroup sendmsg4", BPF_CGROUP_UDP4_SENDMSG },
		{ "cgroup sendmsg6", BPF_CGROUP_UDP6_SENDMSG },
		{ "cgroup egress", BPF_CGROUP_INET_EGRESS },
		{ "cgroup ingress", BPF_CGROUP_INET_INGRESS },
	};
	static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
	int fd = -1, r = 0;

	for (size_t i = 0; fd < 0 && i < sizeof(roots) / sizeof(roots[0]); i++)
		fd = open(roots[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		int err = hooks_query(p, hooks[i].hook, "cgroup", "", (uint32_t)fd, hooks[i].type);

		if (err == -EPERM)
			r = err; /* -EBADF: a cgroup1 root */
	}
	close(fd);
	return r;
}

/* --- rtnetlink ------------------------------------------------------------------------------ */

struct hooks_dump {
	struct hook_programs *programs;
	const char *hook;
	const char *device;
	uint32_t seen; /* ID taken last: a filter is told twice */
};

static const struct rtattr *hooks_attr(const void *first, size_t len, unsigned short type)
{
	const struct rtattr *a = first;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}

static uint32_t hooks_u32(const struct rtattr *a)
{
	uint32_t n = 0;

	if (a && RTA_PAYLOAD(a) >= sizeof(n))
		memcpy(&n, RTA_DATA(a), sizeof(n));
	return n;
}

static void hooks_filter(struct hooks_dump *d, const struct nlmsghdr *h)
{
	const struct tcmsg *tc = NLMSG_DATA(h);
	const struct rtattr *options =
		hooks_attr(TCA_RTA(tc), h->nlmsg_len - NLMSG_LENGTH(sizeof(*tc)), TCA_OPTIONS);
	uint32_t id =
		options ?
			hooks_u32(hooks_attr(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_ID)) :
			0;

	if (!id || id == d->seen)
		return;
	d->seen = id;
	hooks_add(d->programs, d->hook, "clsact", d->device, id);
}

static void hooks_link(struct hooks_dump *d, const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = NLMSG_DATA(h);
	const struct rtattr *xdp =
		hooks_attr(IFLA_RTA(link), h->nlmsg_len - NLMSG_LENGTH(sizeof(*link)), IFLA_XDP);
	uint32_t id =
		xdp ? hooks_u32(hooks_attr(RTA_DATA(xdp), RTA_PAYLOAD(xdp), IFLA_XDP_PROG_ID)) : 0;

	if (id)
		hooks_add(d->programs, "XDP", "xdp", d->device, id);
}

/* False: the answer is over. */
static bool hooks_take(struct hooks_dump *d, const char *buf, size_t len,
		       void (*each)(struct hooks_dump *d, const struct nlmsghdr *h))
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return false;
		if (h->nlmsg_type == RTM_NEWTFILTER || h->nlmsg_type == RTM_NEWLINK)
			each(d, h);
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			return false;
	}
	return true;
}

static void hooks_ask(struct hooks_dump *d, struct nlmsghdr *request,
		      void (*each)(struct hooks_dump *d, const struct nlmsghdr *h))
{
	static _Alignas(8) char buf[NETLINK_ANSWER_BYTES];
	const struct timeval patience = { .tv_sec = 2 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t len = -1;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, request, request->nlmsg_len, 0) == (ssize_t)request->nlmsg_len)
		do {
			len = recv(fd, buf, sizeof(buf), 0);
		} while (len > 0 && hooks_take(d, buf, (size_t)len, each));
	close(fd);
}

static void hooks_clsact(struct hook_programs *p, const char *hook, const char *device, int ifindex,
			 uint32_t minor)
{
	struct {
		struct nlmsghdr head;
		struct tcmsg tc;
	} request = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
				.nlmsg_type = RTM_GETTFILTER,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		      .tc = { .tcm_ifindex = ifindex,
			      .tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor) } };
	struct hooks_dump d = { .programs = p, .hook = hook, .device = device };

	hooks_ask(&d, &request.head, hooks_filter);
}

static void hooks_xdp(struct hook_programs *p, const char *device, int ifindex)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} request = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
				.nlmsg_type = RTM_GETLINK,
				.nlmsg_flags = NLM_F_REQUEST },
		      .link = { .ifi_index = ifindex } };
	struct hooks_dump d = { .programs = p, .device = device };

	hooks_ask(&d, &request.head, hooks_link);
}

/* tcx runs before the filters of clsact. */
static int hooks_device(struct hook_programs *p, const char *device, int ifindex)
{
	uint32_t index = (uint32_t)ifindex;
	int err = hooks_query(p, "tc egress", "tcx", device, index, TCX_EGRESS);

	p->tcx |= !err;
	hooks_clsact(p, "tc egress", device, ifindex, TC_H_MIN_EGRESS);
	hooks_query(p, "tc ingress", "tcx", device, index, TCX_INGRESS);
	hooks_clsact(p, "tc ingress", device, ifindex, TC_H_MIN_INGRESS);
	hooks_xdp(p, device, ifindex);
	return err == -EPERM ? err : 0;
}

void doctor_hooks_read(struct hook_programs *p)
{
	struct if_nameindex *all = if_nameindex();

	memset(p, 0, sizeof(*p));
	for (const struct if_nameindex *d = all; d && d->if_index && !p->error; d++)
		p->error = hooks_device(p, d->if_name, (int)d->if_index);
	if (all)
		if_freenameindex(all);
	if (!p->error)
		p->error = hooks_cgroup(p);
}

/* --- what they mean ------------------------------------------------------------------------- */

static bool hooks_same(const struct hook_program *a, const struct hook_program *b)
{
	return !strcmp(a->hook, b->hook) && !strcmp(a->device, b->device);
}

/* Of a hook that one of ours is on: does the one at `at` run before it? */
static const char *hooks_order(const struct hook_programs *p, size_t at)
{
	for (size_t i = 0; i < p->count; i++) {
		if (!hooks_same(&p->item[i], &p->item[at]) || !doctor_is_ours(p->item[i].name))
			continue;
		return i > at ? ", before ours: packets that it takes or drops are not seen" :
				", behind ours: it does not see what is captured";
	}
	return "";
}

static void hooks_foreign(struct findings *f, const struct hook_programs *p, size_t at)
{
	const struct hook_program *item = &p->item[at];
	const char *order = hooks_order(p, at);

	finding_add(f, FINDING_NOTE, "hooks", NULL, "%s%s%s: '%s' (id %u, %s)%s", item->hook,
		    item->device[0] ? " of " : "", item->device, item->name, item->id, item->how,
		    order);
}

/* With nobody who carries what they capture they refuse it, or let it pass. */
static void hooks_left(struct findings *f, size_t programs)
{
	finding_add(f, FINDING_ERROR, "hooks",
		    "`headrace up` starts the daemon anew, `headrace down` takes them away",
		    "a daemon that was killed has left programs on devices (%zu): with when-down: "
		    "closed they refuse what rules would capture",
		    programs);
}

void doctor_hooks(struct findings *f, const struct hook_programs *p,
		  const struct doctor_instance *in)
{
	size_t ours = 0, others = 0, captures = 0;

	if (p->error) {
		finding_add(f, FINDING_NOTE, "hooks", "run as root",
			    "other programs on the hooks could not be looked at: %s",
			    strerror(-p->error));
		return;
	}
	for (size_t i = 0; i < p->count; i++) {
		if (doctor_is_ours(p->item[i].name)) {
			ours++;
			captures += p->item[i].device[0] != '\0';
			continue;
		}
		hooks_foreign(f, p, i);
		others++;
	}
	if (in->none && captures)
		hooks_left(f, captures);
	finding_add(f, FINDING_OK, "hooks", NULL,
		    "%zu programs of headrace, %zu of others, on devices and the root cgroup; the "
		    "kernel has %s",
		    ours, others, p->tcx ? "tcx" : "clsact alone");
}
