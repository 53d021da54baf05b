// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tables of rules: their memory, and their sets, of which each is there once. Most of 100,000
 * networks have one of a thousand sets: without this they would take 12 MB more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tables.h"

#define SETS_FIRST 64

int policy_tables_init(struct policy_tables *t, enum verdict fallback)
{
	*t = (struct policy_tables){ .table.fallback = (uint8_t)fallback };
	t->set = calloc(SETS_FIRST, sizeof(*t->set));
	t->set_hash = calloc(2 * SETS_FIRST, sizeof(*t->set_hash));
	if (!t->set || !t->set_hash) {
		policy_tables_done(t);
		return -ENOMEM;
	}
	t->sets = 1;
	t->sets_room = SETS_FIRST;
	t->set_hash_room = 2 * SETS_FIRST;
	return 0;
}

void policy_tables_done(struct policy_tables *t)
{
	free(t->set);
	free(t->set_hash);
	free(t->value);
	free(t->value_set);
	free(t->prefix);
	free(t->prefix_set);
	free(t->prefix_up);
	free(t->port_set);
	*t = (struct policy_tables){ 0 };
}

static uint64_t set_hash(const struct rule_set *set)
{
	uint64_t hash = 0;

	for (unsigned int i = 0; i < RULE_WORDS; i++) {
		hash = (hash ^ set->bits[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

/* Where the set is, or would be. */
static uint32_t *hash_place(const struct policy_tables *t, const struct rule_set *set)
{
	uint32_t mask = t->set_hash_room - 1, at = (uint32_t)set_hash(set) & mask;

	while (t->set_hash[at] && memcmp(&t->set[t->set_hash[at]], set, sizeof(*set)) != 0)
		at = (at + 1) & mask;
	return &t->set_hash[at];
}

/* Doubles the room of both; the hash has twice as much as there may be sets. */
static int sets_grow(struct policy_tables *t)
{
	struct rule_set *more = realloc(t->set, 2UL * t->sets_room * sizeof(*more));
	uint32_t *hash;

	if (!more)
		return -ENOMEM;
	t->set = more;
	hash = calloc(4UL * t->sets_room, sizeof(*hash));
	if (!hash)
		return -ENOMEM;
	free(t->set_hash);
	t->set_hash = hash;
	t->sets_room *= 2;
	t->set_hash_room = 2 * t->sets_room;
	for (uint32_t i = 1; i < t->sets; i++)
		*hash_place(t, &t->set[i]) = i;
	return 0;
}

int policy_set_place(struct policy_tables *t, const struct rule_set *set, uint32_t *ret_place)
{
	uint32_t *place;
	int err;

	if (!memcmp(set, &t->set[0], sizeof(*set))) {
		*ret_place = 0;
		return 0;
	}
	place = hash_place(t, set);
	if (!*place) {
		if (t->sets >= RULE_SETS_MAX)
			return -E2BIG;
		if (t->sets == t->sets_room) {
			err = sets_grow(t);
			if (err)
				return err;
			place = hash_place(t, set);
		}
		t->set[t->sets] = *set;
		*place = t->sets++;
	}
	*ret_place = *place;
	return 0;
}
