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
#define LINKS_LOOKED_AT 4096
#define DISPATCHER "xdp_dispatcher"

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

/* NULL: there is no room for more. */
static struct hook_program *hooks_new(struct hook_programs *p, const char *hook, const char *how,
				      const char *device)
{
	struct hook_program *item = &p->item[p->count];

	if (p->count == HOOK_PROGRAMS_MAX)
		return NULL;
	p->count++;
	*item = (struct hook_program){ .hook = hook, .how = how };
	snprintf(item->device, sizeof(item->device), "%s", device);
	return item;
}

static void hooks_add(struct hook_programs *p, const char *hook, const char *how,
		      const char *device, uint32_t id)
{
	struct hook_program *item = hooks_new(p, hook, how, device);

	if (!item)
		return;
	item->id = id;
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
	char root[256];
	int fd = -1, r = 0;

	if (doctor_mount_point("", "cgroup2", root))
		fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		int err = hooks_query(p, hooks[i].hook, "cgroup", "", (uint32_t)fd, hooks[i].type);

		if (err == -EPERM)
			r = err;
	}
	close(fd);
	return r;
}

/* The program of a link of BPF_LINK_TYPE_TRACING to `target`, 0 = it is none. */
static uint32_t hooks_extension(uint32_t link, uint32_t target)
{
	union bpf_attr attr = { .link_id = link };
	struct bpf_link_info info = { 0 };
	int fd = hooks_bpf(BPF_LINK_GET_FD_BY_ID, &attr), err;

	if (fd < 0)
		return 0;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	err = hooks_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
	close(fd);
	return !err && info.type == BPF_LINK_TYPE_TRACING && info.tracing.target_obj_id == target ?
		       info.prog_id :
		       0;
}

/*
 * libxdp's dispatcher stands on the device for those that share it: each takes the place of one
 * of its functions.
 */
static void hooks_dispatched(struct hook_programs *p, const char *device, uint32_t dispatcher)
{
	union bpf_attr attr = { .start_id = 0 };
	size_t before = p->count;

	for (int i = 0; i < LINKS_LOOKED_AT; i++) {
		uint32_t program;

		if (hooks_bpf(BPF_LINK_GET_NEXT_ID, &attr))
			break;
		program = hooks_extension(attr.next_id, dispatcher);
		if (program)
			hooks_add(p, "XDP", "xdp", device, program);
		attr.start_id = attr.next_id;
	}
	if (p->count == before)
		hooks_add(p, "XDP", "xdp", device, dispatcher);
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

static void hooks_other_filter(struct hooks_dump *d, const char *kind)
{
	struct hook_program *item = hooks_new(d->programs, d->hook, "clsact", d->device);

	if (item)
		snprintf(item->name, sizeof(item->name), "%s", kind);
}

/* 0 = it is none: bytecode of the older BPF. */
static uint32_t hooks_program_of(const struct rtattr *options)
{
	return hooks_u32(hooks_attr(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_ID));
}

/*
 * Without a handle, and without options, the kernel tells that there are filters of a kind at a
 * priority; then each of them, a program more than once.
 */

static void hooks_filter(struct hooks_dump *d, const struct nlmsghdr *h)
{
	const struct tcmsg *tc = NLMSG_DATA(h);
	size_t len = h->nlmsg_len - NLMSG_LENGTH(sizeof(*tc));
	const struct rtattr *kind = hooks_attr(TCA_RTA(tc), len, TCA_KIND),
			    *options = hooks_attr(TCA_RTA(tc), len, TCA_OPTIONS);
	bool bpf = kind && !strcmp(RTA_DATA(kind), "bpf");
	uint32_t id = bpf && options ? hooks_program_of(options) : 0;

	if (bpf ? options && !id : kind && !tc->tcm_handle) {
		hooks_other_filter(d, RTA_DATA(kind));
	} else if (id && id != d->seen) {
		d->seen = id;
		hooks_add(d->programs, d->hook, "clsact", d->device, id);
	}
}

static void hooks_link(struct hooks_dump *d, const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = NLMSG_DATA(h);
	const struct rtattr *xdp =
		hooks_attr(IFLA_RTA(link), h->nlmsg_len - NLMSG_LENGTH(sizeof(*link)), IFLA_XDP);
	uint32_t id =
		xdp ? hooks_u32(hooks_attr(RTA_DATA(xdp), RTA_PAYLOAD(xdp), IFLA_XDP_PROG_ID)) : 0;

	char name[16];

	if (!id)
		return;
	hooks_name(id, name);
	if (!strcmp(name, DISPATCHER))
		hooks_dispatched(d->programs, d->device, id);
	else
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
