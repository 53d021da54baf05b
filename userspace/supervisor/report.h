/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `headrace run` tells at the end: the flows that there were, and their sums. */
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"

struct control_client;
struct kernel;
struct report_flow;

struct report {
	size_t keep; /* flows that are kept at most, 0 = only sums */
	struct report_flow *flow; /* owned */
	size_t count, size;
	uint64_t flows; /* sums over all flows that ended */
	uint64_t bytes_up, bytes_down;
};

/*
 * keep: REPORT_FLOWS_MAX = all, in the order in which they end, until there is no place;
 * REPORT_SHORT = the largest; 0 = none.
 */
void report_init(struct report *r, size_t keep);
/* A flow ended. */
void report_add(struct report *r, const struct flow_event *e);
/*
 * Sends "flow" objects, ended and open ones, and "summary": all that are kept, in the order
 * in which they began, or the REPORT_SHORT with most bytes. Queues nothing else: the caller
 * answers.
 */
void report_send(struct report *r, struct kernel *k, bool full, struct control_client *client);
void report_done(struct report *r);

#endif
