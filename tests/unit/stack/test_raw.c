// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

static void refuse(uint8_t flags, size_t len)
{
	struct packet head;
	uint8_t *packet = sb_segment(flags, "0123456789", len, &head);

	stack_refuse(sb.stack, &head, packet);
}

static void a_syn_is_refused_with_its_own_number(void **state)
{
	refuse(SEG_SYN, 0);
	assert_int_equal(sb.count, 1);
	assert_int_equal(sb_last()->flags, SEG_RST | SEG_ACK);
	assert_int_equal(sb_last()->seq, 0);
	assert_int_equal(sb_last()->ack, sb.seq);
	assert_false(sb.caught[0].offloaded); /* its checksum is complete */
	assert_int_equal(sb.caught[0].path.sport, htons(80));
	assert_int_equal(sb.caught[0].path.dport, htons(4000));
}

static void an_ack_is_refused_at_what_it_expects(void **state)
{
	sb.ack = 99;
	refuse(SEG_ACK | SEG_FIN, 5);
	assert_int_equal(sb_last()->flags, SEG_RST);
	assert_int_equal(sb_last()->seq, 99);
}

static void data_without_ack_counts_its_bytes(void **state)
{
	refuse(SEG_FIN, 5);
	assert_int_equal(sb_last()->ack, sb.seq);
}

static void a_reset_is_never_answered(void **state)
{
	refuse(SEG_RST, 0);
	refuse(SEG_RST | SEG_ACK, 0);
	assert_int_equal(sb.count, 0);
}

static void a_bare_ack_says_what_it_is_told(void **state)
{
	stack_send_ack(sb.stack, &sb.path, 11, 22);
	assert_int_equal(sb_last()->flags, SEG_ACK);
	assert_int_equal(sb_last()->seq, 11);
	assert_int_equal(sb_last()->ack, 22);
	assert_int_equal(sb.caught[0].path.dport, sb.path.dport);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SB_TEST(a_syn_is_refused_with_its_own_number),
		SB_TEST6(a_syn_is_refused_with_its_own_number),
		SB_TEST(an_ack_is_refused_at_what_it_expects),
		SB_TEST(data_without_ack_counts_its_bytes),
		SB_TEST(a_reset_is_never_answered),
		SB_TEST6(a_bare_ack_says_what_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
