// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The map can be searched by nothing but its whole key, so an index of it is kept here: by key
 * for replacing, by name for removing. Entries of another epoch or whose time is over stay in
 * map and index until their room is needed, for the kernel half does not give them.
 *
 * When all places are taken, EVICT_LOOKS of them are looked at, from where the last look ended;
 * if each of those is still good, the new answer is not kept: the resolver has it anyway.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bpf/dns_names.h"
#include "datapath/dns.h"
#include "dns/kcache.h"

#define HEADS (2 * DNS_ANSWERS_MAX)
#define NONE UINT16_MAX
#define EVICT_LOOKS 16
#define TYPE_TSIG 250
#define TYPE_META_FIRST 128 /* ..255: of queries and messages, not of data (RFC 6895, 3.1) */
_Static_assert(DNS_ANSWERS_MAX < NONE, "places are 16 bits");

struct place {
	struct dns_answer_key key;
	uint64_t epoch;
	uint64_t expires_ns;
	struct name *name; /* NULL = the place is free */
	uint16_t next; /* of the same head, or of the free ones */
};

struct kcache {
	struct datapath *dp;
	bool on;
	uint64_t seed[2]; /* of the kernel half's hash */
	uint64_t check; /* of the answer put last; no two have the same */
	uint16_t free;
	uint16_t hand; /* where the next look for room begins */
	struct kcache_figures figures;
	uint16_t head[HEADS];
	struct place place[DNS_ANSWERS_MAX];
};

/* --- index --------------------------------------------------------------------------------- */

static uint16_t *head_of(struct kcache *k, const struct dns_answer_key *key)
{
	uint64_t mixed = key->hash ^
			 ((uint64_t)key->policy << 24 | (uint64_t)key->type << 8 | key->flags) *
				 0x9e3779b97f4a7c15U;

	return &k->head[mixed % HEADS];
}

static struct place *find(struct kcache *k, const struct dns_answer_key *key)
{
	for (uint16_t at = *head_of(k, key); at != NONE; at = k->place[at].next)
		if (!memcmp(&k->place[at].key, key, sizeof(*key)))
			return &k->place[at];
	return NULL;
}

/* Takes it out of map and index. */
static void drop(struct kcache *k, struct place *p)
{
	uint16_t *link = head_of(k, &p->key), at = (uint16_t)(p - k->place);

	datapath_dns_answer_remove(k->dp, &p->key);
	while (*link != at)
		link = &k->place[*link].next;
	*link = p->next;
	free(p->name);
	p->name = NULL;
	p->next = k->free;
	k->free = at;
	k->figures.entries--;
}

static bool evict(struct kcache *k, uint64_t epoch, uint64_t now)
{
	for (int i = 0; i < EVICT_LOOKS; i++) {
		struct place *p = &k->place[k->hand];

		k->hand = (uint16_t)((k->hand + 1) % DNS_ANSWERS_MAX);
		if (p->name && (p->epoch != epoch || p->expires_ns <= now)) {
			drop(k, p);
			return true;
		}
	}
	return false;
}

/* A place for the key, which is in none yet. NULL = there is no room. */
static struct place *enter(struct kcache *k, const struct dns_answer_key *key,
			   const struct name *name, uint64_t epoch, uint64_t now)
{
	uint16_t *head = head_of(k, key), at;
	struct place *p;

	if (k->free == NONE && !evict(k, epoch, now))
		return NULL;
	at = k->free;
	p = &k->place[at];
	p->name = malloc(offsetof(struct name, wire) + name->len);
	if (!p->name)
		return NULL;
	memcpy(p->name, name, offsetof(struct name, wire) + name->len);
	p->key = *key;
	k->free = p->next;
	p->next = *head;
	*head = at;
	k->figures.entries++;
	return p;
}

/* --- keys and values ----------------------------------------------------------------------- */

/* Where the name's labels begin, the root's left out. Their number, -1 = too many. */
static int labels_of(const struct name *name, uint8_t ret_at[DNS_LABELS_MAX])
{
	int labels = 0;

	for (uint8_t at = 0; name->wire[at]; at = (uint8_t)(at + 1 + name->wire[at])) {
		if (labels == DNS_LABELS_MAX)
			return -1;
		ret_at[labels++] = at;
	}
	return labels;
}

/* False = a query of this kind is never answered by the kernel half. */
static bool key_for(const struct kcache *k, uint32_t policy, const struct cache_key *key,
		    struct dns_answer_key *ret_key)
{
	const struct dns_state seeds = { .seed = { k->seed[0], k->seed[1] } };
	uint8_t at[DNS_LABELS_MAX];
	int labels = labels_of(&key->name, at);
	uint64_t hash = dns_hash_root(&seeds);

	if (labels < 0 || key->class != CLASS_IN || key->flags & MSG_CD ||
	    (key->type >= TYPE_META_FIRST && key->type <= TYPE_ANY) || key->type == TYPE_OPT)
		return false;
	for (int i = labels - 1; i >= 0; i--)
		hash = dns_hash_label(&seeds, hash, &key->name.wire[at[i] + 1],
				      key->name.wire[at[i]]);
	*ret_key = (struct dns_answer_key){ .hash = hash, .policy = policy, .type = key->type };
	if (key->flags & CACHE_DO)
		ret_key->flags |= DNS_ANSWER_DO;
	if (key->flags & MSG_AD)
		ret_key->flags |= DNS_ANSWER_AD;
	return true;
}

/*
 * Notes where the TTLs are. Returns the message's true length without an OPT at its end, 0 =
 * more records than are aged, or one that belongs to this message alone. *ret_opt: there was one.
 */
static size_t read_records(struct dns_answer *a, const uint8_t *msg, size_t len,
			   size_t question_end, bool *ret_opt)
{
	struct msg_record record = { 0 };
	struct msg_walk w;
	bool opt = false;

	msg_walk_begin(&w, msg, len, question_end);
	while (msg_walk_next(&w, &record) > 0) {
		if (opt || record.type == TYPE_TSIG)
			return 0;
		opt = record.type == TYPE_OPT;
		if (!opt && a->ttls == DNS_ANSWER_TTLS)
			return 0;
		if (!opt)
			a->ttl_offset[a->ttls++] = (uint16_t)record.ttl_offset;
	}
	*ret_opt = opt;
	return opt ? record.offset : w.pos;
}

/* The message as the kernel half gives it; its ID and RD are the query's. */
static bool fill(struct kcache *k, struct dns_answer *a, const struct name *name,
		 const uint8_t *msg, size_t len, size_t question_end)
{
	uint16_t flags = msg_get16(msg + 2);
	bool opt;

	len = flags & MSG_TC ? 0 : read_records(a, msg, len, question_end, &opt);
	if (!len || len > sizeof(a->msg))
		return false;
	memcpy(a->msg, msg, len);
	msg_put16(a->msg, 0);
	msg_put16(a->msg + 2, (uint16_t)(MSG_QR | MSG_RA | (flags & (MSG_AD | MSG_RCODE))));
	if (opt)
		msg_put16(a->msg + 10, (uint16_t)(msg_get16(a->msg + 10) - 1));
	a->len = (uint16_t)len;
	a->name_len = name->len;
	memcpy(a->name, name->wire, name->len);
	a->check = a->check_end = ++k->check;
	return true;
}

static uint64_t epoch_now(const struct kcache *k)
{
	struct dns_state s;

	return datapath_dns_state(k->dp, &s) ? 0 : s.epoch;
}

void kcache_put(struct kcache *k, uint32_t policy, const struct cache_key *key, const uint8_t *msg,
		size_t len, size_t question_end, uint32_t seconds)
{
	struct dns_answer a = { .stored_ns = clock_ns(), .epoch = epoch_now(k) };
	struct dns_answer_key at;
	struct place *p;

	if (!k->on || !seconds)
		return;
	if (!key_for(k, policy, key, &at) || !fill(k, &a, &key->name, msg, len, question_end)) {
		k->figures.unfit++;
		return;
	}
	a.expires_ns = a.stored_ns + seconds * (NSEC_PER_SEC / 10 * 9);
	p = find(k, &at);
	if (p && !name_eq(p->name, &key->name)) { /* one hash of two names: the latest has it */
		drop(k, p);
		p = NULL;
	}
	if (!p)
		p = enter(k, &at, &key->name, a.epoch, a.stored_ns);
	if (!p) {
		k->figures.no_room++;
		return;
	}
	p->epoch = a.epoch;
	p->expires_ns = a.expires_ns;
	if (datapath_dns_answer_put(k->dp, &at, &a)) {
		k->figures.no_room++;
		drop(k, p);
		return;
	}
	k->figures.stored++;
}

uint64_t kcache_hits(struct kcache *k, uint32_t policy, const struct cache_key *key)
{
	struct dns_answer_key at;
	struct dns_answer a;

	if (!k->on || !key_for(k, policy, key, &at) || !find(k, &at) ||
	    datapath_dns_answer_get(k->dp, &at, &a))
		return 0;
	return a.hits;
}

/* --- forgetting ---------------------------------------------------------------------------- */

static bool is_below(const struct name *name, const struct name *parent)
{
	for (size_t at = 0; at < name->len; at += 1U + name->wire[at]) {
		if ((size_t)name->len - at < parent->len)
			return false;
		if ((size_t)name->len - at == parent->len)
			return !memcmp(name->wire + at, parent->wire, parent->len);
	}
	return false;
}

void kcache_remove(struct kcache *k, const struct name *name, bool below)
{
	for (size_t i = 0; i < DNS_ANSWERS_MAX; i++) {
		struct place *p = &k->place[i];

		if (p->name && (below ? is_below(p->name, name) : name_eq(p->name, name)))
			drop(k, p);
	}
}

void kcache_withdraw(struct kcache *k, uint64_t hash)
{
	for (size_t i = 0; k->figures.entries && i < DNS_ANSWERS_MAX; i++) {
		struct place *p = &k->place[i];

		if (p->name && p->key.hash == hash)
			drop(k, p);
	}
}

void kcache_flush(struct kcache *k)
{
	datapath_dns_epoch_add(k->dp, 2);
}

void kcache_enable(struct kcache *k, bool on)
{
	struct dns_state s;

	if (k->on && !on)
		kcache_flush(k);
	k->on = on && !datapath_dns_state(k->dp, &s);
	if (k->on)
		memcpy(k->seed, s.seed, sizeof(k->seed));
}

void kcache_figures(struct kcache *k, struct kcache_figures *ret_figures)
{
	*ret_figures = k->figures;
}

/* --- life ---------------------------------------------------------------------------------- */

int kcache_new(struct datapath *dp, struct kcache **ret_kcache)
{
	struct kcache *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->dp = dp;
	k->check = clock_ns();
	memset(k->head, 0xff, sizeof(k->head));
	for (uint16_t i = 0; i < DNS_ANSWERS_MAX; i++)
		k->place[i].next = i + 1 < DNS_ANSWERS_MAX ? i + 1 : NONE;
	datapath_dns_answers_clear(dp);
	*ret_kcache = k;
	return 0;
}

void kcache_free(struct kcache *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < DNS_ANSWERS_MAX; i++)
		free(k->place[i].name);
	free(k);
}
