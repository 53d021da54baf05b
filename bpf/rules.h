/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules in the programs. Who decides about a new flow:
 *
 *	w = rule_work_get(RULE_WORK_PACKET);
 *	fills w->facts (bpf/rule_work.h)
 *	decided = rules_decide();
 *	verdict = decided & 0xff; rule = decided >> 8; epoch = w->epoch
 *
 * once per flow, as it counts the rule's hit. VERDICT_NONE is a flow of a cgroup that main has
 * not looked at yet: drop the packet (DROP_CGROUP), main has been told. Cgroup hooks call
 * rules_decide_socket(), with RULE_WORK_SOCKET: they run where a packet's programs interrupt.
 */
#ifndef BPF_RULES_H
#define BPF_RULES_H

#include "bpf/count.h"
#include "bpf/maps.h"

#define RULES_CONTEXT __u32
#define RULES_PIECE __weak __noinline
#define RULES_LOOKUP static __always_inline

RULES_LOOKUP struct rule_work *rule_work_get(__u32 which)
{
	return bpf_map_lookup_elem(&rule_work, &which);
}

RULES_LOOKUP struct rule_work *rules_work(__u32 which)
{
	return rule_work_get(which);
}

RULES_LOOKUP struct rule_state *rule_state_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rule_state, &zero);
}

RULES_LOOKUP __u32 rules_epoch(__u32 which)
{
	struct rule_state *s = rule_state_get();

	return s ? *(volatile __u32 *)&s->epoch : 0;
}

RULES_LOOKUP struct rule_table *rules_table(const struct rule_work *w, __u32 which)
{
	__u32 at = w->epoch & 1;

	return bpf_map_lookup_elem(&rule_tables, &at);
}

RULES_LOOKUP struct rule_set *rules_set(const struct rule_work *w, __u32 which, __u32 place)
{
	__u32 at = w->epoch & 1;
	void *sets = bpf_map_lookup_elem(&rule_sets, &at);

	return sets ? bpf_map_lookup_elem(sets, &place) : NULL;
}

RULES_LOOKUP __u32 *rules_value(const struct rule_work *w, __u32 which)
{
	__u32 at = w->epoch & 1;
	void *values = bpf_map_lookup_elem(&rule_values, &at);

	return values ? bpf_map_lookup_elem(values, &w->value) : NULL;
}

RULES_LOOKUP __u32 *rules_prefix(const struct rule_work *w, __u32 which)
{
	__u32 at = w->epoch & 1;
	void *prefixes = bpf_map_lookup_elem(&rule_prefixes, &at);

	return prefixes ? bpf_map_lookup_elem(prefixes, &w->prefix) : NULL;
}

RULES_LOOKUP __u32 *rules_port(const struct rule_work *w, __u32 which)
{
	__u32 at = (w->epoch & 1) * RULE_PORTS + w->facts.dport;

	return bpf_map_lookup_elem(&rule_ports, &at);
}

RULES_LOOKUP struct domain_fact *rules_domain(const struct rule_work *w, __u32 which)
{
	return bpf_map_lookup_elem(&domain_facts, &w->name);
}

RULES_LOOKUP __u64 rules_now(__u32 which)
{
	return bpf_ktime_get_ns();
}

/* Are there any rules, besides the default? */
RULES_LOOKUP int rules_any(void)
{
	struct rule_state *s = rule_state_get();
	__u32 at = s ? s->epoch & 1 : 0;
	struct rule_table *t = bpf_map_lookup_elem(&rule_tables, &at);

	return t && t->rules;
}

#include "bpf/rules_match.h"

#define CGROUP_AGAIN_NS 10000000ULL /* main is told anew of one that it has not answered */

/* Tells main of the cgroup of w->facts. */
RULES_PIECE int rules_tell_cgroup(__u32 which)
{
	struct rule_work *w = rule_work_get(which);
	__u64 now = bpf_ktime_get_ns();
	struct cgroup_event *e;

	if (!w || (w->told_cgroup == w->facts.cgroup && now - w->told_ns < CGROUP_AGAIN_NS))
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count_stat(STAT_EVENTS_LOST, 1);
		return 0;
	}
	e->time_ns = now;
	e->type = EVENT_CGROUP;
	e->pad = 0;
	e->cgroup = w->facts.cgroup;
	bpf_ringbuf_submit(e, 0);
	w->told_cgroup = w->facts.cgroup;
	w->told_ns = now;
	return 0;
}

/* Counts what was decided, and what was not known where a rule asks for it. */
RULES_PIECE int rules_count(__u32 which, __u32 rule)
{
	struct rule_work *w = rule_work_get(which);
	__u64 *hits;
	__u32 at;

	if (!w || rule > RULES_MAX)
		return 0;
	at = (w->epoch & 1) * (RULES_MAX + 1) + rule;
	hits = bpf_map_lookup_elem(&rule_hits, &at);
	if (hits)
		__sync_fetch_and_add(hits, 1);
	if (w->missing & 1U << RULE_DOMAIN)
		count_stat(STAT_UNKNOWN_DOMAIN, 1);
	/* of forwarded packets no owner is known, and that is as it should be */
	if (w->missing & (1U << RULE_COMM | 1U << RULE_EXE) && w->facts.known & 1U << RULE_UID)
		count_stat(STAT_UNKNOWN_OWNER, 1);
	return 0;
}

/* Decides on the facts in entry `which` of rule_work. */
RULES_PIECE int rules_decide_in(__u32 which)
{
	int decided = rules_run(which);

	if (decided == VERDICT_NONE)
		rules_tell_cgroup(which);
	else
		rules_count(which, decided >> 8);
	return decided;
}

/* Not functions of their own: the rules need seven of the eight calls that may be nested. */
RULES_LOOKUP int rules_decide(void)
{
	return rules_decide_in(RULE_WORK_PACKET);
}

RULES_LOOKUP int rules_decide_socket(void)
{
	return rules_decide_in(RULE_WORK_SOCKET);
}

#endif
