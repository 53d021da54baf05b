/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a query's name and type to what a policy does with it, for both halves: hashes of the
 * name and its parents, the names table, the decision. It touches nothing but its arguments.
 *
 *	hash = dns_hash_root(state)
 *	for each label from the root on, the name's first label last:
 *		hash = dns_hash_label(state, hash, label, length)
 *		dns_match_group(policy, dns_names_find(table, buckets, hash, kind), &match)
 *	decision = dns_decide(policy, &match, dns_type_of(type))
 *
 * where kind is DNS_NAME_BELOW for parents, the root included, and DNS_NAME_SELF for the name
 * itself. Names are in lower case: dns_lower8().
 */
#ifndef BPF_DNS_NAMES_H
#define BPF_DNS_NAMES_H

#include "bpf/contract.h"
#include "bpf/parse.h"

#define DNS_LABEL_MAX 63

/*
 * Bucket `i` of a table. The programs say what that is in front of their include: a look-up in
 * a map, whose result may be NULL.
 */
#ifndef DNS_BUCKET
#define DNS_BUCKET(table, i) (&((const struct dns_bucket *)(table))[i])
#endif

/* What a name and its parents are in, as rules of one policy; zero to begin with. */
struct dns_match {
	__u64 domains;
	__u64 lists;
	__u64 except;
	__u64 ask; /* not 0: only the resolver can tell */
};

struct dns_decision {
	__u8 action; /* enum dns_action */
	__u8 rule; /* DNS_RULES_MAX = none matched */
};

/* ASCII capitals among 8 bytes to lower case: bit 7 of a sum tells which bytes they are. */
PARSE_INLINE __u64 dns_lower8(__u64 word)
{
	__u64 low = word & 0x7f7f7f7f7f7f7f7fULL;
	__u64 from_a = low + 0x3f3f3f3f3f3f3f3fULL; /* 0x80 - 'A' */
	__u64 behind_z = low + 0x2525252525252525ULL; /* 0x7f - 'Z' */

	return word | ((from_a ^ behind_z) & ~word & 0x8080808080808080ULL) >> 2;
}

/*
 * One step of the hash. Both factors are secret and odd: each is a bijection of the word, so
 * names of equal parents with labels of up to 7 bytes never meet, and what one step does to a
 * difference between two words cannot be told without them.
 */
PARSE_INLINE __u64 dns_hash_word(const struct dns_state *s, __u64 hash, __u64 word)
{
	hash = (hash ^ word) * (s->seed[0] | 1);
	hash ^= hash >> 32;
	hash *= s->seed[1] | 1;
	return hash ^ hash >> 32;
}

PARSE_INLINE __u64 dns_hash_root(const struct dns_state *s)
{
	return dns_hash_word(s, s->seed[0] >> 32 | s->seed[1] << 32, DNS_LABEL_MAX + 1);
}

/* The first `len` (0 to 7) bytes of a word as it stands in memory, and behind them a length. */
PARSE_INLINE __u64 dns_last_word(__u64 word, __u32 len, __u32 label_len)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (word & ((1ULL << 8 * len) - 1)) | (__u64)label_len << 56;
#else
	return (word & ~(~0ULL >> 8 * len)) | label_len;
#endif
}

/* The programs read whole words, up to 8 bytes behind the label: their scratch has them. */
PARSE_INLINE __u64 dns_label_word(const __u8 *label, __u32 len)
{
	__u64 word = 0;

#ifdef __bpf__
	__builtin_memcpy(&word, label, sizeof(word));
#else
	__builtin_memcpy(&word, label, len < sizeof(word) ? len : sizeof(word));
#endif
	return word;
}

/* Hash of the name that has this label in front of `parent`'s. len: 1 to DNS_LABEL_MAX. */
PARSE_INLINE __u64 dns_hash_label(const struct dns_state *s, __u64 parent, const __u8 *label,
				  __u32 len)
{
	__u64 hash = parent;
	__u32 at;

	for (at = 0; at + 8 <= len && at < DNS_LABEL_MAX - 7; at += 8)
		hash = dns_hash_word(s, hash, dns_label_word(label + at, 8));
	return dns_hash_word(s, hash,
			     dns_last_word(dns_label_word(label + at, len & 7), len & 7, len));
}

/*
 * The bucket that a hash belongs to, of `buckets` and those behind them: by bits that slots
 * have, too, so that it is known of what is in a slot where it belongs.
 */
PARSE_INLINE __u32 dns_bucket_index(__u64 hash, __u32 buckets)
{
	return (hash & 0xffffffff) * buckets >> 32;
}

/*
 * The group of a hash in one bucket, 0 = not there; kind: DNS_NAME_SELF or DNS_NAME_BELOW. At
 * most one slot fits, so all are looked at without a branch: one path for the verifier.
 */
PARSE_INLINE __u32 dns_bucket_find(const struct dns_bucket *b, __u64 hash, __u32 kind)
{
	__u64 found = 0, want = hash << DNS_SLOT_HASH_SHIFT, slot, same;
	__u32 i;

#ifdef __clang__
#pragma unroll
#endif
	for (i = 0; i < DNS_BUCKET_SLOTS; i++) {
		slot = b->slot[i];
		/* below 2^54: less 1 it is negative for 0 alone */
		same = ((slot ^ want) >> DNS_SLOT_HASH_SHIFT) - 1;
		same = same >> 63 & slot >> (kind >> 1);
		found |= (0 - (same & 1)) & slot;
	}
	return found >> DNS_SLOT_GROUP_SHIFT & (DNS_GROUPS_MAX - 1);
}

/* The group of a hash in the table, 0 = not there. */
PARSE_INLINE __u32 dns_names_find(const void *table, __u32 buckets, __u64 hash, __u32 kind)
{
	__u32 home = dns_bucket_index(hash, buckets), i, at, group;
	const struct dns_bucket *b;

	if (!buckets)
		return 0;
	for (i = 0; i < DNS_BUCKETS_LOOKED; i++) {
		at = home + i;
		b = DNS_BUCKET(table, at);
		if (!b || (!i && (b->slot[0] & DNS_SLOT_SPILLED)))
			return DNS_GROUP_ASK;
		group = dns_bucket_find(b, hash, kind);
		if (group || !b->slot[DNS_BUCKET_SLOTS - 1])
			return group;
	}
	return 0;
}

/* Adds what being in `group` means. */
PARSE_INLINE void dns_match_group(const struct dns_policy *p, __u32 group, struct dns_match *m)
{
	const struct dns_group *g = &p->group[group & (DNS_GROUPS_MAX - 1)];

	if (!group)
		return;
	m->domains |= g->domains;
	m->lists |= g->lists;
	m->except |= g->except;
	m->ask |= group == DNS_GROUP_ASK;
}

#define DNS_TYPE_CASE(name, number)                                                                \
	case number:                                                                               \
		return name;

PARSE_INLINE __u32 dns_type_of(__u16 type)
{
	switch (type) {
		DNS_TYPES(DNS_TYPE_CASE)
	}
	return DNS_TYPE_OTHER;
}

/* Place of the lowest bit that is set; `bits` is not 0. (Of __builtin_ctzll no BPF form is.) */
PARSE_INLINE __u32 dns_lowest(__u64 bits)
{
	__u64 low = bits & (0 - bits);
	__u32 place = 0;

	place += low & 0x00000000ffffffffULL ? 0 : 32;
	place += low & 0x0000ffff0000ffffULL ? 0 : 16;
	place += low & 0x00ff00ff00ff00ffULL ? 0 : 8;
	place += low & 0x0f0f0f0f0f0f0f0fULL ? 0 : 4;
	place += low & 0x3333333333333333ULL ? 0 : 2;
	place += low & 0x5555555555555555ULL ? 0 : 1;
	return place;
}

/* type: of dns_type_of() */
PARSE_INLINE struct dns_decision dns_decide(const struct dns_policy *p, const struct dns_match *m,
					    __u32 type)
{
	struct dns_decision d = { .action = DNS_ASK, .rule = DNS_RULES_MAX };
	__u64 rules = (p->any_domain | m->domains) & (p->any_list | (m->lists & ~m->except));
	__u32 rule;

	if (m->ask || type >= DNS_TYPE_NUM)
		return d;
	rules &= p->type_rules[type];
	if (!rules) {
		d.action = p->no_match;
		return d;
	}
	rule = dns_lowest(rules) & (DNS_RULES_MAX - 1);
	d.rule = rule;
	if (type != DNS_TYPE_OTHER || !(p->ask_other >> rule & 1))
		d.action = p->action[rule];
	return d;
}

#endif
