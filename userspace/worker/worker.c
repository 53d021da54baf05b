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
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/message.h"
#include "base/random.h"
#include "netdev/socket.h"
#include "worker/input.h"
#include "worker/worker.h"

struct role {
	struct worker worker;
	struct input *input; /* NULL until START */
	struct watch control; /* ROLE_FD */
	bool configured;
	char name[32]; /* in log lines */
};

static void set_default(uint32_t *value, uint32_t standard)
{
	if (!*value)
		*value = standard;
}

static void take_config(struct role *r, const struct role_config *config)
{
	struct worker *w = &r->worker;
	struct role_config *c = &w->config;

	*c = *config;
	set_default(&c->settings.mtu, MTU_DEFAULT);
	set_default(&c->udp_idle_ms, UDP_IDLE_MS);
	set_default(&c->udp_sweep_ms, UDP_SWEEP_MS);
	set_default(&c->connect_timeout_ms, TCP_CONNECT_TIMEOUT_MS);
	set_default(&c->connects_max, TCP_CONNECTS_MAX);
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
	r->configured = true;
}

static int take_counters(struct worker *w, int fd)
{
	int err = datapath_map_counters(&w->datapath, fd);

	close(fd); /* the mapping stays */
	return err;
}

/* `fd` is ours from here on. 0 or -errno. */
static int take_descriptor(struct worker *w, uint32_t kind, int fd)
{
	int *places[ROLE_FD_NUM] = {
		[ROLE_FD_QUEUE] = &w->queue.fd,
		[ROLE_FD_RELAY] = &w->relay_fd,
		[ROLE_FD_FLOWS] = &w->datapath.flows,
		[ROLE_FD_FLOW_INFO] = &w->datapath.flow_info,
		[ROLE_FD_DOMAINS] = &w->datapath.domains,
		[ROLE_FD_FLOW_END] = &w->datapath.flow_end,
		[ROLE_FD_ICMP4] = &w->icmp_fd[0],
		[ROLE_FD_ICMP6] = &w->icmp_fd[1],
	};

	if (kind == ROLE_FD_COUNTERS)
		return take_counters(w, fd);
	if (kind == ROLE_FD_RELAY) /* a new one when the resolver was restarted */
		w->relay_fd = fd_close(w->relay_fd);
	if (kind >= ROLE_FD_NUM || !places[kind] || *places[kind] >= 0) {
		close(fd);
		return -EINVAL;
	}
	*places[kind] = fd;
	return 0;
}

/*
 * What a dead predecessor left: its queue's packets belong to connections that nobody
 * knows any more, and each of its flows gets an end that the application sees.
 */
static void end_orphan(void *arg, const struct flow_key *key, const struct flow *flow)
{
	struct worker *w = arg;

	if (key->proto == IPPROTO_TCP)
		tcp_engine_orphan(w->tcp, key);
	else if (key->proto == IPPROTO_UDP)
		udp_engine_orphan(w->udp, key);
	worker_flow_end(w, key, clock_ns(), END_ROLE_DIED);
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
}

static void take_over(struct worker *w)
{
	int err;

	input_drain(w);
	err = datapath_flow_each(&w->datapath, w->config.slot, end_orphan, w);
	if (err)
		log_warn("worker", "flows of the predecessor not ended error=%s", strerror(-err));
}

static int make_engines(struct worker *w)
{
	int err = tcp_engine_new(w, &w->tcp);

	if (!err)
		err = udp_engine_new(w, &w->udp);
	if (!err)
		err = icmp_engine_new(w, &w->icmp);
	return err;
}

static int start(struct role *r)
{
	struct worker *w = &r->worker;
	int err;

	if (w->queue.fd < 0 || r->input)
		return -EPROTO;
	w->fragment_id = random_u32();
	if (w->config.restarted)
		forget_gauges(w);
	err = make_engines(w);
	if (err)
		return err;
	if (w->config.restarted)
		take_over(w);
	return input_new(w, &r->input);
}

static int send_plain(uint32_t type)
{
	struct role_message m = { .type = type };

	return message_send(ROLE_FD, &m, sizeof(m), -1);
}

/* A worker has nothing to tell beyond its counters: the answer is its end mark. */
static int answer_query(const void *body, size_t len)
{
	struct {
		struct role_message head;
		struct role_text text;
	} __attribute__((packed)) m = { .head.type = ROLE_TEXT };

	if (len < sizeof(m.text))
		return -EPROTO;
	memcpy(&m.text.tag, body, sizeof(m.text.tag));
	return message_send(ROLE_FD, &m, sizeof(m), -1);
}

static int take_message(struct role *r, uint32_t type, const void *body, size_t len, int fd)
{
	struct role_config config;
	struct role_descriptor d;
	int err;

	switch (type) {
	case ROLE_CONFIG:
		if (len < sizeof(config) || r->configured)
			return -EPROTO;
		memcpy(&config, body, sizeof(config));
		take_config(r, &config);
		return 0;
	case ROLE_DESCRIPTOR:
		if (len < sizeof(d) || fd < 0 || !r->configured)
			return -EPROTO;
		memcpy(&d, body, sizeof(d));
		return take_descriptor(&r->worker, d.kind, fd);
	case ROLE_START:
		err = r->configured ? start(r) : -EPROTO;
		return err ? err : send_plain(ROLE_READY);
	case ROLE_STOP:
		loop_stop(r->worker.loop, EXIT_SUCCESS);
		return 0;
	case ROLE_QUERY:
		return answer_query(body, len);
	default:
		return -EPROTO;
	}
}

static void control_ready(struct watch *watch, uint32_t events)
{
	struct role *r = container_of(watch, struct role, control);
	char buf[ROLE_MESSAGE_MAX];
	struct role_message m;
	int fd, err;
	ssize_t n = message_recv(ROLE_FD, buf, sizeof(buf), &fd);

	if (n == -EAGAIN)
		return;
	if (n <= 0) { /* main is gone */
		loop_stop(r->worker.loop, EXIT_FAILURE);
		return;
	}
	memset(&m, 0xff, sizeof(m));
	if ((size_t)n >= sizeof(m))
		memcpy(&m, buf, sizeof(m));
	if (m.type != ROLE_DESCRIPTOR && fd >= 0)
		close(fd);
	err = take_message(r, m.type, buf + sizeof(m), n - sizeof(m), fd);
	if (err) {
		log_err("worker", "message of main failed type=%u error=%s", m.type,
			strerror(-err));
		loop_stop(r->worker.loop, EXIT_FAILURE);
	}
}

static void role_done(struct role *r)
{
	struct worker *w = &r->worker;

	input_free(r->input);
	if (w->tcp)
		tcp_engine_free(w->tcp);
	udp_engine_free(w->udp);
	icmp_engine_free(w->icmp);
	loop_remove(w->loop, &r->control);
	if (r->configured) {
		queue_close(&w->queue);
		datapath_done(&w->datapath);
	}
	loop_free(w->loop);
}

int worker_main(void)
{
	struct role r = {
		.worker = { .relay_fd = -1, .icmp_fd = { -1, -1 } },
		.control = { .ready = control_ready, .fd = ROLE_FD },
	};
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (loop_new(&r.worker.loop))
		return EXIT_FAILURE;
	status = loop_add(r.worker.loop, &r.control, EPOLLIN);
	if (!status)
		status = loop_run(r.worker.loop);
	role_done(&r);
	return status < 0 ? EXIT_FAILURE : status;
}
