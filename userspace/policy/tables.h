/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules as they are looked up: what a generation of the kernel half's maps holds, in the form
 * in which it is written there. Keys and their sets lie in arrays of their own, as batches of
 * them are written.
 */
#ifndef POLICY_TABLES_H
#define POLICY_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpf/contract.h"

#define PREFIX_DIM_BITS 32 /* of rule_prefix.bits, in front of those of the address */

struct policy_tables {
	struct rule_table table;
	struct rule_set *set; /* [0] is the empty one */
	uint32_t sets;
	uint32_t sets_room;
	uint32_t *set_hash; /* places in `set` by its hash, 0 = free */
	uint32_t set_hash_room; /* a power of two */
	struct rule_value *value; /* sorted, none twice */
	uint32_t *value_set; /* places in `set` */
	uint32_t values;
	struct rule_prefix *prefix; /* sorted by dimension, address and length */
	uint32_t *prefix_set; /* with the rules of all shorter prefixes of its family */
	uint32_t *prefix_up; /* place of the next shorter one that has it, from 1; 0 = none */
	uint32_t prefixes;
	uint32_t *port_set; /* RULE_PORTS of them; NULL: all 0 */
};

/* Every flow is decided alike: no rules. 0 or -ENOMEM. */
int policy_tables_init(struct policy_tables *t, enum verdict fallback);
void policy_tables_done(struct policy_tables *t);

/* The place of a set, which is added if there is none like it. 0, -ENOMEM or -E2BIG. */
int policy_set_place(struct policy_tables *t, const struct rule_set *set, uint32_t *ret_place);

/* By dimension, a and b. */
static inline int rule_value_order(const struct rule_value *x, const struct rule_value *y)
{
	if (x->dim != y->dim)
		return x->dim < y->dim ? -1 : 1;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

/* Is `p`, which is no shorter or of another dimension, in `shorter`? */
static inline bool rule_prefix_has(const struct rule_prefix *shorter, const struct rule_prefix *p)
{
	uint32_t bits = shorter->bits - PREFIX_DIM_BITS, bytes = bits / 8;

	if (shorter->dim != p->dim || shorter->bits > p->bits ||
	    memcmp(shorter->addr, p->addr, bytes) != 0)
		return false;
	return bits % 8 == 0 || !((shorter->addr[bytes] ^ p->addr[bytes]) >> (8 - bits % 8));
}

static inline void rule_set_put(struct rule_set *set, uint32_t rule)
{
	set->bits[rule / 64] |= 1ULL << rule % 64;
}

#endif
