// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

/* Feeds a segment `ahead` of what is expected next and says what became of it. */
static int send_at(uint8_t flags, int32_t ahead, int32_t ack_ahead, const void *data, size_t len)
{
	uint32_t seq = sb.seq, ack = sb.ack;
	struct packet head;
	uint8_t *packet;
	int r;

	sb.seq += (uint32_t)ahead;
	sb.ack += (uint32_t)ack_ahead;
	packet = sb_segment(flags, data, len, &head);
	r = conn_input(&sb.conn, &head, packet);
	sb.seq = seq;
	sb.ack = ack;
	return r;
}

/* One ACK with the right numbers was sent, nothing else. */
static void assert_challenged(void)
{
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->flags, SEG_ACK);
	assert_int_equal(sb_last()->seq, sb.ack);
	assert_int_equal(sb_last()->ack, sb.seq);
	sb.count = 0;
}

static void only_the_exact_reset_closes(void **state)
{
	sb_open();
	assert_int_equal(send_at(SEG_RST, 1, 0, NULL, 0), DROP_TCP_RESET);
	assert_challenged();
	assert_int_equal(send_at(SEG_RST | SEG_ACK, WINDOW_INITIAL - 1, 0, NULL, 0),
			 DROP_TCP_RESET);
	assert_challenged();
	assert_int_equal(send_at(SEG_RST, WINDOW_INITIAL, 0, NULL, 0), DROP_TCP_RESET);
	assert_int_equal(send_at(SEG_RST, -1, 0, NULL, 0), DROP_TCP_RESET);
	assert_int_equal(sb.count, 0);
	assert_int_equal(sb.conn.state, CONN_OPEN);
	assert_int_equal(send_at(SEG_RST, 0, 0, NULL, 0), 0);
	assert_int_equal(sb.conn.end, CONN_END_RESET);
}

static void reset_of_a_handshake_is_checked_as_well(void **state)
{
	sb_syn();
	sb.count = 0;
	assert_int_equal(send_at(SEG_RST, -1, 0, NULL, 0), DROP_TCP_RESET);
	assert_int_equal(send_at(SEG_RST, 5, 0, NULL, 0), DROP_TCP_RESET);
	assert_challenged();
	assert_int_equal(send_at(SEG_RST, 0, 0, NULL, 0), 0);
	assert_int_equal(sb.conn.state, CONN_CLOSED);
}

static void syn_in_an_open_connection_is_challenged_wherever_it_lies(void **state)
{
	static const int32_t places[] = { 0, -1, 1000, 1 << 30, -(1 << 30) };

	sb_open();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(send_at(SEG_SYN, places[i], 0, "x", 1), DROP_TCP_SYN);
		assert_challenged();
	}
	assert_int_equal(send_at(SEG_SYN | SEG_ACK, 0, 0, NULL, 0), DROP_TCP_SYN);
	assert_challenged();
	assert_int_equal(sb.taken_len, 0);
}

static void flags_that_no_segment_has_are_dropped_in_silence(void **state)
{
	static const uint8_t absurd[] = { 0,
					  SEG_FIN,
					  SEG_PSH,
					  SEG_URG | SEG_PSH | SEG_FIN,
					  SEG_SYN | SEG_FIN,
					  SEG_SYN | SEG_RST,
					  SEG_SYN | SEG_FIN | SEG_ACK,
					  0x3f };

	sb_open();
	for (size_t i = 0; i < sizeof(absurd); i++)
		assert_int_equal(send_at(absurd[i], 0, 0, "abc", 3), DROP_TCP_FLAGS);
	assert_int_equal(sb.count, 0);
	assert_int_equal(sb.taken_len, 0);
	assert_false(sb.conn.eof);
}

static void acknowledgment_of_unsent_data_injects_nothing(void **state)
{
	sb_open();
	assert_int_equal(send_at(SEG_ACK, 0, 1, "evil", 4), DROP_TCP_ACK);
	assert_challenged();
	assert_int_equal(send_at(SEG_ACK | SEG_FIN, 0, 1 << 30, NULL, 0), DROP_TCP_ACK);
	assert_challenged();
	assert_int_equal(sb.taken_len, 0);
	assert_false(sb.conn.eof);
}

static void acknowledgment_may_be_as_old_as_the_largest_window(void **state)
{
	sb_open(); /* 65535 << 7 */
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(send_at(SEG_ACK, 0, -(65535 << 7) - 1, "evil", 4), DROP_TCP_ACK);
	assert_challenged();
	assert_int_equal(sb.taken_len, 0);
	assert_int_equal(send_at(SEG_ACK, 0, -(65535 << 7), "good", 4), 0);
	assert_int_equal(sb.taken_len, 4);
}

static void handshake_needs_its_own_acknowledgment(void **state)
{
	sb_syn();
	sb.count = 0;
	assert_int_equal(send_at(SEG_ACK, 0, 1, "abc", 3), DROP_TCP_ACK);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->flags, SEG_RST);
	assert_int_equal(sb_last()->seq, sb.ack + 1);
	assert_int_equal(send_at(SEG_ACK, 100000, 0, NULL, 0), DROP_TCP_WINDOW);
	assert_int_equal(sb.conn.state, CONN_OPENING);
	assert_int_equal(send_at(SEG_ACK, 0, 0, "abc", 3), 0);
	assert_int_equal(sb.conn.state, CONN_OPEN);
	assert_int_equal(sb.taken_len, 3);
}

/* A window that counted from out there would never be corrected by those inside. */
static void nothing_of_a_segment_outside_the_window_counts(void **state)
{
	uint16_t window = sb.window;

	sb_open();
	assert_int_equal(sb_push("abc", 3), 0);
	sb.count = 0;
	sb.window = 0;
	assert_int_equal(send_at(SEG_ACK, 1 << 20, 3, NULL, 0), DROP_TCP_WINDOW);
	assert_int_equal(send_at(SEG_ACK, 1 << 20, 3, "x", 1), DROP_TCP_WINDOW);
	assert_int_equal(sb.conn.tx_held, 3);
	assert_true(sb.conn.pcb->snd_wnd > 0);
	assert_int_equal(sb.count, 2);
	sb.window = window;
	sb.ack += 3;
	assert_int_equal(send_at(SEG_ACK, WINDOW_INITIAL, 0, NULL, 0), 0); /* the right edge */
	assert_int_equal(sb.conn.tx_held, 0);
}

/* lwIP takes a window with the numbers of the last one only if it is larger. */
static void window_may_be_shut_without_new_numbers(void **state)
{
	sb_open();
	sb.window = 0;
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb_push("abc", 3), 0);
	assert_int_equal(sb.count, 0);
	sb.window = 1;
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->len, 3);
}

static void what_comes_again_is_acknowledged_each_time(void **state)
{
	sb_open();
	sb_send(SEG_ACK, "abc", 3);
	sb.count = 0;
	for (int i = 0; i < 50; i++)
		assert_int_equal(send_at(SEG_ACK, -3, 0, "abc", 3), DROP_TCP_WINDOW);
	assert_int_equal(sb.count, 50);
	assert_int_equal(sb.taken_len, 3);
}

static void challenges_are_ten_in_five_seconds(void **state)
{
	sb_open();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(send_at(i % 2 ? SEG_SYN : SEG_RST, 9, 0, NULL, 0),
				 i % 2 ? DROP_TCP_SYN : DROP_TCP_RESET);
	assert_int_equal(sb.count, 10);
	sb_skip(5000);
	sb.count = 0;
	for (int i = 0; i < 1000; i++)
		send_at(SEG_ACK, 1 << 30, 0, NULL, 0);
	assert_int_equal(sb.count, 10);
}

/* An option outside the SYN must not change the sizes that the stack counts with. */
static void options_outside_the_syn_are_not_read(void **state)
{
	struct packet head;
	uint8_t *packet;

	sb_open();
	packet = sb_segment(SEG_ACK, "\2\4\0\1", 4, &head);
	packet[head.l4_offset + 12] = 24 / 4 << 4; /* the payload is the options now */
	head.payload_offset += 4;
	assert_int_equal(conn_input(&sb.conn, &head, packet), 0);
	assert_int_equal(sb.conn.pcb->mss, sb.conn.segment_max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(only_the_exact_reset_closes),
		SB_TEST6(only_the_exact_reset_closes),
		SB_TEST(reset_of_a_handshake_is_checked_as_well),
		SB_TEST(syn_in_an_open_connection_is_challenged_wherever_it_lies),
		SB_TEST(flags_that_no_segment_has_are_dropped_in_silence),
		SB_TEST(acknowledgment_of_unsent_data_injects_nothing),
		SB_TEST(acknowledgment_may_be_as_old_as_the_largest_window),
		SB_TEST(handshake_needs_its_own_acknowledgment),
		SB_TEST(nothing_of_a_segment_outside_the_window_counts),
		SB_TEST(window_may_be_shut_without_new_numbers),
		SB_TEST(what_comes_again_is_acknowledged_each_time),
		SB_TEST(challenges_are_ten_in_five_seconds),
		SB_TEST(options_outside_the_syn_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
