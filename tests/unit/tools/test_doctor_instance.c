// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* doctor_instance.c: what is found in answers of an instance as they were recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tools/doctor_support.h"

static int forget(void **state)
{
	memset(&found, 0, sizeof(found));
	return 0;
}

static void status(const char *json, struct doctor_instance *ret)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	doctor_status(&found, o, ret);
	json_decref(o);
}

static void what_an_instance_says_is_judged(void **state)
{
	struct doctor_instance in;

	status("{\"instance\":\"host\",\"version\":\"1\",\"pid\":7,\"tun\":\"headrace0\","
	       "\"features\":{\"bpf\":true,\"attach\":\"clsact\",\"protect\":\"SO_MARK\","
	       "\"owners\":\"not known\",\"uso\":false,\"dns\":\"resolver alone\","
	       "\"bpffs\":\"none\",\"direct\":\"none\"},"
	       "\"roles\":[{\"name\":\"worker 1\",\"state\":\"ready\",\"restarts\":2,"
	       "\"hangs\":1,\"pid\":8},"
	       "{\"name\":\"resolver\",\"state\":\"waiting to be restarted\"}],"
	       "\"kernel\":{\"events_lost\":3,\"pass_stale\":4},"
	       "\"advice\":[{\"text\":\"such\",\"fix\":\"do this\"}],"
	       "\"devices\":[{\"device\":\"eth9\",\"error\":\"eth9: no such device\"},"
	       "{\"device\":\"eth8\",\"mode\":\"tcx\"},{\"device\":\"eth7\",\"mode\":\"xdp\"},"
	       "{\"device\":\"eth6\",\"mode\":\"xdp, alone\"}],"
	       "\"captures\":[{\"device\":\"lan0\",\"point\":\"lan\",\"mode\":\"clsact\"},"
	       "{\"device\":\"lo\",\"point\":\"loopback\",\"mode\":\"tcx\"},"
	       "{\"device\":\"eth0\",\"point\":\"uplink\",\"error\":\"gone\"}],"
	       "\"route\":{\"way\":\"table\",\"repaired\":3},\"strict\":{\"error\":\"no nft\"}}",
	       &in);
	assert_true(in.running && in.host && in.lan && in.loopback && in.route && !in.owners);
	assert_string_equal(in.clsact.text, "headrace0, lan0");
	assert_int_equal(in.pids, 2);
	assert_int_equal(in.pid[1], 8);
	expect(FINDING_WARNING, "capture.route: what was removed by others was put back, times: 3",
	       NULL);
	expect(FINDING_ERROR, "capture.strict: no nft", NULL);
	expect(FINDING_WARNING, "which keep CAP_NET_ADMIN", "cgroup2");
	expect(FINDING_WARNING, "the worker 1 was restarted since the start, times: 2", "log");
	expect(FINDING_ERROR, "the resolver is waiting to be restarted", "log");
	expect(FINDING_WARNING, "3 events were lost", NULL);
	expect(FINDING_WARNING, "4 packets passed natively", "when-down: closed");
	expect(FINDING_NOTE, "such", "do this");
	expect(FINDING_WARNING, "DNS is not answered on the device: eth9: no such device", NULL);
	expect(FINDING_NOTE, "eth8: DNS is answered by traffic control (tcx)", NULL);
	expect(FINDING_NOTE, "eth6: no other XDP program can join", NULL);
	expect(FINDING_NOTE, "no USO", NULL);
	expect(FINDING_WARNING, "processes of flows are not known", "BTF");
	expect(FINDING_WARNING, "route capture without hooks of connect()", "CONFIG_CGROUP_BPF");
	expect(FINDING_NOTE, "the resolver answers all of DNS", "log");
	expect(FINDING_NOTE, "maps and links are not pinned", "mount -t bpf");
	expect(FINDING_ERROR, "eth0 is not captured: gone", "log");
	assert_int_equal(findings_worst(&found), FINDING_ERROR);
}

/* What follows from it is not said once more. */
static void an_instance_without_BPF_says_why(void **state)
{
	struct doctor_instance in;

	status("{\"instance\":\"r\",\"pid\":7,\"features\":{\"bpf\":false,\"attach\":\"none\","
	       "\"bpf_error\":\"not allowed\",\"protect\":\"SO_MARK\",\"owners\":\"not known\","
	       "\"dns\":\"resolver alone\",\"tso\":false,\"uso\":false}}",
	       &in);
	expect(FINDING_WARNING, "without BPF (not allowed)", "CAP_BPF");
	expect(FINDING_NOTE, "packets one by one", NULL);
	assert_int_equal(found.count, 3);
}

static void what_it_listens_at_and_is_bound_to_is_known(void **state)
{
	struct doctor_instance in;

	status("{\"instance\":\"mine\",\"version\":\"1\",\"pid\":7,"
	       "\"features\":{\"protect\":\"bound to the uplink\"},"
	       "\"listen\":[\"192.0.2.1:53\",\"[::]:53\",\"127.0.0.1:5353\"]}",
	       &in);
	assert_true(in.bound && in.listens && in.port53_any);
	assert_int_equal(in.port53, 4);
}

static void an_instance_in_order_has_no_fault(void **state)
{
	struct doctor_instance in;

	status("{\"instance\":\"run-1\",\"version\":\"1\",\"pid\":7,"
	       "\"features\":{\"attach\":\"tcx\",\"protect\":\"cgroup hook\",\"owners\":\"cgroup hooks\"},"
	       "\"roles\":[{\"name\":\"worker 1\",\"state\":\"ready\",\"restarts\":0}],"
	       "\"kernel\":{\"events_lost\":0},\"advice\":[],\"route\":null}",
	       &in);
	assert_true(in.running && !in.host && !in.lan && !in.route && in.owners);
	assert_int_equal(findings_worst(&found), FINDING_OK);
}

/* An answer to "rules" on a host with two LAN devices: may what comes in there be forwarded? */
static bool forwarded(const char *fallback, const char *const *rules)
{
	struct doctor_instance in = { .lan_device = { "lan0", "br-box" }, .lan_devices = 2 };
	json_t *o = json_pack("{s:s}", "default", fallback);

	doctor_rule(&in, "rules", o);
	json_decref(o);
	for (; *rules; rules++) {
		o = json_loads(*rules, 0, NULL);
		assert_non_null(o);
		doctor_rule(&in, "rule", o);
		json_decref(o);
	}
	doctor_rules_end(&in);
	return in.forwards;
}

#define RULE_OF(action, conditions) "{\"action\":\"" action "\",\"conditions\":[" conditions "]}"

static void what_rules_may_forward_of_a_LAN_is_known(void **state)
{
	static const struct {
		const char *fallback, *rules[4];
		bool forwarded;
	} cases[] = {
		{ "direct", { NULL }, false },
		{ "forward", { NULL }, true },
		{ "direct", { RULE_OF("reject", "\"port 25\"") }, false },
		{ "direct", { RULE_OF("forward", "\"port 25\", \"not source 192.0.2.1\"") }, true },
		{ "direct", { RULE_OF("forward", "\"user root\"") }, false },
		{ "direct", { RULE_OF("forward", "\"interface eth1\"") }, false },
		{ "direct", { RULE_OF("forward", "\"interface eth1, br-*\"") }, true },
		{ "forward", { RULE_OF("direct", "\"interface lan0, br-box\"") }, false },
		{ "forward", { RULE_OF("direct", "\"interface lan0\"") }, true },
		{ "forward",
		  { RULE_OF("direct", "\"interface lan0\""),
		    RULE_OF("reject", "\"interface br-*\"") },
		  false },
		{ "forward",
		  { RULE_OF("direct", "\"interface lan0, br-box\", \"port 25\"") },
		  true },
		{ "forward", { RULE_OF("direct", "") }, false },
		{ "direct",
		  { RULE_OF("forward", "\"port 80\""),
		    RULE_OF("direct", "\"interface lan0, br-box\"") },
		  true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (forwarded(cases[i].fallback, cases[i].rules) != cases[i].forwarded)
			fail_msg("case %zu", i);
}

static void upstream(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	doctor_upstream(&found, o);
	json_decref(o);
}

static void upstreams_that_do_not_answer_are_named(void **state)
{
	upstream("{\"type\":\"upstream\",\"name\":\"good\",\"state\":\"up\",\"error\":\"once\"}");
	upstream("{\"type\":\"cache\",\"name\":\"c\",\"state\":\"down\"}");
	assert_int_equal(found.count, 0);
	upstream("{\"type\":\"upstream\",\"name\":\"quad9\",\"state\":\"failing\","
		 "\"address\":\"9.9.9.9:853\",\"error\":\"9.9.9.9:853: no answer\"}");
	expect(FINDING_WARNING, "upstream quad9 is failing: 9.9.9.9:853: no answer", "dns stats");
	upstream("{\"type\":\"upstream\",\"name\":\"isp\",\"state\":\"down\","
		 "\"address\":\"192.0.2.9:53\"}");
	expect(FINDING_WARNING, "upstream isp is down: 192.0.2.9:53", "dns stats");
	upstream("{\"type\":\"upstream\",\"name\":\"me\",\"state\":\"up\",\"looped\":true,"
		 "\"address\":\"192.0.2.1:53\"}");
	expect(FINDING_WARNING, "upstream me at 192.0.2.1:53 leads back", "another server");
}

#define T(name) cmocka_unit_test_setup(name, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_an_instance_says_is_judged),
		T(an_instance_without_BPF_says_why),
		T(what_it_listens_at_and_is_bound_to_is_known),
		T(an_instance_in_order_has_no_fault),
		T(what_rules_may_forward_of_a_LAN_is_known),
		T(upstreams_that_do_not_answer_are_named),
	};

	return cmocka_run_group_tests_name("tools/doctor_instance", tests, NULL, NULL);
}
