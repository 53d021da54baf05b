// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Generations of policies in the maps of the real kernel. Needs root (77 without). */
#include "policy_world.h"

#include <bpf/bpf.h>

#include "datapath/dns.h"
#include "datapath/kernel_internal.h"
#include "dns/install.h"
#include "lib/own_bpffs.h"
#include "unit/datapath/support.h"

struct installed {
	struct kernel *kernel;
	struct datapath dp;
	struct world *w;
};

static int setup(void **state)
{
	struct installed *i = calloc(1, sizeof(*i));

	assert_non_null(i);
	i->kernel = load_bpf(false);
	role_of(i->kernel, &i->dp, RESOLVER_QUEUE);
	i->w = world_new();
	i->w->list[0] = list_of("||ads.example^\n");
	say(i->w, "dns:\n  lists:\n    ads: {file: /l/ads}\n  policies:\n"
		  "    - {name: a, clients: [10.0.0.0/8], block-quic: true, "
		  "rules: [{list: ads, block: zero}]}\n    - {name: b}\n");
	*state = i;
	return 0;
}

static int teardown(void **state)
{
	struct installed *i = *state;

	world_free(i->w);
	datapath_done(&i->dp);
	kernel_unload(i->kernel);
	free(i);
	return 0;
}

/* What main does about the resolver's wish. */
static void hand_over_table(struct installed *i, uint32_t buckets)
{
	int fd = -1;

	assert_int_equal(kernel_names_make(i->kernel, buckets, &fd), 0);
	assert_int_equal(datapath_take(&i->dp, ROLE_FD_NAMES, buckets, fd), 0);
}

/* Compiled with the seed of the maps, and with a table of main's if there is to be one. */
static struct policies *make(struct installed *i, bool table)
{
	struct dns_state s;
	struct policies *p;
	int r = POLICIES_MORE;

	assert_int_equal(datapath_dns_state(&i->dp, &s), 0);
	assert_int_equal(policies_begin(conf_of(i->w), i->w->list, (const uint64_t *)s.seed, &p),
			 0);
	while (r != POLICIES_DONE) {
		r = policies_step(p);
		assert_true(r >= 0);
		if (r == POLICIES_TABLE && table) {
			i->dp.names_answered = false; /* as install_want() leaves it */
			assert_int_equal(install_take(p, &i->dp), -EAGAIN);
			hand_over_table(i, policies_buckets(p));
			assert_int_equal(install_take(p, &i->dp), 0);
			assert_true(policies_fd(p) >= 0);
		}
	}
	return p;
}

static uint32_t policy_of(struct installed *i, const char *address)
{
	struct addr a;

	assert_int_equal(addr_parse(address, &a), 0);
	return datapath_policy_of(&i->dp, &a);
}

/* What a program finds for the name that the list has. */
static uint32_t group_in_map(struct installed *i, const struct policies *p)
{
	struct dns_bucket table[1 + DNS_BUCKETS_LOOKED];
	struct dns_state s;
	__u64 hash;

	assert_int_equal(policies_buckets(p), 1);
	assert_int_equal(datapath_dns_state(&i->dp, &s), 0);
	hash = dns_hash_label(&s, dns_hash_root(&s), (const __u8 *)"example", 7);
	hash = dns_hash_label(&s, hash, (const __u8 *)"ads", 3);
	for (__u32 at = 0; at < DNS_BUCKETS_LOOKED; at++)
		assert_int_equal(bpf_map_lookup_elem(policies_fd(p), &at, &table[at]), 0);
	return dns_names_find(table, s.buckets[s.epoch & 1], hash, DNS_NAME_BELOW);
}

static void all_of_a_generation_is_in_force_with_its_epoch(void **state)
{
	struct installed *i = *state;
	struct policies *p = make(i, true);
	struct dns_state before, after;

	assert_int_equal(datapath_dns_state(&i->dp, &before), 0);
	assert_int_equal(install_policies(p, &i->dp), 0);
	assert_int_equal(datapath_dns_state(&i->dp, &after), 0);
	assert_int_equal(after.epoch, before.epoch + 1);
	assert_int_equal(policy_of(i, "10.1.2.3"), 0);
	assert_int_equal(policy_of(i, "192.0.2.1"), 1);
	assert_int_equal(datapath_policy_flags(&i->dp, 0), DNS_BLOCK_QUIC);
	assert_int_equal(datapath_policy_flags(&i->dp, 1), 0);
	assert_true(group_in_map(i, p) > 0);
	assert_true(policies_kernel(p, 0)->group[group_in_map(i, p)].lists == 1);
	policies_put(p);
}

static bool has_table(struct installed *i, __u32 which)
{
	__u32 id;

	return bpf_map_lookup_elem(i->dp.dns_names, &which, &id) == 0;
}

static void names_of_the_generation_before_are_let_go(void **state)
{
	struct installed *i = *state;
	struct policies *p = NULL;
	struct dns_state s;

	/* more tables than main makes at a time: none may be left over */
	for (unsigned int n = 0; n < 6; n++) {
		struct policies *next = make(i, true);

		assert_int_equal(install_policies(next, &i->dp), 0);
		policies_put(p);
		p = next;
		assert_int_equal(datapath_dns_state(&i->dp, &s), 0);
		assert_true(has_table(i, s.epoch & 1));
		assert_false(has_table(i, !(s.epoch & 1)));
	}
	policies_put(p);
}

static void names_without_a_map_make_the_kernel_half_ask(void **state)
{
	struct installed *i = *state;
	struct policies *p = make(i, true), *q = make(i, false);
	struct dns_state s;

	assert_int_equal(install_policies(p, &i->dp), 0);
	assert_int_equal(install_policies(q, &i->dp), 0);
	assert_int_equal(datapath_dns_state(&i->dp, &s), 0);
	assert_true(s.buckets[s.epoch & 1] > 0);
	assert_false(has_table(i, s.epoch & 1));
	/* the policies' flags hold all the same */
	assert_int_equal(datapath_policy_flags(&i->dp, policy_of(i, "10.1.2.3")), DNS_BLOCK_QUIC);
	policies_put(p);
	policies_put(q);
}

static void without_the_kernel_half_nothing_is_to_be_done(void **state)
{
	struct installed *i = *state;
	struct datapath none;
	struct policies *p = make(i, false);

	datapath_init(&none, RESOLVER_QUEUE);
	install_want(p, &none);
	assert_int_equal(install_take(p, &none), 0);
	assert_int_equal(install_policies(p, &none), 0);
	assert_int_equal(policies_fd(p), -1);
	datapath_done(&none);
	policies_put(p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_of_a_generation_is_in_force_with_its_epoch),
		TEST(names_of_the_generation_before_are_let_go),
		TEST(names_without_a_map_make_the_kernel_half_ask),
		TEST(without_the_kernel_half_nothing_is_to_be_done),
	};

	if (own_bpffs())
		return 77;
	support_instance();
	return cmocka_run_group_tests_name("dns/install", tests, NULL, NULL);
}
