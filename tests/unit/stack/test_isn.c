// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "stack/internal.h"

static uint64_t now_ns;

static uint64_t injected(void)
{
	return now_ns;
}

static const struct siphash_key key_a = { { 1, 2 } };
static const struct siphash_key key_b = { { 1, 3 } };
static ip_addr_t one, two, six;

static int up(void **state)
{
	ip_addr_set_ip4_u32_val(one, 0x0100000a);
	ip_addr_set_ip4_u32_val(two, 0x0200000a);
	IP_ADDR6(&six, 0, 0, 0, 0x0100000a);
	clock_inject(injected);
	now_ns = 0;
	isn_setup(&key_a);
	return 0;
}

static int down(void **state)
{
	clock_inject(NULL);
	return 0;
}

static void differs_for_each_part_of_the_tuple(void **state)
{
	uint32_t isn = stack_isn(&one, 80, &two, 4000);

	assert_int_not_equal(isn, stack_isn(&two, 80, &two, 4000));
	assert_int_not_equal(isn, stack_isn(&one, 81, &two, 4000));
	assert_int_not_equal(isn, stack_isn(&one, 80, &one, 4000));
	assert_int_not_equal(isn, stack_isn(&one, 80, &two, 4001));
	assert_int_not_equal(isn, stack_isn(&six, 80, &two, 4000));
}

static void moves_by_one_every_4_us(void **state)
{
	uint32_t isn = stack_isn(&one, 80, &two, 4000);

	now_ns += NSEC_PER_SEC;
	assert_int_equal(stack_isn(&one, 80, &two, 4000), isn + 250000);
	now_ns += 3999;
	assert_int_equal(stack_isn(&one, 80, &two, 4000), isn + 250000);
	now_ns += 1;
	assert_int_equal(stack_isn(&one, 80, &two, 4000), isn + 250001);
}

static void depends_on_the_key(void **state)
{
	uint32_t isn = stack_isn(&one, 80, &two, 4000);

	isn_setup(&key_b);
	assert_int_not_equal(stack_isn(&one, 80, &two, 4000), isn);
	isn_setup(&key_a); /* a restarted worker goes on where its predecessor was */
	assert_int_equal(stack_isn(&one, 80, &two, 4000), isn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(differs_for_each_part_of_the_tuple, up, down),
		cmocka_unit_test_setup_teardown(moves_by_one_every_4_us, up, down),
		cmocka_unit_test_setup_teardown(depends_on_the_key, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
