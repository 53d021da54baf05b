// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checklist: windows, order, overlaps, urgent data, numbers that wrap. */
#include "lib/checklist.h"

#include <string.h>
#include <sys/socket.h>

#define WINDOW 65535 /* that a fresh connection is granted */
#define SCALE 7 /* of the windows that we are granted */
#define SEGMENT 1400
#define FILL_MAX (64 << 20) /* more than all buffers on the way hold */
#define WRAP_NEAR (16 << 20)
#define WRAP_TRIES 5000
#define LONG_STEP_MS 250
#define LONG_STEPS 120

static void set_seq(struct peer *p, struct segment *s, uint32_t seq, const uint8_t *data,
		    size_t len)
{
	*s = (struct segment){
		.flags = SEG_ACK,
		.seq = seq,
		.ack = p->ack,
		.window = p->window,
		.payload = data,
		.len = len,
		.scale = -1,
	};
}

/* Bytes [from, to) of the stream that began at `first`. */
static void put_range(struct peer *p, uint32_t first, const uint8_t *stream, size_t from, size_t to)
{
	while (from < to) {
		size_t n = to - from < peer_link.segment_max ? to - from : peer_link.segment_max;
		struct segment s;

		set_seq(p, &s, first + (uint32_t)from, stream + from, n);
		peer_put(p, &s);
		from += n;
	}
}

/* The next segment, however long a timer takes. */
static struct segment wait_long(const struct peer *p)
{
	struct segment s;

	for (int i = 0; i < LONG_STEPS; i++) {
		if (peer_wait(p, &s, 0))
			return s;
		peer_link.pass(LONG_STEP_MS);
	}
	fail_msg("nothing came");
	return s;
}

static void segments_in_any_order_and_twice_make_the_stream(void **state)
{
	struct peer p = peer_opened();
	const size_t count = 64, size = 500;

	for (size_t i = 0; i < 2 * count; i++) {
		size_t n = i * 37 % count; /* 37 and 64 have no divisor in common */

		put_range(&p, p.seq, peer_bytes(), n * size, (n + 1) * size);
	}
	peer_upstream_reads(&p, peer_bytes(), count * size);
	p.seq += (uint32_t)(count * size);
	peer_works(&p);
	peer_drop(&p);
}

static void what_was_delivered_is_not_changed_by_what_comes_again(void **state)
{
	struct peer p = peer_opened();

	peer_send(&p, SEG_ACK, "hello", 5);
	peer_upstream_reads(&p, "hello", 5);
	peer_send_at(&p, SEG_ACK, -5, 0, "HELLO", 5);
	peer_send_at(&p, SEG_ACK, -5, 0, "HELLOworld", 10);
	p.seq += 5;
	peer_upstream_reads(&p, "world", 5);
	peer_works(&p);
	peer_drop(&p);
}

/* Whose bytes win is nobody's promise, but each is delivered once and is one that was sent. */
static void overlapping_segments_with_other_content_are_one_stream(void **state)
{
	struct peer p = peer_opened();
	uint8_t a[250], b[250], got[250];
	size_t have = 0;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	put_range(&p, p.seq, a, 100, 200);
	put_range(&p, p.seq, b, 150, 250);
	put_range(&p, p.seq, b, 120, 180);
	put_range(&p, p.seq, b, 90, 210);
	put_range(&p, p.seq, a, 0, 160);
	put_range(&p, p.seq, b, 0, 250);
	for (int i = 0; i < 1000 && have < sizeof(got); i++) {
		ssize_t n = recv(p.up, got + have, sizeof(got) - have, MSG_DONTWAIT);

		if (n > 0)
			have += (size_t)n;
		else
			peer_link.turn(p.up, 5);
	}
	assert_int_equal(have, sizeof(got));
	for (size_t i = 0; i < sizeof(got); i++)
		assert_true(got[i] == 'a' || got[i] == 'b');
	assert_int_equal(got[0], 'a');
	p.seq += sizeof(got);
	peer_works(&p);
	peer_drop(&p);
}

static void data_beyond_the_window_is_cut_off(void **state)
{
	struct peer p = peer_opened();
	const uint8_t *data = peer_bytes();
	struct segment s;

	put_range(&p, p.seq, data, 60000, 100000);
	put_range(&p, p.seq, data, 0, 60000);
	do {
		s = peer_expect(&p, SEG_ACK);
	} while ((int32_t)(s.ack - p.seq) < 60000);
	assert_in_range(s.ack - p.seq, 60000, WINDOW);
	put_range(&p, p.seq, data, 60000, 100000);
	peer_upstream_reads(&p, data, 100000);
	p.seq += 100000;
	peer_works(&p);
	peer_drop(&p);
}

static void urgent_data_stays_in_line(void **state)
{
	static const uint16_t pointers[] = { 0, 1, 3, 6, 7, 65535 };
	struct peer p = peer_opened();

	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		struct segment s;

		set_seq(&p, &s, p.seq, (const uint8_t *)"urgent", 6);
		s.flags |= SEG_URG;
		s.urgent = pointers[i];
		peer_put(&p, &s);
		p.seq += 6;
		peer_upstream_reads(&p, "urgent", 6);
		set_seq(&p, &s, p.seq, NULL, 0);
		s.flags |= SEG_URG;
		s.urgent = pointers[i];
		peer_put(&p, &s);
	}
	peer_works(&p);
	peer_drop(&p);
}

/* The application's window is shut: probes, which it answers, until it opens again. */
static void shut_window_is_probed_until_it_opens(void **state)
{
	struct peer p = peer_opened();
	const uint8_t *data = peer_bytes();

	p.window = 0;
	peer_send(&p, SEG_ACK, "shut", 4);
	peer_upstream_reads(&p, "shut", 4); /* so it was heard */
	peer_upstream_writes(&p, data, 100000);
	for (int i = 0; i < 3; i++) {
		struct segment s = wait_long(&p);

		assert_true(s.len <= 1);
		assert_true(s.seq == p.ack || s.seq == p.ack - 1);
		if (s.seq == p.ack && s.len == 1)
			assert_int_equal(s.payload[0], data[0]);
		peer_ack(&p);
	}
	p.window = 65535;
	peer_ack(&p);
	peer_reads(&p, data, 100000);
	peer_works(&p);
	peer_drop(&p);
}

/* Sends until the window that is granted is full; returns how much that was. */
static size_t fill(struct peer *p)
{
	uint32_t first = p->seq, edge = first + WINDOW;
	struct segment s;

	while (p->seq - first < FILL_MAX) {
		size_t start = (p->seq - first) % PEER_BYTES, n = PEER_BYTES - start;

		while (peer_wait(p, &s, edge == p->seq ? 10 * PEER_QUIET_MS : 0))
			edge = s.ack + ((uint32_t)s.window << SCALE);
		if (edge == p->seq)
			return p->seq - first;
		if (n > SEGMENT)
			n = SEGMENT;
		if (n > edge - p->seq)
			n = edge - p->seq;
		peer_send(p, SEG_ACK, peer_bytes() + start, n);
	}
	fail_msg("the window was never shut");
	return 0;
}

static void upstream_reads_filled(const struct peer *p, size_t len)
{
	for (size_t at = 0; at < len; at += PEER_BYTES)
		peer_upstream_reads(p, peer_bytes(), len - at < PEER_BYTES ? len - at : PEER_BYTES);
}

/* Upstream does not read: the window shuts, probes of both kinds are answered, it opens again. */
static void our_shut_window_answers_probes_and_opens(void **state)
{
	int small = 4096, usual = 1 << 20;
	struct peer p = peer_new();
	struct segment s;
	size_t filled;

	setsockopt(peer_link.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	peer_open(&p);
	filled = fill(&p);
	for (int i = 0; i < 6; i++) {
		uint32_t taken;

		if (i % 2)
			peer_send_at(&p, SEG_ACK, 0, 0, peer_bytes() + filled % PEER_BYTES, 1);
		else
			peer_send_at(&p, SEG_ACK, -1, 0, NULL, 0);
		s = peer_expect(&p, SEG_ACK);
		assert_int_equal(s.window, 0);
		taken = s.ack - p.seq; /* less than the scale can tell may be left */
		assert_in_range(taken, 0, i % 2);
		p.seq += taken;
		filled += taken;
	}
	setsockopt(p.up, SOL_SOCKET, SO_RCVBUF, &usual, sizeof(usual));
	upstream_reads_filled(&p, filled);
	do {
		s = peer_expect(&p, SEG_ACK);
	} while (s.window == 0);
	peer_works(&p);
	peer_drop(&p);
	setsockopt(peer_link.listener, SOL_SOCKET, SO_RCVBUF, &usual, sizeof(usual));
}

/*
 * RFC 9293, 3.8.6: an application should not shrink its window, and we must cope: nothing new
 * beyond the edge, what was sent before comes again, and all of it arrives in the end.
 */
static void window_that_shrinks_loses_nothing(void **state)
{
	struct peer p = peer_new();
	const uint8_t *data = peer_bytes();
	uint32_t first, last;
	struct segment s;

	p.scale = -1;
	peer_open(&p);
	first = last = p.ack;
	peer_upstream_writes(&p, data, 200000);
	s = peer_expect(&p, SEG_ACK);
	do {
		last = s.seq + (uint32_t)s.len;
	} while (peer_wait(&p, &s, PEER_QUIET_MS));
	assert_in_range(last - first, 2000, WINDOW);
	p.ack = first + 1000;
	p.window = 700;
	peer_ack(&p);
	for (int i = 0; i < 8; i++) {
		peer_link.pass(LONG_STEP_MS);
		while (peer_wait(&p, &s, 0))
			assert_true((int32_t)(s.seq + (uint32_t)s.len - last) <= 0);
	}
	p.window = 65535;
	peer_ack(&p);
	peer_link.pass(2000);
	peer_reads(&p, data + 1000, 199000);
	peer_works(&p);
	peer_drop(&p);
}

static void numbers_of_the_application_wrap(void **state)
{
	static const uint32_t isns[] = { 0xffffffff, 0xfffffffe, 0xffffff00, 0xffff0000 };

	for (size_t i = 0; i < sizeof(isns) / sizeof(isns[0]); i++) {
		struct peer p = peer_new();

		p.isn = isns[i];
		peer_open(&p);
		peer_uploads(&p, 100000);
		peer_works(&p);
		peer_send_at(&p, SEG_RST, FILL_MAX, 0, NULL, 0);
		peer_send(&p, SEG_ACK | SEG_FIN, NULL, 0);
		assert_int_equal(peer_upstream_ends(&p), 0);
		peer_drop(&p);
	}
}

/* Reordered across the wrap. */
static void order_is_kept_where_numbers_wrap(void **state)
{
	struct peer p = peer_new();

	p.isn = (uint32_t)-1000;
	peer_open(&p);
	for (size_t i = 20; i > 0; i--)
		put_range(&p, p.seq, peer_bytes(), (i - 1) * 100, i * 100);
	peer_upstream_reads(&p, peer_bytes(), 2000);
	p.seq += 2000;
	peer_works(&p);
	peer_drop(&p);
}

/* A connection whose next byte to the application lies closely before the wrap. */
static struct peer opened_near_wrap(void)
{
	struct peer p = peer_opened();

	for (int i = 0; i < WRAP_TRIES && -p.ack > WRAP_NEAR; i++) {
		peer_drop(&p);
		if (peer_link.advance_isn)
			peer_link.advance_isn(-p.ack - WRAP_NEAR / 2);
		else
			p = peer_new();
		p.isn = p.seq + 1000;
		peer_open(&p);
	}
	assert_in_range(-p.ack, 1, WRAP_NEAR);
	return p;
}

static void our_numbers_wrap(void **state)
{
	struct peer p = opened_near_wrap();

	peer_downloads(&p, WRAP_NEAR + 100000);
	assert_in_range(p.ack, 1, WRAP_NEAR + 100000);
	peer_send_at(&p, SEG_ACK, 0, 1, "evil", 4);
	peer_expect_challenge(&p);
	peer_works(&p);
	peer_drop(&p);
}

const struct CMUnitTest checklist_data[] = {
	cmocka_unit_test(segments_in_any_order_and_twice_make_the_stream),
	cmocka_unit_test(what_was_delivered_is_not_changed_by_what_comes_again),
	cmocka_unit_test(overlapping_segments_with_other_content_are_one_stream),
	cmocka_unit_test(data_beyond_the_window_is_cut_off),
	cmocka_unit_test(urgent_data_stays_in_line),
	cmocka_unit_test(shut_window_is_probed_until_it_opens),
	cmocka_unit_test(our_shut_window_answers_probes_and_opens),
	cmocka_unit_test(window_that_shrinks_loses_nothing),
	cmocka_unit_test(numbers_of_the_application_wrap),
	cmocka_unit_test(order_is_kept_where_numbers_wrap),
	cmocka_unit_test(our_numbers_wrap),
};
CHECKLIST(checklist_data);
