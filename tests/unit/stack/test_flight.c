// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

#define MSS 1460

static uint8_t data[60 * MSS];

/* Upstream's next `len` bytes, told by their place in the stream. */
static void push(size_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[at + i] = (uint8_t)((at + i) * 7 + (at + i) / 251);
	assert_int_equal(sb_push(data + at, len), 0);
}

/* The application has [start, end) besides what it acknowledges. */
static void sack(uint32_t start, uint32_t end)
{
	sb.with.sack_blocks = 1;
	sb.with.sack[0].start = sb.ack + start;
	sb.with.sack[0].end = sb.ack + end;
	sb_send(SEG_ACK, NULL, 0);
	sb.with.sack_blocks = 0;
}

static void assert_sent(unsigned int i, uint32_t at, size_t len)
{
	const struct segment *s = &sb.caught[i].s;

	assert_true(i < sb.count);
	assert_int_equal(s->seq - sb.ack, at);
	assert_int_equal(s->len, len);
	assert_memory_equal(s->payload, data + at, len);
	assert_int_equal(s->ack, sb.seq);
	assert_int_equal(sb.caught[i].off.gso_type != GSO_NONE, len > MSS);
}

static void opened(size_t len)
{
	sb_open();
	push(0, len);
	sb.count = 0;
}

static void one_packet_of_64_kib_is_sent_again_alone(void **state)
{
	opened(40 * MSS);
	sack(2 * MSS, 40 * MSS);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 0, 2 * MSS);
	sack(2 * MSS, 40 * MSS); /* once */
	assert_int_equal(sb.count, 1);
	sb.ack += 40 * MSS;
	sb_send(SEG_ACK, NULL, 0);
	assert_null(sb.conn.pcb->unacked);
	assert_int_equal(sb.conn.tx_held, 0);
}

static void a_hole_in_the_middle_is_filled(void **state)
{
	opened(40 * MSS);
	sb.ack += 10 * MSS;
	memmove(data, data + 10 * MSS, 30 * MSS);
	sack(MSS, 5 * MSS);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 0, MSS);
	sb.count = 0;
	sack(6 * MSS, 30 * MSS);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 5 * MSS, MSS);
}

static void pieces_of_several_segments_are_gathered(void **state)
{
	sb_open();
	push(0, 100);
	push(100, 40 * MSS);
	push(100 + 40 * MSS, 300);
	sb.count = 0;
	sack(50 * MSS, 50 * MSS); /* nothing */
	sack(100 + 10 * MSS, 400 + 40 * MSS);
	assert_int_equal(sb.count, 2);
	assert_sent(0, 0, 100);
	assert_sent(1, 100, 10 * MSS);
}

static void two_packets_that_come_early_mean_nothing_yet(void **state)
{
	opened(40 * MSS);
	sack(MSS, 3 * MSS);
	assert_int_equal(sb.count, 0);
	sack(MSS, 4 * MSS);
	assert_int_equal(sb.count, 1);
}

static void fewer_are_enough_where_no_more_can_come(void **state)
{
	opened(2 * MSS);
	sack(MSS, 2 * MSS);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 0, MSS);
}

static void new_data_is_sent_while_something_is_missing(void **state)
{
	opened(20 * MSS);
	sack(MSS, 20 * MSS);
	sb.count = 0;
	push(20 * MSS, 20 * MSS);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 20 * MSS, 20 * MSS);
	sb.count = 0;
	sack(MSS, 22 * MSS); /* newer than the second try, so that is lost as well */
	assert_int_equal(sb.count, 1);
	assert_sent(0, 0, MSS);
}

/* Open, with a round trip time that tells the timers how long to wait. */
static void measured(uint32_t ms)
{
	sb_syn();
	sb_skip(ms);
	sb_send(SEG_ACK, NULL, 0);
	sb.count = 0;
}

static void the_last_packet_is_sent_again_if_nothing_is_heard(void **state)
{
	measured(1);
	push(0, 40 * MSS);
	sb.count = 0;
	sb_skip(5);
	assert_int_equal(sb.count, 0);
	for (int i = 0; i < 6; i++)
		sb_skip(8);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 39 * MSS, MSS);
	sack(39 * MSS, 40 * MSS); /* it alone has arrived */
	assert_int_equal(sb.count, 2);
	assert_sent(1, 0, 39 * MSS);
}

static void a_lost_syn_ack_is_sent_again_soon(void **state)
{
	sb_syn();
	sb.count = 0;
	for (int i = 0; i < 24; i++)
		sb_skip(10);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->flags, SEG_SYN | SEG_ACK);
	assert_int_equal(sb_last()->mss, 1460);
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb.conn.state, CONN_OPEN);
	push(0, 10);
	sb.ack += 10;
	sb_send(SEG_ACK, NULL, 0);
	assert_null(sb.conn.pcb->unacked);
}

static void a_handshake_that_was_repeated_tells_no_round_trip_time(void **state)
{
	sb_syn();
	for (int i = 0; i < 20; i++)
		sb_skip(100);
	sb_send(SEG_ACK, NULL, 0);
	push(0, MSS);
	sb.ack += MSS;
	sb_skip(3);
	sb_send(SEG_ACK, NULL, 0);
	for (int i = 0; i < 40; i++)
		sb_skip(100);
	assert_int_equal(sb.conn.rtt_ms, 3);
}

static void a_slow_network_is_given_time(void **state)
{
	measured(150);
	push(0, 40 * MSS);
	sb.count = 0;
	for (int i = 0; i < 28; i++)
		sb_skip(10);
	assert_int_equal(sb.count, 0);
	for (int i = 0; i < 10; i++)
		sb_skip(10);
	assert_int_equal(sb.count, 1);
}

/* From the last news on: the probe, then all again packet by packet, slower and slower. */
static void without_an_answer_it_backs_off(void **state)
{
	unsigned int late;

	measured(1);
	push(0, 4 * MSS);
	for (int i = 0; i < 20; i++)
		sb_skip(8);
	sb.count = 0;
	for (int i = 0; i < 30; i++)
		sb_skip(8);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 0, MSS);
	for (int i = 0; i < 500; i++)
		sb_skip(8);
	late = sb.count;
	assert_true(late >= 3 && late <= 7);
	for (unsigned int i = 0; i < late; i++)
		assert_sent(i, 0, MSS);
	sb.ack += MSS;
	memmove(data, data + MSS, 3 * MSS);
	sb.count = 0;
	sb_send(SEG_ACK, NULL, 0);
	assert_sent(0, 0, 2 * MSS); /* slow start */
}

static void what_the_application_took_back_is_sent_again(void **state)
{
	measured(1);
	push(0, 10 * MSS);
	sack(5 * MSS, 10 * MSS);
	for (int i = 0; i < 200; i++)
		sb_skip(8);
	sb.ack += 5 * MSS; /* and no word of the rest any more */
	memmove(data, data + 5 * MSS, 5 * MSS);
	sb.count = 0;
	sb_send(SEG_ACK, NULL, 0);
	for (int i = 0; i < 200 && sb.count == 0; i++)
		sb_skip(8);
	assert_true(sb.count > 0);
	sb.ack += 5 * MSS;
	sb_send(SEG_ACK, NULL, 0);
	assert_null(sb.conn.pcb->unacked);
}

static void a_lost_fin_is_sent_again(void **state)
{
	measured(1);
	conn_finish(&sb.conn);
	sb.count = 0;
	for (int i = 0; i < 30; i++)
		sb_skip(8);
	assert_true(sb.count >= 1);
	assert_int_equal(sb.caught[0].s.flags & SEG_FIN, SEG_FIN);
	assert_int_equal(sb.caught[0].s.seq, sb.ack);
	assert_int_equal(sb.caught[0].s.len, 0);
}

static void a_fin_is_sent_again_with_the_data_before_it(void **state)
{
	measured(1);
	push(0, 5 * MSS);
	conn_finish(&sb.conn);
	sb.count = 0;
	sb.ack += MSS;
	memmove(data, data + MSS, 4 * MSS);
	sack(MSS, 2 * MSS);
	sb.count = 0;
	for (int i = 0; i < 200 && sb.count < 4; i++)
		sb_skip(8);
	sb.ack += 4 * MSS + 1;
	sb_send(SEG_ACK, NULL, 0);
	assert_null(sb.conn.pcb->unacked);
	sb_send(SEG_ACK | SEG_FIN, NULL, 0);
	assert_int_equal(sb.conn.end, CONN_END_ORDERLY);
}

static void blocks_that_cannot_be_change_nothing(void **state)
{
	opened(10 * MSS);
	sack(10 * MSS, 20 * MSS); /* never sent */
	sack(5 * MSS, 3 * MSS);
	sack(0, 5 * MSS); /* would be acknowledged */
	sack((uint32_t)-MSS, MSS);
	sack(0x70000000, 0x90000000); /* half of all numbers away: neither before nor behind */
	assert_int_equal(sb.count, 0);
	assert_int_equal(sb.conn.stack->buffer_bytes, BUFFER_BYTES);
}

static void a_window_that_shrank_is_kept_to(void **state)
{
	opened(40 * MSS);
	sb.window = 0;
	sb.ack += MSS;
	memmove(data, data + MSS, 39 * MSS);
	sack(20 * MSS, 39 * MSS);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 0, MSS); /* asks */
	sb.window = 5 * MSS / 128;
	sb.count = 0;
	for (int i = 0; i < 4; i++)
		sb_skip(8);
	for (unsigned int i = 0; i < sb.count; i++)
		assert_true(sb.caught[i].s.seq + sb.caught[i].s.len - sb.ack <= 5 * MSS);
}

static void after_a_loss_less_is_in_flight(void **state)
{
	sb_open();
	for (int i = 0; i < 10; i++) {
		assert_int_equal(sb_push(data, 40 * MSS), 0);
		sb.window = 65535;
	}
	assert_int_equal(sb.conn.pcb->cwnd, TCP_SND_BUF);
	sack(MSS, 400 * MSS);
	sb.ack += 400 * MSS;
	sb_send(SEG_ACK, NULL, 0);
	assert_true(sb.conn.pcb->cwnd < 400 * MSS);
	assert_true(sb.conn.pcb->cwnd >= 280 * MSS - 10);
	for (int i = 0; i < 100; i++)
		sb_skip(8); /* a pause: all is open again */
	assert_int_equal(sb.conn.pcb->cwnd, TCP_SND_BUF);
}

static void an_idle_connection_has_no_flight(void **state)
{
	opened(40 * MSS);
	assert_non_null(sb.conn.flight);
	sb.ack += 40 * MSS;
	sb_send(SEG_ACK, NULL, 0);
	for (int i = 0; i < 40; i++)
		sb_skip(8);
	assert_null(sb.conn.flight);
	assert_false(timer_is_armed(&sb.stack->flight_timer));
	assert_int_equal(sb.conn.rtt_ms, 1);
}

static void without_memory_for_a_write_it_is_tried_again(void **state)
{
	opened(40 * MSS);
	sb.output_error = -EAGAIN;
	sack(MSS, 40 * MSS);
	assert_int_equal(sb.count, 0);
	sb.output_error = 0;
	sack(MSS, 40 * MSS);
	assert_int_equal(sb.count, 1);
	assert_sent(0, 0, MSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(one_packet_of_64_kib_is_sent_again_alone),
		SB_TEST6(one_packet_of_64_kib_is_sent_again_alone),
		SB_TEST(a_hole_in_the_middle_is_filled),
		SB_TEST_PLAIN(a_hole_in_the_middle_is_filled),
		SB_TEST(pieces_of_several_segments_are_gathered),
		SB_TEST(two_packets_that_come_early_mean_nothing_yet),
		SB_TEST(fewer_are_enough_where_no_more_can_come),
		SB_TEST(new_data_is_sent_while_something_is_missing),
		SB_TEST(the_last_packet_is_sent_again_if_nothing_is_heard),
		SB_TEST(a_lost_syn_ack_is_sent_again_soon),
		SB_TEST(a_handshake_that_was_repeated_tells_no_round_trip_time),
		SB_TEST(a_slow_network_is_given_time),
		SB_TEST(without_an_answer_it_backs_off),
		SB_TEST(what_the_application_took_back_is_sent_again),
		SB_TEST(a_lost_fin_is_sent_again),
		SB_TEST(a_fin_is_sent_again_with_the_data_before_it),
		SB_TEST(blocks_that_cannot_be_change_nothing),
		SB_TEST(a_window_that_shrank_is_kept_to),
		SB_TEST(after_a_loss_less_is_in_flight),
		SB_TEST(an_idle_connection_has_no_flight),
		SB_TEST(without_memory_for_a_write_it_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
