// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* flows.c: when a DNS client's flow is over, and how it is said to have ended. */
#include "support.h"

#include <netinet/in.h>

#include "base/limits.h"
#include "dns/flows.h"

static struct datapath datapath;
static struct flows *flows;
static const struct endpoint nobody;

static int setup(void **state)
{
	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	return flows_new(&datapath, 4, &flows);
}

static int teardown(void **state)
{
	flows_free(flows);
	clock_inject(NULL);
	return 0;
}

static const struct flow_key *key(uint16_t port)
{
	static struct flow_key k;

	memset(&k, 0, sizeof(k));
	k.sport = htons(port);
	k.proto = IPPROTO_UDP;
	return &k;
}

static void ends_as_answered_when_idle(void **state)
{
	struct endpoint upstream = { .addr = addr_from_v4(htonl(0xc0000201)), .port = htons(53) };

	flows_asked(flows, key(1), "www.test");
	flows_answered(flows, key(1), true, &upstream);
	advance_ms(DNS_FLOW_IDLE_MS - 1);
	flows_sweep(flows);
	assert_int_equal(test_kernel.ends, 0);
	advance_ms(1);
	flows_sweep(flows);
	assert_int_equal(test_kernel.ends, 1);
	assert_int_equal(test_kernel.info.end, END_ANSWERED);
	assert_int_equal(test_kernel.info.upstream_port, htons(53));
	assert_int_equal(flows_count(flows), 0);
}

static void one_query_without_answer_is_enough_for_unanswered(void **state)
{
	flows_asked(flows, key(1), "www.test");
	flows_asked(flows, key(1), "www.test");
	flows_answered(flows, key(1), true, &nobody);
	flows_answered(flows, key(1), false, &nobody);
	advance_ms(DNS_FLOW_IDLE_MS);
	flows_sweep(flows);
	assert_int_equal(test_kernel.info.end, END_UNANSWERED);
}

static void a_packet_without_a_query_is_unanswered(void **state)
{
	flows_seen(flows, key(1));
	advance_ms(DNS_FLOW_IDLE_MS);
	flows_sweep(flows);
	assert_int_equal(test_kernel.ends, 1);
	assert_int_equal(test_kernel.info.end, END_UNANSWERED);
}

static void stays_while_a_query_is_in_flight(void **state)
{
	flows_asked(flows, key(1), "www.test");
	advance_ms(DNS_FLOW_IDLE_MS);
	flows_sweep(flows);
	flows_sweep(flows);
	assert_int_equal(test_kernel.ends, 0);
	flows_answered(flows, key(1), true, &nobody);
	advance_ms(DNS_FLOW_IDLE_MS);
	flows_sweep(flows);
	assert_int_equal(test_kernel.ends, 1);
}

static void says_that_it_is_answered_before_it_ends(void **state)
{
	flows_asked(flows, key(1), "www.test");
	flows_asked(flows, key(1), "www.test");
	flows_answered(flows, key(1), true, &nobody);
	assert_int_equal(test_kernel.info.end, END_NONE);
	flows_answered(flows, key(1), true, &nobody);
	assert_int_equal(test_kernel.info.end, END_ANSWERED);
	assert_int_equal(test_kernel.notes, 2);
	flows_asked(flows, key(1), "www.test");
	flows_answered(flows, key(1), true, &nobody);
	assert_int_equal(test_kernel.notes, 2);
	flows_asked(flows, key(1), "mail.test");
	assert_int_equal(test_kernel.info.end, END_NONE);
	flows_answered(flows, key(1), false, &nobody);
	assert_int_equal(test_kernel.info.end, END_UNANSWERED);
	assert_int_equal(test_kernel.ends, 0);
}

static void notes_the_name_when_it_changes(void **state)
{
	flows_asked(flows, key(1), "www.test");
	flows_asked(flows, key(1), "www.test");
	assert_int_equal(test_kernel.notes, 1);
	flows_asked(flows, key(1), "mail.test");
	assert_int_equal(test_kernel.notes, 2);
	assert_string_equal(test_kernel.info.domain, "mail.test");
	assert_string_equal(test_kernel.info.outbound, "resolver");
}

static void the_one_idle_longest_makes_room(void **state)
{
	for (uint16_t port = 1; port <= 4; port++) {
		flows_seen(flows, key(port));
		advance_ms(1);
	}
	flows_seen(flows, key(1));
	flows_seen(flows, key(5));
	assert_int_equal(flows_count(flows), 4);
	assert_int_equal(test_kernel.ends, 1);
	assert_int_equal(test_kernel.flow.sport, htons(2));
	flows_answered(flows, key(2), true, &nobody); /* late: nobody is concerned */
	assert_int_equal(flows_count(flows), 4);
}

static void takes_over_what_a_predecessor_left(void **state)
{
	struct flow_key left[2] = { { .proto = IPPROTO_UDP, .sport = htons(9) },
				    { .proto = IPPROTO_TCP, .sport = htons(9) } };

	test_kernel.open = left;
	test_kernel.open_num = 2;
	flows_adopt(flows);
	assert_int_equal(flows_count(flows), 1);
	advance_ms(DNS_FLOW_IDLE_MS);
	flows_sweep(flows);
	assert_int_equal(test_kernel.ends, 1);
}

static void all_end_at_once(void **state)
{
	flows_seen(flows, key(1));
	flows_asked(flows, key(2), "www.test");
	flows_end_all(flows);
	assert_int_equal(test_kernel.ends, 2);
	assert_int_equal(flows_count(flows), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ends_as_answered_when_idle),
		T(one_query_without_answer_is_enough_for_unanswered),
		T(a_packet_without_a_query_is_unanswered),
		T(stays_while_a_query_is_in_flight),
		T(says_that_it_is_answered_before_it_ends),
		T(notes_the_name_when_it_changes),
		T(the_one_idle_longest_makes_room),
		T(takes_over_what_a_predecessor_left),
		T(all_end_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
