// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tables: alignment, safety, growth, colour. */
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/format.c"
#include "tools/table.c"

static const struct table_column columns[] = {
	{ .head = "NAME" },
	{ .head = "N", .right = true, .width = 3 },
	{ .head = "WHY" },
};

static char printed[65536];

static struct table *new_table(void)
{
	struct table *t = NULL;

	assert_int_equal(table_new(columns, 3, &t), 0);
	return t;
}

static const char *print(const struct table *t)
{
	FILE *f = fmemopen(printed, sizeof(printed), "w");

	table_print(t, f);
	fclose(f);
	return printed;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	struct table *t = new_table();

	table_add(t, (const char *[]){ "a", "1", "x" }, TABLE_PLAIN);
	table_add(t, (const char *[]){ "2001:db8::1234:5678", "1000", "because" }, TABLE_BAD);
	assert_string_equal(print(t), "NAME                    N  WHY\n"
				      "a                       1  x\n"
				      "2001:db8::1234:5678  1000  because\n");
	table_free(t);
}

static void nothing_is_printed_without_rows(void **state)
{
	struct table *t = new_table();

	memset(printed, 0, sizeof(printed));
	assert_string_equal(print(t), "");
	table_free(t);
}

static void missing_cells_show_as_a_dash_and_control_bytes_as_text(void **state)
{
	struct table *t = new_table();

	table_add(t, (const char *[]){ NULL, "1", "\033[31m" }, TABLE_PLAIN);
	assert_string_equal(print(t), "NAME  N  WHY\n-     1  \\x1b[31m\n");
	table_free(t);
}

static void cells_are_copied_and_cut(void **state)
{
	struct table *t = new_table();
	char cell[2 * TABLE_CELL_MAX];

	memset(cell, 'x', sizeof(cell));
	cell[sizeof(cell) - 1] = 0;
	table_add(t, (const char *[]){ cell, "1", "y" }, TABLE_PLAIN);
	memset(cell, 'z', sizeof(cell));
	assert_null(strchr(print(t), 'z'));
	assert_true(strlen(strchr(printed, '\n') + 1) < TABLE_CELL_MAX + 10);
	table_free(t);
}

static void many_rows_are_kept_in_order(void **state)
{
	struct table *t = new_table();
	char number[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(number, sizeof(number), "%d", i);
		assert_int_equal(table_add(t, (const char *[]){ "a", number, "b" }, TABLE_PLAIN),
				 0);
	}
	assert_int_equal(table_rows(t), 1000);
	assert_non_null(strstr(print(t), "a     998  b\na     999  b\n"));
	table_free(t);
}

static void too_many_columns_are_refused(void **state)
{
	struct table *t = NULL;

	assert_int_equal(table_new(columns, TABLE_COLUMNS_MAX + 1, &t), -EINVAL);
}

static void streamed_rows_keep_the_columns_own_widths(void **state)
{
	FILE *f = fmemopen(printed, sizeof(printed), "w");

	table_stream_head(columns, 3, f);
	table_stream_row(columns, 3, (const char *[]){ "a", "1", NULL }, TABLE_PLAIN, f);
	fclose(f);
	assert_string_equal(printed, "NAME    N  WHY\na    1  -\n");
}

static void colour_is_for_terminals_that_want_it(void **state)
{
	int master;
	int slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);

	FILE *terminal = fdopen(slave, "w");
	FILE *file = fmemopen(printed, sizeof(printed), "w");

	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	assert_true(table_colour(terminal));
	assert_false(table_colour(file));
	setenv("NO_COLOR", "1", 1);
	assert_false(table_colour(terminal));
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_false(table_colour(terminal));
	unsetenv("TERM");
	assert_false(table_colour(terminal));
	fclose(terminal);
	fclose(file);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(nothing_is_printed_without_rows),
		cmocka_unit_test(missing_cells_show_as_a_dash_and_control_bytes_as_text),
		cmocka_unit_test(cells_are_copied_and_cut),
		cmocka_unit_test(many_rows_are_kept_in_order),
		cmocka_unit_test(too_many_columns_are_refused),
		cmocka_unit_test(streamed_rows_keep_the_columns_own_widths),
		cmocka_unit_test(colour_is_for_terminals_that_want_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
