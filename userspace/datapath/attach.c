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
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "datapath/kernel_internal.h"

/* enum bpf_attach_type of Linux 6.6, by number: Debian 12's headers end before them. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

#define FILTER_HANDLE 0x6872
#define FILTER_PRIORITY 1

void attachment_init(struct attachment *a)
{
	a->ifindex = 0;
	a->netns = -1;
	a->link[0] = a->link[1] = -1;
	a->own_qdisc = false;
}

static int attach_tcx(struct attachment *a, const struct kernel_programs *p, int ifindex)
{
	int ret;

	ret = bpf_link_create(p->tun_egress, ifindex, ATTACH_TCX_EGRESS, NULL);
	if (ret < 0)
		return ret;
	a->link[0] = ret;
	ret = bpf_link_create(p->tun_ingress, ifindex, ATTACH_TCX_INGRESS, NULL);
	if (ret < 0) {
		a->link[0] = fd_close(a->link[0]);
		return ret;
	}
	a->link[1] = ret;
	return 0;
}

static int filter_attach(int ifindex, enum bpf_tc_attach_point point, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = FILTER_HANDLE,
		    .priority = FILTER_PRIORITY, .flags = BPF_TC_F_REPLACE);

	return bpf_tc_attach(&hook, &opts);
}

static void filter_detach(int ifindex, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);

	bpf_tc_detach(&hook, &opts);
}

static void detach_clsact(const struct attachment *a)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = a->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	filter_detach(a->ifindex, BPF_TC_EGRESS);
	filter_detach(a->ifindex, BPF_TC_INGRESS);
	if (a->own_qdisc)
		bpf_tc_hook_destroy(&hook);
}

/* Needs a->ifindex, for the way back. */
static int attach_clsact(struct attachment *a, const struct kernel_programs *p)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = a->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	a->own_qdisc = !err;
	err = filter_attach(a->ifindex, BPF_TC_EGRESS, p->tun_egress);
	if (!err)
		err = filter_attach(a->ifindex, BPF_TC_INGRESS, p->tun_ingress);
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
	fd_close(a->link[0]);
	fd_close(a->link[1]);
	fd_close(a->netns);
	attachment_init(a);
}
