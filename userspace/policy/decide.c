// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the classifier of bpf/rules_match.h looks up, found in sorted arrays. There is one
 * generation: the caller's tables.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide.h"

struct decision_context {
	const struct policy_tables *tables;
	struct rule_work work;
};

static struct rule_work *rules_work(struct decision_context *ctx)
{
	return &ctx->work;
}

static uint32_t rules_epoch(const struct decision_context *ctx)
{
	return 0;
}

static const struct rule_table *rules_table(const struct rule_work *w,
					    const struct decision_context *ctx)
{
	return &ctx->tables->table;
}

static const struct rule_set *rules_set(const struct rule_work *w,
					const struct decision_context *ctx, uint32_t place)
{
	return place < ctx->tables->sets ? &ctx->tables->set[place] : NULL;
}

static int compare_value(const void *x, const void *y)
{
	return rule_value_order(x, y);
}

static const uint32_t *rules_value(const struct rule_work *w, const struct decision_context *ctx)
{
	const struct policy_tables *t = ctx->tables;
	const struct rule_value *found = NULL;

	if (t->values)
		found = bsearch(&w->value, t->value, t->values, sizeof(*t->value), compare_value);
	return found ? &t->value_set[found - t->value] : NULL;
}

/* In the tables' order: is `p` at or before the key, an address? */
static bool prefix_is_before(const struct rule_prefix *p, const struct rule_prefix *key)
{
	if (p->dim != key->dim)
		return RULE_PREFIX_DIM(p->dim) < RULE_PREFIX_DIM(key->dim);
	return memcmp(p->addr, key->addr, sizeof(p->addr)) <= 0;
}

/* The last one before the key has it, or one of those that have that one. */
static const uint32_t *rules_prefix(const struct rule_work *w, const struct decision_context *ctx)
{
	const struct policy_tables *t = ctx->tables;
	uint32_t low = 0, high = t->prefixes;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (prefix_is_before(&t->prefix[middle], &w->prefix))
			low = middle + 1;
		else
			high = middle;
	}
	while (low && !rule_prefix_has(&t->prefix[low - 1], &w->prefix))
		low = t->prefix_up[low - 1];
	return low ? &t->prefix_set[low - 1] : NULL;
}

static const uint32_t *rules_port(const struct rule_work *w, const struct decision_context *ctx)
{
	return ctx->tables->port_set ? &ctx->tables->port_set[w->facts.dport] : NULL;
}

static const struct domain_fact *rules_domain(const struct rule_work *w,
					      const struct decision_context *ctx)
{
	return NULL;
}

static uint64_t rules_now(const struct decision_context *ctx)
{
	return 0;
}

#define RULES_CONTEXT struct decision_context *
#define RULES_PIECE static
#include "bpf/rules_match.h"

struct policy_verdict policy_decide(const struct policy_tables *t, const struct rule_facts *facts,
				    uint32_t asked, uint32_t *ret_satisfied)
{
	struct decision_context ctx = { .tables = t };
	int decided;

	ctx.work.facts = *facts;
	ctx.work.asked = asked;
	decided = rules_run(&ctx);
	if (ret_satisfied)
		*ret_satisfied = ctx.work.satisfied;
	return (struct policy_verdict){ (enum verdict)(decided & 0xff), (uint32_t)decided >> 8 };
}
