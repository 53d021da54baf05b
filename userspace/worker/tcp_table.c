// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The hash of connections. See the header. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "worker/tcp_internal.h"

#define SEGMENT_FIRST 256U /* buckets */

static unsigned int segment_of(uint32_t bucket)
{
	return bucket < SEGMENT_FIRST ? 0 :
					32 - (unsigned int)__builtin_clz(bucket / SEGMENT_FIRST);
}

static uint32_t segment_buckets(unsigned int segment)
{
	return segment ? SEGMENT_FIRST << (segment - 1) : SEGMENT_FIRST;
}

static struct tcp_flow **bucket_at(const struct tcp_table *t, uint32_t i)
{
	unsigned int segment = segment_of(i);

	/* A segment but the first begins at its own number of buckets. */
	return &t->segments[segment][segment ? i - segment_buckets(segment) : i];
}

static uint32_t bucket_number(const struct tcp_table *t, uint32_t hash)
{
	uint32_t i = hash & t->mask;

	return i < t->split ? hash & (t->mask * 2 + 1) : i;
}

static struct tcp_flow **bucket_of(const struct tcp_table *t, uint32_t hash)
{
	return bucket_at(t, bucket_number(t, hash));
}

int tcp_table_init(struct tcp_table *t)
{
	memset(t, 0, sizeof(*t));
	t->segments[0] = calloc(SEGMENT_FIRST, sizeof(**t->segments));
	if (!t->segments[0])
		return -ENOMEM;
	t->mask = SEGMENT_FIRST - 1;
	random_bytes(&t->key, sizeof(t->key));
	return 0;
}

void tcp_table_done(struct tcp_table *t)
{
	for (unsigned int i = 0; i < TCP_TABLE_SEGMENTS; i++) {
		free(t->segments[i]);
		t->segments[i] = NULL;
	}
}

uint32_t tcp_table_hash(const struct tcp_table *t, const struct flow_key *key)
{
	return (uint32_t)siphash(&t->key, key, sizeof(*key));
}

struct tcp_flow *tcp_table_find(const struct tcp_table *t, const struct flow_key *key,
				uint32_t hash)
{
	struct tcp_flow *f = *bucket_of(t, hash);

	while (f && (f->hash != hash || memcmp(&f->key, key, sizeof(*key)) != 0))
		f = f->hash_next;
	return f;
}

/* Divides one bucket; without memory, or with all segments in use, the chains grow instead. */
static void table_grow(struct tcp_table *t)
{
	uint32_t added = t->mask + 1 + t->split;
	unsigned int segment = segment_of(added);
	struct tcp_flow **from, **to;

	if (segment == TCP_TABLE_SEGMENTS)
		return;
	if (!t->segments[segment])
		t->segments[segment] = calloc(segment_buckets(segment), sizeof(**t->segments));
	if (!t->segments[segment])
		return;
	from = bucket_at(t, t->split);
	to = bucket_at(t, added);
	while (*from) {
		struct tcp_flow *f = *from;

		if (!(f->hash & (t->mask + 1))) {
			from = &f->hash_next;
			continue;
		}
		*from = f->hash_next;
		f->hash_next = *to;
		*to = f;
	}
	if (t->split++ == t->mask) {
		t->mask = t->mask * 2 + 1;
		t->split = 0;
	}
}

void tcp_table_add(struct tcp_table *t, struct tcp_flow *f)
{
	struct tcp_flow **bucket;
	uint32_t number;

	if (t->count > t->mask + t->split)
		table_grow(t);
	f->hash = tcp_table_hash(t, &f->key);
	number = bucket_number(t, f->hash);
	bucket = bucket_at(t, number);
	f->hash_next = *bucket;
	*bucket = f;
	if (t->empty > number)
		t->empty = number;
	t->count++;
}

void tcp_table_remove(struct tcp_table *t, struct tcp_flow *f)
{
	struct tcp_flow **at = bucket_of(t, f->hash);

	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
	t->count--;
}

struct tcp_flow *tcp_table_any(struct tcp_table *t)
{
	for (; t->empty <= t->mask + t->split; t->empty++) {
		struct tcp_flow *f = *bucket_at(t, t->empty);

		if (f)
			return f;
	}
	return NULL;
}
