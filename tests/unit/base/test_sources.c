// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sources.c: accounts come and go with what they hold, order, who holds most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/sources.h"

#define ADDRESSES 3000
#define STEPS 200000

static struct sources table;

static int setup(void **state)
{
	return sources_init(&table);
}

static int teardown(void **state)
{
	sources_done(&table);
	return 0;
}

static struct addr address(uint32_t n)
{
	struct addr a = { .b = { 0xfd } };

	memcpy(a.b + 12, &n, sizeof(n));
	return a;
}

static struct source *enter(uint32_t n, unsigned int kind, struct list *item)
{
	struct addr a = address(n);

	return sources_enter(&table, &a, kind, item);
}

static struct source *find(uint32_t n)
{
	struct addr a = address(n);

	return sources_find(&table, &a);
}

static uint32_t count(uint32_t n, unsigned int kind)
{
	struct addr a = address(n);

	return sources_count(&table, &a, kind);
}

static void an_account_lives_as_long_as_it_holds_something(void **state)
{
	struct source *s = enter(1, 0, NULL);

	assert_non_null(s);
	assert_ptr_equal(find(1), s);
	assert_null(find(2));
	assert_ptr_equal(enter(1, 2, NULL), s);
	source_release(&table, s, 0, NULL);
	assert_ptr_equal(find(1), s);
	assert_int_equal(count(1, 0), 0);
	assert_int_equal(count(1, 2), 1);
	source_release(&table, s, 2, NULL);
	assert_null(find(1));
	assert_int_equal(count(1, 2), 0);
	assert_int_equal(table.count, 0);
}

static void items_are_kept_in_the_order_they_came(void **state)
{
	struct list a = LIST_INIT(a), b = LIST_INIT(b), c = LIST_INIT(c);
	struct source *s = enter(1, 1, &a);

	enter(1, 1, &b);
	source_hold(&table, s, 1, &c);
	assert_ptr_equal(s->kind[1].items.next, &a);
	list_touch(&s->kind[1].items, &a);
	assert_ptr_equal(s->kind[1].items.next, &b);
	source_release(&table, s, 1, &b);
	assert_true(list_is_empty(&b));
	assert_ptr_equal(s->kind[1].items.next, &c);
	source_release(&table, s, 1, &c);
	source_release(&table, s, 1, &a);
}

static void the_largest_of_a_kind_holds_more_than_half_of_the_most(void **state)
{
	static uint32_t held[2][ADDRESSES];
	uint32_t random = 1;

	for (int step = 0; step < STEPS; step++) {
		struct source *s;
		uint32_t n;
		int kind;

		random = random * 1664525 + 1013904223;
		n = (random >> 8) % ADDRESSES % (1 + step % ADDRESSES); /* few hold most */
		kind = random >> 30 & 1;
		if (random >> 31 || !held[kind][n]) {
			s = enter(n, (unsigned int)kind, NULL);
			held[kind][n]++;
		} else {
			source_release(&table, find(n), (unsigned int)kind, NULL);
			held[kind][n]--;
		}
		if (step % 1000)
			continue;
		for (int k = 0; k < 2; k++) {
			uint32_t most = 0;

			for (uint32_t i = 0; i < ADDRESSES; i++) {
				s = find(i);
				assert_int_equal(s ? s->kind[k].count : 0, held[k][i]);
				most = held[k][i] > most ? held[k][i] : most;
			}
			s = sources_largest(&table, (unsigned int)k);
			if (!most)
				assert_null(s);
			else
				assert_true(s->kind[k].count > most / 2);
		}
	}
	for (uint32_t i = 0; i < ADDRESSES; i++)
		for (unsigned int k = 0; k < 2; k++)
			while (held[k][i]--)
				source_release(&table, find(i), k, NULL);
	assert_int_equal(table.count, 0);
	assert_null(sources_largest(&table, 0));
	assert_null(sources_largest(&table, 1));
}

static void the_place_of_an_account_depends_on_a_secret(void **state)
{
	struct sources other;
	struct addr a = address(1);

	assert_int_equal(sources_init(&other), 0);
	assert_int_not_equal(enter(1, 0, NULL)->hash, sources_enter(&other, &a, 0, NULL)->hash);
	source_release(&other, sources_find(&other, &a), 0, NULL);
	source_release(&table, find(1), 0, NULL);
	sources_done(&other);
}

static void the_idlest_is_whoever_was_touched_longest_ago(void **state)
{
	uint64_t now = 1;

	assert_null(sources_idlest(&table, 0));
	for (uint32_t i = 0; i < 6; i++) /* of three ranks */
		for (uint32_t n = 0; n <= i; n++)
			source_touch(&table, enter(i, 0, NULL), 0, now++);
	assert_ptr_equal(sources_idlest(&table, 0), find(0));
	source_touch(&table, find(0), 0, now++);
	assert_ptr_equal(sources_idlest(&table, 0), find(1));
	source_touch(&table, find(1), 0, now++);
	source_touch(&table, find(2), 0, now++);
	source_touch(&table, find(3), 0, now++);
	assert_ptr_equal(sources_idlest(&table, 0), find(4));
	for (uint32_t i = 0; i < 6; i++)
		for (uint32_t n = 0; n <= i; n++)
			source_release(&table, find(i), 0, NULL);
	assert_null(sources_idlest(&table, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_account_lives_as_long_as_it_holds_something,
						setup, teardown),
		cmocka_unit_test_setup_teardown(items_are_kept_in_the_order_they_came, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			the_largest_of_a_kind_holds_more_than_half_of_the_most, setup, teardown),
		cmocka_unit_test_setup_teardown(the_idlest_is_whoever_was_touched_longest_ago,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_place_of_an_account_depends_on_a_secret, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
