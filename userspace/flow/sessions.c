// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sessions: chained hash over one pool; each source's are kept in order of use by moving what
 * is used to the end.
 *
 * Idle ones are found by a wheel of time that a packet does not touch: a session lies where it
 * will be idle if it is not used again; when that time comes it is closed, or laid where it
 * will be idle now. So a session is looked at about once in idle_ms while it is used, and
 * twice if it is not, whatever the number of others and of their sources.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "flow/sessions.h"

int sessions_init(struct sessions *t, struct sources *sources, unsigned int kind, unsigned int max,
		  size_t item_bytes, uint64_t idle_ms)
{
	unsigned int buckets = 16;

	while (buckets < max)
		buckets *= 2;
	memset(t, 0, sizeof(*t));
	t->sources = sources;
	t->kind = kind;
	list_init(&t->spare);
	for (int i = 0; i < SESSIONS_WHEEL; i++)
		list_init(&t->wheel[i]);
	t->idle_ms = idle_ms;
	t->slot_ms = idle_ms / (SESSIONS_WHEEL / 2) + 1;
	t->swept = clock_ms() / t->slot_ms;
	t->buckets = calloc(buckets, sizeof(*t->buckets));
	t->pool = calloc(max, item_bytes);
	if (!t->buckets || !t->pool) {
		sessions_done(t);
		return -ENOMEM;
	}
	t->mask = buckets - 1;
	t->max = max;
	t->item_bytes = item_bytes;
	random_bytes(&t->hash_key, sizeof(t->hash_key));
	return 0;
}

void sessions_done(struct sessions *t)
{
	free(t->buckets);
	free(t->pool);
	memset(t, 0, sizeof(*t));
}

static struct session **bucket_of(struct sessions *t, const struct flow_key *key)
{
	return &t->buckets[siphash(&t->hash_key, key, sizeof(*key)) & t->mask];
}

static bool key_eq(const struct flow_key *a, const struct flow_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

struct session *sessions_find(struct sessions *t, const struct flow_key *key)
{
	if (t->last && key_eq(&t->last->key, key))
		return t->last;
	for (struct session *s = *bucket_of(t, key); s; s = s->chain) {
		if (key_eq(&s->key, key)) {
			t->last = s;
			return s;
		}
	}
	return NULL;
}

static uint64_t due_ms(const struct sessions *t, const struct session *s)
{
	return s->used_ms + t->idle_ms;
}

static struct list *slot_of(struct sessions *t, uint64_t at_ms)
{
	return &t->wheel[at_ms / t->slot_ms % SESSIONS_WHEEL];
}

static struct session *take_item(struct sessions *t)
{
	struct session *s;

	if (t->count == t->max)
		return NULL;
	if (list_is_empty(&t->spare))
		return (struct session *)(t->pool + t->fresh++ * t->item_bytes);
	s = list_first(&t->spare, struct session, age);
	list_remove(&s->age);
	memset(s, 0, t->item_bytes);
	return s;
}

struct session *sessions_add(struct sessions *t, const struct flow_key *key)
{
	struct session **bucket = bucket_of(t, key);
	struct session *s = take_item(t);

	if (!s)
		return NULL;
	list_init(&s->age);
	list_init(&s->due);
	s->source = sources_enter(t->sources, &key->saddr, t->kind, &s->age);
	if (!s->source) {
		list_append(t->spare.next, &s->age);
		return NULL;
	}
	s->key = *key;
	s->used_ms = clock_ms();
	list_append(slot_of(t, due_ms(t, s)), &s->due);
	s->chain = *bucket;
	*bucket = s;
	t->count++;
	return s;
}

void sessions_remove(struct sessions *t, struct session *s)
{
	struct session **at = bucket_of(t, &s->key);

	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
	if (t->last == s)
		t->last = NULL;
	source_release(t->sources, s->source, t->kind, &s->age);
	list_remove(&s->due);
	list_append(t->spare.next, &s->age);
	t->count--;
}

void sessions_touch(struct sessions *t, struct session *s)
{
	s->used_ms = clock_ms();
	list_touch(&s->source->kind[t->kind].items, &s->age);
	source_touch(t->sources, s->source, t->kind, s->used_ms);
}

static struct session *oldest_of(const struct sessions *t, const struct source *s)
{
	const struct list *items = &s->kind[t->kind].items;

	return list_is_empty(items) ? NULL : list_first(items, struct session, age);
}

struct session *sessions_any(const struct sessions *t)
{
	const struct source *s = sources_largest(t->sources, t->kind);

	return s ? oldest_of(t, s) : NULL;
}

struct session *sessions_idle(const struct sessions *t, const struct source *s, uint64_t idle_ms)
{
	struct session *oldest = oldest_of(t, s);

	return oldest && clock_ms() - oldest->used_ms >= idle_ms ? oldest : NULL;
}

/* False: `max` were idle, and more may be. */
static bool sweep_slot(struct sessions *t, struct list *slot, unsigned int *max,
		       void (*fn)(struct session *s))
{
	struct list later = LIST_INIT(later);
	uint64_t now = clock_ms();

	while (!list_is_empty(slot) && *max) {
		struct session *s = list_first(slot, struct session, due);
		struct list *to = slot_of(t, due_ms(t, s));

		if (due_ms(t, s) > now) {
			list_touch(to == slot ? &later : to, &s->due);
			continue;
		}
		--*max;
		fn(s);
	}
	while (!list_is_empty(&later))
		list_touch(slot, later.next);
	return *max;
}

bool sessions_sweep(struct sessions *t, unsigned int max, void (*fn)(struct session *s))
{
	uint64_t now = clock_ms() / t->slot_ms;

	if (now >= t->swept + SESSIONS_WHEEL)
		t->swept = now - SESSIONS_WHEEL + 1;
	for (;; t->swept++) {
		if (!sweep_slot(t, &t->wheel[t->swept % SESSIONS_WHEEL], &max, fn))
			return true;
		if (t->swept >= now)
			return false;
	}
}
