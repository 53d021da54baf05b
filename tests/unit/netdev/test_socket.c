// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* socket.c: no socket without a mark. The kernel hook is played by a getsockopt() here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define MARK 0x68720000U

static uint32_t hook_mark; /* what the hook would have set */
static unsigned int looks; /* how often it was looked at */

static int hooked_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level != SOL_SOCKET || name != SO_MARK)
		return getsockopt(fd, level, name, value, len);
	looks++;
	*(uint32_t *)value = hook_mark;
	return 0;
}

#define getsockopt hooked_getsockopt
#include "userspace/netdev/socket.c"
#undef getsockopt

static void before_set_up_nothing_is_opened(void **state)
{
	int fd = -1;

	assert_int_equal(socket_open(AF_INET, SOCK_STREAM, &fd), -EPERM);
	socket_protect_setup(PROTECT_SO_MARK, 0);
	assert_int_equal(socket_open(AF_INET, SOCK_STREAM, &fd), -EPERM);
	assert_int_equal(fd, -1);
}

static uint32_t mark_of(int fd)
{
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	return mark;
}

static void marks_by_hand_where_that_is_the_mode(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	int fd = -1;

	if (geteuid() != 0)
		skip();
	socket_protect_setup(PROTECT_SO_MARK, MARK);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(socket_open(families[i / 2], types[i % 2], &fd), 0);
		assert_int_equal(mark_of(fd), MARK);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		fd_close(fd);
	}
}

static unsigned int next_descriptor(void)
{
	int fd = dup(0);

	assert_true(fd >= 0);
	close(fd);
	return (unsigned int)fd;
}

static void a_socket_that_the_hook_did_not_mark_is_closed(void **state)
{
	unsigned int before = next_descriptor();
	int fd = -1;

	hook_mark = 0;
	socket_protect_setup(PROTECT_CGROUP, MARK);
	assert_int_equal(socket_open(AF_INET, SOCK_STREAM, &fd), -EPERM);
	hook_mark = MARK + 1;
	assert_int_equal(socket_open(AF_INET, SOCK_STREAM, &fd), -EPERM);
	assert_int_equal(fd, -1);
	assert_int_equal(next_descriptor(), before);
}

static void N_23_a_hook_that_is_taken_away_fails_the_next_socket(void **state)
{
	int fd = -1;

	hook_mark = MARK;
	looks = 0;
	socket_protect_setup(PROTECT_CGROUP, MARK);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(socket_open(AF_INET, SOCK_DGRAM, &fd), 0);
		fd_close(fd);
		assert_int_equal(looks, i);
	}
	hook_mark = 0;
	assert_int_equal(socket_open(AF_INET, SOCK_DGRAM, &fd), -EPERM);
	assert_int_equal(socket_open(AF_INET6, SOCK_STREAM, &fd), -EPERM);
}

static int device_of(int fd)
{
	socklen_t len = sizeof(int);
	int device = -1;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, &len), 0);
	return device;
}

/* Without a mark: by the family of where it goes, but not on the way to this host itself. */
static void T_01_binds_to_the_uplink_where_that_is_the_mode(void **state)
{
	static const struct {
		const char *to;
		int device; /* -1 = it fails */
	} cases[] = { { "192.0.2.1", 1 }, { "2001:db8::1", -1 }, { "127.0.0.53", 0 }, { "::1", 0 } };

	socket_protect_setup(PROTECT_DEVICE, MARK);
	socket_protect_devices(1, 0); /* lo: what a namespace is sure to have */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr to;
		int fd, r;

		assert_int_equal(addr_parse(cases[i].to, &to), 0);
		r = socket_open(addr_is_v4(&to) ? AF_INET : AF_INET6, SOCK_DGRAM, &fd);
		assert_int_equal(r, 0);
		r = socket_toward(fd, &to);
		assert_int_equal(r, cases[i].device < 0 ? -ENETUNREACH : 0);
		assert_int_equal(device_of(fd), cases[i].device < 0 ? 0 : cases[i].device);
		fd_close(fd);
	}
	socket_protect_devices(0, 0);
}

static void refuses_other_families(void **state)
{
	int fd;

	assert_int_equal(socket_open(AF_UNIX, SOCK_STREAM, &fd), -EAFNOSUPPORT);
}

/* A listening socket on a loopback port. */
static struct endpoint local_port(int *ret_fd)
{
	struct sockaddr_storage ss;
	struct endpoint ep;
	socklen_t len;

	assert_int_equal(endpoint_parse("127.0.0.1", 0, &ep), 0);
	len = endpoint_to_sockaddr(&ep, &ss);
	*ret_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(*ret_fd, 1), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &ep), 0);
	return ep;
}

static void connects_without_waiting(void **state)
{
	struct endpoint ep;
	int server, fd = -1;

	hook_mark = MARK;
	socket_protect_setup(PROTECT_CGROUP, MARK);
	ep = local_port(&server);
	assert_int_equal(socket_connect(&ep, SOCK_STREAM, &fd), 0);
	fd_close(fd);
	fd_close(server);
}

static void a_connect_that_fails_at_once_leaves_no_socket(void **state)
{
	unsigned int before = next_descriptor();
	struct endpoint ep;
	int fd = -1;

	hook_mark = MARK;
	socket_protect_setup(PROTECT_CGROUP, MARK);
	assert_int_equal(endpoint_parse("255.255.255.255:9", 0, &ep), 0);
	assert_true(socket_connect(&ep, SOCK_DGRAM, &fd) < 0); /* needs SO_BROADCAST */
	assert_int_equal(fd, -1);
	assert_int_equal(next_descriptor(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_set_up_nothing_is_opened),
		cmocka_unit_test(marks_by_hand_where_that_is_the_mode),
		cmocka_unit_test(a_socket_that_the_hook_did_not_mark_is_closed),
		cmocka_unit_test(N_23_a_hook_that_is_taken_away_fails_the_next_socket),
		cmocka_unit_test(T_01_binds_to_the_uplink_where_that_is_the_mode),
		cmocka_unit_test(refuses_other_families),
		cmocka_unit_test(connects_without_waiting),
		cmocka_unit_test(a_connect_that_fails_at_once_leaves_no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
