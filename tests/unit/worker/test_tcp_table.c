// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "worker/tcp_internal.h"

#define FLOWS 5000

static struct tcp_table table;
static struct tcp_flow *flows;

static int up(void **state)
{
	flows = calloc(FLOWS + 1, sizeof(*flows));
	return flows && tcp_table_init(&table) == 0 ? 0 : -1;
}

static int down(void **state)
{
	tcp_table_done(&table);
	free(flows);
	return 0;
}

static void add(uint32_t i)
{
	memcpy(flows[i].key.saddr.b, &i, sizeof(i));
	flows[i].key.proto = 6;
	tcp_table_add(&table, &flows[i]);
}

static struct tcp_flow *find(uint32_t i)
{
	struct flow_key key = { .proto = 6 };

	memcpy(key.saddr.b, &i, sizeof(i));
	return tcp_table_find(&table, &key, tcp_table_hash(&table, &key));
}

static void finds_each_flow_after_growing(void **state)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		add(i);
	assert_true(table.mask > FLOWS / 2);
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_ptr_equal(find(i), &flows[i]);
	assert_null(find(FLOWS));
}

/* A packet may pay for itself, not for moving what is there. */
static void grows_by_one_bucket_with_one_flow(void **state)
{
	uint32_t buckets = table.mask + 1 + table.split;

	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t now;

		add(i);
		now = table.mask + 1 + table.split;
		assert_true(now - buckets <= 1);
		buckets = now;
	}
	assert_true(buckets >= FLOWS);
}

static void removed_flows_are_gone_and_the_others_stay(void **state)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		add(i);
	for (uint32_t i = 0; i < FLOWS; i += 2)
		tcp_table_remove(&table, &flows[i]);
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_ptr_equal(find(i), i % 2 ? &flows[i] : NULL);
	assert_int_equal(table.count, FLOWS / 2);
}

static void any_finds_the_last_one_too(void **state)
{
	assert_null(tcp_table_any(&table));
	add(3);
	assert_ptr_equal(tcp_table_any(&table), &flows[3]);
	tcp_table_remove(&table, &flows[3]);
	assert_null(tcp_table_any(&table));
}

static void any_empties_the_table_bucket_by_bucket(void **state)
{
	uint32_t left = FLOWS;

	for (uint32_t i = 0; i < FLOWS; i++)
		add(i);
	for (struct tcp_flow *f; (f = tcp_table_any(&table)); left--)
		tcp_table_remove(&table, f);
	assert_int_equal(left, 0);
	add(5);
	assert_ptr_equal(tcp_table_any(&table), &flows[5]);
}

static void the_hash_depends_on_a_secret(void **state)
{
	struct flow_key key = { .proto = 6 };
	struct tcp_table other;

	assert_int_equal(tcp_table_init(&other), 0);
	assert_int_not_equal(tcp_table_hash(&table, &key), tcp_table_hash(&other, &key));
	tcp_table_done(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_each_flow_after_growing, up, down),
		cmocka_unit_test_setup_teardown(grows_by_one_bucket_with_one_flow, up, down),
		cmocka_unit_test_setup_teardown(removed_flows_are_gone_and_the_others_stay, up,
						down),
		cmocka_unit_test_setup_teardown(any_finds_the_last_one_too, up, down),
		cmocka_unit_test_setup_teardown(any_empties_the_table_bucket_by_bucket, up, down),
		cmocka_unit_test_setup_teardown(the_hash_depends_on_a_secret, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
