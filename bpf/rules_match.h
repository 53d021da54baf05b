/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules' classifier, for both halves: from the facts in struct rule_work to the rule that
 * decides (bpf/contract_rules.h says how). Who includes it says in front of that where things
 * are found; each may give NULL:
 *
 *	RULES_CONTEXT			type of `ctx`, which everything here is handed on by
 *	RULES_PIECE			storage class of the pieces
 *	rules_work(ctx)			struct rule_work
 *	rules_epoch(ctx)		rule_state.epoch
 *	rules_table(w, ctx)		struct rule_table of w->epoch, as everything below
 *	rules_set(w, ctx, place)	struct rule_set at a place of rule_sets, not 0
 *	rules_value(w, ctx)		value of w->value: a place
 *	rules_prefix(w, ctx)		value of w->prefix
 *	rules_port(w, ctx)		value of port w->facts.dport
 *	rules_domain(w, ctx)		struct domain_fact of w->name
 *	rules_now(ctx)			ns
 *
 * In the kernel each piece is a global function, which the verifier looks at once, and state
 * between them is in the working memory alone.
 */
#ifndef BPF_RULES_MATCH_H
#define BPF_RULES_MATCH_H

#include "bpf/dns_names.h"
#include "bpf/rule_work.h"

/* clang would make a call of memset() of it. */
PARSE_INLINE void rules_fill(struct rule_set *set, __u32 words, __u64 bits)
{
	__u32 i;

	for (i = 0; i < RULE_WORDS && i < words; i++) {
		set->bits[i] = bits;
		PARSE_MERGE();
	}
}

/* Adds the rules of a set to what the dimension at hand found. */
RULES_PIECE int rules_add(RULES_CONTEXT ctx, __u32 place)
{
	struct rule_work *w = rules_work(ctx);
	const struct rule_set *set;
	__u32 i;

	if (!w || !place)
		return 0;
	set = rules_set(w, ctx, place);
	if (!set)
		return 0;
	for (i = 0; i < RULE_WORDS && i < w->words; i++)
		w->found.bits[i] |= set->bits[i];
	return 0;
}

/* Leaves in only the rules of base XOR found (NULL = none found). Are there any? */
PARSE_INLINE int rules_narrow(struct rule_work *w, const struct rule_set *base,
			      const struct rule_set *found)
{
	__u32 i, words = w->words;
	__u64 any = 0;

	for (i = 0; i < RULE_WORDS && i < words; i++) {
		w->left.bits[i] &= found ? base->bits[i] ^ found->bits[i] : base->bits[i];
		any |= w->left.bits[i];
	}
	return any != 0;
}

/* Does base XOR found have the rule that was asked for? */
PARSE_INLINE void rules_satisfy(struct rule_work *w, __u32 dim, const struct rule_set *base,
				const struct rule_set *found)
{
	__u32 at = w->asked - 1, word = at / 64 % RULE_WORDS;
	__u64 bits = base->bits[word];

	if (found)
		bits ^= found->bits[word];
	w->satisfied |= (bits >> at % 64 & 1) << dim;
}

/*
 * Ends a dimension: leaves in only the rules that it satisfies. What it found is the set at
 * `place`, 0 = nothing, or RULE_FOUND = w->found. Returns whether any are left.
 */
#define RULE_FOUND (~0U)

RULES_PIECE int rules_leave(RULES_CONTEXT ctx, __u32 dim, __u32 place)
{
	struct rule_work *w = rules_work(ctx);
	const struct rule_set *base, *found = NULL;
	const struct rule_table *t;

	if (!w || dim >= RULE_DIM_NUM)
		return 0;
	t = rules_table(w, ctx);
	if (!t)
		return 0;
	base = w->facts.known >> dim & 1 ? &t->missed[dim] : &t->unknown[dim];
	if (place == RULE_FOUND)
		found = &w->found;
	else if (place)
		found = rules_set(w, ctx, place);
	if (w->asked)
		rules_satisfy(w, dim, base, found);
	return rules_narrow(w, base, found);
}

/* Key of a dimension whose values are in rule_values, one to a packet. */
PARSE_INLINE void rules_key(struct rule_work *w, __u32 dim)
{
	const struct rule_facts *f = &w->facts;

	w->value.dim = dim;
	w->value.pad = 0;
	w->value.b = 0;
	if (dim == RULE_PROTO) {
		w->value.a = f->proto;
	} else if (dim == RULE_DSCP) {
		w->value.a = f->dscp;
	} else if (dim == RULE_UID) {
		w->value.a = f->uid;
	} else if (dim == RULE_CGROUP) {
		w->value.a = f->cgroup;
	} else if (dim == RULE_COMM) {
		__builtin_memcpy(&w->value.a, f->comm, 8);
		__builtin_memcpy(&w->value.b, f->comm + 8, 8);
	} else if (dim == RULE_EXE) {
		w->value.a = f->exe_inode;
		w->value.b = f->exe_device;
	} else if (dim == RULE_MAC) {
		__builtin_memcpy(&w->value.a, f->mac, 8);
	} else {
		w->value.a = f->ifindex;
	}
}

PARSE_INLINE void rules_prefix_key(struct rule_work *w, __u32 dim)
{
	const struct addr *a = dim == RULE_SADDR ? &w->facts.saddr : &w->facts.daddr;

	w->prefix.bits = 8 * (sizeof(w->prefix.dim) + sizeof(w->prefix.addr));
	w->prefix.dim = RULE_PREFIX_DIM(dim);
	__builtin_memcpy(w->prefix.addr, a, sizeof(w->prefix.addr));
}

/* Place of the set of a dimension that has one value to a packet; 0 = found nothing. */
RULES_PIECE int rules_place(RULES_CONTEXT ctx, __u32 dim)
{
	struct rule_work *w = rules_work(ctx);
	const __u32 *place;

	if (!w)
		return 0;
	if (dim == RULE_PORT) {
		if (w->facts.proto != PROTO_TCP && w->facts.proto != PROTO_UDP)
			return 0;
		place = rules_port(w, ctx);
	} else if (dim == RULE_SADDR || dim == RULE_DADDR) {
		rules_prefix_key(w, dim);
		place = rules_prefix(w, ctx);
	} else {
		rules_key(w, dim);
		place = rules_value(w, ctx);
	}
	return place ? *place : 0;
}

RULES_PIECE int rules_marks(RULES_CONTEXT ctx)
{
	struct rule_work *w = rules_work(ctx);
	const struct rule_table *t;
	__u32 i;

	if (!w)
		return 0;
	t = rules_table(w, ctx);
	if (!t)
		return 0;
	for (i = 0; i < RULE_MARKS_MAX; i++) {
		if (!t->mark[i].mask)
			break;
		if ((w->facts.mark & t->mark[i].mask) == t->mark[i].value)
			rules_add(ctx, t->mark[i].set);
	}
	return 0;
}

RULES_PIECE int rules_name(RULES_CONTEXT ctx, __u32 kind, __u64 what)
{
	struct rule_work *w = rules_work(ctx);
	const __u32 *place;

	if (!w)
		return 0;
	w->value.dim = RULE_DOMAIN;
	w->value.pad = 0;
	w->value.a = what;
	w->value.b = kind;
	place = rules_value(w, ctx);
	if (place)
		rules_add(ctx, *place);
	return 0;
}

/* A name satisfies the rules of its own, of its parents, and of the lists that it is in. */
RULES_PIECE int rules_names(RULES_CONTEXT ctx)
{
	struct rule_work *w = rules_work(ctx);
	__u64 lists;
	__u32 i;

	if (!w)
		return 0;
	for (i = 0; i < RULE_NAMES_MAX && i < w->facts.domain.names; i++)
		rules_name(ctx, i ? RULE_BELOW : RULE_SELF, w->facts.domain.name[i]);
	lists = w->facts.domain.lists;
	for (i = 0; i < 64 && lists; i++) {
		rules_name(ctx, RULE_LIST, dns_lowest(lists));
		lists &= lists - 1;
	}
	return 0;
}

/* Takes over what is known of `client` (zero: anybody) and the destination. 1 = something. */
PARSE_INLINE int rules_domain_take(struct rule_work *w, RULES_CONTEXT ctx)
{
	const struct domain_fact *d = rules_domain(w, ctx);
	__u64 expires;

	if (!d)
		return 0;
	expires = d->expires_ns;
	if (expires <= rules_now(ctx))
		return 0;
	w->facts.domain = *d;
	PARSE_MERGE();
	/* of an entry that was put to another use meanwhile, nothing */
	return w->facts.domain.expires_ns == expires && d->expires_ns == expires;
}

/* By which name the destination was found: the client's own latest, else anybody's. */
RULES_PIECE int rules_domain_find(RULES_CONTEXT ctx)
{
	struct rule_work *w = rules_work(ctx);

	if (!w)
		return 0;
	w->name.client = w->facts.saddr;
	if (w->facts.known & 1U << RULE_UID) {
		__builtin_memset(&w->name.client, 0, sizeof(w->name.client));
		w->name.client.b[sizeof(w->name.client.b) - 1] = FACT_HOST_BYTE;
	}
	w->name.addr = w->facts.daddr;
	if (rules_domain_take(w, ctx))
		return 1;
	__builtin_memset(&w->name.client, 0, sizeof(w->name.client));
	return rules_domain_take(w, ctx);
}

/* One dimension that rules ask for: which of those left does it satisfy? Are there any? */
RULES_PIECE int rules_dim(RULES_CONTEXT ctx, __u32 dim)
{
	struct rule_work *w = rules_work(ctx);

	if (!w)
		return 0;
	if (dim == RULE_DOMAIN && !(w->facts.known >> dim & 1) && rules_domain_find(ctx))
		w->facts.known |= 1U << RULE_DOMAIN;
	if (!(w->facts.known >> dim & 1)) {
		w->missing |= 1U << dim;
		return rules_leave(ctx, dim, 0);
	}
	if (dim != RULE_DOMAIN && dim != RULE_MARK)
		return rules_leave(ctx, dim, rules_place(ctx, dim));
	rules_fill(&w->found, w->words, 0);
	if (dim == RULE_DOMAIN)
		rules_names(ctx);
	else
		rules_marks(ctx);
	return rules_leave(ctx, dim, RULE_FOUND);
}

/* The first rule that is left, from 1; 0 = none. */
RULES_PIECE int rules_first(RULES_CONTEXT ctx)
{
	struct rule_work *w = rules_work(ctx);
	__u64 bits;
	__u32 i;

	if (!w)
		return 0;
	for (i = 0; i < RULE_WORDS && i < w->words; i++) {
		bits = w->left.bits[i];
		if (bits)
			return i * 64 + dns_lowest(bits) + 1;
	}
	return 0;
}

/*
 * The dimension whose values come and go: a cgroup that is in no entry has not been looked at
 * yet, and a rule that asks for it can neither be passed over nor taken. 0, or 1: that is so.
 */
RULES_PIECE int rules_cgroup(RULES_CONTEXT ctx)
{
	struct rule_work *w = rules_work(ctx);
	const struct rule_table *t;
	__u32 first;

	if (!w)
		return 0;
	t = rules_table(w, ctx);
	if (!t || !(t->dims >> RULE_CGROUP & 1))
		return 0;
	rules_key(w, RULE_CGROUP);
	if (w->facts.known >> RULE_CGROUP & 1 && !rules_value(w, ctx)) {
		first = rules_first(ctx);
		if (!first--)
			return 0;
		/* one that does not ask for a cgroup decides, as it comes before those that do */
		return !(t->unknown[RULE_CGROUP].bits[first / 64 % RULE_WORDS] >> first % 64 & 1);
	}
	rules_dim(ctx, RULE_CGROUP);
	return 0;
}

/* Reads the generation, once, and puts every rule of it in. */
RULES_PIECE int rules_begin(RULES_CONTEXT ctx)
{
	struct rule_work *w = rules_work(ctx);
	const struct rule_table *t;

	if (!w)
		return -1;
	w->epoch = rules_epoch(ctx);
	w->satisfied = 0;
	w->missing = 0;
	t = rules_table(w, ctx);
	if (!t)
		return -1;
	w->dims = t->dims;
	w->words = t->words < RULE_WORDS ? t->words : RULE_WORDS;
	rules_fill(&w->left, w->words, ~0ULL);
	if (t->words && t->rules % 64)
		w->left.bits[(t->words - 1) % RULE_WORDS] = (1ULL << t->rules % 64) - 1;
	return 0;
}

/* Verdict of the rule at `place`, from 1, or of the default. */
RULES_PIECE int rules_verdict(RULES_CONTEXT ctx, __u32 place)
{
	struct rule_work *w = rules_work(ctx);
	const struct rule_table *t;
	__u32 verdict;

	if (!w)
		return VERDICT_FORWARD;
	t = rules_table(w, ctx);
	if (!t)
		return VERDICT_FORWARD;
	verdict = place ? t->verdict[(place - 1) % RULES_MAX] : t->fallback;
	return verdict ? verdict : VERDICT_FORWARD;
}

/*
 * Verdict | place of the rule << 8 (from 1; 0 = the default). VERDICT_NONE: not decided, as
 * nothing is known yet of the cgroup. Destinations, which most rules have, come first: when no
 * rule is left, what else there is to know changes nothing.
 */
RULES_PIECE int rules_run(RULES_CONTEXT ctx)
{
	struct rule_work *w = rules_work(ctx);
	__u32 dim = RULE_DIM_NUM, place;

	if (!w || rules_begin(ctx))
		return VERDICT_FORWARD;
	while (dim--)
		if (dim != RULE_CGROUP && w->dims >> dim & 1 && !rules_dim(ctx, dim) && !w->asked)
			return rules_verdict(ctx, 0);
	if (rules_cgroup(ctx))
		return VERDICT_NONE;
	place = rules_first(ctx);
	return rules_verdict(ctx, place) | place << 8;
}

#endif
