// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* capture.c: devices made, and devices handed in, in real namespaces (as root). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/fd.h"
#include "netdev/link.h"
#include "netdev/netns.h"
#include "supervisor/capture.h"
#include "supervisor/options.h"
#include "unit/supervisor/kernel_fake.h"

static struct capture capture;
static const struct conf_capture capture_conf;
static struct instance_options opt;
static struct settings settings;
static char err[ERROR_TEXT_MAX];

static bool can_run(void)
{
	return !geteuid() && !access("/dev/net/tun", R_OK | W_OK);
}

static int setup(void **state)
{
	fake_kernel_reset();
	options_init(&opt);
	memset(&settings, 0, sizeof(settings));
	err[0] = '\0';
	return 0;
}

static int open_it(void)
{
	return capture_open(&capture, &opt, &capture_conf, &fake_kernel, &settings, err);
}

/* A TUN (or TAP) in a namespace of its own, as a caller would hand it in; up, if `address`. */
static int make_tun(short flags, const char *address, unsigned int bits)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int ns, home, fd;
	struct addr a;

	assert_int_equal(netns_new(&ns, err), 0);
	assert_int_equal(netns_enter(ns, &home), 0);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	strcpy(ifr.ifr_name, "given");
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	if (address) {
		int index = (int)if_nametoindex("given");

		assert_int_equal(addr_parse(address, &a), 0);
		assert_int_equal(link_add_address(index, &a, bits), 0);
		assert_int_equal(link_up(index), 0);
	}
	assert_int_equal(netns_leave(home), 0);
	close(ns);
	opt.tun_handed = true;
	opt.tun_fd = fd;
	return fd;
}

static const char *shown(const struct addr *a)
{
	static char text[ADDR_TEXT_MAX];

	return addr_format(a, text);
}

static void makes_a_device_that_is_the_only_way_out(void **state)
{
	int home;
	bool routed = false;
	struct addr inside;

	if (!can_run())
		skip();
	opt.mtu = 1400;
	opt.workers = 3;
	assert_int_equal(open_it(), 0);
	assert_int_equal(capture.tun.mtu, 1400);
	assert_int_equal(fake_kernel.attached_ifindex, capture.tun.ifindex);
	/* the fake cannot steer: one queue, one worker, and both roles share it */
	assert_true(capture.single_queue);
	assert_int_equal(capture.tun.queues, 1);
	assert_int_equal(settings.workers, 1);
	assert_int_equal(settings.resolver_queue, 0);
	assert_int_equal(capture_queue(&capture, 0), capture_queue(&capture, 1));
	assert_memory_equal(&fake_kernel.settings, &settings, sizeof(settings));
	assert_int_equal(settings.tun4_bits, 24);
	assert_int_equal(settings.tun6_bits, 64);
	assert_int_equal(settings.any_source, 0);
	assert_int_equal(netns_enter(capture.netns_fd, &home), 0);
	inside = capture.v4.device;
	assert_int_equal(link_is_routed(&inside, 32, &routed), 0);
	assert_int_equal(netns_leave(home), 0);
	assert_true(routed);
	capture_close(&capture);
	capture_close(&capture);
	assert_int_equal(capture.netns_fd, -1);
}

static void without_ipv6_the_family_is_off(void **state)
{
	if (!can_run())
		skip();
	opt.ipv6 = false;
	assert_int_equal(open_it(), 0);
	assert_int_equal(settings.tun6_bits, 0);
	assert_int_equal(settings.tun4_bits, 24);
	capture_close(&capture);
}

static void takes_the_subnet_of_a_device_that_was_handed_in(void **state)
{
	int fd;

	if (!can_run())
		skip();
	fd = make_tun(IFF_TUN | IFF_NO_PI, "192.168.99.2", 24);
	assert_int_equal(open_it(), 0);
	assert_string_equal(capture.tun.name, "given");
	assert_int_equal(settings.any_source, 0);
	assert_int_equal(settings.tun4_bits, 24);
	assert_int_equal(settings.tun6_bits, 0);
	assert_string_equal(shown(&settings.tun4_prefix), "192.168.99.0");
	assert_string_equal(shown(&settings.stack4), "192.168.99.1");
	assert_int_equal(capture.tun.vnet_hdr_bytes, 0);
	assert_true(capture.single_queue);
	capture_close(&capture);
	close(fd);
}

static void takes_any_source_where_the_device_has_no_address(void **state)
{
	int fd;

	if (!can_run())
		skip();
	fd = make_tun(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, NULL, 0);
	opt.mtu = 9000; /* larger than the device's own: that stays */
	assert_int_equal(open_it(), 0);
	assert_int_equal(settings.any_source, 1);
	assert_int_equal(settings.mtu, 1500);
	assert_string_equal(shown(&settings.stack4), "10.0.0.1");
	assert_true(capture.tun.vnet_hdr_bytes >= 10);
	capture_close(&capture);
	close(fd);
}

static void refuses_what_is_no_tun(void **state)
{
	int fd;

	if (!can_run())
		skip();
	fd = make_tun(IFF_TAP | IFF_NO_PI, NULL, 0);
	assert_true(open_it() < 0);
	assert_non_null(strstr(err, "TAP"));
	close(fd);
	opt.tun_fd = fd = open("/dev/null", O_RDWR);
	assert_true(open_it() < 0);
	assert_non_null(strstr(err, "not a TUN"));
	close(fd);
	opt.tun_fd = -1;
	assert_true(open_it() < 0);
	assert_non_null(strstr(err, "no descriptor"));
	assert_int_equal(fake_kernel.attached_ifindex, 0);
}

static void leaves_nothing_when_there_is_no_device(void **state)
{
	struct rlimit old, few;
	int lowest, after;

	if (!can_run())
		skip();
	lowest = dup(0);
	close(lowest);
	/* enough for the namespace and the way back, not for a queue */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){ .rlim_cur = lowest + 2, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(open_it(), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	after = dup(0);
	close(after);
	assert_int_equal(after, lowest);
	assert_int_equal(capture.netns_fd, -1);
}

static void leaves_nothing_when_it_cannot_attach(void **state)
{
	int lowest, after;

	if (!can_run())
		skip();
	fake_attach_result = -EINVAL;
	lowest = dup(0);
	close(lowest);
	assert_int_equal(open_it(), -EINVAL);
	assert_non_null(strstr(err, "cannot attach"));
	after = dup(0);
	close(after);
	assert_int_equal(after, lowest);
	assert_int_equal(capture.tun.queues, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(makes_a_device_that_is_the_only_way_out, setup),
		cmocka_unit_test_setup(without_ipv6_the_family_is_off, setup),
		cmocka_unit_test_setup(takes_the_subnet_of_a_device_that_was_handed_in, setup),
		cmocka_unit_test_setup(takes_any_source_where_the_device_has_no_address, setup),
		cmocka_unit_test_setup(refuses_what_is_no_tun, setup),
		cmocka_unit_test_setup(leaves_nothing_when_there_is_no_device, setup),
		cmocka_unit_test_setup(leaves_nothing_when_it_cannot_attach, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
