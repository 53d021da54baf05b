// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Numbers and foreign text as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/format.c"

static char text[FORMAT_MAX];

static void bytes_have_two_digits_at_least(void **state)
{
	assert_string_equal(format_bytes(0, text), "0 B");
	assert_string_equal(format_bytes(999, text), "999 B");
	assert_string_equal(format_bytes(1000, text), "1.0 kB");
	assert_string_equal(format_bytes(1550, text), "1.6 kB");
	assert_string_equal(format_bytes(9949, text), "9.9 kB");
	assert_string_equal(format_bytes(9950, text), "10 kB");
	assert_string_equal(format_bytes(104857600, text), "105 MB");
	assert_string_equal(format_bytes(UINT64_MAX, text), "18447 PB");
}

static void bytes_never_show_a_thousand_of_a_unit(void **state)
{
	assert_string_equal(format_bytes(999499, text), "999 kB");
	assert_string_equal(format_bytes(999500, text), "1.0 MB");
	assert_string_equal(format_bytes(999999999, text), "1.0 GB");
}

static void durations_use_two_units_from_a_minute_on(void **state)
{
	assert_string_equal(format_ms(0, text), "0 ms");
	assert_string_equal(format_ms(999, text), "999 ms");
	assert_string_equal(format_ms(1000, text), "1.0 s");
	assert_string_equal(format_ms(59499, text), "59 s");
	assert_string_equal(format_ms(59500, text), "0m59s");
	assert_string_equal(format_ms(307000, text), "5m07s");
	assert_string_equal(format_ms(7500000, text), "2h05m");
	assert_string_equal(format_ms(273600000, text), "3d04h");
}

static void microseconds_go_over_to_milliseconds(void **state)
{
	assert_string_equal(format_us(12, text), "12 us");
	assert_string_equal(format_us(3400, text), "3.4 ms");
	assert_string_equal(format_us(2000000, text), "2.0 s");
}

static void clock_is_the_local_time_of_day(void **state)
{
	setenv("TZ", "UTC-2", 1);
	tzset();
	assert_string_equal(format_clock(1700000000123ULL, text), "00:13:20.123");
}

static void text_is_safe_for_a_terminal(void **state)
{
	char out[64];

	assert_string_equal(format_text("a\033[2Jb\n\177\377", out, sizeof(out)),
			    "a\\x1b[2Jb\\x0a\\x7f\\xff");
}

static void text_is_cut_at_its_size(void **state)
{
	char out[8];

	memset(out, '!', sizeof(out));
	format_text("abcdefghijk", out, sizeof(out));
	assert_true(strlen(out) < sizeof(out));
	assert_int_equal(strncmp(out, "abc", 3), 0);
	format_text("\n\n\n\n", out, sizeof(out));
	assert_string_equal(out, "\\x0a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_two_digits_at_least),
		cmocka_unit_test(bytes_never_show_a_thousand_of_a_unit),
		cmocka_unit_test(durations_use_two_units_from_a_minute_on),
		cmocka_unit_test(microseconds_go_over_to_milliseconds),
		cmocka_unit_test(clock_is_the_local_time_of_day),
		cmocka_unit_test(text_is_safe_for_a_terminal),
		cmocka_unit_test(text_is_cut_at_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
