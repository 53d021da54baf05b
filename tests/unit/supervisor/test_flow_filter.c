// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* flow_filter.c: which flows each key takes, and which values it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"
#include "base/error.h"
#include "supervisor/flow_filter.h"

static struct flow_key key;
static struct flow flow;
static struct flow_info info;
static struct show_flow shown;
static char why[ERROR_TEXT_MAX];

static int setup(void **state)
{
	memset(&key, 0, sizeof(key));
	addr_parse("10.0.0.2", &key.saddr);
	addr_parse("192.0.2.80", &key.daddr);
	key.sport = htons(40000);
	key.dport = htons(443);
	key.proto = IPPROTO_TCP;
	flow = (struct flow){ .pid = 42,
			      .uid = 1000,
			      .comm = "curl",
			      .rule = 3,
			      .verdict = VERDICT_DIRECT,
			      .state = FLOW_OPEN,
			      .capture = CAPTURE_EGRESS };
	memset(&info, 0, sizeof(info));
	strcpy(info.domain, "www.example.org");
	shown = (struct show_flow){ .key = &key,
				    .flow = &flow,
				    .info = &info,
				    .cgroup = "/system.slice/web.service/inner",
				    .rule_name = "work" };
	return 0;
}

/* Is the flow above taken by a filter of this text? */
static bool takes(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	struct flow_filter f;

	assert_non_null(o);
	if (flow_filter_read(&f, o, why))
		fail_msg("%s: %s", text, why);
	json_decref(o);
	return flow_filter_takes(&f, &shown);
}

static void refuses(const char *text, const char *says)
{
	json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);
	struct flow_filter f;

	assert_int_equal(flow_filter_read(&f, o, why), -22);
	if (!strstr(why, says))
		fail_msg("'%s' does not say '%s'", why, says);
	json_decref(o);
}

static void without_conditions_every_flow_is_taken(void **state)
{
	struct flow_filter f;

	assert_int_equal(flow_filter_read(&f, NULL, why), 0);
	assert_true(flow_filter_takes(&f, &shown));
	assert_true(takes("{}"));
}

static void each_key_tells_flows_apart(void **state)
{
	static const struct {
		const char *yes, *no;
	} row[] = {
		{ "{\"pid\":42}", "{\"pid\":43}" },
		{ "{\"process\":\"curl\"}", "{\"process\":\"cur\"}" },
		{ "{\"uid\":1000}", "{\"uid\":0}" },
		{ "{\"cgroup\":\"/system.slice\"}", "{\"cgroup\":\"/system\"}" },
		{ "{\"cgroup\":\"/system.slice/web.service/\"}", "{\"cgroup\":\"/user.slice\"}" },
		{ "{\"cgroup\":\"/\"}", "{\"cgroup\":\"/system.slice/web.service/inner/x\"}" },
		{ "{\"unit\":\"web.service\"}", "{\"unit\":\"eb.service\"}" },
		{ "{\"client\":\"10.0.0.2\"}", "{\"client\":\"10.0.0.3\"}" },
		{ "{\"client\":\"10.0.0.0/8\"}", "{\"client\":\"11.0.0.0/8\"}" },
		{ "{\"dest\":\"192.0.2.80/32\"}", "{\"dest\":\"2001:db8::/32\"}" },
		{ "{\"dest\":\"0.0.0.0/0\"}", "{\"dest\":\"::/0\"}" },
		{ "{\"port\":443}", "{\"port\":40000}" },
		{ "{\"proto\":\"tcp\"}", "{\"proto\":\"udp\"}" },
		{ "{\"proto\":\"6\"}", "{\"proto\":\"icmp\"}" },
		{ "{\"name\":\"example.org\"}", "{\"name\":\"ample.org\"}" },
		{ "{\"name\":\"WWW.example.org\"}", "{\"name\":\"a.www.example.org\"}" },
		{ "{\"name\":\"*.example.org\"}", "{\"name\":\"example\"}" },
		{ "{\"rule\":3}", "{\"rule\":0}" },
		{ "{\"rule\":\"work\"}", "{\"rule\":\"wor\"}" },
		{ "{\"verdict\":\"direct\"}", "{\"verdict\":\"forward\"}" },
		{ "{\"state\":\"open\"}", "{\"state\":\"opening\"}" },
		{ "{\"capture\":\"egress\"}", "{\"capture\":\"lan\"}" },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if (!takes(row[i].yes))
			fail_msg("not taken: %s", row[i].yes);
		if (takes(row[i].no))
			fail_msg("taken: %s", row[i].no);
	}
}

static void all_conditions_must_hold(void **state)
{
	assert_true(takes("{\"pid\":42,\"port\":443,\"proto\":\"tcp\"}"));
	assert_false(takes("{\"pid\":42,\"port\":444,\"proto\":\"tcp\"}"));
}

static void icmp_is_that_of_both_families(void **state)
{
	key.proto = IPPROTO_ICMPV6;
	assert_true(takes("{\"proto\":\"icmp\"}"));
	key.proto = IPPROTO_ICMP;
	assert_true(takes("{\"proto\":\"icmp\"}"));
}

static void what_is_not_known_is_not_taken(void **state)
{
	shown.cgroup = NULL;
	shown.rule_name = NULL;
	info.domain[0] = '\0';
	assert_false(takes("{\"cgroup\":\"/\"}"));
	assert_false(takes("{\"unit\":\"web.service\"}"));
	assert_false(takes("{\"rule\":\"work\"}"));
	assert_false(takes("{\"name\":\"example.org\"}"));
}

static void says_what_is_wrong(void **state)
{
	refuses("[]", "expected an object");
	refuses("{\"colour\":1}", "no filter 'colour'");
	refuses("{\"pid\":-1}", "filter 'pid': expected a process ID");
	refuses("{\"pid\":\"42\"}", "process ID");
	refuses("{\"port\":65536}", "expected a port");
	refuses("{\"process\":\"0123456789abcdef\"}", "at most 15 bytes");
	refuses("{\"client\":\"10.0.0.0/33\"}", "address or prefix");
	refuses("{\"client\":\"10.0.0.0/\"}", "address or prefix");
	refuses("{\"client\":\"10.0.0.0/-1\"}", "address or prefix");
	refuses("{\"dest\":\"www.example.org\"}", "address or prefix");
	refuses("{\"proto\":\"256\"}", "tcp, udp, icmp or a number");
	refuses("{\"proto\":\"\"}", "tcp, udp, icmp or a number");
	refuses("{\"verdict\":\"maybe\"}", "direct, forward");
	refuses("{\"state\":1}", "opening, open");
	refuses("{\"rule\":1025}", "a rule's number or name");
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_conditions_every_flow_is_taken),
		T(each_key_tells_flows_apart),
		T(all_conditions_must_hold),
		T(icmp_is_that_of_both_families),
		T(what_is_not_known_is_not_taken),
		T(says_what_is_wrong),
	};

	return cmocka_run_group_tests_name("supervisor/flow_filter", tests, NULL, NULL);
}
