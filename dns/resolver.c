// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The resolver role: takes its configuration and descriptors from main, joins the listener
 * (queries in, answers out) to the service (what the answers are), and lives in the loop.
 *
 * Sockets towards upstreams are budgeted from RLIMIT_NOFILE: what the limit leaves beside
 * streams and the role's own descriptors. Questions beyond it wait for a free one.
 *
 * The system calls that it may use are in supervisor/sandbox.c.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/message.h"
#include "base/role.h"
#include "dns/listener.h"
#include "dns/resolver.h"
#include "dns/service.h"
#include "dns/show.h"
#include "netdev/socket.h"

#define FDS_RESERVED 64 /* maps, queue, relays, loop, files being read */
#define FDS_FALLBACK 1024 /* where the limit cannot be read */
#define SOCKETS_MIN 64
#define TEXT_WAIT_MS 1000 /* for main to take an answer */

struct resolver {
	struct loop *loop;
	struct watch control; /* ROLE_FD */
	struct role_config config;
	struct datapath datapath;
	int queue_fd;
	int relay_fd[ROLES_MAX]; /* that came before START, -1 = none */
	bool configured;
	struct service *service; /* NULL until START */
	struct listener *listener;
	uint8_t message[ROLE_MESSAGE_MAX];
};

/* --- what main says ---------------------------------------------------------------------- */

static int take_config(struct resolver *r, const uint8_t *body, size_t len)
{
	if (len != sizeof(r->config) || r->configured)
		return -EPROTO;
	memcpy(&r->config, body, len);
	r->configured = true;
	if (!r->config.settings.mtu)
		r->config.settings.mtu = MTU_DEFAULT;
	log_setup("headraced[resolver]", (enum log_level)r->config.log_level);
	socket_protect_setup((enum protect_mode)r->config.protect, r->config.settings.mark);
	return 0;
}

static void replace_fd(int *place, int fd)
{
	fd_close(*place);
	*place = fd;
}

static int take_counters(struct resolver *r, int fd)
{
	int err = datapath_map_counters(&r->datapath, fd);

	fd_close(fd);
	return err;
}

static int take_relay(struct resolver *r, uint32_t slot, int fd)
{
	if (slot >= ROLES_MAX) {
		fd_close(fd);
		return -EPROTO;
	}
	if (r->listener)
		listener_relay(r->listener, slot, fd);
	else
		replace_fd(&r->relay_fd[slot], fd);
	return 0;
}

/* `fd` is ours from here on. */
static int take_descriptor(struct resolver *r, const uint8_t *body, size_t len, int fd)
{
	int *places[ROLE_FD_NUM] = {
		[ROLE_FD_QUEUE] = &r->queue_fd,
		[ROLE_FD_FLOWS] = &r->datapath.flows,
		[ROLE_FD_FLOW_INFO] = &r->datapath.flow_info,
		[ROLE_FD_DOMAINS] = &r->datapath.domains,
		[ROLE_FD_FLOW_END] = &r->datapath.flow_end,
	};
	struct role_descriptor d;

	if (len != sizeof(d) || fd < 0) {
		fd_close(fd);
		return -EPROTO;
	}
	memcpy(&d, body, len);
	if (d.kind == ROLE_FD_RELAY)
		return take_relay(r, d.index, fd);
	if (d.kind == ROLE_FD_COUNTERS)
		return take_counters(r, fd);
	if (d.kind >= ROLE_FD_NUM || !places[d.kind] || r->service) {
		fd_close(fd);
		return -EPROTO;
	}
	replace_fd(places[d.kind], fd);
	return 0;
}

/* --- start ------------------------------------------------------------------------------- */

static uint32_t socket_budget(void)
{
	struct rlimit limit;
	rlim_t own = FDS_RESERVED + DNS_STREAMS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = FDS_FALLBACK;
	if (limit.rlim_cur < own + SOCKETS_MIN)
		return SOCKETS_MIN;
	limit.rlim_cur -= own;
	return limit.rlim_cur < DNS_QUERIES_MAX ? (uint32_t)limit.rlim_cur : DNS_QUERIES_MAX;
}

static void reply(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
	struct resolver *r = arg;

	listener_reply(r->listener, client, msg, len);
}

static int query(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
	struct resolver *r = arg;

	return service_query(r->service, client, msg, len);
}

static void flow_seen(void *arg, const struct flow_key *key)
{
	struct resolver *r = arg;

	service_flow_seen(r->service, key);
}

static int make_service(struct resolver *r)
{
	struct service_options options = {
		.sockets_max = socket_budget(),
		.timeout_ms = r->config.dns_timeout_ms,
		.mtu = r->config.settings.mtu,
		.upstreams = r->config.upstreams,
		.reply = reply,
		.arg = r,
	};

	if (options.upstreams > DNS_UPSTREAMS_MAX)
		return -EPROTO;
	memcpy(options.upstream, r->config.upstream, sizeof(options.upstream));
	return service_new(r->loop, &r->datapath, &options, &r->service);
}

static int make_listener(struct resolver *r)
{
	struct listener_options options = {
		.queue = {
			.fd = r->queue_fd,
			.vnet_hdr_bytes = r->config.vnet_hdr_bytes,
			.tso = r->config.tun_tso,
			.uso = r->config.tun_uso,
		},
		.read_queue = !r->config.single_queue,
		.query = query,
		.flow_seen = flow_seen,
		.arg = r,
	};

	return listener_new(r->loop, &r->datapath, &options, &r->listener);
}

static int send_empty(enum role_message_type type)
{
	struct role_message m = { .type = type };

	return message_send(ROLE_FD, &m, sizeof(m), -1);
}

/*
 * After a restart the queue still holds what came meanwhile: it is read as ever, so clients
 * that still wait are answered. What the dead one had in flight is asked again by clients.
 */
static int start(struct resolver *r)
{
	int err;

	if (!r->configured || r->queue_fd < 0 || r->service)
		return -EPROTO;
	err = make_service(r);
	if (err)
		return err;
	err = make_listener(r);
	if (err)
		return err;
	if (r->config.restarted)
		service_adopt(r->service);
	for (unsigned int slot = 0; slot < ROLES_MAX; slot++) {
		if (r->relay_fd[slot] >= 0)
			listener_relay(r->listener, slot, r->relay_fd[slot]);
		r->relay_fd[slot] = -1;
	}
	log_debug("dns", "ready sockets_max=%u", r->service->options.sockets_max);
	return send_empty(ROLE_READY);
}

/* --- what main asks ---------------------------------------------------------------------- */

/* Gathers lines into messages as large as may be: message header, text header, text. */
#define TEXT_AT (sizeof(struct role_message) + sizeof(struct role_text))

struct text_answer {
	uint64_t tag;
	size_t used; /* of text */
	uint8_t data[ROLE_MESSAGE_MAX];
};

static void send_text(struct text_answer *a)
{
	struct role_message m = { .type = ROLE_TEXT };
	struct role_text t = { .tag = a->tag, .length = (uint32_t)a->used };
	struct pollfd main_takes = { .fd = ROLE_FD, .events = POLLOUT };
	int err;

	memcpy(a->data, &m, sizeof(m));
	memcpy(a->data + sizeof(m), &t, sizeof(t));
	err = message_send(ROLE_FD, a->data, TEXT_AT + a->used, -1);
	/* Main is slow: worth a short wait, for it reads this out of its own loop. */
	if (err == -EAGAIN && poll(&main_takes, 1, TEXT_WAIT_MS) > 0)
		err = message_send(ROLE_FD, a->data, TEXT_AT + a->used, -1);
	if (err)
		log_warn("dns", "answer to main lost: %s", strerror(-err));
	a->used = 0;
}

static void add_text(void *arg, const char *text)
{
	struct text_answer *a = arg;
	size_t left = strlen(text);

	while (left) {
		size_t room = sizeof(a->data) - TEXT_AT - a->used;
		size_t bytes = left < room ? left : room;

		memcpy(a->data + TEXT_AT + a->used, text, bytes);
		a->used += bytes;
		text += bytes;
		left -= bytes;
		if (bytes == room)
			send_text(a);
	}
}

static int answer_query(struct resolver *r, const uint8_t *body, size_t len)
{
	static const char what[] = "dns";
	struct text_answer *a;
	struct role_text q;

	if (len < sizeof(q) || !r->service)
		return -EPROTO;
	memcpy(&q, body, sizeof(q));
	if (q.length > len - sizeof(q))
		return -EPROTO;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->tag = q.tag;
	if (q.length == sizeof(what) - 1 && memcmp(body + sizeof(q), what, q.length) == 0)
		dns_show(r->service, add_text, a);
	if (a->used)
		send_text(a);
	send_text(a); /* length 0: the end */
	free(a);
	return 0;
}

/* --- loop -------------------------------------------------------------------------------- */

static int take_message(struct resolver *r, size_t len, int fd)
{
	const uint8_t *body = r->message + sizeof(struct role_message);
	struct role_message m;

	if (len < sizeof(m)) {
		fd_close(fd);
		return -EPROTO;
	}
	memcpy(&m, r->message, sizeof(m));
	len -= sizeof(m);
	if (m.type == ROLE_DESCRIPTOR)
		return take_descriptor(r, body, len, fd);
	fd_close(fd);
	switch (m.type) {
	case ROLE_CONFIG:
		return take_config(r, body, len);
	case ROLE_START:
		return start(r);
	case ROLE_QUERY:
		return answer_query(r, body, len);
	case ROLE_STOP:
		loop_stop(r->loop, EXIT_SUCCESS);
		return 0;
	default:
		return -EPROTO;
	}
}

static void control_ready(struct watch *w, uint32_t events)
{
	struct resolver *r = container_of(w, struct resolver, control);
	int fd = -1, err;
	ssize_t len = message_recv(w->fd, r->message, sizeof(r->message), &fd);

	if (len == -EAGAIN || len == -EINTR)
		return;
	if (len <= 0) { /* main is gone */
		loop_stop(r->loop, EXIT_FAILURE);
		return;
	}
	err = take_message(r, (size_t)len, fd);
	if (err) {
		log_err("dns", "a message of main could not be followed: %s", strerror(-err));
		loop_stop(r->loop, EXIT_FAILURE);
	}
}

static int run(struct resolver *r)
{
	int err = loop_new(&r->loop);

	if (err)
		return EXIT_FAILURE;
	r->control = (struct watch){ .ready = control_ready, .fd = ROLE_FD };
	err = loop_add(r->loop, &r->control, EPOLLIN);
	if (!err)
		err = loop_run(r->loop);
	if (err < 0)
		log_err("dns", "event loop failed: %s", strerror(-err));
	service_free(r->service); /* what is in flight gets SERVFAIL through the listener */
	listener_free(r->listener);
	loop_remove(r->loop, &r->control);
	loop_free(r->loop);
	return err < 0 ? EXIT_FAILURE : err;
}

int resolver_main(void)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int status;

	if (!r)
		return EXIT_FAILURE;
	log_setup("headraced[resolver]", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	datapath_init(&r->datapath, RESOLVER_QUEUE);
	r->queue_fd = -1;
	for (unsigned int slot = 0; slot < ROLES_MAX; slot++)
		r->relay_fd[slot] = -1;
	status = run(r);
	datapath_done(&r->datapath);
	fd_close(r->queue_fd);
	free(r);
	return status;
}
