// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* role.c: processes that behave, die, hang or lie, on a clock turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "supervisor/role.c" /* for take_message() */
#include "unit/supervisor/role_fake.h"

#define PATIENCE_MS 5000 /* for a real process to do something */

static struct loop *loop;
static struct role role;
static uint64_t skipped_ns; /* turned forward by hand, on top of the real clock */
static int readies, deaths, stops, hangs, hand_overs, hand_over_result;
static bool died_ready;
static char answer[256];
static bool answer_ended;

static uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t test_clock(void)
{
	return real_ns() + skipped_ns;
}

static int on_hand_over(struct role *r)
{
	hand_overs++;
	if (hand_over_result)
		return hand_over_result;
	return role_send(r, ROLE_START, NULL, 0, -1);
}

static void on_ready(struct role *r)
{
	readies++;
}

static void on_died(struct role *r, bool was_ready, const char *how)
{
	deaths++;
	died_ready = was_ready;
}

static void on_stopped(struct role *r)
{
	stops++;
}

static void on_hung(struct role *r)
{
	hangs++;
}

static void on_text(struct role *r, uint64_t tag, const char *text, size_t len)
{
	size_t have = strlen(answer);

	assert_int_equal(tag, 77);
	answer_ended = !len;
	if (have + len < sizeof(answer)) {
		memcpy(answer + have, text, len);
		answer[have + len] = '\0';
	}
}

static uint32_t wished;

static int on_want_names(struct role *r, uint32_t buckets)
{
	wished = buckets;
	return 0;
}

static const struct role_ops ops = { .hand_over = on_hand_over,
				     .ready = on_ready,
				     .died = on_died,
				     .stopped = on_stopped,
				     .hung = on_hung,
				     .text = on_text,
				     .want_names = on_want_names };

static int setup(void **state)
{
	readies = deaths = stops = hangs = hand_overs = hand_over_result = 0;
	answer[0] = '\0';
	answer_ended = false;
	skipped_ns = 0;
	clock_inject(test_clock);
	return loop_new(&loop);
}

static int teardown(void **state)
{
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}

/* Turns the loop until *what is true; fails the test after PATIENCE_MS. */
static void wait_for(const int *count, int at_least)
{
	uint64_t until = real_ns() + PATIENCE_MS * NSEC_PER_MSEC;

	while (*count < at_least) {
		assert_true(real_ns() < until);
		loop_once(loop, 10);
	}
}

static void wait_for_state(enum role_state state)
{
	uint64_t until = real_ns() + PATIENCE_MS * NSEC_PER_MSEC;

	while (role.state != state) {
		assert_true(real_ns() < until);
		loop_once(loop, 10);
	}
}

static void start(enum fake_behaviour how)
{
	role_init(&role, ROLE_WORKER, how, loop, "test", &ops);
	assert_int_equal(role_start(&role), 0);
	assert_int_equal(role.state, ROLE_STATE_STARTING);
}

static void end_it(void)
{
	int before = stops;

	role_stop(&role);
	if (role.state != ROLE_STATE_STOPPED)
		role_kill(&role);
	wait_for(&stops, before + 1);
	assert_int_equal(role.pid, -1);
	assert_int_equal(role.socket.fd, -1);
	assert_int_equal(role.process.fd, -1);
}

static void starts_answers_and_stops_in_order(void **state)
{
	start(FAKE_GOOD);
	wait_for(&readies, 1);
	assert_int_equal(role_query(&role, 77, "dns"), 0);
	while (!answer_ended)
		loop_once(loop, 10);
	assert_non_null(strstr(answer, "{\"dns\":{\"restarted\":0"));
	role_stop(&role);
	assert_int_equal(role.state, ROLE_STATE_STOPPING);
	wait_for(&stops, 1);
	assert_int_equal(role.state, ROLE_STATE_STOPPED);
	assert_int_equal(deaths, 0);
	assert_int_equal(role_send(&role, ROLE_START, NULL, 0, -1), -ENOTCONN);
}

/* This process as a role: the test itself can be seen to work. */
static void cpu_time_is_that_of_the_process(void **state)
{
	struct role self = { .pid = getpid() }, none = { .pid = -1 };
	uint64_t before = role_cpu_ms(&self);

	while (role_cpu_ms(&self) < before + 3)
		;
	assert_true(role_cpu_ms(&self) <= clock_ms());
	assert_int_equal(role_cpu_ms(&none), 0);
}

static void is_restarted_with_a_growing_delay(void **state)
{
	uint32_t expected[] = { 200, 400, 800, 1600, 3200, 5000, 5000 };

	start(FAKE_DIES_AT_ONCE);
	for (int i = 0; i < 7; i++) {
		wait_for(&deaths, i + 1);
		assert_false(died_ready);
		assert_int_equal(role.state, ROLE_STATE_WAITING);
		assert_int_equal(role.delay_ms, expected[i]);
		skipped_ns += expected[i] * NSEC_PER_MSEC;
	}
	assert_int_equal(role.restarts, 6);
	role_stop(&role);
	assert_int_equal(stops, 1);
}

static void delay_is_short_again_after_a_steady_life(void **state)
{
	start(FAKE_DIES_WHEN_ASKED);
	wait_for(&readies, 1);
	role.delay_ms = ROLE_RESTART_DELAY_MAX_MS;
	skipped_ns += ROLE_STEADY_MS * NSEC_PER_MSEC;
	assert_int_equal(role_query(&role, 77, "die"), 0);
	wait_for(&deaths, 1);
	assert_true(died_ready);
	assert_int_equal(role.delay_ms, 2 * ROLE_RESTART_DELAY_MS);
	wait_for(&readies, 2);
	assert_int_equal(role.restarts, 1);
	end_it();
}

static void is_killed_when_it_does_not_get_ready(void **state)
{
	start(FAKE_NEVER_READY);
	loop_once(loop, 50);
	skipped_ns += ROLE_READY_MS * NSEC_PER_MSEC;
	wait_for(&deaths, 1);
	assert_int_equal(readies, 0);
	end_it();
}

static void is_killed_when_it_does_not_stop(void **state)
{
	start(FAKE_DEAF);
	wait_for(&readies, 1);
	role_stop(&role);
	loop_once(loop, 50);
	assert_int_equal(stops, 0);
	skipped_ns += ROLE_STOP_MS * NSEC_PER_MSEC;
	wait_for(&stops, 1);
}

static void is_killed_when_it_breaks_the_protocol(void **state)
{
	start(FAKE_RUDE);
	wait_for(&deaths, 1);
	assert_true(died_ready);
	end_it();
}

static void is_killed_when_it_closes_its_socket_and_stays(void **state)
{
	start(FAKE_CLOSES);
	wait_for(&readies, 1);
	while (role.socket.fd >= 0)
		loop_once(loop, 10);
	assert_int_equal(deaths, 0);
	skipped_ns += ROLE_STOP_MS * NSEC_PER_MSEC;
	wait_for(&deaths, 1);
	end_it();
}

static void is_killed_when_it_cannot_be_set_up(void **state)
{
	hand_over_result = -EIO;
	role_init(&role, ROLE_WORKER, FAKE_GOOD, loop, "test", &ops);
	assert_int_equal(role_start(&role), -EIO);
	wait_for(&deaths, 1);
	hand_over_result = 0;
	wait_for_state(ROLE_STATE_READY);
	end_it();
}

#define CHECKS_TO_HANG (ROLE_HANG_MS / ROLE_PING_MS)

static void is_killed_once_when_it_hangs(void **state)
{
	start(FAKE_HANGS);
	wait_for(&readies, 1);
	for (int i = 0; i < CHECKS_TO_HANG; i++)
		role_check(&role);
	assert_int_equal(hangs, 0);
	for (int i = 0; i < 2 * CHECKS_TO_HANG; i++)
		role_check(&role);
	assert_int_equal(hangs, 1);
	wait_for(&deaths, 1);
	assert_true(died_ready);
	wait_for(&readies, 2); /* the next one begins anew */
	role_check(&role);
	assert_int_equal(role.silent, 1);
	end_it();
}

static void check_and_wait_for_answer(void)
{
	role_check(&role);
	assert_true(role.pinged);
	while (role.pinged)
		loop_once(loop, 10);
}

static void lives_while_it_answers(void **state)
{
	start(FAKE_GOOD);
	role_check(&role); /* not ready yet: asked nothing */
	assert_false(role.pinged);
	wait_for(&readies, 1);
	for (int i = 0; i < 3 * CHECKS_TO_HANG; i++)
		check_and_wait_for_answer();
	assert_int_equal(hangs + deaths, 0);
	end_it();
}

/* Role and main are stopped together for an hour; only main's own checks count. */
static void time_that_main_did_not_live_is_no_hang(void **state)
{
	start(FAKE_GOOD);
	wait_for(&readies, 1);
	assert_int_equal(kill(role.pid, SIGSTOP), 0);
	for (int i = 0; i < CHECKS_TO_HANG - 1; i++)
		role_check(&role);
	skipped_ns += 3600 * NSEC_PER_SEC;
	loop_once(loop, 0);
	role_check(&role);
	assert_int_equal(kill(role.pid, SIGCONT), 0);
	while (role.pinged)
		loop_once(loop, 10);
	assert_int_equal(role.silent, 0);
	assert_int_equal(hangs + deaths, 0);
	end_it();
}

static void an_answer_that_nobody_asked_for_breaks_the_protocol(void **state)
{
	struct role_message pong = { .type = ROLE_PONG };

	start(FAKE_GOOD);
	wait_for(&readies, 1);
	assert_int_equal(take_message(&role, (const uint8_t *)&pong, sizeof(pong)), -EPROTO);
	end_it();
}

/* As role_send_want_names() sends it: bounds are main's to check, whatever the role is. */
static int wish(uint32_t buckets, size_t len)
{
	struct {
		struct role_message m;
		struct role_want_names want;
	} __attribute__((packed)) message = { .m.type = ROLE_WANT_NAMES, .want.buckets = buckets };

	return take_message(&role, (const uint8_t *)&message, len);
}

static void a_wish_for_names_is_checked(void **state)
{
	size_t len = sizeof(struct role_message) + sizeof(struct role_want_names);

	start(FAKE_GOOD);
	wait_for(&readies, 1);
	role.kind = ROLE_WORKER;
	assert_int_equal(wish(1000, len), -EPROTO);
	role.kind = ROLE_RESOLVER;
	assert_int_equal(wish(0, len), -EPROTO);
	assert_int_equal(wish(DNS_NAMES_BUCKETS_MAX + 1, len), -EPROTO);
	assert_int_equal(wish(1000, len - 1), -EPROTO);
	assert_int_equal(wished, 0);
	assert_int_equal(wish(1000, len), 0);
	assert_int_equal(wished, 1000);
	end_it();
}

static void refuses_a_message_that_is_too_long(void **state)
{
	static char big[ROLE_MESSAGE_MAX];

	start(FAKE_GOOD);
	assert_int_equal(role_send(&role, ROLE_CONFIG, big, sizeof(big), -1), -EMSGSIZE);
	wait_for(&readies, 1);
	end_it();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(starts_answers_and_stops_in_order, setup, teardown),
		cmocka_unit_test(cpu_time_is_that_of_the_process),
		cmocka_unit_test_setup_teardown(is_restarted_with_a_growing_delay, setup, teardown),
		cmocka_unit_test_setup_teardown(delay_is_short_again_after_a_steady_life, setup,
						teardown),
		cmocka_unit_test_setup_teardown(is_killed_when_it_does_not_get_ready, setup,
						teardown),
		cmocka_unit_test_setup_teardown(is_killed_when_it_does_not_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(is_killed_when_it_breaks_the_protocol, setup,
						teardown),
		cmocka_unit_test_setup_teardown(is_killed_when_it_closes_its_socket_and_stays,
						setup, teardown),
		cmocka_unit_test_setup_teardown(is_killed_when_it_cannot_be_set_up, setup,
						teardown),
		cmocka_unit_test_setup_teardown(is_killed_once_when_it_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(lives_while_it_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(time_that_main_did_not_live_is_no_hang, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_wish_for_names_is_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_that_nobody_asked_for_breaks_the_protocol,
						setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_a_message_that_is_too_long, setup,
						teardown),
	};

	if (argc > 3 && !strcmp(argv[1], "--role"))
		return role_fake_main(atoi(argv[3]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
