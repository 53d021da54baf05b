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

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/siphash.h"
#include "base/sources.h"
#include "bpf/contract.h"

struct session {
	struct list age; /* in source->kind[].items, or in sessions.spare */
	struct session *chain; /* next of the same bucket */
	struct source *source; /* whose it is: the key's source address */
	struct flow_key key;
	uint64_t created_ns; /* clock_ns() at sessions_add() */
	uint64_t used_ms; /* clock_ms() at the last sessions_touch() */
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
	struct list spare; /* used before */
	struct siphash_key hash_key;
	struct session *last; /* found last: runs of one flow need no hash */
};

/*
 * `item_bytes`: of the struct that embeds the session; `kind`: what one of them is to its
 * source in `sources`, which outlive the table. 0 or -errno.
 */
int sessions_init(struct sessions *t, struct sources *sources, unsigned int kind, unsigned int max,
		  size_t item_bytes);
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
/* Calls fn, which removes it, for each that was not used for `idle_ms`. */
void sessions_sweep(struct sessions *t, uint64_t idle_ms, void (*fn)(struct session *s));

#endif
