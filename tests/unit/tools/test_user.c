// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who COMMAND runs as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tools/user.c"

static struct user user;
static char err[USER_ERROR_MAX];

static int setup(void **state)
{
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	return 0;
}

static int teardown(void **state)
{
	user_done(&user);
	return setup(state);
}

static void the_caller_is_left_as_it_is(void **state)
{
	assert_int_equal(user_choose(&user, NULL, err), 0);
	assert_false(user.change);
	assert_int_equal(user.uid, geteuid());
}

static void an_unknown_name_is_an_error(void **state)
{
	assert_int_equal(user_choose(&user, "no-such-user-here", err), -ENOENT);
	assert_string_equal(err, "--user 'no-such-user-here': no such user");
}

static void a_name_brings_its_ids_groups_and_home(void **state)
{
	assert_int_equal(user_choose(&user, "daemon", err), 0);
	assert_true(user.change);
	assert_int_equal(user.uid, 1);
	assert_string_equal(user.home, "/usr/sbin");
	assert_true(user.groups_count >= 1);
}

static void sudo_variables_name_the_user(void **state)
{
	if (geteuid())
		skip();
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	assert_int_equal(user_choose(&user, NULL, err), 0);
	assert_int_equal(user.uid, 65534);
	assert_string_equal(user.name, "nobody");
}

static void a_uid_without_an_entry_has_no_name(void **state)
{
	if (geteuid())
		skip();
	setenv("SUDO_UID", "3999999999", 1);
	setenv("SUDO_GID", "3999999998", 1);
	assert_int_equal(user_choose(&user, NULL, err), 0);
	assert_true(user.uid == 3999999999U);
	assert_null(user.name);
	assert_int_equal(user.groups_count, 1);
}

static void broken_sudo_variables_do_not_count(void **state)
{
	static const char *const bad[] = { "", "-1", "4294967295", "1x", "99999999999", "+5", " 5" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("SUDO_UID", bad[i], 1);
		setenv("SUDO_GID", "0", 1);
		assert_int_equal(user_choose(&user, NULL, err), 0);
		assert_false(user.change);
	}
}

static void becoming_a_user_leaves_no_way_back(void **state)
{
	pid_t pid;
	int status;

	if (geteuid())
		skip();
	assert_int_equal(user_choose(&user, "daemon", err), 0);
	pid = fork();
	if (!pid)
		_exit(user_become(&user) || getuid() != 1 || geteuid() != 1 || !setuid(0) ||
		      strcmp(getenv("USER"), "daemon") || strcmp(getenv("HOME"), "/usr/sbin"));
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_caller_is_left_as_it_is),
		TEST(an_unknown_name_is_an_error),
		TEST(a_name_brings_its_ids_groups_and_home),
		TEST(sudo_variables_name_the_user),
		TEST(a_uid_without_an_entry_has_no_name),
		TEST(broken_sudo_variables_do_not_count),
		TEST(becoming_a_user_leaves_no_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
