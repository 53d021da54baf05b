// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* advice.c: what is advised, and that nothing is where all is well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "bpf/contract.h"
#include "supervisor/advice.h"

static const struct advice_facts fine = {
	.tw_reuse_known = 1,
	.tw_reuse = 1,
	.ports_first = 32768,
	.ports_last = 60999,
	.descriptors = FLOWS_MAX,
	.flows_max = FLOWS_MAX,
};

static const char *text_of(const json_t *list, const char *key)
{
	return json_string_value(json_object_get(json_array_get(list, 0), key));
}

static void advises(const struct advice_facts *f, const char *says, const char *fix)
{
	json_t *list = advice_show(f);

	assert_int_equal(json_array_size(list), 1);
	assert_non_null(strstr(text_of(list, "text"), says));
	assert_non_null(strstr(text_of(list, "fix"), fix));
	json_decref(list);
}

static void says_nothing_where_all_is_well(void **state)
{
	json_t *list = advice_show(&fine);

	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void says_nothing_of_what_it_cannot_read(void **state)
{
	const struct advice_facts unknown = { 0 };
	json_t *list = advice_show(&unknown);

	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void names_each_setting(void **state)
{
	struct advice_facts f = fine;

	f.tw_reuse = 2;
	advises(&f, "tcp_tw_reuse is 2", "sysctl -w net.ipv4.tcp_tw_reuse=1");
	f = fine;
	f.ports_first = 60000;
	advises(&f, "has 1000 ports", "sysctl -w net.ipv4.ip_local_port_range=");
	f = fine;
	f.descriptors = 1024;
	advises(&f, "at most 1024 descriptors", "ulimit -n 65536");
}

static void descriptors_are_few_or_not_by_what_is_to_be_tracked(void **state)
{
	struct advice_facts f = fine;
	json_t *list;

	f.descriptors = f.flows_max = 1024;
	list = advice_show(&f);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	f.flows_max = 1025;
	advises(&f, "up to 1025 flows", "ulimit -n 1025");
}

static void reads_this_host(void **state)
{
	struct advice_facts f;

	advice_read(&f, 4096);
	assert_int_equal(f.flows_max, 4096);
	assert_true(f.descriptors > 0);
	if (f.ports_last)
		assert_true(f.ports_first > 0 && f.ports_first <= f.ports_last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_nothing_where_all_is_well),
		cmocka_unit_test(says_nothing_of_what_it_cannot_read),
		cmocka_unit_test(names_each_setting),
		cmocka_unit_test(descriptors_are_few_or_not_by_what_is_to_be_tracked),
		cmocka_unit_test(reads_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
