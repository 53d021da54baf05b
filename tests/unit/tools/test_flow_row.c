// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A "flow" object as a row of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/flow_row.c"
#include "tools/format.c"
#include "tools/object.c"
#include "tools/table.c"

static struct flow_row row;
static json_t *flow;

static void fill(const char *json)
{
	json_decref(flow);
	flow = json_loads(json, 0, NULL);
	assert_non_null(flow);
	flow_row_fill(&row, flow);
}

static int teardown(void **state)
{
	json_decref(flow);
	flow = NULL;
	return 0;
}

static void shows_every_cell(void **state)
{
	fill("{\"domain\":\"www.example.org\",\"daddr\":\"192.0.2.1\",\"dport\":443,"
	     "\"proto\":\"tcp\",\"verdict\":\"forward\",\"bytes_up\":512,\"bytes_down\":2000000,"
	     "\"duration_ms\":1500,\"state\":\"closed\",\"end\":\"finished\"}");
	assert_string_equal(row.cells[FLOW_CELL_NAME], "www.example.org");
	assert_string_equal(row.cells[FLOW_CELL_ADDRESS], "192.0.2.1:443");
	assert_string_equal(row.cells[FLOW_CELL_PROTO], "tcp");
	assert_string_equal(row.cells[FLOW_CELL_VERDICT], "forward");
	assert_string_equal(row.cells[FLOW_CELL_UP], "512 B");
	assert_string_equal(row.cells[FLOW_CELL_DOWN], "2.0 MB");
	assert_string_equal(row.cells[FLOW_CELL_DURATION], "1.5 s");
	assert_string_equal(row.cells[FLOW_CELL_END], "finished");
	assert_int_equal(row.tone, TABLE_PLAIN);
	assert_int_equal(flow_row_bytes(flow), 2000512);
}

static void brackets_ipv6_only_before_a_port(void **state)
{
	fill("{\"daddr\":\"2001:db8::1\",\"dport\":80}");
	assert_string_equal(row.cells[FLOW_CELL_ADDRESS], "[2001:db8::1]:80");
	fill("{\"daddr\":\"2001:db8::1\",\"dport\":0}");
	assert_string_equal(row.cells[FLOW_CELL_ADDRESS], "2001:db8::1");
}

static void long_names_keep_their_end(void **state)
{
	fill("{\"domain\":\"a.very.long.name.of.many.labels.in.a.zone.of.example.org\"}");
	assert_int_equal(strlen(row.cells[FLOW_CELL_NAME]), FLOW_NAME_WIDTH);
	assert_string_equal(row.cells[FLOW_CELL_NAME] + FLOW_NAME_WIDTH - 12, ".example.org");
	assert_int_equal(strncmp(row.cells[FLOW_CELL_NAME], "...", 3), 0);
}

static void state_stands_in_for_an_end_that_is_not_there(void **state)
{
	fill("{\"state\":\"open\"}");
	assert_string_equal(row.cells[FLOW_CELL_END], "open");
}

static void ends_that_hurt_are_marked(void **state)
{
	fill("{\"end\":\"refused by upstream\"}");
	assert_int_equal(row.tone, TABLE_BAD);
	fill("{\"end\":\"idle\"}");
	assert_int_equal(row.tone, TABLE_PLAIN);
}

static void missing_and_mistyped_keys_do_no_harm(void **state)
{
	fill("{}");
	assert_null(row.cells[FLOW_CELL_NAME]);
	assert_null(row.cells[FLOW_CELL_ADDRESS]);
	assert_string_equal(row.cells[FLOW_CELL_UP], "0 B");
	fill("{\"daddr\":7,\"dport\":\"x\",\"domain\":[],\"end\":{},\"bytes_up\":-5}");
	assert_null(row.cells[FLOW_CELL_ADDRESS]);
	assert_null(row.cells[FLOW_CELL_END]);
	assert_int_equal(flow_row_bytes(flow), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(shows_every_cell, teardown),
		cmocka_unit_test_teardown(brackets_ipv6_only_before_a_port, teardown),
		cmocka_unit_test_teardown(long_names_keep_their_end, teardown),
		cmocka_unit_test_teardown(state_stands_in_for_an_end_that_is_not_there, teardown),
		cmocka_unit_test_teardown(ends_that_hurt_are_marked, teardown),
		cmocka_unit_test_teardown(missing_and_mistyped_keys_do_no_harm, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
