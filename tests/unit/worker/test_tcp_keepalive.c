// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcp_keepalive.c: an application of which nothing is heard. */
#include "unit/worker/tcp_bench.h"

static void skip_ms(unsigned int ms)
{
	bench.skipped_ns += ms * NSEC_PER_MSEC;
	for (int i = 0; i < 3; i++)
		bench_turn(5);
}

static void skip_a_time(void)
{
	skip_ms(TCP_KEEPALIVE_MS);
}

/* Open, and no longer young. Returns upstream's accepted socket. */
static int grown(struct app *a)
{
	int fd = app_connect(a);

	bench_skip(TCP_YOUNG_MS + 500);
	return fd;
}

static bool is_asked(struct app *a)
{
	struct packet_path path;
	struct segment s;

	if (!app_take(&path, &s))
		return false;
	assert_int_equal(path.dport, a->path.sport);
	assert_int_equal(s.flags, SEG_ACK);
	assert_int_equal(s.seq, a->ack - 1); /* what it has already: it must answer */
	assert_int_equal(s.ack, a->seq);
	assert_int_equal(s.len, 0);
	return true;
}

static void one_that_answers_is_asked_from_time_to_time(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = grown(&a);

	skip_a_time();
	assert_false(is_asked(&a)); /* it may have been silent for a moment only */
	for (int i = 0; i < 2 * TCP_KEEPALIVE_PROBES; i++) {
		skip_a_time();
		assert_true(is_asked(&a));
		app_ack(&a);
		skip_a_time();
		assert_false(is_asked(&a));
	}
	app_send(&a, SEG_ACK | SEG_PSH, "hello", 5);
	bench_read(fd, app_buffer, 5);
	close(fd);
}

static void one_that_says_something_is_not_asked(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = grown(&a);
	struct packet_path path;
	struct segment s;

	for (int i = 0; i < 4; i++) {
		skip_a_time();
		app_send(&a, SEG_ACK | SEG_PSH, "x", 1);
		bench_read(fd, app_buffer, 1);
		while (app_take(&path, &s))
			assert_int_equal(s.seq, a.ack);
	}
	close(fd);
}

static void one_that_knows_of_nothing_ends_it(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = grown(&a);

	skip_a_time();
	skip_a_time();
	assert_true(is_asked(&a));
	app_send(&a, SEG_RST, NULL, 0);
	assert_int_equal(bench.end, END_APP_RESET);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	close(fd);
}

static void one_that_never_answers_is_given_up(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = grown(&a);

	skip_a_time();
	for (int i = 0; i < TCP_KEEPALIVE_PROBES; i++) {
		skip_a_time();
		assert_true(is_asked(&a));
	}
	assert_int_equal(bench.ended, 0);
	skip_a_time();
	assert_int_equal(bench.ended, 1);
	assert_int_equal(bench.end, END_TIMEOUT);
	assert_int_equal(app_expect(&a, SEG_RST).seq, a.ack);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	assert_false(timer_is_armed(&bench.w.tcp->grown.timer));
	close(fd);
}

/* --- upstream has closed ------------------------------------------------------------------- */

/* An application that has taken upstream's FIN. Returns upstream's accepted socket. */
static int half_closed(struct app *a)
{
	int fd = app_connect(a);

	shutdown(fd, SHUT_WR);
	app_expect(a, SEG_ACK | SEG_FIN);
	a->ack++;
	app_ack(a);
	skip_ms(TCP_HALF_CLOSED_MS);
	assert_false(is_asked(a));
	return fd;
}

static void one_left_alone_by_upstream_is_asked_soon_and_may_go_on(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = half_closed(&a);

	for (int i = 0; i < 3; i++) {
		skip_ms(TCP_HALF_CLOSED_MS);
		assert_true(is_asked(&a));
		app_ack(&a);
		skip_ms(TCP_HALF_CLOSED_MS);
		assert_false(is_asked(&a));
	}
	app_send(&a, SEG_ACK | SEG_PSH, "hello", 5);
	bench_read(fd, app_buffer, 5);
	app_send(&a, SEG_ACK | SEG_FIN, NULL, 0);
	bench_turn(5);
	assert_int_equal(bench.end, END_FINISHED);
	close(fd);
}

static void one_whose_reset_was_lost_ends_soon(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = half_closed(&a);

	skip_ms(TCP_HALF_CLOSED_MS);
	assert_true(is_asked(&a));
	app_send(&a, SEG_RST, NULL, 0);
	assert_int_equal(bench.end, END_APP_RESET);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	close(fd);
}

static void one_that_sleeps_has_two_hours(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = half_closed(&a);

	for (int i = 0; i < TCP_KEEPALIVE_MS / TCP_HALF_CLOSED_MS; i++) {
		skip_ms(TCP_HALF_CLOSED_MS);
		assert_true(is_asked(&a));
	}
	assert_int_equal(bench.ended, 0);
	skip_ms(TCP_HALF_CLOSED_MS);
	assert_int_equal(bench.end, END_TIMEOUT);
	assert_false(timer_is_armed(&bench.w.tcp->half_closed.timer));
	close(fd);
}

static void one_that_has_closed_is_not_asked(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);

	app_send(&a, SEG_ACK | SEG_FIN, NULL, 0);
	app_expect(&a, SEG_ACK);
	for (int i = 0; i < 3; i++) {
		skip_ms(TCP_HALF_CLOSED_MS);
		assert_false(is_asked(&a));
	}
	close(fd);
}

static void of_many_a_few_are_looked_at_in_a_turn(void **state)
{
	struct app a[LOOKS_PER_TURN + 1];
	int fds[LOOKS_PER_TURN + 1];
	unsigned int asked = 0;

	for (unsigned int i = 0; i <= LOOKS_PER_TURN; i++) {
		a[i] = app_at("198.51.100.7", (uint16_t)(4000 + i));
		fds[i] = app_connect(&a[i]);
	}
	bench_skip(TCP_YOUNG_MS + 500);
	skip_a_time();
	bench.skipped_ns += TCP_KEEPALIVE_MS * NSEC_PER_MSEC;
	bench_turn(5);
	while (asked <= LOOKS_PER_TURN && is_asked(&a[asked]))
		asked++;
	assert_int_equal(asked, LOOKS_PER_TURN);
	bench_skip(NEXT_LOOKS_MS + 1);
	assert_true(is_asked(&a[LOOKS_PER_TURN]));
	for (unsigned int i = 0; i <= LOOKS_PER_TURN; i++)
		close(fds[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_up, bench_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_answers_is_asked_from_time_to_time),
		TEST(one_that_says_something_is_not_asked),
		TEST(one_that_knows_of_nothing_ends_it),
		TEST(one_that_never_answers_is_given_up),
		TEST(one_left_alone_by_upstream_is_asked_soon_and_may_go_on),
		TEST(one_whose_reset_was_lost_ends_soon),
		TEST(one_that_sleeps_has_two_hours),
		TEST(one_that_has_closed_is_not_asked),
		TEST(of_many_a_few_are_looked_at_in_a_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
