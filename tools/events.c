// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace events`: flows as they open and end, until interrupted or the instance ends. */
#include <stdbool.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/event_line.h"

static const struct option_spec event_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

/* The head comes with the first event, so that a refused command prints its error alone. */
static void event_object(void *arg, const char *kind, json_t *object)
{
	bool *headed = arg;

	if (strcmp(kind, "event") != 0)
		return;
	if (!*headed)
		event_head_print(stdout);
	*headed = true;
	event_line_print(object, stdout);
}

static int events_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	bool headed = false;
	int status = EXIT_TROUBLE;

	if (option_parse_only(&events_command, argc, argv, &opts, &status))
		return status;

	const struct client_show show = { .object = event_object,
					  .arg = &headed,
					  .json = opts.json };

	return client_command(opts.instance, "events", 1, &show);
}

const struct command events_command = {
	.name = "events",
	.operands = "",
	.summary = "show flows as they open and end, until interrupted",
	.details =
		"Shows a line for each flow that opens and each that ends, until interrupted or\n"
		"until the instance ends.",
	.options = event_options,
	.run = events_main,
};
