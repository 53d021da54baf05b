// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Called by main through BPF_PROG_TEST_RUN: what the rules in force would say to a flow, by the
 * very code that decides about packets.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/rules.h"

/* Of the rule asked for: in which dimensions it has conditions. */
__noinline int try_conditions(__u32 asked)
{
	struct rule_work *w = rule_work_get(RULE_WORK_TRY);
	struct rule_table *t;
	__u32 dim, conditions = 0, at = asked - 1;

	if (!w || at >= RULES_MAX)
		return 0;
	t = rules_table(w, RULE_WORK_TRY);
	if (!t)
		return 0;
	for (dim = 0; dim < RULE_DIM_NUM; dim++)
		if (t->dims >> dim & 1)
			conditions |= (~t->unknown[dim].bits[at / 64 % RULE_WORDS] >> at % 64 & 1)
				      << dim;
	return conditions;
}

SEC("?syscall")
int rules_try(struct rule_try_args *args)
{
	struct rule_work *w = rule_work_get(RULE_WORK_TRY);
	int decided;

	if (!w)
		return -1;
	w->facts = args->facts;
	w->asked = args->asked;
	decided = rules_run(RULE_WORK_TRY);
	args->facts = w->facts;
	args->verdict = decided & 0xff;
	args->rule = decided >> 8;
	args->epoch = w->epoch;
	args->conditions = try_conditions(args->asked);
	args->satisfied = w->satisfied | ~args->conditions;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
