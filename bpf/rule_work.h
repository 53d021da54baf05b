/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Working memory of the rules' classifier, and the facts that every packet tells, for both
 * halves. Who decides fills `facts`, whole, and names in `known` what else it knows:
 *
 *	rule_facts_packet(&w->facts, packet);
 *	w->facts.uid = ...; w->facts.known |= 1U << RULE_UID;
 */
#ifndef BPF_RULE_WORK_H
#define BPF_RULE_WORK_H

#include "bpf/contract.h"
#include "bpf/parse.h"

/* Entries of `rule_work`: who runs in process context may be interrupted by a packet. */
#define RULE_WORK_PACKET 0U /* tc programs */
#define RULE_WORK_SOCKET 1U /* cgroup hooks */
#define RULE_WORK_TRY 2U /* rules_try */
#define RULE_WORKS 3

struct rule_work {
	struct rule_facts facts;
	struct domain_fact_key name; /* keys of the look-up under way */
	struct rule_prefix prefix;
	struct rule_value value;
	struct rule_set found; /* dimension at hand: rules of the values found, then satisfied */
	struct rule_set left; /* rules that every dimension so far satisfies */
	__u32 epoch; /* generation that decides */
	__u32 words; /* of its sets */
	__u32 dims; /* bits by enum rule_dim: some rule of it has a condition there */
	__u32 asked; /* place of a rule, from 1, of which `satisfied` is wanted; 0 = none */
	__u32 satisfied; /* bits by enum rule_dim */
	__u32 missing; /* likewise: was not known where a rule asked for it */
	__u64 told_cgroup; /* the last one that nothing was known of, told when */
	__u64 told_ns;
	__u64 caller; /* of RULE_WORK_SOCKET: the task that works in it */
};

PARSE_INLINE void rule_facts_packet(struct rule_facts *f, const struct packet *p)
{
	__builtin_memset(f, 0, sizeof(*f));
	f->saddr = p->saddr;
	f->daddr = p->daddr;
	if (p->proto == PROTO_TCP || p->proto == PROTO_UDP)
		f->dport = parse_be16((const __u8 *)&p->dport);
	f->proto = p->proto;
	f->dscp = p->tos >> 2;
	f->known = RULE_KNOWN_ALWAYS;
}

/* Why a packet with this verdict of rules_decide() is not passed on. */
PARSE_INLINE enum drop_reason rule_reason(enum verdict verdict)
{
	if (verdict == VERDICT_REJECT)
		return DROP_RULE_REJECT;
	return verdict == VERDICT_DROP ? DROP_RULE : DROP_CGROUP;
}

#endif
