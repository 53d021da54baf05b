// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* message.c: messages and descriptors, also from a peer that misbehaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/message.h"

static int pair[2];
static char buf[256];

static int setup(void **state)
{
	return message_pair(pair);
}

static int teardown(void **state)
{
	fd_close(pair[0]);
	fd_close(pair[1]);
	return 0;
}

static unsigned int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int num = 0;

	assert_non_null(d);
	while (readdir(d))
		num++;
	closedir(d);
	return num;
}

static void boundaries_are_kept(void **state)
{
	int fd = 7;

	assert_int_equal(message_send(pair[0], "one", 3, -1), 0);
	assert_int_equal(message_send(pair[0], "three", 5, -1), 0);
	assert_int_equal(message_recv(pair[1], buf, sizeof(buf), &fd), 3);
	assert_memory_equal(buf, "one", 3);
	assert_int_equal(fd, -1);
	assert_int_equal(message_recv(pair[1], buf, sizeof(buf), &fd), 5);
	assert_int_equal(message_recv(pair[1], buf, sizeof(buf), &fd), -EAGAIN);
}

static void the_end_is_zero(void **state)
{
	int fd;

	pair[0] = fd_close(pair[0]);
	assert_int_equal(message_recv(pair[1], buf, sizeof(buf), &fd), 0);
	assert_int_equal(message_send(pair[1], "x", 1, -1), -EPIPE);
}

static void an_empty_message_is_not_sent(void **state)
{
	assert_int_equal(message_send(pair[0], buf, 0, -1), -EINVAL);
}

static void a_descriptor_travels_and_closes_on_exec(void **state)
{
	int fds[2], got = -1;
	char c = 0;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(message_send(pair[0], "fd", 2, fds[0]), 0);
	assert_true(fcntl(fds[0], F_GETFD) >= 0); /* still the sender's */
	assert_int_equal(message_recv(pair[1], buf, sizeof(buf), &got), 2);
	assert_true(got >= 0);
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fds[1], "y", 1), 1);
	assert_int_equal(read(got, &c, 1), 1);
	assert_int_equal(c, 'y');
	fd_close(got);
	fd_close(fds[0]);
	fd_close(fds[1]);
}

static void a_message_that_does_not_fit_is_lost_with_its_descriptor(void **state)
{
	unsigned int before = open_descriptors();
	int fd = 7;

	assert_int_equal(message_send(pair[0], "too long", 8, 0), 0);
	assert_int_equal(message_recv(pair[1], buf, 4, &fd), -EMSGSIZE);
	assert_int_equal(fd, -1);
	assert_int_equal(open_descriptors(), before);
}

/* What a hostile peer may do: `num` descriptors in one message. */
static void send_descriptors(int sock, unsigned int num)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = CMSG_SPACE(num * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(num * sizeof(int)); /* zeroed: stdin again and again */
	assert_int_equal(sendmsg(sock, &msg, 0), 1);
}

static void of_many_descriptors_one_is_kept(void **state)
{
	static const unsigned int counts[] = { 2, 3, 253 };
	unsigned int before = open_descriptors();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int fd = -1;

		send_descriptors(pair[0], counts[i]);
		assert_int_equal(message_recv(pair[1], buf, sizeof(buf), &fd), 1);
		assert_true(fd >= 0);
		assert_int_equal(open_descriptors(), before + 1);
		fd_close(fd);
	}
}

static void a_full_descriptor_table_is_an_error_and_leaks_nothing(void **state)
{
	unsigned int before = open_descriptors();
	struct rlimit saved, tight;
	int fd = 7;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_int_equal(message_send(pair[0], "x", 1, 0), 0);
	tight = saved;
	tight.rlim_cur = 3; /* everything below is taken */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(message_recv(pair[1], buf, sizeof(buf), &fd), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
#define MESSAGE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		MESSAGE_TEST(boundaries_are_kept),
		MESSAGE_TEST(the_end_is_zero),
		MESSAGE_TEST(an_empty_message_is_not_sent),
		MESSAGE_TEST(a_descriptor_travels_and_closes_on_exec),
		MESSAGE_TEST(a_message_that_does_not_fit_is_lost_with_its_descriptor),
		MESSAGE_TEST(of_many_descriptors_one_is_kept),
		MESSAGE_TEST(a_full_descriptor_table_is_an_error_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
