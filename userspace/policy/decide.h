/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel half's classifier of flows on tables in this process's memory. */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include <stdint.h>

#include "bpf/rule_work.h"
#include "policy/tables.h"

struct policy_verdict {
	enum verdict verdict; /* VERDICT_NONE: the cgroup is in no entry, and a rule asks for it */
	uint32_t rule; /* place from 1, 0 = the default */
};

/*
 * What the rules say to a flow of these facts; of its name only what they hold. Of rule `asked`
 * (from 1, 0 = none) *ret_satisfied has bits by enum rule_dim.
 */
struct policy_verdict policy_decide(const struct policy_tables *t, const struct rule_facts *facts,
				    uint32_t asked, uint32_t *ret_satisfied);

#endif
