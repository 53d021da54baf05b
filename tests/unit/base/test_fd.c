// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* fd.c: closing and flags of descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

static void closes_and_keeps_errno(void **state)
{
	int fd = dup(0);

	errno = ENOTTY;
	assert_int_equal(fd_close(fd), -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	errno = ENOTTY;
	assert_int_equal(fd_close(fd), -1); /* EBADF inside */
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(fd_close(-1), -1);
}

static void sets_and_clears_flags(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fd_set_nonblock(fds[0], true), 0);
	assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_set_nonblock(fds[0], false), 0);
	assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_set_cloexec(fds[0], true), 0);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fd_set_cloexec(fds[0], false), 0);
	assert_false(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	fd_close(fds[0]);
	fd_close(fds[1]);
	assert_int_equal(fd_set_nonblock(fds[0], true), -EBADF);
	assert_int_equal(fd_set_cloexec(fds[0], true), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closes_and_keeps_errno),
		cmocka_unit_test(sets_and_clears_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
