// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* query.c: which queries are the same, and the order in which they expire. */
#include "support.h"

#include <netinet/in.h>

#include "dns/query.h"

static struct query_table *table;

static int setup(void **state)
{
	clock_inject(test_clock);
	return query_table_new(4, &table);
}

static int teardown(void **state)
{
	while (query_oldest(table))
		query_remove(table, query_oldest(table));
	query_table_free(table);
	clock_inject(NULL);
	return 0;
}

static struct client client_of(uint16_t port)
{
	struct client c = { .flow.proto = IPPROTO_UDP, .flow.sport = htons(port) };

	return c;
}

static struct msg_question question_of(const char *name, uint16_t type)
{
	struct msg_question q = { .type = type, .class = CLASS_IN };
	static struct wire w;

	w.len = 0;
	wire_name(&w, name);
	assert_true(name_parse(w.b, w.len, 0, &q.name) > 0);
	return q;
}

static struct query *add(uint16_t port, uint16_t id, const char *name)
{
	struct query q = { .client = client_of(port), .id = id };

	q.question = question_of(name, TYPE_A);
	return query_add(table, &q);
}

static struct query *find(uint16_t port, uint16_t id, const char *name)
{
	struct client client = client_of(port);
	struct msg_question question = question_of(name, TYPE_A);

	return query_find(table, &client, id, &question);
}

static void finds_a_query_without_regard_to_case(void **state)
{
	struct query *q = add(1000, 7, "www.test");

	assert_ptr_equal(find(1000, 7, "WWW.test"), q);
}

static void equal_ids_do_not_collide(void **state)
{
	struct query *a = add(1000, 7, "www.test"), *b = add(1001, 7, "www.test");
	struct query *c = add(1000, 7, "ww.test");

	assert_ptr_equal(find(1000, 7, "www.test"), a);
	assert_ptr_equal(find(1001, 7, "www.test"), b);
	assert_ptr_equal(find(1000, 7, "ww.test"), c);
	assert_null(find(1000, 8, "www.test"));
	assert_null(find(1002, 7, "www.test"));
}

static void every_part_of_the_client_counts(void **state)
{
	struct msg_question question = question_of("www.test", TYPE_A);
	struct client a = client_of(1000), b = a;

	assert_non_null(add(1000, 7, "www.test"));
	b.flow.proto = IPPROTO_TCP;
	assert_null(query_find(table, &b, 7, &question));
	b = a;
	b.flow.daddr.b[15] = 1;
	assert_null(query_find(table, &b, 7, &question));
	b = a;
	b.flow.saddr.b[0] = 1;
	assert_null(query_find(table, &b, 7, &question));
	b = a;
	b.generation = 1;
	assert_null(query_find(table, &b, 7, &question));
	question.type = TYPE_AAAA;
	assert_null(query_find(table, &a, 7, &question));
}

static void is_full_at_its_bound_and_reuses_what_is_freed(void **state)
{
	struct query *q[4];

	for (uint16_t i = 0; i < 4; i++)
		q[i] = add(1000 + i, i, "www.test");
	assert_null(add(1004, 4, "www.test"));
	query_remove(table, q[2]);
	assert_int_equal(query_count(table), 3);
	assert_null(find(1002, 2, "www.test"));
	assert_ptr_equal(add(1004, 4, "www.test"), q[2]);
	assert_ptr_equal(find(1003, 3, "www.test"), q[3]);
}

static void the_oldest_comes_first(void **state)
{
	struct query *a, *b;

	assert_null(query_oldest(table));
	a = add(1000, 1, "a.test");
	advance_ms(10);
	b = add(1000, 1, "b.test");
	assert_ptr_equal(query_oldest(table), a);
	assert_int_equal(b->started_ns - a->started_ns, 10 * NSEC_PER_MSEC);
	query_remove(table, a);
	assert_ptr_equal(query_oldest(table), b);
	query_remove(table, b);
	assert_null(query_oldest(table));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(finds_a_query_without_regard_to_case),
		T(equal_ids_do_not_collide),
		T(every_part_of_the_client_counts),
		T(is_full_at_its_bound_and_reuses_what_is_freed),
		T(the_oldest_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
