// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The resolver role: takes its configuration and descriptors from main, joins the listener
 * (queries in, answers out) to the service (what the answers are), and lives in the loop.
 *
 * Streams and sockets towards upstreams are budgeted from RLIMIT_NOFILE: what the limit leaves
 * beside the role's own descriptors. Questions beyond it wait for a free one.
 *
 * The system calls that it may use are in supervisor/sandbox.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/role.h"
#include "datapath/dns_log.h"
#include "dns/console.h"
#include "dns/listener.h"
#include "dns/reply.h"
#include "dns/resolver.h"
#include "dns/service.h"
#include "dns/setup.h"
#include "netdev/socket.h"

#define FDS_SPARE 32 /* new relays, files being read, streams on their way to us */

struct resolver {
	struct loop *loop;
	struct role_link link; /* to main */
	struct role_config config;
	struct datapath datapath;
	uint32_t streams_max, sockets_max; /* of what there is of descriptors */
	struct setup setup; /* in force once there is a service */
	struct setup next; /* of a reload */
	uint64_t reload_tag; /* of the question for it, 0 = none is under way */
	int queue_fd;
	int relay_fd[ROLES_MAX]; /* that came before START, -1 = none */
	struct service *service; /* NULL until START */
	bool configured; /* its configuration is in force, or could not be: */
	int conf_status; /* -errno */
	struct listener *listener;
	struct console *console;
	struct dns_log kernel_log; /* what the kernel half answers by itself */
};

static struct resolver *resolver_of(struct role_link *link)
{
	return container_of(link, struct resolver, link);
}

/* --- what main says ---------------------------------------------------------------------- */

static int take_config(struct role_link *link, const struct role_config *config)
{
	struct resolver *r = resolver_of(link);

	r->config = *config;
	if (!r->config.settings.mtu)
		r->config.settings.mtu = MTU_DEFAULT;
	log_setup("headraced[resolver]", (enum log_level)r->config.log_level);
	socket_protect_setup((enum protect_mode)r->config.protect, r->config.settings.mark);
	socket_protect_devices(r->config.settings.uplink4_ifindex,
			       r->config.settings.uplink6_ifindex);
	return 0;
}

static void replace_fd(int *place, int fd)
{
	fd_close(*place);
	*place = fd;
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

static int take_descriptor(struct role_link *link, const struct role_descriptor *d, int fd)
{
	struct resolver *r = resolver_of(link);
	int err = datapath_take(&r->datapath, d->kind, d->index, fd);

	if (err != -ENOENT)
		return err;
	err = setup_take(r->service ? &r->next : &r->setup, d->kind, d->index, fd);
	if (err != -ENOENT)
		return err;
	if (d->kind == ROLE_FD_RELAY)
		return take_relay(r, d->index, fd);
	if (d->kind != ROLE_FD_QUEUE || r->service) {
		fd_close(fd);
		return -EPROTO;
	}
	replace_fd(&r->queue_fd, fd);
	return 0;
}

/* --- start ------------------------------------------------------------------------------- */

/*
 * What RLIMIT_NOFILE leaves beside the role's own, or less if that was asked for: streams get
 * half of it at most, sockets towards upstreams the rest.
 */
static void share_descriptors(struct resolver *r)
{
	const struct limits *l = &r->config.limits;
	uint64_t room = budget_descriptors(FDS_SPARE);

	if (l->n[LIMIT_DESCRIPTORS] && l->n[LIMIT_DESCRIPTORS] < room)
		room = l->n[LIMIT_DESCRIPTORS];
	datapath_budget(&r->datapath, BUDGET_DESCRIPTORS)->limit = room;
	r->streams_max =
		(uint32_t)(l->n[LIMIT_DNS_STREAMS] < room / 2 ? l->n[LIMIT_DNS_STREAMS] : room / 2);
	room -= r->streams_max;
	r->sockets_max =
		(uint32_t)(room < l->n[LIMIT_DNS_QUERIES] ? room : l->n[LIMIT_DNS_QUERIES]);
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

static int read_setup(struct resolver *r)
{
	struct conf_errors errors;
	int err = setup_read(&r->setup, &r->config, &errors);

	if (err)
		log_err("dns", "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
	return err;
}

static void configured(void *arg, int status, const struct conf_errors *errors);

static int make_service(struct resolver *r)
{
	struct service_options options = {
		.queries_max = (uint32_t)r->config.limits.n[LIMIT_DNS_QUERIES],
		.client_queries_max = (uint32_t)r->config.limits.n[LIMIT_SOURCE_DNS_QUERIES],
		.sockets_max = r->sockets_max,
		.flows_max = limits_dns_flows(&r->config.limits),
		.timeout_ms = r->config.dns_timeout_ms,
		.mtu = r->config.settings.mtu,
		.host_loopback = r->config.host_loopback,
		.host_capture = r->config.settings.host,
		.conf = r->setup.conf,
		.list_fds = r->setup.list_fd,
		.upstreams = r->config.upstreams,
		.ready = configured,
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
		.streams_max = r->streams_max,
		.client_streams_max = (uint32_t)r->config.limits.n[LIMIT_SOURCE_DNS_STREAMS],
		.read_queue = !r->config.single_queue,
		.query = query,
		.flow_seen = flow_seen,
		.arg = r,
	};

	return listener_new(r->loop, &r->datapath, &options, &r->listener);
}

/* Those of `s` in place of what there was; where an address is the same nothing is lost. */
static int take_listeners(struct resolver *r, struct setup *s)
{
	int fds[2 * CONF_LISTENERS_MAX];
	size_t num = setup_take_listeners(s, fds);

	return listener_sockets(r->listener, fds, num);
}

static int make_console(struct resolver *r)
{
	struct console_options options = {
		.loop = r->loop,
		.service = r->service,
		.send = role_send_text,
	};

	return console_new(&options, &r->console);
}

/* Queries are taken from here on. */
static int take_queries(struct resolver *r)
{
	int err = make_listener(r);

	if (!err)
		err = take_listeners(r, &r->setup);
	if (err)
		return err;
	for (unsigned int slot = 0; slot < ROLES_MAX; slot++) {
		if (r->relay_fd[slot] >= 0)
			listener_relay(r->listener, slot, r->relay_fd[slot]);
		r->relay_fd[slot] = -1;
	}
	log_debug("dns", "ready sockets_max=%u", r->service->options.sockets_max);
	return 0;
}

static void kernel_answered(void *arg, const struct dns_log_entry *e)
{
	struct resolver *r = arg;

	reply_note_kernel(r->service, e);
}

/* Long lists take a while: what is asked meanwhile waits in the queue. */
static void configured(void *arg, int status, const struct conf_errors *errors)
{
	struct resolver *r = arg;

	r->configured = true;
	r->conf_status = status;
	if (!r->console) /* within start(), which goes on by itself */
		return;
	if (status == 0)
		status = take_queries(r);
	if (status < 0)
		loop_stop(r->loop, EXIT_FAILURE);
}

/*
 * After a restart the queue still holds what came meanwhile: it is read as ever, so clients
 * that still wait are answered. What the dead one had in flight is asked again by clients.
 */
static int start(struct role_link *link)
{
	struct resolver *r = resolver_of(link);
	int err;

	if (r->queue_fd < 0)
		return -EPROTO;
	share_descriptors(r);
	err = read_setup(r);
	if (!err)
		err = make_service(r);
	if (!err)
		err = r->conf_status;
	if (err)
		return err;
	if (r->config.restarted)
		service_adopt(r->service);
	err = dns_log_open(&r->kernel_log, r->loop, &r->datapath, kernel_answered, r);
	if (err)
		log_warn("dns", "what the kernel half answers is not logged: %s", strerror(-err));
	err = r->configured ? take_queries(r) : 0;
	return err ? err : make_console(r);
}

/* --- what main asks ---------------------------------------------------------------------- */

/* In messages as large as may be, then the end mark. */
static void send_answer(uint64_t tag, const char *text)
{
	size_t left = strlen(text), bytes;
	int err = 0;

	for (; !err && left; left -= bytes, text += bytes) {
		bytes = left < ROLE_TEXT_MAX ? left : ROLE_TEXT_MAX;
		err = role_send_text(tag, text, bytes);
	}
	if (!err)
		err = role_send_text(tag, NULL, 0);
	if (err)
		log_warn("dns", "answer to main lost: %s", strerror(-err));
}

/*
 * The service answers by the new configuration, or by the old one as before (`status`). New
 * sockets cannot fail for the configuration's sake; if they do, this process is not what main
 * takes it for, and another one begins with what was in force.
 */
static void reload_done(void *arg, int status, const struct conf_errors *errors)
{
	static char text[sizeof(errors->text) + 16];
	struct resolver *r = arg;

	snprintf(text, sizeof(text), "%s%s", status ? "" : "ok\n", errors->text);
	if (status) {
		setup_done(&r->next);
	} else if (take_listeners(r, &r->next)) {
		log_err("dns", "the sockets of the new configuration cannot be used");
		loop_stop(r->loop, EXIT_FAILURE);
		return;
	} else {
		setup_done(&r->setup);
		r->setup = r->next;
		setup_init(&r->next);
	}
	send_answer(r->reload_tag, text);
	r->reload_tag = 0;
}

/* Main asks for one reload at a time, and has sent all that it needs. */
static int begin_reload(struct resolver *r, uint64_t tag)
{
	static struct conf_errors errors;
	int err;

	if (r->reload_tag)
		return -EPROTO;
	r->reload_tag = tag;
	err = setup_read(&r->next, &r->config, &errors);
	if (!err)
		err = service_reload(r->service, r->next.conf, r->next.list_fd, reload_done, r);
	if (err == -EBUSY)
		conf_errors_add(&errors, "configuration: the one before is still being read");
	if (err)
		reload_done(r, err, &errors);
	return 1;
}

static int answer_query(struct role_link *link, uint64_t tag, const char *text, size_t len)
{
	static const char reload[] = "reload";

	if (len == sizeof(reload) - 1 && !memcmp(text, reload, len))
		return begin_reload(resolver_of(link), tag);
	dns_log_read(&resolver_of(link)->kernel_log);
	return console_ask(resolver_of(link)->console, tag, text, len);
}

static void forget_query(struct role_link *link, uint64_t tag)
{
	console_forget(resolver_of(link)->console, tag);
}

static void take_uplinks(struct role_link *link, const struct role_uplinks *u)
{
	socket_protect_devices(u->ifindex4, u->ifindex6);
}

static const struct role_link_ops ops = {
	.component = "dns",
	.config = take_config,
	.descriptor = take_descriptor,
	.start = start,
	.query = answer_query,
	.forget = forget_query,
	.uplinks = take_uplinks,
};

/* --- loop -------------------------------------------------------------------------------- */

static int run(struct resolver *r)
{
	int err = loop_new(&r->loop);

	if (err)
		return EXIT_FAILURE;
	err = role_link_open(&r->link, r->loop, &ops);
	if (!err)
		err = loop_run(r->loop);
	if (err < 0)
		log_err("dns", "event loop failed: %s", strerror(-err));
	dns_log_close(&r->kernel_log);
	service_free(r->service); /* what is in flight gets SERVFAIL through the listener */
	console_free(r->console);
	listener_free(r->listener);
	role_link_close(&r->link);
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
	setup_init(&r->setup);
	setup_init(&r->next);
	r->queue_fd = -1;
	for (unsigned int slot = 0; slot < ROLES_MAX; slot++)
		r->relay_fd[slot] = -1;
	status = run(r);
	datapath_done(&r->datapath);
	setup_done(&r->setup);
	setup_done(&r->next);
	fd_close(r->queue_fd);
	free(r);
	return status;
}
