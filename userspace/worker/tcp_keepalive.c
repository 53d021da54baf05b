// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections whose application has gone without a word that reached us (its RST was lost, or
 * its host went away) would stay until a budget ends them.
 *
 * Each connection that is not young any more is looked at from time to time, a few per turn. In
 * between it costs nothing: that something came is noted by lwIP in passing, and no connection
 * has a time or a timer of its own. So an idle one is asked after one to two periods: two hours
 * (RFC 9293, 3.8.4: not before), a minute if upstream has closed. For then nothing is left to
 * send that would find a closed application out, and the one RST of an application that closes
 * with bytes unread is easily lost. One that does not answer at all (its host sleeps) has hours
 * in either case. Upstream is asked by the host's own settings.
 */
#include <sys/socket.h>

#include "base/clock.h"
#include "base/limits.h"
#include "worker/tcp_internal.h"

#define LOOKS_PER_TURN 64
#define NEXT_LOOKS_MS 1

static void watch_over(struct tcp_keepalive *k, struct tcp_flow *f)
{
	list_touch(&k->waiting, &f->link);
	if (!timer_is_armed(&k->timer))
		loop_arm(k->loop, &k->timer, k->period_ms);
}

static void ask_upstream(struct tcp_flow *f)
{
	int on = 1;

	setsockopt(f->watch.fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void young_arm(struct tcp_engine *e)
{
	struct tcp_flow *f = list_first(&e->young, struct tcp_flow, link);
	uint64_t now = clock_ns(), due = f->created_ns + TCP_YOUNG_MS * NSEC_PER_MSEC;

	loop_arm(e->worker->loop, &e->young_timer, due > now ? (due - now) / NSEC_PER_MSEC + 1 : 0);
}

/* Short connections are over before any of this could matter. */
static void young_expire(struct timer *t)
{
	struct tcp_engine *e = container_of(t, struct tcp_engine, young_timer);
	uint64_t now = clock_ns();

	while (!list_is_empty(&e->young)) {
		struct tcp_flow *f = list_first(&e->young, struct tcp_flow, link);

		if (f->created_ns + TCP_YOUNG_MS * NSEC_PER_MSEC > now) {
			young_arm(e);
			return;
		}
		ask_upstream(f);
		watch_over(&e->grown, f);
	}
}

void tcp_keepalive_begin(struct tcp_flow *f)
{
	struct tcp_engine *e = f->engine;

	if (f->relayed)
		return;
	list_append(&e->young, &f->link);
	if (!timer_is_armed(&e->young_timer))
		young_arm(e);
}

void tcp_keepalive_half_closed(struct tcp_flow *f)
{
	watch_over(&f->engine->half_closed, f);
}

/* One that the application has closed waits for upstream alone. */
static void look(struct tcp_keepalive *k, struct tcp_flow *f)
{
	list_touch(&k->waiting, &f->link);
	ask_upstream(f); /* it may have been too young for it */
	if (f->conn.state == CONN_OPEN && !conn_keepalive(&f->conn, k->probes))
		tcp_flow_reset(f, END_TIMEOUT);
}

static void look_expire(struct timer *t)
{
	struct tcp_keepalive *k = container_of(t, struct tcp_keepalive, timer);

	if (list_is_empty(&k->looked_at))
		list_splice(&k->looked_at, &k->waiting);
	for (unsigned int i = 0; i < LOOKS_PER_TURN && !list_is_empty(&k->looked_at); i++)
		look(k, list_first(&k->looked_at, struct tcp_flow, link));
	if (!list_is_empty(&k->looked_at))
		loop_arm(k->loop, t, NEXT_LOOKS_MS);
	else if (!list_is_empty(&k->waiting))
		loop_arm(k->loop, t, k->period_ms);
}

static void looks_init(struct tcp_keepalive *k, struct tcp_engine *e, unsigned int period_ms,
		       unsigned int probes)
{
	k->loop = e->worker->loop;
	k->period_ms = period_ms;
	k->probes = probes;
	list_init(&k->waiting);
	list_init(&k->looked_at);
	timer_init(&k->timer, look_expire);
}

void tcp_keepalive_init(struct tcp_engine *e)
{
	list_init(&e->young);
	timer_init(&e->young_timer, young_expire);
	looks_init(&e->grown, e, TCP_KEEPALIVE_MS, TCP_KEEPALIVE_PROBES);
	looks_init(&e->half_closed, e, TCP_HALF_CLOSED_MS, TCP_HALF_CLOSED_PROBES);
}

void tcp_keepalive_done(struct tcp_engine *e)
{
	loop_disarm(&e->young_timer);
	loop_disarm(&e->grown.timer);
	loop_disarm(&e->half_closed.timer);
}
