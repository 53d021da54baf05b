// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/worker/tcp_bench.h"

#define BULK (2 << 20)
#define ABORTS 100

static uint8_t bulk[BULK];
static uint8_t back[BULK];

static void fill_bulk(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < BULK; i++) {
		x = x * 1664525 + 1013904223;
		bulk[i] = (uint8_t)(x >> 24);
	}
}

static void carries_bytes_both_ways(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	char buf[5];

	app_send(&a, SEG_ACK | SEG_PSH, "hello", 5);
	bench_read(fd, buf, 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(write(fd, "world!", 6), 6);
	app_read(&a, (const uint8_t *)"world!", 6);
	close(fd);
}

static void carries_bytes_over_ipv6(void **state)
{
	struct app a = app_at("2001:db8::7", 4000);
	int fd = app_connect(&a);
	char buf[5];

	app_send(&a, SEG_ACK | SEG_PSH, "hello", 5);
	bench_read(fd, buf, 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(write(fd, "world!", 6), 6);
	app_read(&a, (const uint8_t *)"world!", 6);
	close(fd);
}

static void a_lone_segment_is_acknowledged_within_a_tick(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct packet_path path;
	struct segment s;

	app_send(&a, SEG_ACK | SEG_PSH, "x", 1);
	assert_false(app_take(&path, &s)); /* it may still ride on an answer */
	s = app_expect(&a, SEG_ACK);
	assert_int_equal(s.ack, a.seq);
	close(fd);
}

static void urgent_data_arrives_in_line(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s = {
		.flags = SEG_ACK | SEG_URG,
		.seq = a.seq,
		.ack = a.ack,
		.window = 65535,
		.urgent = 2,
		.payload = (const uint8_t *)"abc",
		.len = 3,
		.scale = -1,
	};
	char buf[3];

	app_put(&a, &s);
	bench_read(fd, buf, 3);
	assert_memory_equal(buf, "abc", 3);
	close(fd);
}

/* Sends as much of data[at..len) as the window announced in `right` allows. */
static size_t app_push(struct app *a, const uint8_t *data, size_t at, size_t len, uint32_t right)
{
	while (at < len && (int32_t)(right - a->seq) > 0) {
		size_t n = right - a->seq;

		if (n > 60000)
			n = 60000;
		if (n > len - at)
			n = len - at;
		app_send(a, SEG_ACK, data + at, n);
		at += n;
	}
	return at;
}

static void upload_is_complete_and_in_order(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	uint32_t right = a.seq + 65535;
	size_t sent = 0, got = 0;

	for (int idle = 0; got < BULK && idle < 400; idle++) {
		struct packet_path path;
		struct segment s;
		ssize_t n;

		sent = app_push(&a, bulk, sent, BULK, right);
		bench_turn(5);
		while (app_take(&path, &s)) {
			assert_int_equal(s.len, 0);
			right = s.ack + ((uint32_t)s.window << 7);
		}
		while ((n = recv(fd, back + got, BULK - got, MSG_DONTWAIT)) > 0) {
			got += (size_t)n;
			idle = 0;
		}
	}
	assert_int_equal(got, BULK);
	assert_memory_equal(back, bulk, BULK);
	close(fd);
}

static void window_grows_while_upstream_keeps_up(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	uint32_t window = 0;

	for (int i = 0; i < 40; i++) {
		struct segment s;

		app_send(&a, SEG_ACK, bulk, 60000);
		bench_read(fd, back, 60000);
		s = app_expect(&a, SEG_ACK);
		window = (uint32_t)s.window << 7;
	}
	assert_true(window > 900000);
	close(fd);
}

static void window_closes_when_upstream_does_not_read_and_nothing_is_lost(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd, small = 32768;
	uint32_t right;
	size_t sent = 0, got = 0;
	struct packet_path path;
	struct segment s;

	bench.send_buffer = small;
	fd = app_connect(&a);
	right = a.seq + 65535;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < 4000 && (int32_t)(right - a.seq) > 0; i++) {
		size_t n = right - a.seq < 60000 ? right - a.seq : 60000;

		assert_true(sent < 64U << 20);
		app_send(&a, SEG_ACK, bulk + sent % (BULK - 60000), n);
		sent += n;
		for (int w = 0; w < 20 && (int32_t)(right - a.seq) <= 0; w++) {
			bench_turn(5);
			while (app_take(&path, &s))
				right = s.ack + ((uint32_t)s.window << 7);
		}
	}
	assert_int_equal(right, a.seq); /* shut tight */
	assert_true(stack_buffer_bytes(bench.w.tcp->stack) < 2U << 20);
	/* Now it is read: every byte is there and the window opens again. */
	for (int idle = 0; got < sent && idle < 400; idle++) {
		ssize_t n = recv(fd, back, sizeof(back), MSG_DONTWAIT);

		if (n > 0) {
			got += (size_t)n;
			idle = 0;
		}
		bench_turn(n > 0 ? 0 : 5);
		while (app_take(&path, &s))
			right = s.ack + ((uint32_t)s.window << 7);
	}
	assert_int_equal(got, sent);
	assert_true((int32_t)(right - a.seq) > 60000);
	close(fd);
}

static void download_leaves_as_segments_beyond_the_mtu(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s;

	a.window = 60000;
	app_ack(&a); /* scaled: 7.6 MB */
	assert_int_equal(write(fd, bulk, 64000), 64000);
	s = app_expect(&a, SEG_ACK);
	while (s.len == 0)
		assert_true(app_wait(&a, &s));
	assert_true(s.len > 30000);
	assert_int_equal(app_buffer[1], 1); /* VIRTIO_NET_HDR_GSO_TCPV4 */
	assert_int_equal(app_buffer[4] | app_buffer[5] << 8, 1460);
	close(fd);
}

static void download_without_offload_fits_the_mtu(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	size_t got = 0;

	assert_int_equal(write(fd, bulk, 64000), 64000);
	while (got < 64000) {
		struct segment s;

		assert_true(app_wait(&a, &s));
		assert_true(s.len <= 1460);
		if (s.len == 0)
			continue;
		assert_memory_equal(s.payload, bulk + got, s.len);
		got += s.len;
		a.ack += (uint32_t)s.len;
		app_ack(&a);
	}
	close(fd);
}

static void write_all(int fd, size_t *at)
{
	ssize_t n;

	while (*at < BULK && (n = send(fd, bulk + *at, BULK - *at, MSG_DONTWAIT)) > 0)
		*at += (size_t)n;
}

static void download_respects_the_window_and_loses_nothing(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	size_t sent = 0, got = 0, in_flight = 0;
	int fd, idle = 0;

	a.window = 300; /* 38,400 bytes */
	fd = app_connect(&a);
	while (got < BULK && idle++ < 2000) {
		struct packet_path path;
		struct segment s;

		write_all(fd, &sent);
		bench_turn(1);
		while (app_take(&path, &s)) {
			assert_int_equal(s.seq, a.ack + in_flight);
			assert_memory_equal(s.payload, bulk + got + in_flight, s.len);
			in_flight += s.len;
			assert_true(in_flight <= 300 << 7);
		}
		if (in_flight > 0)
			idle = 0;
		got += in_flight;
		a.ack += (uint32_t)in_flight;
		in_flight = 0;
		app_ack(&a);
		assert_true(stack_buffer_bytes(bench.w.tcp->stack) <= 2U << 20);
	}
	assert_int_equal(got, BULK);
	close(fd);
}

static void lost_segment_is_sent_again(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s;

	assert_int_equal(write(fd, "once", 4), 4);
	do
		assert_true(app_wait(&a, &s));
	while (s.len == 0);
	bench_skip(4000); /* not acknowledged: as if lost */
	assert_true(app_wait(&a, &s));
	assert_int_equal(s.seq, a.ack);
	assert_memory_equal(s.payload, "once", 4);
	close(fd);
}

static void zero_window_is_probed_and_the_data_follows(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct segment s;
	int fd;

	a.window = 0;
	fd = app_connect(&a);
	assert_int_equal(write(fd, "abcdef", 6), 6);
	bench_turn(20);
	bench_skip(2500);
	assert_true(app_wait(&a, &s));
	assert_int_equal(s.len, 1);
	assert_int_equal(s.seq, a.ack);
	app_ack(&a); /* still shut */
	a.window = 500;
	app_ack(&a);
	app_read(&a, (const uint8_t *)"abcdef", 6);
	close(fd);
}

/* The probed byte is taken: nothing is left to probe with, and lwIP must not stumble. */
static void taken_window_probe_leaves_the_timer_in_order(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct segment s;
	int fd;

	a.window = 0;
	fd = app_connect(&a);
	assert_int_equal(write(fd, "a", 1), 1);
	bench_turn(20);
	bench_skip(2500);
	assert_true(app_wait(&a, &s));
	assert_int_equal(s.len, 1);
	a.ack++;
	app_ack(&a);
	bench_skip(3000);
	a.window = 500;
	app_ack(&a);
	assert_int_equal(write(fd, "b", 1), 1);
	app_read(&a, (const uint8_t *)"b", 1);
	close(fd);
}

static void segments_out_of_order_are_put_in_order(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	uint32_t first = a.seq;
	struct segment s;
	char buf[9];

	a.seq = first + 6;
	app_send(&a, SEG_ACK, "ghi", 3);
	s = app_expect(&a, SEG_ACK);
	assert_int_equal(s.ack, first);
	assert_int_equal(s.sack_blocks, 1);
	a.seq = first + 3;
	app_send(&a, SEG_ACK, "def", 3);
	a.seq = first;
	app_send(&a, SEG_ACK, "abc", 3);
	bench_read(fd, buf, 9);
	assert_memory_equal(buf, "abcdefghi", 9);
	do
		s = app_expect(&a, SEG_ACK);
	while (s.ack != first + 9);
	close(fd);
}

static void overlapping_and_repeated_segments_count_once(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	uint32_t first = a.seq;
	char buf[6];

	app_send(&a, SEG_ACK, "abc", 3);
	a.seq = first;
	app_send(&a, SEG_ACK, "abc", 3);
	a.seq = first + 1;
	app_send(&a, SEG_ACK, "bcdef", 5);
	bench_read(fd, buf, 6);
	assert_memory_equal(buf, "abcdef", 6);
	assert_int_equal(recv(fd, buf, 1, MSG_DONTWAIT), -1);
	close(fd);
}

static void application_closes_first_and_still_receives(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	char buf[3];
	struct segment s;

	app_send(&a, SEG_ACK | SEG_FIN, "bye", 3);
	bench_read(fd, buf, 3);
	assert_int_equal(bench_ending(fd), 0);
	assert_int_equal(write(fd, "still here", 10), 10);
	app_read(&a, (const uint8_t *)"still here", 10);
	assert_int_equal(bench.ended, 0);
	close(fd);
	s = app_expect(&a, SEG_FIN);
	a.ack = s.seq + 1;
	app_ack(&a);
	assert_int_equal(bench.ended, 1);
	assert_int_equal(bench.end, END_FINISHED);
	assert_int_equal(bench.w.tcp->table.count, 0); /* TIME_WAIT is the application's */
}

static void upstream_closes_first_and_still_receives(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s;
	char buf[5];

	shutdown(fd, SHUT_WR);
	s = app_expect(&a, SEG_FIN);
	a.ack = s.seq + 1;
	app_send(&a, SEG_ACK, "later", 5);
	bench_read(fd, buf, 5);
	assert_memory_equal(buf, "later", 5);
	assert_int_equal(bench.ended, 0);
	app_send(&a, SEG_ACK | SEG_FIN, NULL, 0);
	assert_int_equal(bench.end, END_FINISHED); /* as TIME_WAIT begins */
	assert_int_equal(bench.ended, 1);
	assert_int_equal(bench_ending(fd), 0);
	close(fd);
}

static void both_close_at_once(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s;

	close(fd);
	s = app_expect(&a, SEG_FIN);
	app_send(&a, SEG_ACK | SEG_FIN, NULL, 0); /* sent before ours was seen */
	a.ack = s.seq + 1;
	app_ack(&a);
	assert_int_equal(bench.end, END_FINISHED);
	assert_int_equal(bench.ended, 1);
}

static void reset_upstream_reaches_the_application(void **state)
{
	struct linger hard = { .l_onoff = 1 };
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	s = app_expect(&a, SEG_RST);
	assert_int_equal(s.seq, a.ack);
	assert_int_equal(bench.end, END_UPSTREAM_RESET);
	assert_int_equal(bench.w.tcp->table.count, 0);
}

static void data_before_a_reset_upstream_is_delivered(void **state)
{
	struct linger hard = { .l_onoff = 1 };
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s;

	assert_int_equal(write(fd, "last words", 10), 10);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	do
		assert_true(app_wait(&a, &s));
	while (s.len == 0);
	assert_memory_equal(s.payload, "last words", 10);
	app_expect(&a, SEG_RST);
}

static void reset_of_the_application_reaches_upstream(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);

	app_send(&a, SEG_RST, NULL, 0);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	assert_int_equal(bench.end, END_APP_RESET);
	close(fd);
}

static void blind_reset_in_the_window_is_challenged(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct segment s;

	a.seq += 100;
	app_send(&a, SEG_RST, NULL, 0);
	a.seq -= 100;
	s = app_expect(&a, SEG_ACK);
	assert_int_equal(s.ack, a.seq);
	assert_int_equal(bench.ended, 0);
	close(fd);
}

static void syn_in_an_open_connection_is_challenged(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);
	struct app b = a;
	struct segment s;

	b.seq += 5000;
	app_send(&b, SEG_SYN, NULL, 0);
	s = app_expect(&a, SEG_ACK);
	assert_int_equal(s.flags, SEG_ACK);
	assert_int_equal(s.ack, a.seq);
	assert_int_equal(bench.ended, 0);
	close(fd);
}

static void repeated_syn_gets_the_same_answer_again(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct segment first, again;

	app_send(&a, SEG_SYN, NULL, 0);
	first = app_expect(&a, SEG_SYN);
	a.seq--;
	app_send(&a, SEG_SYN, NULL, 0);
	again = app_expect(&a, SEG_SYN);
	assert_int_equal(again.seq, first.seq);
	assert_int_equal(again.ack, first.ack);
	close(bench_accept());
}

static void application_that_vanishes_in_the_handshake_is_given_up(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd;

	app_send(&a, SEG_SYN, NULL, 0);
	app_expect(&a, SEG_SYN);
	fd = bench_accept();
	app_send(&a, SEG_RST | SEG_ACK, NULL, 0);
	assert_int_equal(bench.end, END_APP_RESET);
	assert_int_equal(bench_ending(fd), ECONNRESET);
	close(fd);
}

/* Half a transfer each way, then one side resets: 1 = the application, 0 = upstream. */
static void abort_in_transfer(uint16_t port, bool by_application)
{
	struct linger hard = { .l_onoff = 1 };
	struct app a = app_at("198.51.100.7", port);
	int fd = app_connect(&a);
	size_t sent = 0;
	struct packet_path path;
	struct segment s;

	write_all(fd, &sent);
	app_send(&a, SEG_ACK, bulk, 30000 + port % 1000);
	for (int i = port % 5; i > 0; i--) {
		bench_turn(0);
		while (app_take(&path, &s)) {
			if (s.len > 0 && s.seq == a.ack)
				a.ack += (uint32_t)s.len;
		}
		app_ack(&a);
		app_send(&a, SEG_ACK, bulk, 5000);
	}
	if (by_application) {
		app_send(&a, SEG_RST, NULL, 0);
		close(fd);
	} else {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
		for (int i = 0; i < WAIT_MS && bench.w.tcp->table.count > 0; i++) {
			bench_turn(1);
			while (app_take(&path, &s))
				;
		}
	}
	assert_int_equal(bench.w.tcp->table.count, 0);
	while (app_take(&path, &s))
		;
}

static void aborts_in_mid_transfer_free_everything(void **state)
{
	for (uint16_t i = 0; i < ABORTS; i++)
		abort_in_transfer((uint16_t)(4000 + i), i & 1);
	assert_int_equal(bench.ended, ABORTS);
	bench_turn(0);
	assert_true(stack_buffer_bytes(bench.w.tcp->stack) <=
		    CONN_RESERVE_MAX * 65536); /* the spare ones */
}

/* FINs of both sides are through while upstream has not taken the last bytes yet. */
static void last_bytes_survive_the_end_of_the_connection(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd, small = 32768;
	uint32_t right;
	size_t sent = 0, got = 0;
	struct packet_path path;
	struct segment s;

	bench.send_buffer = small;
	fd = app_connect(&a);
	right = a.seq + 65535;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	shutdown(fd, SHUT_WR);
	a.ack = app_expect(&a, SEG_FIN).seq + 1;
	while (!conn_is_pending(&tcp_table_any(&bench.w.tcp->table)->conn)) {
		size_t n = right - a.seq < 60000 ? right - a.seq : 60000;

		app_send(&a, SEG_ACK, bulk, n);
		sent += n;
		bench_turn(10);
		while (app_take(&path, &s))
			right = s.ack + ((uint32_t)s.window << 7);
	}
	app_send(&a, SEG_ACK | SEG_FIN, NULL, 0);
	assert_int_equal(bench.ended, 0);
	for (int idle = 0; got < sent && idle < 400; idle++) {
		ssize_t n = recv(fd, back, sizeof(back), MSG_DONTWAIT);

		if (n > 0) {
			got += (size_t)n;
			idle = 0;
		}
		bench_turn(n > 0 ? 0 : 5);
	}
	assert_int_equal(got, sent);
	assert_int_equal(bench_ending(fd), 0);
	assert_int_equal(bench.end, END_FINISHED);
	close(fd);
}

static int upstream_option(int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);
	int fd = tcp_table_any(&bench.w.tcp->table)->watch.fd;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void keepalive_is_set_once_a_connection_lasts(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);

	bench_skip(TCP_YOUNG_MS - 500);
	assert_int_equal(upstream_option(SOL_SOCKET, SO_KEEPALIVE), 0);
	bench_skip(1000);
	assert_int_equal(upstream_option(SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_false(timer_is_armed(&bench.w.tcp->young_timer));
	close(fd);
}

static void a_second_send_does_not_wait_for_more(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd = app_connect(&a);

	app_send(&a, SEG_ACK, "a", 1);
	app_send(&a, SEG_ACK, "b", 1);
	assert_int_equal(upstream_option(IPPROTO_TCP, TCP_NODELAY), 1);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_up, bench_down)
#define TEST_PLAIN(f) cmocka_unit_test_setup_teardown(f, bench_up_plain, bench_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(carries_bytes_both_ways),
		TEST_PLAIN(carries_bytes_over_ipv6),
		TEST(a_lone_segment_is_acknowledged_within_a_tick),
		TEST(urgent_data_arrives_in_line),
		TEST(upload_is_complete_and_in_order),
		TEST(window_grows_while_upstream_keeps_up),
		TEST(window_closes_when_upstream_does_not_read_and_nothing_is_lost),
		TEST(download_leaves_as_segments_beyond_the_mtu),
		TEST_PLAIN(download_without_offload_fits_the_mtu),
		TEST(download_respects_the_window_and_loses_nothing),
		TEST(lost_segment_is_sent_again),
		TEST(zero_window_is_probed_and_the_data_follows),
		TEST(taken_window_probe_leaves_the_timer_in_order),
		TEST(segments_out_of_order_are_put_in_order),
		TEST(overlapping_and_repeated_segments_count_once),
		TEST(application_closes_first_and_still_receives),
		TEST(upstream_closes_first_and_still_receives),
		TEST(both_close_at_once),
		TEST(reset_upstream_reaches_the_application),
		TEST(data_before_a_reset_upstream_is_delivered),
		TEST(reset_of_the_application_reaches_upstream),
		TEST(blind_reset_in_the_window_is_challenged),
		TEST(syn_in_an_open_connection_is_challenged),
		TEST(repeated_syn_gets_the_same_answer_again),
		TEST(application_that_vanishes_in_the_handshake_is_given_up),
		TEST(aborts_in_mid_transfer_free_everything),
		TEST(keepalive_is_set_once_a_connection_lasts),
		TEST(a_second_send_does_not_wait_for_more),
		TEST(last_bytes_survive_the_end_of_the_connection),
	};

	fill_bulk();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
