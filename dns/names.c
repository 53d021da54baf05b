// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Filling the names table. It is made for three fifths of its slots. A name that finds its
 * three buckets full takes the place of another one, which can stand further on; that may take
 * several such moves from the next free slot on (hopscotch hashing, Herlihy and others 2008).
 * Only when that fails, as it hardly does, is the bucket marked and the name kept beside the
 * table. Nothing is ever taken out: a new generation has a new table.
 *
 * Slots have 54 bits of a hash: with a million names, one look-up in 10^10 takes a stranger for
 * one of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/dns_names.h"
#include "dns/names.h"

#define NAMES_LOAD_NUM 3 /* of NAMES_LOAD_OF slots that are to be used */
#define NAMES_LOAD_OF 5
#define SPILL_USED (1ULL << 63) /* in keys: no key is 0 */
#define SPILL_ROOM 64
#define HOP_BUCKETS 256 /* so far a free slot is looked for */

/* Where a name stands: slots that have it (maybe one for both), and one that it could have. */
struct place {
	struct dns_bucket *home;
	__u64 *self;
	__u64 *below;
	__u64 *empty;
};

int64_t names_buckets(uint64_t names)
{
	uint64_t slots = names * NAMES_LOAD_OF / NAMES_LOAD_NUM + 1;

	if (!names)
		return 0;
	if (slots > (uint64_t)DNS_NAMES_BUCKETS_MAX * DNS_BUCKET_SLOTS)
		return -E2BIG;
	return (int64_t)((slots + DNS_BUCKET_SLOTS - 1) / DNS_BUCKET_SLOTS);
}

size_t names_table_bytes(uint32_t buckets)
{
	return (buckets + DNS_BUCKETS_LOOKED - 1UL) * sizeof(struct dns_bucket);
}

void names_init(struct names *n, const uint64_t seed[2], struct groups *groups)
{
	memset(n, 0, sizeof(*n));
	n->hash.seed[0] = seed[0];
	n->hash.seed[1] = seed[1];
	n->groups = groups;
}

void names_done(struct names *n)
{
	if (n->own)
		munmap(n->bucket, names_table_bytes(n->buckets));
	free(n->spill);
	memset(n, 0, sizeof(*n));
}

int names_set_table(struct names *n, struct dns_bucket *table, uint32_t buckets)
{
	void *memory = table;

	if (!table && buckets) {
		memory = mmap(NULL, names_table_bytes(buckets), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			return -ENOMEM;
		n->own = true;
	}
	n->bucket = memory;
	n->buckets = buckets;
	return 0;
}

uint64_t names_hash(const struct names *n, const struct name *lower_name)
{
	const uint8_t *wire = lower_name->wire;
	uint8_t start[NAME_WIRE_MAX];
	unsigned int labels = 0;
	uint64_t hash = dns_hash_root(&n->hash);

	for (unsigned int pos = 0; wire[pos]; pos += 1U + wire[pos])
		start[labels++] = (uint8_t)pos;
	while (labels--)
		hash = dns_hash_label(&n->hash, hash, wire + start[labels] + 1,
				      wire[start[labels]]);
	return hash;
}

/* --- what the table cannot say ------------------------------------------------------------ */

/* The bits that slots have, too: what is spilled is told from others as slots are. */
static uint64_t spill_key(uint64_t hash, uint32_t kind)
{
	return hash << DNS_SLOT_HASH_SHIFT >> (DNS_SLOT_HASH_SHIFT - 1) | kind >> 1 | SPILL_USED;
}

static struct names_spill *spill_place(const struct names *n, uint64_t key)
{
	uint32_t at = (uint32_t)(key >> 1);

	while (n->spill[at & (n->spill_room - 1)].key &&
	       n->spill[at & (n->spill_room - 1)].key != key)
		at++;
	return &n->spill[at & (n->spill_room - 1)];
}

static uint32_t spill_get(const struct names *n, uint64_t hash, uint32_t kind)
{
	const struct names_spill *s;

	if (!n->spill_room)
		return 0;
	s = spill_place(n, spill_key(hash, kind));
	return s->key ? s->group : 0;
}

static int spill_grow(struct names *n)
{
	uint32_t room = n->spill_room;
	struct names_spill *old = n->spill;
	struct names_spill *bigger = calloc(room ? 2 * (size_t)room : SPILL_ROOM, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	n->spill = bigger;
	n->spill_room = room ? 2 * room : SPILL_ROOM;
	for (uint32_t i = 0; i < room; i++) {
		if (old[i].key)
			*spill_place(n, old[i].key) = old[i];
	}
	free(old);
	return 0;
}

static int spill_put(struct names *n, uint64_t hash, uint32_t kind, uint32_t group)
{
	struct names_spill *s;

	if (4 * (n->spills + 1) > 3 * n->spill_room && spill_grow(n) < 0)
		return -ENOMEM;
	s = spill_place(n, spill_key(hash, kind));
	if (!s->key)
		n->spills++;
	s->key = spill_key(hash, kind);
	s->group = group;
	return 0;
}

static int spill_kinds(struct names *n, uint64_t hash, uint32_t kinds, uint32_t group)
{
	int r = 0;

	if (kinds & DNS_NAME_SELF)
		r = spill_put(n, hash, DNS_NAME_SELF, group);
	if (!r && kinds & DNS_NAME_BELOW)
		r = spill_put(n, hash, DNS_NAME_BELOW, group);
	return r;
}

/* --- the table ---------------------------------------------------------------------------- */

static uint32_t slot_group(uint64_t slot)
{
	return slot >> DNS_SLOT_GROUP_SHIFT & (DNS_GROUPS_MAX - 1);
}

static void bucket_look(struct dns_bucket *b, uint64_t hash, struct place *p)
{
	uint64_t want = hash << DNS_SLOT_HASH_SHIFT;

	for (unsigned int i = 0; i < DNS_BUCKET_SLOTS && !p->empty; i++) {
		__u64 *slot = &b->slot[i];

		if (!*slot)
			p->empty = slot;
		else if ((*slot ^ want) >> DNS_SLOT_HASH_SHIFT)
			continue;
		if (*slot & DNS_NAME_SELF)
			p->self = slot;
		if (*slot & DNS_NAME_BELOW)
			p->below = slot;
	}
}

static struct place place_of(const struct names *n, uint64_t hash)
{
	struct dns_bucket *b = n->bucket + dns_bucket_index(hash, n->buckets);
	struct place p = { .home = b };

	for (unsigned int i = 0; i < DNS_BUCKETS_LOOKED && !p.empty; i++)
		bucket_look(b + i, hash, &p);
	return p;
}

/* What is known of a name that has this slot, or none. */
static uint32_t group_now(const struct names *n, const struct place *p, const __u64 *slot,
			  uint64_t hash, uint32_t kind)
{
	uint32_t group = slot ? slot_group(*slot) : 0;

	if (group == DNS_GROUP_ASK || (!slot && p->home->slot[0] & DNS_SLOT_SPILLED))
		return spill_get(n, hash, kind);
	return group;
}

/* Groups whose number no slot has room for are told beside the table. 0 or -ENOMEM. */
static int slot_write(struct names *n, __u64 *slot, uint64_t hash, uint32_t kinds, uint32_t group)
{
	uint32_t shown = group < DNS_GROUP_ASK ? group : DNS_GROUP_ASK;

	if (shown == DNS_GROUP_ASK && spill_kinds(n, hash, kinds, group) < 0)
		return -ENOMEM;
	*slot = hash << DNS_SLOT_HASH_SHIFT | (*slot & DNS_SLOT_SPILLED) |
		shown << DNS_SLOT_GROUP_SHIFT | kinds;
	return 0;
}

static uint32_t home_of(const struct names *n, uint64_t slot)
{
	return dns_bucket_index(slot >> DNS_SLOT_HASH_SHIFT, n->buckets);
}

/* The first bucket with a free slot from `at` on; 0 = none is near. */
static uint32_t next_free(const struct names *n, uint32_t at)
{
	uint32_t end = n->buckets + DNS_BUCKETS_LOOKED - 1;

	if (end - at > HOP_BUCKETS)
		end = at + HOP_BUCKETS;
	for (; at < end; at++) {
		if (!n->bucket[at].slot[DNS_BUCKET_SLOTS - 1])
			return at;
	}
	return 0;
}

static __u64 *free_slot(struct dns_bucket *b)
{
	__u64 *slot = b->slot;

	while (*slot)
		slot++;
	return slot;
}

/*
 * A slot in front of bucket `at` whose name may stand there as well; the first one found lies
 * furthest in front. slot[0] stays, for its mark is the bucket's. NULL = there is none.
 */
static __u64 *movable(const struct names *n, uint32_t at, uint32_t *ret_bucket)
{
	for (uint32_t from = at - (DNS_BUCKETS_LOOKED - 1); from < at; from++) {
		for (unsigned int i = 1; i < DNS_BUCKET_SLOTS; i++) {
			__u64 *slot = &n->bucket[from].slot[i];

			if (home_of(n, *slot) + DNS_BUCKETS_LOOKED - 1 < at)
				continue;
			*ret_bucket = from;
			return slot;
		}
	}
	return NULL;
}

/* Do moves lead from bucket `at` back to `reach`? What they change is not looked at again. */
static bool moves_lead(const struct names *n, uint32_t at, uint32_t reach)
{
	while (at > reach) {
		if (!movable(n, at, &at))
			return false;
	}
	return true;
}

/* Makes a free slot in a bucket where a name of this home is looked for. NULL = in vain. */
static __u64 *make_free(struct names *n, uint32_t home)
{
	uint32_t reach = home + DNS_BUCKETS_LOOKED - 1;
	uint32_t at = next_free(n, reach + 1);
	__u64 *empty;

	if (!at || !moves_lead(n, at, reach))
		return NULL;
	empty = free_slot(&n->bucket[at]);
	while (at > reach) {
		__u64 *from = movable(n, at, &at);

		*empty = *from;
		*from = 0;
		empty = from;
	}
	return empty;
}

/* A slot for what has none. 0 or -ENOMEM. */
static int slot_take(struct names *n, struct place *p, uint64_t hash, uint32_t kinds,
		     uint32_t group)
{
	__u64 *empty = p->empty ? p->empty : make_free(n, (uint32_t)(p->home - n->bucket));

	p->empty = NULL;
	if (empty) {
		n->slots++;
		return slot_write(n, empty, hash, kinds, group);
	}
	p->home->slot[0] |= DNS_SLOT_SPILLED;
	return spill_kinds(n, hash, kinds, group);
}

/* Both kinds have one slot: it stays with the name itself if they part. */
static int write_shared(struct names *n, struct place *p, uint64_t hash, uint32_t self,
			uint32_t below)
{
	int r;

	if (self == below)
		return slot_write(n, p->self, hash, DNS_NAME_SELF | DNS_NAME_BELOW, self);
	r = slot_write(n, p->self, hash, DNS_NAME_SELF, self);
	return r < 0 ? r : slot_take(n, p, hash, DNS_NAME_BELOW, below);
}

/* One of the kinds, whose slot, if it has one, is its own. */
static int write_one(struct names *n, struct place *p, __u64 *slot, uint64_t hash, uint32_t kind,
		     uint32_t group)
{
	if (slot)
		return slot_write(n, slot, hash, kind, group);
	return group ? slot_take(n, p, hash, kind, group) : 0;
}

static int write_groups(struct names *n, struct place *p, uint64_t hash, uint32_t self,
			uint32_t below)
{
	__u64 *one = p->self ? p->self : p->below;
	int r;

	if (p->self && p->self == p->below)
		return write_shared(n, p, hash, self, below);
	/* one slot or none, and one is enough */
	if (self == below && !(p->self && p->below)) {
		if (one)
			return slot_write(n, one, hash, DNS_NAME_SELF | DNS_NAME_BELOW, self);
		return slot_take(n, p, hash, DNS_NAME_SELF | DNS_NAME_BELOW, self);
	}
	/* what has a slot comes first: making room for the other may move it */
	if (p->self) {
		r = slot_write(n, p->self, hash, DNS_NAME_SELF, self);
		return r < 0 ? r : write_one(n, p, p->below, hash, DNS_NAME_BELOW, below);
	}
	r = write_one(n, p, p->below, hash, DNS_NAME_BELOW, below);
	return r < 0 ? r : write_one(n, p, NULL, hash, DNS_NAME_SELF, self);
}

int names_insert(struct names *n, uint64_t hash, uint32_t kinds, uint32_t set)
{
	struct place p = place_of(n, hash);
	uint32_t self = group_now(n, &p, p.self, hash, DNS_NAME_SELF);
	uint32_t below = group_now(n, &p, p.below, hash, DNS_NAME_BELOW);
	int new_self = (int)self, new_below = (int)below;

	if (kinds & DNS_NAME_SELF)
		new_self = groups_join(n->groups, self, set);
	if (kinds & DNS_NAME_BELOW)
		new_below = groups_join(n->groups, below, set);
	if (new_self < 0 || new_below < 0)
		return new_self < 0 ? new_self : new_below;
	if ((uint32_t)new_self == self && (uint32_t)new_below == below)
		return 0;
	return write_groups(n, &p, hash, (uint32_t)new_self, (uint32_t)new_below);
}

int names_hide(struct names *n, uint64_t hash)
{
	struct place p = place_of(n, hash);
	uint32_t group = group_now(n, &p, p.self, hash, DNS_NAME_SELF), kinds = DNS_NAME_SELF;
	int r;

	if (dns_names_find(n->bucket, n->buckets, hash, DNS_NAME_SELF) == DNS_GROUP_ASK)
		return 0;
	if (p.self) {
		kinds = *p.self & (DNS_NAME_SELF | DNS_NAME_BELOW);
		r = slot_write(n, p.self, hash, kinds, DNS_GROUP_ASK);
	} else {
		r = slot_take(n, &p, hash, kinds, DNS_GROUP_ASK);
	}
	return r < 0 ? r : spill_kinds(n, hash, kinds, group);
}

uint32_t names_group(const struct names *n, uint64_t hash, uint32_t kind)
{
	uint32_t group = dns_names_find(n->bucket, n->buckets, hash, kind);
	struct place p;

	if (group != DNS_GROUP_ASK)
		return group;
	p = place_of(n, hash);
	return group_now(n, &p, kind == DNS_NAME_SELF ? p.self : p.below, hash, kind);
}

size_t names_bytes(const struct names *n)
{
	return (n->buckets ? names_table_bytes(n->buckets) : 0) + n->spill_room * sizeof(*n->spill);
}
