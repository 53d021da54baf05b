// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of an instance. Starting is a list of steps, each with its undo; whatever ends the
 * instance - an error on the way, a request, a signal, the client's hang-up - first ends the
 * roles and then undoes the steps that were done, in reverse order.
 *
 * The control socket's name is taken before anything is made, so that of two instances of one
 * name the second fails with nothing to undo.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/random.h"
#include "datapath/kernel.h"
#include "datapath/view.h"
#include "netdev/socket.h"
#include "supervisor/host.h"
#include "supervisor/instance.h"
#include "supervisor/unprivileged.h"

#define TUN_DEVICE "/dev/net/tun"

#define STATE_NAME(name, text) [name] = text,
static const char *const state_names[] = { INSTANCE_STATES(STATE_NAME) };
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == INSTANCE_STATE_NUM, "names");

const char *instance_state_name(enum instance_state state)
{
	return state_names[state];
}

static void set_state(struct instance *in, enum instance_state next)
{
	log_debug("instance", "%s: %s -> %s", in->options.instance, state_names[in->state],
		  state_names[next]);
	in->state = next;
}

/* --- steps -------------------------------------------------------------------------------- */

static int check(struct instance *in)
{
	int err;

	if (geteuid() && !in->options.unprivileged)
		return error_text(in->error, -EPERM, UNPRIVILEGED_TEXT);
	err = kernel_check_version(in->error);
	if (err)
		return err;
	if (!in->options.tun_handed && access(TUN_DEVICE, R_OK | W_OK))
		return error_at(in->error, -errno,
				"no usable " TUN_DEVICE ": load the module "
				"(modprobe tun) or let the container have the device");
	return 0;
}

/* A private view of the mounts: bpffs may have to be mounted, and nobody else shall see it. */
static int enter_mounts(struct instance *in)
{
	if (in->options.unprivileged)
		return 0;
	if (unshare(CLONE_NEWNS))
		return error_at(in->error, -errno, "cannot make a private mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return error_at(in->error, -errno, "cannot make the mounts private");
	return 0;
}

static int take_name(struct instance *in)
{
	int err = control_listen(in->options.instance, &in->listen_fd);

	if (!err)
		return 0;
	in->listen_fd = -1;
	if (err == -EADDRINUSE)
		return error_text(in->error, err,
				  "instance '%s' is running already: choose another "
				  "name, or end it (headrace status --instance %s shows it)",
				  in->options.instance, in->options.instance);
	return error_at(in->error, err, "cannot listen on the control socket of '%s'",
			in->options.instance);
}

static void free_name(struct instance *in)
{
	control_close(&in->control);
	in->listen_fd = fd_close(in->listen_fd);
}

/*
 * Who waits for the start is told all of them, and without such a client the log; one alone is
 * what the instance ends with.
 */
static int tell_errors(struct instance *in, const struct conf_errors *errors, int err)
{
	struct control_client *who = NULL;

	if (errors->num + errors->warnings == 1)
		return error_text(in->error, err, "%.*s", (int)strcspn(errors->text, "\n"),
				  errors->text);
	list_for_each_safe(l, next, &in->control.clients) {
		struct control_client *client = container_of(l, struct control_client, link);

		who = client->awaits_end ? client : who;
	}
	control_tell(who, CONTROL_START, errors->text, true);
	return error_text(in->error, err, "%s: %u errors", in->config.file, errors->num);
}

int instance_read_config(struct instance *in, const char *file)
{
	static struct conf_errors errors;
	int err = config_read(&in->config, file, &errors);

	return err ? tell_errors(in, &errors, err) : 0;
}

static int open_config(struct instance *in)
{
	static const struct config *const none[2];
	struct conf_errors errors = { 0 };
	int err = in->config.conf ? 0 : instance_read_config(in, "");

	if (err)
		return err;
	/* the host's own flows have one address, and without clients there is no other */
	if (in->options.host && !in->config.conf->capture.lans)
		limits_one_source(&in->options.limits);
	err = config_open(&in->config, none, &errors);
	return err ? tell_errors(in, &errors, err) : 0;
}

static void unload_kernel(struct instance *in)
{
	kernel_unload(in->kernel);
	in->kernel = NULL;
}

_Static_assert((int)KERNEL_ATTACH_AUTO == CONF_ATTACH_AUTO &&
		       (int)KERNEL_ATTACH_TCX == CONF_ATTACH_TCX &&
		       (int)KERNEL_ATTACH_CLSACT == CONF_ATTACH_CLSACT,
	       "the same ways");

static enum kernel_attach attach_way(const struct instance *in)
{
	return in->options.host ? (enum kernel_attach)in->config.conf->capture.attach :
				  KERNEL_ATTACH_AUTO;
}

static int load_kernel(struct instance *in)
{
	const struct limits *l = &in->options.limits;
	const struct kernel_options opt = { .instance = in->options.instance,
					    .flows_max = (uint32_t)l->n[LIMIT_FLOWS] +
							 limits_dns_flows(l),
					    .pin = true,
					    .host = in->options.host,
					    .attach = attach_way(in),
					    .mounts_private = true,
					    .none = in->options.unprivileged };

	struct conf_errors errors = { 0 };
	int err;

	if (!in->options.unprivileged)
		kernel_clean_stale(in->options.instance);
	err = kernel_load(&opt, &in->kernel, in->error);
	if (err)
		return err;
	err = config_check_kernel(&in->config, in->options.host, kernel_why_no_bpf(in->kernel),
				  &errors);
	if (err) {
		unload_kernel(in);
		return tell_errors(in, &errors, err);
	}
	return 0;
}

static int load_rules(struct instance *in)
{
	return rules_start(&in->rules, in->kernel, in->config.conf, in->options.host, in->error);
}

static void unload_rules(struct instance *in)
{
	rules_done(&in->rules);
}

static uint32_t beat_ms(const struct instance *in)
{
	return in->options.host ? in->config.conf->capture.heartbeat_ms : HEARTBEAT_MS;
}

/* Of the kernel half's settings what the configuration says, and a reload may change. */
static void settings_from_conf(struct instance *in)
{
	const struct conf *conf = in->config.conf;
	struct settings *s = &in->settings;

	s->host = in->options.host;
	if (!s->host)
		return;
	s->closed = conf->capture.closed;
	s->dns_intercept = conf->dns.intercept;
	s->stale_ns = (uint64_t)HEARTBEATS_STALE * beat_ms(in) * NSEC_PER_MSEC;
	memset(s->pass_mark, 0, sizeof(s->pass_mark));
	memcpy(s->pass_mark, conf->capture.pass_mark,
	       conf->capture.pass_marks * sizeof(s->pass_mark[0]));
}

/* What says "from a capture point" of a packet must be nobody's guess, and never zero. */
static int open_capture(struct instance *in)
{
	int err;

	in->settings = (struct settings){ .heartbeat_ns = clock_ns(),
					  .mark = HEADRACE_MARK,
					  .steer_seed = random_u32(),
					  .capture_secret = { random_u32() | 1, random_u32() } };
	settings_from_conf(in);
	err = host_prepare(in);
	if (!err)
		err = capture_open(&in->capture, &in->options, &in->config.conf->capture,
				   in->kernel, &in->settings, in->error);
	if (!err) {
		err = host_attach(in);
		if (err)
			capture_close(&in->capture);
	}
	if (err) {
		host_end(in);
		host_unclaim(in);
	}
	return err;
}

static void close_capture(struct instance *in)
{
	host_end(in);
	capture_close(&in->capture);
	host_unclaim(in);
}

static int attach_devices(struct instance *in)
{
	return devices_set(&in->devices, in->kernel, &in->config.conf->dns, in->error);
}

static void detach_devices(struct instance *in)
{
	devices_done(&in->devices);
}

static int start_heartbeat(struct instance *in)
{
	loop_arm(in->loop, &in->heartbeat, HEARTBEAT_MS);
	loop_arm(in->loop, &in->beat, 0);
	return 0;
}

static void stop_heartbeat(struct instance *in)
{
	loop_disarm(&in->heartbeat);
	loop_disarm(&in->beat);
}

static int start_sweep(struct instance *in)
{
	loop_arm(in->loop, &in->sweep, FLOW_SWEEP_MS);
	return 0;
}

static void stop_sweep(struct instance *in)
{
	loop_disarm(&in->sweep);
}

static int watch_events(struct instance *in)
{
	int err;

	in->events.fd = kernel_events_fd(in->kernel);
	if (in->events.fd < 0)
		return 0;
	err = loop_add(in->loop, &in->events, EPOLLIN);
	if (err)
		return error_at(in->error, err, "cannot watch the kernel half's events");
	return 0;
}

static void unwatch_events(struct instance *in)
{
	loop_disarm(&in->events_delay);
	loop_remove(in->loop, &in->events);
}

/* They are captured once every role is there to carry on, see crew_ready(). */
static int hold_uplinks(struct instance *in)
{
	return 0;
}

static void release_uplinks(struct instance *in)
{
	loop_remove(in->loop, &in->dns_loaded);
	uplinks_stop(&in->uplinks);
}

static const struct step {
	int (*start)(struct instance *in); /* 0, or -errno with in->error filled */
	void (*undo)(struct instance *in);
} steps[] = {
	{ check, NULL },
	{ enter_mounts, NULL },
	{ take_name, free_name },
	{ open_config, NULL },
	{ load_kernel, unload_kernel },
	{ load_rules, unload_rules },
	{ open_capture, close_capture },
	{ attach_devices, detach_devices },
	{ start_heartbeat, stop_heartbeat },
	{ start_sweep, stop_sweep },
	{ watch_events, unwatch_events },
	{ hold_uplinks, release_uplinks },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static int do_steps(struct instance *in)
{
	while (in->steps < STEPS) {
		int err = steps[in->steps].start(in);

		if (err)
			return err;
		in->steps++;
	}
	return 0;
}

static void undo_steps(struct instance *in)
{
	while (in->steps) {
		const struct step *s = &steps[--in->steps];

		if (s->undo)
			s->undo(in);
	}
}

/* --- events ------------------------------------------------------------------------------- */

/* Flows are being refused because the table is full: what is stray must not wait. */
static void sweep_if_full(struct instance *in)
{
	struct drop_counters drops;

	kernel_read_drops(in->kernel, &drops);
	in->flows_full = drops.flow_cap != in->flow_cap_seen;
	if (in->flows_full) {
		kernel_flow_strays_wanted(in->kernel);
		loop_arm(in->loop, &in->sweep, 0);
	}
	in->flow_cap_seen = drops.flow_cap;
}

static void beat_expired(struct timer *t)
{
	struct instance *in = container_of(t, struct instance, beat);

	kernel_heartbeat(in->kernel);
	loop_arm(in->loop, t, beat_ms(in));
}

/*
 * Nobody has told it to end: with when-down closed the programs at capture points refuse on, as if
 * it had been killed. Of route capture nothing could: its routes led to the device.
 */
static void end_without_device(struct instance *in)
{
	error_text(in->error, -ENODEV, "the device %s was removed, ending", in->capture.tun.name);
	if (in->settings.closed && uplinks_any(&in->uplinks)) {
		routing_stop(&in->routing);
		log_err("main", "%s; what rules capture is refused", in->error);
		_exit(EXIT_FAILURE);
	}
	instance_stop(in);
}

static void heartbeat_expired(struct timer *t)
{
	struct instance *in = container_of(t, struct instance, heartbeat);

	kernel_tell_direct(in->kernel, control_has_followers(&in->control));
	if (control_has_followers(&in->control))
		kernel_direct_look(in->kernel);
	sweep_if_full(in);
	crew_beat(&in->crew);
	if (in->options.unprivileged)
		unprivileged_look(in);
	loop_arm(in->loop, t, HEARTBEAT_MS);
	if (in->state == INSTANCE_RUNNING && !tun_is_there(&in->capture.tun))
		end_without_device(in);
}

static void log_refusal(const struct flow_key *key, const char *why)
{
	const struct endpoint from = { .addr = key->saddr, .port = key->sport };
	const struct endpoint to = { .addr = key->daddr, .port = key->dport };
	char source[ENDPOINT_TEXT_MAX], destination[ENDPOINT_TEXT_MAX];

	log_info("flow", "blocked %s -> %s (%s)", endpoint_format(&from, source),
		 endpoint_format(&to, destination), why);
}

static void take_event(void *arg, const struct flow_event *e)
{
	struct instance *in = arg;

	if (e->type == EVENT_FLOW_END)
		report_add(&in->report, e);
	if (e->info.end == END_UNRESOLVED)
		log_refusal(&e->key, "not resolved via DNS here");
	else if (e->info.end == END_QUIC)
		log_refusal(&e->key, "QUIC is blocked");
	in->ops->flow_event(in, e);
}

/*
 * What no role took would fill the table in time, and in no time under a flood. While the
 * table is full a TCP flow is given no longer than the others: most of those are SYNs that the
 * device's full queue has lost, and a connect that takes longer loses its entry, no more.
 */
static void sweep_expired(struct timer *t)
{
	struct instance *in = container_of(t, struct instance, sweep);
	uint64_t tcp_ms = in->flows_full ? FLOW_STRAY_MS : FLOW_STRAY_TCP_MS;
	bool more = kernel_flow_end_strays(in->kernel, FLOW_STRAY_MS * NSEC_PER_MSEC,
					   tcp_ms * NSEC_PER_MSEC);

	if (kernel_direct_age(in->kernel, take_event, in))
		more = true;
	loop_arm(in->loop, &in->sweep, more ? FLOW_SWEEP_PART_MS : FLOW_SWEEP_MS);
}

/*
 * The kernel half wakes main for an event only if all before it have been read, by an
 * interrupt to its own CPU: a tenth of the cost of a short connection. So what is there is
 * read a little later, with all that has come until then.
 */
static void events_ready(struct watch *w, uint32_t events)
{
	struct instance *in = container_of(w, struct instance, events);

	if (!loop_modify(in->loop, w, 0))
		loop_arm(in->loop, &in->events_delay, EVENTS_DELAY_MS);
	else
		instance_read_events(in);
}

static void events_delay_expired(struct timer *t)
{
	struct instance *in = container_of(t, struct instance, events_delay);

	loop_modify(in->loop, &in->events, EPOLLIN);
	instance_read_events(in);
}

void instance_read_events(struct instance *in)
{
	kernel_events_read(in->kernel, take_event, in);
	in->ops->events_read(in);
}

static void ended(struct instance *in)
{
	if (in->kernel && in->steps == STEPS) {
		/* roles end their own flows; here is what those left that were killed */
		kernel_flow_end_all(in->kernel, -1, END_SHUTDOWN);
		kernel_events_read(in->kernel, take_event, in);
	}
	undo_steps(in);
	set_state(in, INSTANCE_ENDED);
	in->ops->ended(in);
}

/* Now there is somebody who carries what is captured. */
static int capture_host(struct instance *in)
{
	int err = 0;

	if (in->options.host)
		err = uplinks_start(&in->uplinks, in->kernel, &in->capture.tun,
				    &in->config.conf->capture, in->error);
	if (!err)
		err = host_begin(in, in->error);
	if (!err)
		kernel_clean_old(in->kernel);
	return err;
}

int instance_capture_again(struct instance *in, char err[ERROR_TEXT_MAX])
{
	int r;

	if (!in->options.host)
		return 0;
	r = host_claim(in, err);
	if (r)
		return r;
	settings_from_conf(in);
	in->settings.heartbeat_ns = clock_ns();
	r = kernel_settings(in->kernel, &in->settings);
	if (r)
		return error_at(err, r, "cannot write the kernel half's settings");
	loop_arm(in->loop, &in->beat, beat_ms(in));
	r = uplinks_start(&in->uplinks, in->kernel, &in->capture.tun, &in->config.conf->capture,
			  err);
	return r ? r : host_again(in, err);
}

static void dns_loaded(struct watch *w, uint32_t events)
{
	struct instance *in = container_of(w, struct instance, dns_loaded);
	int err;

	loop_remove(in->loop, w); /* which forgets the descriptor; it is not ours */
	err = kernel_dns_attach(in->kernel);
	if (err)
		log_warn("main", "DNS is not answered in the kernel: %s",
			 err == -ENOEXEC ? "its program cannot be loaded" : strerror(-err));
}

static void load_dns(struct instance *in)
{
	int err = kernel_dns_load(in->kernel, &in->dns_loaded.fd);

	if (!err)
		err = loop_add(in->loop, &in->dns_loaded, EPOLLIN);
	if (err)
		log_debug("main", "DNS is not answered in the kernel: %s", strerror(-err));
}

static void crew_ready(struct crew *c)
{
	struct instance *in = container_of(c, struct instance, crew);
	int err = capture_host(in);

	if (!err) {
		err = control_serve(&in->control, in->listen_fd, in->options.uid);
		if (err)
			error_at(in->error, err, "cannot serve the control socket");
	}
	if (err) {
		instance_stop(in);
		return;
	}
	in->listen_fd = -1;
	in->started_ms = clock_ms();
	set_state(in, INSTANCE_RUNNING);
	load_dns(in);
	in->ops->ready(in);
}

static void crew_failed(struct crew *c, const char *text)
{
	struct instance *in = container_of(c, struct instance, crew);

	if (in->state != INSTANCE_STARTING)
		return;
	if (!in->error[0])
		error_text(in->error, -ECHILD, "%s", text);
	instance_stop(in);
}

static void crew_stopped(struct crew *c)
{
	struct instance *in = container_of(c, struct instance, crew);

	crew_done(c);
	ended(in);
}

static void crew_role_died(struct crew *c, const struct role *r)
{
	struct instance *in = container_of(c, struct instance, crew);

	queries_role_died(&in->queries, r);
	reload_role_died(in, r);
}

static void crew_text(struct crew *c, uint64_t tag, const char *text, size_t len)
{
	struct instance *in = container_of(c, struct instance, crew);

	if (!reload_text(in, tag, text, len))
		queries_text(&in->queries, tag, text, len);
}

static const struct crew_ops crew_ops = {
	.ready = crew_ready,
	.failed = crew_failed,
	.stopped = crew_stopped,
	.died = crew_role_died,
	.text = crew_text,
};

/* --- life --------------------------------------------------------------------------------- */

void instance_init(struct instance *in, struct loop *loop, const struct instance_ops *ops,
		   const struct control_ops *control_ops)
{
	memset(in, 0, sizeof(*in));
	in->ops = ops;
	in->loop = loop;
	in->listen_fd = -1;
	in->capture.netns_fd = -1;
	in->events = (struct watch){ .ready = events_ready, .fd = -1 };
	in->dns_loaded = (struct watch){ .ready = dns_loaded, .fd = -1 };
	options_init(&in->options);
	config_init(&in->config);
	reload_init(&in->reload);
	devices_init(&in->devices, loop);
	uplinks_init(&in->uplinks, loop, in->options.instance);
	rules_init(&in->rules, loop);
	host_init(in);
	timer_init(&in->heartbeat, heartbeat_expired);
	timer_init(&in->beat, beat_expired);
	timer_init(&in->sweep, sweep_expired);
	timer_init(&in->events_delay, events_delay_expired);
	control_init(&in->control, loop, control_ops);
	queries_init(&in->queries, loop);
	flow_lists_init(&in->flow_lists, in);
}

void instance_start(struct instance *in)
{
	int err;

	set_state(in, INSTANCE_STARTING);
	/* the raw ICMP sockets are main's own and in no cgroup that marks them */
	socket_protect_setup(PROTECT_SO_MARK, HEADRACE_MARK);
	err = do_steps(in);
	if (err) {
		ended(in);
		return;
	}
	if (in->options.unprivileged)
		unprivileged_look(in);
	crew_init(&in->crew, in->loop, &in->options, in->kernel, &in->capture, &in->settings,
		  &crew_ops);
	in->crew.resolver_config = &in->config;
	host_roles(in);
	err = crew_start(&in->crew);
	if (err) {
		error_at(in->error, err, "cannot start the roles");
		instance_stop(in);
	}
}

void instance_stop(struct instance *in)
{
	switch (in->state) {
	case INSTANCE_IDLE:
		ended(in);
		break;
	case INSTANCE_STARTING:
	case INSTANCE_RUNNING:
		set_state(in, INSTANCE_STOPPING);
		host_end(in);
		crew_stop(&in->crew);
		break;
	case INSTANCE_STOPPING:
		crew_kill(&in->crew);
		break;
	default:
		break;
	}
}

void instance_done(struct instance *in)
{
	control_done(&in->control);
	queries_done(&in->queries);
	flow_lists_done(&in->flow_lists);
	report_done(&in->report);
	reload_done(&in->reload);
	config_done(&in->config);
	in->options.tun_fd = fd_close(in->options.tun_fd);
}
