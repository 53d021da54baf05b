// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sources and destinations: a trie finds the longest prefix alone, so each has the rules of all
 * shorter ones in its set. IPv4 lies within IPv6's addresses (::ffff:0:0/96), but what a rule
 * says of IPv6, even of ::/0, does not concern it: there is an entry for all of IPv4 where a
 * prefix of IPv6 would have it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/internal.h"

#define V4_BITS 96 /* in front of an IPv4 address */
#define DEPTH_MAX 130 /* prefixes that have each other: of each length, and none */

struct entry {
	uint8_t addr[16];
	uint32_t bits; /* of 128 */
	uint32_t dim;
	uint32_t rule;
};

struct entries {
	struct entry *entry;
	size_t num;
};

static const struct addr v4_all = { { [10] = 0xff, [11] = 0xff } };

static void add(struct entries *e, uint32_t dim, const struct prefix *prefix, size_t num,
		uint32_t rule)
{
	for (size_t i = 0; i < num; i++) {
		struct entry *to = &e->entry[e->num++];

		memcpy(to->addr, prefix[i].addr.b, sizeof(to->addr));
		to->bits = prefix[i].bits + (addr_is_v4(&prefix[i].addr) ? V4_BITS : 0);
		to->dim = dim;
		to->rule = rule;
	}
}

static void add_conditions(struct entries *e, const struct conf_conditions *c, uint32_t rule)
{
	add(e, RULE_SADDR, c->source, c->sources, rule);
	add(e, RULE_DADDR, c->destination, c->destinations, rule);
}

static size_t count(const struct conf *c)
{
	size_t num = 0;

	for (size_t i = 0; i < c->rules; i++)
		num += c->rule[i].is.sources + c->rule[i].is.destinations +
		       c->rule[i].isnt.sources + c->rule[i].isnt.destinations;
	return num;
}

static int compare(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int order;

	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
	order = memcmp(a->addr, b->addr, sizeof(a->addr));
	if (order)
		return order;
	return a->bits < b->bits ? -1 : a->bits > b->bits;
}

static bool is_v4(const struct rule_prefix *p)
{
	return p->bits >= PREFIX_DIM_BITS + V4_BITS && !memcmp(p->addr, v4_all.b, V4_BITS / 8);
}

/* Adds one prefix, behind all that come before it: those that have it are on the stack. */
static int put(struct policy_tables *t, const struct entry *e, const struct rule_set *rules,
	       uint32_t *stack, uint32_t *depth)
{
	struct rule_prefix *p = &t->prefix[t->prefixes];
	struct rule_set set = *rules;
	uint32_t up;

	p->bits = PREFIX_DIM_BITS + e->bits;
	p->dim = RULE_PREFIX_DIM(e->dim);
	memcpy(p->addr, e->addr, sizeof(p->addr));
	while (*depth && !rule_prefix_has(&t->prefix[stack[*depth - 1]], p))
		--*depth;
	up = *depth ? stack[*depth - 1] + 1 : 0;
	if (up && is_v4(p) == is_v4(&t->prefix[up - 1])) {
		const struct rule_set *shorter = &t->set[t->prefix_set[up - 1]];

		for (unsigned int i = 0; i < RULE_WORDS; i++)
			set.bits[i] |= shorter->bits[i];
	}
	t->prefix_up[t->prefixes] = up;
	stack[(*depth)++] = t->prefixes;
	return policy_set_place(t, &set, &t->prefix_set[t->prefixes++]);
}

static int put_all(struct policy_tables *t, const struct entries *e)
{
	uint32_t stack[DEPTH_MAX], depth = 0;
	int err = 0;

	for (size_t i = 0; !err && i < e->num;) {
		const struct entry *first = &e->entry[i];
		struct rule_set set = { 0 };

		for (; i < e->num && !compare(first, &e->entry[i]); i++)
			if (e->entry[i].rule != RULE_NONE)
				rule_set_put(&set, e->entry[i].rule);
		err = put(t, first, &set, stack, &depth);
	}
	return err;
}

int prefixes_compile(const struct conf *c, struct policy_tables *t)
{
	static const struct prefix v4 = { .addr = { { [10] = 0xff, [11] = 0xff } } };
	struct entries e = { 0 };
	size_t room = count(c) + 2;
	int err = -ENOMEM;

	if (room == 2)
		return 0;
	e.entry = calloc(room, sizeof(*e.entry));
	t->prefix = calloc(room, sizeof(*t->prefix));
	t->prefix_set = calloc(room, sizeof(*t->prefix_set));
	t->prefix_up = calloc(room, sizeof(*t->prefix_up));
	if (e.entry && t->prefix && t->prefix_set && t->prefix_up) {
		for (uint32_t i = 0; i < c->rules; i++) {
			add_conditions(&e, &c->rule[i].is, i);
			add_conditions(&e, &c->rule[i].isnt, i);
		}
		add(&e, RULE_SADDR, &v4, 1, RULE_NONE);
		add(&e, RULE_DADDR, &v4, 1, RULE_NONE);
		qsort(e.entry, e.num, sizeof(*e.entry), compare);
		err = put_all(t, &e);
	}
	free(e.entry);
	return err;
}
