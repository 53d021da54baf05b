// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tun.c against the real kernel, each test in a network namespace of its own; needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/fd.h"
#include "netdev/netns.h"
#include "netdev/tun.h"

#define NEEDS_TUN()                                                                                \
	do {                                                                                       \
		if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)                    \
			skip();                                                                    \
	} while (0)

static char err[ERROR_TEXT_MAX];
static int test_ns = -1, home = -1;

static int enter(void **state)
{
	if (geteuid() != 0)
		return 0;
	err[0] = '\0';
	return netns_new(&test_ns, err) == 0 && netns_enter(test_ns, &home) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	int r = 0;

	if (geteuid() != 0)
		return 0;
	r = netns_leave(home);
	test_ns = fd_close(test_ns);
	return r;
}

static void opens_queues_of_one_device_with_every_offload(void **state)
{
	struct tun t;
	int value = 0;

	NEEDS_TUN();
	assert_int_equal(tun_open(&t, 3, err), 0);
	assert_int_equal(t.queues, 3);
	assert_string_equal(t.name, "headrace0");
	assert_int_equal(t.ifindex, (int)if_nametoindex("headrace0"));
	assert_int_equal(t.mtu, 1500);
	assert_true(t.tso);
	for (unsigned int i = 0; i < t.queues; i++) {
		assert_int_equal(ioctl(t.fd[i], TUNGETVNETHDRSZ, &value), 0);
		assert_int_equal(value, 12);
		assert_true(fcntl(t.fd[i], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(t.fd[i], F_GETFD) & FD_CLOEXEC);
	}
	tun_close(&t);
	tun_close(&t);
	assert_int_equal(if_nametoindex("headrace0"), 0);
}

static void two_devices_get_two_names(void **state)
{
	struct tun a, b;

	NEEDS_TUN();
	assert_int_equal(tun_open(&a, 1, err), 0);
	assert_int_equal(tun_open(&b, 1, err), 0);
	assert_string_equal(b.name, "headrace1");
	tun_close(&a);
	tun_close(&b);
}

static void refuses_a_number_of_queues_that_no_role_could_use(void **state)
{
	struct tun t;

	assert_int_equal(tun_open(&t, 0, err), -EINVAL);
	assert_int_equal(tun_open(&t, ROLES_MAX + 1, err), -EINVAL);
	assert_non_null(strstr(err, "18 queues"));
}

static void takes_the_steering_program_off_without_one(void **state)
{
	struct tun t;

	NEEDS_TUN();
	assert_int_equal(tun_open(&t, 2, err), 0);
	assert_int_equal(tun_steer(&t, -1), 0);
	assert_int_equal(tun_steer(&t, t.fd[0]), -EINVAL); /* not a program */
	tun_close(&t);
}

/* A TUN as somebody else would make it. */
static int foreign_tun(short flags)
{
	struct ifreq ifr = { .ifr_name = "foreign", .ifr_flags = flags };
	int fd = open("/dev/net/tun", O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static char setting(const char *path)
{
	char byte = '?';
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &byte, 1), 1);
	close(fd);
	return byte;
}

static void forwards_on_that_device_alone(void **state)
{
	struct tun t;

	NEEDS_TUN();
	assert_int_equal(tun_open(&t, 1, err), 0);
	assert_int_equal(tun_forward(&t), 0);
	assert_int_equal(setting("/proc/sys/net/ipv4/conf/headrace0/forwarding"), '1');
	assert_int_equal(setting("/proc/sys/net/ipv6/conf/headrace0/forwarding"), '1');
	assert_int_equal(setting("/proc/sys/net/ipv4/conf/all/forwarding"), '0');
	assert_int_equal(setting("/proc/sys/net/ipv6/conf/all/forwarding"), '0');
	tun_close(&t);
	assert_int_equal(tun_forward(&t), -ENOENT);
}

static void notices_that_the_device_was_removed(void **state)
{
	struct tun t;
	int netns = -1;

	NEEDS_TUN();
	assert_int_equal(tun_adopt(&t, foreign_tun(IFF_TUN | IFF_NO_PI), &netns, err), 0);
	assert_true(tun_is_there(&t));
	assert_int_equal(system("ip link del foreign"), 0);
	assert_false(tun_is_there(&t));
	fd_close(netns);
	tun_close(&t);
}

static void adopts_a_plain_tun(void **state)
{
	struct tun t;
	int netns = -1;
	struct stat a, b;

	NEEDS_TUN();
	assert_int_equal(tun_adopt(&t, foreign_tun(IFF_TUN | IFF_NO_PI), &netns, err), 0);
	assert_int_equal(t.queues, 1);
	assert_int_equal(t.vnet_hdr_bytes, 0);
	assert_false(t.tso);
	assert_false(t.uso);
	assert_string_equal(t.name, "foreign");
	assert_int_equal(t.ifindex, (int)if_nametoindex("foreign"));
	assert_true(fcntl(t.fd[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(t.fd[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(netns, &a), 0);
	assert_int_equal(fstat(test_ns, &b), 0);
	assert_true(a.st_ino == b.st_ino);
	fd_close(netns);
	tun_close(&t);
}

static void adopts_a_tun_with_header_from_another_namespace(void **state)
{
	struct tun t;
	int netns = -1, back = -1;
	int fd, index;

	NEEDS_TUN();
	fd = foreign_tun(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	index = (int)if_nametoindex("foreign");
	assert_int_equal(netns_enter(home, &back), 0);
	assert_int_equal(tun_adopt(&t, fd, &netns, err), 0);
	assert_int_equal(netns_leave(back), 0);
	assert_int_equal(t.vnet_hdr_bytes, 10);
	assert_true(t.tso);
	assert_int_equal(t.ifindex, index);
	fd_close(netns);
	tun_close(&t);
}

/* fd must be refused, stay open, and the line must say why. */
static void assert_refused(int fd, const char *why)
{
	struct tun t;
	int netns = -1;

	assert_true(tun_adopt(&t, fd, &netns, err) < 0);
	assert_non_null(strstr(err, why));
	assert_int_equal(netns, -1);
	tun_close(&t);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

static void refuses_what_it_cannot_use(void **state)
{
	int fd, size = 20;

	NEEDS_TUN();
	assert_refused(foreign_tun(IFF_TAP | IFF_NO_PI), "TAP");
	assert_refused(foreign_tun(IFF_TUN), "IFF_NO_PI");
	assert_refused(open("/dev/net/tun", O_RDWR), "TUNSETIFF");
	assert_refused(open("/dev/null", O_RDWR), "not a TUN");
	fd = foreign_tun(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	assert_int_equal(ioctl(fd, TUNSETVNETHDRSZ, &size), 0);
	assert_refused(fd, "20 bytes");
}

static void says_clearly_that_the_tun_device_is_missing(void **state)
{
	struct tun t;

	/* The last test: the process stays in a mount namespace where /dev/net is empty. */
	NEEDS_TUN();
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", "/dev/net", "tmpfs", 0, NULL), 0);
	assert_int_equal(tun_open(&t, 1, err), -ENOENT);
	assert_non_null(strstr(err, "modprobe tun"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens_queues_of_one_device_with_every_offload,
						enter, leave),
		cmocka_unit_test_setup_teardown(two_devices_get_two_names, enter, leave),
		cmocka_unit_test(refuses_a_number_of_queues_that_no_role_could_use),
		cmocka_unit_test_setup_teardown(takes_the_steering_program_off_without_one, enter,
						leave),
		cmocka_unit_test_setup_teardown(forwards_on_that_device_alone, enter, leave),
		cmocka_unit_test_setup_teardown(notices_that_the_device_was_removed, enter, leave),
		cmocka_unit_test_setup_teardown(adopts_a_plain_tun, enter, leave),
		cmocka_unit_test_setup_teardown(adopts_a_tun_with_header_from_another_namespace,
						enter, leave),
		cmocka_unit_test_setup_teardown(refuses_what_it_cannot_use, enter, leave),
		cmocka_unit_test(says_clearly_that_the_tun_device_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
