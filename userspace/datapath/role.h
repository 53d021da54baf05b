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

/* Whose policy a client has; what was found is remembered in 2^DATAPATH_CLIENT_BITS places. */
#define DATAPATH_CLIENT_BITS 6
struct datapath_client {
	struct addr addr;
	uint64_t epoch; /* while which it holds */
	uint32_t policy;
	bool known;
};

struct datapath {
	int flows;
	int flow_info;
	int domains;
	int flow_end;
	/* datapath/dns.h; workers have the first three, to read */
	int dns_state;
	int dns_policies;
	int dns_clients[2]; /* by the lowest bit of the epoch */
	int dns_names;
	int dns_answers;
	int dns_log;
	int domain_facts; /* datapath/facts.h */
	int names; /* the table that main made last, until it is taken */
	uint32_t names_buckets;
	bool names_answered; /* main has said yes or no to the last wish */
	struct dns_state *dns_state_mapped; /* the resolver's, NULL until it writes */
	struct datapath_client clients[1 << DATAPATH_CLIENT_BITS];
	unsigned int slot; /* of this role */
	struct role_counters *counters; /* own entry, never NULL */
};

/* All descriptors -1 and counters in private memory, until they are handed over. */
void datapath_init(struct datapath *dp, unsigned int slot);
/* Maps the role's entry of the counters map or memfd. 0 or -errno. */
int datapath_map_counters(struct datapath *dp, int counters_fd);
/*
 * Takes a descriptor that main hands over (struct role_descriptor), which is then
 * the datapath's. 0 or -errno; -ENOENT = it is not one of the datapath's, and is left alone.
 */
int datapath_take(struct datapath *dp, uint32_t kind, uint32_t index, int fd);
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

/* Who opened a flow. */
struct flow_owner {
	uint32_t uid; /* UINT32_MAX = not known */
	uint32_t pid; /* 0 = not known */
	char comm[COMM_BYTES]; /* "" = not known */
};
void datapath_flow_owner(const struct datapath *dp, const struct flow_key *key,
			 struct flow_owner *ret_owner);
/* From what the kernel half has noted of it. */
void flow_owner_set(struct flow_owner *o, uint32_t uid, uint32_t pid, const __u8 *comm);

/* Is it one of a socket on this host, or in the namespace of `headrace run`? */
bool datapath_flow_of_host(const struct datapath *dp, const struct flow_key *key);
/* Is the flow in the kernel half's table, and not about to end? */
bool datapath_flow_open(const struct datapath *dp, const struct flow_key *key);

/*
 * Name that clients of the policy last resolved `addr` from, "" if none or expired. Returns
 * buf.
 */
const char *datapath_domain_get(struct datapath *dp, uint32_t policy, const struct addr *addr,
				char buf[DOMAIN_TEXT_MAX]);
/* Notes that `name` (presentation form) resolved to `addr` until expires_ns. 0 or -errno. */
int datapath_domain_put(struct datapath *dp, uint32_t policy, const struct addr *addr,
			const char *name, uint64_t expires_ns);

#endif
