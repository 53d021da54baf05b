// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* file.c: files read whole or refused, and what is said to have changed between two texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "conf/file.h"

static char dir[] = "/tmp/headrace-file-XXXXXX";
static struct conf_errors errors;

static int enter_dir(void **state)
{
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int leave_dir(void **state)
{
	unlink("f");
	unlink("fifo");
	return chdir("/") || rmdir(dir);
}

static void note(void *arg, const char *what)
{
	strcat(arg, what);
	strcat(arg, "\n");
}

static void differ(const char *old, const char *new, const char *what)
{
	struct conf_text a = { (char *)old, strlen(old) }, b = { (char *)new, strlen(new) };
	char said[512] = "";
	int lines = 0;

	for (const char *p = what; *p; p++)
		lines += *p == '\n';
	assert_int_equal(conf_changes(&a, &b, note, said), lines);
	assert_string_equal(said, what);
}

static void layout_comments_and_order_of_keys_are_no_change(void **state)
{
	differ("", "", "");
	differ("", "# comment\n", "");
	differ("dns: {cache: {entries: 1, bytes: 1M}}\n",
	       "# why\ndns:\n  cache:\n    bytes: \"1M\"\n    entries: 1\n", "");
}

static void changes_are_named_by_their_keys(void **state)
{
	differ("dns: {timeout: 1s}", "dns: {timeout: 2s}", "changed: dns.timeout\n");
	differ("", "dns: {timeout: 2s}", "added: dns\n");
	differ("mtu: 1400\ndns: {timeout: 1s, lists: {a: {file: x}}}",
	       "dns: {lists: {a: {file: y}, b: {file: x}}}",
	       "changed: dns.lists.a.file\nadded: dns.lists.b\nremoved: dns.timeout\n"
	       "removed: mtu\n");
}

static void lists_change_as_a_whole(void **state)
{
	differ("dns: {policies: [{name: a}, {name: b}]}", "dns: {policies: [{name: b}, {name: a}]}",
	       "changed: dns.policies\n");
	differ("dns: {listen: [a, b]}", "dns: {listen: [a]}", "changed: dns.listen\n");
	differ("dns: {listen: [a]}", "dns: {listen: a}", "changed: dns.listen\n");
}

static void the_line_of_a_key_is_found(void **state)
{
	const char *text = "# head\nmtu: 1400\ncapture:\n  lan: none\n  route:\n    way: table\n";
	const struct conf_text t = { (char *)text, strlen(text) };

	assert_int_equal(conf_line_of(&t, "mtu"), 2);
	assert_int_equal(conf_line_of(&t, "capture"), 3);
	assert_int_equal(conf_line_of(&t, "capture.route"), 5);
	assert_int_equal(conf_line_of(&t, "capture.route.way"), 6);
	assert_int_equal(conf_line_of(&t, "capture.strict"), 0);
	assert_int_equal(conf_line_of(&t, "mtu.x"), 0);
	assert_int_equal(conf_line_of(&t, "log"), 0);
}

static void refuses(const char *file, int err, const char *says)
{
	struct conf_text text;
	struct conf *conf;

	assert_int_equal(conf_load(file, &text, &conf, &errors), err);
	assert_int_equal(errors.num, 1);
	assert_non_null(strstr(errors.text, says));
}

static void what_is_no_readable_file_is_refused_without_waiting(void **state)
{
	refuses("gone", -ENOENT, "gone: No such file");
	refuses(".", -EISDIR, ".: Is a directory");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	refuses("fifo", -EINVAL, "fifo: not a regular file");
}

static void a_file_that_is_too_long_is_refused(void **state)
{
	int fd = open("f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, (off_t)CONF_FILE_MAX + 1), 0);
	refuses("f", -EFBIG, "f: longer than a configuration may be (16 MiB)");
	assert_int_equal(ftruncate(fd, CONF_FILE_MAX), 0);
	refuses("f", -EINVAL, "f");
	fd_close(fd);
	unlink("f");
}

static void a_text_is_read_from_its_beginning(void **state)
{
	int fd = open("f", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	struct conf_text text;

	assert_int_equal(write(fd, "mtu: 1400\n", 10), 10);
	assert_int_equal(conf_text_read_fd(fd, &text), 0);
	assert_int_equal(text.len, 10);
	assert_string_equal(text.text, "mtu: 1400\n");
	conf_text_done(&text);
	fd_close(fd);
}

static void names_become_absolute(void **state)
{
	char name[PATH_MAX], want[PATH_MAX], *long_name = calloc(1, PATH_MAX);

	assert_int_equal(conf_file_absolute("/a/b", name), 0);
	assert_string_equal(name, "/a/b");
	assert_int_equal(conf_file_absolute("b", name), 0);
	snprintf(want, sizeof(want), "%s/b", dir);
	assert_string_equal(name, want);
	memset(long_name, 'a', PATH_MAX - 1);
	assert_int_equal(conf_file_absolute(long_name, name), -ENAMETOOLONG);
	free(long_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_comments_and_order_of_keys_are_no_change),
		cmocka_unit_test(changes_are_named_by_their_keys),
		cmocka_unit_test(lists_change_as_a_whole),
		cmocka_unit_test(the_line_of_a_key_is_found),
		cmocka_unit_test(what_is_no_readable_file_is_refused_without_waiting),
		cmocka_unit_test(a_file_that_is_too_long_is_refused),
		cmocka_unit_test(a_text_is_read_from_its_beginning),
		cmocka_unit_test(names_become_absolute),
	};

	return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
