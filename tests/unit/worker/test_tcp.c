// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>

#include "unit/worker/tcp_bench.h"

static void stray_segment_is_reset_as_rfc_9293_says(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct packet_path path;
	struct segment s;

	a.ack = 7777;
	app_send(&a, SEG_ACK, "abc", 3);
	assert_true(app_take(&path, &s));
	assert_int_equal(s.flags, SEG_RST);
	assert_int_equal(s.seq, 7777);
	a.seq = 500;
	app_send(&a, SEG_FIN, "abc", 3); /* without ACK */
	assert_true(app_take(&path, &s));
	assert_int_equal(s.flags, SEG_RST | SEG_ACK);
	assert_int_equal(s.seq, 0);
	assert_int_equal(s.ack, 504);
	assert_int_equal(bench.counters.drops.stray, 2);
}

static void stray_reset_is_not_answered(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct packet_path path;
	struct segment s;

	app_send(&a, SEG_RST | SEG_ACK, NULL, 0);
	assert_false(app_take(&path, &s));
}

static void syn_with_contradictory_flags_opens_nothing(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);

	app_send(&a, SEG_SYN | SEG_FIN, NULL, 0);
	app_send(&a, SEG_SYN | SEG_RST, NULL, 0);
	app_send(&a, SEG_SYN | SEG_ACK, NULL, 0);
	assert_int_equal(bench.w.tcp->table.count, 0);
	assert_int_equal(bench.counters.drops.stray, 3);
}

/* Upstream closes first, then the application: ours is the TIME_WAIT. */
static void into_time_wait(struct app *a)
{
	int fd = app_connect(a);

	close(fd);
	a->ack = app_expect(a, SEG_FIN).seq + 1;
	app_send(a, SEG_ACK | SEG_FIN, NULL, 0);
	assert_int_equal(app_expect(a, SEG_ACK).ack, a->seq);
	assert_int_equal(bench.end, END_FINISHED);
	assert_int_equal(bench.w.tcp->time_wait_count, 1);
}

static void repeated_fin_in_time_wait_is_acknowledged(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct packet_path path;
	struct segment s;

	into_time_wait(&a);
	a.seq--;
	app_send(&a, SEG_ACK | SEG_FIN, NULL, 0);
	assert_true(app_take(&path, &s));
	assert_int_equal(s.flags, SEG_ACK);
	assert_int_equal(s.seq, a.ack);
	assert_int_equal(s.ack, a.seq);
	app_send(&a, SEG_RST, NULL, 0); /* RFC 1337 */
	assert_int_equal(bench.w.tcp->time_wait_count, 1);
	app_ack(&a);
	assert_false(app_take(&path, &s));
}

static void syn_in_time_wait_opens_a_new_connection(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);

	into_time_wait(&a);
	a.seq += 100000;
	close(app_connect(&a));
	assert_int_equal(bench.w.tcp->time_wait_count, 0);
	assert_int_equal(bench.counters.stats.tcp_total, 2);
}

static void time_wait_ends(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);

	into_time_wait(&a);
	bench_skip(TCP_TIME_WAIT_MS - 200);
	assert_int_equal(bench.w.tcp->table.count, 1);
	bench_skip(400);
	assert_int_equal(bench.w.tcp->table.count, 0);
	assert_int_equal(bench.ended, 1);
}

static void orphan_gets_a_reset_that_its_socket_accepts(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct flow_key key = {
		.saddr = a.path.src,
		.daddr = a.path.dst,
		.sport = a.path.sport,
		.dport = a.path.dport,
		.proto = IPPROTO_TCP,
	};
	struct packet_path path;
	struct segment one, two;

	tcp_engine_orphan(bench.w.tcp, &key);
	assert_true(app_take(&path, &one));
	assert_true(app_take(&path, &two));
	assert_int_equal(one.flags, SEG_ACK);
	assert_int_equal(one.seq - two.seq, 1U << 31); /* no window holds both */
	/* The socket's answer to what it cannot accept: an ACK with its own numbers. */
	a.seq = 123456;
	a.ack = 654321;
	app_ack(&a);
	assert_true(app_take(&path, &one));
	assert_int_equal(one.flags, SEG_RST);
	assert_int_equal(one.seq, 654321);
}

static void freeing_the_engine_resets_every_connection(void **state)
{
	struct app open = app_at("198.51.100.7", 4000), waiting = app_at("198.51.100.7", 4001);
	int fd = app_connect(&open);
	unsigned int resets = 0;
	struct packet_path path;
	struct segment s;

	app_send(&waiting, SEG_SYN, NULL, 0);
	tcp_engine_free(bench.w.tcp);
	while (app_take(&path, &s))
		resets += !!(s.flags & SEG_RST);
	assert_int_equal(resets, 2);
	assert_int_equal(bench.ended, 2);
	assert_int_equal(bench.end, END_SHUTDOWN);
	assert_int_equal(recv(fd, &resets, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	assert_int_equal(tcp_engine_new(&bench.w, &bench.w.tcp), 0);
}

static void only_one_engine_per_process(void **state)
{
	struct tcp_engine *second;

	assert_int_equal(tcp_engine_new(&bench.w, &second), -EBUSY);
}

/* The same ports, open all at once: lwIP sees one of them at a time, and the right one. */
static void many_connections_do_not_mix(void **state)
{
	struct app apps[200];
	int fds[200];
	char buf[8];

	for (uint16_t i = 0; i < 200; i++) {
		apps[i] = app_at(i & 1 ? "198.51.100.7" : "198.51.100.8", (uint16_t)(4000 + i / 2));
		fds[i] = app_connect(&apps[i]);
	}
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int n = 0; n < 200; n++) {
			unsigned int i = n * 77 % 200;

			snprintf(buf, sizeof(buf), "%04u%02u", i, round);
			app_send(&apps[i], SEG_ACK, buf, 6);
			memset(buf, 0, sizeof(buf));
			bench_read(fds[i], buf, 6);
			assert_int_equal(strtol(buf, NULL, 10), i * 100 + round);
			assert_int_equal(write(fds[i], buf, 6), 6);
			app_read(&apps[i], (const uint8_t *)buf, 6);
		}
	}
	for (int i = 0; i < 200; i++)
		close(fds[i]);
}

static void malformed_segments_do_no_harm(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	uint32_t x = 1;

	for (int i = 0; i < 20000; i++) {
		struct packet_path path;
		struct segment s = { .scale = -1 };

		x = x * 1664525 + 1013904223;
		s.flags = (uint8_t)(x >> 24 & 0x3b); /* no RST: the connection is to survive */
		s.seq = a.seq + (x >> 8 & 1 ? 0 : x % 70000 - 1000);
		s.ack = a.ack + (x >> 9 & 1 ? 0 : x % 5000 - 2500);
		s.window = (uint16_t)(x >> 16);
		s.payload = app_buffer;
		s.len = x >> 10 & 1 ? x % 1400 : 0;
		s.mss = (uint16_t)x;
		s.scale = (int)(x >> 5 & 31);
		s.flags &= (uint8_t)~SEG_FIN;
		app_put(&a, &s);
		while (app_take(&path, &s)) {
			if (s.flags & SEG_ACK)
				a.seq = s.ack;
		}
		if (i % 100 == 0)
			bench_turn(0);
		while (recv(fd, app_buffer, sizeof(app_buffer), MSG_DONTWAIT) > 0)
			;
	}
	assert_int_equal(bench.ended, 0);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_up, bench_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stray_segment_is_reset_as_rfc_9293_says),
		TEST(stray_reset_is_not_answered),
		TEST(syn_with_contradictory_flags_opens_nothing),
		TEST(repeated_fin_in_time_wait_is_acknowledged),
		TEST(syn_in_time_wait_opens_a_new_connection),
		TEST(time_wait_ends),
		TEST(orphan_gets_a_reset_that_its_socket_accepts),
		TEST(freeing_the_engine_resets_every_connection),
		TEST(only_one_engine_per_process),
		TEST(many_connections_do_not_mix),
		TEST(malformed_segments_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
