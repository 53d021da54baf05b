// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace dns [VERB]`: what the resolver says of itself, and what it is told. Each verb is a
 * command of its own with options behind it; without one the state and the log are shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/dns.h"
#include "tools/dns_view.h"

static const struct option_spec dns_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static int stats_main(int argc, char **argv);
static int cache_main(int argc, char **argv);
static int flush_main(int argc, char **argv);
static int lookup_main(int argc, char **argv);

struct lookup_options {
	struct client_options client;
	const char *as;
};

static const struct option_spec lookup_options[] = {
	{ .name = "client",
	  .value = "ADDRESS",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct lookup_options, as),
	  .help = "as a client of this address would be answered" },
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static const struct command lookup_command = {
	.name = "dns lookup",
	.operands = "NAME [TYPE]",
	.summary = "ask through the running policy",
	.details =
		"Asks for NAME (type A, or TYPE) as a client would, and shows the answer, where it\n"
		"came from, and which rule decided.",
	.options = lookup_options,
	.run = lookup_main,
};

static const struct command stats_command = {
	.name = "dns stats",
	.operands = "",
	.summary = "upstream servers and the cache",
	.details = "Shows upstream servers with their answers and failures, and the cache.",
	.options = dns_options,
	.run = stats_main,
};

static const struct command cache_command = {
	.name = "dns cache",
	.operands = "[NAME]",
	.summary = "the answers that are kept",
	.details = "Shows the answers that are kept: all, or those of NAME and of names below it.",
	.options = dns_options,
	.run = cache_main,
};

static const struct command flush_command = {
	.name = "dns flush",
	.operands = "[NAME]",
	.summary = "forget kept answers",
	.details =
		"Forgets the answers that are kept, here and in the kernel: all, or those of NAME\n"
		"and of names below it.",
	.options = dns_options,
	.run = flush_main,
};

static const struct command *const verbs[] = {
	&dns_log_command, &stats_command, &cache_command, &flush_command, &lookup_command,
};

/* Asks what `request` says and shows tables. */
static int ask_for(const struct client_options *opts, json_t *request)
{
	struct dns_view view = { 0 };
	const struct client_show show = {
		.object = dns_view_object, .end = dns_view_end, .arg = &view, .json = opts->json
	};
	int status = client_ask(opts->instance, request, &show);

	if (view.failed)
		status = EXIT_TROUBLE;
	if (!status && !opts->json && !view.used)
		puts("nothing is kept");
	dns_view_done(&view);
	return status;
}

/* The same for a verb that takes a name, which may be NULL. */
static int ask(const struct client_options *opts, const char *what, const char *name)
{
	return ask_for(opts,
		       json_pack("{s:s, s:s, s:s*}", "command", "dns", "what", what, "name", name));
}

static int stats_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&stats_command, argc, argv, &opts, &status))
		return status;
	return ask(&opts, "stats", NULL);
}

static int named(const struct command *cmd, const char *what, int argc, char **argv)
{
	struct client_options opts = { 0 };
	const char *name = NULL;
	int status = EXIT_TROUBLE;

	if (option_parse_operands(cmd, argc, argv, &opts, 1, &name, &status) < 0)
		return status;
	return ask(&opts, what, name);
}

static int cache_main(int argc, char **argv)
{
	return named(&cache_command, "cache", argc, argv);
}

static int flush_main(int argc, char **argv)
{
	return named(&flush_command, "flush", argc, argv);
}

static int lookup_main(int argc, char **argv)
{
	struct lookup_options opts = { 0 };
	const char *operand[2] = { 0 };
	int status = EXIT_TROUBLE;
	int num = option_parse_operands(&lookup_command, argc, argv, &opts, 2, operand, &status);

	if (num < 0)
		return status;
	if (!num) {
		fprintf(stderr, "headrace dns lookup: a NAME is needed; see "
				"`headrace dns lookup --help`\n");
		return EXIT_USAGE;
	}
	return ask_for(&opts.client,
		       json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "command", "dns", "what", "lookup",
				 "name", operand[0], "type", operand[1], "client", opts.as));
}

/* Options that stand before the verb, at argv[at], are the verb's as well. */
static int run_verb(const struct command *verb, int argc, char **argv, int at)
{
	char *name = argv[at];

	memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
	argv[1] = name;
	return verb->run(argc - 1, argv + 1);
}

static int dns_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	int status = EXIT_TROUBLE, at = option_parse(&dns_command, argc, argv, &opts, &status);

	if (at < 0)
		return status;
	if (at == argc)
		return ask(&opts, "all", NULL);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i]->name + strlen("dns "), argv[at]) == 0)
			return run_verb(verbs[i], argc, argv, at);
	}
	fprintf(stderr, "headrace dns: unknown verb '%s'; see `headrace dns --help`\n", argv[at]);
	return EXIT_USAGE;
}

const struct command dns_command = {
	.name = "dns",
	.operands = "[VERB [OPTION...] [OPERAND...]]",
	.summary = "show upstream servers, cache and queries of the resolver; look up, flush",
	.details = "Shows what the resolver says of itself: upstream servers, the cache, and the\n"
		   "latest queries. With a VERB (`headrace dns VERB --help`):\n\n"
		   "  log             the latest queries, and with --follow those that come\n"
		   "  stats           upstream servers and the cache\n"
		   "  cache [NAME]    the answers that are kept\n"
		   "  lookup NAME [TYPE]  ask through the running policy: the answer, and why\n"
		   "  flush [NAME]    forget kept answers",
	.options = dns_options,
	.run = dns_main,
};
