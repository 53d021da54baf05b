// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

static uint8_t data[65536];

static void segment_of_many_mss_leaves_as_one_gso_packet(void **state)
{
	struct caught *c = &sb.caught[0];

	sb_open();
	sb_send(SEG_ACK, NULL, 0); /* the window is 8 MB by now */
	assert_int_equal(sb_push(data, 44 * 1460), 0);
	assert_int_equal(sb.count, 1);
	assert_int_equal(c->s.len, 44 * 1460);
	assert_int_equal(c->off.gso_type, GSO_TCP4);
	assert_int_equal(c->off.gso_size, 1460);
	assert_int_equal(c->off.hdr_len, 40);
	assert_true(c->off.csum_partial);
	assert_int_equal(c->off.csum_start, 20);
	assert_int_equal(c->off.csum_offset, 16);
}

static void gso_of_ipv6(void **state)
{
	struct caught *c = &sb.caught[0];

	sb_open();
	assert_int_equal(sb_push(data, 45 * 1440), 0);
	assert_int_equal(c->s.len, 45 * 1440);
	assert_int_equal(c->off.gso_type, GSO_TCP6);
	assert_int_equal(c->off.gso_size, 1440);
	assert_int_equal(c->off.hdr_len, 60);
	assert_int_equal(c->off.csum_start, 40);
}

static void one_segment_needs_no_gso(void **state)
{
	sb_open();
	assert_int_equal(sb_push(data, 1460), 0);
	assert_int_equal(sb.caught[0].off.gso_type, GSO_NONE);
	assert_int_equal(sb.caught[0].off.gso_size, 0);
}

static void without_gso_no_packet_exceeds_the_mtu(void **state)
{
	size_t sum = 0;

	sb_open();
	assert_int_equal(sb_push(data, 30000), 0);
	for (unsigned int i = 0; i < sb.count; i++) {
		assert_true(sb.caught[i].len <= 1500);
		assert_int_equal(sb.caught[i].off.gso_type, GSO_NONE);
		sum += sb.caught[i].s.len;
	}
	assert_int_equal(sum, 30000);
}

/* Small writes pile up behind a full window: more pieces than an iovec has. */
static void packet_of_many_pieces_is_copied_together(void **state)
{
	uint8_t expected[200];

	sb.window = 937; /* 119,936 bytes once scaled */
	sb_open();
	assert_int_equal(sb_push(data, 59968), 0);
	assert_int_equal(sb_push(data, 59968), 0);
	sb.count = 0;
	for (unsigned int i = 0; i < sizeof(expected); i++) {
		expected[i] = (uint8_t)i;
		assert_int_equal(sb_push(&expected[i], 1), 0);
	}
	assert_int_equal(sb.count, 0);
	sb.ack += 2 * 59968;
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->len, sizeof(expected));
	assert_memory_equal(sb_last()->payload, expected, sizeof(expected));
}

static void packet_that_was_not_written_is_sent_later(void **state)
{
	sb_open();
	sb.output_error = -EAGAIN;
	assert_int_equal(sb_push("abc", 3), 0);
	assert_int_equal(sb.count, 0);
	sb.output_error = 0;
	sb_skip(1000);
	assert_int_equal(sb_last()->len, 3);
	assert_memory_equal(sb_last()->payload, "abc", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(segment_of_many_mss_leaves_as_one_gso_packet),
		SB_TEST6(gso_of_ipv6),
		SB_TEST(one_segment_needs_no_gso),
		SB_TEST_PLAIN(without_gso_no_packet_exceeds_the_mtu),
		SB_TEST(packet_of_many_pieces_is_copied_together),
		SB_TEST(packet_that_was_not_written_is_sent_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
