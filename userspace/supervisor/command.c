// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The commands of base/control.h as a table. Each answers its client itself; the instance's
 * state and the kind of connection are checked before.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "datapath/kernel.h"
#include "datapath/view.h"
#include "supervisor/command.h"
#include "supervisor/drops.h"
#include "supervisor/dump.h"
#include "supervisor/explain.h"
#include "supervisor/instance.h"
#include "supervisor/rule_show.h"
#include "supervisor/show.h"
#include "supervisor/status.h"

static bool flag(const json_t *request, const char *key)
{
	return json_is_true(json_object_get(request, key));
}

static void do_status(struct instance *in, struct control_client *client, const json_t *request)
{
	control_send(client, "status", status_show(in));
	control_answered(client);
}

static void follow(struct instance *in, struct control_client *client)
{
	client->follows = true;
	kernel_tell_direct(in->kernel, true);
}

static void do_flows(struct instance *in, struct control_client *client, const json_t *request)
{
	if (flag(request, "follow"))
		follow(in, client);
	flow_lists_ask(&in->flow_lists, client, request);
}

static void do_rules(struct instance *in, struct control_client *client, const json_t *request)
{
	rules_send(in, client);
}

static void do_explain(struct instance *in, struct control_client *client, const json_t *request)
{
	explain_send(in, client, request);
}

static void do_drops(struct instance *in, struct control_client *client, const json_t *request)
{
	drops_send(in->kernel, in->crew.roles, client);
	control_answered(client);
}

static void do_events(struct instance *in, struct control_client *client, const json_t *request)
{
	follow(in, client);
}

/* The request is the resolver's to read: it is handed on but for the command itself. */
static void do_dns(struct instance *in, struct control_client *client, const json_t *request)
{
	struct query_ask ask = { .key = "dns", .limit_ms = CONTROL_DNS_MS };
	json_t *question = json_copy((json_t *)request);
	char *text;

	json_object_del(question, "command");
	if (!json_object_get(question, "what"))
		json_object_set_new(question, "what", json_string("all"));
	if (flag(request, "follow"))
		ask.limit_ms = 0;
	text = json_dumps(question, JSON_COMPACT);
	json_decref(question);
	ask.text = text;
	if (text)
		queries_ask(&in->queries, crew_resolver(&in->crew), &ask, client);
	else
		control_refuse(client, "out of memory");
	free(text);
}

/*
 * Root alone: main opens what the file names, and quotes it in its errors, while the file may be
 * in the hands of who called sudo.
 */
static void do_reload(struct instance *in, struct control_client *client, const json_t *request)
{
	uid_t uid;

	if (control_peer_uid(client->watch.fd, &uid) || uid)
		control_refuse(client, "only root can reload the configuration: use sudo");
	else
		reload_begin(in, client, flag(request, "reset_flows"));
}

/* Without a mode it is only shown. */
static void do_mode(struct instance *in, struct control_client *client, const json_t *request)
{
	const char *word = json_string_value(json_object_get(request, "mode"));
	char err[ERROR_TEXT_MAX];
	uid_t uid;
	int mode = 0;

	while (word && mode < CONF_ROUTE_MODE_NUM && strcmp(word, conf_route_modes[mode]) != 0)
		mode++;
	if (word && (control_peer_uid(client->watch.fd, &uid) || uid)) {
		control_refuse(client, "only root can change the mode: use sudo");
	} else if (mode == CONF_ROUTE_MODE_NUM) {
		control_refuse(client, "expected firewall or dns");
	} else if (!in->routing.active) {
		control_refuse(client, "there is no route capture (capture.route)");
	} else if (word && routing_set_mode(&in->routing, (enum conf_route_mode)mode, err)) {
		control_refuse(client, "%s", err);
	} else {
		control_send(client, "mode",
			     json_pack("{s:s}", "mode", conf_route_modes[in->routing.mode]));
		control_answered(client);
	}
}

static void do_dump(struct instance *in, struct control_client *client, const json_t *request)
{
	dump_send(in, client);
}

static void do_stop(struct instance *in, struct control_client *client, const json_t *request)
{
	client->awaits_end = true;
	instance_stop(in);
}

/* What the file says comes first: the request's other keys win. */
static int read_config(struct instance *in, const json_t *request)
{
	const char *file = json_string_value(json_object_get(request, RUN_CONFIG));
	int err = file ? instance_read_config(in, file) : 0;

	if (!err && file)
		options_from_conf(&in->options, in->config.conf);
	return err;
}

static void do_run(struct instance *in, struct control_client *client, const json_t *request)
{
	char err[OPTIONS_ERROR_MAX] = "";

	if (in->state != INSTANCE_IDLE) {
		control_refuse(client, "an instance is %s already", instance_state_name(in->state));
		return;
	}
	client->awaits_end = true;
	if (read_config(in, request)) {
		instance_stop(in);
		return;
	}
	if (options_from_json(&in->options, request, err)) {
		snprintf(in->error, sizeof(in->error), "%s", err);
		instance_stop(in);
		return;
	}
	if (in->options.host && !json_object_get(request, RUN_LOG) &&
	    !(in->config.conf && in->config.conf->given & CONF_GIVEN_LOG))
		in->options.log_level = LOG_LEVEL_INFO; /* a daemon's log is nobody's terminal */
	in->options.tun_fd = client->in_fd;
	client->in_fd = -1;
	log_setup("headraced[main]", in->options.log_level);
	report_init(&in->report, in->options.report_full ? REPORT_FLOWS_MAX : REPORT_SHORT);
	instance_start(in);
}

/* --- report ------------------------------------------------------------------------------- */

static int is_closing(void *arg, const struct kernel_flow *f)
{
	return f->key.proto == IPPROTO_TCP && f->flow.state >= FLOW_CLOSING;
}

static void send_report(struct instance *in)
{
	struct control_client *client = in->report_to;

	in->report_to = NULL;
	loop_disarm(&in->report_limit);
	report_send(&in->report, in->kernel, in->report_full, client);
	control_answered(client);
}

static void report_limit_expired(struct timer *t)
{
	send_report(container_of(t, struct instance, report_limit));
}

/*
 * The command has just ended and its connections are being closed: they get a moment, so that
 * the report says how they ended. It is sent after the batch of events that brings the last
 * end (one walk over the flows per batch, however many events), or when the time is up.
 */
static void do_report(struct instance *in, struct control_client *client, const json_t *request)
{
	if (in->report_to) {
		control_refuse(client, "a report is being made");
		return;
	}
	in->report_to = client;
	in->report_full = flag(request, "full");
	loop_arm(in->loop, &in->report_limit, REPORT_SETTLE_MS);
	instance_read_events(in);
}

void command_events_read(struct instance *in)
{
	if (in->report_to && !kernel_flow_each(in->kernel, is_closing, NULL))
		send_report(in);
}

void command_flow_event(struct instance *in, const struct flow_event *e)
{
	if (control_has_followers(&in->control))
		flow_lists_event(&in->flow_lists, e);
}

/* --- dispatch ----------------------------------------------------------------------------- */

static const struct command {
	const char *name;
	void (*run)(struct instance *in, struct control_client *client, const json_t *request);
	bool idle; /* may come before the instance runs */
	bool inherited; /* over the inherited pair only */
} commands[] = {
	{ "status", do_status, false, false },	 { "flows", do_flows, false, false },
	{ "drops", do_drops, false, false },	 { "events", do_events, false, false },
	{ "dns", do_dns, false, false },	 { "reload", do_reload, false, false },
	{ "stop", do_stop, true, false },	 { "run", do_run, true, true },
	{ "report", do_report, false, true },	 { "rules", do_rules, false, false },
	{ "explain", do_explain, false, false }, { "mode", do_mode, false, false },
	{ "dump", do_dump, false, false },
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

void command_handle(struct instance *in, struct control_client *client, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const struct command *c = name ? command_find(name) : NULL;

	if (!c)
		control_refuse(client, "no such command: %.40s", name ? name : "(none)");
	else if (c->inherited && !client->run)
		control_refuse(client, "'%s' is for headrace run alone", name);
	else if (!c->idle && in->state != INSTANCE_RUNNING)
		control_refuse(client, "the instance is %s", instance_state_name(in->state));
	else
		c->run(in, client, request);
}

void command_init(struct instance *in)
{
	timer_init(&in->report_limit, report_limit_expired);
}

void command_forget(struct instance *in, struct control_client *client)
{
	queries_forget(&in->queries, client);
	flow_lists_forget(&in->flow_lists, client);
	reload_forget(in, client);
	if (in->report_to != client)
		return;
	in->report_to = NULL;
	loop_disarm(&in->report_limit);
}

void command_ended(struct instance *in)
{
	if (in->report_to)
		command_forget(in, in->report_to);
	list_for_each_safe(l, next, &in->control.clients) {
		struct control_client *client = container_of(l, struct control_client, link);

		if (!client->awaits_end)
			continue;
		if (in->error[0])
			control_refuse(client, "%s", in->error);
		else
			control_answered(client);
	}
}
