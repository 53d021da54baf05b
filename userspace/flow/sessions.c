// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sessions: chained hash over one pool; by_age is kept in order by moving to its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "flow/sessions.h"

int sessions_init(struct sessions *t, unsigned int max, size_t item_bytes)
{
	unsigned int buckets = 16;

	while (buckets < max)
		buckets *= 2;
	memset(t, 0, sizeof(*t));
	list_init(&t->by_age);
	list_init(&t->spare);
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
	s->key = *key;
	s->created_ns = clock_ns();
	s->used_ms = clock_ms();
	s->chain = *bucket;
	*bucket = s;
	list_append(&t->by_age, &s->age);
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
	list_touch(&t->spare, &s->age);
	t->count--;
}

void sessions_touch(struct sessions *t, struct session *s)
{
	s->used_ms = clock_ms();
	list_touch(&t->by_age, &s->age);
}

struct session *sessions_oldest(const struct sessions *t)
{
	return list_is_empty(&t->by_age) ? NULL : list_first(&t->by_age, struct session, age);
}

struct session *sessions_idle(const struct sessions *t, uint64_t idle_ms)
{
	struct session *s = sessions_oldest(t);

	return s && clock_ms() - s->used_ms >= idle_ms ? s : NULL;
}
