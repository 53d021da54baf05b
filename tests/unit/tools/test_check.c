// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* check.c: every error on stderr and status 1, or one line on stdout, without privilege. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/check.c"
#include "tools/config.c"
#include "tools/option.c"

static char dir[] = "/tmp/headrace-check-XXXXXX";
static char out[8192], err[8192];

static int make_dir(void **state)
{
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	unlink("c.yaml");
	unlink("list");
	return chdir("/") || rmdir(dir);
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void read_back(const char *name, char *text, size_t size)
{
	FILE *f = fopen(name, "re");

	assert_non_null(f);
	text[fread(text, 1, size - 1, f)] = '\0';
	fclose(f);
	unlink(name);
}

/* The command in a process of its own, as nobody, with its output in files. Its status. */
static int check(char *argument)
{
	char *argv[] = { (char *)"check", argument, NULL };
	int status;
	pid_t pid;

	assert_int_equal(chmod(dir, 0777), 0);
	pid = fork();
	if (!pid) {
		if (!freopen("out", "we", stdout) || !freopen("err", "we", stderr) ||
		    (!geteuid() && setuid(65534)))
			_exit(99);
		status = check_command.run(argument ? 2 : 1, argv);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_back("out", out, sizeof(out));
	read_back("err", err, sizeof(err));
	return WEXITSTATUS(status);
}

static void a_good_file_is_summed_up_in_one_line(void **state)
{
	write_file("list", "ads.example\n");
	write_file("c.yaml", "dns:\n  lists: {ads: {file: list}}\n  policies:\n"
			     "  - rules: [{list: ads, block: zero}, {type: A, pass: true}]\n");
	assert_int_equal(check((char *)"c.yaml"), 0);
	assert_string_equal(out, "c.yaml: ok: 1 upstream, 1 group, 1 list, 1 policy, 2 rules, "
				 "0 listeners, 0 rules about flows\n");
	assert_string_equal(err, "");
}

static void all_errors_are_told_and_the_status_is_1(void **state)
{
	write_file("c.yaml", "mtu: 1\nlog: loud\ndns: {timeout: 5}\n");
	assert_int_equal(check((char *)"c.yaml"), EXIT_TROUBLE);
	assert_string_equal(out, "");
	assert_non_null(strstr(err, "c.yaml:1: mtu: "));
	assert_non_null(strstr(err, "c.yaml:2: log: "));
	assert_non_null(strstr(err, "c.yaml:3: dns.timeout: "));
	assert_non_null(strstr(err, "c.yaml: 3 errors\n"));
}

static void what_it_names_and_cannot_be_read_is_a_warning(void **state)
{
	write_file("c.yaml", "dns:\n"
			     "  lists: {ads: {file: gone}}\n"
			     "  upstreams: {a: {type: tls, host: a, ca: gone.pem}}\n"
			     "  policies: [{rules: [{list: ads, block: zero}]}]\n");
	assert_int_equal(check((char *)"c.yaml"), 0);
	assert_non_null(strstr(err, "c.yaml:2: warning: dns.lists.ads: cannot read gone: No such "
				    "file or directory; without it headrace does not start"));
	assert_non_null(strstr(err, "c.yaml:3: warning: dns.upstreams.a: cannot read gone.pem: "));
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
	assert_int_equal(check((char *)"nothere.yaml"), EXIT_TROUBLE);
	assert_non_null(strstr(err, "nothere.yaml: No such file or directory\n"));
	assert_int_equal(check(dir), EXIT_TROUBLE);
	assert_non_null(strstr(err, "Is a directory\n"));
	assert_int_equal(check((char *)"/dev/null"), EXIT_TROUBLE);
	assert_non_null(strstr(err, "/dev/null: not a regular file\n"));
}

static void one_file_is_expected(void **state)
{
	assert_int_equal(check(NULL), EXIT_USAGE);
	assert_non_null(strstr(err, "expected one FILE"));
	assert_int_equal(check((char *)"--colour"), EXIT_USAGE);
	assert_int_equal(check((char *)"--help"), 0);
	assert_non_null(strstr(out, "Usage: headrace check [OPTION...] FILE\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_summed_up_in_one_line),
		cmocka_unit_test(all_errors_are_told_and_the_status_is_1),
		cmocka_unit_test(what_it_names_and_cannot_be_read_is_a_warning),
		cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
		cmocka_unit_test(one_file_is_expected),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
