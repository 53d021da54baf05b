// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* JSON objects as text without knowing their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/format.c"
#include "tools/object.c"
#include "tools/table.c"

static char printed[8192];

static const char *print(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	FILE *f = fmemopen(printed, sizeof(printed), "w");

	assert_non_null(o);
	memset(printed, 0, sizeof(printed));
	object_print(o, f);
	fclose(f);
	json_decref(o);
	return printed;
}

static void labels_are_aligned_and_units_come_from_the_key(void **state)
{
	assert_string_equal(print("{\"name\":\"x\",\"uptime_ms\":61000,\"rtt_us\":1500,"
				  "\"buffer_bytes\":2048,\"bytes_up\":5,\"tso\":true}"),
			    "name          x\n"
			    "uptime        1m01s\n"
			    "rtt           1.5 ms\n"
			    "buffer bytes  2.0 kB\n"
			    "bytes up      5 B\n"
			    "tso           yes\n");
}

static void nested_objects_are_sections_without_zeros(void **state)
{
	assert_string_equal(print("{\"pid\":0,\"kernel\":{\"flows_new\":3,\"rejects\":0}}"),
			    "pid  0\n"
			    "kernel\n"
			    "  flows new  3\n");
}

static void arrays_of_objects_are_blocks_and_of_texts_bullets(void **state)
{
	assert_string_equal(print("{\"roles\":[{\"name\":\"a\",\"n\":1},{\"name\":\"b\"}],"
				  "\"advice\":[\"do this\"],\"none\":[]}"),
			    "roles\n"
			    "  name  a\n"
			    "  n     1\n"
			    "\n"
			    "  name  b\n"
			    "advice\n"
			    "  - do this\n");
}

static void foreign_text_is_made_safe(void **state)
{
	assert_string_equal(print("{\"a\\u001b\":\"b\\u001b[2J\"}"), "a\\x1b  b\\x1b[2J\n");
}

static void depth_is_bounded(void **state)
{
	char deep[2000] = "";

	for (int i = 0; i < 200; i++)
		strcat(deep, "{\"a\":");
	strcat(deep, "1");
	for (int i = 0; i < 200; i++)
		strcat(deep, "}");
	assert_string_equal(print(deep), "a\n  a\n    a\n      a\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_aligned_and_units_come_from_the_key),
		cmocka_unit_test(nested_objects_are_sections_without_zeros),
		cmocka_unit_test(arrays_of_objects_are_blocks_and_of_texts_bullets),
		cmocka_unit_test(foreign_text_is_made_safe),
		cmocka_unit_test(depth_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
