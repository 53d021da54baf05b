// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The stack's life and its timers. They run only while a connection needs them: an idle
 * connection costs nothing but its memory.
 *
 * tick, 250 ms: lwIP's timers (window probes, a handshake that is never completed, without
 * SACK retransmission) for the hot connections, which are chained as lwIP's list for the time of
 * the call. Those that need nothing any more leave the hot list here.
 * ack_timer, 5 ms: delayed ACKs that no data has carried; those of bulk data go out at the
 * end of the loop's turn already.
 * flight_timer: data that is overdue at the application, see flight.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <lwip/init.h>
#include <lwip/sys.h>

#include "base/clock.h"
#include "stack/internal.h"

#define POOL_KEPT_IDLE 1

static struct stack *stack_instance; /* lwIP's lists exist once */

void stack_lwip_assert(const char *what)
{
	fprintf(stderr, "lwip: %s\n", what);
	abort();
}

/* lwIP asks for the time in places that are not compiled in; it links against it anyway. */
u32_t sys_now(void)
{
	return (u32_t)clock_ms();
}

static err_t stack_netif_init(struct netif *netif)
{
	const struct stack *s = netif->state;

	netif->name[0] = 't';
	netif->name[1] = 'n';
	netif->mtu = (u16_t)s->opt.mtu;
	netif->output = output_ip4;
	netif->output_ip6 = output_ip6;
	return ERR_OK; /* no NETIF_FLAG_BROADCAST: x.x.x.255 is an address like any other */
}

static int stack_add_netif(struct stack *s)
{
	ip4_addr_t address = { .addr = addr_to_v4(&s->opt.address4) };

	if (!netif_add(&s->netif, &address, NULL, NULL, s, stack_netif_init, NULL))
		return -EINVAL;
	netif_set_default(&s->netif);
	netif_set_up(&s->netif);
	netif_set_link_up(&s->netif);
	return 0;
}

static err_t stack_on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	return ERR_OK;
}

/* Its port is set before each SYN that it is to answer. */
static int stack_listen(struct stack *s)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY), *listener;

	if (!pcb)
		return -ENOMEM;
	if (tcp_bind(pcb, IP_ANY_TYPE, 0) != ERR_OK) {
		tcp_close(pcb);
		return -EADDRINUSE;
	}
	tcp_bind_netif(pcb, &s->netif);
	listener = tcp_listen(pcb);
	if (!listener) {
		tcp_close(pcb);
		return -ENOMEM;
	}
	tcp_accept(listener, stack_on_accept);
	s->listener = (struct tcp_pcb_listen *)listener;
	return 0;
}

/*
 * A window smaller than what waits has lwIP's persist timer cut the segment in two, and 2.1.3
 * leaves a FIN on both halves (TCPH_SET_FLAG() takes none away): the application would lose
 * the second one. So the FIN gets a segment of its own before that; without memory for it the
 * timer begins anew.
 */
static void tick_part_fin(struct tcp_pcb *pcb)
{
	struct tcp_seg *seg = pcb->unsent;

	if (!pcb->persist_backoff || !seg || !(TCPH_FLAGS(seg->tcphdr) & TCP_FIN))
		return;
	if (!pcb->snd_wnd || seg->len <= pcb->snd_wnd)
		return; /* is not cut */
	TCPH_UNSET_FLAG(seg->tcphdr, TCP_FIN);
	if (tcp_enqueue_flags(pcb, TCP_FIN) == ERR_OK)
		return;
	TCPH_SET_FLAG(seg->tcphdr, TCP_FIN);
	pcb->persist_cnt = 0;
}

/* Chains what is hot into lwIP's list, and moves it to `chained`. */
static void tick_chain(struct stack *s, struct list *chained)
{
	while (!list_is_empty(&s->hot)) {
		struct conn *c = list_first(&s->hot, struct conn, hot);
		struct tcp_pcb *pcb = c->pcb;

		list_remove(&c->hot);
		if (!conn_needs_timer(pcb))
			continue;
		/* Its probe was taken, so there is nothing left to probe with: lwIP forgets. */
		if (!pcb->unsent || pcb->unacked)
			pcb->persist_backoff = 0;
		tick_part_fin(pcb);
		list_append(chained, &c->hot);
		pcb->next = tcp_active_pcbs;
		tcp_active_pcbs = pcb;
	}
}

/* What lwIP left in its list lives. */
static void tick_unchain(struct stack *s)
{
	while (tcp_active_pcbs) {
		struct tcp_pcb *pcb = tcp_active_pcbs;
		struct conn *c = pcb->callback_arg;

		list_touch(&s->hot, &c->hot);
		tcp_active_pcbs = pcb->next;
		pcb->next = NULL;
		flight_schedule(c);
	}
}

/* The pcbs of what is still chained were freed. */
static void tick_bury(struct stack *s, struct list *chained)
{
	while (!list_is_empty(chained)) {
		struct conn *c = list_first(chained, struct conn, hot);

		conn_dead(c); /* takes it off the list */
		if (c->end == CONN_END_NONE)
			c->end = CONN_END_TIMEOUT;
		s->opt.ops->gone(c);
	}
}

static void stack_tick(struct timer *t)
{
	struct stack *s = container_of(t, struct stack, tick);
	struct list chained = LIST_INIT(chained);

	tick_chain(s, &chained);
	tcp_tmr();
	tick_unchain(s);
	tick_bury(s, &chained);
	if (list_is_empty(&s->hot))
		stack_trim(s);
	else
		loop_arm(s->opt.loop, &s->tick, STACK_TICK_MS);
}

static void send_acks(struct list *acks)
{
	while (!list_is_empty(acks)) {
		struct conn *c = list_first(acks, struct conn, ack);

		list_remove(&c->ack);
		conn_enter(c);
		tcp_ack_now(c->pcb);
		if (tcp_output(c->pcb) != ERR_OK)
			tcp_clear_flags(c->pcb, TF_ACK_DELAY); /* TF_ACK_NOW: by the tick */
		conn_leave(c);
	}
}

static void stack_expire_acks(struct timer *t)
{
	send_acks(&container_of(t, struct stack, ack_timer)->acks);
}

static void stack_turn(struct loop_turn *t)
{
	struct stack *s = container_of(t, struct stack, turn);

	send_acks(&s->due);
	s->now_known = false;
}

int stack_new(const struct stack_options *opt, struct stack **ret_stack)
{
	static bool initialized; /* lwIP can be started once */
	struct stack *s;
	int r;

	if (stack_instance)
		return -EBUSY;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->opt = *opt;
	list_init(&s->hot);
	list_init(&s->acks);
	list_init(&s->due);
	timer_init(&s->tick, stack_tick);
	timer_init(&s->ack_timer, stack_expire_acks);
	flights_init(s);
	s->turn.turn = stack_turn;
	if (!initialized)
		lwip_init();
	initialized = true;
	isn_setup(&opt->isn_key);
	r = stack_add_netif(s);
	if (r < 0)
		goto err_free;
	r = stack_listen(s);
	if (r < 0)
		goto err_netif;
	loop_add_turn(opt->loop, &s->turn);
	stack_instance = s;
	*ret_stack = s;
	return 0;

err_netif:
	netif_remove(&s->netif);
err_free:
	free(s);
	return r;
}

static void spare_put(struct stack *s)
{
	for (int i = 0; i < CONN_RESERVE_MAX; i++) {
		buffer_put(s, s->spare[i]);
		s->spare[i] = NULL;
	}
}

void stack_free(struct stack *s)
{
	if (!s)
		return;
	loop_disarm(&s->tick);
	loop_disarm(&s->ack_timer);
	loop_disarm(&s->flight_timer);
	loop_remove_turn(&s->turn);
	tcp_close((struct tcp_pcb *)s->listener);
	netif_remove(&s->netif);
	spare_put(s);
	buffers_trim(s, 0);
	stack_instance = NULL;
	free(s);
}

uint64_t stack_held_back(const struct stack *s)
{
	return s->held_back;
}

size_t stack_buffer_bytes(const struct stack *s)
{
	/* Short writes are copied by lwIP and in no buffer; large ones are in both sums. */
	return s->buffer_bytes > s->tx_held ? s->buffer_bytes : s->tx_held;
}

void stack_trim(struct stack *s)
{
	spare_put(s);
	buffers_trim(s, POOL_KEPT_IDLE);
}
