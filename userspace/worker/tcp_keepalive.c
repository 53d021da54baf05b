// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections whose application has gone without a word that reached us (its RST was lost, or
 * its host went away) would stay until a budget ends them; upstream has its own keepalive.
 *
 * Every TCP_KEEPALIVE_MS each connection that is not young any more is looked at, a few per
 * turn. In between it costs nothing: that something came is noted by lwIP in passing, and no
 * connection has a time or a timer of its own. So an idle one is asked after one to two of
 * these times (RFC 9293, 3.8.4: not before two hours).
 */
#include "base/limits.h"
#include "worker/tcp_internal.h"

#define LOOKS_PER_TURN 64
#define NEXT_LOOKS_MS 1

void tcp_keepalive_begin(struct tcp_flow *f)
{
	struct tcp_engine *e = f->engine;

	list_append(&e->grown, &f->link);
	if (!timer_is_armed(&e->keepalive_timer))
		loop_arm(e->worker->loop, &e->keepalive_timer, TCP_KEEPALIVE_MS);
}

/* One that the application has closed waits for upstream alone. */
static void tcp_keepalive_look(struct tcp_flow *f)
{
	list_touch(&f->engine->grown, &f->link);
	if (f->conn.state == CONN_OPEN && !conn_keepalive(&f->conn, TCP_KEEPALIVE_PROBES))
		tcp_flow_reset(f, END_TIMEOUT);
}

void tcp_keepalive_expire(struct timer *t)
{
	struct tcp_engine *e = container_of(t, struct tcp_engine, keepalive_timer);

	if (list_is_empty(&e->looked_at))
		list_splice(&e->looked_at, &e->grown);
	for (unsigned int i = 0; i < LOOKS_PER_TURN && !list_is_empty(&e->looked_at); i++)
		tcp_keepalive_look(list_first(&e->looked_at, struct tcp_flow, link));
	if (!list_is_empty(&e->looked_at))
		loop_arm(e->worker->loop, t, NEXT_LOOKS_MS);
	else if (!list_is_empty(&e->grown))
		loop_arm(e->worker->loop, t, TCP_KEEPALIVE_MS);
}
