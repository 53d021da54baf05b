// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcp_opening.c: handshakes that an application does not finish. */
#include "unit/worker/tcp_bench.h"

/* SYN and SYN-ACK; the ACK is left out. Returns upstream's accepted socket. */
static int app_half_open(struct app *a)
{
	app_send(a, SEG_SYN, NULL, 0);
	a->ack = app_expect(a, SEG_SYN | SEG_ACK).seq + 1;
	return bench_accept();
}

static void the_oldest_gives_way_where_too_many_wait(void **state)
{
	struct app old = app_at("198.51.100.7", 4000), young = app_at("198.51.100.7", 4001);
	struct app next = app_at("198.51.100.7", 4002);
	struct tcp_engine *e = bench.w.tcp;
	int fds[3];

	fds[0] = app_half_open(&old);
	fds[1] = app_half_open(&young);
	assert_int_equal(e->openings, 2);
	e->openings += TCP_OPENING_MAX - 2; /* as if so many more waited */
	fds[2] = app_half_open(&next);
	/* two: nobody knows whether it expects the SYN-ACK or what comes behind it */
	assert_int_equal(app_expect(&old, SEG_RST).seq, old.ack - 1);
	assert_int_equal(app_expect(&old, SEG_RST).seq, old.ack);
	assert_int_equal(bench_ending(fds[0]), ECONNRESET);
	assert_int_equal(bench.counters.drops.half_open, 1);
	assert_int_equal(bench.end, END_LIMIT);
	assert_int_equal(e->openings, TCP_OPENING_MAX);
	e->openings -= TCP_OPENING_MAX - 2;
	app_ack(&young);
	app_ack(&next);
	assert_int_equal(e->openings, 0);
	app_send(&young, SEG_ACK | SEG_PSH, "hello", 5);
	bench_read(fds[1], app_buffer, 5);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void a_finished_handshake_stays(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);

	assert_int_equal(bench.w.tcp->openings, 0);
	assert_false(tcp_opening_evict(bench.w.tcp));
	assert_int_equal(bench.counters.stats.tcp_open, 1);
	close(fd);
}

static void it_gives_way_where_descriptors_run_out(void **state)
{
	struct app old = app_at("198.51.100.7", 4000), next = app_at("198.51.100.7", 4001);
	int fd = app_half_open(&old);

	bench.connect_error = EMFILE;
	app_send(&next, SEG_SYN, NULL, 0);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	assert_int_equal(bench.counters.drops.half_open, 1);
	assert_int_equal(bench.counters.drops.no_descriptor, 1); /* nor was there one then */
	assert_int_equal(bench.w.tcp->table.count, 0);
	close(fd);
}

static void a_reset_ends_the_wait(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_half_open(&a);

	app_send(&a, SEG_RST, NULL, 0);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	assert_int_equal(bench.w.tcp->openings, 0);
	assert_int_equal(bench.counters.drops.half_open, 0);
	close(fd);
}

static void nobody_waits_for_ever(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_half_open(&a);

	for (int i = 0; i < 60 && bench.w.tcp->openings > 0; i++)
		bench_skip(1000);
	assert_int_equal(bench.w.tcp->openings, 0);
	assert_int_equal(bench.w.tcp->table.count, 0);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_oldest_gives_way_where_too_many_wait, bench_up,
						bench_down),
		cmocka_unit_test_setup_teardown(a_finished_handshake_stays, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(it_gives_way_where_descriptors_run_out, bench_up,
						bench_down),
		cmocka_unit_test_setup_teardown(a_reset_ends_the_wait, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(nobody_waits_for_ever, bench_up, bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
