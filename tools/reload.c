// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace reload`: an instance reads its configuration once more, all of it or nothing. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/object.h"

struct reload_opts {
	struct client_options client;
	const char *flows;
};

static const char *flows_wrong(const char *text)
{
	return !strcmp(text, "keep") || !strcmp(text, "reset") ? NULL : "expected keep or reset";
}

static const struct option_spec reload_options[] = {
	{ .name = "flows",
	  .value = "keep|reset",
	  .help = "what flows do that older rules have decided: go on as they are (default), "
		  "or be decided anew by their next packet",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct reload_opts, flows),
	  .wrong = flows_wrong },
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

/* Errors and warnings are whole lines already. */
static void reload_line(void *arg, const char *kind, json_t *object)
{
	const char *line = object_text(object, "line", NULL);
	bool error = json_is_true(json_object_get(object, "error"));

	if (line)
		fprintf(error ? stderr : stdout, "%s\n", line);
}

static int reload_main(int argc, char **argv)
{
	struct client_show show = { .object = reload_line };
	struct reload_opts opts = { .flows = "keep" };
	struct client_options *client = &opts.client;
	const char *instance = NULL;
	int status = 0;
	json_t *request;

	if (option_parse_operands(&reload_command, argc, argv, &opts, 1, &instance, &status) < 0)
		return status;
	if (instance && client->instance) {
		fprintf(stderr, "headrace reload: expected one INSTANCE; see `headrace reload "
				"--help`\n");
		return EXIT_USAGE;
	}
	if (instance)
		client->instance = instance;
	show.json = client->json;
	request = json_pack("{s:s, s:b}", "command", "reload", "reset_flows",
			    !strcmp(opts.flows, "reset"));
	return client_ask(client->instance, request, &show);
}

const struct command reload_command = {
	.name = "reload",
	.operands = "[INSTANCE]",
	.summary = "let an instance read its configuration again",
	.details =
		"The file that the instance was started with (-c FILE) is read and checked, and\n"
		"takes effect as a whole: no query is lost, none is answered by a mixture of\n"
		"both, and no flow by a mixture of rules. What changed is said. If anything is\n"
		"wrong with the file, or with a list that it names, all errors are said and\n"
		"nothing has changed.",
	.options = reload_options,
	.run = reload_main,
};
