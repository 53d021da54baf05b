// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaches the TUN programs: by tcx links (Linux 6.6), else as clsact filters. Both go with
 * the device. A device that was handed in outlives us, so detaching is done by hand too, in
 * the device's network namespace, of which a descriptor is kept.
 *
 * libbpf 1.1 knows no tcx, but bpf_link_create() passes an attach type on as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "datapath/kernel_internal.h"
#include "datapath/tc.h"

/* enum bpf_attach_type of Linux 6.6, by number: Debian 12's headers end before them. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

#define FILTER_HANDLE 0x6872

/* In the order in which they run: what dns_tun does not answer is tun_egress's. */
static const struct place {
	size_t program; /* in struct kernel_programs */
	enum bpf_tc_attach_point point;
	unsigned int priority;
} places[ATTACHMENT_LINKS] = {
	{ offsetof(struct kernel_programs, dns_tun), BPF_TC_EGRESS, 1 },
	{ offsetof(struct kernel_programs, tun_egress), BPF_TC_EGRESS, 2 },
	{ offsetof(struct kernel_programs, tun_ingress), BPF_TC_INGRESS, 1 },
};

static int program_of(const struct kernel_programs *p, const struct place *place)
{
	return *(const int *)((const char *)p + place->program);
}

void attachment_init(struct attachment *a)
{
	a->ifindex = 0;
	a->netns = -1;
	for (int i = 0; i < ATTACHMENT_LINKS; i++)
		a->link[i] = -1;
	a->own_qdisc = false;
}

int tcx_attach(int prog_fd, int ifindex, enum bpf_tc_attach_point point)
{
	int type = point == BPF_TC_INGRESS ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS;

	return bpf_link_create(prog_fd, ifindex, (enum bpf_attach_type)type, NULL);
}

static void close_links(struct attachment *a)
{
	for (int i = 0; i < ATTACHMENT_LINKS; i++)
		a->link[i] = fd_close(a->link[i]);
}

static int attach_tcx(struct attachment *a, const struct kernel_programs *p, int ifindex)
{
	for (int i = 0; i < ATTACHMENT_LINKS; i++) {
		int ret = tcx_attach(program_of(p, &places[i]), ifindex, places[i].point);

		if (ret < 0) {
			close_links(a);
			return ret;
		}
		a->link[i] = ret;
	}
	return 0;
}

int filter_attach(int ifindex, enum bpf_tc_attach_point point, unsigned int priority, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = FILTER_HANDLE,
		    .priority = priority, .flags = BPF_TC_F_REPLACE);

	return bpf_tc_attach(&hook, &opts);
}

void filter_detach(int ifindex, enum bpf_tc_attach_point point, unsigned int priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority);

	bpf_tc_detach(&hook, &opts);
}

int qdisc_make(int ifindex, bool *ret_own)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	*ret_own = !err;
	return err == -EEXIST ? 0 : err;
}

void qdisc_remove(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	bpf_tc_hook_destroy(&hook);
}

static void detach_clsact(const struct attachment *a)
{
	for (int i = 0; i < ATTACHMENT_LINKS; i++)
		filter_detach(a->ifindex, places[i].point, places[i].priority);
	if (a->own_qdisc)
		qdisc_remove(a->ifindex);
}

/* Needs a->ifindex, for the way back. */
static int attach_clsact(struct attachment *a, const struct kernel_programs *p)
{
	int err = qdisc_make(a->ifindex, &a->own_qdisc);

	if (err)
		return err;
	for (int i = 0; !err && i < ATTACHMENT_LINKS; i++)
		err = filter_attach(a->ifindex, places[i].point, places[i].priority,
				    program_of(p, &places[i]));
	if (err)
		detach_clsact(a);
	return err;
}

int attachment_attach(struct attachment *a, const struct kernel_programs *p, int ifindex,
		      const char **ret_how)
{
	int err;

	if (a->ifindex)
		return -EALREADY;
	a->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (a->netns < 0)
		return -errno;
	a->ifindex = ifindex;
	err = attach_tcx(a, p, ifindex);
	if (!err) {
		*ret_how = "tcx";
		return 0;
	}
	err = attach_clsact(a, p);
	if (!err) {
		*ret_how = "clsact";
		return 0;
	}
	a->netns = fd_close(a->netns);
	a->ifindex = 0;
	return err;
}

/* Filters are removed from within the device's namespace. */
static void detach_there(const struct attachment *a)
{
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (here < 0)
		return;
	if (!setns(a->netns, CLONE_NEWNET)) {
		detach_clsact(a);
		if (setns(here, CLONE_NEWNET))
			abort(); /* to go on in the wrong namespace would be worse */
	}
	fd_close(here);
}

void attachment_detach(struct attachment *a)
{
	if (!a->ifindex)
		return;
	if (a->link[0] < 0)
		detach_there(a);
	close_links(a);
	fd_close(a->netns);
	attachment_init(a);
}
