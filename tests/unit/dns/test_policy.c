// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Policies as the configuration and lists say them. */
#include "policy_world.h"

static struct policy_verdict decide(const struct policies *p, uint32_t policy, const char *name,
				    uint16_t type)
{
	struct policy_verdict v;
	struct name wire = name_of(name);

	policies_decide(p, policy, &wire, type, &v);
	assert_int_equal(v.policy, policy);
	return v;
}

static uint32_t client(const struct policies *p, const char *address)
{
	struct addr a;

	assert_int_equal(addr_parse(address, &a), 0);
	return policies_client(p, &a);
}

static void without_a_file_everything_passes(void **unused)
{
	struct world *w = world_new();
	struct policies *p = compile(w);
	struct policy_verdict v = decide(p, client(p, "192.0.2.1"), "www.example", 1);

	assert_int_equal(v.action, DNS_PASS);
	assert_int_equal(v.rule, CONF_NONE);
	assert_null(v.conf);
	assert_null(v.list);
	assert_int_equal(v.group, 0);
	assert_int_equal(policies_buckets(p), 0);
	policies_put(p);
	world_free(w);
}

/* DNS blocks of one policy; lists ads, more and good are there. */
static struct world *one_policy(const char *rules)
{
	struct world *w = world_new();

	w->list[0] = list_of("0.0.0.0 tracker.example both.example\n");
	w->list[1] = list_of("||ads.example^\n||both.example^\n@@||good.ads.example^\n");
	say(w,
	    "dns:\n  lists:\n    ads: {file: /l/ads}\n    more: {file: /l/more}\n"
	    "  policies:\n    - name: p\n      rules:\n%s",
	    rules);
	return w;
}

static void exact_names_suffixes_and_those_below_are_told_apart(void **unused)
{
	static const struct {
		const char *name;
		uint32_t rule;
		unsigned int label;
	} row[] = {
		{ "exact.example", 0, 0 },
		{ "a.exact.example", CONF_NONE, 0 },
		{ "suffix.example", 1, 0 },
		{ "a.b.suffix.example", 1, 2 },
		{ "below.example", CONF_NONE, 0 },
		{ "a.below.example", 2, 1 },
		{ "example", CONF_NONE, 0 },
		{ "nosuffix.example", CONF_NONE, 0 },
		{ "suffix.example.org", CONF_NONE, 0 },
	};
	struct world *w = one_policy("        - {domain: exact.example, block: nxdomain}\n"
				     "        - {domain: .suffix.example, block: zero}\n"
				     "        - {domain: '*.below.example', block: nodata}\n");
	struct policies *p = compile(w);

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct policy_verdict v = decide(p, 0, row[i].name, 1);

		assert_int_equal(v.rule, row[i].rule);
		assert_int_equal(v.label, row[i].label);
	}
	policies_put(p);
	world_free(w);
}

static void first_rule_that_matches_decides_whatever_is_longer(void **unused)
{
	struct world *w = one_policy("        - {domain: .example, type: A, block: refused}\n"
				     "        - {domain: a.b.example, pass: true}\n"
				     "        - {domain: .b.example, block: nxdomain}\n");
	struct policies *p = compile(w);

	assert_int_equal(decide(p, 0, "a.b.example", 1).action, DNS_REFUSED);
	assert_int_equal(decide(p, 0, "a.b.example", 28).rule, 1);
	assert_int_equal(decide(p, 0, "c.b.example", 28).rule, 2);
	policies_put(p);
	world_free(w);
}

static void conditions_of_one_rule_hold_together(void **unused)
{
	struct world *w = one_policy(
		"        - {domain: .example, list: [ads], type: [A, AAAA], block: zero}\n"
		"        - {type: ANY, block: refused}\n");
	struct policies *p = compile(w);

	assert_int_equal(decide(p, 0, "tracker.example", 1).rule, 0);
	assert_int_equal(decide(p, 0, "tracker.example", 28).rule, 0);
	assert_int_equal(decide(p, 0, "tracker.example", 16).rule, CONF_NONE);
	assert_int_equal(decide(p, 0, "other.example", 1).rule, CONF_NONE);
	assert_int_equal(decide(p, 0, "other.example", 255).rule, 1);
	assert_int_equal(decide(p, 0, "tracker.example", 255).rule, 1);
	policies_put(p);
	world_free(w);
}

static void verdict_says_which_list_has_the_name(void **unused)
{
	struct world *w = one_policy("        - {list: [ads, more], block: nxdomain}\n");
	struct policies *p = compile(w);

	assert_string_equal(decide(p, 0, "tracker.example", 1).list, "ads");
	assert_string_equal(decide(p, 0, "x.ads.example", 1).list, "more");
	assert_string_equal(decide(p, 0, "both.example", 1).list, "ads");
	assert_string_equal(decide(p, 0, "a.both.example", 1).list, "more");
	assert_int_equal(decide(p, 0, "a.b.both.example", 1).label, 2);
	assert_int_equal(decide(p, 0, "a.tracker.example", 1).rule, CONF_NONE);
	policies_put(p);
	world_free(w);
}

static void exceptions_of_a_list_are_not_in_it(void **unused)
{
	struct world *w = one_policy("        - {list: [more], block: nxdomain}\n"
				     "        - {list: [ads], block: zero}\n");
	struct policies *p = compile(w);

	assert_int_equal(decide(p, 0, "ads.example", 1).rule, 0);
	assert_int_equal(decide(p, 0, "good.ads.example", 1).rule, CONF_NONE);
	assert_int_equal(decide(p, 0, "a.good.ads.example", 1).rule, CONF_NONE);
	assert_int_equal(decide(p, 0, "both.example", 1).rule, 0);
	policies_put(p);
	world_free(w);
}

static void groups_and_rewrites_are_in_the_verdict(void **unused)
{
	struct world *w = world_new();
	struct policies *p;
	struct policy_verdict v;

	say(w, "dns:\n  upstreams:\n    isp: {type: plain, address: 192.0.2.1}\n"
	       "  groups:\n    default: {upstreams: [isp]}\n    corp: {upstreams: [isp]}\n"
	       "  policies:\n    - name: p\n      group: corp\n      rules:\n"
	       "        - {domain: .example, group: default}\n"
	       "        - {domain: nas.lan, address: [10.0.0.5]}\n"
	       "        - {domain: alias.lan, cname: nas.lan}\n");
	p = compile(w);
	assert_int_equal(decide(p, 0, "www.example", 1).group, 0);
	assert_int_equal(decide(p, 0, "www.elsewhere", 1).group, 1);
	v = decide(p, 0, "nas.lan", 1);
	assert_int_equal(v.action, DNS_REWRITE);
	assert_int_equal(v.conf->addresses, 1);
	v = decide(p, 0, "alias.lan", 1);
	assert_string_equal(v.conf->cname, "nas.lan");
	assert_int_equal(v.group, 1);
	policies_put(p);
	world_free(w);
}

static void clients_have_the_first_policy_that_names_them(void **unused)
{
	static const struct {
		const char *address;
		uint32_t policy;
	} row[] = {
		{ "10.0.3.7", 0 },	  { "10.0.4.7", 1 },
		{ "10.1.0.1", 3 },	  { "192.0.2.9", 2 },
		{ "2001:db8::1", 1 },	  { "2001:db9::1", 3 },
		{ "2001:db8:5::1", 0 },	  { "0.0.0.0", 3 },
		{ "255.255.255.255", 3 }, { "::", 3 },
		{ "10.0.3.255", 0 },	  { "10.0.2.255", 1 },
	};
	struct world *w = world_new();
	struct policies *p;

	say(w, "dns:\n  policies:\n"
	       "    - {name: a, clients: [10.0.3.0/24, '2001:db8:5::/48']}\n"
	       "    - {name: b, clients: [10.0.0.0/16, '2001:db8::/32', 10.0.3.7/32]}\n"
	       "    - {name: c, clients: [192.0.2.9, 10.0.4.0/24]}\n"
	       "    - {name: d}\n");
	p = compile(w);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(client(p, row[i].address), row[i].policy);
	policies_put(p);
	world_free(w);
}

static int note_client(void *arg, const struct dns_client_key *key, uint32_t value)
{
	char *text = arg;

	snprintf(text + strlen(text), 1000 - strlen(text), "%u:%u%s ", key->bits,
		 value & DNS_CLIENT_POLICY, value & DNS_CLIENT_ALLOWED ? "+" : "");
	return 0;
}

static int stop_at_once(void *arg, const struct dns_client_key *key, uint32_t value)
{
	return -7;
}

static void kernel_half_gets_prefixes_with_policy_and_permission(void **unused)
{
	struct world *w = world_new();
	struct policies *p;
	char text[1000] = "";

	say(w, "dns:\n  allow: [203.0.113.0/24]\n  policies:\n"
	       "    - {name: a, clients: [203.0.113.128/25, 198.51.100.0/24]}\n"
	       "    - {name: b}\n");
	p = compile(w);
	assert_int_equal(policies_each_client(p, note_client, text), 0);
	assert_string_equal(text, "0:1 120:0 120:1+ 121:0+ ");
	assert_int_equal(policies_each_client(p, stop_at_once, NULL), -7);
	policies_put(p);
	world_free(w);
}

static void opposite_policies_decide_for_their_own_clients(void **unused)
{
	struct world *w = world_new();
	struct policies *p;

	w->list[0] = list_of("one.example\ntwo.example\n");
	say(w, "dns:\n  lists:\n    l: {file: /l}\n  policies:\n"
	       "    - {name: a, clients: [10.0.0.1], rules: [{domain: one.example, pass: true}, "
	       "{list: l, block: zero}]}\n"
	       "    - {name: b, restricted: true, rules: [{list: l, pass: true}]}\n");
	p = compile(w);
	assert_int_equal(decide(p, 0, "one.example", 1).action, DNS_PASS);
	assert_int_equal(decide(p, 0, "two.example", 1).action, DNS_ZERO);
	assert_int_equal(decide(p, 0, "three.example", 1).action, DNS_PASS);
	assert_int_equal(decide(p, 1, "one.example", 1).action, DNS_PASS);
	assert_int_equal(decide(p, 1, "three.example", 1).action, DNS_REFUSED);
	policies_put(p);
	world_free(w);
}

static void kernel_form_says_what_only_the_resolver_does(void **unused)
{
	struct world *w = one_policy("        - {domain: nas.lan, address: [10.0.0.5]}\n"
				     "        - {type: 257, block: refused}\n");
	struct policies *p = compile(w);
	const struct dns_policy *k = policies_kernel(p, 0);

	assert_int_equal(k->action[0], DNS_PASS);
	assert_int_equal(k->ask_other, 2);
	assert_int_equal(k->no_match, DNS_PASS);
	assert_int_equal(decide(p, 0, "x.example", 257).action, DNS_REFUSED);
	assert_int_equal(decide(p, 0, "x.example", 258).action, DNS_PASS);
	policies_put(p);
	world_free(w);
}

static void flags_of_policies_reach_the_kernel_half(void **unused)
{
	struct world *w = world_new();
	struct policies *p;

	say(w, "dns:\n  policies:\n    - {name: a, clients: [10.0.0.1], only-resolved: true}\n"
	       "    - {name: b, block-quic: true, restricted: true, "
	       "rules: [{domain: good.example, pass: true}]}\n");
	p = compile(w);
	assert_int_equal(policies_kernel(p, 0)->flags, DNS_ONLY_RESOLVED);
	assert_int_equal(policies_kernel(p, 1)->flags, DNS_BLOCK_QUIC);
	assert_int_equal(policies_kernel(p, 1)->no_match, DNS_REFUSED);
	policies_put(p);
	world_free(w);
}

static void bad_lines_are_told_and_the_rest_is_in_force(void **unused)
{
	struct world *w = one_policy("        - {list: [ads], block: nxdomain}\n");
	struct policies *p;

	close(w->list[0]);
	w->list[0] = list_of("good.example\nb\xc3\xa4"
			     "d.example\nfine.example\n");
	p = compile(w);
	assert_int_equal(decide(p, 0, "good.example", 1).rule, 0);
	assert_int_equal(decide(p, 0, "fine.example", 1).rule, 0);
	assert_string_equal(policies_errors(p)->text,
			    "/l/ads:2: not ASCII: international names in punycode\n");
	policies_put(p);
	world_free(w);
}

static void list_that_is_none_fails_the_generation(void **unused)
{
	struct world *w = one_policy("        - {list: [ads], block: nxdomain}\n");
	struct policies *p;

	close(w->list[0]);
	w->list[0] = list_of("<html>\n<body>\n");
	assert_int_equal(policies_begin(conf_of(w), w->list, seed, &p), 0);
	assert_true(finish(w, p) < 0);
	assert_non_null(strstr(policies_errors(p)->text, "/l/ads: refused: "));
	policies_put(p);
	world_free(w);
}

static void list_that_changes_while_it_is_read_fails_the_generation(void **unused)
{
	static const char *const after[] = { "a.example\nb.example\nc.example\n", "a.example\n",
					     "||a.example^\n@@b.example\n" };

	for (size_t i = 0; i < 3; i++) {
		struct world *w = one_policy("        - {list: [ads], block: nxdomain}\n");
		struct policies *p;

		close(w->list[0]);
		w->list[0] = list_of("a.example\nb.example\n");
		assert_int_equal(policies_begin(conf_of(w), w->list, seed, &p), 0);
		while (policies_step(p) != POLICIES_TABLE)
			;
		assert_int_equal(ftruncate(w->list[0], 0), 0);
		assert_int_equal(pwrite(w->list[0], after[i], strlen(after[i]), 0),
				 strlen(after[i]));
		assert_int_equal(finish(w, p), -EIO);
		assert_non_null(strstr(policies_errors(p)->text, "changed"));
		policies_put(p);
		world_free(w);
	}
}

static void lists_that_no_rule_uses_are_not_read(void **unused)
{
	struct world *w = one_policy("        - {list: [more], block: nxdomain}\n");
	struct policies *p;
	struct policies_figures f;

	close(w->list[0]);
	w->list[0] = -1;
	p = compile(w);
	policies_figures(p, &f);
	assert_int_equal(f.names, 3);
	policies_put(p);
	world_free(w);
}

static void overlapping_lists_make_no_group_for_each_combination(void **unused)
{
	struct world *w = world_new();
	struct policies *p;
	struct policies_figures f;

	say(w, "dns:\n  lists:\n");
	for (unsigned int i = 0; i < LISTS; i++) {
		char text[256 * 12] = "";

		/* name n is in list i if bit i of n is set: all 255 combinations */
		for (unsigned int n = 1; n < 256; n++) {
			if (n >> i & 1)
				sprintf(text + strlen(text), "n%u.example\n", n);
		}
		w->list[i] = list_of(text);
		say(w, "    l%u: {file: /l%u}\n", i, i);
	}
	say(w, "  policies:\n    - name: p\n      rules:\n");
	for (unsigned int i = 0; i < LISTS; i++)
		say(w, "        - {list: l%u, block: zero}\n", i);
	p = compile(w);
	policies_figures(p, &f);
	assert_int_equal(f.groups, LISTS);
	for (unsigned int n = 1; n < 256; n++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u.example", n);
		assert_int_equal(decide(p, 0, name, 1).rule, __builtin_ctz(n));
	}
	policies_put(p);
	world_free(w);
}

/* 300 rules with domains of their own: more sets than slots have numbers for. */
static void names_of_lists_are_decided_in_the_kernel_however_many_rules_there_are(void **unused)
{
	struct dns_state s = { .seed = { seed[0], seed[1] } };
	struct world *w = world_new();
	struct policies *p;
	uint32_t group;
	__u64 hash;

	w->list[0] = list_of("ads.example\n");
	say(w, "dns:\n  lists:\n    l: {file: /l}\n  policies:\n    - name: p\n      rules:\n"
	       "        - {list: l, block: zero}\n");
	for (unsigned int i = 0; i < 300; i++)
		say(w, "        - {domain: n%u.example, block: nxdomain}\n", i);
	p = compile(w);
	hash = dns_hash_label(&s, dns_hash_root(&s), (const __u8 *)"example", 7);
	hash = dns_hash_label(&s, hash, (const __u8 *)"ads", 3);
	group = dns_names_find(w->table, w->buckets, hash, DNS_NAME_SELF);
	assert_in_range(group, 1, DNS_GROUP_ASK - 1);
	assert_int_equal(decide(p, 0, "ads.example", 1).rule, 0);
	assert_int_equal(decide(p, 0, "n299.example", 1).rule, 300);
	policies_put(p);
	world_free(w);
}

static void references_keep_a_generation(void **unused)
{
	struct world *w = one_policy("        - {list: [ads], block: nxdomain}\n");
	struct policies *p = compile(w), *q = policies_get(p);

	policies_put(p);
	assert_int_equal(decide(q, 0, "tracker.example", 1).rule, 0);
	policies_put(q);
	policies_put(NULL);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_everything_passes),
		cmocka_unit_test(exact_names_suffixes_and_those_below_are_told_apart),
		cmocka_unit_test(first_rule_that_matches_decides_whatever_is_longer),
		cmocka_unit_test(conditions_of_one_rule_hold_together),
		cmocka_unit_test(verdict_says_which_list_has_the_name),
		cmocka_unit_test(exceptions_of_a_list_are_not_in_it),
		cmocka_unit_test(groups_and_rewrites_are_in_the_verdict),
		cmocka_unit_test(clients_have_the_first_policy_that_names_them),
		cmocka_unit_test(kernel_half_gets_prefixes_with_policy_and_permission),
		cmocka_unit_test(opposite_policies_decide_for_their_own_clients),
		cmocka_unit_test(kernel_form_says_what_only_the_resolver_does),
		cmocka_unit_test(flags_of_policies_reach_the_kernel_half),
		cmocka_unit_test(bad_lines_are_told_and_the_rest_is_in_force),
		cmocka_unit_test(list_that_is_none_fails_the_generation),
		cmocka_unit_test(list_that_changes_while_it_is_read_fails_the_generation),
		cmocka_unit_test(lists_that_no_rule_uses_are_not_read),
		cmocka_unit_test(overlapping_lists_make_no_group_for_each_combination),
		cmocka_unit_test(
			names_of_lists_are_decided_in_the_kernel_however_many_rules_there_are),
		cmocka_unit_test(references_keep_a_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
