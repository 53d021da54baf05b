// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Flows that no role knows of, in the real maps: which ends when, and when nothing is looked
 * at. In namespaces of this process's own; needs root (77 without).
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
#include "datapath/role.h"
#include "lib/own_bpffs.h"

#define FLOWS 512
#define MINUTE_NS (60 * NSEC_PER_SEC)

static char instance[32];
static struct kernel *k;
static struct datapath dp; /* a role's */

static int up(void **state)
{
	struct kernel_options opt = { .instance = instance, .flows_max = FLOWS };
	char err[256] = "";

	if (kernel_load(&opt, &k, err) || !kernel_features(k)->bpf)
		return -1;
	datapath_init(&dp, 1);
	dp.flow_info = dup(kernel_role_fd(k, 1, ROLE_FD_FLOW_INFO));
	dp.flow_end = dup(kernel_role_fd(k, 1, ROLE_FD_FLOW_END));
	return 0;
}

static int down(void **state)
{
	datapath_done(&dp);
	kernel_unload(k);
	return 0;
}

/* As the kernel half does when it enters some. */
static void count_new_flows(uint64_t by)
{
	struct kernel_stats *stats = calloc(libbpf_num_possible_cpus(), sizeof(*stats));
	__u32 zero = 0;

	assert_non_null(stats);
	assert_int_equal(bpf_map_lookup_elem(k->maps.stats, &zero, stats), 0);
	stats[0].flows_new += by;
	assert_int_equal(bpf_map_update_elem(k->maps.stats, &zero, stats, 0), 0);
	free(stats);
}

static struct flow_key key_of(uint8_t proto, uint16_t port)
{
	return (struct flow_key){ .proto = proto, .sport = htons(port) };
}

static void put(uint8_t proto, uint16_t port, uint64_t age_ns)
{
	struct flow_key key = key_of(proto, port);
	struct flow flow = { .first_seen_ns = clock_ns() - age_ns, .queue = 1 };

	flow.last_seen_ns = flow.first_seen_ns;
	assert_int_equal(bpf_map_update_elem(k->maps.flows, &key, &flow, BPF_ANY), 0);
	count_new_flows(1);
}

/* Flows of ports 1 to `num` that a role carries. */
static void put_noted(uint16_t num)
{
	struct flow_info info = { .outbound = "direct" };

	for (uint16_t port = 1; port <= num; port++) {
		struct flow_key key = key_of(IPPROTO_UDP, port);

		put(IPPROTO_UDP, port, MINUTE_NS);
		assert_int_equal(datapath_flow_note(&dp, &key, &info), 0);
	}
}

static bool is_there(uint8_t proto, uint16_t port)
{
	struct flow_key key = key_of(proto, port);
	struct flow flow;

	return !bpf_map_lookup_elem(k->maps.flows, &key, &flow);
}

/* In how many parts; a UDP flow may be idle for 30 s, one of TCP for 90 s. */
static unsigned int end_strays(void)
{
	unsigned int parts = 1;

	while (kernel_flow_end_strays(k, 30 * NSEC_PER_SEC, 90 * NSEC_PER_SEC))
		parts++;
	return parts;
}

static void note_end(void *arg, const struct flow_event *e)
{
	unsigned int *ends = arg;

	assert_int_equal(e->type, EVENT_FLOW_END);
	assert_int_equal(e->info.end, END_IDLE);
	++*ends;
}

/* A packet that is lost between the kernel half and its role leaves an entry without owner. */
static void strays_end_when_idle(void **state)
{
	unsigned int ends = 0;

	put_noted(1);
	for (uint16_t port = 2; port <= 100; port++)
		put(IPPROTO_UDP, port, MINUTE_NS);
	put(IPPROTO_UDP, 101, 0);
	put(IPPROTO_TCP, 102, MINUTE_NS);
	end_strays();
	assert_int_equal(kernel_events_read(k, note_end, &ends), 0);
	assert_int_equal(ends, 99);
	assert_true(is_there(IPPROTO_UDP, 1));
	assert_false(is_there(IPPROTO_UDP, 2));
	assert_true(is_there(IPPROTO_UDP, 101));
	assert_true(is_there(IPPROTO_TCP, 102)); /* may still be connecting */
}

static void large_tables_are_looked_at_in_parts(void **state)
{
	put_noted(400);
	assert_in_range(end_strays(), 2, 8);
}

/* All of them noted, and no new one since: there cannot be a stray. */
static void idle_flows_are_not_looked_at(void **state)
{
	put_noted(400);
	end_strays();
	put(IPPROTO_UDP, 401, MINUTE_NS);
	count_new_flows(-1ULL); /* not told of it */
	assert_int_equal(end_strays(), 1);
	assert_false(k->strays.walking);
	assert_true(is_there(IPPROTO_UDP, 401));
}

static void few_new_flows_wait_until_they_are_worth_a_pass(void **state)
{
	put_noted(400);
	end_strays();
	for (uint16_t port = 401; port <= 410; port++)
		put(IPPROTO_UDP, port, 0);
	end_strays();
	assert_int_equal(k->strays.flows_new, 400);
	for (uint16_t port = 411; port <= 460; port++)
		put(IPPROTO_UDP, port, 0);
	end_strays();
	assert_int_equal(k->strays.flows_new, 460);
}

static void full_table_is_worth_a_pass_at_once(void **state)
{
	put_noted(400);
	end_strays();
	put(IPPROTO_UDP, 401, 0);
	kernel_flow_strays_wanted(k);
	end_strays();
	assert_int_equal(k->strays.flows_new, 401);
}

static void stray_that_is_not_idle_yet_ends_later(void **state)
{
	put_noted(5);
	put(IPPROTO_TCP, 6, MINUTE_NS);
	end_strays();
	assert_true(is_there(IPPROTO_TCP, 6));
	/* Nothing is new, but its time comes: now it has been idle for longer than it may. */
	while (kernel_flow_end_strays(k, 30 * NSEC_PER_SEC, 50 * NSEC_PER_SEC))
		;
	assert_false(is_there(IPPROTO_TCP, 6));
	assert_true(is_there(IPPROTO_UDP, 5));
}

/*
 * A role that did not hear of a flow's being replaced has noted its own where the new entry
 * stands; all of them were found noted then, and no new one has come.
 */
static void flow_whose_note_went_with_an_older_one_ends(void **state)
{
	struct flow_key key = key_of(IPPROTO_TCP, 6);
	struct flow_info info = { .outbound = "direct" };
	struct flow flow;

	put_noted(5);
	put(IPPROTO_TCP, 6, 2 * MINUTE_NS);
	assert_int_equal(datapath_flow_note(&dp, &key, &info), 0);
	end_strays();
	assert_int_equal(bpf_map_lookup_elem(k->maps.flows, &key, &flow), 0);
	assert_int_equal(datapath_flow_end(&dp, &key, flow.first_seen_ns - 1, &info), 0);
	assert_true(is_there(IPPROTO_TCP, 6));
	end_strays();
	assert_false(is_there(IPPROTO_TCP, 6));
	assert_true(is_there(IPPROTO_UDP, 5));
	end_strays();
	assert_false(k->strays.walking);
}

static bool is_noted(uint16_t port)
{
	struct flow_key key = key_of(IPPROTO_UDP, port);
	struct flow_info info;

	return datapath_flow_noted(&dp, &key, &info) == 0;
}

static void notes_without_an_entry_go_with_their_role(void **state)
{
	struct flow_info info = { .outbound = "direct" };

	put_noted(5);
	for (uint16_t port = 6; port <= 300; port++) {
		struct flow_key key = key_of(IPPROTO_UDP, port);

		dp.slot = port % 2 ? 1 : 2;
		assert_int_equal(datapath_flow_note(&dp, &key, &info), 0);
	}
	kernel_flow_notes_forget(k, 1);
	for (uint16_t port = 1; port <= 300; port++)
		assert_int_equal(is_noted(port), port <= 5 || port % 2 == 0);
}

#define STRAY_TEST(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STRAY_TEST(strays_end_when_idle),
		STRAY_TEST(large_tables_are_looked_at_in_parts),
		STRAY_TEST(idle_flows_are_not_looked_at),
		STRAY_TEST(few_new_flows_wait_until_they_are_worth_a_pass),
		STRAY_TEST(full_table_is_worth_a_pass_at_once),
		STRAY_TEST(stray_that_is_not_idle_yet_ends_later),
		STRAY_TEST(flow_whose_note_went_with_an_older_one_ends),
		STRAY_TEST(notes_without_an_entry_go_with_their_role),
	};

	if (own_bpffs())
		return 77;
	snprintf(instance, sizeof(instance), "strays-%d", getpid());
	return cmocka_run_group_tests_name("datapath/strays", tests, NULL, NULL);
}
