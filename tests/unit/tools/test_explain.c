// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* explain.c and rules.c: what is read from the command line, and what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/client.c"
#include "tools/explain.c"
#include "tools/format.c"
#include "tools/object.c"
#include "tools/option.c"
#include "tools/rules.c"
#include "tools/table.c"

static char text[8192];

static void split(const char *operand, const char *dest, long port)
{
	char got[EXPLAIN_DEST_MAX];
	long got_port;
	const char *wrong = explain_split(operand, got, &got_port);

	if (wrong)
		fail_msg("%s: %s", operand, wrong);
	assert_string_equal(got, dest);
	assert_int_equal(got_port, port);
}

static void destinations_have_an_address_or_name_and_maybe_a_port(void **state)
{
	char got[EXPLAIN_DEST_MAX];
	long port;

	split("192.0.2.1", "192.0.2.1", 0);
	split("192.0.2.1:443", "192.0.2.1", 443);
	split("www.example.org:80", "www.example.org", 80);
	split("2001:db8::1", "2001:db8::1", 0);
	split("[2001:db8::1]", "2001:db8::1", 0);
	split("[2001:db8::1]:53", "2001:db8::1", 53);
	assert_non_null(explain_split("a:65536", got, &port));
	assert_non_null(explain_split("a:", got, &port));
	assert_non_null(explain_split("a:80x", got, &port));
	assert_non_null(explain_split("", got, &port));
	assert_non_null(explain_split("[2001:db8::1", got, &port));
	assert_non_null(explain_split(":80", got, &port));
}

static void print(const char *kind, const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_non_null(o);
	explain_print(kind, o, f);
	fclose(f);
	json_decref(o);
}

static void says(const char *what)
{
	if (!strstr(text, what))
		fail_msg("no '%s' in\n%s", what, text);
}

static void facts_are_told_in_words(void **state)
{
	print("facts",
	      "{\"proto\":\"tcp\",\"saddr\":\"10.0.0.2\",\"daddr\":\"192.0.2.1\",\"dport\":443,"
	      "\"process\":\"curl\",\"uid\":1000,\"name\":\"www.test\",\"name_known\":\"by x\","
	      "\"route\":{\"device\":\"eth0\",\"gateway\":\"10.0.0.1\",\"table\":254}}");
	says("tcp 10.0.0.2 -> 192.0.2.1 port 443\n");
	says("process    curl\n");
	says("user ID    1000\n");
	says("name       www.test, by x\n");
	says("route      via 10.0.0.1 by eth0, table main\n");
	print("facts", "{\"proto\":\"icmp\",\"daddr\":\"192.0.2.1\",\"name_known\":\"not\","
		       "\"route\":{\"error\":\"Network is unreachable\"}}");
	says("icmp ? -> 192.0.2.1\n");
	says("route      Network is unreachable\n");
}

static void each_rule_says_which_conditions_are_not_met(void **state)
{
	print("tried",
	      "{\"rule\":2,\"rule_name\":\"work\",\"action\":\"forward\",\"matches\":false,"
	      "\"failed\":[\"port\",\"domain\"],\"unknown\":[\"domain\"],"
	      "\"conditions\":[\"port 443\",\"domain .test\"]}");
	assert_string_equal(text,
			    "  rule 2 (work, forward): no, by port, domain (not known: domain)\n"
			    "      asks for port 443; domain .test\n");
	print("tried", "{\"rule\":3,\"rule_name\":\"all\",\"action\":\"drop\",\"matches\":true}");
	assert_string_equal(text, "  rule 3 (all, drop): matches\n"
				  "      asks for nothing: it is for every flow\n");
}

static void the_verdict_says_what_decided(void **state)
{
	print("explained",
	      "{\"verdict\":\"direct\",\"rule\":3,\"rule_name\":\"x\",\"decides\":true}");
	assert_string_equal(text, "verdict: direct, by rule 3 (x)\n");
	print("explained", "{\"verdict\":\"direct\",\"rule\":0,\"decides\":false}");
	assert_string_equal(text,
			    "the rules would say: direct, by the default, as no rule matches\n");
	print("explained", "{\"verdict\":\"none\",\"rule\":0,\"decides\":true}");
	says("has not been looked at");
	print("before", "{\"verdict\":\"dns\",\"why\":\"because\"}");
	assert_string_equal(text, "verdict: dns, before any rule: because\n");
	print("explained", "{}");
	print("tried", "{}");
	print("facts", "{}");
}

static void conditions_of_a_rule_stand_in_one_line(void **state)
{
	char buf[RULES_TEXT_MAX];
	json_t *o = json_loads("{\"conditions\":[\"port 1\",\"not user root\"]}", 0, NULL);

	assert_string_equal(rules_conditions(o, buf), "port 1; not user root");
	json_decref(o);
	o = json_object();
	assert_string_equal(rules_conditions(o, buf), "every flow");
	json_object_set_new(o, "conditions", json_array());
	for (int i = 0; i < 100; i++)
		json_array_append_new(json_object_get(o, "conditions"),
				      json_string("destination 192.0.2.0/24"));
	assert_true(strlen(rules_conditions(o, buf)) < RULES_TEXT_MAX);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(destinations_have_an_address_or_name_and_maybe_a_port),
		cmocka_unit_test(facts_are_told_in_words),
		cmocka_unit_test(each_rule_says_which_conditions_are_not_met),
		cmocka_unit_test(the_verdict_says_what_decided),
		cmocka_unit_test(conditions_of_a_rule_stand_in_one_line),
	};

	return cmocka_run_group_tests_name("tools/explain", tests, NULL, NULL);
}
