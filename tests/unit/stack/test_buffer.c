// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

static void full_buffers_are_used_again_last_in_first_out(void **state)
{
	struct buffer *a = buffer_get(sb.stack, BUFFER_BYTES);
	struct buffer *b = buffer_get(sb.stack, BUFFER_BYTES);

	assert_int_equal(stack_buffer_bytes(sb.stack), 2 * BUFFER_BYTES);
	buffer_put(sb.stack, a);
	buffer_put(sb.stack, b);
	assert_int_equal(stack_buffer_bytes(sb.stack), 0);
	assert_ptr_equal(buffer_get(sb.stack, BUFFER_BYTES), b);
	assert_ptr_equal(buffer_get(sb.stack, BUFFER_BYTES), a);
	buffer_put(sb.stack, a);
	buffer_put(sb.stack, b);
}

static void the_pool_is_bounded(void **state)
{
	struct buffer *b[BUFFERS_POOLED + 4];

	for (int i = 0; i < BUFFERS_POOLED + 4; i++)
		b[i] = buffer_get(sb.stack, BUFFER_BYTES);
	for (int i = 0; i < BUFFERS_POOLED + 4; i++)
		buffer_put(sb.stack, b[i]);
	assert_int_equal(sb.stack->pooled, BUFFERS_POOLED);
	buffers_trim(sb.stack, 2);
	assert_int_equal(sb.stack->pooled, 2);
}

static void small_buffers_are_not_pooled(void **state)
{
	struct buffer *b = buffer_get(sb.stack, BUFFER_SMALL_BYTES);

	assert_int_equal(b->size, BUFFER_SMALL_BYTES);
	buffer_put(sb.stack, b);
	assert_int_equal(sb.stack->pooled, 0);
	buffer_put(sb.stack, NULL);
}

static void a_list_is_put_back_whole(void **state)
{
	struct buffer *head = buffer_get(sb.stack, BUFFER_SMALL_BYTES), *tail;

	tail = buffer_get(sb.stack, BUFFER_BYTES);
	head->next = tail;
	buffer_put_all(sb.stack, &head, &tail);
	assert_null(head);
	assert_null(tail);
	assert_int_equal(stack_buffer_bytes(sb.stack), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(full_buffers_are_used_again_last_in_first_out),
		SB_TEST(the_pool_is_bounded),
		SB_TEST(small_buffers_are_not_pooled),
		SB_TEST(a_list_is_put_back_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
