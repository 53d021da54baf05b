// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The TCP engine: connections of applications, each terminated by stack/ and carried on by
 * a socket of our own. Here: which connection a segment belongs to, and how one is made and
 * ended. tcp_connect.c dials, tcp_relay.c moves the bytes, tcp_table.c finds.
 *
 * An application sees what upstream does: its SYN is answered when upstream has answered
 * ours, each FIN and RST is passed on by itself, and neither side is read from faster than
 * the other takes.
 */
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "worker/tcp_internal.h"

#define TCP_TRIM_FLOWS 1024 /* a wave: about 0.5 MB */
#define TCP_TRIM_BYTES (16 << 20)
#define TCP_TRIM_MS 1000

struct tcp_flow *tcp_flow_new(struct tcp_engine *e, const struct flow_key *key)
{
	struct tcp_flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->engine = e;
	f->key = *key;
	f->created_ns = clock_ns();
	f->watch.fd = -1;
	list_init(&f->link);
	list_init(&f->of_source);
	f->source = room_take_new(e->worker, &key->saddr, 1);
	if (!f->source) {
		free(f);
		return NULL;
	}
	conn_init(&f->conn, e->stack);
	conn_set_account(&f->conn, &f->source->bytes);
	tcp_table_add(&e->table, f);
	return f;
}

static void tcp_close_upstream(struct tcp_flow *f, bool reset)
{
	struct linger hard = { .l_onoff = 1 };
	int fd = f->watch.fd;

	if (fd < 0)
		return;
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	loop_close(f->engine->worker->loop, &f->watch);
}

void tcp_flow_info(const struct tcp_flow *f, struct flow_info *ret_info)
{
	struct worker *w = f->engine->worker;
	struct endpoint upstream = worker_upstream_of(w, &f->key);

	worker_flow_info(w, &f->key, f->relayed ? NULL : &upstream, ret_info);
}

/* What the books are told, once per flow. */
static void tcp_flow_tell_end(struct tcp_flow *f, enum flow_end end)
{
	struct worker *w = f->engine->worker;
	struct flow_info info = { .end = END_NONE };

	if (f->state == TCP_FLOW_CONNECTING) /* nothing was noted yet */
		tcp_flow_info(f, &info);
	info.end = (uint8_t)end;
	datapath_flow_end(&w->datapath, &f->key, f->syn_again ? clock_ns() : f->created_ns, &info);
	if (f->state == TCP_FLOW_CONNECTING) {
		tcp_connect_done(f);
	} else {
		datapath_count(&w->datapath, RSTAT_TCP_OPEN, -1);
		source_release(&w->sources, f->source, SOURCE_TCP, &f->of_source);
	}
	conn_set_account(&f->conn, NULL);
	room_give(w, f->source, 1);
}

void tcp_flow_forget(struct tcp_flow *f)
{
	struct tcp_engine *e = f->engine;

	tcp_opening_forget(f);
	list_remove(&f->link);
	if (f->state == TCP_FLOW_TIME_WAIT)
		e->time_wait_count--;
	conn_release(&f->conn);
	tcp_table_remove(&e->table, f);
	free(f->syn);
	free(f);
}

void tcp_flow_free(struct tcp_flow *f, enum flow_end end)
{
	conn_abort(&f->conn);
	tcp_flow_tell_end(f, end);
	tcp_close_upstream(f, false);
	tcp_flow_forget(f);
}

void tcp_flow_reset(struct tcp_flow *f, enum flow_end end)
{
	conn_abort(&f->conn);
	tcp_flow_tell_end(f, end);
	tcp_close_upstream(f, true);
	tcp_flow_forget(f);
}

/* Forgets the oldest until time and number allow what is left. */
static void tcp_time_wait_sweep(struct tcp_engine *e)
{
	uint64_t now = clock_ns();

	list_for_each_safe(pos, next, &e->time_waits) {
		struct tcp_flow *f = container_of(pos, struct tcp_flow, link);
		uint64_t ends = f->created_ns + TCP_TIME_WAIT_MS * NSEC_PER_MSEC;

		if (ends > now && e->time_wait_count <= TCP_TIME_WAITS_MAX) {
			loop_arm(e->worker->loop, &e->time_wait_timer,
				 (ends - now) / NSEC_PER_MSEC + 1);
			return;
		}
		tcp_flow_forget(f);
	}
}

static void tcp_time_wait_expire(struct timer *t)
{
	tcp_time_wait_sweep(container_of(t, struct tcp_engine, time_wait_timer));
}

void tcp_flow_time_wait(struct tcp_flow *f)
{
	struct tcp_engine *e = f->engine;

	tcp_flow_tell_end(f, END_FINISHED);
	tcp_close_upstream(f, false);
	tcp_opening_forget(f);
	f->state = TCP_FLOW_TIME_WAIT;
	f->created_ns = clock_ns();
	list_touch(&e->time_waits, &f->link);
	e->time_wait_count++;
	if (!timer_is_armed(&e->time_wait_timer) || e->time_wait_count > TCP_TIME_WAITS_MAX)
		tcp_time_wait_sweep(e);
}

static bool tcp_opens(const struct worker_packet *p)
{
	return (p->head.tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* Answers what is sent again, for as long as that is no attack. */
static void tcp_answer_again(struct tcp_flow *f)
{
	struct packet_path path = {
		.src = f->key.daddr,
		.dst = f->key.saddr,
		.sport = f->key.dport,
		.dport = f->key.sport,
	};

	if (conn_may_challenge(&f->conn))
		stack_send_ack(f->engine->stack, &path, f->conn.seq, f->conn.ack_seq);
}

/* A SYN that the kernel half has entered as a flow of its own, which it will not become. */
static void tcp_reject(struct tcp_engine *e, const struct worker_packet *p)
{
	struct flow_info info;

	worker_flow_info(e->worker, &p->key, NULL, &info);
	info.end = END_REJECTED;
	datapath_flow_end(&e->worker->datapath, &p->key, clock_ns(), &info);
}

/*
 * RFC 6191 (RFC 9293, 3.10.7.4): a SYN above all that the old connection sent begins a new
 * one. Another may be as old as that, and is challenged.
 */
static void tcp_time_wait_syn(struct tcp_flow *f, struct worker_packet *p)
{
	struct tcp_engine *e = f->engine;

	if ((int32_t)(stack_segment_seq(&p->head, p->raw.data) - f->conn.ack_seq) >= 0) {
		tcp_flow_forget(f);
		tcp_dial(e, p);
		return;
	}
	worker_drop(e->worker, DROP_TCP_SYN);
	tcp_reject(e, p);
	f->challenged = true;
	tcp_answer_again(f);
}

/*
 * RFC 1337: a RST does not end TIME_WAIT, except one that answers our challenge: the
 * application's SYN was meant, and comes again.
 */
static void tcp_time_wait_reset(struct tcp_flow *f, const struct worker_packet *p)
{
	if (f->challenged && stack_segment_seq(&p->head, p->raw.data) == f->conn.ack_seq)
		tcp_flow_forget(f);
	else
		worker_drop(f->engine->worker, DROP_TCP_RESET);
}

/* RFC 9293, 3.10.7.4: acknowledge what is sent again. */
static void tcp_time_wait_input(struct tcp_flow *f, struct worker_packet *p)
{
	if (tcp_opens(p))
		tcp_time_wait_syn(f, p);
	else if (p->head.tcp_flags & TCP_RST)
		tcp_time_wait_reset(f, p);
	else if (!(p->head.tcp_flags & TCP_ACK) || (p->head.tcp_flags & TCP_SYN))
		worker_drop(f->engine->worker, DROP_TCP_FLAGS);
	else if ((p->head.tcp_flags & TCP_FIN) || p->head.total_len > p->head.payload_offset)
		tcp_answer_again(f);
}

/*
 * The kernel half takes a SYN behind a FIN or RST for a new flow and enters it in place of this
 * one, which goes on: the entry is its own again, with what was known of it.
 */
static void tcp_keep_entry(struct tcp_flow *f)
{
	struct datapath *dp = &f->engine->worker->datapath;
	struct flow_info info;

	f->syn_again = true;
	if (datapath_flow_noted(dp, &f->key, &info) == 0)
		return;
	tcp_flow_info(f, &info);
	datapath_flow_note(dp, &f->key, &info);
}

/* All was said; the last bytes are still on their way upstream. */
static void tcp_closed_input(struct tcp_flow *f, const struct worker_packet *p)
{
	if (f->conn.state == CONN_TIME_WAIT && (p->head.tcp_flags & TCP_FIN))
		tcp_answer_again(f);
	else
		worker_drop(f->engine->worker, DROP_STRAY);
}

static void tcp_open_input(struct tcp_flow *f, struct worker_packet *p)
{
	int why;

	if (tcp_opens(p))
		tcp_keep_entry(f);
	if (f->conn.state == CONN_CLOSED || f->conn.state == CONN_TIME_WAIT) {
		tcp_closed_input(f, p);
		return;
	}
	why = conn_input(&f->conn, &p->head, p->raw.data);
	if (why)
		worker_drop(f->engine->worker, (enum drop_reason)why);
	tcp_opening_update(f);
	tcp_relay_update(f);
}

/* A segment of no connection: the beginning of one, or a stray. */
static void tcp_unknown_input(struct tcp_engine *e, struct worker_packet *p)
{
	if (tcp_opens(p)) {
		tcp_queue_syn(e, p);
		return;
	}
	worker_drop(e->worker, DROP_STRAY);
	stack_refuse(e->stack, &p->head, p->raw.data);
}

void tcp_engine_input(struct tcp_engine *e, struct worker_packet *p)
{
	struct tcp_flow *f = tcp_table_find(&e->table, &p->key, tcp_table_hash(&e->table, &p->key));

	if (!f)
		tcp_unknown_input(e, p);
	else if (f->state == TCP_FLOW_OPEN)
		tcp_open_input(f, p);
	else if (f->state == TCP_FLOW_CONNECTING)
		tcp_connect_input(f, p);
	else
		tcp_time_wait_input(f, p);
}

/*
 * What we send is unacceptable to the application's socket, so it answers with an ACK that
 * says what it expects (RFC 9293, 3.10.7.4), and that ACK, of no known connection, is
 * answered by the one RST that it accepts. Nothing is known of its sequence numbers: of two
 * that lie half the space apart one is outside any window.
 */
void tcp_engine_orphan(struct tcp_engine *e, const struct flow_key *key)
{
	struct packet_path path = {
		.src = key->daddr,
		.dst = key->saddr,
		.sport = key->dport,
		.dport = key->sport,
	};
	uint32_t seq = random_u32();

	stack_send_ack(e->stack, &path, seq, seq);
	stack_send_ack(e->stack, &path, seq + (1U << 31), seq);
}

static int tcp_write_packet(void *arg, const struct iovec *iov, int iovcnt,
			    const struct queue_offload *off)
{
	struct tcp_engine *e = arg;

	return worker_writev(e->worker, iov, iovcnt, off);
}

/* Whether little is left of a peak that is worth noticing. */
static bool tcp_wave_is_over(const struct tcp_engine *e)
{
	bool flows = e->peak_flows >= TCP_TRIM_FLOWS && e->table.count <= e->peak_flows / 8;
	bool bytes = e->peak_bytes >= TCP_TRIM_BYTES && e->buffer_bytes <= e->peak_bytes / 8;

	return flows || bytes;
}

/*
 * Many connections or much data came and went, and did not come back within a second: malloc
 * gives what they held back to the system. Not sooner, since it walks the whole heap, and in
 * bulk the buffers are empty now and then.
 */
static void tcp_trim(struct timer *t)
{
	struct tcp_engine *e = container_of(t, struct tcp_engine, trim_timer);

	if (!tcp_wave_is_over(e))
		return;
	e->peak_flows = e->table.count;
	e->peak_bytes = e->buffer_bytes;
	malloc_trim(0);
}

static void tcp_watch_waves(struct tcp_engine *e)
{
	if (e->table.count > e->peak_flows)
		e->peak_flows = e->table.count;
	if (e->buffer_bytes > e->peak_bytes)
		e->peak_bytes = e->buffer_bytes;
	if (tcp_wave_is_over(e) && !timer_is_armed(&e->trim_timer))
		loop_arm(e->worker->loop, &e->trim_timer, TCP_TRIM_MS);
}

static void tcp_turn(struct loop_turn *t)
{
	struct tcp_engine *e = container_of(t, struct tcp_engine, turn);
	struct budget_use *b = datapath_budget(&e->worker->datapath, BUDGET_BUFFERS);
	uint64_t held_back = stack_held_back(e->stack);
	size_t now = stack_buffer_bytes(e->stack);

	b->used = now;
	b->hits += held_back - e->held_back;
	e->held_back = held_back;
	datapath_count(&e->worker->datapath, RSTAT_BUFFER_BYTES,
		       (int64_t)now - (int64_t)e->buffer_bytes);
	e->buffer_bytes = now;
	tcp_queue_turn(e);
	tcp_watch_waves(e);
}

static int tcp_engine_stack(struct tcp_engine *e)
{
	static const struct stack_ops ops = {
		.output = tcp_write_packet,
		.received = tcp_relay_received,
		.gone = tcp_relay_gone,
	};
	struct worker *w = e->worker;
	struct stack_options opt = {
		.loop = w->loop,
		.ops = &ops,
		.arg = e,
		.isn_key = w->config.isn_key,
		.address4 = w->config.settings.stack4,
		.mtu = w->config.settings.mtu,
		.tso = w->queue.tso,
		.buffers_max = datapath_budget(&w->datapath, BUDGET_BUFFERS)->limit,
		.account_max = datapath_budget(&w->datapath, BUDGET_BUFFERS)->source_limit,
	};

	return stack_new(&opt, &e->stack);
}

int tcp_engine_new(struct worker *w, struct tcp_engine **ret_engine)
{
	struct tcp_engine *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->worker = w;
	tcp_queue_init(e);
	list_init(&e->connecting);
	list_init(&e->strangers);
	list_init(&e->opening);
	list_init(&e->time_waits);
	timer_init(&e->connect_timer, tcp_connect_expire);
	timer_init(&e->trim_timer, tcp_trim);
	tcp_keepalive_init(e);
	timer_init(&e->time_wait_timer, tcp_time_wait_expire);
	e->turn.turn = tcp_turn;
	r = tcp_table_init(&e->table);
	if (r < 0)
		goto err_free;
	r = sources_init(&e->destinations);
	if (r < 0)
		goto err_table;
	r = tcp_engine_stack(e);
	if (r < 0)
		goto err_destinations;
	loop_add_turn(w->loop, &e->turn);
	*ret_engine = e;
	return 0;

err_destinations:
	sources_done(&e->destinations);
err_table:
	tcp_table_done(&e->table);
err_free:
	free(e);
	return r;
}

void tcp_engine_free(struct tcp_engine *e)
{
	struct tcp_flow *f;

	if (!e)
		return;
	tcp_queue_done(e);
	while ((f = tcp_table_any(&e->table))) {
		if (f->state == TCP_FLOW_TIME_WAIT) {
			tcp_flow_forget(f);
			continue;
		}
		if (f->state == TCP_FLOW_CONNECTING)
			stack_refuse(e->stack, &f->syn->head, f->syn->packet);
		tcp_flow_reset(f, END_SHUTDOWN);
	}
	loop_disarm(&e->connect_timer);
	loop_disarm(&e->trim_timer);
	tcp_keepalive_done(e);
	loop_disarm(&e->time_wait_timer);
	loop_remove_turn(&e->turn);
	datapath_count(&e->worker->datapath, RSTAT_BUFFER_BYTES, -(int64_t)e->buffer_bytes);
	datapath_budget(&e->worker->datapath, BUDGET_BUFFERS)->used = 0;
	stack_free(e->stack);
	sources_done(&e->destinations);
	tcp_table_done(&e->table);
	free(e);
}
