// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The crew of an instance: resolver in slot 0, workers in slots 1..n.
 *
 * At the start all processes are made and equipped before any is told to go, so that each
 * finds its relay already there. A role that dies is replaced by a new process with the same
 * queue, the same raw sockets and the same key for sequence numbers; both ends of each of its
 * relays are made anew, and its peers replace theirs. Nothing that a dead role held open can
 * thus be mistaken for something alive.
 *
 * The inboxes by which workers hand each other packets outlive them, as the queues do: main
 * keeps both ends, and nothing in them is believed to be anything but packets.
 *
 * A restarted worker itself ends the flows of its predecessor, for only it can make the
 * application's end fail. Main ends them where that cannot be: the resolver's, and those of
 * a worker that dies again before it is ready.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/message.h"
#include "base/random.h"
#include "datapath/kernel.h"
#include "netdev/icmp.h"
#include "supervisor/capture.h"
#include "supervisor/config.h"
#include "supervisor/crew.h"
#include "supervisor/options.h"

#define ICMP_ID_BITS 10 /* identifiers per worker: ICMP_SESSIONS_MAX */
_Static_assert(1 << ICMP_ID_BITS >= ICMP_SESSIONS_MAX, "an identifier per session");
_Static_assert(WORKERS_MAX << ICMP_ID_BITS <= 1 << 16, "identifiers for all workers");

static const struct role_ops role_ops;

struct role *crew_resolver(struct crew *c)
{
	return &c->role[0];
}

static struct crew *crew_of(struct role *r)
{
	return container_of(r - r->slot, struct crew, role);
}

static void role_config_init(struct crew *c, const struct instance_options *opt,
			     const struct settings *settings)
{
	struct role_config *cfg = &c->config;

	cfg->log_level = opt->log_level;
	cfg->protect = kernel_features(c->kernel)->cgroup[0] ? PROTECT_CGROUP : PROTECT_SO_MARK;
	if (opt->unprivileged)
		cfg->protect = PROTECT_DEVICE;
	cfg->settings = *settings;
	cfg->vnet_hdr_bytes = c->capture->tun.vnet_hdr_bytes;
	cfg->tun_tso = c->capture->tun.tso;
	cfg->tun_uso = c->capture->tun.uso;
	cfg->single_queue = c->capture->single_queue;
	cfg->host_loopback = opt->host_loopback;
	cfg->icmp_id_bits = ICMP_ID_BITS;
	cfg->upstreams = opt->dns_count;
	memcpy(cfg->upstream, opt->dns, sizeof(cfg->upstream));
	cfg->connect_timeout_ms = TCP_CONNECT_TIMEOUT_MS;
	cfg->udp_idle_ms = UDP_IDLE_MS;
	cfg->udp_sweep_ms = UDP_SWEEP_MS;
	cfg->connect_replace_ms = TCP_CONNECT_REPLACE_MS;
	cfg->tcp_idle_ms = TCP_IDLE_MS;
	cfg->limits = opt->limits;
}

void crew_init(struct crew *c, struct loop *loop, const struct instance_options *opt,
	       struct kernel *kernel, const struct capture *capture,
	       const struct settings *settings, const struct crew_ops *ops)
{
	memset(c, 0, sizeof(*c));
	c->ops = ops;
	c->kernel = kernel;
	c->capture = capture;
	c->roles = settings->workers + 1;
	c->icmp_base = random_u16() & ~((1U << ICMP_ID_BITS) - 1);
	role_config_init(c, opt, settings);
	random_bytes(c->isn_key, sizeof(c->isn_key));
	for (unsigned int slot = 0; slot < c->roles; slot++) {
		struct role *r = &c->role[slot];

		c->icmp_fd[slot][0] = c->icmp_fd[slot][1] = -1;
		c->inbox_fd[slot][0] = c->inbox_fd[slot][1] = -1;
		role_init(r, slot ? ROLE_WORKER : ROLE_RESOLVER, slot, loop, opt->instance,
			  &role_ops);
		r->protect = (enum protect_mode)c->config.protect;
	}
}

/* First ICMP identifier of a worker; every worker has an aligned range of its own. */
static uint16_t icmp_base_of(const struct crew *c, unsigned int slot)
{
	return (uint16_t)(c->icmp_base + ((slot - 1) << ICMP_ID_BITS));
}

/*
 * Without raw sockets echo is not forwarded; everything else is. They are made inside of the
 * roles' cgroup: a socket is for ever of the cgroup that made it, and what has the mark alone
 * would be captured like any other.
 */
static void open_icmp(struct crew *c)
{
	static const int families[2] = { AF_INET, AF_INET6 };
	int inside = kernel_enter(c->kernel);

	if (inside)
		log_warn("crew", "raw ICMP sockets are in no cgroup of ours: %s",
			 strerror(-inside));
	for (unsigned int slot = 1; slot < c->roles; slot++) {
		for (int i = 0; i < 2; i++) {
			int err = icmp_socket_open(families[i], HEADRACE_MARK,
						   icmp_base_of(c, slot), ICMP_ID_BITS,
						   &c->icmp_fd[slot][i]);

			if (!err)
				continue;
			c->icmp_fd[slot][i] = -1;
			log_warn("crew", "no raw ICMPv%d socket, ping is not forwarded: %s",
				 i ? 6 : 4, strerror(-err));
		}
	}
	inside = kernel_leave(c->kernel);
	if (inside)
		log_warn("crew", "main stays in the roles' cgroup: %s", strerror(-inside));
}

void crew_bind_icmp(struct crew *c, int ifindex4, int ifindex6)
{
	const int devices[2] = { ifindex4, ifindex6 };

	for (unsigned int slot = 1; slot < c->roles; slot++)
		for (int i = 0; i < 2; i++)
			if (c->icmp_fd[slot][i] >= 0 && devices[i] &&
			    setsockopt(c->icmp_fd[slot][i], SOL_SOCKET, SO_BINDTOIFINDEX,
				       &devices[i], sizeof(devices[i])))
				log_warn("crew", "ping is not forwarded: %s", strerror(errno));
}

void crew_uplinks(struct crew *c, uint32_t ifindex4, uint32_t ifindex6)
{
	const struct role_uplinks u = { .ifindex4 = ifindex4, .ifindex6 = ifindex6 };

	c->config.settings.uplink4_ifindex = ifindex4;
	c->config.settings.uplink6_ifindex = ifindex6;
	for (unsigned int slot = 0; slot < c->roles; slot++) {
		struct role *r = &c->role[slot];

		if (r->state == ROLE_STATE_READY && role_send(r, ROLE_UPLINKS, &u, sizeof(u), -1))
			role_kill(r); /* the next one is told in time */
	}
}

/* One worker has nobody to hand packets to. 0 or -errno. */
static int open_inboxes(struct crew *c)
{
	const int bytes = INBOX_BYTES;

	for (unsigned int slot = 1; c->roles > 2 && slot < c->roles; slot++) {
		int *pair = c->inbox_fd[slot];
		int err = message_pair(pair);

		if (err)
			return err;
		/* what is not read yet counts for the sender; without the privilege it is less */
		if (setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
			log_debug("crew", "inbox of worker %u is small error=%s", slot,
				  strerror(errno));
	}
	return 0;
}

static int send_config(struct crew *c, struct role *r)
{
	struct role_config cfg = c->config;

	cfg.kind = r->kind;
	cfg.slot = r->slot;
	cfg.restarted = r->restarts > 0;
	cfg.isn_key = c->isn_key[r->slot];
	if (r->slot)
		cfg.icmp_id_base = icmp_base_of(c, r->slot);
	return role_send(r, ROLE_CONFIG, &cfg, sizeof(cfg), -1);
}

static int send_descriptor(struct role *r, enum role_descriptor_kind kind, int fd)
{
	return fd < 0 ? 0 : role_send_descriptor(r, kind, r->slot, fd);
}

/* Its own inbox, and the way to those of the other workers. */
static int send_inboxes(struct crew *c, struct role *r)
{
	int err = send_descriptor(r, ROLE_FD_INBOX, c->inbox_fd[r->slot][0]);

	for (unsigned int slot = 1; !err && slot < c->roles; slot++)
		if (slot != r->slot && c->inbox_fd[slot][1] >= 0)
			err = role_send_descriptor(r, ROLE_FD_PEER, slot, c->inbox_fd[slot][1]);
	return err;
}

static int send_descriptors(struct crew *c, struct role *r)
{
	int err = send_descriptor(r, ROLE_FD_QUEUE, capture_queue(c->capture, r->slot));

	for (int kind = ROLE_FD_FLOWS; !err && kind <= ROLE_FD_FLOW_END; kind++)
		err = send_descriptor(r, kind, kernel_role_fd(c->kernel, r->slot, kind));
	if (!err && r->slot)
		err = send_descriptor(r, ROLE_FD_ICMP4, c->icmp_fd[r->slot][0]);
	if (!err && r->slot)
		err = send_descriptor(r, ROLE_FD_ICMP6, c->icmp_fd[r->slot][1]);
	if (!err && !r->slot && c->resolver_config)
		err = config_send(c->resolver_config, r);
	return err || !r->slot ? err : send_inboxes(c, r);
}

/* A new relay between worker `slot` and the resolver, if both have a process. 0 or -errno. */
static int renew_relay(struct crew *c, unsigned int slot)
{
	struct role *worker = &c->role[slot], *resolver = crew_resolver(c);
	int pair[2], err;

	if (!role_is_alive(worker) || !role_is_alive(resolver))
		return 0;
	err = message_pair(pair);
	if (err)
		return err;
	err = role_send_descriptor(worker, ROLE_FD_RELAY, slot, pair[0]);
	if (!err)
		err = role_send_descriptor(resolver, ROLE_FD_RELAY, slot, pair[1]);
	fd_close(pair[0]);
	fd_close(pair[1]);
	return err;
}

static int renew_relays_of(struct crew *c, const struct role *r)
{
	if (r->slot)
		return renew_relay(c, r->slot);
	for (unsigned int slot = 1; slot < c->roles; slot++) {
		int err = renew_relay(c, slot);

		if (err)
			return err;
	}
	return 0;
}

static int role_hand_over(struct role *r)
{
	struct crew *c = crew_of(r);
	int err = 0;

	/* before CONFIG: a role opens no socket until it has it, and all must be marked */
	if (r->protect == PROTECT_CGROUP)
		err = kernel_adopt(c->kernel, r->pid);
	if (!err)
		err = send_config(c, r);
	if (!err)
		err = send_descriptors(c, r);
	if (err || c->gathering)
		return err;
	err = renew_relays_of(c, r);
	return err ? err : role_send(r, ROLE_START, NULL, 0, -1);
}

static void role_ready(struct role *r)
{
	struct crew *c = crew_of(r);

	if (c->complete)
		return;
	for (unsigned int slot = 0; slot < c->roles; slot++)
		if (c->role[slot].state != ROLE_STATE_READY)
			return;
	c->complete = true;
	c->ops->ready(c);
}

/* The role's process is gone, so its counters have no other writer now. */
static void clear_gauges(struct crew *c, const struct role *r)
{
	struct role_counters *counters = kernel_role_counters(c->kernel, r->slot);
	struct budget_use *budgets = (struct budget_use *)&counters->budgets;
	struct role_stats *s = &counters->stats;

	s->tcp_open = 0;
	s->tcp_connecting = 0;
	s->udp_open = 0;
	s->icmp_open = 0;
	s->buffer_bytes = 0;
	s->fragments_held = 0;
	s->dns_pending = 0;
	s->dns_cache_entries = 0;
	for (int i = 0; i < BUDGET_NUM; i++)
		budgets[i].used = 0;
	s->restarts++;
}

static void role_died(struct role *r, bool was_ready, const char *how)
{
	struct crew *c = crew_of(r);
	char text[160];

	clear_gauges(c, r);
	if (!c->complete) {
		snprintf(text, sizeof(text), "the %s ended while starting: %s", r->name, how);
		c->ops->failed(c, text);
		return;
	}
	c->ops->died(c, r);
	if (!r->slot || !was_ready)
		kernel_flow_end_all(c->kernel, (int)r->slot, END_ROLE_DIED);
	kernel_flow_notes_forget(c->kernel, r->slot);
}

static void role_hung(struct role *r)
{
	kernel_role_counters(crew_of(r)->kernel, r->slot)->stats.hangs++;
}

static void role_stopped(struct role *r)
{
	struct crew *c = crew_of(r);

	for (unsigned int slot = 0; slot < c->roles; slot++)
		if (c->role[slot].state != ROLE_STATE_STOPPED)
			return;
	c->ops->stopped(c);
}

static void role_text(struct role *r, uint64_t tag, const char *text, size_t len)
{
	struct crew *c = crew_of(r);

	c->ops->text(c, tag, text, len);
}

/* What stands in for a table that is not to be had, as a descriptor has to come along. */
static int send_no_names(struct role *r)
{
	int pair[2], err = message_pair(pair);

	if (err)
		return err;
	err = role_send_descriptor(r, ROLE_FD_NAMES, 0, pair[0]);
	fd_close(pair[0]);
	fd_close(pair[1]);
	return err;
}

static int role_want_names(struct role *r, uint32_t buckets)
{
	struct crew *c = crew_of(r);
	int fd = -1, err = kernel_names_make(c->kernel, buckets, &fd);

	if (err) {
		log_warn("crew", "no table for %u buckets of names: %s", buckets, strerror(-err));
		return send_no_names(r);
	}
	err = role_send_descriptor(r, ROLE_FD_NAMES, buckets, fd);
	fd_close(fd);
	return err;
}

static const struct role_ops role_ops = {
	.hand_over = role_hand_over,
	.ready = role_ready,
	.died = role_died,
	.stopped = role_stopped,
	.hung = role_hung,
	.text = role_text,
	.want_names = role_want_names,
};

int crew_start(struct crew *c)
{
	int err;

	if (c->config.protect != PROTECT_DEVICE) /* else they are not to be had */
		open_icmp(c);
	err = open_inboxes(c);
	c->gathering = true;
	for (unsigned int slot = 0; !err && slot < c->roles; slot++)
		err = role_start(&c->role[slot]);
	c->gathering = false;
	if (!err)
		err = renew_relays_of(c, crew_resolver(c));
	for (unsigned int slot = 0; !err && slot < c->roles; slot++)
		err = role_send(&c->role[slot], ROLE_START, NULL, 0, -1);
	return err;
}

void crew_beat(struct crew *c)
{
	if (++c->beats % (ROLE_PING_MS / HEARTBEAT_MS))
		return;
	for (unsigned int slot = 0; slot < c->roles; slot++)
		role_check(&c->role[slot]);
}

void crew_stop(struct crew *c)
{
	bool any = false;

	for (unsigned int slot = 0; slot < c->roles; slot++)
		any |= c->role[slot].state != ROLE_STATE_STOPPED;
	if (!any) {
		c->ops->stopped(c);
		return;
	}
	/* The last role_stop() may already have told ops->stopped: touch nothing after it. */
	for (unsigned int slot = 0, n = c->roles; slot < n; slot++)
		role_stop(&c->role[slot]);
}

void crew_kill(struct crew *c)
{
	for (unsigned int slot = 0; slot < c->roles; slot++)
		role_kill(&c->role[slot]);
}

void crew_done(struct crew *c)
{
	for (unsigned int slot = 0; slot < c->roles; slot++)
		for (int i = 0; i < 2; i++) {
			c->icmp_fd[slot][i] = fd_close(c->icmp_fd[slot][i]);
			c->inbox_fd[slot][i] = fd_close(c->inbox_fd[slot][i]);
		}
}
