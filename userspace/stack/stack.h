/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP stack towards the application, lwIP behind a wall: who includes this sees no lwIP.
 *
 * A connection (struct conn) is embedded in its owner and is driven by calls; nothing calls
 * back into the owner except `received` (data, inside conn_input() and conn_resume()) and
 * `gone` (from the timer). After each call the owner looks at c->state, conn_is_eof() and
 * conn_room() and does what they ask for.
 *
 * lwIP's state is global, so a process has one stack at a time. Single-threaded.
 *
 *   state             | event                                  | next
 *   CONN_CLOSED       | conn_open(): SYN-ACK sent              | CONN_OPENING
 *   CONN_OPENING      | the application's ACK                  | CONN_OPEN
 *   OPENING, OPEN     | RST, conn_abort(), retransmitted out   | CONN_CLOSED
 *   CONN_OPEN         | both FINs, the application's first     | CONN_CLOSED
 *   CONN_OPEN         | both FINs, ours first or at once       | CONN_TIME_WAIT
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/siphash.h"
#include "bpf/parse.h"
#include "netdev/packet.h"
#include "netdev/queue.h"

#define CONN_RESERVE_MAX 4

struct buffer;
struct conn;
struct flight;
struct stack;
struct tcp_pcb;

struct stack_ops {
	/* Writes a packet. 0 or -errno (not written: lwIP tries again later). */
	int (*output)(void *arg, const struct iovec *iov, int iovcnt,
		      const struct queue_offload *off);
	/*
	 * In-order data from the application; returns how many bytes were taken. What is left
	 * is kept until conn_resume(). May call conn_abort(c) and nothing else of this header.
	 */
	size_t (*received)(struct conn *c, const struct iovec *iov, int iovcnt);
	/* The timer found the connection dead (c->state, c->end). May free it. */
	void (*gone)(struct conn *c);
};

struct stack_options {
	struct loop *loop;
	const struct stack_ops *ops;
	void *arg; /* of output() */
	struct siphash_key isn_key;
	struct addr address4; /* of the stack's end */
	uint32_t mtu; /* of the TUN: what is announced as MSS follows from it */
	bool tso; /* the queue takes TCP GSO packets */
	size_t buffers_max; /* bytes held for all connections, as far as they can be helped */
	size_t account_max; /* of them, those of one account: see conn_set_account() */
};

/* 0 or -errno; -EBUSY if the process has one already. */
int stack_new(const struct stack_options *opt, struct stack **ret_stack);
/* Accepts NULL. Every connection must have been released. */
void stack_free(struct stack *s);
/* Bytes of data held for all connections, both ways. */
size_t stack_buffer_bytes(const struct stack *s);
/* How often upstream was not read because of buffers_max or account_max. */
uint64_t stack_held_back(const struct stack *s);
/* Gives memory that is kept for reuse back to the system. */
void stack_trim(struct stack *s);

enum conn_state { CONN_CLOSED, CONN_OPENING, CONN_OPEN, CONN_TIME_WAIT };

/* Why a connection is closed. */
enum conn_end {
	CONN_END_NONE,
	CONN_END_ORDERLY, /* FINs both ways, acknowledged */
	CONN_END_RESET, /* by the application */
	CONN_END_ABORTED, /* by conn_abort() */
	CONN_END_TIMEOUT /* the application stopped answering */
};

struct conn {
	struct stack *stack;
	struct tcp_pcb *pcb; /* NULL = closed or in TIME_WAIT */
	struct list hot; /* in stack->hot while lwIP's timers are needed */
	struct list ack; /* in stack->acks or stack->due while an ACK is delayed */
	struct buffer *rx_head, *rx_tail; /* from the application, not taken yet */
	struct buffer *tx_head, *tx_tail; /* to the application, referenced by segments */
	size_t *account; /* not owned; bytes of all connections that share it, NULL = none */
	uint32_t tx_held; /* bytes that the application has not acknowledged */
	uint32_t window; /* receive window granted in all, grows while upstream keeps up */
	union {
		struct flight *flight; /* NULL = nothing was in flight lately */
		struct {
			uint32_t seq, ack_seq; /* CONN_TIME_WAIT: next of ours, next expected */
		};
	};
	uint16_t gso_size; /* payload of one segment on the wire */
	uint16_t segment_max; /* payload of one lwIP segment: a multiple of it */
	uint8_t state : 4; /* enum conn_state */
	uint8_t end : 4; /* enum conn_end */
	uint8_t rtt_ms; /* of the last flight, 0 = not known, UINT8_MAX = that or more */
	bool eof : 1; /* the application's FIN is in */
	bool finished : 1; /* conn_finish() was called */
	bool abort_wanted : 1; /* conn_abort() from inside received() */
	bool ack_due : 1; /* an ACK is delayed to the end of the turn, not longer */
	uint8_t challenge_period : 4; /* the last in which a challenge ACK was sent, modulo 16 */
	uint8_t challenges : 4; /* sent in it */
};

void conn_init(struct conn *c, struct stack *s);
/* From now on what it holds counts in *account, too; NULL = in none. */
void conn_set_account(struct conn *c, size_t *account);

/*
 * Answers the SYN `packet` (parsed in `head`; IP header first; it may be a saved copy without
 * payload; it is changed) with a SYN-ACK. 0, -ENOMEM, or -EINVAL if lwIP does not take it.
 */
int conn_open(struct conn *c, const struct packet *head, uint8_t *packet);

/*
 * A segment of this connection (not for a closed one). The packet is changed. 0, or the
 * enum drop_reason for which nothing of it counted (answered where it is to be).
 */
int conn_input(struct conn *c, const struct packet *head, uint8_t *packet);

/* RFC 5961, 7: may one more segment that is wrong be answered by an ACK? Counts it. */
bool conn_may_challenge(struct conn *c);

/* Upstream takes data again: offers what received() left. */
void conn_resume(struct conn *c);
/* Bytes left by received(). */
bool conn_is_pending(const struct conn *c);
/* The application's FIN is in and everything before it was taken. */
bool conn_is_eof(const struct conn *c);

/* Whether a read of upstream pays now: conn_reserve() would give a buffer of some size. */
bool conn_room(const struct conn *c);
/*
 * Buffers for the next bytes to the application, to be filled in their order: at most `max`
 * of them and CONN_RESERVE_MAX. Returns their number, 0 without room or memory.
 */
int conn_reserve(struct conn *c, struct iovec *ret_iov, int max);
/* Sends the first `len` bytes in them. 0 or -ENOMEM: what follows cannot be sent any more. */
int conn_commit(struct conn *c, size_t len);
/*
 * Of an open one, every few hours: if nothing came from the application since the last call it
 * is asked for a sign of life. False: so many `probes` had no answer.
 */
bool conn_keepalive(struct conn *c, unsigned int probes);
/* FIN behind all that was sent. */
void conn_finish(struct conn *c);

/* RST to the application, at once or (inside received()) as the call returns. */
void conn_abort(struct conn *c);
/* Frees all that `c` holds; a connection that is still open is aborted. */
void conn_release(struct conn *c);

/* Segments outside any connection. `packet`: IP header first, as parsed in `head`. */

/* Answers it by the RST of RFC 9293, 3.10.7.1; nothing if it is a RST itself. */
void stack_refuse(struct stack *s, const struct packet *head, const uint8_t *packet);
/* A bare ACK from path->src to path->dst. */
void stack_send_ack(struct stack *s, const struct packet_path *path, uint32_t seq, uint32_t ack);

/* Sequence number of the segment. */
uint32_t stack_segment_seq(const struct packet *head, const uint8_t *packet);

#endif
