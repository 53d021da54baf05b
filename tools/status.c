// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace status`: what an instance is made of and what its roles count. */
#include <stdio.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/object.h"

static const struct option_spec status_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static void status_object(void *arg, const char *kind, json_t *object)
{
	if (!strcmp(kind, "status"))
		object_print(object, stdout);
}

static int status_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&status_command, argc, argv, &opts, &status))
		return status;

	const struct client_show show = { .object = status_object, .json = opts.json };

	return client_command(opts.instance, "status", 0, &show);
}

const struct command status_command = {
	.name = "status",
	.operands = "",
	.summary = "show addresses, features, roles and counters of an instance",
	.details = "Shows how an instance does its work on this kernel, its addresses and roles,\n"
		   "what they count, and advice where the host's settings stand in the way.",
	.options = status_options,
	.run = status_main,
};
