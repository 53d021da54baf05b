/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exchanges: one question that is being asked upstream, on behalf of every query in flight
 * that asks the very same of the same group. It goes through the group's upstreams until one
 * answers; in a race all are asked at once.
 *
 * state    | event                                  | action                         | next
 * FREE     | exchange_start()                       | queue                          | READY
 * READY    | end of a turn, a socket is free        | ask the first upstream, or all | ASKING
 * ASKING   | usable answer                          | report it, stop other attempts | FREE
 * ASKING   | one of the group's failover rcodes     | ask the next upstream          | ASKING
 * ASKING   | refused, unreachable, broken answer    | ask the next upstream          | ASKING
 * ASKING   | the upstream's own timeout             | ask the next upstream          | ASKING
 * ASKING   | a stage of time is over                | next upstream too, or again    | ASKING
 * ASKING   | all have timed out, time is left       | ask them again, from the first | ASKING
 * ASKING   | nothing is left to be asked            | report what came last          | FREE
 * ASKING   | out of descriptors or memory           | report the error               | FREE
 * any      | exchange_abandon()                     | stop                           | FREE
 *
 * Attempts stay open while later ones run: an answer that is slow still counts.
 */
#ifndef DNS_EXCHANGE_H
#define DNS_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/list.h"
#include "base/loop.h"
#include "datapath/role.h"
#include "dns/edns.h"
#include "dns/upstreams.h"

/* Milliseconds from the start, and from stage to stage, after which more is done. */
#define EXCHANGE_STAGES                                                                            \
	{                                                                                          \
		600, 800, 1600                                                                     \
	}
#define EXCHANGE_STAGE_NUM 3
#define EXCHANGE_ROUNDS 3 /* through a group whose upstreams all time out */
#define EXCHANGE_ATTEMPTS 3 /* open at a time, but in a race; on average in any case */

struct exchange;
struct exchanges;

enum exchange_state { EXCHANGE_FREE, EXCHANGE_READY, EXCHANGE_ASKING };

struct exchange_attempt {
	struct list link; /* exchange.attempts, or exchanges.unused_attempts */
	struct exchange *exchange;
	struct attempt attempt;
};

/* Owned by struct exchanges; `queries` belongs to the caller and must be empty at its end. */
struct exchange {
	struct list link; /* exchanges.ready, .starved, .stages[stage], .unused, or none */
	struct list queries;
	struct exchange *chain; /* of its bucket; unshared ones are in none */
	struct exchanges *owner;
	struct upstream_group *group; /* a reference */
	enum exchange_state state;
	bool shared; /* hashed: others may join */
	unsigned int stage;
	unsigned int rounds; /* begun */
	uint64_t due_ms; /* end of the stage */
	uint32_t tried; /* members of the group, bits by place */
	int last_error; /* -errno of the latest failure */
	int last_rcode; /* of an answer that was passed over, -1 = none */
	struct plain_question question; /* its message is the next member */
	uint8_t message[PLAIN_QUESTION_MAX];
	struct list attempts; /* that are open */
	unsigned int asking; /* their number */
};

/* How an exchange ended. */
struct exchange_result {
	int status; /* 0 or -errno; -EDESTADDRREQ = there is no upstream, -EDEADLK = all loop */
	enum msg_rcode rcode; /* what an upstream refused with, if status is 0 and msg NULL */
	uint8_t *msg; /* well-formed; valid during the call, may be written to */
	size_t len;
	struct edns edns; /* edns_find() of it */
	struct endpoint from; /* zero without an answer */
	const struct upstream *upstream; /* valid during the call; NULL without an answer */
};

struct exchange_limits {
	uint32_t exchanges_max;
	uint32_t sockets_max; /* of plain attempts; further ones wait for one */
};

typedef void (*exchange_done_fn)(void *arg, struct exchange *x, struct exchange_result *result);

/* `upstreams`, `loop`, `dp` outlive it. done is never called from exchange_start(). */
int exchanges_new(struct loop *loop, struct datapath *dp, struct upstreams *upstreams,
		  const struct exchange_limits *limits, exchange_done_fn done, void *arg,
		  struct exchanges **ret_exchanges);
/* Accepts NULL. Stops everything without a report. */
void exchanges_free(struct exchanges *xs);

/*
 * `message` is a query made comparable: ID 0, and the question's name in lower case unless
 * it is signed (verbatim). exchange_find() gives one that asks the same bytes of the same
 * group, or NULL.
 */
struct exchange *exchange_find(struct exchanges *xs, const struct upstream_group *group,
			       const uint8_t *message, size_t len);
/* Copies the message. -ENOBUFS = exchanges_max reached. 0 or -errno. */
int exchange_start(struct exchanges *xs, struct upstream_group *group,
		   const struct plain_question *question, struct exchange **ret_exchange);
/* Nobody waits for it any more; counts as a timeout for those asked. */
void exchange_abandon(struct exchange *x);

#endif
