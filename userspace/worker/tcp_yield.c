// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What of TCP makes way where a budget is used up (room.h has the order of all): connects
 * without an answer, handshakes left unfinished, connections in TIME_WAIT, idle ones.
 *
 * Connects in flight are a queue as a listener's SYN queue is. With all places taken the first
 * of these that can makes way, and if none can the SYN is dropped:
 *
 *   who dials has less than half of the    | that one's oldest
 *   source that has most                   |
 *   the same of destinations               | that one's oldest, at once if it holds a quarter of
 *                                          | all places and has answered none for
 *                                          | TCP_CONNECT_SILENT_MS, else at that age
 *   who dials is known (tcp_queue.c) and   | the oldest of those that were not known when they
 *   has less than TCP_KNOWN_CONNECTS       | dialled
 *   any                                    | the oldest of who has most, if it has had no answer
 *                                          | for config.connect_replace_ms
 *
 * So one source, or one destination that does not answer, holds as many as there are only
 * while nobody else wants any; and sources without number, whose addresses may be lies, do not
 * keep out one that is known to be where it says. A source that is known has its way with few
 * at a time, so that it cannot empty the queue of all others.
 *
 * What makes way before its sender would have sent the SYN again goes as if that SYN had been
 * lost; later its sender is told that the host cannot be reached.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/limits.h"
#include "worker/tcp_internal.h"

#define TCP_IDLE_LOOKS 32 /* connections looked at for one that must make room */

/* --- connects ----------------------------------------------------------------------------- */

static struct budget_use *connects_of(struct tcp_engine *e)
{
	return datapath_budget(&e->worker->datapath, BUDGET_CONNECTS);
}

/* It makes way if it is `age_ms` old. */
static bool connect_yield(struct tcp_flow *f, uint64_t age_ms)
{
	struct worker *w = f->engine->worker;
	uint64_t age_ns = clock_ns() - f->created_ns;

	if (age_ns < age_ms * NSEC_PER_MSEC)
		return false;
	worker_drop(w, DROP_CONNECT_REPLACED);
	if (age_ns >= TCP_CONNECT_SILENT_MS * NSEC_PER_MSEC)
		worker_icmp_error(w, ICMP_ERR_HOST, 0, NULL, f->syn->packet, f->syn->len);
	tcp_flow_free(f, END_LIMIT);
	return true;
}

static struct tcp_flow *oldest_from(const struct source *s)
{
	return list_first(&s->kind[SOURCE_CONNECTS].items, struct tcp_flow, of_source);
}

static struct tcp_flow *oldest_to(const struct source *destination)
{
	return list_first(&destination->kind[0].items, struct tcp_syn, of_destination)->flow;
}

static struct tcp_flow *oldest_stranger(const struct tcp_engine *e)
{
	return list_first(&e->strangers, struct tcp_syn, of_strangers)->flow;
}

/* How old a connect to it has to be to make way. */
static uint64_t patience_ms(struct tcp_engine *e, const struct source *destination)
{
	const struct source_kind *k = &destination->kind[0];

	if (k->count < connects_of(e)->limit / TCP_CONNECTS_HOG)
		return TCP_CONNECT_SILENT_MS;
	if (k->used_ms && clock_ms() - k->used_ms < TCP_CONNECT_SILENT_MS)
		return TCP_CONNECT_SILENT_MS;
	return 0;
}

/*
 * A destination that holds many while another one is dialled. `of`: only a connect of this
 * source would make room; NULL = any.
 */
static bool silent_yields(struct tcp_engine *e, const struct addr *to, const struct source *of)
{
	const struct source *most = sources_largest(&e->destinations, 0);

	if (!most || most->kind[0].count / 2 <= sources_count(&e->destinations, to, 0))
		return false;
	if (of && oldest_to(most)->source != of)
		return false;
	return connect_yield(oldest_to(most), patience_ms(e, most));
}

/* One of nobody knows whom, for a source that has proved its address. */
static bool stranger_yields(struct tcp_engine *e, const struct addr *from)
{
	if (list_is_empty(&e->strangers) || !tcp_queue_is_known(&e->queue, from))
		return false;
	if (sources_count(&e->worker->sources, from, SOURCE_CONNECTS) >= TCP_KNOWN_CONNECTS)
		return false;
	return connect_yield(oldest_stranger(e), 0);
}

/* Room for one more connect at all. */
static bool connects_allow(struct tcp_engine *e, const struct flow_key *key)
{
	struct worker *w = e->worker;
	struct budget_use *b = connects_of(e);
	const struct source *most;

	if (b->used < b->limit)
		return true;
	most = sources_largest(&w->sources, SOURCE_CONNECTS);
	if (most->kind[SOURCE_CONNECTS].count / 2 >
	    sources_count(&w->sources, &key->saddr, SOURCE_CONNECTS))
		return room_hit(b, connect_yield(oldest_from(most), 0));
	return room_hit(b, silent_yields(e, &key->daddr, NULL) || stranger_yields(e, &key->saddr) ||
				   connect_yield(oldest_from(most), w->config.connect_replace_ms));
}

/* Room for one more connect of this source. */
static bool connects_from_allow(struct tcp_engine *e, const struct flow_key *key)
{
	struct worker *w = e->worker;
	struct budget_use *b = connects_of(e);
	const struct source *s = sources_find(&w->sources, &key->saddr);

	if (!s || s->kind[SOURCE_CONNECTS].count < b->source_limit)
		return true;
	return room_hit(b, silent_yields(e, &key->daddr, s) ||
				   connect_yield(oldest_from(s), w->config.connect_replace_ms));
}

/*
 * A destination with many connects that have had no answer for long gets no further ones
 * beside them: the oldest makes way, whether or not there is room. A burst to one that does
 * answer is not touched.
 */
static void connects_to_shrink(struct tcp_engine *e, const struct addr *to)
{
	const struct role_config *c = &e->worker->config;
	const struct source *s = sources_find(&e->destinations, to);

	if (s && s->kind[0].count >= c->limits.n[LIMIT_DESTINATION_CONNECTS] &&
	    connect_yield(oldest_to(s), c->connect_replace_ms))
		room_hit(connects_of(e), true);
}

bool tcp_connect_may_begin(struct tcp_engine *e, const struct flow_key *key,
			   enum drop_reason *ret_why)
{
	if (worker_answers_dns(e->worker, key)) /* not dialled */
		return true;
	connects_to_shrink(e, &key->daddr);
	*ret_why = DROP_CONNECTS;
	if (!connects_allow(e, key))
		return false;
	*ret_why = DROP_SOURCE_CONNECTS;
	return connects_from_allow(e, key);
}

/* --- connections -------------------------------------------------------------------------- */

void tcp_time_wait_yield(struct tcp_engine *e)
{
	uint64_t limit = datapath_budget(&e->worker->datapath, BUDGET_FLOWS)->limit;

	while (e->table.count >= limit && e->time_wait_count)
		tcp_flow_forget(list_first(&e->time_waits, struct tcp_flow, link));
}

/* Milliseconds since data passed upstream, either way. 0 if that is not known. */
static uint64_t idle_ms(const struct tcp_flow *f)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (f->relayed || getsockopt(f->watch.fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_last_data_sent < info.tcpi_last_data_recv ? info.tcpi_last_data_sent :
								     info.tcpi_last_data_recv;
}

/* Nothing is on its way to either side, and nothing was for long. */
static bool is_idle(const struct tcp_flow *f)
{
	if (conn_is_pending(&f->conn) || f->conn.tx_held)
		return false;
	return idle_ms(f) >= f->engine->worker->config.tcp_idle_ms;
}

/* Among those whose handshake is not finished, the oldest one if it is of this source. */
static bool opening_yields(struct tcp_engine *e, const struct source *from)
{
	const struct tcp_flow *oldest = list_first(&e->opening, struct tcp_flow, link);

	if (list_is_empty(&e->opening) || (from && oldest->source != from))
		return false;
	return tcp_opening_evict(e);
}

/*
 * The kernel knows when data passed, so an open connection costs nothing to watch over. Its
 * source's are looked at in turn, a few each time: whoever was found busy has its turn again
 * when all others had theirs. After a look in vain there is none for a while, so that a flood
 * of SYNs does not pay for it each time.
 */
bool tcp_engine_evict(struct tcp_engine *e, struct source *from)
{
	struct list *open = from ? &from->kind[SOURCE_TCP].items : NULL;
	uint64_t now = clock_ms();

	if (opening_yields(e, from))
		return true;
	if (!from || (from->looked_ms && now - from->looked_ms < TCP_IDLE_LOOK_MS))
		return false;
	for (int i = 0; i < TCP_IDLE_LOOKS && !list_is_empty(open); i++) {
		struct tcp_flow *f = list_first(open, struct tcp_flow, of_source);

		if (is_idle(f)) {
			tcp_flow_reset(f, END_LIMIT);
			return true;
		}
		list_touch(open, &f->of_source);
	}
	from->looked_ms = now;
	return false;
}
