/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows, events and drops as JSON objects; the keys are listed in base/control.h. */
#ifndef SUPERVISOR_SHOW_H
#define SUPERVISOR_SHOW_H

#include <jansson.h>

#include "bpf/contract.h"

/* A flow and what userspace knows of it: the one view that all commands share. */
struct show_flow {
	const struct flow_key *key;
	const struct flow *flow;
	const struct flow_info *info;
	uint64_t now_ns; /* the present, or when the flow ended */
	/* names of what `flow` has numbers of; NULL = not known, or of no interest */
	const char *cgroup; /* path */
	const char *device; /* a LAN client's */
	const char *rule_name;
};

/* NULL = out of memory. The caller owns the object. */
json_t *show_flow(const struct show_flow *f);
/* `names`: the last three of it count. */
json_t *show_event(const struct flow_event *e, const struct show_flow *names);
json_t *show_drop(const char *where, enum drop_reason reason, uint64_t count);

/* {field: count} of counters: those of a struct whose fields are __u64, by its X-macro. */
json_t *show_kernel_stats(const struct kernel_stats *s);
/* Adds them to `object`. */
void show_role_stats(json_t *object, const struct role_stats *s);
/* {field: count} without those that are zero. */
json_t *show_drop_counters(const struct drop_counters *d);

const char *show_end(enum flow_end end);

#endif
