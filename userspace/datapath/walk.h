/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What main and roles both do with the flow table, by descriptor. Internal to datapath/. */
#ifndef DATAPATH_WALK_H
#define DATAPATH_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "datapath/batch.h"

/* A walk over `flows` in parts. Zeroed = none is under way. */
struct walk {
	struct batch batch;
};

/* 0 or -ENOMEM. */
int walk_start(struct walk *w);
/*
 * Calls fn for the next entries, some 100 of them; fn may end the flow. fn != 0 ends the walk
 * and is returned. *ret_more: this was not the last part. 0 or -errno.
 */
int walk_next(struct walk *w, int flows_fd,
	      int (*fn)(void *arg, const struct flow_key *key, const struct flow *flow), void *arg,
	      bool *ret_more);
/* Harmless if none is under way. */
void walk_end(struct walk *w);

/*
 * Calls fn for each entry of the map `flows`; fn may end the flow. fn != 0 ends the walk and
 * is returned. Flows that come or go meanwhile may be missed. fd = -1: no flows. 0 or -errno.
 */
int walk_flows(int flows_fd,
	       int (*fn)(void *arg, const struct flow_key *key, const struct flow *flow),
	       void *arg);

/* Runs the flow_end program. 0 (also for a flow that is unknown or newer) or -errno. */
int walk_flow_end(int prog_fd, const struct flow_key *key, uint64_t created_ns,
		  const struct flow_info *info);

#endif
