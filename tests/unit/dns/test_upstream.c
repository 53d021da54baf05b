// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* upstream.c: the order in which resolvers are asked, and what moves one back. */
#include "support.h"

#include "dns/upstream.h"

static struct upstream_set set;
static struct endpoint endpoints[10];

static int setup(void **state)
{
	clock_inject(test_clock);
	memset(&set, 0, sizeof(set));
	for (unsigned int i = 0; i < 10; i++) {
		endpoints[i].addr = addr_from_v4(htonl(0xc0000201 + i));
		endpoints[i].port = htons(53);
	}
	upstream_set_assign(&set, endpoints, 3);
	return 0;
}

static int teardown(void **state)
{
	clock_inject(NULL);
	return 0;
}

static void are_picked_in_order_once_each(void **state)
{
	assert_int_equal(upstream_pick(&set, 0), 0);
	assert_int_equal(upstream_pick(&set, 1), 1);
	assert_int_equal(upstream_pick(&set, 3), 2);
	assert_int_equal(upstream_pick(&set, 7), -1);
}

static void one_that_failed_three_times_is_picked_last(void **state)
{
	for (int i = 0; i < UPSTREAM_DOWN_STREAK - 1; i++)
		upstream_failed(&set.item[0]);
	assert_int_equal(upstream_pick(&set, 0), 0);
	upstream_timed_out(&set.item[0]);
	assert_int_equal(set.item[0].state, UPSTREAM_DOWN);
	assert_int_equal(upstream_pick(&set, 0), 1);
	assert_int_equal(upstream_pick(&set, 6), 0);
	advance_ms(UPSTREAM_DOWN_MS);
	assert_int_equal(upstream_pick(&set, 0), 0);
	assert_int_equal(set.item[0].state, UPSTREAM_DOWN);
}

static void an_answer_brings_it_back(void **state)
{
	for (int i = 0; i < UPSTREAM_DOWN_STREAK; i++)
		upstream_failed(&set.item[0]);
	upstream_answered(&set.item[0], 1000);
	assert_int_equal(set.item[0].state, UPSTREAM_UP);
	assert_int_equal(upstream_pick(&set, 0), 0);
	assert_int_equal(set.item[0].failures, UPSTREAM_DOWN_STREAK);
}

static void latency_is_smoothed(void **state)
{
	upstream_answered(&set.item[0], 8000);
	assert_int_equal(set.item[0].latency_us, 8000);
	upstream_answered(&set.item[0], 0);
	assert_int_equal(set.item[0].latency_us, 7000);
}

static void those_that_stay_keep_their_figures(void **state)
{
	struct endpoint changed[3] = { endpoints[2], endpoints[5], endpoints[0] };

	upstream_answered(&set.item[2], 500);
	upstream_set_assign(&set, changed, 3);
	assert_int_equal(set.item[0].answers, 1);
	assert_int_equal(set.item[1].answers, 0);
	assert_null(upstream_find(&set, &endpoints[1]));
	assert_ptr_equal(upstream_find(&set, &endpoints[0]), &set.item[2]);
	upstream_answered(NULL, 1); /* one that was taken out meanwhile */
	upstream_failed(NULL);
	upstream_timed_out(NULL);
}

static void repetitions_and_what_exceeds_the_table_are_left_out(void **state)
{
	struct endpoint twice[3] = { endpoints[0], endpoints[0], endpoints[1] };

	upstream_set_assign(&set, twice, 3);
	assert_int_equal(set.num, 2);
	upstream_set_assign(&set, endpoints, 10);
	assert_int_equal(set.num, DNS_UPSTREAMS_MAX);
}

static void every_state_has_a_name(void **state)
{
	assert_string_equal(upstream_state_text(UPSTREAM_NEW), "new");
	assert_string_equal(upstream_state_text(UPSTREAM_UP), "up");
	assert_string_equal(upstream_state_text(UPSTREAM_DOWN), "down");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(are_picked_in_order_once_each),
		T(one_that_failed_three_times_is_picked_last),
		T(an_answer_brings_it_back),
		T(latency_is_smoothed),
		T(those_that_stay_keep_their_figures),
		T(repetitions_and_what_exceeds_the_table_are_left_out),
		T(every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
