// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ICMP engine: sessions of echo. A request to the stack's own address is answered here;
 * one to anywhere else is really sent, so that what the application sees of loss, time and
 * errors is true. A session ends when nothing passed in either direction for ICMP_IDLE_MS,
 * or as its source's least recently used one when room is needed (room.h).
 *
 * Replies carry the TTL that they arrived with, less one (a ping socket's our own). Port
 * unreachable from the
 * application ends the UDP session that it is about; other ICMP is counted (DROP_ICMP_TYPE)
 * and ends here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "bpf/classify.h"
#include "netdev/packet.h"
#include "worker/failure.h"
#include "worker/icmp.h"
#include "worker/room.h"

#define ICMP4_REPLY 0
#define ICMP6_REPLY 129
#define ICMP4_CODE_PORT 3
#define ICMP6_CODE_PORT 4

static void session_close(struct icmp_session *s, enum flow_end end)
{
	struct icmp_engine *e = s->engine;
	struct worker *w = e->worker;

	icmp_upstream_close(s);
	datapath_count(&w->datapath, RSTAT_ICMP_OPEN, -1);
	worker_flow_end(w, &s->session.key, clock_ns(), end);
	datapath_budget(&w->datapath, BUDGET_ICMP)->used--;
	room_give(w, s->session.source, s->descriptors);
	sessions_remove(&e->sessions, &s->session);
}

bool icmp_engine_evict(struct icmp_engine *e, const struct source *from, uint64_t idle_ms)
{
	struct session *s = sessions_idle(&e->sessions, from, idle_ms);

	if (s)
		session_close(icmp_session_of(s), END_LIMIT);
	return s;
}

static void session_idle(struct session *s)
{
	session_close(icmp_session_of(s), icmp_session_of(s)->end);
}

static void sweep(struct timer *t)
{
	struct icmp_engine *e = container_of(t, struct icmp_engine, sweep);

	sessions_sweep(&e->sessions, ICMP_SESSIONS_MAX, session_idle);
	loop_arm(e->worker->loop, &e->sweep, ICMP_IDLE_MS / 2);
}

static void watch_raw(struct icmp_engine *e, int i, void (*ready)(struct watch *, uint32_t))
{
	int on = 1, dont = IP_PMTUDISC_DONT;

	e->raw[i] = (struct watch){ .ready = ready, .fd = e->worker->icmp_fd[i] };
	if (e->raw[i].fd >= 0 && loop_add(e->worker->loop, &e->raw[i], EPOLLIN))
		e->raw[i].fd = -1;
	if (i && e->raw[i].fd >= 0) /* IPv4 hands out the whole header */
		setsockopt(e->raw[i].fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
	if (!i && e->raw[i].fd >= 0) /* may be as a worker that died has left it */
		setsockopt(e->raw[i].fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
}

int icmp_engine_new(struct worker *w, struct icmp_engine **ret_engine)
{
	struct icmp_engine *e = calloc(1, sizeof(*e));
	unsigned int ids = 1U << w->config.icmp_id_bits;
	int err;

	if (!e)
		return -ENOMEM;
	err = sessions_init(&e->sessions, &w->sources, SOURCE_ICMP,
			    (unsigned int)datapath_budget(&w->datapath, BUDGET_ICMP)->limit,
			    sizeof(struct icmp_session), ICMP_IDLE_MS);
	if (err) {
		free(e);
		return err;
	}
	e->worker = w;
	e->free_count = ids < ICMP_SESSIONS_MAX ? ids : ICMP_SESSIONS_MAX;
	for (unsigned int i = 0; i < e->free_count; i++)
		e->free_index[i] = i;
	watch_raw(e, 0, icmp_raw4_ready);
	watch_raw(e, 1, icmp_raw6_ready);
	timer_init(&e->sweep, sweep);
	loop_arm(w->loop, &e->sweep, ICMP_IDLE_MS / 2);
	*ret_engine = e;
	return 0;
}

void icmp_engine_free(struct icmp_engine *e)
{
	struct session *s;

	if (!e)
		return;
	while ((s = sessions_any(&e->sessions)))
		session_close(icmp_session_of(s), END_SHUTDOWN);
	loop_disarm(&e->sweep);
	loop_remove(e->worker->loop, &e->raw[0]);
	loop_remove(e->worker->loop, &e->raw[1]);
	sessions_done(&e->sessions);
	free(e);
}

void icmp_write_reply(struct icmp_session *s, __be16 seq, uint8_t ttl, const struct iovec *payload)
{
	const struct flow_key *k = &s->session.key;
	struct packet_path path = { .src = k->daddr, .dst = k->saddr, .ttl = ttl };
	bool v4 = icmp_is_v4(s);
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct icmp_echo h = {
		.type = v4 ? ICMP4_REPLY : ICMP6_REPLY,
		.id = k->sport,
		.seq = seq,
	};
	struct iovec l4 = { &h, sizeof(h) };
	uint32_t sum = v4 ? 0 :
			    csum_pseudo(&path.src, &path.dst, proto, sizeof(h) + payload->iov_len);

	sum = csum_add(csum_add(sum, &h, sizeof(h)), payload->iov_base, payload->iov_len);
	h.checksum = csum_fold(sum);
	worker_write_l4(s->engine->worker, &path, proto, &l4, payload);
}

static bool is_stack(const struct worker *w, const struct addr *a)
{
	const struct settings *s = &w->config.settings;

	return addr_eq(a, addr_is_v4(a) ? &s->stack4 : &s->stack6);
}

/* A place in the table, booked. NULL: *ret_why. */
static struct icmp_session *session_take(struct icmp_engine *e, const struct worker_packet *p,
					 enum drop_reason *ret_why)
{
	struct worker *w = e->worker;
	bool v4 = addr_is_v4(&p->key.daddr);
	struct icmp_session *s;
	struct session *found;

	if (!room_for_flow(w, &p->key.saddr, p->key.proto, ret_why))
		return NULL;
	*ret_why = DROP_NO_MEMORY;
	found = sessions_add(&e->sessions, &p->key);
	if (!found)
		return NULL;
	s = icmp_session_of(found);
	s->engine = e;
	s->end = END_IDLE;
	s->watch = (struct watch){ .ready = icmp_ping_ready, .fd = -1 };
	s->descriptors = !is_stack(w, &p->key.daddr) && e->raw[v4 ? 0 : 1].fd < 0;
	room_take(w, found->source, s->descriptors);
	datapath_budget(&w->datapath, BUDGET_ICMP)->used++;
	datapath_count(&w->datapath, RSTAT_ICMP_OPEN, 1);
	datapath_count(&w->datapath, RSTAT_ICMP_TOTAL, 1);
	return s;
}

static void session_refuse(struct worker *w, const struct worker_packet *p, const struct failure *f)
{
	worker_drop(w, f->why);
	worker_icmp_error(w, f->icmp, 0, NULL, p->raw.data, p->raw.len);
}

static struct icmp_session *session_open(struct icmp_engine *e, const struct worker_packet *p)
{
	struct worker *w = e->worker;
	struct endpoint to = worker_upstream_of(w, &p->key);
	struct failure f = { .icmp = ICMP_ERR_PROHIBITED };
	struct icmp_session *s = session_take(e, p, &f.why);
	struct flow_info info;
	int err = 0;

	if (!s) {
		session_refuse(w, p, &f);
		worker_flow_end(w, &p->key, clock_ns(), END_LIMIT);
		return NULL;
	}
	if (!is_stack(w, &p->key.daddr))
		err = icmp_upstream_open(s);
	if (err) {
		f = failure_of_open(-err);
		session_refuse(w, p, &f);
		session_close(s, f.end);
		return NULL;
	}
	worker_flow_info(w, &p->key, &to, &info);
	datapath_flow_note(&w->datapath, &p->key, &info);
	return s;
}

/* A request to ourselves. */
static void answer(struct icmp_session *s, const struct worker_packet *p)
{
	const uint8_t *at = p->raw.data + p->head.l4_offset;
	struct iovec payload = { (void *)(at + sizeof(struct icmp_echo)),
				 p->raw.len - p->head.payload_offset };
	struct icmp_echo h;

	memcpy(&h, at, sizeof(h));
	icmp_write_reply(s, h.seq, 0, &payload);
}

/* The application's kernel has no port for an answer that we wrote: the session is over. */
static bool is_port_unreachable(const struct packet *h)
{
	if (h->version == 4)
		return h->icmp_type == ICMP4_UNREACHABLE && h->icmp_code == ICMP4_CODE_PORT;
	return h->icmp_type == ICMP6_UNREACHABLE && h->icmp_code == ICMP6_CODE_PORT;
}

bool icmp_refused_flow(const struct worker_packet *p, struct flow_key *ret_key)
{
	struct packet quoted;

	if (!is_port_unreachable(&p->head))
		return false;
	if (packet_parse(&quoted, p->raw.data + p->head.payload_offset, p->raw.data + p->raw.len,
			 PACKET_MAX) ||
	    quoted.proto != IPPROTO_UDP || !quoted.l4_valid ||
	    !addr_eq(&quoted.daddr, &p->head.saddr))
		return false;
	packet_key_down(&quoted, ret_key);
	return true;
}

void icmp_engine_input(struct icmp_engine *e, struct worker_packet *p)
{
	struct session *found;
	struct icmp_session *s;

	if (!packet_is_echo_request(&p->head)) {
		struct flow_key key;

		if (!icmp_refused_flow(p, &key) || !udp_engine_refused(e->worker->udp, &key))
			worker_drop(e->worker, DROP_ICMP_TYPE);
		return;
	}
	found = sessions_find(&e->sessions, &p->key);
	s = found ? icmp_session_of(found) : session_open(e, p);
	if (!s)
		return;
	sessions_touch(&e->sessions, &s->session);
	if (is_stack(e->worker, &p->key.daddr))
		answer(s, p);
	else
		icmp_send(s, p);
}
