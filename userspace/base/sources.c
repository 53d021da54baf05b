// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Accounts by address. See the header. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sources.h"

#define BUCKETS_MIN 64

int sources_init(struct sources *t)
{
	memset(t, 0, sizeof(*t));
	t->buckets = calloc(BUCKETS_MIN, sizeof(*t->buckets));
	if (!t->buckets)
		return -ENOMEM;
	t->mask = BUCKETS_MIN - 1;
	random_bytes(&t->key, sizeof(t->key));
	for (unsigned int k = 0; k < SOURCE_KINDS; k++)
		for (unsigned int r = 0; r < SOURCE_RANKS; r++)
			list_init(&t->ranks[k][r]);
	return 0;
}

void sources_done(struct sources *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

static uint32_t hash_of(const struct sources *t, const struct addr *addr)
{
	return (uint32_t)siphash(&t->key, addr, sizeof(*addr));
}

static struct source *find(const struct sources *t, const struct addr *addr, uint32_t hash)
{
	struct source *s = t->buckets[hash & t->mask];

	while (s && (s->hash != hash || memcmp(&s->addr, addr, sizeof(*addr)) != 0))
		s = s->chain;
	return s;
}

struct source *sources_find(const struct sources *t, const struct addr *addr)
{
	return find(t, addr, hash_of(t, addr));
}

uint32_t sources_count(const struct sources *t, const struct addr *addr, unsigned int kind)
{
	const struct source *s = sources_find(t, addr);

	return s ? s->kind[kind].count : 0;
}

/* Doubles the buckets; without memory the chains grow instead. */
static void grow(struct sources *t)
{
	uint32_t mask = t->mask * 2 + 1;
	struct source **buckets = calloc((size_t)mask + 1, sizeof(*buckets));

	if (!buckets)
		return;
	for (uint32_t i = 0; i <= t->mask; i++) {
		while (t->buckets[i]) {
			struct source *s = t->buckets[i];

			t->buckets[i] = s->chain;
			s->chain = buckets[s->hash & mask];
			buckets[s->hash & mask] = s;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->mask = mask;
}

static struct source *make(struct sources *t, const struct addr *addr, uint32_t hash)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (t->count > t->mask)
		grow(t);
	s->addr = *addr;
	s->hash = hash;
	for (unsigned int k = 0; k < SOURCE_KINDS; k++) {
		list_init(&s->kind[k].rank);
		list_init(&s->kind[k].items);
	}
	s->chain = t->buckets[hash & t->mask];
	t->buckets[hash & t->mask] = s;
	t->count++;
	return s;
}

static void discard(struct sources *t, struct source *s)
{
	struct source **at = &t->buckets[s->hash & t->mask];

	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
	t->count--;
	free(s);
}

static unsigned int rank_of(uint32_t count)
{
	return 31U - (unsigned int)__builtin_clz(count); /* count is not 0 */
}

/* Moves it between ranks as its count goes from `before` to what it is now. */
static void move_rank(struct sources *t, struct source *s, unsigned int kind, uint32_t before)
{
	uint32_t count = s->kind[kind].count;

	if (before && count && rank_of(before) == rank_of(count))
		return;
	list_remove(&s->kind[kind].rank);
	if (before && list_is_empty(&t->ranks[kind][rank_of(before)]))
		t->ranked[kind] &= ~(1U << rank_of(before));
	if (!count)
		return;
	list_append(&t->ranks[kind][rank_of(count)], &s->kind[kind].rank);
	t->ranked[kind] |= 1U << rank_of(count);
}

void source_hold(struct sources *t, struct source *s, unsigned int kind, struct list *item)
{
	s->held++;
	s->kind[kind].count++;
	move_rank(t, s, kind, s->kind[kind].count - 1);
	if (item)
		list_append(&s->kind[kind].items, item);
}

struct source *sources_enter(struct sources *t, const struct addr *addr, unsigned int kind,
			     struct list *item)
{
	uint32_t hash = hash_of(t, addr);
	struct source *s = find(t, addr, hash);

	if (!s)
		s = make(t, addr, hash);
	if (s)
		source_hold(t, s, kind, item);
	return s;
}

void source_release(struct sources *t, struct source *s, unsigned int kind, struct list *item)
{
	s->held--;
	s->kind[kind].count--;
	move_rank(t, s, kind, s->kind[kind].count + 1);
	if (item)
		list_remove(item);
	if (!s->held)
		discard(t, s);
}

void source_touch(struct sources *t, struct source *s, unsigned int kind, uint64_t now_ms)
{
	struct list *rank = &t->ranks[kind][rank_of(s->kind[kind].count)];

	s->kind[kind].used_ms = now_ms;
	if (rank->prev != &s->kind[kind].rank)
		list_touch(rank, &s->kind[kind].rank);
}

struct source *source_ranked(struct list *rank, unsigned int kind)
{
	struct source_kind *k = container_of(rank, struct source_kind, rank);

	return container_of(k - kind, struct source, kind);
}

struct source *sources_largest(const struct sources *t, unsigned int kind)
{
	uint32_t ranked = t->ranked[kind];

	if (!ranked)
		return NULL;
	return source_ranked(t->ranks[kind][rank_of(ranked)].next, kind);
}

struct source *sources_idlest(const struct sources *t, unsigned int kind)
{
	struct source *idlest = NULL;

	for (uint32_t ranked = t->ranked[kind]; ranked; ranked &= ranked - 1) {
		struct list *first = t->ranks[kind][__builtin_ctz(ranked)].next;
		struct source *s = source_ranked(first, kind);

		if (!idlest || s->kind[kind].used_ms < idlest->kind[kind].used_ms)
			idlest = s;
	}
	return idlest;
}
