// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* dns_view.c: lines of several types become one table each. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/dns_view.c"
#include "tools/format.c"
#include "tools/object.c"
#include "tools/table.c"

static char printed[65536];
static struct dns_view view;

static void add(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	dns_view_object(&view, "dns", o);
	json_decref(o);
}

/* What dns_view_end() writes on the standard output. */
static const char *end(void)
{
	int keep = dup(STDOUT_FILENO);
	int fd = memfd_create("stdout", 0);
	ssize_t n;

	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	dns_view_end(&view);
	fflush(stdout);
	dup2(keep, STDOUT_FILENO);
	close(keep);
	n = pread(fd, printed, sizeof(printed) - 1, 0);
	printed[n < 0 ? 0 : n] = 0;
	close(fd);
	return printed;
}

static int teardown(void **state)
{
	dns_view_done(&view);
	return 0;
}

static void each_type_is_a_table_with_its_keys_as_heads(void **state)
{
	add("{\"type\":\"upstream\",\"address\":\"192.0.2.1:53\",\"latency_us\":1500}");
	add("{\"type\":\"query\",\"name\":\"a.test\",\"qtype\":\"A\"}");
	add("{\"type\":\"upstream\",\"address\":\"192.0.2.2:53\"}");
	assert_string_equal(end(), "upstream\n"
				   "ADDRESS       LATENCY\n"
				   "192.0.2.1:53   1.5 ms\n"
				   "192.0.2.2:53        -\n"
				   "\n"
				   "query\n"
				   "NAME    QTYPE\n"
				   "a.test  A\n");
}

static void types_and_keys_beyond_the_bounds_are_left_out(void **state)
{
	json_t *wide = json_pack("{s:s}", "type", "wide");
	char text[32];

	for (int i = 0; i < 2 * TABLE_COLUMNS_MAX; i++) {
		snprintf(text, sizeof(text), "key%d", i);
		json_object_set_new(wide, text, json_integer(i));
	}
	dns_view_object(&view, "dns", wide);
	json_decref(wide);
	assert_int_equal(view.sections[0].count, TABLE_COLUMNS_MAX);
	for (int i = 0; i < 2 * DNS_TYPES_MAX; i++) {
		snprintf(text, sizeof(text), "{\"type\":\"t%d\",\"a\":1}", i);
		add(text);
	}
	assert_int_equal(view.used, DNS_TYPES_MAX);
}

static void other_kinds_and_odd_values_do_no_harm(void **state)
{
	json_t *o = json_object();

	dns_view_object(&view, "flow", o);
	dns_view_object(&view, "dns", o);
	json_decref(o);
	add("{\"type\":7,\"a\":[1],\"b\":null}");
	assert_non_null(end());
}

static void an_error_is_no_table(void **state)
{
	add("{\"type\":\"error\",\"text\":\"no\"}");
	assert_true(view.failed);
	assert_string_equal(end(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_type_is_a_table_with_its_keys_as_heads, teardown),
		cmocka_unit_test_teardown(types_and_keys_beyond_the_bounds_are_left_out, teardown),
		cmocka_unit_test_teardown(an_error_is_no_table, teardown),
		cmocka_unit_test_teardown(other_kinds_and_odd_values_do_no_harm, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
