/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bounded table of sessions: found by flow key, those of each source ordered by last use.
 * The engines for UDP and ICMP embed `struct session` as the first member of theirs.
 *
 * Memory is taken once, as address space; a page of it is touched when a session first needs
 * it. The hash is keyed, so that nobody can choose addresses that collide.
 */
#ifndef FLOW_SESSIONS_H
#define FLOW_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/siphash.h"
#include "base/sources.h"
#include "bpf/contract.h"

#define SESSIONS_WHEEL 16

struct session {
	struct list age; /* in source->kind[].items, or in sessions.spare */
	struct session *chain; /* next of the same bucket */
	struct source *source; /* whose it is: the key's source address */
	struct flow_key key;
	uint64_t used_ms; /* clock_ms() at the last sessions_touch() */
	struct list due; /* in sessions.wheel[] */
};

struct sessions {
	struct session **buckets;
	unsigned int mask; /* buckets - 1 */
	unsigned int count; /* in use */
	unsigned int fresh; /* items of the pool never used so far */
	unsigned int max;
	size_t item_bytes;
	char *pool;
	struct sources *sources; /* not owned */
	unsigned int kind; /* what sessions of this table are there */
	struct list spare; /* used before, the latest first: it is still in the cache */
	/*
	 * When to look whether a session is idle: a slot for each `slot_ms` of time, in which
	 * those lie that will have been idle for idle_ms then, by their use at the last look.
	 */
	struct list wheel[SESSIONS_WHEEL];
	uint64_t idle_ms;
	uint64_t slot_ms;
	uint64_t swept; /* slots of time before this one are empty */
	struct siphash_key hash_key;
	struct session *last; /* found last: runs of one flow need no hash */
};

/*
 * `item_bytes`: of the struct that embeds the session; `kind`: what one of them is to its
 * source in `sources`, which outlive the table; `idle_ms`: for sessions_sweep(). 0 or -errno.
 */
int sessions_init(struct sessions *t, struct sources *sources, unsigned int kind, unsigned int max,
		  size_t item_bytes, uint64_t idle_ms);
/* Harmless on a zeroed table. Sessions must have been closed by their owner. */
void sessions_done(struct sessions *t);

struct session *sessions_find(struct sessions *t, const struct flow_key *key);
/* A zeroed item with its session part filled in; NULL if `max` are in use, or no memory. */
struct session *sessions_add(struct sessions *t, const struct flow_key *key);
/* May free its source. */
void sessions_remove(struct sessions *t, struct session *s);
/* Used now. */
void sessions_touch(struct sessions *t, struct session *s);
/* Any one, NULL if there is none: for emptying the table. */
struct session *sessions_any(const struct sessions *t);
/* The least recently used one of `s`, if that was `idle_ms` ago or longer, else NULL. */
struct session *sessions_idle(const struct sessions *t, const struct source *s, uint64_t idle_ms);
/*
 * Calls fn, which removes it, for each that was not used for t->idle_ms, at most `max` of
 * them: true = there are more. Looks only at those that were not in use all along.
 */
bool sessions_sweep(struct sessions *t, unsigned int max, void (*fn)(struct session *s));

#endif
