// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Dialling: a SYN is kept, not answered, until upstream has taken or refused the connection,
 * so the application learns the truth: SYN-ACK, RST, or the ICMP error that says why.
 *
 * Connects in flight are bounded, and one that has had no answer for a while makes way for a
 * new one (tcp_yield.c); else the SYN is dropped, and the application sends it again. All have
 * the same time limit, so the list of those in flight is ordered by deadline and one timer
 * serves it.
 *
 * TCP to port 53, of whatever address, is not dialled at all: its upstream is one end of a
 * socket pair, whose other end the resolver is given.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/message.h"
#include "netdev/socket.h"
#include "worker/tcp_internal.h"

#define WATCH_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define ANSWER_RST (-1)

/* What a failed dial means. `answer`: an enum icmp_error about the SYN, or ANSWER_RST. */
struct dial_failure {
	int error;
	enum drop_reason drop;
	enum flow_end end;
	int answer;
};

/* Errors of the kernel's connect(), at once or later. */
static const struct dial_failure dial_failures[] = {
	{ ECONNREFUSED, DROP_UPSTREAM_REFUSED, END_REFUSED, ANSWER_RST },
	{ ECONNRESET, DROP_UPSTREAM_REFUSED, END_REFUSED, ANSWER_RST },
	{ ETIMEDOUT, DROP_UPSTREAM_TIMEOUT, END_TIMEOUT, ICMP_ERR_HOST },
	{ ENETUNREACH, DROP_UPSTREAM_UNREACH, END_UNREACHABLE, ICMP_ERR_NET },
	{ ENETDOWN, DROP_UPSTREAM_UNREACH, END_UNREACHABLE, ICMP_ERR_NET },
	{ EAFNOSUPPORT, DROP_UPSTREAM_UNREACH, END_UNREACHABLE, ICMP_ERR_NET },
	{ EHOSTUNREACH, DROP_UPSTREAM_UNREACH, END_UNREACHABLE, ICMP_ERR_HOST },
	{ EHOSTDOWN, DROP_UPSTREAM_UNREACH, END_UNREACHABLE, ICMP_ERR_HOST },
	{ EACCES, DROP_UPSTREAM_UNREACH, END_UNREACHABLE, ICMP_ERR_PROHIBITED },
	{ ENOPROTOOPT, DROP_UPSTREAM_UNREACH, END_UNREACHABLE, ICMP_ERR_PROTOCOL },
	{ EPERM, DROP_PROTECT, END_PROTECT, ANSWER_RST },
	{ EADDRNOTAVAIL, DROP_NO_PORT, END_LIMIT, ANSWER_RST },
	{ EAGAIN, DROP_NO_PORT, END_LIMIT, ANSWER_RST },
	{ EMFILE, DROP_NO_DESCRIPTOR, END_LIMIT, ANSWER_RST },
	{ ENFILE, DROP_NO_DESCRIPTOR, END_LIMIT, ANSWER_RST },
	{ ENOBUFS, DROP_NO_MEMORY, END_LIMIT, ANSWER_RST },
	{ ENOMEM, DROP_NO_MEMORY, END_LIMIT, ANSWER_RST },
	{ ENOSPC, DROP_NO_MEMORY, END_LIMIT, ANSWER_RST }, /* epoll watches */
};

static const struct dial_failure *dial_failure_of(int error)
{
	static const struct dial_failure other = { 0, DROP_UPSTREAM_UNREACH, END_UNREACHABLE,
						   ICMP_ERR_HOST };

	for (size_t i = 0; i < sizeof(dial_failures) / sizeof(dial_failures[0]); i++) {
		if (dial_failures[i].error == error)
			return &dial_failures[i];
	}
	return &other;
}

/* Tells the application. */
static void dial_answer(struct tcp_engine *e, const struct dial_failure *why,
			const struct packet *head, const uint8_t *packet, size_t len)
{
	if (why->answer == ANSWER_RST)
		stack_refuse(e->stack, head, packet);
	else
		worker_icmp_error(e->worker, why->answer, 0, NULL, packet, len);
}

static void dial_failed(struct tcp_flow *f, int error)
{
	const struct dial_failure *why = dial_failure_of(error);

	log_debug("tcp", "connect failed error=%s", strerrordesc_np(error));
	worker_drop(f->engine->worker, why->drop);
	dial_answer(f->engine, why, &f->syn->head, f->syn->packet, f->syn->len);
	tcp_flow_free(f, why->end);
}

/* A SYN for which no flow is made. */
static void dial_drop(struct tcp_engine *e, struct worker_packet *p, enum drop_reason why)
{
	struct flow_info info;

	worker_drop(e->worker, why);
	worker_flow_info(e->worker, &p->key, NULL, &info);
	info.end = END_LIMIT;
	datapath_flow_end(&e->worker->datapath, &p->key, clock_ns(), &info);
}

static int syn_keep(struct tcp_flow *f, const struct worker_packet *p)
{
	struct tcp_syn *syn;

	if (p->head.payload_offset > sizeof(syn->packet))
		return -EMSGSIZE;
	syn = malloc(sizeof(*syn));
	if (!syn)
		return -ENOMEM;
	syn->flow = f;
	syn->head = p->head;
	syn->len = p->head.payload_offset;
	memcpy(syn->packet, p->raw.data, syn->len);
	list_init(&syn->of_destination);
	list_init(&syn->of_strangers);
	if (!tcp_queue_is_known(&f->engine->queue, &f->key.saddr))
		list_append(&f->engine->strangers, &syn->of_strangers);
	f->syn = syn;
	syn->destination =
		sources_enter(&f->engine->destinations, &f->key.daddr, 0, &syn->of_destination);
	return syn->destination ? 0 : -ENOMEM;
}

static void connects_arm(struct tcp_engine *e)
{
	struct tcp_flow *first = list_first(&e->connecting, struct tcp_flow, link);
	uint64_t now = clock_ns();
	uint64_t due = first->created_ns + e->worker->config.connect_timeout_ms * NSEC_PER_MSEC;

	loop_arm(e->worker->loop, &e->connect_timer,
		 due > now ? (due - now) / NSEC_PER_MSEC + 1 : 0);
}

static void connects_add(struct tcp_flow *f)
{
	struct tcp_engine *e = f->engine;

	f->state = TCP_FLOW_CONNECTING;
	list_append(&e->connecting, &f->link);
	source_hold(&e->worker->sources, f->source, SOURCE_CONNECTS, &f->of_source);
	datapath_budget(&e->worker->datapath, BUDGET_CONNECTS)->used++;
	datapath_count(&e->worker->datapath, RSTAT_TCP_CONNECTING, 1);
	if (!timer_is_armed(&e->connect_timer))
		connects_arm(e);
}

void tcp_connect_done(struct tcp_flow *f)
{
	struct tcp_engine *e = f->engine;
	struct worker *w = e->worker;

	list_remove(&f->link);
	if (f->syn)
		list_remove(&f->syn->of_strangers);
	if (f->syn && f->syn->destination)
		source_release(&e->destinations, f->syn->destination, 0, &f->syn->of_destination);
	source_release(&w->sources, f->source, SOURCE_CONNECTS, &f->of_source);
	datapath_budget(&w->datapath, BUDGET_CONNECTS)->used--;
	datapath_count(&w->datapath, RSTAT_TCP_CONNECTING, -1);
}

void tcp_connect_expire(struct timer *t)
{
	struct tcp_engine *e = container_of(t, struct tcp_engine, connect_timer);
	uint64_t limit_ns = e->worker->config.connect_timeout_ms * NSEC_PER_MSEC;

	while (!list_is_empty(&e->connecting)) {
		struct tcp_flow *f = list_first(&e->connecting, struct tcp_flow, link);

		if (f->created_ns + limit_ns > clock_ns()) {
			connects_arm(e);
			return;
		}
		dial_failed(f, ETIMEDOUT);
	}
}

/* Hands the resolver its end of the DNS stream. */
static int relay_open(struct tcp_flow *f, int *ret_fd)
{
	struct relay_message msg = { .type = RELAY_STREAM, .key = f->key };
	int fds[2], r;

	if (f->engine->worker->relay_fd < 0)
		return -ECONNREFUSED;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = message_send(f->engine->worker->relay_fd, &msg, sizeof(msg), fds[1]);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r == -EAGAIN ? -ENOBUFS : -ECONNREFUSED;
	}
	f->relayed = true;
	*ret_fd = fds[0];
	return 0;
}

static int dial_open(struct tcp_flow *f, int *ret_fd)
{
	struct endpoint to;

	if (worker_answers_dns(f->engine->worker, &f->key))
		return relay_open(f, ret_fd);
	to = worker_upstream_of(f->engine->worker, &f->key);
	return socket_connect(&to, SOCK_STREAM, ret_fd);
}

/* Begins the connect. 0 or -errno. */
static int dial_begin(struct tcp_flow *f)
{
	int fd, r = dial_open(f, &fd);

	/* what a flood left half-open must not take the descriptors of those that are honest */
	if (r == -EMFILE && tcp_opening_evict(f->engine))
		r = dial_open(f, &fd);
	if (r < 0)
		return r;
	f->watch.fd = fd;
	f->watch.ready = tcp_relay_ready;
	r = loop_add(f->engine->worker->loop, &f->watch, WATCH_EVENTS);
	if (r < 0) {
		f->watch.fd = -1;
		close(fd);
	}
	return r;
}

/* Upstream is there: now the application's SYN is answered. */
static void dial_succeeded(struct tcp_flow *f)
{
	struct worker *w = f->engine->worker;
	struct flow_info info;
	int r;

	tcp_flow_info(f, &info);
	datapath_flow_note(&w->datapath, &f->key, &info);
	r = conn_open(&f->conn, &f->syn->head, f->syn->packet);
	if (r < 0) {
		dial_failed(f, -r);
		return;
	}
	tcp_connect_done(f);
	source_hold(&w->sources, f->source, SOURCE_TCP, &f->of_source);
	f->state = TCP_FLOW_OPEN;
	f->writable = true;
	free(f->syn);
	f->syn = NULL;
	tcp_opening_begin(f);
	datapath_count(&w->datapath, RSTAT_TCP_OPEN, 1);
	datapath_count(&w->datapath, RSTAT_TCP_TOTAL, 1);
}

/* The SYN begins nothing: refused, its sender is told; else it will send it again. */
static void dial_refuse(struct tcp_engine *e, struct worker_packet *p, enum drop_reason why)
{
	dial_drop(e, p, why);
	stack_refuse(e->stack, &p->head, p->raw.data);
}

void tcp_dial(struct tcp_engine *e, struct worker_packet *p)
{
	enum drop_reason why;
	struct tcp_flow *f;
	int r;

	if (!tcp_connect_may_begin(e, &p->key, &why)) {
		dial_drop(e, p, why);
		return;
	}
	tcp_time_wait_yield(e);
	if (!room_for_flow(e->worker, &p->key.saddr, IPPROTO_TCP, &why)) {
		dial_refuse(e, p, why);
		return;
	}
	f = tcp_flow_new(e, &p->key);
	if (!f) {
		dial_refuse(e, p, DROP_NO_MEMORY);
		return;
	}
	connects_add(f);
	r = syn_keep(f, p);
	if (r < 0) {
		tcp_flow_free(f, END_LIMIT);
		worker_drop(e->worker, DROP_NO_MEMORY);
		stack_refuse(e->stack, &p->head, p->raw.data);
		return;
	}
	r = dial_begin(f);
	if (r < 0)
		dial_failed(f, -r);
	else if (f->relayed)
		dial_succeeded(f);
}

/* Refused is answered, too: a destination that says so is not silent. */
static void note_answer(const struct tcp_flow *f, int error)
{
	if (!error || error == ECONNREFUSED || error == ECONNRESET)
		source_touch(&f->engine->destinations, f->syn->destination, 0, clock_ms());
}

void tcp_connect_ready(struct tcp_flow *f, uint32_t events)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	if ((events & (EPOLLERR | EPOLLHUP)) &&
	    getsockopt(f->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	note_answer(f, error);
	if (error != 0) {
		dial_failed(f, error);
		return;
	}
	f->readable = events & EPOLLIN; /* edge-triggered: said once */
	f->hangup = events & (EPOLLRDHUP | EPOLLHUP);
	dial_succeeded(f);
}

/* A segment while upstream has not answered yet. */
void tcp_connect_input(struct tcp_flow *f, struct worker_packet *p)
{
	struct tcp_engine *e = f->engine;
	uint32_t isn = stack_segment_seq(&f->syn->head, f->syn->packet);
	uint32_t seq = stack_segment_seq(&p->head, p->raw.data);

	if ((p->head.tcp_flags & TCP_RST) && (seq == isn || seq == isn + 1)) {
		tcp_flow_reset(f, END_APP_RESET);
		return;
	}
	if ((p->head.tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN) {
		worker_drop(e->worker, DROP_STRAY);
		return;
	}
	if (seq == isn) {
		f->syn_again = true;
		worker_drop(e->worker, DROP_RETRANSMIT);
		return;
	}
	tcp_flow_reset(f, END_REPLACED); /* the application began anew from the same port */
	tcp_dial(e, p);
}

void tcp_dial_drop(struct tcp_engine *e, const struct flow_key *key)
{
	struct worker_packet p = { .key = *key };

	dial_drop(e, &p, DROP_CONNECTS);
}
