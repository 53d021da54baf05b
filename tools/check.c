// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace check FILE`: all that is wrong with a configuration, in one go, without an instance
 * and without privilege; or what it means, in short.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "tools/command.h"
#include "tools/config.h"

static void print_count(const char *sep, size_t num, const char *one, const char *many)
{
	printf("%s%zu %s", sep, num, num == 1 ? one : many);
}

static void print_config(const char *file, const struct conf *conf)
{
	const struct conf_dns *d = &conf->dns;
	size_t rules = 0;

	for (size_t i = 0; i < d->policies; i++)
		rules += d->policy[i].rules;
	printf("%s: ok:", file);
	print_count(" ", d->upstreams, "upstream", "upstreams");
	print_count(", ", d->groups, "group", "groups");
	print_count(", ", d->lists, "list", "lists");
	print_count(", ", d->policies, "policy", "policies");
	print_count(", ", rules, "rule", "rules");
	print_count(", ", d->listeners, "listener", "listeners");
	print_count(", ", conf->rules, "rule about flows", "rules about flows");
	putchar('\n');
}

static const struct option_spec check_options[] = {
	{ .name = NULL },
};

static int check_main(int argc, char **argv)
{
	const char *file;
	struct conf *conf;
	int status = 0, num;

	num = option_parse_operands(&check_command, argc, argv, NULL, 1, &file, &status);
	if (num < 0)
		return status;
	if (!num) {
		fprintf(stderr, "headrace check: expected one FILE; see `headrace check --help`\n");
		return EXIT_USAGE;
	}
	conf = config_check(file);
	if (!conf)
		return EXIT_TROUBLE;
	config_check_lists(file, conf);
	print_config(file, conf);
	conf_free(conf);
	return EXIT_SUCCESS;
}

const struct command check_command = {
	.name = "check",
	.operands = "FILE",
	.summary = "look for errors in a configuration file",
	.details =
		"Reads FILE as headraced would and names all errors at once, each with its line,\n"
		"its key and what was expected, or says in short what it configures. Neither\n"
		"privilege nor a running instance is needed; nothing is changed.",
	.options = check_options,
	.run = check_main,
};
