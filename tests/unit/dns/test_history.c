// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* history.c: the last queries and no more. */
#include "support.h"

#include "dns/history.h"

static struct history history;

static void starts_empty(void **state)
{
	memset(&history, 0, sizeof(history));
	assert_null(history_get(&history, 0));
}

static void keeps_the_last_ones_in_order(void **state)
{
	memset(&history, 0, sizeof(history));
	for (int i = 0; i < HISTORY_ENTRIES + 50; i++)
		history_add(&history)->time_ms = i;
	assert_int_equal(history_get(&history, 0)->time_ms, HISTORY_ENTRIES + 49);
	assert_int_equal(history_get(&history, HISTORY_ENTRIES - 1)->time_ms, 50);
	assert_null(history_get(&history, HISTORY_ENTRIES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty),
		cmocka_unit_test(keeps_the_last_ones_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
