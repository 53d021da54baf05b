/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel half as a role sees it: descriptors handed over by main, no libbpf objects.
 * Every function works without BPF too (descriptor -1): it then does nothing and says so
 * by its result. Single-threaded.
 */
#ifndef DATAPATH_ROLE_H
#define DATAPATH_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"

struct datapath {
	int flows;
	int flow_info;
	int domains;
	int flow_end;
	unsigned int slot; /* of this role */
	struct role_counters *counters; /* own entry, never NULL */
};

/* All descriptors -1 and counters in private memory, until they are handed over. */
void datapath_init(struct datapath *dp, unsigned int slot);
/* Maps the role's entry of the counters map or memfd. 0 or -errno. */
int datapath_map_counters(struct datapath *dp, int counters_fd);
/*
 * Takes a descriptor that main hands over (kind: enum role_descriptor_kind), which is then
 * the datapath's. 0 or -errno; -ENOENT = it is not one of the datapath's, and is left alone.
 */
int datapath_take(struct datapath *dp, uint32_t kind, int fd);
void datapath_done(struct datapath *dp);

static inline void datapath_drop(struct datapath *dp, enum drop_reason why)
{
	((__u64 *)&dp->counters->drops)[why]++;
}

static inline void datapath_count(struct datapath *dp, enum role_stat what, int64_t by)
{
	((__u64 *)&dp->counters->stats)[what] += (__u64)by;
}

/* What this role may hold of a thing, and how much it does: it reads and writes all of it. */
static inline struct budget_use *datapath_budget(struct datapath *dp, enum budget which)
{
	return (struct budget_use *)&dp->counters->budgets + which;
}

/* Writes flow_info[key] (outbound, upstream, domain; info->slot is filled in). 0 or -errno. */
int datapath_flow_note(struct datapath *dp, const struct flow_key *key,
		       const struct flow_info *info);

/* Reads back what datapath_flow_note() wrote. 0 or -errno, -ENOENT = nothing. */
int datapath_flow_noted(struct datapath *dp, const struct flow_key *key,
			struct flow_info *ret_info);

/*
 * The flow ended: event, final counters and removal by the kernel half. created_ns: when
 * this role first saw it (clock_ns()). 0 or -errno; unknown flows are no error. With an
 * empty info->outbound all but info->end is taken from what datapath_flow_note() wrote.
 */
int datapath_flow_end(struct datapath *dp, const struct flow_key *key, uint64_t created_ns,
		      const struct flow_info *info);

/*
 * Calls fn for each entry of `flows` that belongs to queue `slot`; fn may end the flow. For
 * a role that takes over after a crash. 0 or -errno.
 */
int datapath_flow_each(struct datapath *dp, unsigned int slot,
		       void (*fn)(void *arg, const struct flow_key *key, const struct flow *flow),
		       void *arg);

/* Name that `addr` was last resolved from, "" if none or expired. Returns buf. */
const char *datapath_domain_get(struct datapath *dp, const struct addr *addr,
				char buf[DOMAIN_TEXT_MAX]);
/* Notes that `name` (presentation form) resolved to `addr` until expires_ns. 0 or -errno. */
int datapath_domain_put(struct datapath *dp, const struct addr *addr, const char *name,
			uint64_t expires_ns);

#endif
