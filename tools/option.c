// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Options by table (see option.h). Values point into argv and are never copied. An error is
 * one line that names the option, what is wrong and where the help is.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command.h"
#include "tools/option.h"

#define HELP_COLUMN 28 /* where the texts of an option list begin */
#define HELP_WIDTH 80

struct option_error {
	const struct command *cmd;
	int *ret_status;
};

__attribute__((format(printf, 2, 3))) static int option_fail(const struct option_error *e,
							     const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "headrace %s: ", e->cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see `headrace %s --help`\n", e->cmd->name);
	*e->ret_status = EXIT_USAGE;
	return -1;
}

static const struct option_spec *option_find(const struct command *cmd, const char *name,
					     size_t len)
{
	for (const struct option_spec *o = cmd->options; o->name; o++) {
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	}
	return NULL;
}

static const struct option_spec *option_find_letter(const struct command *cmd, char letter)
{
	for (const struct option_spec *o = cmd->options; o->name; o++) {
		if (o->letter == letter)
			return o;
	}
	return NULL;
}

static int option_set_number(const struct option_error *e, const struct option_spec *o,
			     const char *text, long *ret_number)
{
	char *end;

	errno = 0;
	long number = strtol(text, &end, 10);

	if (errno || end == text || *end || number < o->min || number > o->max)
		return option_fail(e, "--%s '%s': not a number from %ld to %ld", o->name, text,
				   o->min, o->max);
	*ret_number = number;
	return 0;
}

static int option_set_list(const struct option_error *e, const struct option_spec *o,
			   const char *text, struct option_list *list)
{
	if (list->count == (size_t)o->max)
		return option_fail(e, "--%s given more than %ld times", o->name, o->max);
	list->items[list->count++] = text;
	return 0;
}

static int option_set(const struct option_error *e, const struct option_spec *o, const char *text,
		      char *opts)
{
	void *field = opts + o->offset;
	const char *wrong = o->wrong ? o->wrong(text) : NULL;

	if (wrong)
		return option_fail(e, "--%s '%s': %s", o->name, text, wrong);
	switch (o->kind) {
	case OPTION_FLAG:
		break; /* has no value: set where it is found */
	case OPTION_TEXT:
		*(const char **)field = text;
		return 0;
	case OPTION_NUMBER:
		return option_set_number(e, o, text, field);
	case OPTION_LIST:
		return option_set_list(e, o, text, field);
	}
	return -1;
}

/* One option at argv[*i]; *i ends at the last argument that belongs to it. */
static int option_one(const struct option_error *e, int argc, char **argv, int *i, char *opts)
{
	const char *arg = argv[*i];
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	const struct option_spec *o = NULL;

	if (len > 2 && arg[1] == '-')
		o = option_find(e->cmd, arg + 2, len - 2);
	else if (len == 2 && !equals)
		o = option_find_letter(e->cmd, arg[1]);
	if (!o)
		return option_fail(e, "unknown option '%.*s'", (int)len, arg);
	if (!o->value) {
		if (equals)
			return option_fail(e, "--%s takes no value", o->name);
		*(bool *)(opts + o->offset) = true;
		return 0;
	}
	if (equals)
		return option_set(e, o, equals + 1, opts);
	if (*i + 1 >= argc)
		return option_fail(e, "--%s needs %s", o->name, o->value);
	return option_set(e, o, argv[++*i], opts);
}

int option_parse(const struct command *cmd, int argc, char **argv, void *opts, int *ret_status)
{
	struct option_error e = { cmd, ret_status };
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--"))
			return i + 1;
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			option_help(cmd, stdout);
			*ret_status = 0;
			return -1;
		}
		if (argv[i][0] != '-' || !argv[i][1])
			return i;
		if (option_one(&e, argc, argv, &i, opts))
			return -1;
	}
	return i;
}

int option_parse_only(const struct command *cmd, int argc, char **argv, void *opts, int *ret_status)
{
	struct option_error e = { cmd, ret_status };
	int first = option_parse(cmd, argc, argv, opts, ret_status);

	if (first < 0)
		return -1;
	if (first < argc)
		return option_fail(&e, "unexpected argument '%s'", argv[first]);
	return 0;
}

int option_parse_operands(const struct command *cmd, int argc, char **argv, void *opts, int max,
			  const char **operand, int *ret_status)
{
	for (int num = 0;; num++) {
		int at = num < max ? option_parse(cmd, argc, argv, opts, ret_status) :
				     option_parse_only(cmd, argc, argv, opts, ret_status);

		if (at < 0)
			return -1;
		if (num == max || at >= argc)
			return num;
		operand[num] = argv[at];
		argc -= at;
		argv += at;
	}
}

/* Prints `text` from column HELP_COLUMN on, broken between words at HELP_WIDTH. */
static void help_wrap(const char *text, FILE *out)
{
	size_t column = HELP_COLUMN;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + word > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)word, text);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void help_option(const struct option_spec *o, FILE *out)
{
	const char letter[] = { '-', o->letter, ',', ' ', '\0' };
	int width = fprintf(out, "  %s--%s%s%s", o->letter ? letter : "", o->name,
			    o->value ? " " : "", o->value ? o->value : "");

	if (width >= HELP_COLUMN)
		fprintf(out, "\n%*s", HELP_COLUMN, "");
	else
		fprintf(out, "%*s", HELP_COLUMN - width, "");
	help_wrap(o->help, out);
}

void option_help(const struct command *cmd, FILE *out)
{
	static const struct option_spec help = { .name = "help",
						 .help = "show this help and exit" };

	fprintf(out, "Usage: headrace %s [OPTION...]%s%s\n\n%s\n\nOptions:\n", cmd->name,
		*cmd->operands ? " " : "", cmd->operands, cmd->details);
	for (const struct option_spec *o = cmd->options; o->name; o++)
		help_option(o, out);
	help_option(&help, out);
}
