// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcp_queue.c: in which order connections are begun when many want to. */
#include "unit/worker/tcp_bench.h"

static struct app app_of(const char *source, uint16_t sport)
{
	struct app a = app_at("198.51.100.7", sport);

	assert_int_equal(addr_parse(source, &a.path.src), 0);
	return a;
}

static void send_syns(const char *source, unsigned int number)
{
	for (unsigned int i = 0; i < number; i++) {
		struct app a = app_of(source, (uint16_t)(10000 + i));

		app_send(&a, SEG_SYN, NULL, 0);
	}
}

static uint64_t begun(void)
{
	return bench.counters.stats.tcp_connecting + bench.counters.stats.tcp_total;
}

/* Has a connection of this source been begun? */
static bool is_begun(const char *source, uint16_t sport)
{
	struct app a = app_of(source, sport);
	struct flow_key key;

	memset(&key, 0, sizeof(key));
	key.saddr = a.path.src;
	key.daddr = a.path.dst;
	key.sport = a.path.sport;
	key.dport = a.path.dport;
	key.proto = IPPROTO_TCP;
	return tcp_table_find(&bench.w.tcp->table, &key,
			      tcp_table_hash(&bench.w.tcp->table, &key)) != NULL;
}

static void a_turn_begins_so_many_and_the_rest_later(void **state)
{
	send_syns("10.0.0.2", 100);
	assert_int_equal(begun(), TCP_DIALS_PER_TURN);
	bench_turn(0); /* has begun its share already */
	bench_turn(0);
	assert_int_equal(begun(), 2 * TCP_DIALS_PER_TURN);
	for (int i = 0; i < 10; i++)
		bench_turn(0);
	assert_int_equal(begun(), 100);
	assert_false(timer_is_armed(&bench.w.tcp->queue.timer));
}

static void another_source_is_one_of_the_next(void **state)
{
	send_syns("10.0.0.2", 1000);
	send_syns("10.0.0.3", 1);
	bench_turn(0);
	assert_false(is_begun("10.0.0.3", 10000));
	bench_turn(0);
	assert_true(is_begun("10.0.0.3", 10000));
	assert_int_equal(begun(), 2 * TCP_DIALS_PER_TURN);
}

static void beyond_the_limit_the_first_of_whoever_sent_most_is_dropped(void **state)
{
	send_syns("10.0.0.3", TCP_DIALS_PER_TURN + 1);
	send_syns("10.0.0.2", TCP_SYNS_WAITING_MAX + 10);
	assert_int_equal(bench.counters.drops.connects, 11);
	assert_int_equal(bench.end, END_LIMIT);
	assert_int_equal(bench.ended, 11);
	bench_turn(0);
	bench_turn(0);
	assert_true(is_begun("10.0.0.3", 10000 + TCP_DIALS_PER_TURN));
	assert_false(is_begun("10.0.0.2", 10000));
	assert_true(is_begun("10.0.0.2", 10011));
}

/* Many sources, and one that has finished a handshake before: it is among the next. */
static void a_known_source_does_not_wait_for_those_that_are_not(void **state)
{
	struct app known = app_of("10.0.0.3", 4000);
	int fd = app_connect(&known);
	char source[32];

	for (int i = 0; i < 2 * TCP_SYNS_WAITING_MAX; i++) {
		snprintf(source, sizeof(source), "10.1.%d.%d", i / 250, 1 + i % 250);
		send_syns(source, 1);
	}
	send_syns("10.0.0.3", 1);
	bench_turn(0);
	bench_turn(0);
	assert_true(is_begun("10.0.0.3", 10000));
	close(fd);
}

static void a_source_is_forgotten_after_a_while(void **state)
{
	struct app a = app_of("10.0.0.3", 4000), b = app_of("10.0.0.4", 4000);
	struct tcp_queue *q = &bench.w.tcp->queue;
	uint64_t hash = source_hash(q, &a.path.src);
	int fds[3] = { app_connect(&a) };

	assert_true(is_known(q, hash));
	for (int i = 1; i < 3; i++) {
		assert_true(is_known(q, hash));
		bench.skipped_ns += 2 * TCP_KNOWN_MS * NSEC_PER_MSEC;
		b.path.sport = htons((uint16_t)(5000 + i));
		b.seq = 1000;
		fds[i] = app_connect(&b);
	}
	assert_false(is_known(q, hash));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void a_syn_that_is_sent_again_while_it_waits_is_dialled_once(void **state)
{
	struct app a = app_of("10.0.0.3", 4000), again = a;

	send_syns("10.0.0.2", TCP_DIALS_PER_TURN);
	app_send(&a, SEG_SYN, NULL, 0);
	app_send(&again, SEG_SYN, NULL, 0);
	bench_turn(0);
	bench_turn(0);
	assert_int_equal(bench.counters.drops.retransmit, 1);
	assert_int_equal(begun(), TCP_DIALS_PER_TURN + 1);
}

/* By this key the sources of the tests have buckets of their own; by one in 64 they share one. */
static int queue_up(void **state)
{
	int r = bench_up(state);

	bench.w.tcp->queue.key = (struct siphash_key){ { 1, 2 } };
	return r;
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, queue_up, bench_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(a_turn_begins_so_many_and_the_rest_later),
		BENCH_TEST(another_source_is_one_of_the_next),
		BENCH_TEST(beyond_the_limit_the_first_of_whoever_sent_most_is_dropped),
		BENCH_TEST(a_known_source_does_not_wait_for_those_that_are_not),
		BENCH_TEST(a_source_is_forgotten_after_a_while),
		BENCH_TEST(a_syn_that_is_sent_again_while_it_waits_is_dialled_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
