// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * compile.c, values.c, prefixes.c, ports.c and decide.c: single tables by hand, and all of it
 * against the manual's words on random rules and flows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "policy/compile.h"
#include "policy/decide.h"
#include "tests/lib/rules_world.h"

static struct conf *conf;
static struct policy_tables tables;

static int teardown(void **state)
{
	policy_tables_done(&tables);
	conf_free(conf);
	conf = NULL;
	return 0;
}

static void compile(const char *text)
{
	static struct conf_errors errors;
	struct policy_source source = { .fallback = VERDICT_FORWARD,
					.dns = rules_world_dns,
					.name = rules_world_names,
					.names = rules_world_names_num };

	teardown(NULL);
	if (conf_read(text, strlen(text), "f", &conf, &errors))
		fail_msg("%s", errors.text);
	source.conf = conf;
	assert_int_equal(policy_compile(&source, &tables), 0);
}

/* A TCP flow to there, of which nothing else is known. */
static uint32_t rule_for(const char *destination, uint16_t port)
{
	struct rule_facts facts = { .proto = IPPROTO_TCP,
				    .dport = port,
				    .known = RULE_KNOWN_ALWAYS };

	assert_int_equal(addr_parse("192.0.2.1", &facts.saddr), 0);
	assert_int_equal(addr_parse(destination, &facts.daddr), 0);
	return policy_decide(&tables, &facts, 0, NULL).rule;
}

static void the_first_rule_that_matches_decides(void **state)
{
	compile("rules:\n- {port: 80, action: drop}\n- {port: 70-90, action: direct}\n"
		"- {destination: 10.0.0.0/8, action: reject}\n");
	assert_int_equal(rule_for("10.0.0.1", 80), 1);
	assert_int_equal(rule_for("10.0.0.1", 79), 2);
	assert_int_equal(rule_for("10.0.0.1", 69), 3);
	assert_int_equal(rule_for("11.0.0.1", 69), 0);
	assert_int_equal(tables.table.rules, 3);
	assert_int_equal(tables.table.words, 1);
	assert_int_equal(tables.table.dims, 1U << RULE_PORT | 1U << RULE_DADDR);
}

static void networks_have_the_rules_of_those_around_them(void **state)
{
	compile("rules:\n- {destination: 10.1.2.0/24, port: 1, action: drop}\n"
		"- {destination: 10.1.0.0/16, port: 2, action: drop}\n"
		"- {destination: 0.0.0.0/0, port: 3, action: drop}\n");
	assert_int_equal(rule_for("10.1.2.3", 1), 1);
	assert_int_equal(rule_for("10.1.2.3", 2), 2);
	assert_int_equal(rule_for("10.1.2.3", 3), 3);
	assert_int_equal(rule_for("10.1.3.3", 1), 0);
	assert_int_equal(rule_for("10.1.3.3", 2), 2);
	assert_int_equal(rule_for("192.0.2.1", 3), 3);
	assert_int_equal(rule_for("2001:db8::1", 3), 0);
}

static void all_of_ipv6_is_nothing_of_ipv4(void **state)
{
	compile("rules:\n- {destination: \"::/0\", action: drop}\n");
	assert_int_equal(rule_for("2001:db8::1", 1), 1);
	assert_int_equal(rule_for("10.0.0.1", 1), 0);
	compile("rules:\n- {not: {destination: \"::/0\"}, action: drop}\n");
	assert_int_equal(rule_for("2001:db8::1", 1), 0);
	assert_int_equal(rule_for("10.0.0.1", 1), 1);
}

static void ranges_of_one_rule_may_overlap_and_reach_the_last_port(void **state)
{
	compile("rules:\n- {port: [10-20, 15-30, 20, 65535], action: drop}\n");
	assert_int_equal(rule_for("10.0.0.1", 9), 0);
	assert_int_equal(rule_for("10.0.0.1", 10), 1);
	assert_int_equal(rule_for("10.0.0.1", 21), 1);
	assert_int_equal(rule_for("10.0.0.1", 30), 1);
	assert_int_equal(rule_for("10.0.0.1", 31), 0);
	assert_int_equal(rule_for("10.0.0.1", 65534), 0);
	assert_int_equal(rule_for("10.0.0.1", 65535), 1);
	assert_int_equal(tables.sets, 2);
}

static void what_is_not_known_satisfies_neither_a_condition_nor_its_opposite(void **state)
{
	struct rule_facts facts = { .proto = IPPROTO_UDP };

	compile("rules:\n- {user: alice, action: drop}\n- {not: {user: alice}, action: reject}\n");
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 0);
	facts.known = 1U << RULE_UID;
	facts.uid = 1000;
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 1);
	facts.uid = 1001;
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 2);
}

static void icmp_is_of_both_families_and_icmp6_of_one(void **state)
{
	struct rule_facts facts = { .proto = IPPROTO_ICMP, .known = RULE_KNOWN_ALWAYS };

	compile("rules:\n- {protocol: icmp6, action: drop}\n- {protocol: icmp, action: reject}\n");
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 2);
	facts.proto = IPPROTO_ICMPV6;
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 1);
	compile("rules:\n- {protocol: icmp, action: reject}\n");
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 1);
	facts.proto = IPPROTO_TCP;
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 0);
}

static void a_cgroup_that_is_not_known_yet_stops_only_rules_that_ask_for_one(void **state)
{
	struct rule_facts facts = { .proto = IPPROTO_TCP,
				    .cgroup = 4711,
				    .dport = 80,
				    .known = RULE_KNOWN_ALWAYS | 1U << RULE_CGROUP };

	compile("rules:\n- {port: 80, action: drop}\n- {unit: a, action: reject}\n"
		"- {port: 81, action: drop}\n");
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 1);
	facts.dport = 81;
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).verdict, VERDICT_NONE);
	facts.cgroup = 21; /* /system.slice/a.service */
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 2);
	facts.cgroup = 23; /* another, that no rule names */
	assert_int_equal(policy_decide(&tables, &facts, 0, NULL).rule, 3);
}

static void names_are_of_the_rules_that_they_fit(void **state)
{
	struct rule_set set;

	compile("rules:\n- {unit: a, action: drop}\n- {cgroup: /x, action: drop}\n"
		"- {cgroup: /, action: drop}\n- {interface: br-*, action: drop}\n");
	policy_rules_of(conf, RULE_CGROUP, "/x/a.service/y", &set);
	assert_int_equal(set.bits[0], 7);
	policy_rules_of(conf, RULE_CGROUP, "/xa.service", &set);
	assert_int_equal(set.bits[0], 4);
	policy_rules_of(conf, RULE_CGROUP, "/", &set);
	assert_int_equal(set.bits[0], 4);
	policy_rules_of(conf, RULE_DEVICE, "br-12", &set);
	assert_int_equal(set.bits[0], 8);
	policy_rules_of(conf, RULE_DEVICE, "eth0", &set);
	assert_int_equal(set.bits[0], 0);
	assert_true(policy_has(conf, RULE_CGROUP));
	assert_false(policy_has(conf, RULE_UID));
}

static void a_set_is_kept_once(void **state)
{
	struct rule_set set = { .bits = { 5 } };
	uint32_t first, again, other;

	assert_int_equal(policy_tables_init(&tables, VERDICT_DIRECT), 0);
	assert_int_equal(policy_set_place(&tables, &set, &first), 0);
	assert_int_equal(policy_set_place(&tables, &set, &again), 0);
	assert_int_equal(first, again);
	for (uint64_t i = 1; i < 5000; i++) {
		set.bits[3] = i;
		assert_int_equal(policy_set_place(&tables, &set, &other), 0);
		assert_int_equal(other, first + i);
	}
	set.bits[3] = 0;
	assert_int_equal(policy_set_place(&tables, &set, &again), 0);
	assert_int_equal(first, again);
	set.bits[0] = 0;
	assert_int_equal(policy_set_place(&tables, &set, &again), 0);
	assert_int_equal(again, 0);
}

static void random_rules_decide_as_the_manual_says(void **state)
{
	static const unsigned int sizes[] = { 1, 17, 64, 300, 1024 };

	for (unsigned int i = 0; i < 15; i++) {
		struct policy_source source = { .fallback = VERDICT_FORWARD,
						.dns = rules_world_dns,
						.name = rules_world_names,
						.names = rules_world_names_num };

		rules_world_seed(5000 + i);
		teardown(NULL);
		conf = rules_world_conf(sizes[i % 5], 1 + i / 5);
		source.conf = conf;
		assert_int_equal(policy_compile(&source, &tables), 0);
		for (unsigned int j = 0; j < 1000; j++) {
			struct rules_flow f;
			struct rules_answer right;
			struct policy_verdict here;

			rules_world_flow(&f);
			right = rules_world_decide(conf, &f);
			here = policy_decide(&tables, &f.facts, 0, NULL);
			assert_int_equal(here.verdict, right.verdict);
			assert_int_equal(here.rule, right.rule);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_first_rule_that_matches_decides, teardown),
		cmocka_unit_test_teardown(networks_have_the_rules_of_those_around_them, teardown),
		cmocka_unit_test_teardown(all_of_ipv6_is_nothing_of_ipv4, teardown),
		cmocka_unit_test_teardown(ranges_of_one_rule_may_overlap_and_reach_the_last_port,
					  teardown),
		cmocka_unit_test_teardown(
			what_is_not_known_satisfies_neither_a_condition_nor_its_opposite, teardown),
		cmocka_unit_test_teardown(icmp_is_of_both_families_and_icmp6_of_one, teardown),
		cmocka_unit_test_teardown(
			a_cgroup_that_is_not_known_yet_stops_only_rules_that_ask_for_one, teardown),
		cmocka_unit_test_teardown(names_are_of_the_rules_that_they_fit, teardown),
		cmocka_unit_test_teardown(a_set_is_kept_once, teardown),
		cmocka_unit_test_teardown(random_rules_decide_as_the_manual_says, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
