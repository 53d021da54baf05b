// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* claim.c: a directory is somebody's for as long as he lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "datapath/claim.h"

static char parent[] = "/tmp/headrace-claim.XXXXXX";
static char path[64];
static int parent_fd;

static int setup(void **state)
{
	if (!mkdtemp(parent))
		return -1;
	snprintf(path, sizeof(path), "%s/own", parent);
	parent_fd = open(parent, O_RDONLY | O_DIRECTORY);
	return parent_fd < 0;
}

static int teardown(void **state)
{
	rmdir(path);
	close(parent_fd);
	return rmdir(parent);
}

static void a_claim_excludes_others_until_it_is_closed(void **state)
{
	int fd, other;

	if (geteuid())
		skip();
	assert_int_equal(claim_make(path, 0700, &fd), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(claim_make(path, 0700, &other), -EBUSY);
	assert_int_equal(claim_stale(parent_fd, "own", &other), -EBUSY);
	fd_close(fd);
	assert_int_equal(claim_stale(parent_fd, "own", &other), 0);
	fd_close(other);
}

static void a_killed_owner_claims_nothing(void **state)
{
	int pipe_fds[2], fd, status;
	char c;
	pid_t pid;

	if (geteuid())
		skip();
	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (!pid) {
		if (claim_make(path, 0700, &fd) || write(pipe_fds[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	assert_int_equal(claim_stale(parent_fd, "own", &fd), -EBUSY);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(claim_stale(parent_fd, "own", &fd), 0);
	fd_close(fd);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void what_is_not_roots_is_refused(void **state)
{
	int fd;

	if (geteuid())
		skip();
	rmdir(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(claim_make(path, 0700, &fd), -EPERM);
}

static void what_is_no_directory_is_refused(void **state)
{
	int fd;

	rmdir(path);
	assert_int_equal(symlink("/", path), 0);
	assert_true(claim_make(path, 0700, &fd) < 0);
	assert_true(claim_stale(parent_fd, "own", &fd) < 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(claim_stale(parent_fd, "none", &fd), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_excludes_others_until_it_is_closed),
		cmocka_unit_test(a_killed_owner_claims_nothing),
		cmocka_unit_test(what_is_not_roots_is_refused),
		cmocka_unit_test(what_is_no_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
