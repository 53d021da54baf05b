// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace dns log`: a line for each query, as it was answered. */
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/client.h"
#include "tools/dns.h"
#include "tools/dns_view.h"
#include "tools/format.h"
#include "tools/object.h"

enum log_cell {
	LOG_WHEN,
	LOG_CLIENT,
	LOG_USER,
	LOG_PROCESS,
	LOG_TYPE,
	LOG_NAME,
	LOG_ANSWER,
	LOG_FROM,
	LOG_TOOK,
	LOG_RULE,
	LOG_CELL_NUM
};

static const struct table_column log_columns[LOG_CELL_NUM] = {
	[LOG_WHEN] = { .head = "WHEN", .width = 12 },
	[LOG_CLIENT] = { .head = "CLIENT", .width = 21 },
	[LOG_USER] = { .head = "USER", .width = 8 },
	[LOG_PROCESS] = { .head = "PROCESS", .width = 16 },
	[LOG_TYPE] = { .head = "TYPE", .width = 5 },
	[LOG_NAME] = { .head = "NAME", .width = 32 },
	[LOG_ANSWER] = { .head = "ANSWER", .width = 8 },
	[LOG_FROM] = { .head = "FROM", .width = 16 },
	[LOG_TOOK] = { .head = "TOOK", .width = 8, .right = true },
	[LOG_RULE] = { .head = "RULE" },
};

/* The keys of the cells that are shown as they come. */
static const char *const log_keys[LOG_CELL_NUM] = {
	[LOG_CLIENT] = "client", [LOG_TYPE] = "qtype", [LOG_NAME] = "name",
	[LOG_ANSWER] = "rcode",	 [LOG_RULE] = "rule",
};

struct log_view {
	bool headed; /* the head comes with the first line: an error stands alone */
	bool failed;
};

static const struct option_spec log_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	{ .name = "follow",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct client_options, follow),
	  .help = "then show queries as they are answered, until interrupted" },
	CLIENT_OPTION_END,
};

static enum table_tone tone_of(const json_t *query)
{
	const char *action = object_text(query, "action", NULL);
	const char *rcode = object_text(query, "rcode", NULL);

	if (rcode && strcmp(rcode, "SERVFAIL") == 0)
		return TABLE_BAD;
	if (action && strcmp(action, "pass") != 0 && strcmp(action, "ask") != 0)
		return TABLE_FAINT;
	return TABLE_PLAIN;
}

/* By name, where this host knows one. */
static const char *user_of(const json_t *query, char buf[FORMAT_MAX])
{
	const json_t *uid = json_object_get(query, "uid");
	const struct passwd *pw;

	if (!json_is_integer(uid))
		return NULL;
	pw = getpwuid((uid_t)json_integer_value(uid));
	if (pw)
		return pw->pw_name;
	snprintf(buf, FORMAT_MAX, "%lld", json_integer_value(uid));
	return buf;
}

/* NAME[PID] */
static const char *process_of(const json_t *query, char buf[FORMAT_MAX])
{
	const char *name = object_text(query, "process", NULL);
	const json_t *pid = json_object_get(query, "pid");

	if (!name || !json_is_integer(pid))
		return name;
	snprintf(buf, FORMAT_MAX, "%.15s[%lld]", name, json_integer_value(pid));
	return buf;
}

static void print_query(const json_t *query)
{
	const json_t *when = json_object_get(query, "time_ms");
	const json_t *took = json_object_get(query, "duration_us");
	const char *cells[LOG_CELL_NUM] = { 0 };
	char when_text[FORMAT_MAX], took_text[FORMAT_MAX];
	char user_text[FORMAT_MAX], process_text[FORMAT_MAX];

	for (size_t i = 0; i < LOG_CELL_NUM; i++) {
		if (log_keys[i])
			cells[i] = object_text(query, log_keys[i], NULL);
	}
	cells[LOG_USER] = user_of(query, user_text);
	cells[LOG_PROCESS] = process_of(query, process_text);
	cells[LOG_FROM] = object_text(query, "upstream", NULL);
	if (!cells[LOG_FROM])
		cells[LOG_FROM] = object_text(query, "source", NULL);
	if (json_is_integer(when))
		cells[LOG_WHEN] = format_clock((uint64_t)json_integer_value(when), when_text);
	if (json_is_integer(took))
		cells[LOG_TOOK] = format_us((uint64_t)json_integer_value(took), took_text);
	table_stream_row(log_columns, LOG_CELL_NUM, cells, tone_of(query), stdout);
}

static void log_object(void *arg, const char *kind, json_t *object)
{
	struct log_view *v = arg;
	const char *type = object_text(object, "type", NULL);

	if (strcmp(kind, "dns") != 0 || !type)
		return;
	if (dns_view_error(object)) {
		v->failed = true;
		return;
	}
	if (!v->headed)
		table_stream_head(log_columns, LOG_CELL_NUM, stdout);
	v->headed = true;
	if (!strcmp(type, "query"))
		print_query(object);
	else if (!strcmp(type, "lost"))
		printf("... %lld queries came too fast to be shown\n",
		       json_integer_value(json_object_get(object, "count")));
}

static int log_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	struct log_view view = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&dns_log_command, argc, argv, &opts, &status))
		return status;

	const struct client_show show = { .object = log_object, .arg = &view, .json = opts.json };

	status = client_ask(opts.instance,
			    json_pack("{s:s, s:s, s:b}", "command", "dns", "what", "log", "follow",
				      opts.follow),
			    &show);
	return view.failed ? EXIT_TROUBLE : status;
}

const struct command dns_log_command = {
	.name = "dns log",
	.operands = "",
	.summary = "the latest queries",
	.details =
		"Shows a line for each of the latest queries: who asked for what, what the answer was,\n"
		"where it came from (an upstream, the cache, the kernel, a rule of the policy), and\n"
		"how long it took.",
	.options = log_options,
	.run = log_main,
};
