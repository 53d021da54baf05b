/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the files of stack/: the only header that shows lwIP's types. */
#ifndef STACK_INTERNAL_H
#define STACK_INTERNAL_H

#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#include "stack/flight.h"
#include "stack/stack.h"

#define STACK_TICK_MS TCP_TMR_INTERVAL
#define STACK_ACK_DELAY_MS 5
#define BUFFER_BYTES 65536 /* of a full one */
#define BUFFER_SMALL_BYTES 4096
#define BUFFERS_POOLED 16
#define WINDOW_INITIAL 65535
#define SYN_BYTES 32 /* of TCP header that lwIP is given of a SYN */

/* Bytes on their way: taken from a pool if full-sized, of malloc if small. */
struct buffer {
	struct buffer *next;
	uint32_t size; /* of data[] */
	uint32_t start; /* data[start..end) is valid */
	uint32_t end;
	uint32_t seq_end; /* to the application: sequence number behind its last byte */
	uint8_t data[];
};

struct stack {
	struct netif netif;
	struct tcp_pcb_listen *listener; /* takes the port of each SYN that it is fed */
	struct stack_options opt;
	struct timer tick;
	struct timer ack_timer;
	struct timer flight_timer;
	uint32_t flight_due_ms; /* when it expires, if it is armed */
	uint32_t now_ms; /* of this turn, once somebody asked (now_known) */
	bool now_known;
	struct list hot;
	struct list acks; /* delayed until the timer */
	struct list due; /* delayed until the end of the turn */
	struct list flights[FLIGHT_DELAYS];
	struct loop_turn turn;
	struct conn *inside; /* lwIP's lists hold this connection's pcb */
	struct buffer *pool;
	unsigned int pooled;
	struct buffer *spare[CONN_RESERVE_MAX]; /* handed out by conn_reserve() */
	size_t spare_size; /* bytes of each that were handed out */
	size_t buffer_bytes; /* memory of buffers in use */
	uint64_t held_back; /* stack_held_back() */
	size_t tx_held; /* bytes that applications have not acknowledged */
	uint8_t linear[65536]; /* a packet with more pieces than an iovec has */
};

/* `c` holds so many bytes more, or less. */
static inline void conn_charge(struct conn *c, ptrdiff_t bytes)
{
	if (c->account)
		*c->account += (size_t)bytes;
}

/* buffer.c: `size` is BUFFER_SMALL_BYTES or BUFFER_BYTES. NULL without memory. */
struct buffer *buffer_get(struct stack *s, uint32_t size);
void buffer_put(struct stack *s, struct buffer *b);
void buffer_put_all(struct stack *s, struct buffer **head, struct buffer **tail);
void buffers_trim(struct stack *s, unsigned int keep);

/* output.c */
err_t output_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to);
err_t output_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to);

/* isn.c */
void isn_setup(const struct siphash_key *key);

/* conn.c: the pcb's callback functions, and what follows each change of a pcb. */
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);
void conn_dead(struct conn *c);
bool conn_needs_timer(const struct tcp_pcb *pcb);
/* Nothing was lost lately: the receiver's window is the only limit. */
void conn_open_window(struct tcp_pcb *pcb);

/* conn_check.c: 0 = for lwIP; > 0: dropped, the enum drop_reason; < 0: done with. */
int conn_check(struct conn *c, const struct packet *head, const uint8_t *packet);

/* syn.c: `len` bytes of TCP header, which may be the packet's own. */
void syn_rewrite(uint8_t ret_syn[SYN_BYTES], const uint8_t *tcp, size_t len);

/* conn_rx.c, conn_tx.c */
err_t conn_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
err_t conn_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len);
void conn_tx_release(struct conn *c);

#endif
