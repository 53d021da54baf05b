// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaches programs to a device: by tcx links (Linux 6.6), else as clsact filters. Both go with
 * the device. A device that outlives us is detached from by hand too, in its own network
 * namespace, of which a descriptor is kept.
 *
 * libbpf 1.1 knows no tcx, but bpf_link_create() passes an attach type and flags on as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "datapath/tc.h"
#include "netdev/filter.h"

/* enum bpf_attach_type of Linux 6.6 and its flag, by number: Debian 12's headers end before. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47
#define ATTACH_BEFORE (1U << 3)

/* Of filters: with the second the qdisc is ours, too, which whoever finds them has to know. */
#define FILTER_HANDLE 0x6872
#define FILTER_HANDLE_OWN 0x6873
#define PRIORITY_MAX 64 /* others' filters may have the first ones */

void attachment_init(struct attachment *a)
{
	*a = (struct attachment){ .netns = -1 };
}

/* --- tcx ---------------------------------------------------------------------------------- */

static int tcx_attach(const struct hook *h, int ifindex, enum attachment_place place)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = place == ATTACH_FIRST ? ATTACH_BEFORE : 0);
	int type = h->point == BPF_TC_INGRESS ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS;

	return bpf_link_create(h->program, ifindex, (enum bpf_attach_type)type, &opts);
}

static void close_links(struct attachment *a)
{
	for (unsigned int i = 0; i < a->hooks; i++)
		a->hook[i].link = fd_close(a->hook[i].link);
	a->hooks = 0;
}

/* Those that go before the others are attached from the last to the first. */
static int attach_tcx(struct attachment *a, const struct hook *hook, unsigned int hooks,
		      enum attachment_place place)
{
	for (unsigned int i = 0; i < hooks; i++) {
		const struct hook *h = &hook[place == ATTACH_FIRST ? hooks - 1 - i : i];
		int link = tcx_attach(h, a->ifindex, place);

		if (link < 0) {
			close_links(a);
			return link;
		}
		a->hook[a->hooks++] = (struct attached){ .hook = *h, .link = link };
	}
	return 0;
}

/* --- clsact ------------------------------------------------------------------------------- */

static void note_own(void *arg, const struct filter *f)
{
	*(bool *)arg |= f->program && f->handle == FILTER_HANDLE_OWN;
}

/* One that another Headrace has made, alive or killed, is for the last of them to remove. */
static int qdisc_make(int ifindex, bool *ret_own)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	*ret_own = !err;
	return err == -EEXIST ? filter_each(ifindex, note_own, ret_own) : err;
}

static void qdisc_remove(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	bpf_tc_hook_destroy(&hook);
}

static uint32_t handle_of(bool own_qdisc)
{
	return own_qdisc ? FILTER_HANDLE_OWN : FILTER_HANDLE;
}

static int filter_attach(const struct hook *h, const struct attachment *a, unsigned int priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = a->ifindex, .attach_point = h->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = h->program, .handle = handle_of(a->own_qdisc),
		    .priority = priority);

	return bpf_tc_attach(&hook, &opts);
}

/* At the first priority from *priority on that nobody has. */
static int filter_attach_free(const struct hook *h, const struct attachment *a,
			      unsigned int *priority)
{
	int err;

	do {
		err = filter_attach(h, a, *priority);
	} while ((err == -EEXIST || err == -EINVAL) && ++*priority <= PRIORITY_MAX);
	return err;
}

static void filter_detach(int ifindex, enum bpf_tc_attach_point point, uint32_t handle,
			  unsigned int priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);

	bpf_tc_detach(&hook, &opts);
}

static void note_filter(void *arg, const struct filter *f)
{
	*(bool *)arg = true;
}

/* Unless others have come to use it. */
static void qdisc_remove_unused(int ifindex)
{
	bool used = false;

	if (!filter_each(ifindex, note_filter, &used) && !used)
		qdisc_remove(ifindex);
}

static void detach_clsact(struct attachment *a)
{
	for (unsigned int i = 0; i < a->hooks; i++)
		if (a->hook[i].priority)
			filter_detach(a->ifindex, a->hook[i].hook.point, handle_of(a->own_qdisc),
				      a->hook[i].priority);
	if (a->own_qdisc)
		qdisc_remove_unused(a->ifindex);
	a->own_qdisc = false;
	a->hooks = 0;
}

static unsigned int *next_of(unsigned int next[2], enum bpf_tc_attach_point point)
{
	return &next[point == BPF_TC_EGRESS];
}

static int attach_clsact(struct attachment *a, const struct hook *hook, unsigned int hooks)
{
	unsigned int next[2] = { 1, 1 };
	int err = qdisc_make(a->ifindex, &a->own_qdisc);

	for (unsigned int i = 0; !err && i < hooks; i++) {
		unsigned int *priority = next_of(next, hook[i].point);

		if (*priority < hook[i].priority)
			*priority = hook[i].priority;
		err = filter_attach_free(&hook[i], a, priority);
		if (!err)
			a->hook[a->hooks++] = (struct attached){ .hook = hook[i],
								 .link = -1,
								 .priority = (*priority)++ };
	}
	if (err)
		detach_clsact(a);
	return err;
}

/* --- either ------------------------------------------------------------------------------- */

static int attach(struct attachment *a, const struct hook *hook, unsigned int hooks,
		  enum attachment_place place, enum kernel_attach way, const char **ret_how)
{
	int err = -EOPNOTSUPP;

	if (way != KERNEL_ATTACH_CLSACT)
		err = attach_tcx(a, hook, hooks, place);
	*ret_how = "tcx";
	if (!err || way == KERNEL_ATTACH_TCX)
		return err;
	*ret_how = "clsact";
	return attach_clsact(a, hook, hooks);
}

int attachment_attach(struct attachment *a, const struct hook *hook, unsigned int hooks,
		      int ifindex, enum attachment_place place, enum kernel_attach way,
		      const char **ret_how)
{
	const char *how;
	int err;

	if (a->ifindex)
		return -EALREADY;
	a->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (a->netns < 0)
		return -errno;
	a->ifindex = ifindex;
	err = attach(a, hook, hooks, place, way, &how);
	if (!err) {
		*ret_how = how;
		return 0;
	}
	fd_close(a->netns);
	attachment_init(a);
	return err;
}

struct own_search {
	const struct attachment *attachment;
	unsigned int found;
};

static void count_own(void *arg, const struct filter *f)
{
	struct own_search *s = arg;
	const struct attachment *a = s->attachment;

	for (unsigned int i = 0; i < a->hooks; i++)
		s->found += f->program && f->handle == handle_of(a->own_qdisc) &&
			    f->priority == a->hook[i].priority &&
			    f->egress == (a->hook[i].hook.point == BPF_TC_EGRESS);
}

int attachment_repair(struct attachment *a)
{
	struct own_search s = { .attachment = a };
	struct hook hook[ATTACHMENT_HOOKS];
	unsigned int hooks = a->hooks;
	int err;

	if (!a->ifindex || !hooks || a->hook[0].link >= 0)
		return 0;
	err = filter_each(a->ifindex, count_own, &s);
	if (err || s.found == hooks)
		return err;
	for (unsigned int i = 0; i < hooks; i++)
		hook[i] = a->hook[i].hook;
	detach_clsact(a);
	err = attach_clsact(a, hook, hooks);
	return err ? err : 1;
}

/* Filters are removed from within the device's namespace. */
static void detach_there(struct attachment *a)
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
	if (a->hooks && a->hook[0].link < 0)
		detach_there(a);
	close_links(a);
	fd_close(a->netns);
	attachment_init(a);
}

/* --- what a killed main has left ----------------------------------------------------------- */

#define PROGRAM_MAPS_MAX 64

struct stale_search {
	__u32 map; /* id of a map that the programs have */
	bool own_qdisc; /* one of them said so */
};

static bool has_map(__u32 program, __u32 map)
{
	__u32 ids[PROGRAM_MAPS_MAX], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = PROGRAM_MAPS_MAX, .map_ids = (uintptr_t)ids };
	int fd = bpf_prog_get_fd_by_id(program);
	bool has = false;

	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		for (__u32 i = 0; i < info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++)
			has |= ids[i] == map;
	fd_close(fd);
	return has;
}

static void remove_stale(void *arg, const struct filter *f)
{
	struct stale_search *s = arg;

	if ((f->handle != FILTER_HANDLE && f->handle != FILTER_HANDLE_OWN) || !f->program ||
	    !has_map(f->program, s->map))
		return;
	filter_detach(f->ifindex, f->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS, f->handle,
		      f->priority);
	s->own_qdisc |= f->handle == FILTER_HANDLE_OWN;
}

void attachment_clean_stale(uint32_t map_id)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		struct stale_search s = { .map = map_id };

		filter_each((int)i->if_index, remove_stale, &s);
		if (s.own_qdisc)
			qdisc_remove_unused((int)i->if_index);
	}
	if_freenameindex(all);
}
