// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of commands against what is written about it: every option of --help stands in
 * the man page and in the completion, and the man page names none that does not exist. Run
 * from the top of the tree, as the tests are; finds headraced by B, the build directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

int headrace_main(int argc, char **argv);

#define main headrace_main
#include "tools/headrace.c"
#undef main

#include "tools/check.c"
#include "tools/client.c"
#include "tools/config.c"
#include "tools/daemon.c"
#include "tools/dns.c"
#include "tools/dns_log.c"
#include "tools/dns_view.c"
#include "tools/doctor.c"
#include "tools/doctor_hooks.c"
#include "tools/doctor_host.c"
#include "tools/doctor_instance.c"
#include "tools/doctor_nft.c"
#include "tools/doctor_order.c"
#include "tools/doctor_resolver.c"
#include "tools/drops.c"
#include "tools/dump.c"
#include "tools/dump_files.c"
#include "tools/event_line.c"
#include "tools/events.c"
#include "tools/explain.c"
#include "tools/flow_list.c"
#include "tools/flow_row.c"
#include "tools/flows.c"
#include "tools/format.c"
#include "tools/job.c"
#include "tools/mode.c"
#include "tools/names.c"
#include "tools/object.c"
#include "tools/option.c"
#include "tools/pcapng.c"
#include "tools/private_etc.c"
#include "tools/reload.c"
#include "tools/report.c"
#include "tools/rules.c"
#include "tools/run.c"
#include "tools/sandbox.c"
#include "tools/status.c"
#include "tools/sysfs.c"
#include "tools/table.c"
#include "tools/up.c"
#include "tools/user.c"

#define TEXT_MAX 65536

static char page[TEXT_MAX];
static char other[TEXT_MAX];

static void read_file(const char *path, char text[TEXT_MAX])
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	text[fread(text, 1, TEXT_MAX - 1, f)] = 0;
	fclose(f);
}

/* The part of the page from `from` to `to`: options of one name mean different things. */
static const char *section(const char *from, const char *to)
{
	static char part[TEXT_MAX];
	const char *start = strstr(page, from);
	const char *end;

	assert_non_null(start);
	end = strstr(start, to);
	assert_non_null(end);
	snprintf(part, sizeof(part), "%.*s", (int)(end - start), start);
	return part;
}

/* Is there an item for `--name VALUE` in the list? */
static bool documents(const char *part, const char *name, const char *value)
{
	char item[128];

	snprintf(item, sizeof(item), "\n.It Fl -%s%s%s\n", name, value ? " Ar " : "",
		 value ? value : "");
	return strstr(part, item);
}

static void every_option_is_in_the_man_page(void **state)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		bool run = commands[i] == &run_command;
		const char *part =
			section(run ? ".Ss Options of run" : ".Ss Options of the other",
				run ? ".Ss Options of the other" : ".Ss Options of every");

		for (const struct option_spec *o = commands[i]->options; o->name; o++) {
			if (!documents(part, o->name, o->value))
				fail_msg("%s --%s", commands[i]->name, o->name);
		}
	}
}

static bool is_option_of(const struct command *cmd, const char *name, size_t len)
{
	return option_find(cmd, name, len);
}

/* Each ".It Fl -name" of the part is an option of a command that `which` picks. */
static void check_items(const char *part, bool run)
{
	static const char mark[] = "\n.It Fl -";

	for (const char *at = strstr(part, mark); at; at = strstr(at + 1, mark)) {
		const char *name = at + strlen(mark);
		bool known = false;

		for (size_t i = 0; i < COMMANDS; i++) {
			if ((commands[i] == &run_command) == run)
				known |= is_option_of(commands[i], name, strcspn(name, " \n"));
		}
		if (!known)
			fail_msg("no such option: %.20s", name);
	}
}

static void every_option_of_the_man_page_exists(void **state)
{
	check_items(section(".Ss Options of run", ".Ss Options of the other"), true);
	check_items(section(".Ss Options of the other", ".Ss Options of every"), false);
}

static void every_command_is_in_the_man_page(void **state)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		char item[64];

		snprintf(item, sizeof(item), "\n.It Cm %s\n", commands[i]->name);
		assert_non_null(strstr(page, item));
	}
}

static void synopsis_has_every_option_of_run(void **state)
{
	const char *part = section(".Sh SYNOPSIS", "\n.Cm status");

	for (const struct option_spec *o = run_command.options; o->name; o++) {
		char item[128];

		snprintf(item, sizeof(item), "\n.Op Fl -%s%s%s\n", o->name, o->value ? " Ar " : "",
			 o->value ? o->value : "");
		if (!strstr(part, item))
			fail_msg("--%s", o->name);
	}
}

static void completion_knows_every_option(void **state)
{
	read_file("tools/packaging/headrace.bash", other);
	for (size_t i = 0; i < COMMANDS; i++) {
		char head[64];
		char words[2048] = " ";
		const char *start;

		snprintf(head, sizeof(head), "[%s]='", commands[i]->name);
		start = strstr(other, head);
		assert_non_null(start);
		start += strlen(head);
		snprintf(words + 1, sizeof(words) - 2, "%.*s", (int)strcspn(start, "'"), start);
		for (char *c = words; *c; c++)
			*c = *c == '\n' || *c == '\t' ? ' ' : *c;
		strcat(words, " ");
		for (const struct option_spec *o = commands[i]->options; o->name; o++) {
			char word[64];

			snprintf(word, sizeof(word), " --%s ", o->name);
			if (!strstr(words, word))
				fail_msg("%s%s", commands[i]->name, word);
		}
	}
}

/* `name` as it is written on the command line. */
static const char *dashed(const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s", name);
	for (char *c = text; *c; c++)
		*c = *c == '_' ? '-' : *c;
	return text;
}

static void completion_and_man_page_know_every_limit(void **state)
{
	const char *part = section(".Ss Limits", ".Sh ENVIRONMENT");

	read_file("tools/packaging/headrace.bash", other);
	for (int i = 0; i < LIMIT_NUM; i++) {
		const char *name = dashed(limit_name((enum limit)i));
		char item[96];

		if (!strstr(other, name))
			fail_msg("completion: %s", name);
		snprintf(item, sizeof(item), "\n.It Cm %s\n", name);
		if (!strstr(name, "-per-source") && !strstr(part, item))
			fail_msg("man page: %s", name);
	}
}

/* Text that `command` prints. */
static void read_command(const char *command, char text[TEXT_MAX])
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	text[fread(text, 1, TEXT_MAX - 1, f)] = 0;
	assert_int_equal(pclose(f), 0);
}

static void headraced_and_its_man_page_agree(void **state)
{
	const char *build = getenv("B");
	char command[256];

	snprintf(command, sizeof(command), "%s/headraced", build ? build : "build/release");
	if (access(command, X_OK))
		skip();
	strcat(command, " --help");
	read_command(command, other);
	read_file("tools/man/headraced.8", page);
	for (const char *at = strstr(other, "\n  --"); at; at = strstr(at + 1, "\n  --")) {
		char item[64];

		snprintf(item, sizeof(item), "\n.It Fl -%.*s", (int)strcspn(at + 5, " \n"), at + 5);
		if (!strstr(page, item))
			fail_msg("not in the man page: %s", item);
	}
	for (const char *at = strstr(page, "\n.It Fl -"); at; at = strstr(at + 1, "\n.It Fl -")) {
		char item[64];

		snprintf(item, sizeof(item), "\n  --%.*s", (int)strcspn(at + 9, " \n"), at + 9);
		if (!strstr(other, item))
			fail_msg("not in --help: %s", item);
	}
	read_file("tools/man/headrace.1", page);
}

static int call(char **args)
{
	int argc = 0;

	while (args[argc])
		argc++;
	return headrace_main(argc, args);
}

#define CALL(...) call((char *[]){ "headrace", __VA_ARGS__, NULL })

static void wrong_usage_is_status_2(void **state)
{
	assert_int_equal(call((char *[]){ "headrace", NULL }), EXIT_USAGE);
	assert_int_equal(CALL("frobnicate"), EXIT_USAGE);
	assert_int_equal(CALL("--frobnicate"), EXIT_USAGE);
	assert_int_equal(CALL("status", "--follow"), EXIT_USAGE);
	assert_int_equal(CALL("flows", "operand"), EXIT_USAGE);
	assert_int_equal(CALL("dns", "--instance", "a/b"), EXIT_USAGE);
	assert_int_equal(CALL("dns", "nonsense"), EXIT_USAGE);
	assert_int_equal(CALL("dns", "flush", "a.test", "b.test"), EXIT_USAGE);
	assert_int_equal(CALL("dns", "log", "--help"), EXIT_SUCCESS);
}

static void nothing_to_talk_to_is_status_1(void **state)
{
	assert_int_equal(CALL("status", "--instance", "no-such-instance-is-running"), EXIT_TROUBLE);
}

static void help_and_version_are_status_0(void **state)
{
	assert_int_equal(CALL("--help"), 0);
	assert_int_equal(CALL("--version"), 0);
	assert_int_equal(CALL("flows", "--help"), 0);
}

static int setup(void **state)
{
	read_file("tools/man/headrace.1", page);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_in_the_man_page),
		cmocka_unit_test(every_option_of_the_man_page_exists),
		cmocka_unit_test(every_command_is_in_the_man_page),
		cmocka_unit_test(synopsis_has_every_option_of_run),
		cmocka_unit_test(completion_knows_every_option),
		cmocka_unit_test(completion_and_man_page_know_every_limit),
		cmocka_unit_test(headraced_and_its_man_page_agree),
		cmocka_unit_test(wrong_usage_is_status_2),
		cmocka_unit_test(nothing_to_talk_to_is_status_1),
		cmocka_unit_test(help_and_version_are_status_0),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
