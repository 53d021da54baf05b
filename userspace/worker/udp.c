// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The UDP engine: sessions.
 *
 * A session stands for one (source, destination) pair and has a socket of its own, connected
 * to the destination: so only the true peer can answer, ICMP errors about it come back to
 * exactly this socket, and its answers need no look-up. It ends when no datagram passed in
 * either direction for config.udp_idle_ms (looked at every config.udp_sweep_ms), when it is
 * its source's least recently used one and room is needed (room.h), or with the worker.
 *
 * A refusal does not end a session: the peer may come to life; it only is what the session
 * will have ended by if nothing else happens.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "netdev/socket.h"
#include "worker/failure.h"
#include "worker/room.h"
#include "worker/udp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/*
 * Asked for; the kernel gives what net.core.rmem_max and wmem_max allow, twice. Datagrams
 * wait here while the worker is not running (with the default of 212,992 bytes a flood lost
 * 70 % here), or while the uplink is slower than the application, which we cannot block.
 */
#define SOCKET_BUFFER_BYTES (1 << 20)

static void session_idle(struct session *s)
{
	udp_session_close(udp_session_of(s), udp_session_of(s)->end);
}

static void sweep(struct timer *t)
{
	struct udp_engine *e = container_of(t, struct udp_engine, sweep);
	const struct role_config *c = &e->worker->config;
	bool more = sessions_sweep(&e->sessions, UDP_SWEEP_MAX, session_idle);

	loop_arm(e->worker->loop, &e->sweep, more ? UDP_SWEEP_PART_MS : c->udp_sweep_ms);
}

static void new_turn(struct loop_turn *t)
{
	container_of(t, struct udp_engine, turn)->crowd_opens = 0;
}

int udp_engine_new(struct worker *w, struct udp_engine **ret_engine)
{
	struct udp_engine *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->worker = w;
	err = sessions_init(&e->sessions, &w->sources, SOURCE_UDP,
			    (unsigned int)datapath_budget(&w->datapath, BUDGET_UDP)->limit,
			    sizeof(struct udp_session), w->config.udp_idle_ms);
	if (err)
		goto err_engine;
	err = udp_receiver_new(&e->receiver);
	if (err)
		goto err_sessions;
	e->turn.turn = new_turn;
	loop_add_turn(w->loop, &e->turn);
	timer_init(&e->sweep, sweep);
	loop_arm(w->loop, &e->sweep, w->config.udp_sweep_ms);
	*ret_engine = e;
	return 0;

err_sessions:
	sessions_done(&e->sessions);
err_engine:
	free(e);
	return err;
}

void udp_engine_free(struct udp_engine *e)
{
	struct session *s;

	if (!e)
		return;
	udp_engine_flush(e);
	while ((s = sessions_any(&e->sessions)))
		udp_session_close(udp_session_of(s), END_SHUTDOWN);
	loop_disarm(&e->sweep);
	loop_remove_turn(&e->turn);
	udp_receiver_free(e->receiver);
	sessions_done(&e->sessions);
	free(e);
}

static void session_ready(struct watch *watch, uint32_t events)
{
	struct udp_session *s = container_of(watch, struct udp_session, watch);

	if (events & (EPOLLERR | EPOLLHUP))
		udp_errors_clear(s);
	if (events & EPOLLIN)
		udp_receive(s);
}

/* Options that a failure of does no harm to: errors and batches are then just not seen. */
static void socket_prepare(int fd, int family)
{
	int on = 1, bytes = SOCKET_BUFFER_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (family == AF_INET) {
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	} else {
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
	}
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
}

static int socket_make(struct udp_session *s, const struct endpoint *to,
		       const struct udp_options *options)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int err = socket_open(ss.ss_family, SOCK_DGRAM, &s->watch.fd);

	if (err)
		return err;
	socket_prepare(s->watch.fd, ss.ss_family);
	udp_options_apply(s, options, true);
	err = socket_toward(s->watch.fd, &to->addr);
	if (!err && connect(s->watch.fd, (struct sockaddr *)&ss, len))
		err = -errno;
	if (!err)
		err = loop_add(s->engine->worker->loop, &s->watch, EPOLLIN);
	if (err) {
		close(s->watch.fd);
		s->watch.fd = -1;
	}
	return err;
}

/* The end of every session: its flow's end, its socket, its place. */
void udp_session_close(struct udp_session *s, enum flow_end end)
{
	struct udp_engine *e = s->engine;
	struct worker *w = e->worker;

	if (e->run.session == s)
		udp_engine_flush(e);
	if (s->watch.fd >= 0)
		datapath_count(&w->datapath, RSTAT_UDP_OPEN, -1);
	loop_close(w->loop, &s->watch);
	worker_flow_end(w, &s->session.key, clock_ns(), end);
	datapath_budget(&w->datapath, BUDGET_UDP)->used--;
	room_give(w, s->session.source, 1);
	sessions_remove(&e->sessions, &s->session);
}

bool udp_engine_evict(struct udp_engine *e, const struct source *from, uint64_t idle_ms)
{
	struct session *s = sessions_idle(&e->sessions, from, idle_ms);

	if (s)
		udp_session_close(udp_session_of(s), END_LIMIT);
	return s;
}

/* Each new session is logged with how many there are. */
static void log_session(const struct udp_session *s, const struct endpoint *to)
{
	char from[ENDPOINT_TEXT_MAX], upstream[ENDPOINT_TEXT_MAX];
	struct endpoint app = { s->session.key.saddr, s->session.key.sport };

	if (log_level() < LOG_LEVEL_DEBUG)
		return;
	log_debug("udp", "session opened from=%s to=%s open=%u", endpoint_format(&app, from),
		  endpoint_format(to, upstream), s->engine->sessions.count);
}

/* A place in the table, booked. NULL: *ret_why. */
static struct udp_session *session_take(struct udp_engine *e, const struct flow_key *key,
					enum drop_reason *ret_why)
{
	struct worker *w = e->worker;
	struct session *s;

	if (!room_for_flow(w, &key->saddr, IPPROTO_UDP, ret_why))
		return NULL;
	*ret_why = DROP_NO_MEMORY;
	s = sessions_add(&e->sessions, key);
	if (!s)
		return NULL;
	room_take(w, s->source, 1);
	datapath_budget(&w->datapath, BUDGET_UDP)->used++;
	return udp_session_of(s);
}

/*
 * A session costs as much as fifty datagrams. Whoever has UDP_CROWD of them floods, or can wait:
 * without this bound 10,000 of its datagrams stood in the queue for a second before others'.
 */
static bool crowd_may_open(struct udp_engine *e, const struct addr *from)
{
	const struct source *s = sources_find(&e->worker->sources, from);

	if (!s || s->kind[SOURCE_UDP].count < UDP_CROWD)
		return true;
	return e->crowd_opens++ < UDP_CROWD_OPENS;
}

/* The datagram begins no session: its sender is told. */
static void session_refuse(struct udp_engine *e, const struct worker_packet *p,
			   const struct failure *f)
{
	worker_drop(e->worker, f->why);
	worker_icmp_error(e->worker, f->icmp, 0, NULL, p->raw.data, p->raw.len);
}

struct udp_session *udp_session_open(struct udp_engine *e, const struct worker_packet *p,
				     const struct udp_options *options)
{
	struct worker *w = e->worker;
	struct endpoint to = worker_upstream_of(w, &p->key);
	struct failure full = { .icmp = ICMP_ERR_PROHIBITED, .end = END_LIMIT };
	struct udp_session *s;
	struct flow_info info;
	int err;

	if (!crowd_may_open(e, &p->key.saddr)) { /* as lost in a full queue: no word of it */
		worker_drop(w, DROP_SESSIONS);
		worker_flow_end(w, &p->key, clock_ns(), END_LIMIT);
		return NULL;
	}
	s = session_take(e, &p->key, &full.why);
	if (!s) {
		session_refuse(e, p, &full);
		worker_flow_end(w, &p->key, clock_ns(), END_LIMIT);
		return NULL;
	}
	s->engine = e;
	s->end = END_IDLE;
	s->watch = (struct watch){ .ready = session_ready, .fd = -1 };
	err = socket_make(s, &to, options);
	if (err) {
		struct failure f = failure_of_open(-err);

		session_refuse(e, p, &f);
		udp_session_close(s, f.end);
		return NULL;
	}
	datapath_count(&w->datapath, RSTAT_UDP_OPEN, 1);
	datapath_count(&w->datapath, RSTAT_UDP_TOTAL, 1);
	worker_flow_info(w, &p->key, &to, &info);
	datapath_flow_note(&w->datapath, &p->key, &info);
	log_session(s, &to);
	return s;
}

/* The dead worker's socket is gone: the application learns it as from a peer without one. */
void udp_engine_orphan(struct udp_engine *e, const struct flow_key *key)
{
	struct packet_path path = {
		.src = key->saddr, .dst = key->daddr, .sport = key->sport, .dport = key->dport
	};
	uint8_t quoted[PACKET_HEADERS_MAX];
	size_t len = packet_synthetic(quoted, &path, IPPROTO_UDP, 0);

	worker_icmp_error(e->worker, ICMP_ERR_PORT, 0, &key->daddr, quoted, len);
}

bool udp_engine_refused(struct udp_engine *e, const struct flow_key *key)
{
	struct session *s = sessions_find(&e->sessions, key);

	if (s)
		udp_session_close(udp_session_of(s), END_APP_RESET);
	return s;
}
