// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hashes, buckets, decisions and block records as the resolver computes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/dns_block.h"
#include "bpf/dns_names.h"

static const struct dns_state state = { .seed = { 0x0123456789abcdefULL, 0xfedcba9876543210ULL } };

static __u64 hash_text(const struct dns_state *s, __u64 parent, const char *label)
{
	return dns_hash_label(s, parent, (const __u8 *)label, (__u32)strlen(label));
}

static void lowers_capitals_and_nothing_else(void **unused)
{
	for (unsigned int c = 0; c < 256; c++) {
		__u64 word = 0x0101010101010101ULL * c;
		unsigned int want = c >= 'A' && c <= 'Z' ? c + 32 : c;

		assert_int_equal(dns_lower8(word), 0x0101010101010101ULL * want);
	}
}

static void hash_depends_on_label_parent_and_seed(void **unused)
{
	struct dns_state other = state;
	__u64 root = dns_hash_root(&state), com = hash_text(&state, root, "com");

	other.seed[1] ^= 2;
	assert_int_equal(com, hash_text(&state, root, "com"));
	assert_true(com != hash_text(&state, root, "net"));
	assert_true(com != hash_text(&other, dns_hash_root(&other), "com"));
	assert_true(hash_text(&state, com, "a") != hash_text(&state, root, "a"));
	assert_true(hash_text(&state, hash_text(&state, root, "b"), "a") !=
		    hash_text(&state, hash_text(&state, root, "a"), "b"));
}

static int by_value(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Every length; labels of zero bytes, whose words differ by their length alone, included. */
static void labels_of_every_length_differ(void **unused)
{
	static __u64 hash[DNS_LABEL_MAX * 257];
	__u8 label[DNS_LABEL_MAX];
	size_t used = 0;

	for (__u32 len = 1; len <= DNS_LABEL_MAX; len++) {
		memset(label, 0, sizeof(label));
		hash[used++] = dns_hash_label(&state, 7, label, len);
		for (__u32 c = 1; c < 256; c++) {
			label[c % len] = (__u8)c;
			hash[used++] = dns_hash_label(&state, 7, label, len);
		}
	}
	qsort(hash, used, sizeof(hash[0]), by_value);
	for (size_t i = 1; i < used; i++)
		assert_true(hash[i] != hash[i - 1]);
}

/* A flip of any bit changes each bit of the hash in about half of all cases. */
static void every_bit_of_a_label_reaches_every_bit_of_the_hash(void **unused)
{
	enum { TRIES = 400, LEN = 14 };
	__u8 label[LEN];

	for (unsigned int bit = 0; bit < LEN * 8; bit++) {
		unsigned int flips[64] = { 0 };

		for (unsigned int i = 0; i < TRIES; i++) {
			__u64 before, after;

			for (unsigned int j = 0; j < LEN; j++)
				label[j] = (__u8)(i * 37 + j * 101 + (i >> 3));
			before = dns_hash_label(&state, i, label, LEN);
			label[bit / 8] ^= (__u8)(1 << bit % 8);
			after = dns_hash_label(&state, i, label, LEN);
			for (unsigned int k = 0; k < 64; k++)
				flips[k] += (before ^ after) >> k & 1;
		}
		for (unsigned int k = 0; k < 64; k++)
			assert_in_range(flips[k], TRIES / 10, TRIES * 9 / 10);
	}
}

/* The top bit of a byte passes a product unchanged: two words must not undo each other. */
static void differences_that_pass_one_product_do_not_cancel(void **unused)
{
	__u8 a[16] = "aaaaaaaabbbbbbb", b[16];

	memcpy(b, a, sizeof(b));
	b[7] ^= 0x80;
	for (unsigned int bits = 0; bits < 256; bits++) {
		b[8 + 3] = a[8 + 3] ^ (__u8)bits;
		assert_true(dns_hash_label(&state, 5, a, 15) != dns_hash_label(&state, 5, b, 15));
	}
}

static __u64 slot(__u64 hash, __u32 group, __u32 kinds)
{
	return hash << DNS_SLOT_HASH_SHIFT | group << DNS_SLOT_GROUP_SHIFT | kinds;
}

static void bucket_tells_a_name_from_what_is_below_it(void **unused)
{
	struct dns_bucket b = { .slot = { slot(3, 5, DNS_NAME_SELF), slot(4, 6, DNS_NAME_BELOW),
					  slot(9, 7, DNS_NAME_SELF | DNS_NAME_BELOW),
					  slot(3, 126, DNS_NAME_BELOW) } };

	assert_int_equal(dns_bucket_find(&b, 3, DNS_NAME_SELF), 5);
	assert_int_equal(dns_bucket_find(&b, 3, DNS_NAME_BELOW), 126);
	assert_int_equal(dns_bucket_find(&b, 4, DNS_NAME_SELF), 0);
	assert_int_equal(dns_bucket_find(&b, 4, DNS_NAME_BELOW), 6);
	assert_int_equal(dns_bucket_find(&b, 9, DNS_NAME_SELF), 7);
	assert_int_equal(dns_bucket_find(&b, 9, DNS_NAME_BELOW), 7);
	assert_int_equal(dns_bucket_find(&b, 1, DNS_NAME_SELF), 0);
	/* empty slots are no name's */
	assert_int_equal(dns_bucket_find(&b, 0, DNS_NAME_SELF), 0);
}

static void table_is_looked_at_as_far_as_buckets_are_full(void **unused)
{
	struct dns_bucket table[2 + DNS_BUCKETS_LOOKED] = { 0 };
	__u64 hash = 0x1234000080000000ULL; /* bucket 1 of 2 */

	assert_int_equal(dns_bucket_index(hash, 2), 1);
	table[3].slot[0] = slot(hash, 9, DNS_NAME_SELF);
	assert_int_equal(dns_names_find(table, 2, hash, DNS_NAME_SELF), 0);
	for (unsigned int i = 0; i < DNS_BUCKET_SLOTS; i++)
		table[1].slot[i] = table[2].slot[i] = slot(0x80001000 + i, 1, DNS_NAME_SELF);
	assert_int_equal(dns_names_find(table, 2, hash, DNS_NAME_SELF), 9);
	assert_int_equal(dns_names_find(table, 2, 0x80001000, DNS_NAME_SELF), 1);
	table[1].slot[0] |= DNS_SLOT_SPILLED;
	assert_int_equal(dns_bucket_find(&table[1], 0x80001000, DNS_NAME_SELF), 1);
	assert_int_equal(dns_names_find(table, 2, hash, DNS_NAME_SELF), DNS_GROUP_ASK);
	assert_int_equal(dns_names_find(table, 0, hash, DNS_NAME_SELF), 0);
}

static void index_reaches_the_last_bucket_and_none_behind(void **unused)
{
	assert_int_equal(dns_bucket_index(~0ULL, 77), 76);
	assert_int_equal(dns_bucket_index(~0ULL, DNS_NAMES_BUCKETS_MAX), DNS_NAMES_BUCKETS_MAX - 1);
	assert_int_equal(dns_bucket_index(0xffffffff00000000ULL, 77), 0);
}

static void lowest_bit_of_any_word_is_found(void **unused)
{
	for (unsigned int i = 0; i < 64; i++) {
		assert_int_equal(dns_lowest(1ULL << i), i);
		assert_int_equal(dns_lowest(~0ULL << i), i);
	}
}

static void types_are_told_apart(void **unused)
{
	assert_int_equal(dns_type_of(1), DNS_TYPE_A);
	assert_int_equal(dns_type_of(28), DNS_TYPE_AAAA);
	assert_int_equal(dns_type_of(65), DNS_TYPE_HTTPS);
	assert_int_equal(dns_type_of(0), DNS_TYPE_OTHER);
	assert_int_equal(dns_type_of(257), DNS_TYPE_OTHER);
}

/*
 * Rule 0: names of group 1, type A: NXDOMAIN. Rule 1: lists of group 2 and domains of group 3:
 * ZERO. Rule 2: lists of group 2 or 4, not of 5, no type: REFUSED. Rule 3: type 257: NODATA.
 */
static void make_policy(struct dns_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->group[1].domains = 1;
	p->group[2].lists = 2 | 4;
	p->group[3].domains = 2;
	p->group[4].lists = 4;
	p->group[5].except = 4;
	p->any_domain = 4 | 8;
	p->any_list = 1 | 8;
	for (unsigned int t = 0; t < DNS_TYPE_NUM; t++)
		p->type_rules[t] = 2 | 4;
	p->type_rules[DNS_TYPE_A] |= 1;
	p->type_rules[DNS_TYPE_OTHER] |= 8;
	p->ask_other = 8;
	p->action[0] = DNS_NXDOMAIN;
	p->action[1] = DNS_ZERO;
	p->action[2] = DNS_REFUSED;
	p->action[3] = DNS_NODATA;
	p->no_match = DNS_PASS;
}

static struct dns_decision decide(const struct dns_policy *p, __u32 a, __u32 b, __u32 type)
{
	struct dns_match m = { 0 };

	dns_match_group(p, a, &m);
	dns_match_group(p, b, &m);
	return dns_decide(p, &m, type);
}

static void first_rule_whose_conditions_all_hold_decides(void **unused)
{
	static const struct {
		__u32 a, b, type;
		enum dns_action action;
		unsigned int rule;
	} row[] = {
		{ 0, 0, DNS_TYPE_A, DNS_PASS, DNS_RULES_MAX },
		{ 1, 0, DNS_TYPE_A, DNS_NXDOMAIN, 0 },
		{ 1, 0, DNS_TYPE_AAAA, DNS_PASS, DNS_RULES_MAX },
		{ 2, 0, DNS_TYPE_A, DNS_REFUSED, 2 },
		{ 3, 0, DNS_TYPE_A, DNS_PASS, DNS_RULES_MAX },
		{ 2, 3, DNS_TYPE_A, DNS_ZERO, 1 },
		{ 2, 1, DNS_TYPE_A, DNS_NXDOMAIN, 0 },
		{ 4, 5, DNS_TYPE_A, DNS_PASS, DNS_RULES_MAX },
		{ 5, 4, DNS_TYPE_A, DNS_PASS, DNS_RULES_MAX },
		{ 2, DNS_GROUP_ASK, DNS_TYPE_A, DNS_ASK, DNS_RULES_MAX },
		{ 0, 0, DNS_TYPE_OTHER, DNS_ASK, 3 },
		{ 2, 0, DNS_TYPE_OTHER, DNS_REFUSED, 2 },
	};
	struct dns_policy p;

	make_policy(&p);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct dns_decision d = decide(&p, row[i].a, row[i].b, row[i].type);

		assert_int_equal(d.action, row[i].action);
		assert_int_equal(d.rule, row[i].rule);
	}
}

static void block_record_is_what_the_head_of_the_file_says(void **unused)
{
	static const __u8 soa[] = { 0xc0, 0x0c, 0, 6, 0,    1,	  0, 0x01, 0x51, 0x81, 0, 22,
				    0,	  0,	0, 0, 0,    1,	  0, 0,	   0x0e, 0x10, 0, 0,
				    2,	  0x58, 0, 1, 0x51, 0x80, 0, 0x01, 0x51, 0x81 };
	static const __u8 zero[] = { 0xc0, 0x0c, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0, 0,
				     0,	   0,	 0, 0,	0, 0, 0, 0, 0, 0,  0, 0,  0, 0 };
	__u8 out[DNS_BLOCK_BYTES];
	struct dns_block b = dns_block_write(out, DNS_NXDOMAIN, 1, 86401);

	assert_int_equal(b.rcode, 3);
	assert_int_equal(b.authorities, 1);
	assert_int_equal(b.bytes, sizeof(soa));
	assert_memory_equal(out, soa, sizeof(soa));
	b = dns_block_write(out, DNS_ZERO, 28, 60);
	assert_int_equal(b.rcode, 0);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.bytes, sizeof(zero));
	assert_memory_equal(out, zero, sizeof(zero));
	b = dns_block_write(out, DNS_ZERO, 1, 60);
	assert_int_equal(b.bytes, 16);
	b = dns_block_write(out, DNS_ZERO, 65, 60);
	assert_int_equal(b.answers, 0);
	assert_int_equal(b.authorities, 1);
	b = dns_block_write(out, DNS_REFUSED, 1, 60);
	assert_int_equal(b.rcode, 5);
	assert_int_equal(b.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowers_capitals_and_nothing_else),
		cmocka_unit_test(hash_depends_on_label_parent_and_seed),
		cmocka_unit_test(labels_of_every_length_differ),
		cmocka_unit_test(every_bit_of_a_label_reaches_every_bit_of_the_hash),
		cmocka_unit_test(differences_that_pass_one_product_do_not_cancel),
		cmocka_unit_test(bucket_tells_a_name_from_what_is_below_it),
		cmocka_unit_test(table_is_looked_at_as_far_as_buckets_are_full),
		cmocka_unit_test(index_reaches_the_last_bucket_and_none_behind),
		cmocka_unit_test(lowest_bit_of_any_word_is_found),
		cmocka_unit_test(types_are_told_apart),
		cmocka_unit_test(first_rule_whose_conditions_all_hold_decides),
		cmocka_unit_test(block_record_is_what_the_head_of_the_file_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
