// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* subnet.c: the usual subnets, others where the host has routes, and those of a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "supervisor/subnet.h"

static struct addr taken; /* one prefix that the host has a route into */
static unsigned int taken_bits;

static int routed_none(const struct addr *prefix, unsigned int bits, bool *ret_routed)
{
	*ret_routed = false;
	return 0;
}

static int routed_taken(const struct addr *prefix, unsigned int bits, bool *ret_routed)
{
	*ret_routed = addr_in_prefix(prefix, &taken, taken_bits);
	return 0;
}

static int routed_all(const struct addr *prefix, unsigned int bits, bool *ret_routed)
{
	*ret_routed = true;
	return 0;
}

static int routed_fails(const struct addr *prefix, unsigned int bits, bool *ret_routed)
{
	return -EIO;
}

static void assert_addr(const struct addr *a, const char *text)
{
	char buf[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(a, buf), text);
}

static void takes_the_usual_subnets(void **state)
{
	struct subnet s;

	assert_int_equal(subnet_choose4(routed_none, &s), 0);
	assert_int_equal(s.bits, 24);
	assert_addr(&s.prefix, "10.0.0.0");
	assert_addr(&s.stack, "10.0.0.1");
	assert_addr(&s.device, "10.0.0.2");
	assert_int_equal(subnet_choose6(routed_none, &s), 0);
	assert_int_equal(s.bits, 64);
	assert_addr(&s.stack, "fd68:6561:6472:6163::1");
	assert_addr(&s.device, "fd68:6561:6472:6163::2");
}

static void takes_another_where_the_host_has_a_route(void **state)
{
	struct subnet s;

	addr_parse("10.0.0.0", &taken);
	taken_bits = 9; /* half of 10/8: 10.0 to 10.127 */
	assert_int_equal(subnet_choose4(routed_taken, &s), 0);
	assert_int_equal(s.prefix.b[12], 10);
	assert_true(s.prefix.b[13] >= 128);
	assert_int_equal(s.stack.b[15], 1);
	assert_int_equal(s.device.b[15], 2);
	addr_parse("fd68:6561:6472:6163::", &taken);
	taken_bits = 64;
	assert_int_equal(subnet_choose6(routed_taken, &s), 0);
	assert_int_equal(s.prefix.b[0], 0xfd);
	assert_false(addr_in_prefix(&s.device, &taken, 64));
}

static void says_so_when_nothing_is_free_or_known(void **state)
{
	struct subnet s;

	assert_int_equal(subnet_choose4(routed_all, &s), -EADDRNOTAVAIL);
	assert_int_equal(subnet_choose6(routed_all, &s), -EADDRNOTAVAIL);
	assert_int_equal(subnet_choose4(routed_fails, &s), -EADDRNOTAVAIL);
}

static void from_device(const char *device, unsigned int bits, const char *prefix,
			const char *stack)
{
	struct subnet s;
	struct addr a;

	assert_int_equal(addr_parse(device, &a), 0);
	subnet_from_device(&a, bits, &s);
	assert_int_equal(s.bits, bits);
	assert_addr(&s.prefix, prefix);
	assert_addr(&s.stack, stack);
	assert_addr(&s.device, device);
}

static void stack_is_the_first_other_host_of_a_device(void **state)
{
	from_device("192.168.7.2", 24, "192.168.7.0", "192.168.7.1");
	from_device("192.168.7.1", 24, "192.168.7.0", "192.168.7.2");
	from_device("172.16.255.255", 20, "172.16.240.0", "172.16.240.1");
	from_device("10.11.12.14", 31, "10.11.12.14", "10.11.12.15");
	from_device("10.11.12.15", 31, "10.11.12.14", "10.0.0.1");
	from_device("10.11.12.14", 32, "10.11.12.14", "10.0.0.1");
	from_device("fd00:1::1", 64, "fd00:1::", "fd00:1::2");
	from_device("2001:db8::5", 128, "2001:db8::5", "fd68:6561:6472:6163::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_usual_subnets),
		cmocka_unit_test(takes_another_where_the_host_has_a_route),
		cmocka_unit_test(says_so_when_nothing_is_free_or_known),
		cmocka_unit_test(stack_is_the_first_other_host_of_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
