// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* crew.c: who is handed what, and what happens around a role that dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "supervisor/capture.h"
#include "supervisor/crew.h"
#include "supervisor/options.h"
#include "unit/supervisor/kernel_fake.h"
#include "unit/supervisor/role_fake.h"

#define PATIENCE_MS 5000

static struct loop *loop;
static struct crew crew;
static struct capture capture;
static struct instance_options opt;
static struct settings settings;
static int readies, failures, stops;
static char answer[512], failure[256];
static bool answer_ended;

static void on_ready(struct crew *c)
{
	readies++;
}

static void on_failed(struct crew *c, const char *text)
{
	failures++;
	snprintf(failure, sizeof(failure), "%s", text);
}

static void on_stopped(struct crew *c)
{
	stops++;
}

static void on_died(struct crew *c, const struct role *r)
{
}

static void on_text(struct crew *c, uint64_t tag, const char *text, size_t len)
{
	size_t have = strlen(answer);

	answer_ended = !len;
	if (have + len < sizeof(answer)) {
		memcpy(answer + have, text, len);
		answer[have + len] = '\0';
	}
}

static const struct crew_ops ops = { .ready = on_ready,
				     .failed = on_failed,
				     .stopped = on_stopped,
				     .died = on_died,
				     .text = on_text };

static int setup(void **state)
{
	readies = failures = stops = 0;
	fake_kernel_reset();
	options_init(&opt);
	memset(&capture, 0, sizeof(capture));
	capture.single_queue = true;
	capture.tun.queues = 1;
	capture.tun.fd[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	return loop_new(&loop);
}

static int teardown(void **state)
{
	crew_done(&crew);
	fd_close(capture.tun.fd[0]);
	loop_free(loop);
	return 0;
}

static void wait_for(const int *count, int at_least)
{
	uint64_t until = clock_ms() + PATIENCE_MS;

	while (*count < at_least) {
		assert_true(clock_ms() < until);
		loop_once(loop, 10);
	}
}

static void begin(unsigned int workers)
{
	settings = (struct settings){ .workers = workers };
	crew_init(&crew, loop, &opt, &fake_kernel, &capture, &settings, &ops);
	assert_int_equal(crew_start(&crew), 0);
}

static const char *ask(unsigned int slot)
{
	answer[0] = '\0';
	answer_ended = false;
	assert_int_equal(role_query(&crew.role[slot], 1, "dns"), 0);
	while (!answer_ended)
		loop_once(loop, 10);
	return answer;
}

static void end_in_order(void)
{
	crew_stop(&crew);
	wait_for(&stops, 1);
	for (unsigned int slot = 0; slot < crew.roles; slot++)
		assert_int_equal(crew.role[slot].pid, -1);
}

static unsigned int key_of(const char *text)
{
	return (unsigned int)atoi(strstr(text, "\"key\":") + 6);
}

/*
 * Worker: queue, relay, inbox, way to the other's, two raw sockets (as root); resolver: queue,
 * relay of each worker.
 */
static void hands_each_role_its_own(void **state)
{
	char text[64];
	int raw;

	if (geteuid())
		skip();
	begin(2);
	wait_for(&readies, 1);
	raw = (crew.icmp_fd[1][0] >= 0) + (crew.icmp_fd[1][1] >= 0);
	snprintf(text, sizeof(text), "\"restarted\":0,\"descriptors\":%d,", 4 + raw);
	assert_non_null(strstr(ask(1), text));
	assert_non_null(strstr(ask(0), "\"restarted\":0,\"descriptors\":3,"));
	end_in_order();
}

static void workers_have_keys_and_identifiers_of_their_own(void **state)
{
	begin(2);
	wait_for(&readies, 1);
	assert_int_equal(key_of(ask(1)), crew.isn_key[1].k[0] & 0xffff);
	assert_int_equal(key_of(ask(2)), crew.isn_key[2].k[0] & 0xffff);
	assert_memory_not_equal(&crew.isn_key[1], &crew.isn_key[2], sizeof(crew.isn_key[1]));
	assert_int_equal(crew.icmp_base % 1024, 0);
	end_in_order();
}

static void a_dead_worker_is_replaced_and_the_others_stay(void **state)
{
	int resolver, other;
	unsigned int key;

	begin(2);
	wait_for(&readies, 1);
	key = key_of(ask(1));
	resolver = crew.role[0].pid;
	other = crew.role[2].pid;
	fake_kernel.counters[1].stats.tcp_open = 5;
	fake_kernel.counters[1].stats.tcp_total = 9;
	role_kill(&crew.role[1]);
	while (crew.role[1].state == ROLE_STATE_READY)
		loop_once(loop, 10);
	assert_int_equal(fake_kernel.counters[1].stats.tcp_open, 0); /* a gauge */
	assert_int_equal(fake_kernel.counters[1].stats.tcp_total, 9);
	assert_int_equal(fake_kernel.counters[1].stats.restarts, 1);
	while (crew.role[1].state != ROLE_STATE_READY)
		loop_once(loop, 10);
	assert_int_equal(fake_kernel.ended_slot, -2); /* the new worker itself ends them */
	assert_int_equal(fake_kernel.forgotten_slot, 1);
	assert_non_null(strstr(ask(1), "\"restarted\":1"));
	assert_int_equal(key_of(answer), key);
	assert_non_null(strstr(ask(0), "\"descriptors\":4")); /* a new relay */
	assert_int_equal(crew.role[0].pid, resolver);
	assert_int_equal(crew.role[2].pid, other);
	assert_int_equal(readies, 1);
	end_in_order();
}

/* What others sent a dead worker waits for its successor, which decides about it. */
static void an_inbox_outlives_its_worker(void **state)
{
	char text[8];
	int fd;

	begin(2);
	wait_for(&readies, 1);
	assert_int_equal(message_send(crew.inbox_fd[1][1], "packet", 6, -1), 0);
	role_kill(&crew.role[1]);
	while (crew.role[1].state == ROLE_STATE_READY)
		loop_once(loop, 10);
	assert_int_equal(message_send(crew.inbox_fd[1][1], "later", 5, -1), 0);
	while (crew.role[1].state != ROLE_STATE_READY)
		loop_once(loop, 10);
	assert_int_equal(message_recv(crew.inbox_fd[1][0], text, sizeof(text), &fd), 6);
	assert_int_equal(message_recv(crew.inbox_fd[1][0], text, sizeof(text), &fd), 5);
	assert_int_equal(message_recv(crew.inbox_fd[1][0], text, sizeof(text), &fd), -EAGAIN);
	end_in_order();
}

/* The largest packet fits many times, and there is an end to it. */
static void an_inbox_is_bounded(void **state)
{
	static char packet[PACKET_MAX];
	int n = 0;

	begin(2);
	wait_for(&readies, 1);
	while (!message_send(crew.inbox_fd[1][1], packet, sizeof(packet), -1))
		n++;
	assert_in_range(n, 2, 2 * INBOX_BYTES / PACKET_MAX);
	end_in_order();
}

static void one_worker_has_no_inbox(void **state)
{
	begin(1);
	wait_for(&readies, 1);
	assert_int_equal(crew.inbox_fd[1][0], -1);
	assert_int_equal(crew.inbox_fd[1][1], -1);
	end_in_order();
}

static void a_dead_resolver_gets_new_relays_and_its_flows_end(void **state)
{
	int raw;
	char text[64];

	if (geteuid())
		skip();
	begin(1);
	wait_for(&readies, 1);
	role_kill(&crew.role[0]);
	while (crew.role[0].state == ROLE_STATE_READY)
		loop_once(loop, 10);
	assert_int_equal(fake_kernel.ended_slot, 0);
	assert_int_equal(fake_kernel.ended_with, END_ROLE_DIED);
	while (crew.role[0].state != ROLE_STATE_READY)
		loop_once(loop, 10);
	assert_non_null(strstr(ask(0), "\"restarted\":1,\"descriptors\":2,"));
	raw = (crew.icmp_fd[1][0] >= 0) + (crew.icmp_fd[1][1] >= 0);
	snprintf(text, sizeof(text), "\"descriptors\":%d,", 3 + raw);
	assert_non_null(strstr(ask(1), text));
	end_in_order();
}

static void a_role_that_hangs_is_counted_and_replaced(void **state)
{
	begin(2);
	wait_for(&readies, 1);
	assert_int_equal(kill(crew.role[2].pid, SIGSTOP), 0);
	while (!fake_kernel.counters[2].stats.hangs) {
		crew_beat(&crew);
		for (unsigned int slot = 0; slot < 2; slot++)
			while (crew.role[slot].pinged)
				loop_once(loop, 10);
	}
	assert_int_equal(crew.beats, (ROLE_HANG_MS + ROLE_PING_MS) / HEARTBEAT_MS);
	while (!fake_kernel.counters[2].stats.restarts || crew.role[2].state != ROLE_STATE_READY)
		loop_once(loop, 10);
	assert_int_equal(fake_kernel.counters[2].stats.hangs, 1);
	assert_int_equal(fake_kernel.counters[1].stats.hangs, 0);
	assert_int_equal(fake_kernel.counters[1].stats.restarts, 0);
	end_in_order();
}

static void every_role_is_adopted_into_the_cgroup(void **state)
{
	snprintf(fake_kernel.features.cgroup, sizeof(fake_kernel.features.cgroup), "/x");
	begin(3);
	wait_for(&readies, 1);
	assert_int_equal(fake_kernel.adopted, 4);
	assert_int_equal(crew.config.protect, PROTECT_CGROUP);
	end_in_order();
}

static void a_role_that_dies_at_the_start_fails_the_crew(void **state)
{
	begin(1);
	crew.role[1].delay_ms = 5000; /* not restarted during this test */
	role_kill(&crew.role[1]);
	wait_for(&failures, 1);
	assert_non_null(strstr(failure, "worker 1"));
	assert_int_equal(readies, 0);
	end_in_order();
}

static void stopping_what_never_started_tells_at_once(void **state)
{
	settings = (struct settings){ .workers = 1 };
	crew_init(&crew, loop, &opt, &fake_kernel, &capture, &settings, &ops);
	crew_stop(&crew);
	assert_int_equal(stops, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hands_each_role_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_have_keys_and_identifiers_of_their_own,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_worker_is_replaced_and_the_others_stay,
						setup, teardown),
		cmocka_unit_test_setup_teardown(an_inbox_outlives_its_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(an_inbox_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(one_worker_has_no_inbox, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_resolver_gets_new_relays_and_its_flows_end,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_role_that_hangs_is_counted_and_replaced, setup,
						teardown),
		cmocka_unit_test_setup_teardown(every_role_is_adopted_into_the_cgroup, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_role_that_dies_at_the_start_fails_the_crew, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stopping_what_never_started_tells_at_once, setup,
						teardown),
	};

	if (argc > 3 && !strcmp(argv[1], "--role"))
		return role_fake_main(FAKE_GOOD);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
