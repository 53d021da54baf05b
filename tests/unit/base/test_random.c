// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* random.c: values are spread, do not repeat, and are wiped from the buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "userspace/base/random.c"

static void fills_every_byte_of_large_buffers(void **state)
{
	static uint8_t buf[100000];
	unsigned int seen[256] = { 0 };

	random_bytes(buf, sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		seen[buf[i]]++;
	/* 391 expected of each; 200 is nine standard deviations away */
	for (size_t i = 0; i < 256; i++)
		assert_in_range(seen[i], 200, 600);
}

static void values_do_not_repeat_across_refills(void **state)
{
	uint32_t seen[500];

	for (size_t i = 0; i < 500; i++) {
		seen[i] = random_u32();
		for (size_t j = 0; j + 1 < i; j++) /* a pair by chance: once in 34,000 runs */
			assert_false(seen[i] == seen[j] && seen[i - 1] == seen[j + 1]);
	}
}

static void u16_reaches_both_halves_of_its_range(void **state)
{
	unsigned int high = 0;

	for (size_t i = 0; i < 1000; i++)
		high += random_u16() >> 15;
	assert_in_range(high, 350, 650);
}

static void wipes_what_it_handed_out(void **state)
{
	uint32_t value = random_u32();

	assert_int_equal(values[values_left], 0);
	while (values_left > 0) {
		random_u32();
		assert_int_equal(values[values_left], 0);
	}
	assert_true(value != random_u32() || value != random_u32());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_every_byte_of_large_buffers),
		cmocka_unit_test(values_do_not_repeat_across_refills),
		cmocka_unit_test(u16_reaches_both_halves_of_its_range),
		cmocka_unit_test(wipes_what_it_handed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
