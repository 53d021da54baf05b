// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections: how one enters lwIP, what each segment does to it, and how it ends.
 *
 * List swap: lwIP looks its pcbs up in linked lists. Here the lists are empty, except while
 * a call is made for one connection: conn_enter() makes its pcb the only one, conn_leave()
 * empties the list again and sees by what is left whether the pcb lives, went to TIME_WAIT
 * or was freed. The owner's own hash table has found the connection before, so a segment
 * costs the same with one connection as with 100,000.
 *
 * A pcb in TIME_WAIT is freed at once: two sequence numbers are all that is needed to answer
 * a FIN that is sent again, and the owner's table keeps them (CONN_TIME_WAIT).
 *
 * The segment limit of a pcb is set to the largest multiple of the real one below 64 KiB:
 * lwIP then builds GSO packets without knowing it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "stack/internal.h"

#define SEGMENT_LIMIT (65535 - IP6_HLEN - TCP_HLEN)
#define SEGMENT_REAL_MIN 88 /* as Linux: a smaller MSS would only burn CPU */
#define TCP_OPTION_END 0
#define PEER_WINDOW_MIN 512
#define RTO_TICKS 2 /* of 500 ms: lwIP's own 3 s is for the internet, this link is local */

void conn_init(struct conn *c, struct stack *s)
{
	memset(c, 0, sizeof(*c));
	c->stack = s;
	list_init(&c->hot);
	list_init(&c->ack);
}

/* Bytes from the application that upstream has not taken. */
static size_t conn_rx_bytes(const struct conn *c)
{
	size_t bytes = 0;

	for (const struct buffer *b = c->rx_head; b; b = b->next)
		bytes += b->end - b->start;
	return bytes;
}

void conn_set_account(struct conn *c, size_t *account)
{
	ptrdiff_t held = (ptrdiff_t)(c->tx_held + conn_rx_bytes(c));

	conn_charge(c, -held);
	c->account = account;
	conn_charge(c, held);
}

void conn_enter(struct conn *c)
{
	LWIP_ASSERT("one connection inside lwIP at a time", !c->stack->inside);
	c->stack->inside = c;
	c->pcb->next = NULL;
	tcp_active_pcbs = c->pcb;
}

/* The pcb is freed: nothing refers to the buffers any more. */
void conn_dead(struct conn *c)
{
	c->pcb = NULL;
	c->state = CONN_CLOSED;
	c->abort_wanted = false;
	list_remove(&c->hot);
	list_remove(&c->ack);
	flight_end(c);
	conn_tx_release(c);
}

static void conn_time_wait(struct conn *c)
{
	struct tcp_pcb *pcb = tcp_tw_pcbs;
	uint32_t seq = pcb->snd_nxt, ack_seq = pcb->rcv_nxt;

	tcp_abort(pcb); /* sends nothing in this state */
	conn_dead(c);
	c->seq = seq;
	c->ack_seq = ack_seq;
	c->state = CONN_TIME_WAIT;
	c->end = CONN_END_ORDERLY;
}

bool conn_needs_timer(const struct tcp_pcb *pcb)
{
	if (pcb->unacked || pcb->unsent || pcb->ooseq)
		return true;
	if (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR))
		return true;
	return pcb->state == SYN_RCVD || pcb->state == FIN_WAIT_1 || pcb->state == CLOSING ||
	       pcb->state == LAST_ACK;
}

/* Puts a living connection on the lists that its pcb asks for. */
static void conn_schedule(struct conn *c)
{
	struct stack *s = c->stack;

	if (!(c->pcb->flags & TF_ACK_DELAY)) {
		list_remove(&c->ack);
		c->ack_due = false;
	} else if (c->ack_due) {
		list_touch(&s->due, &c->ack);
	} else if (list_is_empty(&c->ack)) {
		list_append(&s->acks, &c->ack);
		if (!timer_is_armed(&s->ack_timer))
			loop_arm(s->opt.loop, &s->ack_timer, STACK_ACK_DELAY_MS);
	}
	if (list_is_empty(&c->hot) && conn_needs_timer(c->pcb)) {
		list_append(&s->hot, &c->hot);
		if (!timer_is_armed(&s->tick))
			loop_arm(s->opt.loop, &s->tick, STACK_TICK_MS);
	}
	flight_schedule(c);
}

/*
 * A RST must carry the sequence number that the application expects next. That is snd_nxt,
 * or, where what was sent last was never taken (a window probe), what it acknowledged last.
 */
static void conn_send_reset(struct conn *c)
{
	struct tcp_pcb *pcb = c->pcb;

	if (pcb->lastack != pcb->snd_nxt)
		tcp_rst(pcb, pcb->lastack, pcb->rcv_nxt, &pcb->local_ip, &pcb->remote_ip,
			pcb->local_port, pcb->remote_port);
	tcp_abort(pcb);
}

void conn_leave(struct conn *c)
{
	struct stack *s = c->stack;

	if (tcp_active_pcbs && c->abort_wanted)
		conn_send_reset(c);
	s->inside = NULL;
	if (tcp_active_pcbs) {
		tcp_active_pcbs = NULL;
		conn_schedule(c);
		return;
	}
	if (tcp_tw_pcbs)
		conn_time_wait(c);
	else
		conn_dead(c);
}

/* The pcb is gone, or is just about to be freed. */
static void conn_on_error(void *arg, err_t err)
{
	struct conn *c = arg;

	if (c->end != CONN_END_NONE)
		return;
	if (err == ERR_RST)
		c->end = CONN_END_RESET;
	else if (err == ERR_CLSD)
		c->end = CONN_END_ORDERLY;
	else
		c->end = CONN_END_TIMEOUT;
}

static void conn_set_addr(ip_addr_t *to, const struct addr *from)
{
	if (addr_is_v4(from)) {
		ip_addr_set_ip4_u32_val(*to, addr_to_v4(from));
		return;
	}
	memcpy(ip_2_ip6(to)->addr, from->b, sizeof(from->b));
	IP_SET_TYPE_VAL(*to, IPADDR_TYPE_V6);
}

static void conn_set_ip_data(struct stack *s)
{
	ip_data.current_netif = &s->netif;
	ip_data.current_input_netif = &s->netif;
}

/* Bytes that a segment may have on the device. */
static uint32_t conn_segment_room(const struct conn *c, const struct tcp_pcb *pcb)
{
	uint32_t headers = (IP_IS_V6_VAL(pcb->remote_ip) ? IP6_HLEN : IP_HLEN) + TCP_HLEN;

	return c->stack->opt.mtu - headers;
}

/* What the SYN said, turned into the sizes that this connection works with. */
static void conn_adopt(struct conn *c, struct tcp_pcb *pcb)
{
	uint32_t real = pcb->mss < SEGMENT_REAL_MIN ? SEGMENT_REAL_MIN : pcb->mss;

	if (real > conn_segment_room(c, pcb)) /* whatever it could take: none is cut on the way */
		real = conn_segment_room(c, pcb);
	if (real > SEGMENT_LIMIT)
		real = SEGMENT_LIMIT;
	c->pcb = pcb;
	c->gso_size = (uint16_t)real;
	c->segment_max = (uint16_t)real;
	if (c->stack->opt.tso)
		c->segment_max = (uint16_t)(SEGMENT_LIMIT / real * real);
	pcb->mss = c->segment_max;
	/* The SYN-ACK said min(window, 65535), unscaled, whatever lwIP noted. */
	c->window = WINDOW_INITIAL;
	pcb->rcv_wnd = WINDOW_INITIAL;
	pcb->rcv_ann_wnd = WINDOW_INITIAL;
	pcb->rcv_ann_right_edge = pcb->rcv_nxt + WINDOW_INITIAL;
	/* lwIP cuts by half the largest window seen, by the MSS if that is 0, and takes amiss
	 * what it cut larger before: a window that begins at 0 must not count as none. */
	if (pcb->snd_wnd_max < PEER_WINDOW_MIN)
		pcb->snd_wnd_max = PEER_WINDOW_MIN;
	pcb->sv = RTO_TICKS;
	pcb->rto = RTO_TICKS;
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, c);
	tcp_recv(pcb, conn_on_recv);
	tcp_sent(pcb, conn_on_sent);
	tcp_err(pcb, conn_on_error);
}

/* A pbuf of its own for `len` bytes from the TCP header on. */
static struct pbuf *conn_copy(const uint8_t *tcp, uint16_t len)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, len, PBUF_RAM);

	if (p)
		memcpy(p->payload, tcp, len);
	return p;
}

int conn_open(struct conn *c, const struct packet *head, uint8_t *packet)
{
	struct stack *s = c->stack;
	struct pbuf *p = pbuf_alloc(PBUF_RAW, SYN_BYTES, PBUF_RAM);

	if (!p)
		return -ENOMEM;
	syn_rewrite(p->payload, packet + head->l4_offset, head->payload_offset - head->l4_offset);
	conn_set_addr(&ip_data.current_iphdr_src, &head->saddr);
	conn_set_addr(&ip_data.current_iphdr_dest, &head->daddr);
	conn_set_ip_data(s);
	s->listener->local_port = ntohs(head->dport);
	tcp_input(p, &s->netif);
	if (!tcp_active_pcbs)
		return ip_addr_ismulticast(&ip_data.current_iphdr_dest) ? -EINVAL : -ENOMEM;
	conn_adopt(c, tcp_active_pcbs);
	tcp_active_pcbs = NULL;
	c->state = CONN_OPENING;
	c->end = CONN_END_NONE;
	conn_schedule(c);
	return 0;
}

/*
 * Cuts off what lies beyond the window, and the window's last byte with it: where segments
 * overlap, lwIP may move a FIN from one to the end of another, and would then count the
 * window below zero.
 */
static void conn_trim(const struct conn *c, struct pbuf *p, uint16_t header, uint32_t seq)
{
	struct tcp_hdr *tcp = p->payload;
	uint32_t room = c->pcb->rcv_nxt + c->pcb->rcv_wnd - seq;

	if ((int32_t)room <= 0 || p->len < header + room)
		return;
	TCPH_FLAGS_SET(tcp, TCPH_FLAGS(tcp) & ~(unsigned int)TCP_FIN);
	pbuf_realloc(p, (u16_t)(header + room - 1));
}

static void conn_pbuf_nothing(struct pbuf *p)
{
}

/*
 * The segment as lwIP wants it. What is in order is consumed before tcp_input() returns, so
 * it is lent; whatever takes up sequence numbers beyond (a lone FIN as well) may be queued as
 * out of order and gets a copy of its own.
 */
static struct pbuf *conn_segment(struct conn *c, struct pbuf_custom *lent,
				 const struct packet *head, uint8_t *packet)
{
	uint16_t len = (uint16_t)(head->total_len - head->l4_offset);
	uint16_t header = (uint16_t)(head->payload_offset - head->l4_offset);
	bool counts = len > header || head->tcp_flags & (TCP_SYN | TCP_FIN);
	uint32_t seq = stack_segment_seq(head, packet);
	struct pbuf *p;

	if ((!counts || seq == c->pcb->rcv_nxt) && !c->pcb->ooseq) {
		lent->custom_free_function = conn_pbuf_nothing;
		return pbuf_alloced_custom(PBUF_RAW, len, PBUF_REF, lent, packet + head->l4_offset,
					   len);
	}
	p = conn_copy(packet + head->l4_offset, len);
	if (p && counts)
		conn_trim(c, p, header, seq);
	return p;
}

/* Options count in the first SYN only; lwIP would take the word of any segment. */
static void conn_blank_options(const struct packet *head, uint8_t *packet)
{
	if (head->payload_offset > head->l4_offset + TCP_HLEN)
		packet[head->l4_offset + TCP_HLEN] = TCP_OPTION_END;
}

void conn_open_window(struct tcp_pcb *pcb)
{
	pcb->cwnd = TCP_SND_BUF;
	pcb->ssthresh = TCP_SND_BUF;
}

/* After lwIP has seen a segment: what it must not decide, and what it cannot know. */
static void conn_after_input(struct conn *c)
{
	struct tcp_pcb *pcb = c->pcb;

	if (c->state == CONN_OPENING && pcb->state >= ESTABLISHED)
		c->state = CONN_OPEN;
	if (!pcb->unacked && !flight_is_lossy(c))
		conn_open_window(pcb);
}

int conn_input(struct conn *c, const struct packet *head, uint8_t *packet)
{
	struct stack *s = c->stack;
	struct flight_input flight;
	struct pbuf_custom lent;
	struct pbuf *p;
	int r = conn_check(c, head, packet);

	if (r != 0)
		return r > 0 ? r : 0;
	flight_read_input(c, head, packet + head->l4_offset, &flight);
	conn_blank_options(head, packet);
	p = conn_segment(c, &lent, head, packet);
	if (!p)
		return DROP_NO_MEMORY; /* as if lost: the application sends it again */
	ip_addr_copy(ip_data.current_iphdr_src, c->pcb->remote_ip);
	ip_addr_copy(ip_data.current_iphdr_dest, c->pcb->local_ip);
	conn_set_ip_data(s);
	conn_enter(c);
	flight_before_input(c);
	tcp_input(p, &s->netif);
	if (tcp_active_pcbs) {
		conn_after_input(c);
		if (!c->abort_wanted)
			flight_after_input(c, &flight);
	}
	conn_leave(c);
	return 0;
}

/* lwIP sets the count to 0 with each segment; its own timer does not use it (SO_KEEPALIVE). */
bool conn_keepalive(struct conn *c, unsigned int probes)
{
	unsigned int silent = c->pcb->keep_cnt_sent;

	if (silent > probes)
		return false;
	c->pcb->keep_cnt_sent++;
	if (!silent)
		return true;
	conn_enter(c);
	tcp_keepalive(c->pcb);
	conn_leave(c);
	return true;
}

void conn_finish(struct conn *c)
{
	if (!c->pcb || c->finished)
		return;
	c->finished = true;
	conn_enter(c);
	tcp_shutdown(c->pcb, 0, 1); /* without memory lwIP's timer tries again */
	conn_leave(c);
}

void conn_abort(struct conn *c)
{
	if (!c->pcb)
		return;
	c->end = CONN_END_ABORTED;
	if (c->stack->inside == c) {
		c->abort_wanted = true;
		return;
	}
	conn_enter(c);
	c->abort_wanted = true;
	conn_leave(c);
}

void conn_release(struct conn *c)
{
	conn_abort(c);
	conn_set_account(c, NULL);
	buffer_put_all(c->stack, &c->rx_head, &c->rx_tail);
	c->state = CONN_CLOSED;
}
