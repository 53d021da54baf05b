// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Queries in flight. All have the same time limit, so the order of arrival is the order of
 * expiry and the sweep looks at the head of one list. Entries come from one zeroed
 * allocation: untouched pages cost nothing, and used entries are reused first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "dns/query.h"

struct query_table {
	struct query *entries;
	struct query **buckets;
	uint32_t bucket_mask;
	uint32_t max;
	uint32_t touched; /* entries[0..touched) were in use at least once */
	uint32_t count;
	struct list in_flight;
	struct list unused;
	struct siphash_key hash_key;
	struct sources clients; /* kind 0: queries */
};

int query_table_new(uint32_t max, struct query_table **ret_table)
{
	struct query_table *t = calloc(1, sizeof(*t));
	uint32_t buckets = 16;

	if (!t)
		return -ENOMEM;
	while (buckets < max)
		buckets *= 2;
	t->entries = calloc(max, sizeof(*t->entries));
	t->buckets = calloc(buckets, sizeof(struct query *));
	if (!t->entries || !t->buckets || sources_init(&t->clients) < 0) {
		query_table_free(t);
		return -ENOMEM;
	}
	t->bucket_mask = buckets - 1;
	t->max = max;
	list_init(&t->in_flight);
	list_init(&t->unused);
	random_bytes(&t->hash_key, sizeof(t->hash_key));
	*ret_table = t;
	return 0;
}

void query_table_free(struct query_table *t)
{
	if (!t)
		return;
	sources_done(&t->clients);
	free(t->entries);
	free(t->buckets);
	free(t);
}

static struct query **bucket_of(struct query_table *t, const struct client *client, uint16_t id,
				const struct msg_question *question)
{
	struct {
		struct flow_key flow;
		uint64_t name;
		uint32_t stream;
		uint32_t generation;
		uint16_t id;
		uint16_t type;
		uint32_t class;
	} key = {
		.flow = client->flow,
		.name = name_hash(&t->hash_key, &question->name),
		.stream = client->stream,
		.generation = client->generation,
		.id = id,
		.type = question->type,
		.class = question->class,
	};

	_Static_assert(sizeof(key) == 64, "hashed whole: no padding");
	return &t->buckets[siphash(&t->hash_key, &key, sizeof(key)) & t->bucket_mask];
}

static bool client_eq(const struct client *a, const struct client *b)
{
	return memcmp(&a->flow, &b->flow, sizeof(a->flow)) == 0 && a->stream == b->stream &&
	       a->generation == b->generation && a->socket == b->socket;
}

struct query *query_find(struct query_table *t, const struct client *client, uint16_t id,
			 const struct msg_question *question)
{
	struct query *q = *bucket_of(t, client, id, question);

	for (; q; q = q->chain) {
		if (q->id == id && q->question.type == question->type &&
		    q->question.class == question->class && client_eq(&q->client, client) &&
		    name_eq(&q->question.name, &question->name))
			return q;
	}
	return NULL;
}

static struct query *take_entry(struct query_table *t)
{
	struct query *q;

	if (t->count == t->max)
		return NULL;
	if (list_is_empty(&t->unused))
		return &t->entries[t->touched++];
	q = list_first(&t->unused, struct query, age);
	list_remove(&q->age);
	return q;
}

struct query *query_add(struct query_table *t, const struct query *from)
{
	struct query *q = take_entry(t);
	struct query **bucket;

	if (!q)
		return NULL;
	*q = *from;
	list_init(&q->age);
	list_init(&q->of_source);
	list_init(&q->waiting);
	list_init(&q->stale);
	q->source = sources_enter(&t->clients, &q->client.flow.saddr, 0, &q->of_source);
	if (!q->source) {
		list_append(&t->unused, &q->age);
		return NULL;
	}
	q->started_ns = clock_ns();
	list_append(&t->in_flight, &q->age);
	bucket = bucket_of(t, &q->client, q->id, &q->question);
	q->chain = *bucket;
	*bucket = q;
	t->count++;
	return q;
}

void query_remove(struct query_table *t, struct query *q)
{
	struct query **link = bucket_of(t, &q->client, q->id, &q->question);

	while (*link != q)
		link = &(*link)->chain;
	*link = q->chain;
	t->count--;
	source_release(&t->clients, q->source, 0, &q->of_source);
	list_remove(&q->stale);
	list_remove(&q->age);
	/* At the front of the list: the youngest entry is the one still in the CPU's cache. */
	list_append(t->unused.next, &q->age);
}

uint32_t query_count(const struct query_table *t)
{
	return t->count;
}

uint32_t query_count_of(const struct query_table *t, const struct addr *from)
{
	const struct source *s = sources_find(&t->clients, from);

	return s ? s->kind[0].count : 0;
}

struct query *query_oldest_of_most(const struct query_table *t)
{
	const struct source *most = sources_largest(&t->clients, 0);

	return most ? list_first(&most->kind[0].items, struct query, of_source) : NULL;
}

struct query *query_oldest(struct query_table *t)
{
	if (list_is_empty(&t->in_flight))
		return NULL;
	return list_first(&t->in_flight, struct query, age);
}

struct query *query_younger(struct query_table *t, struct query *q)
{
	return q->age.next == &t->in_flight ? NULL : container_of(q->age.next, struct query, age);
}
