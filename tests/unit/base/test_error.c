// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* error.c: one line that fits, with and without the meaning of errno. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void names_the_step_and_the_reason(void **state)
{
	char err[ERROR_TEXT_MAX];

	assert_int_equal(error_at(err, -ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_string_equal(err, "cannot open x: No such file or directory");
	assert_int_equal(error_text(err, -EINVAL, "%s is a TAP", "tap0"), -EINVAL);
	assert_string_equal(err, "tap0 is a TAP");
}

static void cuts_what_is_too_long(void **state)
{
	char err[ERROR_TEXT_MAX];
	char text[400];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(error_at(err, -EIO, "%s", text), -EIO);
	assert_int_equal(strlen(err), ERROR_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_step_and_the_reason),
		cmocka_unit_test(cuts_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
