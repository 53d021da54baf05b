// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The hash of connections. See the header. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "worker/tcp_internal.h"

#define BUCKETS_MIN 256

int tcp_table_init(struct tcp_table *t)
{
	memset(t, 0, sizeof(*t));
	t->buckets = calloc(BUCKETS_MIN, sizeof(*t->buckets));
	if (!t->buckets)
		return -ENOMEM;
	t->mask = BUCKETS_MIN - 1;
	random_bytes(&t->key, sizeof(t->key));
	return 0;
}

void tcp_table_done(struct tcp_table *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

uint32_t tcp_table_hash(const struct tcp_table *t, const struct flow_key *key)
{
	return (uint32_t)siphash(&t->key, key, sizeof(*key));
}

struct tcp_flow *tcp_table_find(const struct tcp_table *t, const struct flow_key *key,
				uint32_t hash)
{
	struct tcp_flow *f = t->buckets[hash & t->mask];

	while (f && (f->hash != hash || memcmp(&f->key, key, sizeof(*key)) != 0))
		f = f->hash_next;
	return f;
}

/* Doubles the buckets; without memory the chains grow instead. */
static void table_grow(struct tcp_table *t)
{
	uint32_t mask = t->mask * 2 + 1;
	struct tcp_flow **buckets = calloc((size_t)mask + 1, sizeof(*buckets));

	if (!buckets)
		return;
	for (uint32_t i = 0; i <= t->mask; i++) {
		while (t->buckets[i]) {
			struct tcp_flow *f = t->buckets[i];

			t->buckets[i] = f->hash_next;
			f->hash_next = buckets[f->hash & mask];
			buckets[f->hash & mask] = f;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->mask = mask;
}

int tcp_table_add(struct tcp_table *t, struct tcp_flow *f)
{
	if (t->count >= TCP_FLOWS_MAX)
		return -ENOBUFS;
	if (t->count > t->mask)
		table_grow(t);
	f->hash = tcp_table_hash(t, &f->key);
	f->hash_next = t->buckets[f->hash & t->mask];
	t->buckets[f->hash & t->mask] = f;
	t->count++;
	return 0;
}

void tcp_table_remove(struct tcp_table *t, struct tcp_flow *f)
{
	struct tcp_flow **at = &t->buckets[f->hash & t->mask];

	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
	t->count--;
}

struct tcp_flow *tcp_table_any(const struct tcp_table *t)
{
	for (uint32_t i = 0; i <= t->mask; i++) {
		if (t->buckets[i])
			return t->buckets[i];
	}
	return NULL;
}
