// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace mode`: route capture takes everything, or DNS alone, from now on. */
#include <stdio.h>
#include <string.h>

#include "conf/route.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/object.h"

static const struct option_spec mode_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static void mode_object(void *arg, const char *kind, json_t *object)
{
	const char *mode = object_text(object, "mode", NULL);

	if (mode)
		puts(mode);
}

static bool is_mode(const char *word)
{
	for (int i = 0; i < CONF_ROUTE_MODE_NUM; i++)
		if (!strcmp(word, conf_route_modes[i]))
			return true;
	return false;
}

static int mode_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	struct client_show show = { .object = mode_object };
	const char *mode = NULL;
	int status = 0;
	json_t *request;

	if (option_parse_operands(&mode_command, argc, argv, &opts, 1, &mode, &status) < 0)
		return status;
	if (mode && !is_mode(mode)) {
		fprintf(stderr, "headrace mode: expected firewall or dns; see `headrace mode "
				"--help`\n");
		return EXIT_USAGE;
	}
	request = json_pack("{s:s, s:s*}", "command", "mode", "mode", mode);
	show.json = opts.json;
	return client_ask(opts.instance, request, &show);
}

const struct command mode_command = {
	.name = "mode",
	.operands = "[firewall | dns]",
	.summary = "let route capture take everything, or DNS alone",
	.details =
		"For an instance with capture.route, see headrace.yaml(5). firewall: everything is\n"
		"routed to the TUN; dns: the stack's own address alone. It takes effect at once;\n"
		"with `way: table` open flows go on. Without a word the mode is shown. A reload\n"
		"sets what the configuration says.",
	.options = mode_options,
	.run = mode_main,
};
