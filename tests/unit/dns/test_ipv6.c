// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ipv6.c: off after a network error, tried now and then, on when it is seen again. */
#include "support.h"

#include "dns/ipv6.h"

static struct ipv6 v6;
static struct endpoint to4, to6;

static int setup(void **state)
{
	clock_inject(test_clock);
	memset(&v6, 0, sizeof(v6));
	assert_int_equal(endpoint_parse("192.0.2.1", 53, &to4), 0);
	assert_int_equal(endpoint_parse("2001:db8::1", 53, &to6), 0);
	return 0;
}

static int teardown(void **state)
{
	clock_inject(NULL);
	return 0;
}

static void c22_a_network_error_turns_it_off(void **state)
{
	assert_true(ipv6_usable(&v6));
	ipv6_note(&v6, &to6, -ENETUNREACH);
	assert_false(ipv6_usable(&v6));
}

static void c22_errors_of_the_server_and_of_ipv4_do_not(void **state)
{
	ipv6_note(&v6, &to6, -ECONNREFUSED);
	ipv6_note(&v6, &to6, -ETIMEDOUT);
	ipv6_note(&v6, &to4, -ENETUNREACH);
	assert_true(ipv6_usable(&v6));
}

static void c22_it_is_on_when_it_is_seen_again(void **state)
{
	ipv6_note(&v6, &to6, -EHOSTUNREACH);
	ipv6_note(&v6, &to4, 0);
	assert_false(ipv6_usable(&v6));
	ipv6_note(&v6, &to6, 0);
	assert_true(ipv6_usable(&v6));
}

static void c22_tries_become_rarer_but_do_not_end(void **state)
{
	uint64_t wait = IPV6_RETRY_MIN_MS;

	ipv6_note(&v6, &to6, -ENETUNREACH);
	for (int i = 0; i < 20; i++) {
		advance_ms(wait - 1);
		assert_false(ipv6_usable(&v6));
		/* what was begun before and fails late prolongs nothing */
		ipv6_note(&v6, &to6, -ENETUNREACH);
		advance_ms(1);
		assert_true(ipv6_usable(&v6));
		ipv6_note(&v6, &to6, -ENETUNREACH);
		wait = wait * 2 < IPV6_RETRY_MAX_MS ? wait * 2 : IPV6_RETRY_MAX_MS;
	}
	ipv6_note(&v6, &to6, 0);
	ipv6_note(&v6, &to6, -ENETUNREACH);
	advance_ms(IPV6_RETRY_MIN_MS);
	assert_true(ipv6_usable(&v6));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(c22_a_network_error_turns_it_off),
		T(c22_errors_of_the_server_and_of_ipv4_do_not),
		T(c22_it_is_on_when_it_is_seen_again),
		T(c22_tries_become_rarer_but_do_not_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
