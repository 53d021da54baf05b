// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From the application to upstream. Data is handed to the owner straight out of the packet;
 * what upstream does not take is copied aside, and only what it took is credited to the
 * window, so a connection never holds more than the window that it granted.
 *
 * The window starts at 64 KiB and grows by what is taken at once, up to TCP_WND: an upstream
 * that keeps up is never waited for, one that does not ties up little. With half of the budget
 * in use (of all, or of the connection's account) it stays as it is, with three quarters it
 * shrinks to RX_WINDOW_LEAST as data is taken; windows that were promised may overrun the
 * budget by a quarter, then who needs more is reset.
 */
#include <string.h>

#include "stack/internal.h"

#define RX_IOV 64
#define RX_WINDOW_LEAST 16384

bool conn_is_pending(const struct conn *c)
{
	return c->rx_head != NULL;
}

bool conn_is_eof(const struct conn *c)
{
	return c->eof && !c->rx_head;
}

/* Are more than so many quarters of the budget in use, or of this connection's account? */
static bool rx_beyond(const struct conn *c, unsigned int quarters)
{
	const struct stack_options *opt = &c->stack->opt;

	if (stack_buffer_bytes(c->stack) * 4 > opt->buffers_max * quarters)
		return true;
	return c->account && *c->account * 4 > opt->account_max * quarters;
}

/* Copies bytes behind what is pending. False without memory, or beyond all bounds. */
static bool rx_keep(struct conn *c, const uint8_t *data, size_t len)
{
	if (rx_beyond(c, 5))
		return false;
	conn_charge(c, (ptrdiff_t)len);
	while (len > 0) {
		struct buffer *b = c->rx_tail;
		size_t n;

		if (!b || b->end == b->size) {
			b = buffer_get(c->stack, len > BUFFER_SMALL_BYTES ? BUFFER_BYTES :
									    BUFFER_SMALL_BYTES);
			if (!b)
				return false;
			if (c->rx_tail)
				c->rx_tail->next = b;
			else
				c->rx_head = b;
			c->rx_tail = b;
		}
		n = b->size - b->end < len ? b->size - b->end : len;
		memcpy(b->data + b->end, data, n);
		b->end += (uint32_t)n;
		data += n;
		len -= n;
	}
	return true;
}

static bool rx_keep_rest(struct conn *c, const struct pbuf *p, size_t skip)
{
	for (; p; p = p->next) {
		if (skip >= p->len) {
			skip -= p->len;
			continue;
		}
		if (!rx_keep(c, (uint8_t *)p->payload + skip, p->len - skip))
			return false;
		skip = 0;
	}
	return true;
}

/* Offers a chain to the owner, piece by piece as long as it takes all. */
static size_t rx_offer(struct conn *c, const struct pbuf *p)
{
	size_t taken = 0;

	while (p && !c->abort_wanted) {
		struct iovec iov[RX_IOV];
		size_t len = 0, n;
		int count = 0;

		for (; p && count < RX_IOV; p = p->next) {
			iov[count].iov_base = p->payload;
			iov[count++].iov_len = p->len;
			len += p->len;
		}
		n = c->stack->opt.ops->received(c, iov, count);
		taken += n;
		if (n < len)
			break;
	}
	return taken;
}

/* Credits `taken` bytes to the window; returns how far its announced edge could move. */
static uint32_t rx_credit(struct conn *c, size_t taken)
{
	struct tcp_pcb *pcb = c->pcb;
	uint32_t max = TCP_WND_MAX(pcb);
	uint32_t extra = 0, less = 0, moved;

	if (!c->rx_head && c->window < max && !rx_beyond(c, 2))
		extra = (uint32_t)taken < max - c->window ? (uint32_t)taken : max - c->window;
	else if (c->window > RX_WINDOW_LEAST && rx_beyond(c, 3))
		less = (uint32_t)taken < c->window - RX_WINDOW_LEAST ? (uint32_t)taken :
								       c->window - RX_WINDOW_LEAST;
	c->window += extra - less;
	pcb->rcv_wnd += (uint32_t)taken + extra - less;
	if (pcb->rcv_wnd > max)
		pcb->rcv_wnd = max;
	/* lwIP holds an update back until it is worth a segment: the real one, not 64 KiB. */
	pcb->mss = c->gso_size;
	moved = tcp_update_rcv_ann_wnd(pcb);
	pcb->mss = c->segment_max;
	return moved;
}

/*
 * RFC 9293 wants an ACK for every second full segment. As long as half of the window is left
 * to fill, one for all that the turn brings does as well, and is much cheaper: in our write of
 * an ACK the application's TCP frees what it has sent, wakes it and sends more.
 */
static void rx_ack(struct conn *c, size_t len)
{
	struct tcp_pcb *pcb = c->pcb;

	if (len < 2U * c->gso_size)
		return;
	if (pcb->ooseq ||
	    (int32_t)(pcb->rcv_ann_right_edge - pcb->rcv_nxt) < (int32_t)c->window / 2) {
		tcp_ack_now(pcb);
		return;
	}
	tcp_clear_flags(pcb, TF_ACK_NOW);
	tcp_set_flags(pcb, TF_ACK_DELAY);
	c->ack_due = true;
}

/*
 * A FIN is passed on upstream, and the end that it brings about there is mostly back before a
 * delayed ACK is due: then one segment says both.
 */
static void rx_ack_fin(struct tcp_pcb *pcb)
{
	if (pcb->state != CLOSE_WAIT || pcb->ooseq)
		return;
	tcp_clear_flags(pcb, TF_ACK_NOW);
	tcp_set_flags(pcb, TF_ACK_DELAY);
}

err_t conn_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct conn *c = arg;
	size_t len = 0, taken = 0;

	if (!p) {
		if (c->abort_wanted) /* it came with bytes that are lost: no end of the rest */
			return ERR_OK;
		c->eof = true;
		rx_ack_fin(pcb);
		return ERR_OK;
	}
	for (const struct pbuf *q = p; q; q = q->next)
		len += q->len;
	if (!c->rx_head && !c->abort_wanted)
		taken = rx_offer(c, p);
	if (taken < len && !c->abort_wanted && !rx_keep_rest(c, p, taken)) {
		c->end = CONN_END_ABORTED;
		c->abort_wanted = true;
	}
	rx_credit(c, taken);
	rx_ack(c, len);
	pbuf_free(p);
	return ERR_OK;
}

/* Offers what is pending; returns the bytes that were taken. */
static size_t rx_drain(struct conn *c)
{
	size_t taken = 0;

	while (c->rx_head && !c->abort_wanted) {
		struct buffer *b = c->rx_head;
		struct iovec iov = { .iov_base = b->data + b->start, .iov_len = b->end - b->start };
		size_t n = c->stack->opt.ops->received(c, &iov, 1);

		taken += n;
		conn_charge(c, -(ptrdiff_t)n);
		b->start += (uint32_t)n;
		if (b->start < b->end)
			break;
		c->rx_head = b->next;
		if (!c->rx_head)
			c->rx_tail = NULL;
		buffer_put(c->stack, b);
	}
	return taken;
}

void conn_resume(struct conn *c)
{
	size_t taken;
	uint32_t moved, before;

	if (!c->pcb) { /* both FINs are in, the rest is still on its way upstream */
		rx_drain(c);
		return;
	}
	conn_enter(c);
	before = c->pcb->rcv_ann_wnd;
	taken = rx_drain(c);
	moved = rx_credit(c, taken);
	/* Tell an application that may be waiting: a quarter more, or all there is. */
	if (moved >= c->window / 4 || (moved > 0 && before < c->gso_size)) {
		tcp_ack_now(c->pcb);
		tcp_output(c->pcb);
	}
	conn_leave(c);
}
