// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

/* Between calls lwIP knows of no connection at all. */
static void assert_lists_empty(void)
{
	assert_null(tcp_active_pcbs);
	assert_null(tcp_tw_pcbs);
	assert_null(sb.stack->inside);
}

static void handshake_opens(void **state)
{
	sb_syn();
	assert_lists_empty();
	assert_int_equal(sb_last()->window, 65535);
	assert_int_equal(sb_last()->ack, sb.seq);
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb.conn.state, CONN_OPEN);
	assert_lists_empty();
}

static void an_address_that_ends_in_255_is_no_broadcast(void **state)
{
	sb_open(); /* 192.0.2.255 */
	sb_send(SEG_ACK, "x", 1);
	assert_int_equal(sb.taken_len, 1);
}

static void options_after_the_first_syn_change_nothing(void **state)
{
	struct packet head;
	uint8_t *packet;

	sb_syn();
	sb.seq--;
	packet = sb_segment(SEG_SYN, NULL, 0, &head);
	packet[head.l4_offset + 20 + 2] = 0; /* MSS 100 instead of 1460 */
	packet[head.l4_offset + 20 + 3] = 100;
	conn_input(&sb.conn, &head, packet);
	assert_int_equal(sb_last()->flags, SEG_SYN | SEG_ACK);
	assert_int_equal(sb.conn.pcb->mss, sb.conn.segment_max);
	assert_int_equal(sb.conn.gso_size, 1460);
}

/* As on loopback, where it is 65495: what is written must still fit the device. */
static void mss_above_the_mtu_is_cut_to_it(void **state)
{
	struct packet head;
	uint8_t *packet = sb_segment(SEG_SYN, NULL, 0, &head);

	packet[head.l4_offset + 22] = 0xff;
	packet[head.l4_offset + 23] = 0xd7;
	assert_int_equal(conn_open(&sb.conn, &head, packet), 0);
	assert_int_equal(sb.conn.gso_size, 1460);
}

static void tiny_mss_is_raised(void **state)
{
	struct packet head;
	uint8_t *packet = sb_segment(SEG_SYN, NULL, 0, &head);

	packet[head.l4_offset + 22] = 0;
	packet[head.l4_offset + 23] = 1;
	assert_int_equal(conn_open(&sb.conn, &head, packet), 0);
	assert_int_equal(sb.conn.gso_size, 88);
	assert_true(sb.conn.segment_max % 88 == 0);
}

static void handshake_that_is_never_completed_is_given_up(void **state)
{
	sb_syn();
	sb_skip(15000);
	assert_int_equal(sb.gone, 0);
	assert_true(sb.count > 2); /* SYN-ACK again */
	sb_skip(10000);
	assert_int_equal(sb.gone, 1);
	assert_int_equal(sb.conn.state, CONN_CLOSED);
	assert_int_equal(sb.conn.end, CONN_END_TIMEOUT);
	assert_lists_empty();
}

static void abort_resets_at_the_expected_number(void **state)
{
	sb_open();
	assert_int_equal(sb_push("abc", 3), 0);
	sb.count = 0;
	conn_abort(&sb.conn);
	assert_int_equal(sb.conn.state, CONN_CLOSED);
	assert_int_equal(sb.conn.end, CONN_END_ABORTED);
	/* One for an application that has the three bytes, one for one that has not. */
	assert_int_equal(sb.count, 2);
	assert_int_equal(sb.caught[0].s.flags & SEG_RST, SEG_RST);
	assert_int_equal(sb.caught[0].s.seq, sb.ack);
	assert_int_equal(sb.caught[1].s.seq, sb.ack + 3);
	conn_abort(&sb.conn);
	assert_int_equal(sb.count, 2);
	assert_lists_empty();
}

static void abort_inside_received_waits_for_lwip(void **state)
{
	sb_open();
	sb.abort_in_received = true;
	sb_send(SEG_ACK, "abc", 3);
	assert_int_equal(sb.conn.state, CONN_CLOSED);
	assert_int_equal(sb_last()->flags & SEG_RST, SEG_RST);
	assert_lists_empty();
}

static void reset_of_the_application_closes(void **state)
{
	sb_open();
	assert_int_equal(sb_push("abc", 3), 0);
	sb_send(SEG_RST, NULL, 0);
	assert_int_equal(sb.conn.state, CONN_CLOSED);
	assert_int_equal(sb.conn.end, CONN_END_RESET);
	assert_lists_empty();
}

static void fin_of_ours_first_ends_in_time_wait(void **state)
{
	sb_open();
	conn_finish(&sb.conn);
	assert_int_equal(sb_last()->flags & SEG_FIN, SEG_FIN);
	sb.ack++;
	sb_send(SEG_ACK, NULL, 0);
	sb_send(SEG_ACK, "more", 4);
	assert_int_equal(sb.taken_len, 4);
	sb_send(SEG_ACK | SEG_FIN, NULL, 0);
	assert_int_equal(sb_last()->ack, sb.seq);
	assert_int_equal(sb.conn.state, CONN_TIME_WAIT);
	assert_int_equal(sb.conn.end, CONN_END_ORDERLY);
	assert_int_equal(sb.conn.seq, sb.ack);
	assert_int_equal(sb.conn.ack_seq, sb.seq);
	assert_null(sb.conn.pcb);
	assert_lists_empty();
}

static void fin_of_the_application_first_ends_closed(void **state)
{
	sb_open();
	sb_send(SEG_ACK | SEG_FIN, "bye", 3);
	assert_true(conn_is_eof(&sb.conn));
	conn_finish(&sb.conn);
	sb.ack++;
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb.conn.state, CONN_CLOSED);
	assert_int_equal(sb.conn.end, CONN_END_ORDERLY);
	assert_lists_empty();
}

/* Both FINs are out, the reader pauses: the rest must still come, minutes later. */
static void slow_reader_after_both_fins_loses_nothing(void **state)
{
	sb.window = 0;
	sb_open();
	sb_send(SEG_ACK | SEG_FIN, NULL, 0);
	assert_int_equal(sb_push("the rest", 8), 0);
	conn_finish(&sb.conn);
	for (int i = 0; i < 300; i++) {
		unsigned int before = sb.count;

		sb_skip(1000);
		if (sb.count > before) {
			assert_true(sb_last()->len <= 1);
			sb_send(SEG_ACK, NULL, 0); /* the window is still shut */
			sb.count = 0;
		}
	}
	assert_int_equal(sb.gone, 0);
	sb.window = 100;
	sb.count = 0;
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb_last()->len, 8);
	assert_memory_equal(sb_last()->payload, "the rest", 8);
	assert_int_equal(sb_last()->flags & SEG_FIN, SEG_FIN);
}

static void application_that_stops_answering_is_given_up(void **state)
{
	sb_open();
	assert_int_equal(sb_push("abc", 3), 0);
	for (int i = 0; i < 1200 && !sb.gone; i++) {
		sb_skip(1000);
		sb.count = 0;
	}
	assert_int_equal(sb.gone, 1);
	assert_int_equal(sb.conn.end, CONN_END_TIMEOUT);
	assert_lists_empty();
}

static void idle_connection_needs_no_timer(void **state)
{
	sb_open();
	sb_send(SEG_ACK, "abc", 3);
	sb_skip(1000);
	assert_true(list_is_empty(&sb.stack->hot));
	assert_false(timer_is_armed(&sb.stack->tick));
	assert_false(timer_is_armed(&sb.stack->ack_timer));
}

/* The read buffer is used again: what lwIP keeps must not lie in it. */
static void lone_fin_out_of_order_is_kept_apart(void **state)
{
	sb_open();
	sb.seq += 3;
	sb_send(SEG_ACK | SEG_FIN, NULL, 0);
	assert_non_null(sb.conn.pcb->ooseq);
	sb.seq -= 4;
	sb_send(SEG_ACK, "abc", 3);
	assert_true(conn_is_eof(&sb.conn));
}

static void out_of_order_data_beyond_the_window_is_cut(void **state)
{
	static uint8_t data[60000];
	uint32_t first;

	sb_open();
	first = sb.seq;
	sb.seq = first + 30000;
	sb_send(SEG_ACK | SEG_FIN, data, 60000);
	sb.seq = first;
	sb_send(SEG_ACK, data, 30000);
	assert_int_equal(sb.taken_len, WINDOW_INITIAL - 1);
	assert_false(sb.conn.eof);
}

/* A FIN in the middle, then data past it up to the window's edge: lwIP moves the FIN. */
static void fin_that_moves_to_the_edge_stays_in_the_window(void **state)
{
	static uint8_t data[60000];
	uint32_t first;

	sb_open();
	first = sb.seq;
	sb.seq = first + 20000;
	sb_send(SEG_ACK | SEG_FIN, NULL, 0);
	sb.seq = first + 10000;
	sb_send(SEG_ACK, data, WINDOW_INITIAL - 10000);
	sb.seq = first;
	sb_send(SEG_ACK, data, 10000);
	assert_true(sb.taken_len >= 10000 && sb.taken_len < WINDOW_INITIAL);
}

static void second_syn_of_the_handshake_with_other_numbers_is_challenged(void **state)
{
	sb_syn();
	sb.count = 0;
	sb.seq += 100;
	sb_send(SEG_SYN | SEG_ACK, "data", 4);
	sb_send(SEG_SYN, "data", 4);
	assert_int_equal(sb.count, 2);
	assert_int_equal(sb_last()->flags, SEG_ACK);
	assert_int_equal(sb.conn.state, CONN_OPENING);
}

static void keepalive_of_the_application_is_answered(void **state)
{
	sb_open();
	sb.seq--;
	sb_send(SEG_ACK, NULL, 0);
	sb.seq++;
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->ack, sb.seq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(handshake_opens),
		SB_TEST6(handshake_opens),
		SB_TEST(an_address_that_ends_in_255_is_no_broadcast),
		SB_TEST(options_after_the_first_syn_change_nothing),
		SB_TEST(mss_above_the_mtu_is_cut_to_it),
		SB_TEST(tiny_mss_is_raised),
		SB_TEST(handshake_that_is_never_completed_is_given_up),
		SB_TEST(abort_resets_at_the_expected_number),
		SB_TEST(abort_inside_received_waits_for_lwip),
		SB_TEST(reset_of_the_application_closes),
		SB_TEST(fin_of_ours_first_ends_in_time_wait),
		SB_TEST(fin_of_the_application_first_ends_closed),
		SB_TEST(slow_reader_after_both_fins_loses_nothing),
		SB_TEST(application_that_stops_answering_is_given_up),
		SB_TEST(idle_connection_needs_no_timer),
		SB_TEST(lone_fin_out_of_order_is_kept_apart),
		SB_TEST(out_of_order_data_beyond_the_window_is_cut),
		SB_TEST(fin_that_moves_to_the_edge_stays_in_the_window),
		SB_TEST(second_syn_of_the_handshake_with_other_numbers_is_challenged),
		SB_TEST(keepalive_of_the_application_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
