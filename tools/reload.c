// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace reload`: an instance reads its configuration once more, all of it or nothing. */
#include <stdbool.h>
#include <stdio.h>

#include "tools/client.h"
#include "tools/command.h"

static const struct option_spec reload_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

/* Errors and warnings are whole lines already. */
static void reload_line(void *arg, const char *kind, json_t *object)
{
	const char *line = json_string_value(json_object_get(object, "line"));
	bool error = json_is_true(json_object_get(object, "error"));

	if (line)
		fprintf(error ? stderr : stdout, "%s\n", line);
}

static int reload_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	struct client_show show = { .object = reload_line };
	int status = 0, first;

	first = option_parse(&reload_command, argc, argv, &opts, &status);
	if (first < 0)
		return status;
	if (first + 1 < argc || (first < argc && opts.instance)) {
		fprintf(stderr, "headrace reload: expected one INSTANCE; see `headrace reload "
				"--help`\n");
		return EXIT_USAGE;
	}
	if (first < argc)
		opts.instance = argv[first];
	show.json = opts.json;
	return client_command(opts.instance, "reload", 0, &show);
}

const struct command reload_command = {
	.name = "reload",
	.operands = "[INSTANCE]",
	.summary = "let an instance read its configuration again",
	.details =
		"The file that the instance was started with (-c FILE) is read and checked, and\n"
		"takes effect as a whole: no query is lost, none is answered by a mixture of\n"
		"both. What changed is said. If anything is wrong with the file, or with a list\n"
		"that it names, all errors are said and nothing has changed.",
	.options = reload_options,
	.run = reload_main,
};
