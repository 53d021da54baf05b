/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows as commands show them: those that are carried and those that pass as they are, each with
 * what is known of it, in parts, so that main is never away for longer than one of them takes.
 */
#ifndef DATAPATH_VIEW_H
#define DATAPATH_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel.h"
#include "datapath/walk.h"

#define CGROUP_PATH_MAX 512

/* A walk over all flows. Zeroed = none is under way. */
struct kernel_view {
	struct walk walk;
	struct batch sockets; /* of `sock_flows` */
	enum { VIEW_CARRIED, VIEW_DIRECT, VIEW_SOCKETS } table; /* that is being walked */
	struct addr client; /* whose policy was looked up last */
	uint32_t policy;
	bool policy_known;
};

/*
 * Direct flows of route capture are entered, and brought up to date, when somebody looks: to be
 * called before a walk, and now and then while somebody follows. Harmless without any.
 */
void kernel_direct_look(struct kernel *k);

/* 0 or -ENOMEM. */
int kernel_view_begin(struct kernel_view *v);
/*
 * Calls fn for the next flows, some 100 of them; fn != 0 ends the walk and is returned.
 * *ret_more: there are others. 0 or -errno.
 */
int kernel_view_next(struct kernel *k, struct kernel_view *v,
		     int (*fn)(void *arg, const struct kernel_flow *f), void *arg, bool *ret_more);
/* Harmless if none is under way. */
void kernel_view_end(struct kernel_view *v);

/* Somebody follows: flows that pass as they are are told, too. */
void kernel_tell_direct(struct kernel *k, bool on);

/*
 * Path of a cgroup below the root of the hierarchy that is seen here, as "/a/b"; "" = it is gone,
 * or cannot be found out. What was found is remembered. Returns a string that lasts until the
 * next call.
 */
const char *kernel_cgroup_path(uint64_t id);

#endif
