/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole answers, kept for as long as their records allow and, if asked to, for some time after
 * (RFC 8767). Bounded in entries and bytes.
 */
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/edns.h"
#include "dns/msg.h"
#include "dns/ttl.h"

#define CACHE_STALE_TTL 30U /* seconds that a stale answer is given with (RFC 8767 section 4) */
#define CACHE_RETRY_MS 30000U /* a stale answer is not asked for anew so soon after a failure */

struct cache;

/*
 * What an answer depends on. `flags`: CD and AD of the query's header (AD asks for the AD
 * bit of the answer, RFC 6840 section 5.7) and DO of its OPT in MSG_QR's place, which
 * queries do not use. `name` is in lower case. `scope`: whose upstreams were asked.
 */
#define CACHE_DO MSG_QR
struct cache_key {
	struct name name;
	uint16_t type;
	uint16_t class;
	uint16_t flags;
	uint32_t scope;
};

struct cache_options {
	size_t entries_max;
	size_t bytes_max;
	struct ttl_limits ttl;
	uint32_t stale; /* seconds after its time that an answer is still kept */
};

struct cache_figures {
	uint64_t entries;
	uint64_t bytes; /* of answers */
	uint64_t hits;
	uint64_t misses;
	uint64_t stale; /* answers given after their time */
	uint64_t evicted; /* for want of room */
};

/* What is known of an answer besides its bytes. */
struct cache_hit {
	uint32_t hits; /* this one included */
	uint32_t left; /* seconds */
	bool late; /* in the last tenth of its time */
	bool asked; /* somebody asks for it anew already, or just has in vain */
};

/* An entry as people see it. */
struct cache_view {
	const struct cache_key *key;
	uint32_t ttl; /* seconds that it has left, 0 = stale */
	uint32_t hits;
	uint16_t rcode;
	uint16_t len;
};

/* 0 or -ENOMEM. */
int cache_new(const struct cache_options *options, struct cache **ret_cache);
/* Accepts NULL. */
void cache_free(struct cache *c);
/* For what is kept from now on; entries_max and bytes_max stay as they are. */
void cache_set(struct cache *c, const struct ttl_limits *ttl, uint32_t stale);

/*
 * The answer for `key` with its TTLs aged, in buf (MSG_MAX bytes): ID, RD and the case of the
 * question are of whoever asked first, AA is clear, there is no OPT. Returns its length,
 * 0 = not there. `ret_hit` may be NULL.
 */
size_t cache_get(struct cache *c, const struct cache_key *key, uint8_t *buf,
		 struct cache_hit *ret_hit);

/* Is there an answer whose time is over? *ret_hold: do not ask for it now, it failed lately. */
bool cache_is_stale(struct cache *c, const struct cache_key *key, bool *ret_hold);
/* That answer, all TTLs CACHE_STALE_TTL; else like cache_get(). */
size_t cache_get_stale(struct cache *c, const struct cache_key *key, uint8_t *buf);
/* It is being asked for anew; that failed. Harmless if it is not there. */
void cache_asked(struct cache *c, const struct cache_key *key);
void cache_failed(struct cache *c, const struct cache_key *key);

/*
 * Keeps a copy of an answer (well-formed, `e` = edns_find() of it) if it may be kept. Returns
 * the seconds that it will be, 0 = it is not. Replaces an older one.
 */
uint32_t cache_put(struct cache *c, const struct cache_key *key, const uint8_t *msg,
		   size_t question_end, const struct edns *e);

/* Forgets what is kept for `name` (lower case; `below`: for all names below it, too), NULL =
 * everything. Returns how many entries that were. */
size_t cache_flush(struct cache *c, const struct name *name, bool below);
/* Frees some of what nobody may be given any more; to be called each second. */
void cache_sweep(struct cache *c);

/* Entry by entry: *place is 0 at first. False = there is no further one. */
bool cache_next(const struct cache *c, size_t *place, struct cache_view *ret_view);
void cache_figures(const struct cache *c, struct cache_figures *ret_figures);

#endif
