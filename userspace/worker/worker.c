// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The worker role: takes its configuration and descriptors from main, then lives in the
 * loop until main says STOP or is gone.
 *
 * It needs no privilege; the system calls that it may use are in supervisor/sandbox.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "netdev/socket.h"
#include "worker/inbox.h"
#include "worker/input.h"
#include "worker/room.h"
#include "worker/worker.h"

struct role {
	struct worker worker;
	struct input *input; /* NULL until START */
	struct role_link link; /* to main */
	char name[32]; /* in log lines */
};

static struct role *role_of(struct role_link *link)
{
	return container_of(link, struct role, link);
}

static void set_default(uint32_t *value, uint32_t standard)
{
	if (!*value)
		*value = standard;
}

static int take_config(struct role_link *link, const struct role_config *config)
{
	struct role *r = role_of(link);
	struct worker *w = &r->worker;
	struct role_config *c = &w->config;

	*c = *config;
	set_default(&c->settings.mtu, MTU_DEFAULT);
	set_default(&c->udp_idle_ms, UDP_IDLE_MS);
	set_default(&c->udp_sweep_ms, UDP_SWEEP_MS);
	set_default(&c->connect_timeout_ms, TCP_CONNECT_TIMEOUT_MS);
	set_default(&c->connect_replace_ms, TCP_CONNECT_REPLACE_MS);
	set_default(&c->tcp_idle_ms, TCP_IDLE_MS);
	w->queue = (struct queue){
		.fd = -1,
		.vnet_hdr_bytes = c->vnet_hdr_bytes,
		.tso = c->tun_tso,
		.uso = c->tun_uso,
	};
	datapath_init(&w->datapath, c->slot);
	snprintf(r->name, sizeof(r->name), "headraced[worker %u]", c->slot);
	log_setup(r->name, c->log_level);
	socket_protect_setup(c->protect, c->settings.mark);
	socket_protect_devices(c->settings.uplink4_ifindex, c->settings.uplink6_ifindex);
	return 0;
}

static int take_descriptor(struct role_link *link, const struct role_descriptor *d, int fd)
{
	struct worker *w = &role_of(link)->worker;
	int *places[ROLE_FD_NUM] = {
		[ROLE_FD_QUEUE] = &w->queue.fd,
		[ROLE_FD_RELAY] = &w->relay_fd,
		[ROLE_FD_ICMP4] = &w->icmp_fd[0],
		[ROLE_FD_ICMP6] = &w->icmp_fd[1],
	};
	int err = datapath_take(&w->datapath, d->kind, d->index, fd);

	if (err == -ENOENT)
		err = inbox_take(w, d, fd);
	if (err != -ENOENT)
		return err;
	if (d->kind == ROLE_FD_RELAY) /* a new one when the resolver was restarted */
		w->relay_fd = fd_close(w->relay_fd);
	if (d->kind >= ROLE_FD_NUM || !places[d->kind] || *places[d->kind] >= 0) {
		close(fd);
		return -EINVAL;
	}
	*places[d->kind] = fd;
	return 0;
}

/* Flows of a dead predecessor whose applications are still to be told. */
struct orphans {
	struct worker *worker;
	struct flow_key *keys;
	size_t count;
	size_t room;
};

#define ORPHANS_ROOM 1024 /* at first; as many as `flows` has entries at most */

static bool orphans_grow(struct orphans *o)
{
	size_t room = o->room ? 2 * o->room : ORPHANS_ROOM;
	struct flow_key *keys = realloc(o->keys, room * sizeof(*keys));

	if (!keys)
		return false;
	o->keys = keys;
	o->room = room;
	return true;
}

static void end_orphan(void *arg, const struct flow_key *key, const struct flow *flow)
{
	struct orphans *o = arg;

	worker_flow_end(o->worker, key, clock_ns(), END_ROLE_DIED);
	if (o->count < o->room || orphans_grow(o))
		o->keys[o->count++] = *key;
}

static void tell_orphans(const struct orphans *o)
{
	for (size_t i = 0; i < o->count; i++) {
		if (o->keys[i].proto == IPPROTO_TCP)
			tcp_engine_orphan(o->worker->tcp, &o->keys[i]);
		else if (o->keys[i].proto == IPPROTO_UDP)
			udp_engine_orphan(o->worker->udp, &o->keys[i]);
	}
}

static void forget_gauges(struct worker *w)
{
	static const enum role_stat gauges[] = {
		RSTAT_TCP_OPEN,	 RSTAT_TCP_CONNECTING, RSTAT_UDP_OPEN,
		RSTAT_ICMP_OPEN, RSTAT_BUFFER_BYTES,   RSTAT_FRAGMENTS_HELD,
	};
	const __u64 *stats = (const __u64 *)&w->datapath.counters->stats;

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		datapath_count(&w->datapath, gauges[i], -(int64_t)stats[gauges[i]]);
	for (int i = 0; i < BUDGET_NUM; i++)
		datapath_budget(&w->datapath, (enum budget)i)->used = 0;
}

/*
 * What a dead predecessor left: its queue's packets belong to connections that nobody knows any
 * more, and each of its flows gets an end that the application sees.
 *
 * Flows end before the queue is emptied: a packet that was queued before its flow's entry went
 * would begin a flow here that has no entry, and the one that a later packet makes would be
 * newer than it, and stay for ever. Applications are told after that, as they answer.
 */
static void take_over(struct worker *w)
{
	struct orphans orphans = { .worker = w };
	int err = datapath_flow_each(&w->datapath, w->config.slot, end_orphan, &orphans);

	input_drain(w);
	inbox_drain(w);
	tell_orphans(&orphans);
	free(orphans.keys);
	if (err)
		log_warn("worker", "flows of the predecessor not ended error=%s", strerror(-err));
}

static int make_engines(struct worker *w)
{
	int err = room_init(w);

	if (!err)
		err = tcp_engine_new(w, &w->tcp);
	if (!err)
		err = udp_engine_new(w, &w->udp);
	if (!err)
		err = icmp_engine_new(w, &w->icmp);
	return err;
}

static int start(struct role_link *link)
{
	struct role *r = role_of(link);
	struct worker *w = &r->worker;
	int err;

	if (w->queue.fd < 0)
		return -EPROTO;
	w->fragment_id = random_u32();
	if (w->config.restarted)
		forget_gauges(w);
	err = make_engines(w);
	if (err)
		return err;
	if (w->config.restarted)
		take_over(w);
	err = input_new(w, &r->input);
	return err ? err : inbox_open(w, r->input);
}

/* A worker has nothing to tell beyond its counters: the answer is its end mark. */
static int answer_query(struct role_link *link, uint64_t tag, const char *text, size_t len)
{
	return 0;
}

static void take_uplinks(struct role_link *link, const struct role_uplinks *u)
{
	socket_protect_devices(u->ifindex4, u->ifindex6);
}

static const struct role_link_ops ops = {
	.component = "worker",
	.config = take_config,
	.descriptor = take_descriptor,
	.start = start,
	.query = answer_query,
	.uplinks = take_uplinks,
};

static void role_done(struct role *r)
{
	struct worker *w = &r->worker;

	inbox_free(w->inbox);
	input_free(r->input);
	if (w->tcp)
		tcp_engine_free(w->tcp);
	udp_engine_free(w->udp);
	icmp_engine_free(w->icmp);
	room_done(w);
	role_link_close(&r->link);
	if (r->link.configured) {
		queue_close(&w->queue);
		datapath_done(&w->datapath);
	}
	loop_free(w->loop);
}

int worker_main(void)
{
	struct role r = {
		.worker = { .relay_fd = -1, .icmp_fd = { -1, -1 } },
	};
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (loop_new(&r.worker.loop))
		return EXIT_FAILURE;
	status = role_link_open(&r.link, r.worker.loop, &ops);
	if (!status)
		status = loop_run(r.worker.loop);
	role_done(&r);
	return status < 0 ? EXIT_FAILURE : status;
}
