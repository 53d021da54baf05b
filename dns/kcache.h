/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answers that the kernel half gives by itself: copies of what the cache keeps, in the map
 * `dns_answers`, of which the resolver is the only writer. Without BPF nothing is ever kept.
 *
 * They are given for nine tenths of their time: whoever asks after that reaches the resolver,
 * which can so ask anew in advance for what is asked for often.
 */
#ifndef DNS_KCACHE_H
#define DNS_KCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/role.h"
#include "dns/cache.h"

struct kcache;

struct kcache_figures {
	uint64_t entries; /* that are given now, and those whose time is over */
	uint64_t stored;
	uint64_t unfit; /* answers that the kernel half cannot give */
	uint64_t no_room;
};

/*
 * 0 or -ENOMEM. What another resolver left in the map is removed. It is empty and takes nothing
 * until kcache_enable(). `dp` outlives it.
 */
int kcache_new(struct datapath *dp, struct kcache **ret_kcache);
/* Accepts NULL. The kernel half goes on giving what is there until its time is over. */
void kcache_free(struct kcache *k);
/* Turned off it is also emptied. */
void kcache_enable(struct kcache *k, bool on);

/*
 * Keeps an answer for clients of `policy`, `seconds` long from now, which is what its TTLs count
 * from, too. `key`: as of the cache (its scope does not count); `msg`: well-formed, as the
 * client would get it, its OPT at the end or left out. What the kernel half cannot give is
 * not kept, nor is anything if there is no room. Replaces an older one.
 */
void kcache_put(struct kcache *k, uint32_t policy, const struct cache_key *key, const uint8_t *msg,
		size_t len, size_t question_end, uint32_t seconds);

/* How often the kernel half gave the answer that is kept now; 0 if there is none. */
uint64_t kcache_hits(struct kcache *k, uint32_t policy, const struct cache_key *key);

/*
 * Forgets what is kept for `name` (lower case; `below`: for all names below it, too), for all
 * policies, at once.
 */
void kcache_remove(struct kcache *k, const struct name *name, bool below);
/* Likewise whatever is kept for the name of this hash, of the kernel half's. */
void kcache_withdraw(struct kcache *k, uint64_t hash);
/* Forgets everything, at once. (New policies do so by themselves: the epoch has changed.) */
void kcache_flush(struct kcache *k);

void kcache_figures(struct kcache *k, struct kcache_figures *ret_figures);

#endif
