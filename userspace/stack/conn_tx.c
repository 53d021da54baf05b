// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From upstream to the application. The owner reads its socket straight into a buffer that
 * lwIP's segments then point into, so the bytes are copied once on the way in and once on
 * the way out. A buffer is kept until no segment can refer to it; a short read is copied
 * into the segment instead, so that it does not tie up 64 KiB.
 *
 * What all connections hold is bounded by opt.buffers_max: each may hold a share of what is
 * left of it (a dynamic threshold, as switches divide their memory: Choudhury and Hahne,
 * 1998). A few have all that they can use; thousands whose applications do not read end up
 * with little each, and with none left one that holds nothing is still served, in small
 * pieces. The same holds of what the connections of one account have together, so that those
 * of another are served as if the first had stopped short of the whole budget, which it does.
 * A connection that must wait is woken by the acknowledgement of what it holds.
 */
#include <errno.h>

#include "stack/internal.h"

#define TX_COPY_BELOW 16384 /* a buffer is at least a quarter full, then */
#define TX_SMALL 4096 /* with the budget used up */
#define TX_SHARE 16 /* of what is left of the budget, for one connection */
#define TX_ROOM_MIN (TCP_SND_BUF / 8)
#define TX_QUEUE_SPARE 16 /* pbufs: FIN, a split by the window probe, a short end per buffer */
#define TX_PBUFS 2 /* of a segment: header and data */

/* Sequence number of the first byte that a segment still refers to. */
static uint32_t tx_first_seq(const struct tcp_pcb *pcb)
{
	uint32_t seq = pcb->snd_lbb;

	if (pcb->unacked)
		seq = lwip_ntohl(pcb->unacked->tcphdr->seqno);
	if (pcb->unsent) { /* may precede `unacked` while it is retransmitted */
		uint32_t unsent = lwip_ntohl(pcb->unsent->tcphdr->seqno);

		if (TCP_SEQ_LT(unsent, seq))
			seq = unsent;
	}
	return seq;
}

static void tx_free_acked(struct conn *c)
{
	uint32_t seq = tx_first_seq(c->pcb);

	while (c->tx_head && TCP_SEQ_GEQ(seq, c->tx_head->seq_end)) {
		struct buffer *b = c->tx_head;

		c->tx_head = b->next;
		if (!c->tx_head)
			c->tx_tail = NULL;
		buffer_put(c->stack, b);
	}
}

err_t conn_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct conn *c = arg;

	c->tx_held -= len;
	c->stack->tx_held -= len;
	conn_charge(c, -(ptrdiff_t)len);
	tx_free_acked(c);
	return ERR_OK;
}

void conn_tx_release(struct conn *c)
{
	c->stack->tx_held -= c->tx_held;
	conn_charge(c, -(ptrdiff_t)c->tx_held);
	c->tx_held = 0;
	buffer_put_all(c->stack, &c->tx_head, &c->tx_tail);
}

/* Bytes that lwIP's queue has pbufs for: few, if the application's window makes it cut small. */
static size_t tx_queue_bytes(const struct tcp_pcb *pcb)
{
	uint32_t used = pcb->snd_queuelen + TX_QUEUE_SPARE;
	uint32_t segment = pcb->snd_wnd_max / 2;

	if (segment == 0 || segment > pcb->mss)
		segment = pcb->mss;
	return used < TCP_SND_QUEUELEN ? (TCP_SND_QUEUELEN - used) / TX_PBUFS * segment : 0;
}

static size_t tx_share(size_t used, size_t max)
{
	return used < max ? (max - used) / TX_SHARE : 0;
}

/* Bytes that this connection may hold. */
static size_t tx_allowance(const struct conn *c)
{
	const struct stack_options *opt = &c->stack->opt;
	size_t all = tx_share(stack_buffer_bytes(c->stack), opt->buffers_max);
	size_t own = c->account ? tx_share(*c->account, opt->account_max) : all;

	return own < all ? own : all;
}

bool conn_room(const struct conn *c)
{
	const struct tcp_pcb *pcb = c->pcb;

	if (!pcb || c->state != CONN_OPEN || c->finished)
		return false;
	if (pcb->snd_buf < TX_ROOM_MIN || tx_queue_bytes(pcb) == 0)
		return false;
	if (c->tx_held == 0 || c->tx_held + TX_ROOM_MIN <= tx_allowance(c))
		return true;
	c->stack->held_back++;
	return false;
}

/* Bytes of one buffer: without GSO there is no need to stop at a segment, lwIP cuts. */
static size_t tx_buffer_bytes(const struct conn *c)
{
	size_t size = c->stack->opt.tso ? c->segment_max : BUFFER_BYTES - 1;
	size_t queue = tx_queue_bytes(c->pcb);

	if (tx_allowance(c) == 0 && size > TX_SMALL)
		size = TX_SMALL;
	return queue < size ? queue : size;
}

int conn_reserve(struct conn *c, struct iovec *ret_iov, int max)
{
	struct stack *s = c->stack;
	size_t size, limit;
	int n;

	if (!conn_room(c))
		return 0;
	size = tx_buffer_bytes(c);
	s->spare_size = size;
	limit = tx_queue_bytes(c->pcb);
	if (limit > c->pcb->snd_buf)
		limit = c->pcb->snd_buf;
	if (tx_allowance(c) < TX_ROOM_MIN + CONN_RESERVE_MAX * size)
		max = 1;
	if (max > CONN_RESERVE_MAX)
		max = CONN_RESERVE_MAX;
	for (n = 0; n < max && (n + 1) * size <= limit; n++) {
		if (!s->spare[n])
			s->spare[n] = buffer_get(s, BUFFER_BYTES);
		if (!s->spare[n])
			break;
		ret_iov[n] = (struct iovec){ s->spare[n]->data, size };
	}
	return n;
}

static void tx_keep(struct conn *c, struct buffer *b)
{
	b->next = NULL;
	b->seq_end = c->pcb->snd_lbb;
	if (c->tx_tail)
		c->tx_tail->next = b;
	else
		c->tx_head = b;
	c->tx_tail = b;
}

static err_t tx_write(struct conn *c, struct buffer **spare, size_t len)
{
	bool copy = len < TX_COPY_BELOW;
	err_t err = tcp_write(c->pcb, (*spare)->data, (u16_t)len, copy ? TCP_WRITE_FLAG_COPY : 0);

	if (err != ERR_OK)
		return err;
	c->tx_held += (uint32_t)len;
	c->stack->tx_held += len;
	conn_charge(c, (ptrdiff_t)len);
	if (!copy) {
		tx_keep(c, *spare);
		*spare = NULL;
	}
	return ERR_OK;
}

int conn_commit(struct conn *c, size_t len)
{
	struct buffer **spare = c->stack->spare;
	size_t size = c->stack->spare_size;
	err_t err = ERR_OK;

	conn_enter(c);
	for (; len > 0 && err == ERR_OK; spare++) {
		size_t n = len < size ? len : size;

		err = tx_write(c, spare, n);
		len -= n;
	}
	tcp_output(c->pcb);
	conn_leave(c);
	return err == ERR_OK ? 0 : -ENOMEM;
}
