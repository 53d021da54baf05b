// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

static void a_process_has_one_stack(void **state)
{
	struct stack_options opt = sb.stack->opt;
	struct stack *second;

	assert_int_equal(stack_new(&opt, &second), -EBUSY);
}

static void freed_stack_can_be_made_again(void **state)
{
	struct stack_options opt = sb.stack->opt;

	for (int i = 0; i < 3; i++) {
		conn_release(&sb.conn);
		stack_free(sb.stack);
		assert_int_equal(stack_new(&opt, &sb.stack), 0);
		conn_init(&sb.conn, sb.stack);
		sb_open();
	}
	stack_free(NULL);
}

static void delayed_ack_leaves_after_5_ms(void **state)
{
	sb_open();
	sb_send(SEG_ACK, "abc", 3);
	assert_int_equal(sb.count, 0);
	sb_skip(4);
	assert_int_equal(sb.count, 0);
	sb_skip(2);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->ack, sb.seq);
}

static void data_carries_the_delayed_ack(void **state)
{
	sb_open();
	sb_send(SEG_ACK, "abc", 3);
	assert_int_equal(sb_push("answer", 6), 0);
	assert_int_equal(sb_last()->ack, sb.seq);
	sb_skip(20);
	assert_int_equal(sb.count, 1);
}

static void ack_that_could_not_be_written_is_sent_by_the_tick(void **state)
{
	sb_open();
	sb_send(SEG_ACK, "abc", 3);
	sb.output_error = -EAGAIN;
	sb_skip(10);
	sb.output_error = 0;
	sb_skip(1000);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->ack, sb.seq);
}

static void initial_sequence_numbers_differ_per_tuple_and_move(void **state)
{
	uint32_t isn[3];

	for (int i = 0; i < 3; i++) {
		sb.path.sport = htons((uint16_t)(4000 + i % 2)); /* A, B, A */
		sb_syn();
		isn[i] = sb.ack - 1;
		conn_release(&sb.conn);
		sb.now_ns += NSEC_PER_SEC;
	}
	assert_true(isn[0] + 250000 - isn[1] != 0);
	assert_int_equal(isn[2] - isn[0], 500000);
}

/* Ten thousand connections: a segment and a tick find only what concerns them. */
static void the_tick_sees_only_hot_connections(void **state)
{
	static struct conn conns[2000];
	unsigned int hot = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		sb.path.sport = htons((uint16_t)(2000 + i));
		sb.seq = 1;
		sb.ack = 0;
		conn_init(&sb.conn, sb.stack);
		sb_open();
		flight_end(&sb.conn);
		conns[i] = sb.conn; /* moved: relink */
		list_init(&conns[i].hot);
		list_init(&conns[i].ack);
		list_remove(&sb.conn.hot);
		list_remove(&sb.conn.ack);
		tcp_arg(conns[i].pcb, &conns[i]);
		sb.conn.pcb = NULL;
	}
	sb_skip(500);
	for (struct list *l = sb.stack->hot.next; l != &sb.stack->hot; l = l->next)
		hot++;
	assert_int_equal(hot, 0);
	assert_false(timer_is_armed(&sb.stack->tick));
	for (unsigned int i = 0; i < 2000; i++) {
		conn_release(&conns[i]);
		sb.count = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(a_process_has_one_stack),
		SB_TEST(freed_stack_can_be_made_again),
		SB_TEST(delayed_ack_leaves_after_5_ms),
		SB_TEST(data_carries_the_delayed_ack),
		SB_TEST(ack_that_could_not_be_written_is_sent_by_the_tick),
		SB_TEST(initial_sequence_numbers_differ_per_tuple_and_move),
		SB_TEST(the_tick_sees_only_hot_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
