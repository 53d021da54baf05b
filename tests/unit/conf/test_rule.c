// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rule.c, rule_value.c and rule_schema.c: rules about flows, and what is said of bad ones. */
#include "read.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

static const struct conf_flow_rule *good(const char *text)
{
	takes(text);
	return conf->rule;
}

static void without_rules_nothing_is_said(void **state)
{
	good("log: info\n");
	assert_int_equal(conf->rules, 0);
	assert_int_equal(conf->fallback, 0);
	good("default: forward\n");
	assert_int_equal(conf->fallback, VERDICT_FORWARD);
	good("default: direct\n");
	assert_int_equal(conf->fallback, VERDICT_DIRECT);
}

static void reads_every_condition(void **state)
{
	const struct conf_conditions *c;
	const struct conf_flow_rule *rule =
		good("dns: {lists: {x: {file: x}, ads: {file: a}}}\n"
		     "rules:\n"
		     "  - domain: [Corp.example, .b.example., '*.c.example']\n"
		     "    lists: ads\n"
		     "    destination: [192.0.2.0/24, 2001:db8::/32]\n"
		     "    source: 10.0.0.1\n"
		     "    port: [443, 8000-8100]\n"
		     "    protocol: [tcp, icmp, 132]\n"
		     "    user: [alice, 1000]\n"
		     "    cgroup: [/, /system.slice/a.service]\n"
		     "    unit: [foo, b.scope, user@1000.service]\n"
		     "    process: [curl, 'Web Content']\n"
		     "    executable: [/usr/bin/curl]\n"
		     "    mac: ['02:00:00:00:AB:01']\n"
		     "    interface: [docker0, 'br-*']\n"
		     "    dscp: [0, 63]\n"
		     "    fwmark: [0x10/0xff, 7]\n"
		     "    action: forward\n");

	assert_int_equal(conf->rules, 1);
	c = &rule->is;
	assert_string_equal(rule->name, "rule-1");
	assert_int_equal(rule->line, 3);
	assert_int_equal(rule->action, VERDICT_FORWARD);
	assert_int_equal(c->domains, 3);
	assert_string_equal(c->domain[0], "corp.example");
	assert_string_equal(c->domain[1], ".b.example");
	assert_int_equal(c->lists, 2);
	assert_int_equal(c->destinations, 2);
	assert_int_equal(c->destination[1].bits, 32);
	assert_int_equal(c->sources, 1);
	assert_int_equal(c->source[0].bits, 32);
	assert_int_equal(c->ports, 2);
	assert_int_equal(c->port[0].first, 443);
	assert_int_equal(c->port[0].last, 443);
	assert_int_equal(c->port[1].last, 8100);
	assert_int_equal(c->protocol[2], IPPROTO_SCTP);
	assert_string_equal(c->user[1], "1000");
	assert_string_equal(c->cgroup[0], "/");
	assert_string_equal(c->unit[0], "foo.service");
	assert_string_equal(c->unit[1], "b.scope");
	assert_string_equal(c->process[1], "Web Content");
	assert_string_equal(c->executable[0], "/usr/bin/curl");
	assert_int_equal(c->mac[0].b[4], 0xab);
	assert_string_equal(c->interface[1], "br-*");
	assert_int_equal(c->dscp[1], 63);
	assert_int_equal(c->fwmark[0].mask, 0xff);
	assert_int_equal(c->fwmark[1].value, 7);
	assert_int_equal(c->fwmark[1].mask, UINT32_MAX);
	assert_true(conf->dns.rule_names);
	assert_int_equal(conf->dns.rule_lists, 2);
	assert_int_equal(rule->isnt.domains + rule->isnt.ports + rule->isnt.users, 0);
}

static void reads_what_must_not_hold(void **state)
{
	const struct conf_flow_rule *rule =
		good("rules:\n  - {name: x, protocol: udp, not: {port: 53, user: root}, "
		     "action: drop}\n  - {action: reject}\n");

	assert_int_equal(conf->rules, 2);
	assert_string_equal(rule[0].name, "x");
	assert_int_equal(rule[0].isnt.ports, 1);
	assert_int_equal(rule[0].isnt.port[0].first, 53);
	assert_string_equal(rule[0].isnt.user[0], "root");
	assert_int_equal(rule[0].is.protocols, 1);
	assert_int_equal(rule[0].is.ports, 0);
	assert_false(conf->dns.rule_names);
	assert_string_equal(rule[1].name, "rule-2");
	assert_int_equal(rule[1].action, VERDICT_REJECT);
}

static const struct {
	const char *text;
	unsigned int line;
	const char *says;
} bad[] = {
	{ "default: drop\n", 1,
	  "default: 'drop' is not known here, expected one of forward, direct" },
	{ "rules: {action: drop}\n", 1, "rules: expected a list" },
	{ "rules:\n  - {port: 1}\n", 2,
	  "rules[0]: a rule without action, expected one of direct, forward, reject, drop" },
	{ "rules:\n  - {action: drp}\n", 2,
	  "'drp' is not known here, expected one of direct, "
	  "forward, reject, drop, did you mean 'drop'?" },
	{ "rules:\n  - {action: proxy}\n", 2, "rules[0].action: 'proxy' is not built yet" },
	{ "rules:\n  - {action: proxy work}\n", 2, "'proxy work' is not built yet" },
	{ "rules:\n  - {action: [drop]}\n", 2, "a list, expected one of direct" },
	{ "rules:\n  - sni: a.example\n    action: drop\n", 2, "sni: 'sni' is not built yet" },
	{ "rules:\n  - {action: drop, not: {sni: a}}\n", 2, "not.sni: 'sni' is not built yet" },
	{ "rules:\n  - {action: drop, ports: 1}\n", 2, "no such key 'ports' of a flow rule" },
	{ "rules:\n  - {action: drop, not: {action: x}}\n", 2, "no such key 'action' of not" },
	{ "rules:\n  - {action: drop, not: {name: x}}\n", 2, "no such key 'name' of not" },
	{ "rules:\n  - {action: drop, not: 3}\n", 2, "rules[0].not: expected the keys of not" },
	{ "rules:\n  - {action: drop, port: 0}\n", 2,
	  "'0' is no port, expected a port from 1 to 65535, or FIRST-LAST" },
	{ "rules:\n  - {action: drop, port: 65536}\n", 2, "'65536' is no port" },
	{ "rules:\n  - {action: drop, port: 5-4}\n", 2, "'5-4' is no port" },
	{ "rules:\n  - {action: drop, port: 5-}\n", 2, "'5-' is no port" },
	{ "rules:\n  - {action: drop, port: http}\n", 2, "'http' is no port" },
	{ "rules:\n  - {action: drop, port: []}\n", 2,
	  "rules[0].port: no value, expected one or more" },
	{ "rules:\n  - action: drop\n    port:\n", 3, "rules[0].port: no value" },
	{ "rules:\n  - {action: drop, lists: []}\n", 2, "rules[0].lists: no value" },
	{ "rules:\n  - {action: drop, not: {user: []}}\n", 2, "not.user: no value" },
	{ "rules:\n  - {action: drop, lists: ads}\n", 2, "'ads': there is no such list" },
	{ "rules:\n  - {action: drop, protocol: tpc}\n", 2, "'tpc' is no protocol" },
	{ "rules:\n  - {action: drop, protocol: 256}\n", 2, "'256' is no protocol" },
	{ "rules:\n  - {action: drop, destination: 10.0.0.1/8}\n", 2, "expected 10.0.0.0/8" },
	{ "rules:\n  - {action: drop, source: lan}\n", 2, "'lan' is no network" },
	{ "rules:\n  - {action: drop, user: 4294967295}\n", 2, "'4294967295' is no user" },
	{ "rules:\n  - {action: drop, user: 12x}\n", 2, "'12x' is no user" },
	{ "rules:\n  - {action: drop, user: 'a b'}\n", 2, "is no user" },
	{ "rules:\n  - {action: drop, cgroup: a}\n", 2, "'a' is no cgroup" },
	{ "rules:\n  - {action: drop, cgroup: /a/}\n", 2, "'/a/' is no cgroup" },
	{ "rules:\n  - {action: drop, cgroup: /a/../b}\n", 2, "is no cgroup" },
	{ "rules:\n  - {action: drop, cgroup: //a}\n", 2, "is no cgroup" },
	{ "rules:\n  - {action: drop, cgroup: /./a}\n", 2, "is no cgroup" },
	{ "rules:\n  - {action: drop, unit: a/b}\n", 2, "'a/b' is no unit" },
	{ "rules:\n  - {action: drop, process: chromium-browser}\n", 2,
	  "is longer than the 15 bytes that the kernel keeps of a process's name, expected "
	  "'chromium-browse'" },
	{ "rules:\n  - {action: drop, executable: curl}\n", 2, "'curl' is no absolute path" },
	{ "rules:\n  - {action: drop, mac: '02:00:00:00:00'}\n", 2, "is no hardware address" },
	{ "rules:\n  - {action: drop, mac: '02:00:00:00:00:01:02'}\n", 2, "is no hardware" },
	{ "rules:\n  - {action: drop, mac: '02:00:00:00:00:0'}\n", 2, "is no hardware" },
	{ "rules:\n  - {action: drop, mac: '02:00:00:00:00:0g'}\n", 2, "is no hardware" },
	{ "rules:\n  - {action: drop, interface: a/b}\n", 2, "is no name of a network device" },
	{ "rules:\n  - {action: drop, interface: a123456789012345}\n", 2, "is no name of a" },
	{ "rules:\n  - {action: drop, dscp: 64}\n", 2, "'64' is out of range" },
	{ "rules:\n  - {action: drop, fwmark: 0x10/0}\n", 2, "'0x10/0' can never match" },
	{ "rules:\n  - {action: drop, fwmark: 0x/1}\n", 2, "is no mark" },
	{ "rules:\n  - {action: drop, fwmark: 4294967296}\n", 2, "is no mark" },
	{ "rules:\n  - {action: drop, fwmark: 0x100/0xff}\n", 2,
	  "can never match: its value lies outside its mask" },
	{ "rules:\n  - port: 1\n    action: drop\n    not: {port: 2}\n", 4,
	  "rules[0].not.port: the rule asks for 'port' already, expected it once" },
	{ "rules:\n  - {unit: a, action: drop, not: {cgroup: /a}}\n", 2,
	  "not.cgroup: is one condition with 'unit', expected both in 'not', or neither" },
	{ "dns: {lists: {a: {file: a}}}\nrules:\n  - {lists: a, action: drop, not: {domain: b}}\n",
	  3, "not.domain: is one condition with 'lists'" },
	{ "rules:\n  - {name: a, action: drop, port: 1}\n  - {name: a, action: drop}\n", 3,
	  "rules: two rules have the name 'a'" },
	{ "rules:\n  - {name: a b, action: drop}\n", 2, "'a b' is no name" },
};

static void refuses_each_with_line_key_and_what_was_expected(void **state)
{
	for (size_t i = 0; i < NUM(bad); i++)
		refuses_at(bad[i].text, bad[i].line, bad[i].says);
}

static void warns_of_rules_that_are_never_used(void **state)
{
	good("rules:\n  - {action: drop}\n  - {port: 1, action: direct}\n");
	assert_non_null(strstr(errors.text, "f.yaml:3: warning: rules: rule-2 is never used"));
	good("rules:\n  - {not: {port: 2}, action: drop}\n  - {port: 1, action: direct}\n");
	assert_int_equal(errors.warnings, 0);
}

static void a_list_is_used_by_either_kind_of_rule(void **state)
{
	good("dns: {lists: {a: {file: a}, b: {file: b}}}\n"
	     "rules: [{not: {lists: a}, action: drop}, {lists: b, action: drop}]\n");
	assert_int_equal(errors.warnings, 0);
	good("dns: {lists: {a: {file: a}, b: {file: b}}}\nrules: [{lists: a, action: drop}]\n");
	assert_string_equal(errors.text, PATH ":1: warning: dns.lists.b: no rule uses it\n");
}

/* `num` rules, each of what `format` says of its number. */
static char *many(const char *format, unsigned int num)
{
	size_t used, room = 64 + (size_t)num * 96;
	char *text = malloc(room);

	assert_non_null(text);
	used = (size_t)snprintf(text, room, "rules:\n");
	for (unsigned int i = 0; i < num; i++)
		used += (size_t)snprintf(text + used, room - used, format, i, i);
	return text;
}

static void a_thousand_and_24_rules_are_room_for_no_more(void **state)
{
	char *text = many("  - {port: %u, action: drop, dscp: 0}\n", 1025);

	refuses_at(text, 1, "rules: 1025 of them, expected 1024 at most");
	free(text);
	text = many("  - {name: r%u, process: p%u, action: drop}\n", 1024);
	good(text);
	assert_int_equal(conf->rules, 1024);
	free(text);
}

static void sixteen_different_marks_are_room_for_no_more(void **state)
{
	char *text = many("  - {fwmark: %u, action: drop, process: p%u}\n", 17);

	refuses_at(text, 1, "rules: more than 16 different marks");
	free(text);
	text = many("  - {fwmark: %u, action: drop, process: p%u}\n", 16);
	good(text);
	free(text);
}

static char *networks(unsigned int num)
{
	size_t used, room = 64 + (size_t)num * 20;
	char *text = malloc(room);

	assert_non_null(text);
	used = (size_t)snprintf(text, room, "rules:\n  - action: drop\n    destination: [");
	for (unsigned int i = 0; i < num; i++)
		used += (size_t)snprintf(text + used, room - used, "%s10.%u.%u.%u", i ? "," : "",
					 i >> 16 & 255, i >> 8 & 255, i & 255);
	snprintf(text + used, room - used, "]\n");
	return text;
}

static void a_hundred_thousand_networks_are_read(void **state)
{
	char *text = networks(100000);

	assert_int_equal(good(text)->is.destinations, 100000);
	free(text);
	text = networks(200001);
	refuses_at(text, 3, "200001 of them, expected 200000 at most");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(without_rules_nothing_is_said, teardown),
		cmocka_unit_test_teardown(reads_every_condition, teardown),
		cmocka_unit_test_teardown(reads_what_must_not_hold, teardown),
		cmocka_unit_test_teardown(refuses_each_with_line_key_and_what_was_expected,
					  teardown),
		cmocka_unit_test_teardown(warns_of_rules_that_are_never_used, teardown),
		cmocka_unit_test_teardown(a_list_is_used_by_either_kind_of_rule, teardown),
		cmocka_unit_test_teardown(a_thousand_and_24_rules_are_room_for_no_more, teardown),
		cmocka_unit_test_teardown(sixteen_different_marks_are_room_for_no_more, teardown),
		cmocka_unit_test_teardown(a_hundred_thousand_networks_are_read, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
