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

#define SWEEP_PARTS 64 /* of the entries are looked at by each sweep */

struct entry {
	struct list lru; /* in cache.used (oldest first) or cache.unused */
	struct entry *chain; /* of its bucket */
	struct cache_key key;
	uint64_t stored_ms;
	uint64_t expires_ms;
	uint64_t gone_ms; /* not even stale any more */
	uint64_t retry_ms; /* a failure: nobody is asked again before that */
	uint32_t hits;
	bool asked;
	size_t question_end;
	uint8_t *answer; /* owned */
	uint16_t len;
};

struct cache {
	struct entry *entries;
	struct entry **buckets;
	size_t bucket_mask;
	struct cache_options options;
	size_t touched; /* entries[0..touched) were in use at least once */
	size_t swept; /* the next entry that a sweep looks at */
	struct list used;
	struct list unused;
	struct siphash_key hash_key;
	struct cache_figures figures;
};

int cache_new(const struct cache_options *options, struct cache **ret_cache)
{
	struct cache *c = calloc(1, sizeof(*c));
	size_t buckets = 16;

	if (!c)
		return -ENOMEM;
	while (buckets < options->entries_max)
		buckets *= 2;
	c->entries = calloc(options->entries_max, sizeof(*c->entries));
	c->buckets = calloc(buckets, sizeof(struct entry *));
	if (!c->entries || !c->buckets) {
		free(c->entries);
		free(c->buckets);
		free(c);
		return -ENOMEM;
	}
	c->bucket_mask = buckets - 1;
	c->options = *options;
	list_init(&c->used);
	list_init(&c->unused);
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

	hash ^= (uint64_t)key->scope << 48 | (uint64_t)key->type << 32 |
		(uint64_t)key->class << 16 | key->flags;
	hash *= 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio: spreads what was mixed in */
	return &c->buckets[(hash >> 32) & c->bucket_mask];
}

static bool key_eq(const struct cache_key *a, const struct cache_key *b)
{
	return a->type == b->type && a->class == b->class && a->flags == b->flags &&
	       a->scope == b->scope && name_eq(&a->name, &b->name);
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
	if (len > c->options.bytes_max || !c->options.entries_max)
		return NULL;
	while (c->figures.bytes + len > c->options.bytes_max)
		evict(c);
	if (list_is_empty(&c->unused) && c->touched < c->options.entries_max) {
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

/* The entry, if it may be given at all; `fresh`: as if nothing were the matter. */
static struct entry *usable(struct cache *c, const struct cache_key *key, bool fresh)
{
	struct entry *e = find(c, key);
	uint64_t now = clock_ms();

	if (e && now >= e->gone_ms) {
		drop_entry(c, e);
		e = NULL;
	}
	return e && fresh == (now < e->expires_ms) ? e : NULL;
}

static void tell(const struct entry *e, uint64_t now, struct cache_hit *ret_hit)
{
	ret_hit->hits = e->hits;
	ret_hit->left = (uint32_t)((e->expires_ms - now) / 1000);
	ret_hit->late = e->expires_ms - now <= (e->expires_ms - e->stored_ms) / 10;
	ret_hit->asked = e->asked || now < e->retry_ms;
}

size_t cache_get(struct cache *c, const struct cache_key *key, uint8_t *buf,
		 struct cache_hit *ret_hit)
{
	struct entry *e = usable(c, key, true);
	uint64_t now = clock_ms();

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
	e->hits++;
	if (ret_hit)
		tell(e, now, ret_hit);
	return e->len;
}

bool cache_is_stale(struct cache *c, const struct cache_key *key, bool *ret_hold)
{
	const struct entry *e = usable(c, key, false);

	*ret_hold = e && clock_ms() < e->retry_ms;
	return e != NULL;
}

size_t cache_get_stale(struct cache *c, const struct cache_key *key, uint8_t *buf)
{
	struct entry *e = usable(c, key, false);

	if (!e)
		return 0;
	memcpy(buf, e->answer, e->len);
	if (ttl_set(buf, e->len, e->question_end, CACHE_STALE_TTL) < 0) {
		drop_entry(c, e);
		return 0;
	}
	list_touch(&c->used, &e->lru);
	c->figures.stale++;
	e->hits++;
	return e->len;
}

void cache_asked(struct cache *c, const struct cache_key *key)
{
	struct entry *e = find(c, key);

	if (e)
		e->asked = true;
}

void cache_failed(struct cache *c, const struct cache_key *key)
{
	struct entry *e = find(c, key);

	if (!e)
		return;
	e->retry_ms = clock_ms() + CACHE_RETRY_MS;
	e->asked = false;
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

static void insert(struct cache *c, struct entry *e)
{
	struct entry **bucket = bucket_of(c, &e->key);

	e->chain = *bucket;
	*bucket = e;
	list_touch(&c->used, &e->lru);
	c->figures.bytes += e->len;
	c->figures.entries++;
}

uint32_t cache_put(struct cache *c, const struct cache_key *key, const uint8_t *msg,
		   size_t question_end, const struct edns *e)
{
	uint32_t seconds =
		ttl_lifetime(msg, e->message_end, question_end, key->type, &c->options.ttl);
	struct entry *entry = find(c, key);
	uint8_t *copy;
	size_t len;

	if (!seconds || (e->present && (e->end != e->message_end || e->rcode_high)))
		return 0;
	if (entry)
		drop_entry(c, entry);
	entry = make_room(c, e->message_end);
	copy = entry ? copy_answer(msg, e, &len) : NULL;
	if (!copy)
		return 0;
	entry->key = *key;
	entry->answer = copy;
	entry->len = (uint16_t)len;
	entry->question_end = question_end;
	entry->stored_ms = clock_ms();
	entry->expires_ms = entry->stored_ms + seconds * 1000ULL;
	entry->gone_ms = entry->expires_ms + c->options.stale * 1000ULL;
	entry->retry_ms = 0;
	entry->hits = 0;
	entry->asked = false;
	insert(c, entry);
	return seconds;
}

void cache_set(struct cache *c, const struct ttl_limits *ttl, uint32_t stale)
{
	c->options.ttl = *ttl;
	c->options.stale = stale;
}

/* --- by all entries ---------------------------------------------------------------------- */

static bool in_use(const struct entry *e)
{
	return e->answer;
}

size_t cache_flush(struct cache *c, const struct name *name, bool below)
{
	size_t before = c->figures.entries;

	list_for_each_safe(pos, next, &c->used) {
		struct entry *e = container_of(pos, struct entry, lru);

		if (!name || name_eq(name, &e->key.name) ||
		    (below && name_is_below(&e->key.name, name)))
			drop_entry(c, e);
	}
	return before - c->figures.entries;
}

void cache_sweep(struct cache *c)
{
	uint64_t now = clock_ms();

	for (size_t n = c->touched / SWEEP_PARTS + 1; n-- > 0 && c->touched;) {
		struct entry *e = &c->entries[c->swept++ % c->touched];

		if (in_use(e) && now >= e->gone_ms)
			drop_entry(c, e);
	}
}

bool cache_next(const struct cache *c, size_t *place, struct cache_view *ret_view)
{
	uint64_t now = clock_ms();

	for (; *place < c->touched; ++*place) {
		const struct entry *e = &c->entries[*place];

		if (!in_use(e) || now >= e->gone_ms)
			continue;
		ret_view->key = &e->key;
		ret_view->ttl = now < e->expires_ms ? (uint32_t)((e->expires_ms - now) / 1000) : 0;
		ret_view->hits = e->hits;
		ret_view->rcode = msg_get16(e->answer + 2) & MSG_RCODE;
		ret_view->len = e->len;
		++*place;
		return true;
	}
	return false;
}

void cache_figures(const struct cache *c, struct cache_figures *ret_figures)
{
	*ret_figures = c->figures;
}
