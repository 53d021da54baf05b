/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the files of the TCP engine (tcp*.c); nobody else includes it. */
#ifndef WORKER_TCP_INTERNAL_H
#define WORKER_TCP_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/sources.h"
#include "stack/stack.h"
#include "worker/room.h"
#include "worker/tcp_table.h"
#include "worker/worker.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* 60 bytes of IPv4 or 40 + extension headers of IPv6, and 60 of TCP. */
#define TCP_SYN_BYTES 192

/* The SYN that waits for its upstream, without payload. */
struct tcp_syn {
	struct tcp_flow *flow;
	struct source *destination; /* in engine->destinations, NULL = not counted yet */
	struct list of_destination; /* its kind[0].items */
	struct list of_strangers; /* in engine->strangers if its source was not known, or in none */
	struct packet head;
	size_t len;
	uint8_t packet[TCP_SYN_BYTES];
};

/*
 * A connection of an application.
 *
 *   state           | event                                     | next
 *   (none)          | SYN                                       | TCP_FLOW_CONNECTING
 *   CONNECTING      | upstream connected: SYN-ACK               | TCP_FLOW_OPEN, "opening"
 *   CONNECTING      | refused, unreachable, too late, RST       | (freed)
 *   OPEN, opening   | the application's ACK                     | OPEN
 *   OPEN, opening   | the oldest of them, and room is needed    | (freed)
 *   OPEN            | both directions done, FIN of ours first   | TCP_FLOW_TIME_WAIT
 *   OPEN            | both directions done otherwise, any RST   | (freed)
 *   TIME_WAIT       | TCP_TIME_WAIT_MS, a new SYN               | (freed)
 */
enum tcp_flow_state { TCP_FLOW_CONNECTING, TCP_FLOW_OPEN, TCP_FLOW_TIME_WAIT };

struct tcp_flow {
	struct conn conn; /* the application's side */
	struct watch watch; /* the upstream socket, edge-triggered; -1 = closed */
	struct list link; /* in one of the engine's by what becomes of it, or in none */
	struct list of_source; /* in source->kind[SOURCE_CONNECTS or SOURCE_TCP].items */
	struct source *source; /* the application's address; TIME_WAIT: not valid */
	struct tcp_engine *engine;
	struct tcp_syn *syn; /* CONNECTING only */
	uint64_t created_ns; /* the SYN's arrival; TIME_WAIT: when it began */
	struct tcp_flow *hash_next; /* side by side: what a look-up reads, in one cache line or two */
	struct flow_key key;
	uint32_t hash;
	uint8_t state; /* enum tcp_flow_state */
	uint8_t failed; /* enum flow_end: upstream failed in received(), END_NONE = no */
	bool readable : 1; /* upstream may have more */
	bool writable : 1; /* upstream takes more, as far as is known */
	bool hangup : 1; /* upstream's FIN or error is behind what can be read */
	bool broken : 1; /* an error, not a FIN */
	bool upstream_eof : 1; /* the FIN was read */
	bool shut : 1; /* the application's FIN was passed on */
	bool bulk : 1; /* the last read from upstream filled its buffers */
	bool sent_once : 1;
	bool undelayed : 1; /* TCP_NODELAY is set */
	bool opening : 1; /* its SYN-ACK is not answered yet */
	bool relayed : 1; /* upstream is the resolver: a socketpair */
	bool challenged : 1; /* TIME_WAIT: a SYN that may be old was answered by an ACK */
	bool syn_again : 1; /* a SYN came again: the flow's entry may be younger than the flow */
};

#define TCP_QUEUE_BUCKETS 64 /* bits of a word */
#define TCP_KNOWN_WORDS 64 /* of 64 bits */

/* SYNs of one class, by source. */
struct syn_class {
	struct list bucket[TCP_QUEUE_BUCKETS]; /* struct queued_syn, oldest first */
	uint16_t length[TCP_QUEUE_BUCKETS];
	uint64_t filled; /* bit n: bucket[n] is not empty */
	uint32_t count;
	unsigned int last; /* bucket that was served last */
};

/* SYNs that wait for their turn: see tcp_queue.c. */
struct tcp_queue {
	struct syn_class class[2]; /* sources that are known, and others */
	unsigned int turn; /* of class[] */
	unsigned int dials; /* begun in this turn of the loop */
	struct siphash_key key;
	struct timer timer; /* armed while any wait */
	uint64_t known[2][TCP_KNOWN_WORDS]; /* by hash; [0] is of now, [1] of before */
	uint64_t known_since_ns; /* begin of known[0] */
};

/* Connections that are looked at from time to time: see tcp_keepalive.c. */
struct tcp_keepalive {
	struct loop *loop;
	struct list waiting; /* to be looked at when the timer expires */
	struct list looked_at; /* those that are looked at now */
	struct timer timer; /* armed while there is any */
	unsigned int period_ms;
	unsigned int probes; /* of them without an answer: the application is gone */
};

struct tcp_engine {
	struct worker *worker;
	struct stack *stack;
	struct tcp_table table;
	struct tcp_queue queue;
	struct list connecting; /* oldest first */
	struct list strangers; /* struct tcp_syn of sources that were not known; oldest first */
	struct list opening; /* upstream is there, the application's ACK is not; oldest first */
	struct list young; /* open for less than TCP_YOUNG_MS, oldest first */
	struct tcp_keepalive grown; /* open for longer */
	struct tcp_keepalive half_closed; /* by upstream, young ones too */
	struct list time_waits; /* oldest first */
	/* kind 0: connects in flight, by the address dialled; used = when one had an answer */
	struct sources destinations;
	uint32_t openings;
	uint32_t time_wait_count;
	struct timer connect_timer;
	struct timer young_timer;
	struct timer time_wait_timer;
	struct timer trim_timer;
	struct loop_turn turn;
	size_t buffer_bytes; /* as last counted */
	uint64_t held_back; /* the same of stack_held_back() */
	size_t peak_flows, peak_bytes; /* since memory was given back */
};

/* tcp.c */
/* Booked with its source. NULL without memory. */
struct tcp_flow *tcp_flow_new(struct tcp_engine *e, const struct flow_key *key);
/* What `flow_info` says of it. */
void tcp_flow_info(const struct tcp_flow *f, struct flow_info *ret_info);
/* Ends the flow for the books, closes upstream, frees. The application's side is aborted
 * if it is still open. */
void tcp_flow_free(struct tcp_flow *f, enum flow_end end);
/* As above, and upstream is told by a RST. */
void tcp_flow_reset(struct tcp_flow *f, enum flow_end end);
/* Tells the books and closes upstream; the flow stays to answer FINs that are sent again. */
void tcp_flow_time_wait(struct tcp_flow *f);
/* Frees a flow whose end has been told. */
void tcp_flow_forget(struct tcp_flow *f);

/* tcp_connect.c */
void tcp_dial(struct tcp_engine *e, struct worker_packet *p);
/* A SYN that waited to be dialled and will not be. */
void tcp_dial_drop(struct tcp_engine *e, const struct flow_key *key);
void tcp_connect_ready(struct tcp_flow *f, uint32_t events);
void tcp_connect_input(struct tcp_flow *f, struct worker_packet *p);
void tcp_connect_expire(struct timer *t);
/* The flow is no longer in flight. */
void tcp_connect_done(struct tcp_flow *f);

/* tcp_queue.c */
void tcp_queue_init(struct tcp_engine *e);
void tcp_queue_done(struct tcp_engine *e);
/* A SYN of no known connection is dialled, now or when it is its source's turn. */
void tcp_queue_syn(struct tcp_engine *e, struct worker_packet *p);
/* The handshake of one of its connections was finished: it is where it says it is. */
void tcp_queue_known(struct tcp_engine *e, const struct tcp_flow *f);
/* Has a connection of this source finished its handshake lately? */
bool tcp_queue_is_known(const struct tcp_queue *q, const struct addr *source);
/* A new turn of the loop begins. */
void tcp_queue_turn(struct tcp_engine *e);

/* tcp_opening.c */
/* The SYN-ACK goes out: one more that waits for its ACK, at most TCP_OPENING_MAX. */
void tcp_opening_begin(struct tcp_flow *f);
/* After anything of the application: is the handshake done? */
void tcp_opening_update(struct tcp_flow *f);
/* The flow is to be freed. */
void tcp_opening_forget(struct tcp_flow *f);
/* Resets the oldest. False: there is none. */
bool tcp_opening_evict(struct tcp_engine *e);

/* tcp_yield.c */
/* Is there room for one more connect? False: *ret_why. */
bool tcp_connect_may_begin(struct tcp_engine *e, const struct flow_key *key,
			   enum drop_reason *ret_why);
/* Forgets connections in TIME_WAIT where the table has no place left for one more. */
void tcp_time_wait_yield(struct tcp_engine *e);

/* tcp_keepalive.c */
void tcp_keepalive_init(struct tcp_engine *e);
void tcp_keepalive_done(struct tcp_engine *e);
/* The flow, in no list, is open: watches over its youth. */
void tcp_keepalive_begin(struct tcp_flow *f);
/* Upstream has closed, the application has not. */
void tcp_keepalive_half_closed(struct tcp_flow *f);

/* tcp_relay.c */
void tcp_relay_ready(struct watch *w, uint32_t events);
size_t tcp_relay_received(struct conn *c, const struct iovec *iov, int iovcnt);
void tcp_relay_gone(struct conn *c);
/* Does what the last event made possible; may free the flow. */
void tcp_relay_update(struct tcp_flow *f);

#endif
