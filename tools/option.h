/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Options by table: parsing, checking and --help all read the same entries, so they cannot
 * drift apart. Options are long (`--name VALUE`, `--name=VALUE`), a few have a letter, too;
 * `--help` and `-h` exist everywhere without an entry.
 */
#ifndef TOOLS_OPTION_H
#define TOOLS_OPTION_H

#include <stddef.h>
#include <stdio.h>

#define OPTION_LIST_MAX 32

struct command;

enum option_kind {
	OPTION_FLAG, /* bool: true if given */
	OPTION_TEXT, /* const char * into argv */
	OPTION_NUMBER, /* long, min..max */
	OPTION_LIST, /* struct option_list: may be given `max` times, <= OPTION_LIST_MAX */
};

struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t count;
};

struct option_spec {
	const char *name; /* without the dashes */
	const char *value; /* what stands for the value in the help; NULL = a flag */
	const char *help;
	enum option_kind kind;
	char letter; /* `-c` is as good, 0 = there is none */
	size_t offset; /* in the command's own struct of options */
	long min;
	long max;
	/* NULL = anything goes; returns NULL or what is wrong with `text`. */
	const char *(*wrong)(const char *text);
};

/* Entries without a check; a number is 0 to `most`. */
#define OPTION_TEXT_OF(type, option, field, shown, text)                                           \
	{                                                                                          \
		.name = option, .value = shown, .kind = OPTION_TEXT,                               \
		.offset = offsetof(type, field), .help = text                                      \
	}
#define OPTION_NUMBER_OF(type, option, field, most, text)                                          \
	{                                                                                          \
		.name = option, .value = "N", .kind = OPTION_NUMBER, .min = 0, .max = most,        \
		.offset = offsetof(type, field), .help = text                                      \
	}

/*
 * Parses up to the first operand or behind `--` into `opts`, which holds the defaults.
 * Returns the index of the first operand, or -1 with the exit status: help was printed on
 * stdout (0) or an error in one line on stderr (EXIT_USAGE).
 */
int option_parse(const struct command *cmd, int argc, char **argv, void *opts, int *ret_status);

/*
 * At most `max` operands, with options before, between and behind them. Their number, or -1 with
 * the exit status: one more is an error, too.
 */
int option_parse_operands(const struct command *cmd, int argc, char **argv, void *opts, int max,
			  const char **operand, int *ret_status);

/* As above for a command that takes no operands: one is an error. Returns 0 or -1. */
int option_parse_only(const struct command *cmd, int argc, char **argv, void *opts,
		      int *ret_status);

void option_help(const struct command *cmd, FILE *out);

#endif
