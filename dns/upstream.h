/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The resolvers that are asked, in order of preference, and how each has behaved.
 *
 * state | event                              | next
 * NEW   | answer                             | UP
 * NEW   | UPSTREAM_DOWN_STREAK failures      | DOWN
 * UP    | UPSTREAM_DOWN_STREAK failures      | DOWN
 * DOWN  | answer                             | UP
 * DOWN  | UPSTREAM_DOWN_MS without a failure | is asked in its turn again, still DOWN
 */
#ifndef DNS_UPSTREAM_H
#define DNS_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"

#define UPSTREAM_DOWN_STREAK 3
#define UPSTREAM_DOWN_MS 10000 /* asked last for so long after a failure */

#define UPSTREAM_STATES(X)                                                                         \
	X(UPSTREAM_NEW, "new")                                                                     \
	X(UPSTREAM_UP, "up")                                                                       \
	X(UPSTREAM_DOWN, "down")

enum upstream_state { UPSTREAM_STATES(CONTRACT_ENUM) UPSTREAM_STATE_NUM };

struct upstream {
	struct endpoint endpoint;
	enum upstream_state state;
	unsigned int streak; /* failures in a row */
	uint64_t failed_ms; /* clock_ms() of the last one */
	uint64_t asked; /* queries sent to it */
	uint64_t answers;
	uint64_t failures; /* refused, unreachable, broken off, unparsable */
	uint64_t timeouts;
	uint64_t spoofs; /* answers that did not match */
	uint64_t streams; /* asked over TCP */
	uint64_t latency_us; /* smoothed, 0 = not known yet */
};

struct upstream_set {
	unsigned int num;
	struct upstream item[DNS_UPSTREAMS_MAX];
};

const char *upstream_state_text(enum upstream_state state);

/* Replaces the members; one that stays keeps its figures. num <= DNS_UPSTREAMS_MAX. */
void upstream_set_assign(struct upstream_set *s, const struct endpoint *endpoints,
			 unsigned int num);
/* NULL if it is not a member (any more). */
struct upstream *upstream_find(struct upstream_set *s, const struct endpoint *endpoint);
/*
 * The next one to ask that is not in `tried` (bits by place): in order, those that are down
 * last. Returns its place, -1 = none.
 */
int upstream_pick(const struct upstream_set *s, uint32_t tried);

/* Each accepts NULL: an upstream that was taken out meanwhile. */
void upstream_answered(struct upstream *u, uint64_t latency_us);
void upstream_failed(struct upstream *u);
void upstream_timed_out(struct upstream *u);

#endif
