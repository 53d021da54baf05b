/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One question to one resolver over plain UDP, and over TCP where the answer was cut: a
 * connected, marked socket of its own with random port, ID and case of the question.
 *
 * state       | event                               | action                   | next
 * IDLE        | plain_start()                       | send by UDP              | UDP
 * UDP         | answer, not truncated               | report it                | IDLE
 * UDP         | answer with TC                      | close, connect by TCP    | TCP_CONNECT
 * UDP         | answer that does not match          | count a spoof            | UDP
 * UDP         | more than PLAIN_SPOOFS_MAX of those | close, connect by TCP    | TCP_CONNECT
 * UDP         | plain_again()                       | send the same again      | UDP
 * UDP         | plain_again(), the case was wrong   | close, connect by TCP    | TCP_CONNECT
 * UDP         | refused, unreachable                | report the error         | IDLE
 * TCP_CONNECT | connected                           | send                     | TCP_ANSWER
 * TCP_ANSWER  | whole answer                        | report it                | IDLE
 * TCP_*       | broken off, an answer does not match| report the error         | IDLE
 * any         | plain_stop()                        | close                    | IDLE
 */
#ifndef DNS_UPSTREAM_PLAIN_H
#define DNS_UPSTREAM_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/loop.h"
#include "datapath/role.h"
#include "dns/msg.h"

/* What every attempt of a process shares. */
struct plain_env {
	struct loop *loop;
	struct datapath *datapath; /* for DROP_DNS_SPOOF */
	uint8_t *scratch; /* MSG_MAX bytes for the answer that is being looked at */
};

/* A question as it is asked: the message stays its owner's and must outlive the attempt. */
struct plain_question {
	const uint8_t *message;
	size_t len; /* <= PLAIN_QUESTION_MAX */
	size_t question_end;
	bool verbatim; /* signed: the case must stay as it is */
};

#define PLAIN_QUESTION_MAX 1232
/*
 * Answers that do not match, before the question goes to TCP: each is one guess of 16 bits of
 * ID and a bit per letter, by somebody who has found the port.
 */
#define PLAIN_SPOOFS_MAX 8

enum plain_state { PLAIN_IDLE, PLAIN_UDP, PLAIN_TCP_CONNECT, PLAIN_TCP_ANSWER };

struct plain {
	struct plain_env *env;
	/*
	 * Called once per start, state is PLAIN_IDLE again: 0 and the answer (valid during the
	 * call; ID and case are the attempt's own), or -errno.
	 */
	void (*done)(struct plain *p, int status, uint8_t *answer, size_t len);
	struct plain_question question;
	struct endpoint to;
	enum plain_state state;
	struct watch watch;
	uint64_t started_ns;
	unsigned int spoofs; /* answers that did not match */
	bool wrong_case; /* one of them by its case alone */
	bool by_tcp; /* TCP was used */
	uint16_t id;
	uint8_t sent[MSG_QUESTION_MAX]; /* the question section as sent */
	/* TCP */
	size_t out; /* bytes of length prefix and message that were sent */
	size_t in; /* bytes of length prefix and answer that came */
	uint8_t prefix[2];
	uint8_t *answer; /* owned; of the length that the prefix told */
};

void plain_init(struct plain *p, struct plain_env *env,
		void (*done)(struct plain *p, int status, uint8_t *answer, size_t len));
static inline bool plain_is_idle(const struct plain *p)
{
	return p->state == PLAIN_IDLE;
}

/* Asks `to`. 0, or -errno and nothing was started (done is not called then). */
int plain_start(struct plain *p, const struct endpoint *to, const struct plain_question *question);
/* Sends the datagram again; no effect over TCP. 0, or -errno and the attempt has ended. */
int plain_again(struct plain *p);
void plain_stop(struct plain *p);

/* Binds a datagram socket to a port that nobody can guess: 15.6 bits. */
void plain_bind_random(int fd, int family);

/* How an answer compares to what was asked. */
enum plain_match { PLAIN_MATCH, PLAIN_MISMATCH, PLAIN_MISMATCH_CASE };
enum plain_match plain_match(const struct plain *p, const uint8_t *answer, size_t len);

#endif
