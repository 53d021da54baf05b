// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* link.c and netns.c in a network namespace of their own, looked at with other means: root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "netdev/link.h"
#include "netdev/netns.h"
#include "netdev/tun.h"

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)                    \
			skip();                                                                    \
	} while (0)

static char err[ERROR_TEXT_MAX];
static int home = -1;
static struct tun tun;

static int enter(void **state)
{
	int ns = -1;
	int r;

	if (geteuid() != 0)
		return 0;
	r = netns_new(&ns, err);
	if (r == 0)
		r = netns_enter(ns, &home);
	fd_close(ns);
	return r < 0 ? r : tun_open(&tun, 1, err);
}

static int leave(void **state)
{
	if (geteuid() != 0)
		return 0;
	tun_close(&tun);
	return netns_leave(home);
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static int ask(unsigned long request, struct ifreq *ifr)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	int r;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", tun.name);
	r = ioctl(sock, request, ifr);
	close(sock);
	return r;
}

/* Is there a line in a /proc file with all of these words? */
static bool proc_has(const char *path, const char *a, const char *b)
{
	FILE *f = fopen(path, "r");
	char line[512];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, a) && strstr(line, b);
	if (f)
		fclose(f);
	return found;
}

/* The source address that the kernel would use towards `to`, "" = no route. */
static const char *source_towards(const char *to, char buf[ADDR_TEXT_MAX])
{
	struct endpoint ep = { .addr = addr(to), .port = htons(9) };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	int sock = socket(ss.ss_family, SOCK_DGRAM, 0);

	buf[0] = '\0';
	if (connect(sock, (struct sockaddr *)&ss, len) == 0) {
		len = sizeof(ss);
		getsockname(sock, (struct sockaddr *)&ss, &len);
		endpoint_from_sockaddr((struct sockaddr *)&ss, &ep);
		addr_format(&ep.addr, buf);
	}
	close(sock);
	return buf;
}

static void raise_device(void)
{
	assert_int_equal(link_configure(tun.ifindex, 1400, 10000), 0);
	assert_int_equal(link_up(tun.ifindex), 0);
}

static void sets_mtu_and_queue_length_and_raises_the_link(void **state)
{
	struct ifreq ifr = { 0 };

	NEEDS_ROOT();
	raise_device();
	assert_int_equal(ask(SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 1400);
	assert_int_equal(ask(SIOCGIFTXQLEN, &ifr), 0);
	assert_int_equal(ifr.ifr_qlen, 10000);
	assert_int_equal(ask(SIOCGIFFLAGS, &ifr), 0);
	assert_true(ifr.ifr_flags & IFF_UP);
}

static void no_address_appears_by_itself(void **state)
{
	NEEDS_ROOT();
	raise_device();
	assert_false(proc_has("/proc/self/net/if_inet6", tun.name, "fe80"));
}

static void ipv6_addresses_are_usable_at_once(void **state)
{
	struct addr a = addr("fd68:6561:6472:6163::2");

	NEEDS_ROOT();
	raise_device();
	assert_int_equal(link_add_address(tun.ifindex, &a, 64), 0);
	/* scope 00, flags 82: permanent and without duplicate detection, not tentative (40) */
	assert_true(proc_has("/proc/self/net/if_inet6", "fd686561647261630000000000000002",
			     " 40 00 82 "));
	assert_int_equal(link_add_address(tun.ifindex, &a, 64), -EEXIST);
}

static void default_routes_lead_everything_into_the_device(void **state)
{
	struct addr v4 = addr("10.0.0.2"), v6 = addr("fd68:6561:6472:6163::2");
	char buf[ADDR_TEXT_MAX];

	NEEDS_ROOT();
	raise_device();
	assert_int_equal(link_add_address(tun.ifindex, &v4, 24), 0);
	assert_int_equal(link_add_address(tun.ifindex, &v6, 64), 0);
	assert_string_equal(source_towards("192.0.2.1", buf), "");
	assert_string_equal(source_towards("2001:db8::1", buf), "");
	assert_int_equal(link_add_default_route(tun.ifindex, AF_INET), 0);
	assert_int_equal(link_add_default_route(tun.ifindex, AF_INET6), 0);
	assert_string_equal(source_towards("192.0.2.1", buf), "10.0.0.2");
	assert_string_equal(source_towards("2001:db8::1", buf), "fd68:6561:6472:6163::2");
	assert_int_equal(link_add_default_route(tun.ifindex, AF_INET), -EEXIST);
}

static void raises_loopback(void **state)
{
	char buf[ADDR_TEXT_MAX];

	NEEDS_ROOT();
	assert_string_equal(source_towards("127.0.0.1", buf), "");
	assert_int_equal(link_up(LINK_LOOPBACK), 0);
	assert_string_equal(source_towards("127.0.0.1", buf), "127.0.0.1");
	assert_string_equal(source_towards("::1", buf), "::1");
}

static bool routed(const char *prefix, unsigned int bits)
{
	struct addr a = addr(prefix);
	bool found = false;

	assert_int_equal(link_is_routed(&a, bits, &found), 0);
	return found;
}

static void finds_routes_into_a_prefix_but_not_default_routes(void **state)
{
	struct addr v4 = addr("10.1.2.3"), v6 = addr("fd00:1::1");

	NEEDS_ROOT();
	raise_device();
	assert_int_equal(link_add_address(tun.ifindex, &v4, 25), 0);
	assert_int_equal(link_add_address(tun.ifindex, &v6, 64), 0);
	assert_int_equal(link_add_default_route(tun.ifindex, AF_INET), 0);
	assert_int_equal(link_add_default_route(tun.ifindex, AF_INET6), 0);
	assert_true(routed("10.1.2.0", 24)); /* the route lies inside */
	assert_true(routed("10.1.2.64", 26)); /* the prefix lies inside the route */
	assert_true(routed("10.0.0.0", 8));
	assert_false(routed("10.0.0.0", 24));
	assert_false(routed("10.1.2.128", 25));
	assert_true(routed("fd00:1::", 48));
	assert_false(routed("fd00:2::", 48));
}

/* Route by the tool that users have: ours cannot name a table. */
static void ip_route(const char *const argv[])
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execvp("ip", (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define IP_ROUTE(...) ip_route((const char *const[]){ "ip", "route", "add", __VA_ARGS__, NULL })

static void finds_routes_of_every_table(void **state)
{
	NEEDS_ROOT();
	raise_device();
	assert_false(routed("10.77.0.0", 24));
	IP_ROUTE("10.77.0.0/16", "dev", tun.name, "table", "4711");
	assert_true(routed("10.77.0.0", 24));
	IP_ROUTE("0.0.0.0/1", "dev", tun.name);
	IP_ROUTE("128.0.0.0/1", "dev", tun.name);
	assert_false(routed("10.78.0.0", 24));
}

static void an_unknown_device_is_an_error_of_its_own(void **state)
{
	struct addr a = addr("10.0.0.2");

	NEEDS_ROOT();
	assert_int_equal(link_up(4711), -ENODEV);
	assert_int_equal(link_configure(4711, 1500, 1), -ENODEV);
	assert_int_equal(link_add_address(4711, &a, 24), -ENODEV);
	assert_int_equal(link_add_default_route(4711, AF_INET), -ENODEV);
	assert_int_equal(link_configure(tun.ifindex, 70000, 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sets_mtu_and_queue_length_and_raises_the_link,
						enter, leave),
		cmocka_unit_test_setup_teardown(no_address_appears_by_itself, enter, leave),
		cmocka_unit_test_setup_teardown(ipv6_addresses_are_usable_at_once, enter, leave),
		cmocka_unit_test_setup_teardown(default_routes_lead_everything_into_the_device,
						enter, leave),
		cmocka_unit_test_setup_teardown(raises_loopback, enter, leave),
		cmocka_unit_test_setup_teardown(finds_routes_into_a_prefix_but_not_default_routes,
						enter, leave),
		cmocka_unit_test_setup_teardown(finds_routes_of_every_table, enter, leave),
		cmocka_unit_test_setup_teardown(an_unknown_device_is_an_error_of_its_own, enter,
						leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
