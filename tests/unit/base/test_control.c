// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* control.c: names, sockets and who is at their other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/control.h"
#include "base/fd.h"

static const char *unique_name(void)
{
	static char name[INSTANCE_NAME_MAX];

	snprintf(name, sizeof(name), "unit-test.%d", (int)getpid());
	return name;
}

static void knows_valid_instance_names(void **state)
{
	assert_true(control_instance_valid("a"));
	assert_true(control_instance_valid("run-1234_x.y"));
	assert_true(control_instance_valid("1234567890123456789012345678901"));
	assert_false(control_instance_valid("12345678901234567890123456789012"));
	assert_false(control_instance_valid(""));
	assert_false(control_instance_valid("."));
	assert_false(control_instance_valid(".."));
	assert_false(control_instance_valid("a/b"));
	assert_false(control_instance_valid("a b"));
	assert_false(control_instance_valid("a\n"));
	assert_false(control_instance_valid("\xc3\xa4"));
}

static void refuses_invalid_names(void **state)
{
	int fd = -1;

	assert_int_equal(control_listen("../x", &fd), -EINVAL);
	assert_int_equal(control_connect("../x", &fd), -EINVAL);
	assert_int_equal(fd, -1);
}

static void a_name_has_one_owner_and_is_free_afterwards(void **state)
{
	int a = -1, b = -1;

	assert_int_equal(control_connect(unique_name(), &b), -ECONNREFUSED);
	assert_int_equal(control_listen(unique_name(), &a), 0);
	assert_true(fcntl(a, F_GETFL) & O_NONBLOCK);
	assert_int_equal(control_listen(unique_name(), &b), -EADDRINUSE);
	fd_close(a);
	assert_int_equal(control_listen(unique_name(), &a), 0);
	fd_close(a);
}

static void both_ends_learn_who_the_other_is(void **state)
{
	int server = -1, client = -1, accepted;
	uid_t uid = 4711;

	if (geteuid() != 0)
		skip();
	assert_int_equal(control_listen(unique_name(), &server), 0);
	assert_int_equal(control_connect(unique_name(), &client), 0);
	assert_false(fcntl(client, F_GETFL) & O_NONBLOCK);
	accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	assert_int_equal(control_peer_uid(accepted, &uid), 0);
	assert_int_equal(uid, 0);
	fd_close(accepted);
	fd_close(client);
	fd_close(server);
}

/* In a child: an impostor that listens as nobody until `wait_fd` ends. */
static void impostor(int ready_fd, int wait_fd)
{
	char c;
	int fd;

	if (setuid(65534) < 0 || control_listen("impostor.test", &fd) < 0)
		_exit(1);
	if (write(ready_fd, "r", 1) != 1 || read(wait_fd, &c, 1) != 0)
		_exit(1);
	_exit(0);
}

static void a_server_that_is_not_root_is_refused(void **state)
{
	int ready[2], hold[2], fd = -1, status;
	char c;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		impostor(ready[1], hold[0]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(control_connect("impostor.test", &fd), -EPERM);
	assert_int_equal(fd, -1);
	close(hold[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(hold[0]);
}

static size_t times_listed(const char *name)
{
	static char names[256][INSTANCE_NAME_MAX];
	size_t num = control_instances(names, 256);
	size_t found = 0;

	for (size_t i = 0; i < num; i++)
		found += strcmp(names[i], name) == 0;
	return found;
}

static void running_instances_are_listed_once(void **state)
{
	char names[1][INSTANCE_NAME_MAX];
	int server = -1, client = -1;

	assert_int_equal(times_listed(unique_name()), 0);
	assert_int_equal(control_listen(unique_name(), &server), 0);
	if (geteuid() == 0) /* a connection shows the same name in /proc/net/unix */
		assert_int_equal(control_connect(unique_name(), &client), 0);
	assert_int_equal(times_listed(unique_name()), 1);
	assert_int_equal(control_instances(names, 1), 1);
	assert_int_equal(control_instances(names, 0), 0);
	fd_close(client);
	fd_close(server);
	assert_int_equal(times_listed(unique_name()), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_valid_instance_names),
		cmocka_unit_test(refuses_invalid_names),
		cmocka_unit_test(a_name_has_one_owner_and_is_free_afterwards),
		cmocka_unit_test(both_ends_learn_who_the_other_is),
		cmocka_unit_test(a_server_that_is_not_root_is_refused),
		cmocka_unit_test(running_instances_are_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
