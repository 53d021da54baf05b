// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* loop.c: events, timers on a clock turned by hand, and removal from callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"

static uint64_t now_ns;
static struct loop *loop;
static char trace[64]; /* what ran, a letter each */

static uint64_t test_clock(void)
{
	return now_ns;
}

static void pass_ms(uint64_t ms)
{
	now_ns += ms * NSEC_PER_MSEC;
}

static void note(char c)
{
	size_t len = strlen(trace);

	assert_true(len + 1 < sizeof(trace));
	trace[len] = c;
}

static int setup(void **state)
{
	memset(trace, 0, sizeof(trace));
	now_ns = 1000 * NSEC_PER_SEC;
	clock_inject(test_clock);
	return loop_new(&loop);
}

static int teardown(void **state)
{
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}

/* One end of a pipe that is readable, with a watch. */
struct source {
	struct watch watch;
	struct source *victim; /* what kill_other() removes and frees */
	int write_end;
};

static void source_ready(struct watch *w, uint32_t events)
{
	note('r');
	assert_true(events & EPOLLIN);
}

static struct source *source_new(void)
{
	struct source *s = calloc(1, sizeof(*s));
	int fds[2];

	assert_non_null(s);
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	s->watch.ready = source_ready;
	s->watch.fd = fds[0];
	s->write_end = fds[1];
	assert_int_equal(loop_add(loop, &s->watch, EPOLLIN), 0);
	return s;
}

static bool by_close; /* watches end with their descriptors */

static void source_free(struct source *s)
{
	int fd = s->watch.fd;

	if (by_close) {
		loop_close(loop, &s->watch);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	} else {
		loop_remove(loop, &s->watch);
		fd_close(fd);
	}
	assert_int_equal(s->watch.fd, -1);
	fd_close(s->write_end);
	free(s);
}

static void calls_what_is_ready(void **state)
{
	struct source *s = source_new();

	assert_int_equal(loop_once(loop, 0), 0);
	assert_int_equal(loop_once(loop, 0), 0); /* level-triggered */
	assert_string_equal(trace, "rr");
	assert_int_equal(loop_modify(loop, &s->watch, 0), 0);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "rr");
	assert_int_equal(loop_modify(loop, &s->watch, EPOLLIN), 0);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "rrr");
	source_free(s);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "rrr");
}

static struct watch *survivor;

static void survivor_ready(struct watch *w, uint32_t events)
{
	note('s');
	survivor = w;
}

static void kill_other(struct watch *w, uint32_t events)
{
	struct source *s = container_of(w, struct source, watch);
	struct source *victim = s->victim;

	note('k');
	survivor = w;
	victim->victim = NULL;
	source_free(victim);
	s->victim = NULL;
	w->ready = survivor_ready;
}

static void freeing_the_other_of_a_batch_is_safe(void **state)
{
	struct source *a = source_new();
	struct source *b = source_new();

	a->victim = b;
	b->victim = a;
	a->watch.ready = kill_other;
	b->watch.ready = kill_other;
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "k");
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "ks");
	source_free(container_of(survivor, struct source, watch));
}

static void closing_the_other_of_a_batch_is_safe(void **state)
{
	by_close = true;
	freeing_the_other_of_a_batch_is_safe(state);
	by_close = false;
}

static void suicide_ready(struct watch *w, uint32_t events)
{
	note('f');
	source_free(container_of(w, struct source, watch));
}

static void a_watch_may_free_itself(void **state)
{
	struct source *s = source_new();

	s->watch.ready = suicide_ready;
	assert_int_equal(loop_once(loop, 0), 0);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "f");
}

static void removing_what_is_not_watched_is_harmless(void **state)
{
	struct watch w = { .fd = -1 };

	loop_remove(loop, &w);
	w.fd = 4711;
	assert_int_equal(loop_add(loop, &w, EPOLLIN), -EBADF);
}

struct named_timer {
	struct timer timer;
	char name;
	uint64_t again_ms; /* re-arms itself with that, if not 0 */
	struct timer *disarms;
};

static void timer_expired(struct timer *t)
{
	struct named_timer *n = container_of(t, struct named_timer, timer);

	note(n->name);
	assert_false(timer_is_armed(t));
	if (n->again_ms)
		loop_arm(loop, t, n->again_ms - 1);
	if (n->disarms)
		loop_disarm(n->disarms);
}

static void named_arm(struct named_timer *n, char name, uint64_t delay_ms)
{
	timer_init(&n->timer, timer_expired);
	n->name = name;
	loop_arm(loop, &n->timer, delay_ms);
	assert_true(timer_is_armed(&n->timer));
}

static void timers_expire_in_order_and_once(void **state)
{
	struct named_timer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	named_arm(&a, 'a', 30);
	named_arm(&b, 'b', 10);
	named_arm(&c, 'c', 20);
	named_arm(&d, 'd', 20);
	pass_ms(9);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "");
	pass_ms(1);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "b");
	pass_ms(100);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "bcda");
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "bcda");
}

static void arming_again_moves_the_deadline(void **state)
{
	struct named_timer a = { 0 };

	named_arm(&a, 'a', 10);
	loop_arm(loop, &a.timer, 50);
	pass_ms(49);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "");
	pass_ms(1);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "a");
}

static void a_timer_without_delay_waits_for_the_next_turn(void **state)
{
	struct named_timer a = { .again_ms = 1 };

	named_arm(&a, 'a', 0);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "a");
	assert_int_equal(loop_once(loop, -1), 0); /* due: does not block */
	assert_string_equal(trace, "aa");
	loop_disarm(&a.timer);
}

static void a_due_timer_can_still_be_disarmed_by_another(void **state)
{
	struct named_timer a = { 0 }, b = { 0 };

	named_arm(&a, 'a', 10);
	named_arm(&b, 'b', 10);
	a.disarms = &b.timer;
	pass_ms(10);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "a");
	loop_disarm(&b.timer); /* harmless */
}

struct named_turn {
	struct loop_turn turn;
	char name;
	bool remove;
};

static void turn_run(struct loop_turn *t)
{
	struct named_turn *n = container_of(t, struct named_turn, turn);

	note(n->name);
	if (n->remove)
		loop_remove_turn(t);
}

static void turn_hooks_run_after_events_and_timers(void **state)
{
	struct named_turn one = { .turn.turn = turn_run, .name = '1', .remove = true };
	struct named_turn two = { .turn.turn = turn_run, .name = '2' };
	struct named_timer a = { 0 };
	struct source *s = source_new();

	loop_add_turn(loop, &one.turn);
	loop_add_turn(loop, &two.turn);
	named_arm(&a, 'a', 0);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "ra12");
	assert_int_equal(loop_once(loop, 0), 0);
	assert_string_equal(trace, "ra12r2");
	loop_remove_turn(&two.turn);
	source_free(s);
}

static void stop_ready(struct watch *w, uint32_t events)
{
	note('q');
	loop_stop(loop, 42);
}

static void run_returns_the_status_of_stop(void **state)
{
	struct source *s = source_new();

	s->watch.ready = stop_ready;
	assert_int_equal(loop_run(loop), 42);
	assert_string_equal(trace, "q");
	loop_stop(loop, 7); /* before the run: it does not even begin */
	assert_int_equal(loop_run(loop), 7);
	assert_string_equal(trace, "q");
	source_free(s);
}

static void the_wait_ends_with_the_first_deadline(void **state)
{
	struct named_timer a = { 0 };
	uint64_t start;

	clock_inject(NULL);
	start = clock_ms();
	named_arm(&a, 'a', 20);
	while (timer_is_armed(&a.timer))
		assert_int_equal(loop_once(loop, -1), 0);
	assert_in_range(clock_ms() - start, 20, 5000);
}

/* The kernel's timer is not moved back for a deadline that is gone: it wakes the loop too soon. */
static void a_disarmed_deadline_does_not_spoil_a_later_one(void **state)
{
	struct named_timer a = { 0 }, b = { 0 };
	uint64_t start;

	clock_inject(NULL);
	start = clock_ms();
	named_arm(&a, 'a', 5);
	named_arm(&b, 'b', 60);
	assert_int_equal(loop_once(loop, 0), 0);
	loop_disarm(&a.timer);
	while (timer_is_armed(&b.timer))
		assert_int_equal(loop_once(loop, -1), 0);
	assert_in_range(clock_ms() - start, 60, 5000);
	assert_string_equal(trace, "b");
}

static void an_earlier_deadline_wakes_earlier(void **state)
{
	struct named_timer a = { 0 }, b = { 0 };

	clock_inject(NULL);
	named_arm(&b, 'b', 60000);
	assert_int_equal(loop_once(loop, 0), 0);
	named_arm(&a, 'a', 10);
	while (timer_is_armed(&a.timer))
		assert_int_equal(loop_once(loop, -1), 0);
	assert_true(timer_is_armed(&b.timer));
	assert_string_equal(trace, "a");
	loop_disarm(&b.timer);
}

static void free_accepts_null(void **state)
{
	loop_free(NULL);
}

int main(void)
{
#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOOP_TEST(calls_what_is_ready),
		LOOP_TEST(freeing_the_other_of_a_batch_is_safe),
		LOOP_TEST(closing_the_other_of_a_batch_is_safe),
		LOOP_TEST(a_watch_may_free_itself),
		LOOP_TEST(removing_what_is_not_watched_is_harmless),
		LOOP_TEST(timers_expire_in_order_and_once),
		LOOP_TEST(arming_again_moves_the_deadline),
		LOOP_TEST(a_timer_without_delay_waits_for_the_next_turn),
		LOOP_TEST(a_due_timer_can_still_be_disarmed_by_another),
		LOOP_TEST(turn_hooks_run_after_events_and_timers),
		LOOP_TEST(run_returns_the_status_of_stop),
		LOOP_TEST(the_wait_ends_with_the_first_deadline),
		LOOP_TEST(a_disarmed_deadline_does_not_spoil_a_later_one),
		LOOP_TEST(an_earlier_deadline_wakes_earlier),
		cmocka_unit_test(free_accepts_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
