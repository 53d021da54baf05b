// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace flows`: the flows there are, and with --follow what becomes of them: on a terminal
 * the table anew each second, else a line for each that opens or ends.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/event_line.h"
#include "tools/flow_list.h"

#define REFRESH_MS 1000
#define CLEAR "\033[H\033[2J" /* cursor home, clear */

struct flows_options {
	struct client_options client; /* first: the common options are told by their place in it */
	const char *sort, *user, *process, *cgroup, *unit, *from, *dest, *proto, *name, *rule;
	const char *verdict, *state, *capture;
	long pid, uid, port;
};

struct flows_view {
	struct flow_list list;
	json_t *early; /* events that came before the table was whole; NULL = none */
	const char *sort;
	bool printed; /* the table is out: only events follow */
	bool follow;
	bool incomplete;
};

#define FLOWS_TEXT(...) OPTION_TEXT_OF(struct flows_options, __VA_ARGS__)
#define FLOWS_NUMBER(...) OPTION_NUMBER_OF(struct flows_options, __VA_ARGS__)

static const struct option_spec flow_options[] = {
	FLOWS_NUMBER("pid", pid, 0x7fffffff, "only flows of this process"),
	FLOWS_TEXT("process", process, "NAME", "only flows of processes of this name"),
	FLOWS_TEXT("user", user, "NAME", "only flows of this user"),
	FLOWS_NUMBER("uid", uid, 0xfffffffeL, "only flows of this user ID"),
	FLOWS_TEXT("unit", unit, "UNIT", "only flows of this systemd unit"),
	FLOWS_TEXT("cgroup", cgroup, "PATH", "only flows of this cgroup and those below it"),
	FLOWS_TEXT("client", from, "ADDRESS[/BITS]", "only flows from there"),
	FLOWS_TEXT("dest", dest, "ADDRESS[/BITS]", "only flows to there"),
	FLOWS_NUMBER("port", port, 65535, "only flows to this port"),
	FLOWS_TEXT("proto", proto, "PROTO", "only tcp, udp, icmp or a protocol number"),
	FLOWS_TEXT("name", name, "NAME", "only flows to this name and those below it"),
	FLOWS_TEXT("rule", rule, "RULE",
		   "only flows that this rule decided: its number (0: the default) "
		   "or name"),
	FLOWS_TEXT("verdict", verdict, "VERDICT",
		   "only direct, forward, dns, local, reject or drop"),
	FLOWS_TEXT("state", state, "STATE", "only opening, open, closing or closed"),
	FLOWS_TEXT("capture", capture, "WHERE",
		   "only those captured at egress, lan, loopback or tun"),
	{ .name = "sort",
	  .value = "KEY",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct flows_options, sort),
	  .wrong = flow_list_sort_wrong,
	  .help = "by bytes (the default), rate, up, down, time, idle, process, name or rule" },
	CLIENT_OPTION_FOLLOW,
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

/* --- the request ---------------------------------------------------------------------------- */

static void filter_text(json_t *filter, const char *key, const char *value)
{
	if (value)
		json_object_set_new(filter, key, json_string(value));
}

static void filter_number(json_t *filter, const char *key, long value)
{
	if (value >= 0)
		json_object_set_new(filter, key, json_integer(value));
}

static void filter_rule(json_t *filter, const char *rule)
{
	char *end;
	long number;

	if (!rule)
		return;
	number = strtol(rule, &end, 10);
	json_object_set_new(filter, "rule",
			    *end || end == rule ? json_string(rule) : json_integer(number));
}

/* NULL: it was said why. */
static json_t *flows_request(const struct flows_options *o)
{
	json_t *filter = json_object(), *request;

	filter_number(filter, "pid", o->pid);
	filter_number(filter, "uid", o->uid);
	filter_number(filter, "port", o->port);
	filter_text(filter, "process", o->process);
	filter_text(filter, "unit", o->unit);
	filter_text(filter, "cgroup", o->cgroup);
	filter_text(filter, "client", o->from);
	filter_text(filter, "dest", o->dest);
	filter_text(filter, "proto", o->proto);
	filter_text(filter, "name", o->name);
	filter_text(filter, "verdict", o->verdict);
	filter_text(filter, "state", o->state);
	filter_text(filter, "capture", o->capture);
	filter_rule(filter, o->rule);
	if (!client_put_user(filter, o->user)) {
		json_decref(filter);
		return NULL;
	}
	request = json_pack("{s:s, s:o}", "command", "flows", "filter", filter);
	if (!request)
		fprintf(stderr, "headrace: out of memory\n");
	return request;
}

/* --- once, and then events ------------------------------------------------------------------ */

static void flows_print_early(struct flows_view *v)
{
	json_t *event;
	size_t i;

	json_array_foreach(v->early, i, event)
		event_line_print(event, stdout);
	json_decref(v->early);
	v->early = NULL;
}

static void flows_print(struct flows_view *v)
{
	if (v->printed)
		return;
	v->printed = true;
	flow_list_rates(&v->list, NULL, 0);
	flow_list_sort(&v->list, v->sort);
	if (!v->list.count)
		puts("no open flows");
	else if (flow_list_print(&v->list, 0, stdout))
		fprintf(stderr, "headrace: out of memory\n");
	flow_list_clear(&v->list);
	if (v->follow) {
		putchar('\n');
		event_head_print(stdout);
		flows_print_early(v);
	}
	fflush(stdout);
}

static void flows_add(struct flows_view *v, json_t *flow)
{
	if (flow_list_add(&v->list, flow) && !v->incomplete) {
		fprintf(stderr, "headrace: out of memory: flows are missing\n");
		v->incomplete = true;
	}
}

static void flows_event(struct flows_view *v, json_t *event)
{
	if (v->printed) {
		event_line_print(event, stdout);
		return;
	}
	if (!v->early)
		v->early = json_array();
	json_array_append(v->early, event);
}

static void flows_object(void *arg, const char *kind, json_t *object)
{
	struct flows_view *v = arg;

	if (!strcmp(kind, "flow"))
		flows_add(v, object);
	else if (!strcmp(kind, "listed"))
		flows_print(v);
	else if (!strcmp(kind, "event"))
		flows_event(v, object);
}

static void flows_end(void *arg)
{
	flows_print(arg);
}

static int flows_once(const struct flows_options *o, json_t *request)
{
	struct flows_view view = { .sort = o->sort, .follow = o->client.follow };
	const struct client_show show = {
		.object = flows_object, .end = flows_end, .arg = &view, .json = o->client.json
	};
	int status;

	if (o->client.follow)
		json_object_set_new(request, "follow", json_true());
	status = client_ask(o->client.instance, request, &show);
	flow_list_clear(&view.list);
	json_decref(view.early);
	return status;
}

/* --- a table that is kept up to date -------------------------------------------------------- */

/* 0 = that was all of this answer, -1 = it is over. */
static int refresh_read(struct client *c, const json_t *request, struct flows_view *v)
{
	const struct client_show show = { .object = flows_object, .arg = v };
	int err = client_request(c, request, -1);
	const char *line;
	int more = 1;

	if (err && err != -EPIPE) /* who has hung up already may have said why */
		return -1;
	while (more > 0)
		more = client_line(c, -1, &line) > 0 ? client_show_line(&show, line) : -1;
	return more;
}

static void refresh_print(const struct flows_view *v)
{
	struct winsize size = { 0 };
	size_t rows = 0;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row > 3)
		rows = size.ws_row - 3U;
	fputs(CLEAR, stdout);
	printf("%zu flow%s, by %s\n\n", v->list.count, v->list.count == 1 ? "" : "s", v->sort);
	if (flow_list_print(&v->list, rows, stdout))
		fprintf(stderr, "headrace: out of memory\n");
	fflush(stdout);
}

/* The end of the instance is the end of following it. */
static int flows_refresh(const struct flows_options *o, const json_t *request)
{
	const struct timespec wait = { .tv_sec = REFRESH_MS / 1000 };
	struct flows_view now = { .sort = o->sort }, before = { 0 };
	struct client *c = malloc(sizeof(*c));
	uint64_t at = 0, then;

	if (!c || client_open(c, o->client.instance)) {
		free(c);
		return EXIT_TROUBLE;
	}
	while (!refresh_read(c, request, &now)) {
		then = at;
		at = clock_ms();
		flow_list_rates(&now.list, then ? &before.list : NULL, at - then);
		flow_list_sort(&now.list, o->sort);
		refresh_print(&now);
		flow_list_clear(&before.list);
		before.list = now.list;
		now.list = (struct flow_list){ 0 };
		nanosleep(&wait, NULL);
	}
	flow_list_clear(&before.list);
	flow_list_clear(&now.list);
	client_done(c);
	free(c);
	return at ? EXIT_SUCCESS : EXIT_TROUBLE;
}

static int flows_main(int argc, char **argv)
{
	struct flows_options o = { .sort = "bytes", .pid = -1, .uid = -1, .port = -1 };
	int status = EXIT_TROUBLE;
	json_t *request;

	if (option_parse_only(&flows_command, argc, argv, &o, &status))
		return status;
	request = flows_request(&o);
	if (!request)
		return EXIT_TROUBLE;
	if (!o.client.follow || o.client.json || !isatty(STDOUT_FILENO))
		return flows_once(&o, request);
	status = flows_refresh(&o, request);
	json_decref(request);
	return status;
}

const struct command flows_command = {
	.name = "flows",
	.operands = "",
	.summary = "show the flows with their owners, names, rules and counters",
	.details =
		"Shows the flows that are carried and those that pass as they are: whose they are,\n"
		"name and address, verdict and the rule that decided, who carries them, state, bytes\n"
		"per second and each way. With --follow on a terminal the table is shown anew each\n"
		"second, else flows are told as they open and end.",
	.options = flow_options,
	.run = flows_main,
};
