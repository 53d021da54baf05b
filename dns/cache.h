/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whole answers, kept for as long as their records allow. Bounded in entries and bytes. */
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "dns/edns.h"
#include "dns/msg.h"

#define CACHE_TTL_MAX 86400U /* RFC 8767 section 4: days, not weeks */
#define CACHE_NEGATIVE_MAX 10800U /* RFC 2308 section 5: 1 to 3 hours */

struct cache;

/*
 * What an answer depends on. `flags`: CD and AD of the query's header (AD asks for the AD
 * bit of the answer, RFC 6840 section 5.7) and DO of its OPT in MSG_QR's place, which
 * queries do not use. `name` is in lower case.
 */
#define CACHE_DO MSG_QR
struct cache_key {
	struct name name;
	uint16_t type;
	uint16_t class;
	uint16_t flags;
};

struct cache_figures {
	uint64_t entries;
	uint64_t bytes; /* of answers */
	uint64_t hits;
	uint64_t misses;
	uint64_t evicted; /* for want of room */
};

/* 0 or -ENOMEM. */
int cache_new(size_t entries_max, size_t bytes_max, struct cache **ret_cache);
/* Accepts NULL. */
void cache_free(struct cache *c);

/*
 * The answer for `key` with its TTLs aged, in buf (MSG_MAX bytes): ID, RD and the case of the
 * question are of whoever asked first, AA is clear, there is no OPT. Returns its length,
 * 0 = not there.
 */
size_t cache_get(struct cache *c, const struct cache_key *key, uint8_t *buf);

/*
 * Keeps a copy of an answer (well-formed, `e` = edns_find() of it) if it may be kept.
 * Replaces an older one. Running out of memory only means that it is not kept.
 */
void cache_put(struct cache *c, const struct cache_key *key, const uint8_t *msg,
	       size_t question_end, const struct edns *e);

/*
 * Seconds that an answer to a question for `type` may be kept: the least TTL of all its
 * records; for "no such name" and "no such data" at most the SOA's minimum (RFC 2308), and
 * 0 if there is no SOA; 0 for other RCODEs and for truncated answers.
 */
uint32_t cache_lifetime(const uint8_t *msg, size_t len, size_t question_end, uint16_t type);

void cache_figures(const struct cache *c, struct cache_figures *ret_figures);

#endif
