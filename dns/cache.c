// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The cache: a fixed table of entries (whose memory is touched only as far as it was ever
 * needed), hashed with a random key, the least recently used one leaving first. Answers are
 * copied to memory of their exact size, once per answer from upstream, bounded by
 * `bytes_max`; a hit allocates nothing.
 *
 * An answer whose OPT is not its last record is not kept: taking the OPT out would move
 * records that compression pointers may lead to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/random.h"
#include "dns/cache.h"

#define SOA_MINIMUM_BYTES 20 /* five words behind the two names; the last is the minimum */

struct entry {
	struct list lru; /* in cache.used (oldest first) or cache.unused */
	struct entry *chain; /* of its bucket */
	struct cache_key key;
	uint64_t stored_ms;
	uint64_t expires_ms;
	size_t question_end;
	uint8_t *answer; /* owned */
	uint16_t len;
};

struct cache {
	struct entry *entries;
	struct entry **buckets;
	size_t bucket_mask;
	size_t entries_max;
	size_t touched; /* entries[0..touched) were in use at least once */
	size_t bytes_max;
	struct list used;
	struct list unused;
	struct siphash_key hash_key;
	struct cache_figures figures;
};

int cache_new(size_t entries_max, size_t bytes_max, struct cache **ret_cache)
{
	struct cache *c = calloc(1, sizeof(*c));
	size_t buckets = 16;

	if (!c)
		return -ENOMEM;
	while (buckets < entries_max)
		buckets *= 2;
	c->entries = calloc(entries_max, sizeof(*c->entries));
	c->buckets = calloc(buckets, sizeof(struct entry *));
	if (!c->entries || !c->buckets) {
		free(c->entries);
		free(c->buckets);
		free(c);
		return -ENOMEM;
	}
	c->bucket_mask = buckets - 1;
	c->bytes_max = bytes_max;
	list_init(&c->used);
	list_init(&c->unused);
	c->entries_max = entries_max;
	random_bytes(&c->hash_key, sizeof(c->hash_key));
	*ret_cache = c;
	return 0;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	list_for_each_safe(pos, next, &c->used)
		free(container_of(pos, struct entry, lru)->answer);
	free(c->entries);
	free(c->buckets);
	free(c);
}

static struct entry **bucket_of(struct cache *c, const struct cache_key *key)
{
	uint64_t hash = name_hash(&c->hash_key, &key->name);

	hash ^= (uint64_t)key->type << 32 | (uint64_t)key->class << 16 | key->flags;
	hash *= 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio: spreads what was mixed in */
	return &c->buckets[(hash >> 32) & c->bucket_mask];
}

static bool key_eq(const struct cache_key *a, const struct cache_key *b)
{
	return a->type == b->type && a->class == b->class && a->flags == b->flags &&
	       name_eq(&a->name, &b->name);
}

static struct entry *find(struct cache *c, const struct cache_key *key)
{
	struct entry *e = *bucket_of(c, key);

	while (e && !key_eq(&e->key, key))
		e = e->chain;
	return e;
}

static void drop_entry(struct cache *c, struct entry *e)
{
	struct entry **link = bucket_of(c, &e->key);

	while (*link != e)
		link = &(*link)->chain;
	*link = e->chain;
	free(e->answer);
	e->answer = NULL;
	c->figures.bytes -= e->len;
	c->figures.entries--;
	list_touch(&c->unused, &e->lru);
}

static void evict(struct cache *c)
{
	drop_entry(c, list_first(&c->used, struct entry, lru));
	c->figures.evicted++;
}

/* An unused entry, with room for `len` bytes. NULL if there cannot be one. */
static struct entry *make_room(struct cache *c, size_t len)
{
	if (len > c->bytes_max)
		return NULL;
	while (c->figures.bytes + len > c->bytes_max)
		evict(c);
	if (list_is_empty(&c->unused) && c->touched < c->entries_max) {
		list_init(&c->entries[c->touched].lru);
		list_append(&c->unused, &c->entries[c->touched++].lru);
	}
	if (list_is_empty(&c->unused))
		evict(c);
	return list_first(&c->unused, struct entry, lru);
}

static bool age_into(uint8_t *buf, const struct entry *e, uint64_t now)
{
	uint32_t seconds = (uint32_t)((now - e->stored_ms) / 1000);

	memcpy(buf, e->answer, e->len);
	return msg_age(buf, e->len, e->question_end, seconds) == 0;
}

size_t cache_get(struct cache *c, const struct cache_key *key, uint8_t *buf)
{
	struct entry *e = find(c, key);
	uint64_t now = clock_ms();

	if (e && now >= e->expires_ms) {
		drop_entry(c, e);
		e = NULL;
	}
	/* Names that point into a TTL (nobody honest writes that) may not survive its ageing. */
	if (e && !age_into(buf, e, now)) {
		drop_entry(c, e);
		e = NULL;
	}
	if (!e) {
		c->figures.misses++;
		return 0;
	}
	list_touch(&c->used, &e->lru);
	c->figures.hits++;
	return e->len;
}

/* A copy without OPT and without AA, which only the server itself may claim. */
static uint8_t *copy_answer(const uint8_t *msg, const struct edns *e, size_t *ret_len)
{
	uint8_t *copy = malloc(e->message_end);

	if (!copy)
		return NULL;
	memcpy(copy, msg, e->message_end);
	msg_put16(copy + 2, (uint16_t)(msg_get16(copy + 2) & ~MSG_AA));
	*ret_len = e->present ? edns_strip(copy, e) : e->message_end;
	return copy;
}

void cache_put(struct cache *c, const struct cache_key *key, const uint8_t *msg,
	       size_t question_end, const struct edns *e)
{
	uint32_t seconds = cache_lifetime(msg, e->message_end, question_end, key->type);
	struct entry *entry = find(c, key);
	struct entry **bucket;
	uint8_t *copy;
	size_t len;

	if (!seconds || (e->present && (e->end != e->message_end || e->rcode_high)))
		return;
	if (entry)
		drop_entry(c, entry);
	entry = make_room(c, e->message_end);
	copy = entry ? copy_answer(msg, e, &len) : NULL;
	if (!copy)
		return;
	entry->key = *key;
	entry->answer = copy;
	entry->len = (uint16_t)len;
	entry->question_end = question_end;
	entry->stored_ms = clock_ms();
	entry->expires_ms = entry->stored_ms + seconds * 1000ULL;
	bucket = bucket_of(c, key);
	entry->chain = *bucket;
	*bucket = entry;
	list_touch(&c->used, &entry->lru);
	c->figures.bytes += len;
	c->figures.entries++;
}

/* What the records of an answer say about its lifetime. */
struct lifetime {
	uint32_t least; /* TTL */
	bool wanted; /* a record of the type asked for is in the answer section */
	bool soa; /* in the authority section */
};

static void account(struct lifetime *l, const uint8_t *msg, const struct msg_record *record,
		    uint16_t type)
{
	uint32_t ttl = msg_ttl(record);

	if (record->type == TYPE_OPT)
		return;
	if (ttl < l->least)
		l->least = ttl;
	if (record->section == SECTION_ANSWER && record->type == type)
		l->wanted = true;
	if (record->section == SECTION_AUTHORITY && record->type == TYPE_SOA &&
	    record->rdata_len > SOA_MINIMUM_BYTES)
		l->soa = true;
}

/* The SOA's last field, which only bounds answers that deny something. */
static uint32_t soa_minimum(const uint8_t *msg, const struct msg_record *record)
{
	uint32_t minimum = msg_get32(msg + record->rdata + record->rdata_len - 4);

	return minimum & 0x80000000U ? 0 : minimum;
}

uint32_t cache_lifetime(const uint8_t *msg, size_t len, size_t question_end, uint16_t type)
{
	uint16_t flags = msg_get16(msg + 2);
	uint32_t rcode = flags & MSG_RCODE, minimum = CACHE_NEGATIVE_MAX;
	struct lifetime l = { .least = CACHE_TTL_MAX };
	struct msg_record record;
	struct msg_walk w;
	int r;

	if ((flags & MSG_TC) || (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN) ||
	    type == TYPE_ANY)
		return 0;
	msg_walk_begin(&w, msg, len, question_end);
	while ((r = msg_walk_next(&w, &record)) > 0) {
		bool had_soa = l.soa;

		account(&l, msg, &record, type);
		if (l.soa && !had_soa && soa_minimum(msg, &record) < minimum)
			minimum = soa_minimum(msg, &record);
	}
	if (r < 0)
		return 0;
	if (rcode == RCODE_NOERROR && l.wanted)
		return l.least;
	if (!l.soa)
		return 0;
	return l.least < minimum ? l.least : minimum;
}

void cache_figures(const struct cache *c, struct cache_figures *ret_figures)
{
	*ret_figures = c->figures;
}
