/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The names table (bpf/contract.h, struct dns_bucket) as it is filled: hashes of names and the
 * group of each. What the table cannot say, because its buckets are full or a group's number is
 * too high, is kept beside it; the table then says "ask", so that no name is ever lost.
 */
#ifndef DNS_NAMES_H
#define DNS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "dns/groups.h"
#include "dns/name.h"

/* A (hash, kind) whose group the table does not have. */
struct names_spill {
	uint64_t key; /* 0 = free place */
	uint32_t group;
};

struct names {
	struct dns_state hash; /* the seed of it counts */
	struct groups *groups; /* the caller's */
	struct dns_bucket *bucket;
	uint32_t buckets; /* 0 = no names */
	bool own; /* bucket[] is to be unmapped */
	struct names_spill *spill;
	uint32_t spills;
	uint32_t spill_room; /* a power of two, or 0 */
	uint64_t slots; /* in use */
};

/* Buckets for so many names, 0 for none; -E2BIG. */
int64_t names_buckets(uint64_t names);
size_t names_table_bytes(uint32_t buckets); /* with those behind the last */
void names_init(struct names *n, const uint64_t seed[2], struct groups *groups);
void names_done(struct names *n);

/*
 * `table` is of all zero `buckets` and DNS_BUCKETS_LOOKED - 1 more, and stays as long as the
 * names; NULL = memory of their own. 0 or -ENOMEM.
 */
int names_set_table(struct names *n, struct dns_bucket *table, uint32_t buckets);

uint64_t names_hash(const struct names *n, const struct name *lower_name);
/*
 * The name with this hash is in `set`: it, all below it, or both (DNS_NAME_SELF, DNS_NAME_BELOW).
 * Takes one slot at most. 0, -ENOMEM, or -E2BIG (groups_join()).
 */
int names_insert(struct names *n, uint64_t hash, uint32_t kinds, uint32_t set);
/*
 * The table says "ask" for the name with this hash, whatever it is in; also for those below it if
 * they have one slot. It counts for names_buckets() and comes after all names. 0 or -ENOMEM.
 */
int names_hide(struct names *n, uint64_t hash);
/* Group of a name for itself or for what is below it, 0 = none. */
uint32_t names_group(const struct names *n, uint64_t hash, uint32_t kind);

size_t names_bytes(const struct names *n);

#endif
