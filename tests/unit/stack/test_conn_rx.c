// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

static uint8_t data[65536];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
}

static void what_is_not_taken_is_kept_and_offered_again(void **state)
{
	sb_open();
	sb.take = 1000;
	sb_send(SEG_ACK, data, 60000);
	assert_int_equal(sb.taken_len, 1000);
	assert_true(conn_is_pending(&sb.conn));
	sb.take = 30000;
	conn_resume(&sb.conn);
	assert_int_equal(sb.taken_len, 31000);
	sb.take = TAKEN_MAX;
	conn_resume(&sb.conn);
	assert_int_equal(sb.taken_len, 60000);
	assert_memory_equal(sb.taken, data, 60000);
	assert_false(conn_is_pending(&sb.conn));
}

static void nothing_overtakes_what_is_pending(void **state)
{
	sb_open();
	sb.take = 0;
	sb_send(SEG_ACK, data, 100);
	sb.take = TAKEN_MAX;
	sb_send(SEG_ACK, data + 100, 100);
	assert_int_equal(sb.taken_len, 0);
	conn_resume(&sb.conn);
	assert_int_equal(sb.taken_len, 200);
	assert_memory_equal(sb.taken, data, 200);
}

static void only_what_was_taken_opens_the_window(void **state)
{
	sb_open();
	sb.take = 0;
	sb_send(SEG_ACK, data, 60000);
	assert_true((uint32_t)sb_last()->window << 7 <= 65535 - 60000);
	sb_send(SEG_ACK, data, 5535); /* all that was granted */
	sb_skip(100);
	assert_int_equal(sb_last()->window, 0);
	sb.count = 0;
	sb.take = TAKEN_MAX;
	conn_resume(&sb.conn); /* says so at once */
	assert_int_equal(sb.count, 1);
	assert_true((uint32_t)sb_last()->window << 7 >= 65408);
}

static void bytes_beyond_the_window_are_not_taken(void **state)
{
	sb_open();
	sb.take = 0;
	sb_send(SEG_ACK, data, 60000);
	sb_send(SEG_ACK, data, 60000);
	sb.take = TAKEN_MAX;
	conn_resume(&sb.conn);
	assert_int_equal(sb.taken_len, 65535);
}

static void window_grows_to_a_megabyte_while_all_is_taken(void **state)
{
	sb_open();
	for (int i = 0; i < 30; i++) {
		sb_send(SEG_ACK, data, 60000);
		sb.taken_len = 0;
		sb.take = TAKEN_MAX;
		sb.count = sb.count > CAUGHT_MAX - 4 ? 0 : sb.count;
	}
	assert_int_equal(sb.conn.window, TCP_WND);
	assert_int_equal(sb_last()->window, TCP_WND >> 7);
}

/* The window at its limit, nothing unacknowledged, nothing caught. */
static void open_wide(void)
{
	sb_open();
	for (int i = 0; i < 30; i++) {
		sb_send(SEG_ACK, data, 60000);
		sb.taken_len = 0;
		sb.take = TAKEN_MAX;
		sb.count = 0;
	}
	loop_once(sb.loop, 0);
	sb.count = 0;
}

static void one_acknowledgement_answers_the_bulk_of_a_turn(void **state)
{
	open_wide();
	for (int i = 0; i < 4; i++)
		sb_send(SEG_ACK, data, 60000);
	assert_int_equal(sb.count, 0);
	loop_once(sb.loop, 0);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->ack, sb.seq);
	assert_int_equal(sb_last()->window, TCP_WND >> 7);
	loop_once(sb.loop, 0);
	assert_int_equal(sb.count, 1);
}

static void half_a_window_is_acknowledged_within_the_turn(void **state)
{
	open_wide();
	for (int i = 0; i < 9; i++)
		sb_send(SEG_ACK, data, 60000);
	assert_int_equal(sb.count, 1);
}

static void small_data_waits_for_the_timer_not_for_the_turn(void **state)
{
	open_wide();
	sb_send(SEG_ACK, data, 100);
	loop_once(sb.loop, 0);
	assert_int_equal(sb.count, 0);
	sb_skip(10);
	assert_int_equal(sb.count, 1);
}

static void our_fin_acknowledges_that_of_the_application(void **state)
{
	sb_open();
	sb.count = 0;
	sb_send(SEG_ACK | SEG_FIN, NULL, 0);
	assert_true(conn_is_eof(&sb.conn));
	assert_int_equal(sb.count, 0);
	conn_finish(&sb.conn);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->flags & SEG_FIN, SEG_FIN);
	assert_int_equal(sb_last()->ack, sb.seq);
}

static void a_fin_alone_is_acknowledged_by_the_timer(void **state)
{
	sb_open();
	sb.count = 0;
	sb_send(SEG_ACK | SEG_FIN, NULL, 0);
	assert_int_equal(sb.count, 0);
	sb_skip(10);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->ack, sb.seq);
	sb.seq--;
	sb_send(SEG_ACK | SEG_FIN, NULL, 0); /* sent again: answered at once */
	assert_int_equal(sb.count, 2);
}

static void window_does_not_grow_under_backpressure(void **state)
{
	sb_open();
	sb.take = 0;
	sb_send(SEG_ACK, data, 30000);
	sb.take = 10000;
	conn_resume(&sb.conn);
	assert_int_equal(sb.conn.window, 65535);
}

static void window_shrinks_as_data_is_taken_where_the_account_is_full(void **state)
{
	size_t account = (3 << 18) + 1; /* three quarters, and more */

	sb.stack->opt.account_max = 1 << 20;
	sb_open();
	conn_set_account(&sb.conn, &account);
	for (int i = 0; i < 10; i++) {
		sb.take = 0;
		sb_send(SEG_ACK, data, 10000);
		assert_int_equal(account, (3 << 18) + 10001);
		sb.take = 10000;
		conn_resume(&sb.conn);
		assert_int_equal(account, (3 << 18) + 1);
	}
	assert_int_equal(sb.conn.window, 16384);
	assert_int_equal(sb.taken_len, 100000);
	account = 0; /* there is room again */
	sb.take = 10000;
	sb_send(SEG_ACK, data, 10000);
	assert_true(sb.conn.window > 16384);
	conn_set_account(&sb.conn, NULL);
	assert_int_equal(account, 0);
}

static void what_overruns_the_account_by_a_quarter_is_reset(void **state)
{
	size_t account = 5 << 18;

	sb.stack->opt.account_max = 1 << 20;
	sb_open();
	conn_set_account(&sb.conn, &account);
	sb.take = 0;
	sb_send(SEG_ACK, data, 10000);
	assert_false(conn_is_eof(&sb.conn));
	sb_send(SEG_ACK, data, 10000);
	assert_null(sb.conn.pcb);
	assert_int_equal(sb.conn.end, CONN_END_ABORTED);
	assert_true(sb_last()->flags & SEG_RST);
	conn_release(&sb.conn);
	assert_int_equal(account, 5 << 18);
}

/* Or upstream would take what it has for all there is. */
static void a_fin_behind_lost_bytes_is_no_end(void **state)
{
	size_t account = (5 << 18) + 1;

	sb.stack->opt.account_max = 1 << 20;
	sb_open();
	conn_set_account(&sb.conn, &account);
	sb.take = 2000;
	sb_send(SEG_ACK | SEG_FIN, data, 10000);
	assert_int_equal(sb.taken_len, 2000);
	assert_false(conn_is_eof(&sb.conn));
	assert_null(sb.conn.pcb);
	assert_int_equal(sb.conn.end, CONN_END_ABORTED);
	conn_release(&sb.conn);
}

static void small_consumption_still_updates_the_window(void **state)
{
	sb_open();
	for (int i = 0; i < 50; i++) { /* well below the 64 KiB of an lwIP segment */
		sb_send(SEG_ACK, data, 1400);
		sb_send(SEG_ACK, data, 1400);
		assert_true((uint32_t)sb_last()->window << 7 > 60000);
		sb.count = 0;
	}
}

static void eof_comes_after_the_data_before_it(void **state)
{
	sb_open();
	sb.take = 0;
	sb_send(SEG_ACK | SEG_FIN, "abc", 3);
	assert_false(conn_is_eof(&sb.conn));
	sb.take = 3;
	conn_resume(&sb.conn);
	assert_true(conn_is_eof(&sb.conn));
}

#define MESSAGE 6 /* bytes */

/* Bytes [from, to) of the message. */
static void send_part(uint32_t first, uint32_t from, uint32_t to, uint8_t fin)
{
	sb.seq = first + from;
	sb_send(SEG_ACK | fin, data + from, to - from);
	assert_true(!conn_is_eof(&sb.conn) || sb.taken_len == MESSAGE);
	sb.count = 0;
}

/* The tail with its FIN comes first, then a piece of the middle, the beginning, and the rest. */
static void send_in_disorder(uint32_t tail, uint32_t from, uint32_t to, uint32_t begin)
{
	uint32_t first;

	sb_open();
	first = sb.seq;
	send_part(first, tail, MESSAGE, SEG_FIN);
	send_part(first, from, to, 0);
	send_part(first, 0, begin, 0);
	if (!conn_is_eof(&sb.conn))
		send_part(first, (uint32_t)sb.taken_len, MESSAGE, SEG_FIN);
	assert_true(conn_is_eof(&sb.conn));
	assert_int_equal(sb.taken_len, MESSAGE);
	assert_memory_equal(sb.taken, data, MESSAGE);
}

/* Wherever lwIP cuts what overlaps, and whichever segment it leaves the FIN. */
static void a_fin_that_came_early_is_the_end_of_all_bytes(void **state)
{
	for (uint32_t tail = 1; tail <= MESSAGE; tail++) {
		for (uint32_t i = 0; i < MESSAGE * MESSAGE * MESSAGE; i++) {
			uint32_t from = i % MESSAGE, to = i / MESSAGE % MESSAGE + 1;

			if (from >= to)
				continue;
			send_in_disorder(tail, from, to, i / MESSAGE / MESSAGE + 1);
			sb_down(state);
			sb_up(state);
		}
	}
}

static void merged_out_of_order_data_is_offered_whole(void **state)
{
	uint32_t first;

	sb_open();
	first = sb.seq;
	for (int i = 200; i > 0; i--) {
		sb.seq = first + (uint32_t)i * 10;
		sb_send(SEG_ACK, data + i * 10, 10);
		sb.count = 0;
	}
	assert_int_equal(sb.taken_len, 0);
	sb.seq = first;
	sb_send(SEG_ACK, data, 10);
	assert_int_equal(sb.taken_len, 2010);
	assert_memory_equal(sb.taken, data, 2010);
}

static void hostile_out_of_order_bytes_are_bounded(void **state)
{
	uint32_t first;
	unsigned int queued = 0;

	sb_open();
	first = sb.seq;
	for (uint32_t i = 1; i < 3000; i++) {
		sb.seq = first + 2 * i;
		sb_send(SEG_ACK, data, 1);
		sb.count = 0;
	}
	for (const struct tcp_seg *s = sb.conn.pcb->ooseq; s; s = s->next)
		queued++;
	assert_true(queued > 0 && queued <= TCP_OOSEQ_MAX_PBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(what_is_not_taken_is_kept_and_offered_again),
		SB_TEST(nothing_overtakes_what_is_pending),
		SB_TEST(only_what_was_taken_opens_the_window),
		SB_TEST(bytes_beyond_the_window_are_not_taken),
		SB_TEST(window_grows_to_a_megabyte_while_all_is_taken),
		SB_TEST(one_acknowledgement_answers_the_bulk_of_a_turn),
		SB_TEST(half_a_window_is_acknowledged_within_the_turn),
		SB_TEST(small_data_waits_for_the_timer_not_for_the_turn),
		SB_TEST(our_fin_acknowledges_that_of_the_application),
		SB_TEST(a_fin_alone_is_acknowledged_by_the_timer),
		SB_TEST(window_does_not_grow_under_backpressure),
		SB_TEST(window_shrinks_as_data_is_taken_where_the_account_is_full),
		SB_TEST(what_overruns_the_account_by_a_quarter_is_reset),
		SB_TEST(a_fin_behind_lost_bytes_is_no_end),
		SB_TEST(small_consumption_still_updates_the_window),
		SB_TEST(eof_comes_after_the_data_before_it),
		SB_TEST(a_fin_that_came_early_is_the_end_of_all_bytes),
		SB_TEST(merged_out_of_order_data_is_offered_whole),
		SB_TEST(hostile_out_of_order_bytes_are_bounded),
	};

	fill();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
