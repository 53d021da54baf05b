/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random rules about flows, random flows of the same small world so that they meet, and what
 * the manual says becomes of each: rule by rule and condition by condition, from the words of
 * the configuration. No table, no hash, no bit vector.
 */
#ifndef LIB_RULES_WORLD_H
#define LIB_RULES_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "conf/conf.h"
#include "policy/compile.h"

/* A flow: what the classifier is given of it, and the words behind the numbers. */
struct rules_flow {
	struct rule_facts facts;
	const char *domain; /* NULL = not known */
	const char *cgroup; /* path; NULL = of no entry, if the id is known */
	const char *user;
	const char *executable;
	const char *device;
};

struct rules_answer {
	enum verdict verdict;
	uint32_t rule; /* from 1 */
};

void rules_world_seed(uint64_t seed);
uint32_t rules_random(uint32_t below);

/* The seeds of the names' hashes, and all names that there are in the world. */
extern const struct dns_state rules_world_dns;
extern const struct policy_name rules_world_names[];
extern const size_t rules_world_names_num;

/* A configuration of so many rules; of no more than `conditions` conditions each. */
struct conf *rules_world_conf(unsigned int rules, unsigned int conditions);
/* Like it, with so many random networks among its destinations. */
struct conf *rules_world_conf_networks(unsigned int rules, unsigned int networks);
void rules_world_flow(struct rules_flow *f);
/* A flow to somewhere near the networks of `c`. */
void rules_world_flow_near(struct rules_flow *f, const struct conf *c);

/* Does the flow satisfy the conditions of rule `rule` (from 1) in this dimension? */
bool rules_world_satisfies(const struct conf *c, const struct rules_flow *f, uint32_t rule,
			   enum rule_dim dim);
/* What becomes of it. */
struct rules_answer rules_world_decide(const struct conf *c, const struct rules_flow *f);

#endif
