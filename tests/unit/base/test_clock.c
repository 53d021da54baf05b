// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* clock.c: the one clock and its replacement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/clock.h"

static uint64_t fixed(void)
{
	return 1234567890123ULL;
}

static void is_the_monotonic_clock(void **state)
{
	struct timespec ts;
	uint64_t before = clock_ns();
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	assert_true(before <= now && now <= clock_ns());
}

static void can_be_replaced_and_restored(void **state)
{
	clock_inject(fixed);
	assert_int_equal(clock_ns(), 1234567890123ULL);
	assert_int_equal(clock_ms(), 1234567);
	clock_inject(NULL);
	assert_true(clock_ns() != 1234567890123ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_monotonic_clock),
		cmocka_unit_test(can_be_replaced_and_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
