/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policies as compiled from the configuration and its lists: which client has which policy,
 * and what that does with a query. One generation is one object with counted references:
 * queries in flight end under the generation they began with.
 */
#ifndef DNS_POLICY_H
#define DNS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "conf/conf.h"
#include "dns/name.h"

struct policies;

/* What a policy does with a query, and because of what. */
struct policy_verdict {
	enum dns_action action; /* never DNS_ASK */
	uint32_t policy;
	uint32_t rule; /* place in the policy, CONF_NONE = no rule matched */
	uint32_t group; /* DNS_PASS and DNS_REWRITE to a name: of upstreams */
	const struct conf_rule *conf; /* NULL = no rule matched */
	const char *list; /* name of the list that has the query's name, NULL = none */
	unsigned int label; /* labels of the query's name above the one that matched; 0 = itself */
};

/*
 * Begins to compile. `c` belongs to the policies from then on, the descriptors of c->dns.list
 * (regular files; their position is left alone) remain the caller's and must stay open until
 * policies_step() has ended. `seed`: of name hashes, dns_state.seed. 0 or -errno.
 */
int policies_begin(struct conf *c, const int *list_fds, const uint64_t seed[2],
		   struct policies **ret_policies);

#define POLICIES_MORE 0
#define POLICIES_DONE 1
#define POLICIES_TABLE 2

/*
 * Goes on for about a millisecond. POLICIES_MORE = call again; POLICIES_TABLE, once = call again
 * after policies_give_table(), if at all; POLICIES_DONE; -errno, for which policies_errors() has a
 * reason.
 */
int policies_step(struct policies *p);
/*
 * A table for policies_buckets() buckets and DNS_BUCKETS_LOOKED - 1 more, all zero, of
 * policies_table_bytes(). With fd >= 0 it is a mapping of that map; both are the policies' then,
 * and unmapped and closed with them. With fd -1 it is the caller's memory and outlives them.
 * Without a table given they have memory of their own.
 */
void policies_give_table(struct policies *p, struct dns_bucket *table, int fd);
uint32_t policies_buckets(const struct policies *p); /* 0 = no names */
size_t policies_table_bytes(const struct policies *p);
int policies_fd(const struct policies *p); /* -1 = none was given */

/* Lines "FILE:LINE: what": what was skipped in lists, or why policies_step() failed. */
const struct conf_errors *policies_errors(const struct policies *p);

/* The configuration they were made from. */
const struct conf *policies_conf(const struct policies *p);

struct policies *policies_get(struct policies *p); /* one more reference */
/* Accepts NULL. The last reference frees. */
void policies_put(struct policies *p);

/* The policy of a client: the first one in the configuration's order that has its address. */
uint32_t policies_client(const struct policies *p, const struct addr *client);
/* What `policy` does with a query of class IN; `name` in lower case. */
void policies_decide(const struct policies *p, uint32_t policy, const struct name *name,
		     uint16_t type, struct policy_verdict *ret_verdict);

/*
 * Lists that have a name, of those that the rules of `rules:` ask for, by their place. hash[0] is
 * the name's, behind it are those of its parents, by the seed of policies_begin().
 */
uint64_t policies_lists(const struct policies *p, const uint64_t *hash, unsigned int hashes);

/*
 * For the kernel half: the policy in its form; and each prefix of clients with its value
 * (DNS_CLIENT_ALLOWED and the policy), until fn returns less than 0, which is then returned.
 */
const struct dns_policy *policies_kernel(const struct policies *p, uint32_t policy);
int policies_each_client(const struct policies *p,
			 int (*fn)(void *arg, const struct dns_client_key *key, uint32_t value),
			 void *arg);

struct policies_figures {
	uint64_t names; /* of lists and rules, those that several have once */
	uint64_t spilled; /* that the kernel half asks the resolver for */
	uint64_t groups;
	uint64_t bytes; /* of memory, the table's included */
};
void policies_figures(const struct policies *p, struct policies_figures *ret_figures);

#endif
