// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections whose application has not finished its handshake: upstream is there, the SYN-ACK
 * is sent, its ACK has not come. Honest applications answer at once, so where many wait it is a
 * flood of SYNs (RFC 4987) from sources that do not exist, each with a descriptor and a
 * connection upstream. They wait in order of age; beyond TCP_OPENING_MAX, or when descriptors
 * run out, the oldest is reset both ways. One that nobody answers ends by lwIP's own limit.
 */
#include "base/limits.h"
#include "worker/tcp_internal.h"

bool tcp_opening_evict(struct tcp_engine *e)
{
	if (list_is_empty(&e->opening))
		return false;
	worker_drop(e->worker, DROP_HALF_OPEN);
	tcp_flow_reset(list_first(&e->opening, struct tcp_flow, link), END_LIMIT);
	return true;
}

void tcp_opening_begin(struct tcp_flow *f)
{
	struct tcp_engine *e = f->engine;

	if (e->openings >= TCP_OPENING_MAX)
		tcp_opening_evict(e);
	f->opening = true;
	list_append(&e->opening, &f->link);
	e->openings++;
}

void tcp_opening_forget(struct tcp_flow *f)
{
	if (!f->opening)
		return;
	f->opening = false;
	list_remove(&f->link);
	f->engine->openings--;
}

void tcp_opening_update(struct tcp_flow *f)
{
	if (!f->opening || f->conn.state == CONN_OPENING)
		return;
	tcp_opening_forget(f);
	if (f->conn.state == CONN_OPEN)
		tcp_queue_known(f->engine, f);
	tcp_keepalive_begin(f);
}
