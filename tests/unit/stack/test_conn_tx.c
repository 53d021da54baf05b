// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

static uint8_t data[65536];

static void short_read_does_not_tie_up_a_buffer(void **state)
{
	sb_open();
	assert_int_equal(sb_push(data, 100), 0);
	assert_null(sb.conn.tx_head);
	assert_int_equal(stack_buffer_bytes(sb.stack), 65536); /* the spare one */
}

static void buffer_is_kept_until_its_last_byte_is_acknowledged(void **state)
{
	sb_open();
	assert_int_equal(sb_push(data, 60000), 0);
	assert_non_null(sb.conn.tx_head);
	sb.ack += 59999; /* a part of a segment: all of it may be sent again */
	sb_send(SEG_ACK, NULL, 0);
	assert_non_null(sb.conn.tx_head);
	sb.ack += 1;
	sb_send(SEG_ACK, NULL, 0);
	assert_null(sb.conn.tx_head);
}

/* A segment may span two buffers; the first must live as long as the segment does. */
static void buffer_survives_while_a_segment_reaches_into_it(void **state)
{
	sb.window = 80; /* 10,240 bytes */
	sb_open();
	memset(data, 'a', 5000);
	assert_int_equal(sb_push(data, 5000), 0);
	memset(data, 'b', 5000);
	assert_int_equal(sb_push(data, 5000), 0);
	for (int i = 0; i < 3; i++) {
		memset(data, 'c' + i, 5000);
		assert_int_equal(sb_push(data, 5000), 0);
	}
	for (size_t got = 0; got < 25000;) {
		struct segment *s = sb_last();

		assert_true(sb.count > 0);
		for (unsigned int i = 0; i < sb.count; i++) {
			s = &sb.caught[i].s;
			if (s->seq != sb.ack)
				continue;
			for (size_t k = 0; k < s->len; k++)
				assert_int_equal(s->payload[k], 'a' + (got + k) / 5000);
			got += s->len;
			sb.ack += (uint32_t)s->len;
		}
		sb.count = 0;
		sb_send(SEG_ACK, NULL, 0);
	}
	assert_null(sb.conn.tx_head);
}

static void several_buffers_leave_in_their_order(void **state)
{
	struct iovec iov[CONN_RESERVE_MAX];
	size_t size, last = 100;

	sb.window = 65535; /* scaled: all of it fits */
	sb_open();
	assert_int_equal(conn_reserve(&sb.conn, iov, CONN_RESERVE_MAX + 1), CONN_RESERVE_MAX);
	size = iov[0].iov_len;
	for (int i = 0; i < 3; i++)
		memset(iov[i].iov_base, 'a' + i, size);
	assert_int_equal(conn_commit(&sb.conn, 2 * size + last), 0);
	assert_int_equal(sb.count, 3);
	for (unsigned int i = 0; i < 3; i++) {
		const struct segment *s = &sb.caught[i].s;

		assert_int_equal(s->seq, sb.ack + i * size);
		assert_int_equal(s->len, i < 2 ? size : last);
		assert_int_equal(s->payload[0], 'a' + i);
		assert_int_equal(s->payload[s->len - 1], 'a' + i);
	}
	sb.ack += (uint32_t)(2 * size + last);
	sb_send(SEG_ACK, NULL, 0);
	assert_null(sb.conn.tx_head);
}

static void no_more_is_reserved_than_may_be_sent(void **state)
{
	struct iovec iov[CONN_RESERVE_MAX];
	size_t sum = 0;

	sb_open();
	while (conn_room(&sb.conn)) {
		int n = conn_reserve(&sb.conn, iov, CONN_RESERVE_MAX);

		assert_true(n > 0);
		assert_int_equal(conn_commit(&sb.conn, n * iov[0].iov_len), 0);
		sum += n * iov[0].iov_len;
	}
	assert_true(sum > 800000);
	assert_true(sum <= TCP_SND_BUF);
}

static void room_ends_before_the_send_buffer_overflows(void **state)
{
	size_t sum = 0;

	sb_open();
	while (conn_room(&sb.conn)) {
		assert_int_equal(sb_push(data, 60000), 0);
		sum += 60000;
		assert_true(sum < 2U << 20);
	}
	assert_true(sum > 800000);
	assert_true(sum <= TCP_SND_BUF);
}

static void many_tiny_writes_end_in_no_room_not_in_an_error(void **state)
{
	unsigned int writes = 0;

	sb.window = 0;
	sb_open();
	while (conn_room(&sb.conn) && writes < 100000) {
		assert_int_equal(sb_push(data, 1), 0);
		writes++;
	}
	assert_true(writes < 100000);
}

/* The first segment is cut by a window of 0, the next by a small one. */
static void window_that_opens_from_zero_by_little(void **state)
{
	sb.window = 0;
	sb_open();
	assert_int_equal(sb_push(data, 500), 0);
	sb.window = 2;
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb_push(data, 500), 0);
	sb.window = 200;
	sb_send(SEG_ACK, NULL, 0);
	sb_skip(4000);
	assert_true(sb.count > 0);
}

static void tiny_windows_leave_room_in_lwips_queue(void **state)
{
	struct iovec iov[CONN_RESERVE_MAX];

	sb.window = 4; /* 512 bytes: segments of 256 */
	sb_open();
	for (int i = 0; i < 100 && conn_room(&sb.conn); i++) {
		int n = conn_reserve(&sb.conn, iov, i % CONN_RESERVE_MAX + 1);
		size_t size = 0;

		assert_true(n > 0);
		while (n > 0)
			size += iov[--n].iov_len;
		assert_int_equal(conn_commit(&sb.conn, size), 0);
	}
	assert_false(conn_room(&sb.conn));
}

/* Applications that do not read: what they hold converges below the budget. */
static void the_budget_is_shared(void **state)
{
	static struct conn conns[300];
	struct conn first = sb.conn;
	size_t most = 0;

	sb.stack->opt.buffers_max = 8 << 20;
	for (unsigned int i = 0; i < 300; i++) {
		struct iovec iov[CONN_RESERVE_MAX];
		int n;

		sb.path.sport = htons((uint16_t)(2000 + i));
		sb.ack = 0;
		sb_open();
		while (conn_room(&sb.conn)) {
			n = conn_reserve(&sb.conn, iov, CONN_RESERVE_MAX);
			assert_true(n > 0);
			assert_int_equal(conn_commit(&sb.conn, iov[0].iov_len), 0);
		}
		assert_true(sb.conn.tx_held > 0); /* each is served */
		if (i == 0)
			most = sb.conn.tx_held;
		conns[i] = sb.conn;
		list_init(&conns[i].hot);
		list_init(&conns[i].ack);
		list_remove(&sb.conn.hot);
		list_remove(&sb.conn.ack);
		tcp_arg(conns[i].pcb, &conns[i]);
		sb.conn = first;
		list_init(&sb.conn.hot);
		list_init(&sb.conn.ack);
	}
	assert_true(most >= 250000);
	assert_true(stack_buffer_bytes(sb.stack) < (8 << 20) + 300 * 4096 + (1 << 20));
	for (unsigned int i = 0; i < 300; i++) {
		sb.count = 0;
		conn_release(&conns[i]);
	}
}

/* Other connections of the account hold nearly all that it may have. */
static void an_account_that_is_full_waits_and_others_do_not(void **state)
{
	static size_t account;
	struct iovec iov[CONN_RESERVE_MAX];

	account = (1 << 20) - 1000;
	sb.stack->opt.account_max = 1 << 20;
	sb_open();
	conn_set_account(&sb.conn, &account);
	assert_true(conn_room(&sb.conn)); /* it holds nothing yet: a small piece */
	assert_true(conn_reserve(&sb.conn, iov, CONN_RESERVE_MAX) == 1);
	assert_int_equal(conn_commit(&sb.conn, 3000), 0);
	assert_int_equal(account, (1 << 20) + 2000);
	assert_int_equal(stack_held_back(sb.stack), 0);
	assert_false(conn_room(&sb.conn));
	assert_int_equal(stack_held_back(sb.stack), 1);
	conn_set_account(&sb.conn, NULL); /* as one of another account */
	assert_int_equal(account, (1 << 20) - 1000);
	assert_true(conn_room(&sb.conn));
	conn_set_account(&sb.conn, &account);
	sb.ack += 3000;
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(account, (1 << 20) - 1000);
	assert_true(conn_room(&sb.conn));
}

static void no_room_before_the_handshake_or_after_fin(void **state)
{
	struct iovec iov;

	sb_syn();
	assert_false(conn_room(&sb.conn));
	assert_int_equal(conn_reserve(&sb.conn, &iov, 1), 0);
	sb_send(SEG_ACK, NULL, 0);
	assert_true(conn_room(&sb.conn));
	conn_finish(&sb.conn);
	assert_false(conn_room(&sb.conn));
}

/* What lwIP does by itself for applications that know no SACK; for the others see flight.c. */
static void without_sack_fast_retransmission_after_three_duplicates(void **state)
{
	sb.no_sack = true;
	sb_open();
	assert_int_equal(sb_push(data, 60000), 0);
	assert_int_equal(sb_push(data, 60000), 0);
	sb.count = 0;
	for (int i = 0; i < 3; i++)
		sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->seq, sb.ack);
	assert_int_equal(sb_last()->len, 60000);
}

static void without_sack_retransmission_by_timer_within_a_second_or_so(void **state)
{
	sb.no_sack = true;
	sb_open();
	assert_int_equal(sb_push("abc", 3), 0);
	sb.count = 0;
	sb_skip(1500);
	assert_int_equal(sb.count, 1);
	assert_memory_equal(sb_last()->payload, "abc", 3);
	assert_null(sb.conn.flight);
}

/* What could not be written yet waits, with the FIN on it, while the window shrinks. */
static void fin_behind_more_than_the_window_comes_last(void **state)
{
	uint32_t end;

	sb_open();
	end = sb.ack + 1000;
	sb.output_error = -EAGAIN;
	assert_int_equal(sb_push(data, 1000), 0);
	conn_finish(&sb.conn);
	sb_send(SEG_ACK, "x", 1);
	sb.window = 3; /* 384 bytes; one that shrinks is believed behind newer data only */
	sb_send(SEG_ACK, "y", 1);
	sb.output_error = 0;
	for (int i = 0; i < 60 && sb.ack != end + 1; i++) {
		sb.count = 0;
		sb_skip(1000);
		for (unsigned int k = 0; k < sb.count; k++) {
			struct segment *s = &sb.caught[k].s;

			if (s->flags & SEG_FIN)
				assert_int_equal(s->seq + s->len, end);
			if (s->seq == sb.ack)
				sb.ack += (uint32_t)s->len + !!(s->flags & SEG_FIN);
		}
		sb_send(SEG_ACK, NULL, 0);
	}
	assert_int_equal(sb.ack, end + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(short_read_does_not_tie_up_a_buffer),
		SB_TEST(buffer_is_kept_until_its_last_byte_is_acknowledged),
		SB_TEST(buffer_survives_while_a_segment_reaches_into_it),
		SB_TEST(several_buffers_leave_in_their_order),
		SB_TEST(no_more_is_reserved_than_may_be_sent),
		SB_TEST(room_ends_before_the_send_buffer_overflows),
		SB_TEST(many_tiny_writes_end_in_no_room_not_in_an_error),
		SB_TEST(window_that_opens_from_zero_by_little),
		SB_TEST(tiny_windows_leave_room_in_lwips_queue),
		SB_TEST(the_budget_is_shared),
		SB_TEST(an_account_that_is_full_waits_and_others_do_not),
		SB_TEST(no_room_before_the_handshake_or_after_fin),
		SB_TEST(without_sack_fast_retransmission_after_three_duplicates),
		SB_TEST(without_sack_retransmission_by_timer_within_a_second_or_so),
		SB_TEST(fin_behind_more_than_the_window_comes_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
