// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Direct flows that are over, in the real map: which go when, what is told of them, and when
 * nothing is looked at. Needs root (77 without).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "datapath/kernel_internal.h"
#include "lib/own_bpffs.h"

#define MINUTE_NS (60 * NSEC_PER_SEC)

static char instance[32];
static struct kernel *k;

static int up(void **state)
{
	struct kernel_options opt = { .instance = instance, .flows_max = 64, .host = true };
	char err[256] = "";

	return kernel_load(&opt, &k, err) || !kernel_features(k)->bpf ? -1 : 0;
}

static int down(void **state)
{
	kernel_unload(k);
	return 0;
}

/* As the kernel half does when it enters one. */
static void count_new(void)
{
	struct kernel_stats *stats = calloc(libbpf_num_possible_cpus(), sizeof(*stats));
	__u32 zero = 0;

	assert_non_null(stats);
	assert_int_equal(bpf_map_lookup_elem(k->maps.stats, &zero, stats), 0);
	stats[0].direct_flows++;
	assert_int_equal(bpf_map_update_elem(k->maps.stats, &zero, stats, 0), 0);
	free(stats);
}

static struct flow_key key_of(uint8_t proto, uint16_t port)
{
	return (struct flow_key){ .proto = proto, .sport = htons(port) };
}

static void put(uint8_t proto, uint16_t port, enum flow_state state, uint64_t idle_ns)
{
	struct flow_key key = key_of(proto, port);
	struct flow flow = { .verdict = VERDICT_DIRECT, .state = state };

	flow.last_seen_ns = clock_ns() - idle_ns;
	assert_int_equal(bpf_map_update_elem(k->maps.direct_flows, &key, &flow, BPF_ANY), 0);
	count_new();
}

static bool is_there(uint8_t proto, uint16_t port)
{
	struct flow_key key = key_of(proto, port);
	struct flow flow;

	return !bpf_map_lookup_elem(k->maps.direct_flows, &key, &flow);
}

static void note_end(void *arg, const struct flow_event *e)
{
	unsigned int *ends = arg;

	assert_int_equal(e->type, EVENT_FLOW_END);
	assert_int_equal(e->info.end, END_IDLE);
	assert_int_equal(e->flow.verdict, VERDICT_DIRECT);
	++*ends;
}

/* In how many parts. */
static unsigned int age(unsigned int *ret_ends)
{
	unsigned int parts = 1;

	*ret_ends = 0;
	while (kernel_direct_age(k, note_end, ret_ends))
		parts++;
	return parts;
}

static void closed_and_idle_flows_go_each_after_its_time(void **state)
{
	static const struct {
		uint8_t proto;
		enum flow_state state;
		uint64_t idle_ns;
		bool stays;
	} flows[] = {
		{ IPPROTO_TCP, FLOW_CLOSED, 20 * NSEC_PER_SEC, true },
		{ IPPROTO_TCP, FLOW_CLOSED, 40 * NSEC_PER_SEC, false },
		{ IPPROTO_UDP, FLOW_CLOSED, 40 * NSEC_PER_SEC, false },
		{ IPPROTO_UDP, FLOW_OPEN, 2 * MINUTE_NS, true },
		{ IPPROTO_UDP, FLOW_OPEN, 4 * MINUTE_NS, false },
		{ IPPROTO_ICMP, FLOW_OPENING, 4 * MINUTE_NS, false },
		{ IPPROTO_TCP, FLOW_OPENING, 3 * MINUTE_NS, true },
		{ IPPROTO_TCP, FLOW_OPENING, 5 * MINUTE_NS, false },
		{ IPPROTO_TCP, FLOW_CLOSING, 5 * MINUTE_NS, false },
		{ IPPROTO_TCP, FLOW_OPEN, 120 * MINUTE_NS, true },
		{ IPPROTO_TCP, FLOW_OPEN, 125 * MINUTE_NS, false },
	};
	unsigned int ends;

	for (uint16_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
		put(flows[i].proto, i, flows[i].state, flows[i].idle_ns);
	age(&ends);
	for (uint16_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
		if (is_there(flows[i].proto, i) != flows[i].stays)
			fail_msg("flow %d", i);
	assert_int_equal(ends, 5); /* the end of closed ones was told when they closed */
}

static void many_go_in_parts(void **state)
{
	unsigned int ends, parts;

	for (uint16_t port = 1; port <= 2000; port++)
		put(IPPROTO_UDP, port, FLOW_OPEN, 10 * MINUTE_NS);
	parts = age(&ends);
	assert_int_equal(ends, 2000);
	assert_in_range(parts, 10, 1000);
	assert_false(is_there(IPPROTO_UDP, 1));
}

static void empty_table_is_not_looked_at_until_a_flow_comes(void **state)
{
	unsigned int ends;

	put(IPPROTO_UDP, 1, FLOW_OPEN, 10 * MINUTE_NS);
	age(&ends);
	assert_int_equal(ends, 1);
	age(&ends);
	assert_false(k->aging.walking);
	assert_int_equal(k->aging.left, 0);
	/* one that nobody counted stands for any: it is not seen */
	put(IPPROTO_UDP, 2, FLOW_OPEN, 10 * MINUTE_NS);
	k->aging.seen++;
	age(&ends);
	assert_int_equal(ends, 0);
	count_new();
	age(&ends);
	assert_int_equal(ends, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(closed_and_idle_flows_go_each_after_its_time, up,
						down),
		cmocka_unit_test_setup_teardown(many_go_in_parts, up, down),
		cmocka_unit_test_setup_teardown(empty_table_is_not_looked_at_until_a_flow_comes, up,
						down),
	};

	if (own_bpffs())
		return 77;
	snprintf(instance, sizeof(instance), "test-aging-%d", getpid());
	return cmocka_run_group_tests_name("datapath/aging", tests, NULL, NULL);
}
