// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The names table and the groups in it. Sets are plain: set n is used by rule n of policy 0,
 * with a type condition beside it, so that no set makes another one redundant.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/dns_names.h"
#include "dns/names.h"

#define SETS 12
#define BOTH (DNS_NAME_SELF | DNS_NAME_BELOW)

static const uint64_t seed[2] = { 0x9e3779b97f4a7c15ULL, 0xc2b2ae3d27d4eb4fULL };

struct table {
	struct groups_use use[SETS];
	struct groups_set set[SETS];
	struct groups *groups;
	struct names names;
};

static struct table *table_new(uint32_t buckets)
{
	struct table *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	for (uint32_t i = 0; i < SETS; i++) {
		t->use[i] = (struct groups_use){ .rule = i, .kind = GROUPS_LISTS };
		t->set[i] = (struct groups_set){ &t->use[i], 1 };
	}
	assert_int_equal(groups_new(t->set, SETS, &t->groups), 0);
	names_init(&t->names, seed, t->groups);
	assert_int_equal(names_set_table(&t->names, NULL, buckets), 0);
	return t;
}

static void table_free(struct table *t)
{
	names_done(&t->names);
	groups_free(t->groups);
	free(t);
}

static uint64_t hash_of(const struct table *t, const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text, &name), 0);
	return names_hash(&t->names, &name);
}

/* Bits of the sets that a group is of. */
static unsigned int bits_of(const struct table *t, uint32_t group)
{
	size_t num;
	const uint32_t *set = groups_sets(t->groups, group, &num);
	unsigned int bits = 0;

	for (size_t i = 0; i < num; i++)
		bits |= 1U << set[i];
	return bits;
}

static unsigned int sets_of(const struct table *t, uint64_t hash, uint32_t kind)
{
	return bits_of(t, names_group(&t->names, hash, kind));
}

static void put(struct table *t, uint64_t hash, uint32_t kinds, uint32_t set)
{
	assert_int_equal(names_insert(&t->names, hash, kinds, set), 0);
}

static void hash_is_what_both_halves_fold_from_the_root(void **unused)
{
	struct table *t = table_new(1);
	__u64 hash = dns_hash_root(&t->names.hash);

	assert_int_equal(hash, hash_of(t, "."));
	hash = dns_hash_label(&t->names.hash, hash, (const __u8 *)"org", 3);
	hash = dns_hash_label(&t->names.hash, hash, (const __u8 *)"example", 7);
	assert_int_equal(hash, hash_of(t, "example.org"));
	table_free(t);
}

static void name_and_what_is_below_it_are_kept_apart(void **unused)
{
	struct table *t = table_new(4);
	uint64_t a = hash_of(t, "a"), b = hash_of(t, "b"), c = hash_of(t, "c");

	put(t, a, DNS_NAME_SELF, 1);
	put(t, b, DNS_NAME_BELOW, 2);
	put(t, c, BOTH, 3);
	assert_int_equal(sets_of(t, a, DNS_NAME_SELF), 1 << 1);
	assert_int_equal(sets_of(t, a, DNS_NAME_BELOW), 0);
	assert_int_equal(sets_of(t, b, DNS_NAME_SELF), 0);
	assert_int_equal(sets_of(t, b, DNS_NAME_BELOW), 1 << 2);
	assert_int_equal(sets_of(t, c, DNS_NAME_SELF), 1 << 3);
	assert_int_equal(sets_of(t, c, DNS_NAME_BELOW), 1 << 3);
	assert_int_equal(t->names.slots, 3);
	table_free(t);
}

static void name_of_several_sets_has_all_of_them(void **unused)
{
	struct table *t = table_new(4);
	uint64_t a = hash_of(t, "a");

	put(t, a, BOTH, 1);
	put(t, a, DNS_NAME_SELF, 2); /* the slot parts */
	put(t, a, DNS_NAME_BELOW, 3);
	put(t, a, BOTH, 4);
	put(t, a, BOTH, 4);
	assert_int_equal(sets_of(t, a, DNS_NAME_SELF), 1 << 1 | 1 << 2 | 1 << 4);
	assert_int_equal(sets_of(t, a, DNS_NAME_BELOW), 1 << 1 | 1 << 3 | 1 << 4);
	assert_int_equal(t->names.slots, 2);
	table_free(t);
}

static void one_slot_is_enough_where_both_groups_become_the_same(void **unused)
{
	struct table *t = table_new(4);
	uint64_t a = hash_of(t, "a");

	put(t, a, DNS_NAME_SELF, 1);
	put(t, a, DNS_NAME_BELOW, 1);
	assert_int_equal(t->names.slots, 1);
	put(t, a, DNS_NAME_BELOW, 2);
	put(t, a, DNS_NAME_SELF, 2);
	assert_int_equal(t->names.slots, 2);
	assert_int_equal(sets_of(t, a, DNS_NAME_SELF), 6);
	assert_int_equal(sets_of(t, a, DNS_NAME_BELOW), 6);
	table_free(t);
}

/* A table far too small: what has no slot is known all the same, and the bucket says so. */
static void names_without_a_slot_are_not_lost(void **unused)
{
	struct table *t = table_new(1);

	for (uint64_t i = 1; i <= 500; i++) {
		put(t, i * 0x9e3779b97f4a7c15ULL, DNS_NAME_SELF, i % SETS);
		put(t, i * 0x9e3779b97f4a7c15ULL, BOTH, (i + 1) % SETS);
	}
	for (uint64_t i = 1; i <= 500; i++) {
		uint64_t hash = i * 0x9e3779b97f4a7c15ULL;
		unsigned int self = 1U << i % SETS | 1U << (i + 1) % SETS;

		assert_int_equal(sets_of(t, hash, DNS_NAME_SELF), self);
		assert_int_equal(sets_of(t, hash, DNS_NAME_BELOW), 1U << (i + 1) % SETS);
		assert_int_equal(dns_names_find(t->names.bucket, 1, hash, DNS_NAME_SELF),
				 DNS_GROUP_ASK);
	}
	assert_int_equal(names_group(&t->names, 12345, DNS_NAME_SELF), 0);
	assert_int_equal(t->names.slots, DNS_BUCKETS_LOOKED * DNS_BUCKET_SLOTS);
	assert_true(t->names.spills > 900);
	table_free(t);
}

static uint32_t shown(const struct table *t, const char *name, uint32_t kind)
{
	return dns_names_find(t->names.bucket, t->names.buckets, hash_of(t, name), kind);
}

static void hidden_names_are_what_they_were_to_the_resolver_alone(void **unused)
{
	struct table *t = table_new(4);

	put(t, hash_of(t, "a"), DNS_NAME_SELF, 1);
	put(t, hash_of(t, "b"), BOTH, 2);
	put(t, hash_of(t, "b"), DNS_NAME_SELF, 3); /* two slots */
	put(t, hash_of(t, "c"), BOTH, 4); /* one */
	for (const char *name = "a\0b\0c\0d\0d\0"; *name; name += 2)
		assert_int_equal(names_hide(&t->names, hash_of(t, name)), 0);
	for (const char *name = "a\0b\0c\0d\0"; *name; name += 2)
		assert_int_equal(shown(t, name, DNS_NAME_SELF), DNS_GROUP_ASK);
	assert_in_range(shown(t, "b", DNS_NAME_BELOW), 1, DNS_GROUP_ASK - 1);
	assert_int_equal(shown(t, "c", DNS_NAME_BELOW), DNS_GROUP_ASK);
	assert_int_equal(shown(t, "d", DNS_NAME_BELOW), 0);
	assert_int_equal(sets_of(t, hash_of(t, "a"), DNS_NAME_SELF), 1 << 1);
	assert_int_equal(sets_of(t, hash_of(t, "a"), DNS_NAME_BELOW), 0);
	assert_int_equal(sets_of(t, hash_of(t, "b"), DNS_NAME_SELF), 1 << 2 | 1 << 3);
	assert_int_equal(sets_of(t, hash_of(t, "b"), DNS_NAME_BELOW), 1 << 2);
	assert_int_equal(sets_of(t, hash_of(t, "c"), DNS_NAME_SELF), 1 << 4);
	assert_int_equal(sets_of(t, hash_of(t, "c"), DNS_NAME_BELOW), 1 << 4);
	assert_int_equal(names_group(&t->names, hash_of(t, "d"), DNS_NAME_SELF), 0);
	table_free(t);
}

/* Who knew the seed could fill one bucket: the others must not suffer, nor any name be lost. */
static void names_of_one_bucket_do_not_disturb_others(void **unused)
{
	struct table *t = table_new(1000);
	uint64_t home = (500ULL << 32) / 1000 + 1;

	for (uint64_t i = 1; i <= 2000; i++)
		put(t, home | i << 33, DNS_NAME_SELF, i % SETS);
	for (uint64_t i = 1; i <= 2000; i++)
		put(t, i * 0x9e3779b97f4a7c15ULL, DNS_NAME_SELF, 0);
	for (uint64_t i = 1; i <= 2000; i++) {
		assert_int_equal(sets_of(t, home | i << 33, DNS_NAME_SELF), 1U << i % SETS);
		assert_int_equal(sets_of(t, i * 0x9e3779b97f4a7c15ULL, DNS_NAME_SELF), 1);
	}
	assert_int_equal(t->names.slots + t->names.spills, 4000);
	table_free(t);
}

/* As many names as the table is made for, moved about to make room: each where it is looked for. */
static void full_table_has_every_name_and_hardly_needs_more(void **unused)
{
	enum { NAMES = 200000 };
	struct table *t = table_new((uint32_t)names_buckets(NAMES));
	uint32_t buckets = t->names.buckets;

	for (uint64_t i = 1; i <= NAMES; i++)
		put(t, i * 0x9e3779b97f4a7c15ULL, DNS_NAME_SELF, i % SETS);
	for (uint64_t i = 1; i <= NAMES; i++)
		assert_int_equal(bits_of(t,
					 dns_names_find(t->names.bucket, buckets,
							i * 0x9e3779b97f4a7c15ULL, DNS_NAME_SELF)),
				 1U << i % SETS);
	assert_int_equal(t->names.slots, NAMES);
	assert_int_equal(t->names.spills, 0);
	assert_true(names_bytes(&t->names) < NAMES * 14);
	table_free(t);
}

/* Beyond what is provided for: nine tenths full. */
static void crowded_table_has_every_name(void **unused)
{
	enum { BUCKETS = 2000, NAMES = BUCKETS * DNS_BUCKET_SLOTS * 9 / 10 };
	struct table *t = table_new(BUCKETS);
	uint64_t x = 88172645463325252ULL;
	static uint64_t hash[NAMES];

	for (unsigned int i = 0; i < NAMES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		hash[i] = x;
		put(t, x, i & 1 ? BOTH : DNS_NAME_SELF, i % SETS);
		if (i % 3 == 0)
			put(t, hash[i / 2], DNS_NAME_BELOW, (i / 2 + 5) % SETS);
	}
	for (unsigned int i = 0; i < NAMES; i++) {
		unsigned int got = sets_of(t, hash[i], DNS_NAME_SELF);

		assert_int_equal(got, 1U << i % SETS);
		got = sets_of(t, hash[i], DNS_NAME_BELOW) & ~(1U << (i + 5) % SETS);
		assert_int_equal(got, i & 1 ? 1U << i % SETS : 0);
	}
	table_free(t);
}

/* Twelve sets that all matter make 4095 combinations: more than slots have numbers for. */
static void groups_beyond_those_of_slots_are_known_to_the_resolver(void **unused)
{
	struct table *t = table_new(2000);
	unsigned int asked = 0;

	for (unsigned int n = 1; n < 1U << SETS; n++) {
		for (unsigned int set = 0; set < SETS; set++) {
			if (n >> set & 1)
				put(t, n * 0x9e3779b97f4a7c15ULL, BOTH, set);
		}
	}
	for (unsigned int n = 1; n < 1U << SETS; n++) {
		uint64_t hash = n * 0x9e3779b97f4a7c15ULL;

		assert_int_equal(sets_of(t, hash, DNS_NAME_SELF), n);
		assert_int_equal(sets_of(t, hash, DNS_NAME_BELOW), n);
		asked += dns_names_find(t->names.bucket, t->names.buckets, hash, DNS_NAME_SELF) ==
			 DNS_GROUP_ASK;
	}
	assert_true(asked > 3900 && asked < 4095);
	table_free(t);
}

static void memory_of_others_is_filled_and_left_to_them(void **unused)
{
	struct dns_bucket *own = calloc(4 + DNS_BUCKETS_LOOKED - 1, sizeof(*own));
	struct table *t = table_new(0);

	assert_int_equal(names_group(&t->names, 7, DNS_NAME_SELF), 0);
	assert_int_equal(names_set_table(&t->names, own, 4), 0);
	put(t, 7, DNS_NAME_SELF, 1);
	assert_int_equal(dns_names_find(own, 4, 7, DNS_NAME_SELF), 1);
	table_free(t);
	free(own);
}

static void tables_are_made_for_as_many_names_as_there_are(void **unused)
{
	assert_int_equal(names_buckets(0), 0);
	assert_int_equal(names_buckets(1), 1);
	assert_true(names_buckets(1000000) * 64 < 20000000);
	assert_true(names_buckets(5000000) <= DNS_NAMES_BUCKETS_MAX);
	assert_true(names_buckets(6000000) < 0);
}

/* --- groups ------------------------------------------------------------------------------- */

static int join(struct groups *g, const uint32_t *set, size_t num)
{
	int group = 0;

	for (size_t i = 0; i < num; i++) {
		group = groups_join(g, (uint32_t)group, set[i]);
		assert_true(group >= 0);
	}
	return group;
}

static void group_is_the_same_in_whatever_order_sets_come(void **unused)
{
	struct table *t = table_new(0);
	int a = join(t->groups, (uint32_t[]){ 1, 2, 3 }, 3);

	assert_int_equal(join(t->groups, (uint32_t[]){ 3, 1, 2, 1 }, 4), a);
	assert_int_equal(join(t->groups, (uint32_t[]){ 2, 3, 1 }, 3), a);
	assert_int_not_equal(join(t->groups, (uint32_t[]){ 2, 3 }, 2), a);
	assert_int_equal(bits_of(t, (uint32_t)a), 14);
	table_free(t);
}

/* Rule 0 has set 0 and nothing else: what rule 1 has does not matter where set 0 is. */
static void sets_behind_a_final_rule_are_left_out(void **unused)
{
	const struct groups_use use[] = { { .rule = 0, .kind = GROUPS_LISTS, .final = true },
					  { .rule = 1, .kind = GROUPS_LISTS },
					  { .rule = 1, .kind = GROUPS_EXCEPT },
					  { .policy = 1, .rule = 5, .kind = GROUPS_LISTS } };
	const struct groups_set set[] = {
		{ &use[0], 1 }, { &use[1], 1 }, { &use[2], 1 }, { &use[3], 1 }
	};
	struct groups *g;
	int a;

	assert_int_equal(groups_new(set, 4, &g), 0);
	a = join(g, (uint32_t[]){ 0 }, 1);
	assert_int_equal(join(g, (uint32_t[]){ 0, 1 }, 2), a);
	assert_int_equal(join(g, (uint32_t[]){ 2, 0 }, 2), a);
	assert_int_equal(join(g, (uint32_t[]){ 1, 2, 0 }, 3), a);
	assert_int_not_equal(join(g, (uint32_t[]){ 3, 0 }, 2), a); /* another policy's */
	groups_free(g);
}

static void second_list_of_a_rule_adds_nothing(void **unused)
{
	const struct groups_use use[] = { { .rule = 3, .kind = GROUPS_LISTS },
					  { .rule = 3, .kind = GROUPS_DOMAINS } };
	const struct groups_set set[] = { { &use[0], 1 }, { &use[0], 1 }, { &use[1], 1 } };
	struct groups *g;
	int a;

	assert_int_equal(groups_new(set, 3, &g), 0);
	a = join(g, (uint32_t[]){ 0 }, 1);
	assert_int_equal(join(g, (uint32_t[]){ 0, 1 }, 2), a);
	assert_int_equal(join(g, (uint32_t[]){ 1, 0 }, 2), a);
	assert_int_not_equal(join(g, (uint32_t[]){ 1 }, 1), a);
	/* domains and lists are two conditions */
	assert_int_not_equal(join(g, (uint32_t[]){ 0, 2 }, 2), a);
	groups_free(g);
}

static void too_many_groups_are_refused(void **unused)
{
	enum { MANY = 17 };
	struct groups_use use[MANY];
	struct groups_set set[MANY];
	struct groups *g;
	int r = 0;

	for (uint32_t i = 0; i < MANY; i++) {
		use[i] = (struct groups_use){ .rule = i, .kind = GROUPS_LISTS };
		set[i] = (struct groups_set){ &use[i], 1 };
	}
	assert_int_equal(groups_new(set, MANY, &g), 0);
	for (uint32_t n = 1; n < 1U << MANY && r >= 0; n++) {
		r = 0;
		for (uint32_t i = 0; i < MANY && r >= 0; i++) {
			if (n >> i & 1)
				r = groups_join(g, (uint32_t)r, i);
		}
	}
	assert_int_equal(r, -E2BIG);
	assert_int_equal(groups_last(g), GROUPS_MAX - 1);
	/* those that are there go on */
	assert_int_equal(groups_join(g, 0, 0), 1);
	groups_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_what_both_halves_fold_from_the_root),
		cmocka_unit_test(name_and_what_is_below_it_are_kept_apart),
		cmocka_unit_test(name_of_several_sets_has_all_of_them),
		cmocka_unit_test(one_slot_is_enough_where_both_groups_become_the_same),
		cmocka_unit_test(names_without_a_slot_are_not_lost),
		cmocka_unit_test(hidden_names_are_what_they_were_to_the_resolver_alone),
		cmocka_unit_test(names_of_one_bucket_do_not_disturb_others),
		cmocka_unit_test(full_table_has_every_name_and_hardly_needs_more),
		cmocka_unit_test(crowded_table_has_every_name),
		cmocka_unit_test(groups_beyond_those_of_slots_are_known_to_the_resolver),
		cmocka_unit_test(memory_of_others_is_filled_and_left_to_them),
		cmocka_unit_test(tables_are_made_for_as_many_names_as_there_are),
		cmocka_unit_test(group_is_the_same_in_whatever_order_sets_come),
		cmocka_unit_test(sets_behind_a_final_rule_are_left_out),
		cmocka_unit_test(second_list_of_a_rule_adds_nothing),
		cmocka_unit_test(too_many_groups_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
