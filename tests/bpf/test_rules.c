// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rules about flows: the kernel half, the same code here, and what the manual says (read rule
 * by rule) agree on random flows and random rules; a change of rules is all or nothing.
 *
 * FULL: 200 sets of rules x 5,000 flows; ROUNDS=N, FLOWS=N, NETWORKS=N, SWAPS=N for other
 * numbers, where the machine is slow.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bpf/harness.h"
#include "lib/rules_kernel.h"
#include "policy/decide.h"
#include "tests/lib/rules_world.h"

static struct headrace *skel;
static struct kernel kernel;

static int setup(void **state)
{
	int err;

	libbpf_set_print(harness_silent);
	err = rules_kernel_load(&skel);
	if (err == -EPERM) {
		fprintf(stderr, "no right to load BPF programs\n");
		exit(77);
	}
	assert_int_equal(err, 0);
	return rules_kernel_open(skel, &kernel);
}

static int teardown(void **state)
{
	rules_kernel_close(skel, &kernel);
	return 0;
}

static unsigned int number(const char *variable, unsigned int standard)
{
	const char *text = getenv(variable);

	return text && *text ? (unsigned int)strtoul(text, NULL, 10) : standard;
}

static bool full_form(void)
{
	const char *full = getenv("FULL");

	return full && *full;
}

static struct policy_tables compiled(const struct conf *c)
{
	const struct policy_source source = {
		.conf = c,
		.fallback = c->fallback ? c->fallback : VERDICT_FORWARD,
		.dns = rules_world_dns,
		.name = rules_world_names,
		.names = rules_world_names_num,
	};
	struct policy_tables t;

	assert_int_equal(policy_compile(&source, &t), 0);
	return t;
}

static struct policy_tables loaded(const struct conf *c)
{
	struct policy_tables t = compiled(c);

	assert_int_equal(kernel_rules_load(&kernel, &t, false), 0);
	return t;
}

static struct rule_try_args try(const struct rule_facts *facts, uint32_t asked)
{
	struct rule_try_args args = { .facts = *facts, .asked = asked };

	assert_int_equal(kernel_rules_try(&kernel, &args), 0);
	return args;
}

/* --- all three alike ---------------------------------------------------------------------- */

static void compare(const struct conf *c, const struct policy_tables *t, const struct rules_flow *f)
{
	struct rules_answer right = rules_world_decide(c, f);
	uint32_t asked = c->rules ? 1 + rules_random((uint32_t)c->rules) : 0, satisfied;
	struct policy_verdict here = policy_decide(t, &f->facts, asked, &satisfied);
	struct rule_try_args there = try(&f->facts, asked), plain = try(&f->facts, 0);

	if (here.verdict != right.verdict || here.rule != right.rule)
		fail_msg("here: verdict %d by rule %u, right is %d by %u", here.verdict, here.rule,
			 right.verdict, right.rule);
	if (there.verdict != right.verdict || there.rule != right.rule)
		fail_msg("in the kernel: verdict %u by rule %u, right is %d by %u", there.verdict,
			 there.rule, right.verdict, right.rule);
	if (plain.verdict != right.verdict || plain.rule != right.rule)
		fail_msg("in the kernel, as of a packet: verdict %u by rule %u, right is %d by %u",
			 plain.verdict, plain.rule, right.verdict, right.rule);
	for (unsigned int dim = 0; asked && dim < RULE_DIM_NUM; dim++) {
		/* of a cgroup that is not known yet nothing can be said */
		if (dim == RULE_CGROUP && !f->cgroup)
			continue;
		if ((there.satisfied >> dim & 1) != rules_world_satisfies(c, f, asked, dim))
			fail_msg("rule %u, dimension %u: not as told", asked, dim);
	}
}

static void agree(const struct conf *c, unsigned int flows, bool near)
{
	struct policy_tables t = loaded(c);
	struct rules_flow f;

	for (unsigned int i = 0; i < flows; i++) {
		if (near)
			rules_world_flow_near(&f, c);
		else
			rules_world_flow(&f);
		compare(c, &t, &f);
	}
	policy_tables_done(&t);
}

static void kernel_userspace_and_manual_agree(void **state)
{
	unsigned int rounds = number("ROUNDS", full_form() ? 200 : 20);
	unsigned int flows = number("FLOWS", 5000);
	unsigned int seed = number("SEED", 1);

	for (unsigned int i = 0; i < rounds; i++) {
		static const unsigned int sizes[] = { 1, 5, 20, 63, 64, 65, 200, 1024 };
		struct conf *c;

		rules_world_seed(seed * 1000003ULL + i);
		c = rules_world_conf(sizes[i % 8], 1 + i / 8 % 6);
		c->fallback = i % 2 ? VERDICT_DIRECT : VERDICT_FORWARD;
		agree(c, flows, false);
		conf_free(c);
	}
	printf("# %u sets of rules, %u flows each\n", rounds, flows);
}

static void a_thousand_rules_and_100000_networks_agree(void **state)
{
	struct conf *c;

	rules_world_seed(77);
	c = rules_world_conf_networks(1024, number("NETWORKS", 100000));
	agree(c, number("FLOWS", 2000), true);
	conf_free(c);
}

static void without_rules_the_default_decides(void **state)
{
	struct conf c = { .fallback = VERDICT_DIRECT };
	struct rules_flow f;
	struct policy_tables t;

	rules_world_seed(3);
	rules_world_flow(&f);
	t = loaded(&c);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_DIRECT);
	policy_tables_done(&t);
	c.fallback = VERDICT_FORWARD;
	t = loaded(&c);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_FORWARD);
	assert_int_equal(try(&f.facts, 0).rule, 0);
	policy_tables_done(&t);
}

/* --- names of addresses ------------------------------------------------------------------- */

static void fact_put(const struct addr *client, const struct addr *addr,
		     const struct domain_fact *d)
{
	struct domain_fact_key key = { .addr = *addr };

	if (client)
		key.client = *client;
	assert_int_equal(bpf_map_update_elem(kernel.maps.domain_facts, &key, d, 0), 0);
}

static void fact_remove(const struct addr *client, const struct addr *addr)
{
	struct domain_fact_key key = { .addr = *addr };

	if (client)
		key.client = *client;
	bpf_map_delete_elem(kernel.maps.domain_facts, &key);
}

/* One rule: this place of dns.lists is dropped. */
static struct conf *drops_list(unsigned int place)
{
	struct conf *c = rules_world_conf(1, 1);

	conf_free(c);
	c = calloc(1, sizeof(*c));
	c->references = 1;
	c->rule = calloc(1, sizeof(*c->rule));
	c->rules = 1;
	c->rule[0].is.lists = 1ULL << place;
	c->rule[0].action = VERDICT_DROP;
	c->fallback = VERDICT_FORWARD;
	return c;
}

static void the_clients_own_answer_wins_else_the_latest(void **state)
{
	struct domain_fact listed = { .expires_ns = UINT64_MAX, .lists = 1ULL << 5 };
	struct domain_fact other = { .expires_ns = UINT64_MAX, .lists = 1ULL << 6 };
	struct conf *c = drops_list(5);
	struct policy_tables t = loaded(c);
	struct rules_flow f;
	const struct addr *client = &f.facts.saddr, *addr = &f.facts.daddr;

	rules_world_seed(4);
	rules_world_flow(&f);
	f.facts.known &= ~(1U << RULE_DOMAIN | 1U << RULE_UID);
	memset(&f.facts.domain, 0, sizeof(f.facts.domain));
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_FORWARD);
	fact_put(NULL, addr, &listed);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_DROP);
	assert_true(try(&f.facts, 0).facts.known >> RULE_DOMAIN & 1);
	assert_int_equal(try(&f.facts, 0).facts.domain.lists, listed.lists);
	fact_put(client, addr, &other);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_FORWARD);
	fact_put(NULL, addr, &other);
	fact_put(client, addr, &listed);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_DROP);
	listed.expires_ns = 1; /* long ago */
	fact_put(client, addr, &listed);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_FORWARD);
	assert_int_equal(try(&f.facts, 0).facts.domain.lists, other.lists);
	fact_remove(client, addr);
	fact_remove(NULL, addr);
	policy_tables_done(&t);
	conf_free(c);
}

/* By whichever of its addresses: what it has asked by IPv4 holds for a flow by IPv6. */
static void the_hosts_own_answer_holds_for_all_its_addresses(void **state)
{
	struct domain_fact listed = { .expires_ns = UINT64_MAX, .lists = 1ULL << 5 };
	struct domain_fact other = { .expires_ns = UINT64_MAX, .lists = 1ULL << 6 };
	const struct addr host = { .b[15] = FACT_HOST_BYTE };
	struct conf *c = drops_list(5);
	struct policy_tables t = loaded(c);
	struct rules_flow f;

	rules_world_seed(5);
	rules_world_flow(&f);
	f.facts.known &= ~(1U << RULE_DOMAIN);
	f.facts.known |= 1U << RULE_UID;
	memset(&f.facts.domain, 0, sizeof(f.facts.domain));
	fact_put(NULL, &f.facts.daddr, &other); /* somebody else's, and later */
	fact_put(&host, &f.facts.daddr, &listed);
	for (uint8_t source = 1; source < 4; source++) {
		f.facts.saddr.b[15] = source;
		assert_int_equal(try(&f.facts, 0).verdict, VERDICT_DROP);
	}
	f.facts.known &= ~(1U << RULE_UID); /* a client of the LAN */
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_FORWARD);
	fact_remove(&host, &f.facts.daddr);
	fact_remove(NULL, &f.facts.daddr);
	policy_tables_done(&t);
	conf_free(c);
}

/* --- cgroups that appear ------------------------------------------------------------------ */

static void a_cgroup_that_appears_is_known_at_once(void **state)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct policy_tables t;
	struct rule_set set;
	struct rules_flow f;
	uint32_t place;

	c->references = 1;
	c->rule = calloc(1, sizeof(*c->rule));
	c->rules = 1;
	c->rule[0].is.unit = calloc(1, sizeof(char *));
	c->rule[0].is.unit[0] = strdup("new.service");
	c->rule[0].is.units = 1;
	c->rule[0].action = VERDICT_DROP;
	t = loaded(c);
	rules_world_seed(4);
	rules_world_flow(&f);
	f.facts.known |= 1U << RULE_CGROUP;
	f.facts.cgroup = 4711;
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_NONE);
	policy_rules_of(c, RULE_CGROUP, "/a/new.service/b", &set);
	assert_int_equal(policy_set_place(&t, &set, &place), 0);
	assert_int_equal(kernel_rules_set_put(&kernel, place, &set), 0);
	assert_int_equal(kernel_rules_value_put(&kernel, RULE_CGROUP, 4711, 0, place), 0);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_DROP);
	assert_int_equal(kernel_rules_value_put(&kernel, RULE_CGROUP, 4711, 0, 0), 0);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_FORWARD);
	assert_int_equal(kernel_rules_value_remove(&kernel, RULE_CGROUP, 4711, 0), 0);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_NONE);
	policy_tables_done(&t);
	conf_free(c);
}

/* --- changes of rules --------------------------------------------------------------------- */

/*
 * Two sets of rules under which a flow meets every dimension, and another rule: of a mixture,
 * none would be left, and the default decide.
 */
static struct conf *one_of_two(unsigned int which, const struct rules_flow *f)
{
	static const char *const users[] = { "bob", "root" };
	struct conf *c = calloc(1, sizeof(*c));

	c->references = 1;
	c->fallback = VERDICT_FORWARD;
	c->rules = 100 + 600 * which;
	c->rule = calloc(c->rules, sizeof(*c->rule));
	for (size_t i = 0; i < c->rules; i++) {
		struct conf_conditions *is = &c->rule[i].is;
		bool meets = i == c->rules - 7;

		is->user = calloc(1, sizeof(char *));
		is->user[0] = strdup(meets ? f->user : users[which]);
		is->port = calloc(1, sizeof(*is->port));
		is->port[0].first = is->port[0].last = meets ? f->facts.dport : 9;
		is->destination = calloc(1, sizeof(*is->destination));
		is->destination[0] = (struct prefix){ f->facts.daddr, 32 };
		is->fwmark = calloc(1, sizeof(*is->fwmark));
		is->fwmark[0] = (struct pass_mark){ f->facts.mark, ~0U };
		is->users = is->ports = is->destinations = is->fwmarks = 1;
		c->rule[i].action = which ? VERDICT_DROP : VERDICT_DIRECT;
	}
	return c;
}

struct traffic {
	struct rules_flow flow;
	uint32_t rule[2]; /* that decides, by the epoch's lowest bit */
	uint8_t verdict[2];
	uint32_t first_epoch;
	atomic_bool stop;
	unsigned long decided[2], wrong;
};

static void *traffic_run(void *arg)
{
	struct traffic *t = arg;

	while (!atomic_load(&t->stop)) {
		struct rule_try_args args = { .facts = t->flow.facts };
		unsigned int which;

		if (kernel_rules_try(&kernel, &args))
			break;
		which = args.epoch & 1;
		t->decided[which]++;
		t->wrong += args.rule != t->rule[which] || args.verdict != t->verdict[which];
	}
	return NULL;
}

static void no_flow_is_decided_by_parts_of_two_generations(void **state)
{
	unsigned int swaps = number("SWAPS", full_form() ? 300 : 40);
	struct policy_tables tables[2];
	struct traffic traffic = { .wrong = 0 };
	pthread_t thread;

	rules_world_seed(11);
	do
		rules_world_flow(&traffic.flow);
	while (strcmp(traffic.flow.user, "alice") != 0 || !addr_is_v4(&traffic.flow.facts.daddr) ||
	       traffic.flow.facts.proto != 6 || !traffic.flow.facts.dport);
	traffic.flow.facts.known |= 1U << RULE_UID;
	for (uint32_t which = 0; which < 2; which++) {
		struct conf *c = one_of_two(which, &traffic.flow);

		tables[which] = compiled(c);
		traffic.rule[which] = (uint32_t)c->rules - 6;
		traffic.verdict[which] = which ? VERDICT_DROP : VERDICT_DIRECT;
		conf_free(c);
	}
	/* an even epoch is the first one's */
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(kernel_rules_load(&kernel,
						   &tables[(kernel_rules_epoch(&kernel) + 1) & 1],
						   false),
				 0);
	assert_int_equal(pthread_create(&thread, NULL, traffic_run, &traffic), 0);
	for (unsigned int i = 0; i < swaps; i++)
		assert_int_equal(kernel_rules_load(&kernel,
						   &tables[(kernel_rules_epoch(&kernel) + 1) & 1],
						   false),
				 0);
	atomic_store(&traffic.stop, true);
	pthread_join(thread, NULL);
	printf("# %lu and %lu flows decided over %u changes\n", traffic.decided[0],
	       traffic.decided[1], swaps);
	assert_int_equal(traffic.wrong, 0);
	assert_true(traffic.decided[0] && traffic.decided[1]);
	policy_tables_done(&tables[0]);
	policy_tables_done(&tables[1]);
}

static void reset_makes_older_decisions_invalid_and_keep_does_not(void **state)
{
	struct conf c = { .fallback = VERDICT_DIRECT };
	struct policy_tables t = loaded(&c);
	uint32_t epoch = kernel_rules_epoch(&kernel), before = kernel.rules.state->valid_from;

	assert_int_equal(kernel_rules_load(&kernel, &t, false), 0);
	assert_int_equal(kernel_rules_epoch(&kernel), epoch + 1);
	assert_int_equal(kernel.rules.state->valid_from, before);
	assert_int_equal(kernel_rules_load(&kernel, &t, true), 0);
	assert_int_equal(kernel.rules.state->valid_from, epoch + 2);
	policy_tables_done(&t);
}

static void a_failed_load_leaves_the_rules_in_force(void **state)
{
	struct conf *c = drops_list(0);
	struct policy_tables t = loaded(c), bad;
	struct rules_flow f;
	uint32_t epoch = kernel_rules_epoch(&kernel);

	rules_world_seed(8);
	rules_world_flow(&f);
	f.facts.known |= 1U << RULE_DOMAIN;
	f.facts.domain.lists = 1;
	bad = t;
	bad.values = 0x7fffffff; /* no such map can be made */
	assert_int_not_equal(kernel_rules_load(&kernel, &bad, false), 0);
	assert_int_equal(kernel_rules_epoch(&kernel), epoch);
	assert_int_equal(try(&f.facts, 0).verdict, VERDICT_DROP);
	policy_tables_done(&t);
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_the_default_decides),
		cmocka_unit_test(kernel_userspace_and_manual_agree),
		cmocka_unit_test(a_thousand_rules_and_100000_networks_agree),
		cmocka_unit_test(the_clients_own_answer_wins_else_the_latest),
		cmocka_unit_test(the_hosts_own_answer_holds_for_all_its_addresses),
		cmocka_unit_test(a_cgroup_that_appears_is_known_at_once),
		cmocka_unit_test(no_flow_is_decided_by_parts_of_two_generations),
		cmocka_unit_test(reset_makes_older_decisions_invalid_and_keep_does_not),
		cmocka_unit_test(a_failed_load_leaves_the_rules_in_force),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
