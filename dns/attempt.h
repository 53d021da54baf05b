/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One question to one upstream, of whatever type.
 *
 * state     | event                                  | action                | next
 * IDLE      | attempt_start(), no address known yet  | wait for the lookup   | LOOKUP
 * IDLE      | attempt_start()                        | ask                   | PLAIN, TRANSPORT
 * LOOKUP    | addresses are there                    | ask                   | PLAIN, TRANSPORT
 * LOOKUP    | the lookup failed                      | report the error      | IDLE
 * PLAIN     | refused, unreachable, another address  | ask that one          | PLAIN
 * PLAIN, .. | answer, error                          | report it             | IDLE
 * any       | the upstream's timeout                 | report -ETIMEDOUT     | IDLE
 * any       | attempt_stop()                         | cancel                | IDLE
 */
#ifndef DNS_ATTEMPT_H
#define DNS_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "dns/transport.h"
#include "dns/upstream_plain.h"

struct upstream;

enum attempt_state { ATTEMPT_IDLE, ATTEMPT_LOOKUP, ATTEMPT_PLAIN, ATTEMPT_TRANSPORT };

struct attempt {
	struct list link; /* upstream->attempts, oldest first */
	struct upstream *upstream; /* asked now or last; its owner holds a reference */
	/*
	 * Called once per attempt_start() that returned 0, never from within it; idle again: 0
	 * and the answer (valid during the call, may be written to; it matches the question), or
	 * -errno. The upstream's figures know of errors; of answers who looks at them tells it.
	 */
	void (*done)(struct attempt *a, int status, uint8_t *answer, size_t len);
	const struct plain_question *question; /* the owner's, outlives the attempt */
	enum attempt_state state;
	bool probe; /* ours: with a timeout of its own, and not in the figures */
	unsigned int addresses; /* of the upstream that were tried */
	uint64_t started_ns;
	union {
		struct plain plain;
		struct transport_request request;
	};
};

void attempt_init(struct attempt *a,
		  void (*done)(struct attempt *a, int status, uint8_t *answer, size_t len));
static inline bool attempt_is_idle(const struct attempt *a)
{
	return a->state == ATTEMPT_IDLE;
}

/* 0, or -errno and nothing was started; then the upstream knows of it. */
int attempt_start(struct attempt *a, struct upstream *u, const struct plain_question *question);
/* Sends a datagram again; no effect on streams. 0, or -errno and the attempt has ended. */
int attempt_again(struct attempt *a);
/* Harmless if it is idle. */
void attempt_stop(struct attempt *a);
/* Has an answer come that was right but for the case of its name? */
static inline bool attempt_has_wrong_case(const struct attempt *a)
{
	return a->state == ATTEMPT_PLAIN && a->plain.wrong_case;
}

/* For upstream.c: the lookup has ended, and asks of those that wait may go out or fail. */
void attempt_resume(struct attempt *a, int status);
/* For upstream.c: the upstream's time for it is over. */
void attempt_expire(struct attempt *a);

/* Errors of this process, not of an upstream: asking another one would not help. */
bool attempt_is_own_error(int status);

#endif
