// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A group is kept in a normal form. Of its sets one is left out if each of its uses is without
 * effect there: another set is used by an earlier rule of the same policy that is final, or a
 * lower set by the same condition. What makes a use redundant is redundant itself only because
 * of something that makes the first one redundant, too; so what is left decides alike, and so it
 * does together with whatever a parent or another label adds.
 *
 * Joining is asked once per name of a list, with few distinct questions: answers are kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/groups.h"

struct group {
	uint32_t first; /* of its sets, in the pool */
	uint32_t sets;
};

/* An answer that was given; result 0 = free place. */
struct join {
	uint32_t group;
	uint32_t set;
	uint32_t result;
};

struct groups {
	const struct groups_set *set;
	size_t sets;
	struct group *group;
	uint32_t groups; /* group 0 included */
	uint32_t groups_room;
	uint32_t *pool;
	uint32_t pooled;
	uint32_t pool_room;
	uint32_t *index; /* groups by their sets, 0 = free place; at most half full */
	uint32_t index_room;
	struct join *join;
	uint32_t joins;
	uint32_t join_room; /* a power of two */
	uint32_t last; /* place of the latest answer */
	uint32_t *candidate; /* room for all sets, twice */
};

/* Room for `need` items. 0 or -ENOMEM. */
static int grow(void *array, uint32_t *room, uint32_t need, size_t size)
{
	uint32_t wanted = *room ? *room : 64;
	void *bigger;

	if (need <= *room)
		return 0;
	while (wanted < need)
		wanted *= 2;
	bigger = realloc(*(void **)array, wanted * size);
	if (!bigger)
		return -ENOMEM;
	*(void **)array = bigger;
	*room = wanted;
	return 0;
}

int groups_new(const struct groups_set *set, size_t sets, struct groups **ret_groups)
{
	struct groups *g = calloc(1, sizeof(*g));
	int r = g ? grow(&g->group, &g->groups_room, 1, sizeof(*g->group)) : -ENOMEM;

	if (r < 0)
		goto err_groups;
	g->candidate = calloc(2 * (sets + 1), sizeof(*g->candidate));
	g->join_room = 256;
	g->join = calloc(g->join_room, sizeof(*g->join));
	r = -ENOMEM;
	if (!g->candidate || !g->join)
		goto err_groups;
	g->set = set;
	g->sets = sets;
	g->group[0] = (struct group){ .first = 0 };
	g->groups = 1;
	*ret_groups = g;
	return 0;

err_groups:
	groups_free(g);
	return r;
}

void groups_free(struct groups *g)
{
	if (!g)
		return;
	free(g->group);
	free(g->pool);
	free(g->index);
	free(g->join);
	free(g->candidate);
	free(g);
}

const uint32_t *groups_sets(const struct groups *g, uint32_t group, size_t *ret_sets)
{
	*ret_sets = g->group[group].sets;
	return g->pool + g->group[group].first;
}

uint32_t groups_last(const struct groups *g)
{
	return g->groups - 1;
}

size_t groups_bytes(const struct groups *g)
{
	return sizeof(*g) + g->groups_room * sizeof(*g->group) +
	       (g->pool_room + g->index_room) * sizeof(*g->pool) + g->join_room * sizeof(*g->join) +
	       2 * (g->sets + 1) * sizeof(*g->candidate);
}

static uint32_t join_place(const struct groups *g, uint32_t group, uint32_t set)
{
	uint32_t at = (group * 0x9e3779b1U ^ set * 0x85ebca6bU) >> 7;

	for (;; at++) {
		const struct join *j = &g->join[at & (g->join_room - 1)];

		if (!j->result || (j->group == group && j->set == set))
			return at & (g->join_room - 1);
	}
}

/* Twice as many places, and in them what was there. */
static int joins_grow(struct groups *g)
{
	uint32_t room = g->join_room;
	struct join *old = g->join;
	struct join *bigger = calloc(2 * (size_t)room, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	g->join = bigger;
	g->join_room = 2 * room;
	for (uint32_t i = 0; i < room; i++) {
		if (old[i].result)
			bigger[join_place(g, old[i].group, old[i].set)] = old[i];
	}
	free(old);
	return 0;
}

static int join_keep(struct groups *g, uint32_t group, uint32_t set, uint32_t result)
{
	if (2 * (g->joins + 1) > g->join_room && joins_grow(g) < 0)
		return -ENOMEM;
	g->last = join_place(g, group, set);
	g->join[g->last] = (struct join){ .group = group, .set = set, .result = result };
	g->joins++;
	return (int)result;
}

/* Does use v of `other` make u of `set` redundant? */
static bool makes_redundant(const struct groups_use *v, uint32_t other, const struct groups_use *u,
			    uint32_t set)
{
	if (v->policy != u->policy)
		return false;
	if (v->final && v->rule < u->rule)
		return true;
	return other < set && v->rule == u->rule && v->kind == u->kind;
}

static bool is_redundant(const struct groups *g, const uint32_t *all, size_t num, uint32_t set,
			 const struct groups_use *u)
{
	for (size_t i = 0; i < num; i++) {
		const struct groups_set *other = &g->set[all[i]];

		for (size_t j = 0; j < other->uses; j++) {
			if (makes_redundant(&other->use[j], all[i], u, set))
				return true;
		}
	}
	return false;
}

static bool has_effect(const struct groups *g, const uint32_t *all, size_t num, uint32_t set)
{
	for (size_t i = 0; i < g->set[set].uses; i++) {
		if (!is_redundant(g, all, num, set, &g->set[set].use[i]))
			return true;
	}
	return false;
}

/* The sets of `group` and `set`, ascending, to `all`. Returns how many. */
static size_t add_set(const struct groups *g, uint32_t group, uint32_t set, uint32_t *all)
{
	size_t num, used = 0;
	const uint32_t *have = groups_sets(g, group, &num);
	bool added = false;

	for (size_t i = 0; i < num; i++) {
		if (!added && have[i] >= set) {
			all[used++] = set;
			added = true;
		}
		if (have[i] != set)
			all[used++] = have[i];
	}
	if (!added)
		all[used++] = set;
	return used;
}

/* Where the group of exactly these sets is in the index, or is to be. */
static uint32_t index_place(const struct groups *g, const uint32_t *set, uint32_t num)
{
	uint32_t at = num;

	for (uint32_t i = 0; i < num; i++)
		at = (at ^ set[i]) * 0x9e3779b1U;
	for (at ^= at >> 15;; at++) {
		uint32_t group = g->index[at & (g->index_room - 1)];

		if (!group || (g->group[group].sets == num &&
			       !memcmp(g->pool + g->group[group].first, set, num * sizeof(*set))))
			return at & (g->index_room - 1);
	}
}

/* Room for one more group in the index. 0 or -ENOMEM. */
static int index_grow(struct groups *g)
{
	uint32_t *bigger;

	if (2 * g->groups < g->index_room)
		return 0;
	bigger = calloc(4 * (size_t)g->groups_room, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	free(g->index);
	g->index = bigger;
	g->index_room = 4 * g->groups_room;
	for (uint32_t i = 1; i < g->groups; i++)
		bigger[index_place(g, g->pool + g->group[i].first, g->group[i].sets)] = i;
	return 0;
}

/* The group of exactly these sets, made if there is none. */
static int intern(struct groups *g, const uint32_t *set, uint32_t num)
{
	uint32_t at;

	if (!num)
		return 0;
	if (index_grow(g) < 0)
		return -ENOMEM;
	at = index_place(g, set, num);
	if (g->index[at])
		return (int)g->index[at];
	if (g->groups == GROUPS_MAX)
		return -E2BIG;
	if (grow(&g->group, &g->groups_room, g->groups + 1, sizeof(*g->group)) < 0 ||
	    grow(&g->pool, &g->pool_room, g->pooled + num, sizeof(*g->pool)) < 0)
		return -ENOMEM;
	memcpy(g->pool + g->pooled, set, num * sizeof(*set));
	g->group[g->groups] = (struct group){ .first = g->pooled, .sets = num };
	g->index[at] = g->groups;
	g->pooled += num;
	return (int)g->groups++;
}

int groups_join(struct groups *g, uint32_t group, uint32_t set)
{
	uint32_t *all = g->candidate, *kept = all + g->sets + 1, keep = 0;
	const struct join *last = &g->join[g->last];
	size_t num;
	int r;

	if (last->result && last->group == group && last->set == set)
		return (int)last->result;
	g->last = join_place(g, group, set);
	if (g->join[g->last].result)
		return (int)g->join[g->last].result;
	num = add_set(g, group, set, all);
	for (size_t i = 0; i < num; i++) {
		if (has_effect(g, all, num, all[i]))
			kept[keep++] = all[i];
	}
	r = intern(g, kept, keep);
	return r <= 0 ? r : join_keep(g, group, set, (uint32_t)r);
}
