// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* health.c: what makes an upstream fail, go down and come back, on an injected clock. */
#include "support.h"

#include "dns/health.h"

static struct health health;

static int setup(void **state)
{
	clock_inject(test_clock);
	memset(&health, 0, sizeof(health));
	return 0;
}

static int teardown(void **state)
{
	clock_inject(NULL);
	return 0;
}

static unsigned int failures(unsigned int times)
{
	unsigned int went_down = 0;

	for (unsigned int i = 0; i < times; i++)
		went_down += health_failure(&health);
	return went_down;
}

static void three_failures_in_a_row_are_failing(void **state)
{
	failures(HEALTH_FAILING_STREAK - 1);
	assert_int_equal(health.state, HEALTH_NEW);
	assert_int_equal(failures(1), 0);
	assert_int_equal(health.state, HEALTH_FAILING);
	assert_false(health_success(&health));
	assert_int_equal(health.state, HEALTH_UP);
	failures(HEALTH_FAILING_STREAK - 1);
	assert_int_equal(health.state, HEALTH_UP);
}

static void c25_down_at_once_at_fifty_failures(void **state)
{
	assert_int_equal(failures(HEALTH_DOWN_STREAK - 1), 0);
	assert_int_equal(health.state, HEALTH_FAILING);
	assert_int_equal(failures(1), 1);
	assert_int_equal(health.state, HEALTH_DOWN);
	assert_int_equal(failures(10), 0); /* it is said once */
}

static void c25_down_after_ten_seconds_of_failures(void **state)
{
	failures(1);
	advance_ms(HEALTH_DOWN_MS - 1);
	assert_int_equal(failures(1), 0);
	assert_int_equal(health.state, HEALTH_NEW);
	advance_ms(1);
	assert_int_equal(failures(1), 1);
	assert_int_equal(health.state, HEALTH_DOWN);
}

static void c25_a_failure_without_a_success_for_ten_seconds_is_enough(void **state)
{
	assert_int_equal(health_wait_ms(&health), UINT64_MAX);
	failures(1);
	assert_int_equal(health_wait_ms(&health), HEALTH_DOWN_MS);
	advance_ms(HEALTH_DOWN_MS - 1);
	assert_false(health_look(&health));
	advance_ms(1);
	assert_true(health_look(&health));
	assert_int_equal(health.state, HEALTH_DOWN);
	assert_int_equal(health_wait_ms(&health), UINT64_MAX);
}

static void c25_any_success_resets(void **state)
{
	failures(HEALTH_DOWN_STREAK - 1);
	health_success(&health);
	advance_ms(HEALTH_DOWN_MS);
	assert_int_equal(failures(HEALTH_DOWN_STREAK - 1), 0);
	assert_int_not_equal(health.state, HEALTH_DOWN);
	failures(1);
	assert_int_equal(health.state, HEALTH_DOWN);
	assert_true(health_success(&health));
	assert_int_equal(health.state, HEALTH_UP);
	assert_int_equal(health.streak, 0);
}

static void c25_failures_are_ignored_for_a_second_after_recovery(void **state)
{
	failures(HEALTH_DOWN_STREAK);
	health_success(&health);
	advance_ms(HEALTH_GRACE_MS - 1);
	assert_int_equal(failures(HEALTH_DOWN_STREAK * 2), 0);
	assert_int_equal(health.state, HEALTH_UP);
	advance_ms(1);
	assert_int_equal(failures(HEALTH_DOWN_STREAK), 1);
	assert_int_equal(health.state, HEALTH_DOWN);
}

static void every_state_has_a_name(void **state)
{
	assert_string_equal(health_text(HEALTH_NEW), "new");
	assert_string_equal(health_text(HEALTH_UP), "up");
	assert_string_equal(health_text(HEALTH_FAILING), "failing");
	assert_string_equal(health_text(HEALTH_DOWN), "down");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(three_failures_in_a_row_are_failing),
		T(c25_down_at_once_at_fifty_failures),
		T(c25_down_after_ten_seconds_of_failures),
		T(c25_a_failure_without_a_success_for_ten_seconds_is_enough),
		T(c25_any_success_resets),
		T(c25_failures_are_ignored_for_a_second_after_recovery),
		T(every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
