/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules of all policies in the form that decides: sets of names and what rules use them,
 * bit vectors for the kernel half, and the resolver's own answer, which is always exact.
 */
#ifndef DNS_RULES_H
#define DNS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "conf/conf.h"
#include "dns/groups.h"
#include "dns/name.h"
#include "dns/names.h"
#include "dns/policy.h"

struct rules;

/* Does any rule have it as a condition? */
bool rules_list_is_used(const struct conf_dns *dns, uint32_t list);

/*
 * 0 or -ENOMEM. `c` must outlive them; has_exceptions: by list. Their sets are then known, but
 * nothing can be decided before rules_compile().
 */
int rules_new(const struct conf *c, const bool *has_exceptions, struct rules **ret_rules);
/* Accepts NULL. */
void rules_free(struct rules *r);

const struct groups_set *rules_sets(const struct rules *r, size_t *ret_sets);
/* CONF_NONE = no rule has such a condition: its names need not be known. */
uint32_t rules_domain_set(const struct rules *r, uint32_t policy, uint32_t rule);
uint32_t rules_list_set(const struct rules *r, uint32_t list, bool exceptions);

/* Of all groups there are by now. Both, and the names in them, must outlive the rules. */
void rules_compile(struct rules *r, const struct groups *groups, const struct names *names);

const struct dns_policy *rules_kernel(const struct rules *r, uint32_t policy);
void rules_decide(const struct rules *r, uint32_t policy, const struct name *lower_name,
		  uint16_t type, struct policy_verdict *ret_verdict);
/* Of a name and its parents, as struct domain_fact has them: conf_dns.rule_lists that have it. */
uint64_t rules_lists(const struct rules *r, const uint64_t *hash, unsigned int hashes);
size_t rules_bytes(const struct rules *r);

#endif
