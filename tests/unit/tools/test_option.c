// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Options by table: what is taken, what is refused, and the help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/option.c"

struct sample {
	bool flag;
	const char *text;
	long number;
	struct option_list list;
};

static const char *no_x(const char *text)
{
	return strchr(text, 'x') ? "has an x" : NULL;
}

static const struct option_spec specs[] = {
	{ .name = "flag",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct sample, flag),
	  .help = "f" },
	{ .name = "text",
	  .value = "TEXT",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct sample, text),
	  .wrong = no_x,
	  .help = "a text that is so long that it does not fit into one line of eighty columns" },
	{ .name = "number",
	  .value = "N",
	  .kind = OPTION_NUMBER,
	  .offset = offsetof(struct sample, number),
	  .min = -5,
	  .max = 10,
	  .help = "n" },
	{ .name = "list",
	  .value = "ITEM-OF-A-VERY-LONG-NAME",
	  .kind = OPTION_LIST,
	  .offset = offsetof(struct sample, list),
	  .max = 8,
	  .help = "l" },
	{ .name = NULL },
};

static const struct command sample_command = {
	.name = "sample",
	.operands = "[FILE...]",
	.details = "Does nothing.",
	.options = specs,
};

static struct sample opts;
static int status;

static int parse(int (*function)(const struct command *, int, char **, void *, int *), char **args)
{
	int argc = 1;
	char *argv[32] = { "sample" };

	for (; args[argc - 1]; argc++)
		argv[argc] = args[argc - 1];
	memset(&opts, 0, sizeof(opts));
	status = -1;
	return function(&sample_command, argc, argv, &opts, &status);
}

#define PARSE(...) parse(option_parse, (char *[]){ __VA_ARGS__, NULL })
#define PARSE_ONLY(...) parse(option_parse_only, (char *[]){ __VA_ARGS__, NULL })

static void takes_both_ways_to_give_a_value(void **state)
{
	assert_int_equal(PARSE("--text", "a", "--number=7", "--flag"), 5);
	assert_string_equal(opts.text, "a");
	assert_int_equal(opts.number, 7);
	assert_true(opts.flag);
	assert_int_equal(PARSE("--text="), 2);
	assert_string_equal(opts.text, "");
	assert_int_equal(PARSE("--text", "--flag"), 3);
	assert_string_equal(opts.text, "--flag");
	assert_false(opts.flag);
}

static void stops_at_the_first_operand(void **state)
{
	assert_int_equal(PARSE("--flag", "file", "--number", "99"), 2);
	assert_int_equal(PARSE("--flag", "--", "--number"), 3);
	assert_int_equal(PARSE("-"), 1);
	assert_int_equal(opts.number, 0);
}

static int operands(int max, const char **operand, char **args)
{
	int argc = 1;
	char *argv[32] = { "sample" };

	for (; args[argc - 1]; argc++)
		argv[argc] = args[argc - 1];
	memset(&opts, 0, sizeof(opts));
	status = -1;
	return option_parse_operands(&sample_command, argc, argv, &opts, max, operand, &status);
}

static void options_may_stand_before_and_behind_operands(void **state)
{
	const char *got[2];

	assert_int_equal(
		operands(2, got,
			 (char *[]){ "--flag", "a", "--number", "7", "b", "--text=y", NULL }),
		2);
	assert_string_equal(got[0], "a");
	assert_string_equal(got[1], "b");
	assert_true(opts.flag);
	assert_int_equal(opts.number, 7);
	assert_string_equal(opts.text, "y");
	assert_int_equal(operands(2, got, (char *[]){ "--flag", NULL }), 0);
	assert_int_equal(operands(1, got, (char *[]){ "a", "b", NULL }), -1);
	assert_int_equal(status, EXIT_USAGE);
	assert_int_equal(operands(1, got, (char *[]){ "a", "--nope", NULL }), -1);
	assert_int_equal(status, EXIT_USAGE);
}

static void lists_collect_up_to_their_bound(void **state)
{
	assert_int_equal(PARSE("--list", "a", "--list=b"), 4);
	assert_int_equal(opts.list.count, 2);
	assert_string_equal(opts.list.items[1], "b");
	assert_int_equal(PARSE("--list=1", "--list=2", "--list=3", "--list=4", "--list=5",
			       "--list=6", "--list=7", "--list=8", "--list=9"),
			 -1);
	assert_int_equal(status, EXIT_USAGE);
}

static void refuses_what_is_not_in_the_table(void **state)
{
	static char *bad[][2] = { { "--unknown" },
				  { "--fla" },
				  { "--flags" },
				  { "--"
				    "=" },
				  { "-f" },
				  { "--flag=1" },
				  { "--text=x" },
				  { "--text" },
				  { "--number=11" },
				  { "--number=-6" },
				  { "--number=1k" },
				  { "--number=" },
				  { "--number=99999999999999999999" } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(PARSE(bad[i][0]), -1);
		assert_int_equal(status, EXIT_USAGE);
	}
}

static void commands_without_operands_refuse_them(void **state)
{
	assert_int_equal(PARSE_ONLY("--flag"), 0);
	assert_int_equal(PARSE_ONLY("file"), -1);
	assert_int_equal(status, EXIT_USAGE);
}

static void help_is_made_from_the_table(void **state)
{
	char text[4096] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	option_help(&sample_command, f);
	fclose(f);
	assert_string_equal(
		text,
		"Usage: headrace sample [OPTION...] [FILE...]\n\nDoes nothing.\n\nOptions:\n"
		"  --flag                    f\n"
		"  --text TEXT               a text that is so long that it does not fit into one\n"
		"                            line of eighty columns\n"
		"  --number N                n\n"
		"  --list ITEM-OF-A-VERY-LONG-NAME\n"
		"                            l\n"
		"  --help                    show this help and exit\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_both_ways_to_give_a_value),
		cmocka_unit_test(stops_at_the_first_operand),
		cmocka_unit_test(options_may_stand_before_and_behind_operands),
		cmocka_unit_test(lists_collect_up_to_their_bound),
		cmocka_unit_test(refuses_what_is_not_in_the_table),
		cmocka_unit_test(commands_without_operands_refuse_them),
		cmocka_unit_test(help_is_made_from_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
