// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* flow_list.c: a row for whatever is known of a flow, rates, orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/flow_list.c"
#include "tools/flow_row.c"
#include "tools/format.c"
#include "tools/object.c"
#include "tools/table.c"

static struct flow_list list;
static char text[8192];

static int teardown(void **state)
{
	flow_list_clear(&list);
	return 0;
}

static void add(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	assert_int_equal(flow_list_add(&list, o), 0);
	json_decref(o);
}

static void print(size_t rows)
{
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_int_equal(flow_list_print(&list, rows, f), 0);
	fclose(f);
}

static void says(const char *what)
{
	if (!strstr(text, what))
		fail_msg("no '%s' in\n%s", what, text);
}

static void a_host_s_flow_has_process_user_and_unit(void **state)
{
	add("{\"proto\":\"tcp\",\"saddr\":\"10.0.0.2\",\"daddr\":\"192.0.2.1\",\"dport\":443,"
	    "\"pid\":42,\"process\":\"curl\",\"uid\":0,\"unit\":\"web.service\",\"cgroup\":\"/a\","
	    "\"domain\":\"www.test\",\"verdict\":\"direct\",\"rule\":3,\"rule_name\":\"work\","
	    "\"carrier\":\"kernel\",\"state\":\"open\",\"bytes_up\":1000,\"bytes_down\":3000,"
	    "\"duration_ms\":2000}");
	flow_list_rates(&list, NULL, 0);
	print(0);
	says("curl/42");
	says("root");
	says("web.service");
	says("www.test");
	says("192.0.2.1:443");
	says("direct");
	says("work");
	says("kernel");
	says("2.0 kB"); /* 4000 bytes in 2 s */
}

static void a_client_has_its_address_and_mac(void **state)
{
	add("{\"saddr\":\"10.9.0.5\",\"daddr\":\"192.0.2.1\",\"mac\":\"02:00:00:00:00:01\","
	    "\"rule\":0}");
	print(0);
	says("10.9.0.5");
	says("02:00:00:00:00:01");
	says("default");
}

static void what_no_rule_decided_says_why(void **state)
{
	add("{\"rule\":0,\"opened\":\"outside\",\"cgroup\":\"/user.slice/app\",\"uid\":4242424}");
	print(0);
	says("outside");
	says("app");
	says("4242424");
	assert_null(strstr(text, "default"));
}

static void nothing_known_is_a_row_of_dashes(void **state)
{
	add("{}");
	print(0);
	says("-");
}

static void rates_are_of_what_came_since(void **state)
{
	struct flow_list before = { 0 };

	add("{\"saddr\":\"a\",\"bytes_up\":1000,\"bytes_down\":0,\"duration_ms\":9000}");
	add("{\"saddr\":\"b\",\"bytes_up\":9000,\"duration_ms\":9000}");
	before = list;
	list = (struct flow_list){ 0 };
	add("{\"saddr\":\"a\",\"bytes_up\":1000,\"bytes_down\":500,\"duration_ms\":9500}");
	add("{\"saddr\":\"b\",\"bytes_up\":100,\"duration_ms\":200}"); /* the key used again */
	add("{\"saddr\":\"c\",\"bytes_up\":100,\"duration_ms\":100}");
	flow_list_rates(&list, &before, 500);
	assert_int_equal(list.rate[0], 1000);
	assert_int_equal(list.rate[1], 500);
	assert_int_equal(list.rate[2], 1000);
	flow_list_clear(&before);
}

static void expect_order(const char *by, const char *order)
{
	char got[16] = "";

	flow_list_sort(&list, by);
	for (size_t i = 0; i < list.count; i++)
		strcat(got, object_text(list.flow[i], "saddr", ""));
	assert_string_equal(got, order);
}

static void sorts_by_each_key(void **state)
{
	add("{\"saddr\":\"a\",\"bytes_up\":1,\"bytes_down\":9,\"duration_ms\":5,\"idle_ms\":1,"
	    "\"process\":\"x\",\"domain\":\"b.test\",\"rule\":1}");
	add("{\"saddr\":\"b\",\"bytes_up\":7,\"bytes_down\":7,\"duration_ms\":9,\"idle_ms\":3,"
	    "\"process\":\"m\",\"rule\":3}");
	add("{\"saddr\":\"c\",\"bytes_up\":8,\"bytes_down\":0,\"duration_ms\":1,\"idle_ms\":2,"
	    "\"domain\":\"a.test\",\"rule\":2}");
	list.rate[0] = 2;
	list.rate[1] = 1;
	list.rate[2] = 3;
	expect_order("rate", "cab");
	expect_order("bytes", "bac");
	expect_order("up", "cba");
	expect_order("down", "abc");
	expect_order("time", "bac");
	expect_order("idle", "bca");
	expect_order("process", "bac");
	expect_order("name", "cab");
	expect_order("rule", "bca");
	assert_null(flow_list_sort_wrong("rate"));
	assert_non_null(strstr(flow_list_sort_wrong("size"), "expected bytes, rate"));
}

static void no_more_rows_than_the_screen_has(void **state)
{
	add("{\"saddr\":\"one\"}");
	add("{\"saddr\":\"two\"}");
	print(1);
	says("one");
	assert_null(strstr(text, "two"));
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_host_s_flow_has_process_user_and_unit),
		T(a_client_has_its_address_and_mac),
		T(what_no_rule_decided_says_why),
		T(nothing_known_is_a_row_of_dashes),
		T(rates_are_of_what_came_since),
		T(sorts_by_each_key),
		T(no_more_rows_than_the_screen_has),
	};

	return cmocka_run_group_tests_name("tools/flow_list", tests, NULL, NULL);
}
