/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether an upstream works, told from how its questions end.
 *
 * state   | event                                         | next
 * NEW, UP | HEALTH_FAILING_STREAK failures in a row       | FAILING: asked after the others
 * any     | HEALTH_DOWN_STREAK failures in a row          | DOWN: probed, asked last
 * any     | HEALTH_DOWN_MS since a failure, no success    | DOWN
 * any     | success                                       | UP
 * UP      | failure within HEALTH_GRACE_MS after DOWN     | UP: of questions asked before that
 */
#ifndef DNS_HEALTH_H
#define DNS_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"

#define HEALTH_FAILING_STREAK 3
#define HEALTH_DOWN_STREAK 50
#define HEALTH_DOWN_MS 10000
#define HEALTH_GRACE_MS 1000

#define HEALTH_STATES(X)                                                                           \
	X(HEALTH_NEW, "new")                                                                       \
	X(HEALTH_UP, "up")                                                                         \
	X(HEALTH_FAILING, "failing")                                                               \
	X(HEALTH_DOWN, "down")

enum health_state { HEALTH_STATES(CONTRACT_ENUM) HEALTH_STATE_NUM };

/* Zero is a new one. */
struct health {
	enum health_state state;
	unsigned int streak; /* failures since the last success */
	uint64_t failing_ms; /* clock_ms() of the first of them */
	uint64_t recovered_ms; /* of the success that ended DOWN, 0 = never was */
};

const char *health_text(enum health_state state);

/* Each returns true if the state became or was left DOWN by it. */
bool health_success(struct health *h);
bool health_failure(struct health *h);
bool health_look(struct health *h); /* time has passed */

/* Milliseconds until health_look() has something to say. UINT64_MAX = never as things are. */
uint64_t health_wait_ms(const struct health *h);

#endif
