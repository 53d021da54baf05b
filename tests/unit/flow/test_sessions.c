// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sessions.c: find, cap, order of age, reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "flow/sessions.h"

#define MAX 100
#define KIND 3
#define IDLE_MS 2000

struct item {
	struct session session;
	int note;
};

static struct sessions table;
static struct sources sources;
static uint64_t now_ns;

static uint64_t test_clock(void)
{
	return now_ns;
}

static int setup(void **state)
{
	now_ns = 1000 * NSEC_PER_SEC;
	clock_inject(test_clock);
	return sources_init(&sources) ?
		       -1 :
		       sessions_init(&table, &sources, KIND, MAX, sizeof(struct item), IDLE_MS);
}

static int teardown(void **state)
{
	while (sessions_any(&table))
		sessions_remove(&table, sessions_any(&table));
	sessions_done(&table);
	sources_done(&sources);
	clock_inject(NULL);
	return 0;
}

static struct flow_key key_of(unsigned int n)
{
	struct flow_key key = { .sport = n & 0xffff, .dport = 9, .proto = 17 };

	key.saddr.b[15] = n >> 16;
	return key;
}

static struct session *add(unsigned int n)
{
	struct flow_key key = key_of(n);

	return sessions_add(&table, &key);
}

/* Of the source of `s`. */
static struct session *oldest(const struct session *s)
{
	return sessions_idle(&table, s->source, 0);
}

static struct session *find(unsigned int n)
{
	struct flow_key key = key_of(n);

	return sessions_find(&table, &key);
}

static void finds_what_was_added_and_nothing_else(void **state)
{
	struct session *s[MAX];

	for (unsigned int i = 0; i < MAX; i++)
		s[i] = add(i);
	for (unsigned int i = 0; i < MAX; i++) {
		assert_ptr_equal(find(i), s[i]);
		assert_ptr_equal(find(i), s[i]); /* by the memory of the last one */
	}
	assert_null(find(MAX));
	assert_null(find(1 << 16));
}

static void every_byte_of_the_key_counts(void **state)
{
	struct flow_key key = key_of(1);
	unsigned char *byte = (unsigned char *)&key;

	assert_non_null(add(1));
	for (size_t i = 0; i < offsetof(struct flow_key, pad); i++) {
		byte[i] ^= 0x40;
		assert_null(sessions_find(&table, &key));
		byte[i] ^= 0x40;
	}
	assert_non_null(sessions_find(&table, &key));
}

static void refuses_more_than_its_maximum(void **state)
{
	for (unsigned int i = 0; i < MAX; i++)
		assert_non_null(add(i));
	assert_null(add(MAX));
	sessions_remove(&table, find(50));
	assert_non_null(add(MAX));
	assert_int_equal(table.count, MAX);
}

static void a_removed_session_is_not_found_and_comes_back_zeroed(void **state)
{
	struct item *item = (struct item *)add(1);

	item->note = 42;
	assert_ptr_equal(find(1), &item->session);
	sessions_remove(&table, &item->session);
	assert_null(find(1));
	assert_ptr_equal(add(2), &item->session); /* the same place */
	assert_int_equal(item->note, 0);
	assert_null(find(1));
	assert_ptr_equal(find(2), &item->session);
}

static void the_oldest_is_the_least_recently_used(void **state)
{
	struct session *a = add(1), *b = add(2), *c = add(3);

	assert_ptr_equal(oldest(a), a);
	sessions_touch(&table, a);
	assert_ptr_equal(oldest(a), b);
	sessions_remove(&table, b);
	assert_ptr_equal(oldest(a), c);
	assert_ptr_equal(sessions_any(&table), c);
	sessions_remove(&table, c);
	sessions_remove(&table, a);
	assert_null(sessions_any(&table));
	assert_int_equal(sources.count, 0);
}

/* Those of another source are another order. */
static void each_source_has_an_oldest_of_its_own(void **state)
{
	struct session *a = add(1), *other = add(1 << 16), *b = add(2);

	assert_ptr_equal(a->source, b->source);
	assert_ptr_not_equal(a->source, other->source);
	sessions_touch(&table, a);
	assert_ptr_equal(oldest(a), b);
	assert_ptr_equal(oldest(other), other);
}

static unsigned int swept;

static void sweep_one(struct session *s)
{
	swept++;
	sessions_remove(&table, s);
}

/* Returns how many were idle. */
static unsigned int sweep(unsigned int max)
{
	swept = 0;
	sessions_sweep(&table, max, sweep_one);
	return swept;
}

static void a_sweep_takes_the_idle_of_every_source(void **state)
{
	for (unsigned int i = 0; i < 30; i++)
		add(i % 3 << 16 | i);
	now_ns += 1000 * NSEC_PER_MSEC;
	for (unsigned int i = 0; i < 30; i += 5)
		sessions_touch(&table, find(i % 3 << 16 | i));
	now_ns += 1000 * NSEC_PER_MSEC;
	assert_int_equal(sweep(MAX), 24);
	now_ns += 999 * NSEC_PER_MSEC;
	assert_int_equal(sweep(MAX), 0);
	now_ns += 1 * NSEC_PER_MSEC;
	assert_int_equal(sweep(MAX), 6);
	assert_int_equal(table.count, 0);
	assert_int_equal(sources.count, 0);
}

static void a_sweep_takes_no_more_than_it_is_told_to(void **state)
{
	for (unsigned int i = 0; i < MAX; i++)
		add(i);
	now_ns += IDLE_MS * NSEC_PER_MSEC;
	swept = 0;
	assert_true(sessions_sweep(&table, 30, sweep_one));
	assert_int_equal(swept, 30);
	assert_true(sessions_sweep(&table, 30, sweep_one));
	assert_false(sessions_sweep(&table, MAX, sweep_one));
	assert_int_equal(swept, MAX);
}

/* Sweeps at any times, also long after all are idle, see each at its own time. */
static void no_use_is_forgotten_by_the_wheel(void **state)
{
	for (unsigned int i = 0; i < MAX; i++)
		add(i);
	for (unsigned int ms = 0; ms < 20 * IDLE_MS; ms += 37) {
		now_ns += 37 * NSEC_PER_MSEC;
		for (unsigned int i = 0; i < MAX / 2; i++)
			if ((ms + i) % 19 == 0)
				sessions_touch(&table, find(i));
		if (ms % 5 == 0)
			sweep(MAX);
	}
	assert_int_equal(table.count, MAX / 2);
	now_ns += 100 * IDLE_MS * NSEC_PER_MSEC;
	assert_int_equal(sweep(MAX), MAX / 2);
}

static void sessions_that_are_idle_are_not_looked_at_before_their_time(void **state)
{
	struct session *s = add(1);

	/* What a sweep would look at. */
	s->due.next->prev = NULL;
	s->due.prev->next = NULL;
	now_ns += IDLE_MS / 2 * NSEC_PER_MSEC;
	assert_int_equal(sweep(MAX), 0);
	s->due.next->prev = &s->due;
	s->due.prev->next = &s->due;
}

static void is_idle_from_the_given_time_on(void **state)
{
	struct session *a = add(1);

	now_ns += 59999 * NSEC_PER_MSEC;
	assert_null(sessions_idle(&table, a->source, 60000));
	now_ns += NSEC_PER_MSEC;
	assert_ptr_equal(sessions_idle(&table, a->source, 60000), a);
	sessions_touch(&table, a);
	assert_null(sessions_idle(&table, a->source, 60000));
}

/* Random adds and removals against a plain array. */
static void agrees_with_a_plain_array(void **state)
{
	struct session *model[2 * MAX] = { 0 };
	uint32_t random = 1;
	unsigned int count = 0;

	for (int i = 0; i < 20000; i++) {
		unsigned int n;

		random = random * 1664525 + 1013904223;
		n = (random >> 16) % (2 * MAX);
		assert_ptr_equal(find(n), model[n]);
		if (model[n]) {
			sessions_remove(&table, model[n]);
			model[n] = NULL;
			count--;
		} else if (count < MAX) {
			model[n] = add(n);
			count++;
		}
		assert_int_equal(table.count, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_what_was_added_and_nothing_else, setup,
						teardown),
		cmocka_unit_test_setup_teardown(every_byte_of_the_key_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_more_than_its_maximum, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_removed_session_is_not_found_and_comes_back_zeroed, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_is_the_least_recently_used, setup,
						teardown),
		cmocka_unit_test_setup_teardown(each_source_has_an_oldest_of_its_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_sweep_takes_no_more_than_it_is_told_to, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_use_is_forgotten_by_the_wheel, setup, teardown),
		cmocka_unit_test_setup_teardown(
			sessions_that_are_idle_are_not_looked_at_before_their_time, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_sweep_takes_the_idle_of_every_source, setup,
						teardown),
		cmocka_unit_test_setup_teardown(is_idle_from_the_given_time_on, setup, teardown),
		cmocka_unit_test_setup_teardown(agrees_with_a_plain_array, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
