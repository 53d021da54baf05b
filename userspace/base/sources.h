/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Accounts by address: what each source (or destination) holds of each kind of thing, in
 * order of age, and who holds most. For budgets of which nobody may take all.
 *
 * An account is made with the first thing that it holds and freed with the last, so there
 * are never more accounts than things. All is O(1): a keyed hash finds an account, and
 * accounts are ranked by the logarithm of their counts, so that "the largest" is one of
 * those that hold more than half of what the largest of all does.
 */
#ifndef BASE_SOURCES_H
#define BASE_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/siphash.h"
#include "bpf/contract.h"

#define SOURCE_KINDS 5 /* what they are is for the owner of the table to say */
#define SOURCE_RANKS 32

struct source_kind {
	uint32_t count;
	struct list rank; /* in sources.ranks[kind][logarithm of count], touched last at its end */
	uint64_t used_ms; /* at the last source_touch() */
	struct list items; /* those that are kept in order; oldest, or longest idle, first */
};

struct source {
	struct source *chain; /* of its bucket */
	struct addr addr;
	uint32_t hash;
	uint32_t held; /* of all kinds */
	size_t bytes; /* of buffers; the owner's to count */
	uint64_t looked_ms; /* when something idle was last looked for in vain */
	struct source_kind kind[SOURCE_KINDS];
};

struct sources {
	struct source **buckets;
	uint32_t mask; /* buckets - 1 */
	uint32_t count;
	struct siphash_key key;
	uint32_t ranked[SOURCE_KINDS]; /* bit n: ranks[kind][n] is not empty */
	struct list ranks[SOURCE_KINDS][SOURCE_RANKS];
};

/* 0 or -ENOMEM. */
int sources_init(struct sources *t);
/* Harmless on a zeroed table. Everything held has been released. */
void sources_done(struct sources *t);

/* NULL: it holds nothing. */
struct source *sources_find(const struct sources *t, const struct addr *addr);
/* How many of `kind` it holds. */
uint32_t sources_count(const struct sources *t, const struct addr *addr, unsigned int kind);
/* One more of `kind` for `addr`; `item` (in no list) becomes its youngest, NULL = not kept in
 * order. NULL without memory. */
struct source *sources_enter(struct sources *t, const struct addr *addr, unsigned int kind,
			     struct list *item);
/* The same for an account that is known. */
void source_hold(struct sources *t, struct source *s, unsigned int kind, struct list *item);
/* One less; the account is gone if it was the last thing that it held. */
void source_release(struct sources *t, struct source *s, unsigned int kind, struct list *item);

/* Something of `kind` that it holds was used now. */
void source_touch(struct sources *t, struct source *s, unsigned int kind, uint64_t now_ms);

/* The account that is linked into a rank of `kind` by `rank`. */
struct source *source_ranked(struct list *rank, unsigned int kind);
/* One of those that hold most of `kind`, NULL if nobody holds any. */
struct source *sources_largest(const struct sources *t, unsigned int kind);
/* Whoever has used none of what he holds of `kind` for longest, NULL likewise. For kinds whose
 * use is told by source_touch(). */
struct source *sources_idlest(const struct sources *t, unsigned int kind);

#endif
