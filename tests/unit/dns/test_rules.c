// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Configurations, lists and names at random: a reference that knows no groups and no vectors
 * decides beside the resolver's code and beside what the kernel half does with the same table,
 * in which it finds nothing but "ask" for a query that empties the cache (C-30).
 */
#include "policy_world.h"

#define REF_RULES 200
#define REF_PATTERNS 6
#define REF_ENTRIES 40
#define REF_POLICIES 3

struct ref_entry {
	char name[32];
	unsigned int kinds;
	bool exception;
};

struct ref_rule {
	char domain[REF_PATTERNS][32]; /* as the configuration says it */
	unsigned int domains;
	unsigned int lists; /* bits */
	uint16_t type[3];
	unsigned int types;
	unsigned int action; /* place in `actions` */
};

struct reference {
	struct ref_entry entry[LISTS][REF_ENTRIES];
	unsigned int lists;
	unsigned int entries;
	struct ref_rule rule[REF_POLICIES][REF_RULES];
	unsigned int policies;
	unsigned int rules;
	bool restricted[REF_POLICIES];
	char flush[REF_PATTERNS][32];
	unsigned int flushes;
};

static const struct {
	const char *text;
	enum dns_action action;
} actions[] = { { "block: nxdomain", DNS_NXDOMAIN },
		{ "block: zero", DNS_ZERO },
		{ "pass: true", DNS_PASS },
		{ "block: refused", DNS_REFUSED },
		{ "address: 10.0.0.1", DNS_REWRITE } };
static const struct {
	const char *text;
	uint16_t number;
} types[] = { { "A", 1 }, { "AAAA", 28 }, { "HTTPS", 65 }, { "257", 257 }, { "300", 300 } };

static uint32_t state;

static unsigned int below(unsigned int n)
{
	state = state * 1664525U + 1013904223U;
	return (state >> 8) % n;
}

/* One to four labels of an alphabet of three: names meet often. */
static void random_name(char *out)
{
	unsigned int labels = 1 + below(4);

	out[0] = '\0';
	for (unsigned int i = 0; i < labels; i++)
		sprintf(out + strlen(out), "%s%c", i ? "." : "", 'a' + (int)below(3));
}

/* Does `pattern`, with these kinds, have `name`? By text alone. */
static bool ref_has(const char *pattern, unsigned int kinds, const char *name)
{
	size_t plen = strlen(pattern), nlen = strlen(name);

	if (!strcmp(pattern, name))
		return kinds & DNS_NAME_SELF;
	return kinds & DNS_NAME_BELOW && nlen > plen && !strcmp(name + nlen - plen, pattern) &&
	       name[nlen - plen - 1] == '.';
}

static bool ref_pattern(const char *pattern, const char *name)
{
	if (pattern[0] == '*')
		return ref_has(pattern + 2, DNS_NAME_BELOW, name);
	if (pattern[0] == '.')
		return ref_has(pattern + 1, DNS_NAME_SELF | DNS_NAME_BELOW, name);
	return ref_has(pattern, DNS_NAME_SELF, name);
}

static bool ref_lists(const struct reference *ref, unsigned int lists, const char *name)
{
	bool in = false;

	for (unsigned int l = 0; l < ref->lists; l++) {
		for (unsigned int i = 0; lists >> l & 1 && i < ref->entries; i++) {
			const struct ref_entry *e = &ref->entry[l][i];

			if (!ref_has(e->name, e->kinds, name))
				continue;
			if (e->exception)
				return false;
			in = true;
		}
	}
	return in;
}

static bool ref_matches(const struct reference *ref, const struct ref_rule *rule, const char *name,
			uint16_t type)
{
	bool domain = !rule->domains, typed = !rule->types;

	for (unsigned int i = 0; i < rule->domains; i++)
		domain |= ref_pattern(rule->domain[i], name);
	for (unsigned int i = 0; i < rule->types; i++)
		typed |= rule->type[i] == type;
	return domain && typed && (!rule->lists || ref_lists(ref, rule->lists, name));
}

static uint32_t ref_decide(const struct reference *ref, unsigned int policy, const char *name,
			   uint16_t type)
{
	for (unsigned int i = 0; i < ref->rules; i++) {
		if (ref_matches(ref, &ref->rule[policy][i], name, type))
			return i;
	}
	return CONF_NONE;
}

static void random_lists(struct reference *ref, struct world *w)
{
	static const char *const form[] = { "%s\n", "*.%s\n", "||%s^\n" };

	for (unsigned int l = 0; l < ref->lists; l++) {
		char text[REF_ENTRIES * 40] = "";

		for (unsigned int i = 0; i < ref->entries; i++) {
			struct ref_entry *e = &ref->entry[l][i];

			random_name(e->name);
			e->kinds = 1 + below(3);
			e->exception = l % 2 && below(6) == 0;
			if (e->exception && e->kinds == DNS_NAME_BELOW)
				sprintf(text + strlen(text), "@@||*.%s^\n", e->name);
			else
				sprintf(text + strlen(text), "%s", e->exception ? "@@" : "");
			if (!e->exception || e->kinds != DNS_NAME_BELOW)
				sprintf(text + strlen(text), form[e->kinds - 1], e->name);
		}
		w->list[l] = list_of(text);
		say(w, "%s    l%u: {file: /l%u}\n", l ? "" : "  lists:\n", l, l);
	}
}

static void random_flushes(struct reference *ref, struct world *w)
{
	ref->flushes = below(2) * below(REF_PATTERNS + 1);
	say(w, "  cache: {flush-domains: [");
	for (unsigned int i = 0; i < ref->flushes; i++) {
		random_name(ref->flush[i]);
		say(w, "%s%s", i ? ", " : "", ref->flush[i]);
	}
	say(w, "]}\n");
}

static bool ref_flushes(const struct reference *ref, const char *name)
{
	bool flushes = false;

	for (unsigned int i = 0; i < ref->flushes; i++)
		flushes |= !strcmp(ref->flush[i], name);
	return flushes;
}

/* Does it let something through? */
static bool random_rule(struct reference *ref, struct world *w, struct ref_rule *rule)
{
	static const char *const form[] = { "%s", ".%s", "*.%s" };
	const char *comma = "";
	char name[32];

	rule->domains = below(3) ? 1 + below(REF_PATTERNS) : 0;
	rule->lists = below(2) ? below(1U << ref->lists) : 0;
	rule->types = below(4) == 0 || (!rule->domains && !rule->lists) ? 1 + below(3) : 0;
	rule->action = below(sizeof(actions) / sizeof(actions[0]));
	say(w, "        - {%s", actions[rule->action].text);
	for (unsigned int i = 0; i < rule->domains; i++) {
		random_name(name);
		sprintf(rule->domain[i], form[below(3)], name);
		say(w, "%s\"%s\"", i ? ", " : ", domain: [", rule->domain[i]);
	}
	say(w, "%s", rule->domains ? "]" : "");
	for (unsigned int l = 0; l < ref->lists; l++) {
		if (rule->lists >> l & 1) {
			say(w, "%sl%u", *comma ? comma : ", list: [", l);
			comma = ", ";
		}
	}
	say(w, "%s", rule->lists ? "]" : "");
	for (unsigned int i = 0; i < rule->types; i++) {
		unsigned int t = (below(5) + i) % 5;

		rule->type[i] = types[t].number;
		say(w, "%s%s", i ? ", " : ", type: [", types[t].text);
	}
	say(w, "%s}\n", rule->types ? "]" : "");
	return actions[rule->action].action == DNS_PASS ||
	       actions[rule->action].action == DNS_REWRITE;
}

static void random_configuration(struct reference *ref, struct world *w, unsigned int round)
{
	ref->lists = below(LISTS + 1);
	ref->entries = 1 + below(REF_ENTRIES);
	ref->policies = 1 + below(REF_POLICIES);
	ref->rules = round % 4 == 3 ? 50 + below(REF_RULES - 50) : 1 + below(12);
	say(w, "dns:\n");
	random_lists(ref, w);
	random_flushes(ref, w);
	say(w, "  policies:\n");
	for (unsigned int i = 0; i < ref->policies; i++) {
		bool passes = false;

		say(w, "    - name: p%u\n", i);
		if (i + 1 < ref->policies)
			say(w, "      clients: [10.0.0.%u]\n", i);
		say(w, "      rules:\n");
		for (unsigned int j = 0; j < ref->rules; j++)
			passes |= random_rule(ref, w, &ref->rule[i][j]);
		/* without a rule that lets something through it would be an error */
		ref->restricted[i] = passes && below(2);
		say(w, "      restricted: %s\n", ref->restricted[i] ? "true" : "false");
	}
}

/* As a program of the kernel half goes about it. */
static struct dns_decision kernel_decides(const struct world *w, const struct policies *p,
					  unsigned int policy, const struct name *name,
					  uint16_t type)
{
	const struct dns_state s = { .seed = { seed[0], seed[1] } };
	const struct dns_policy *k = policies_kernel(p, policy);
	struct dns_match match = { 0 };
	__u64 hash = dns_hash_root(&s);
	uint8_t start[8];
	unsigned int labels = 0;

	for (unsigned int pos = 0; name->wire[pos]; pos += 1U + name->wire[pos])
		start[labels++] = (uint8_t)pos;
	dns_match_group(k, dns_names_find(w->table, w->buckets, hash, DNS_NAME_BELOW), &match);
	while (labels--) {
		const uint8_t *label = name->wire + start[labels];

		hash = dns_hash_label(&s, hash, label + 1, label[0]);
		dns_match_group(k,
				dns_names_find(w->table, w->buckets, hash,
					       labels ? DNS_NAME_BELOW : DNS_NAME_SELF),
				&match);
	}
	return dns_decide(k, &match, dns_type_of(type));
}

struct tally {
	unsigned int asked;
	unsigned int flushed;
	unsigned int decided;
	unsigned int matched;
};

static void compare(const struct reference *ref, const struct world *w, const struct policies *p,
		    struct tally *tally)
{
	unsigned int policy = below(ref->policies);
	uint16_t type = types[below(5)].number;
	struct policy_verdict v;
	struct dns_decision d;
	struct name name;
	char text[32];
	uint32_t want;

	random_name(text);
	name = name_of(text);
	want = ref_decide(ref, policy, text, type);
	policies_decide(p, policy, &name, type, &v);
	assert_int_equal(v.rule, want);
	if (want == CONF_NONE) {
		assert_int_equal(v.action, ref->restricted[policy] ? DNS_REFUSED : DNS_PASS);
	} else {
		assert_int_equal(v.action, actions[ref->rule[policy][want].action].action);
		tally->matched++;
	}
	d = kernel_decides(w, p, policy, &name, type);
	if (ref_flushes(ref, text)) {
		assert_int_equal(d.action, DNS_ASK);
		tally->flushed++;
		return;
	}
	if (d.action == DNS_ASK) {
		tally->asked++;
		return;
	}
	tally->decided++;
	assert_int_equal(d.action, v.action == DNS_REWRITE ? DNS_PASS : v.action);
	assert_int_equal(d.rule, want == CONF_NONE ? DNS_RULES_MAX : want);
}

static void every_decision_is_that_of_a_reference_without_groups_and_vectors(void **unused)
{
	struct reference *ref = calloc(1, sizeof(*ref));
	struct tally tally = { 0 };

	assert_non_null(ref);
	for (unsigned int round = 0; round < 200; round++) {
		struct world *w = world_new();
		struct policies *p;

		state = round * 7919 + 1;
		memset(ref, 0, sizeof(*ref));
		random_configuration(ref, w, round);
		p = compile(w);
		for (unsigned int i = 0; i < 500; i++)
			compare(ref, w, p, &tally);
		policies_put(p);
		world_free(w);
	}
	free(ref);
	/* all ways of deciding were taken */
	assert_true(tally.asked > 1000 && tally.decided > 50000 && tally.matched > 30000 &&
		    tally.flushed > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_decision_is_that_of_a_reference_without_groups_and_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
