// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/stack/stack_bench.h"

/* Options behind an empty TCP header, rewritten; `ret` is what lwIP is given. */
static void rewrite(const char *options, size_t len, uint8_t ret[SYN_BYTES])
{
	uint8_t tcp[60] = { 0x0f, 0xa0, 0, 80, 1, 2, 3, 4 };

	memcpy(tcp + 20, options, len);
	tcp[12] = (uint8_t)((20 + len) / 4 << 4);
	tcp[13] = SEG_SYN;
	syn_rewrite(ret, tcp, 20 + len);
	assert_memory_equal(ret, tcp, 12);
	assert_int_equal(ret[12], SYN_BYTES / 4 << 4);
	assert_int_equal(ret[13], SEG_SYN);
}

/* wanted: the twelve bytes of options. */
static void assert_rewritten(const char *options, size_t len, const char *wanted)
{
	uint8_t syn[SYN_BYTES];

	rewrite(options, len, syn);
	assert_memory_equal(syn + 20, wanted, SYN_BYTES - 20);
}

#define NONE "\1\1\1\1\1\1\1\1\1\1\1\1"

static void options_take_their_places(void **state)
{
	assert_rewritten("\2\4\5\xb4\4\2\x8\xa\1\2\3\4\0\0\0\0\1\3\3\7", 20,
			 "\2\4\5\xb4\4\2\1\1\3\3\7\1");
	assert_rewritten("\3\3\7\2\4\5\xb4\1", 8, "\2\4\5\xb4\1\1\1\1\3\3\7\1");
	assert_rewritten("", 0, NONE);
}

static void mss_of_zero_says_nothing(void **state)
{
	assert_rewritten("\2\4\0\0", 4, NONE);
	assert_rewritten("\2\4\xff\xff", 4, "\2\4\xff\xff\1\1\1\1\1\1\1\1");
}

static void scale_above_14_is_14(void **state)
{
	assert_rewritten("\3\3\xe\0", 4, "\1\1\1\1\1\1\1\1\3\3\xe\1");
	assert_rewritten("\3\3\xf\0", 4, "\1\1\1\1\1\1\1\1\3\3\xe\1");
	assert_rewritten("\3\3\xff\0", 4, "\1\1\1\1\1\1\1\1\3\3\xe\1");
}

static void impossible_length_ends_the_options(void **state)
{
	assert_rewritten("\4\2\2\0\4\2\3\3\7\0\0\0", 12, "\1\1\1\1\4\2\1\1\1\1\1\1");
	assert_rewritten("\4\2\2\1\4\2\3\3\7\0\0\0", 12, "\1\1\1\1\4\2\1\1\1\1\1\1");
	assert_rewritten("\4\2\2\xff\5\xb4\3\3\7\0\0\0", 12, "\1\1\1\1\4\2\1\1\1\1\1\1");
}

static void option_that_is_cut_off_says_nothing(void **state)
{
	assert_rewritten("\1\1\1\2", 4, NONE);
	assert_rewritten("\1\1\2\4", 4, NONE);
	assert_rewritten("\1\2\4\5", 4, NONE);
	assert_rewritten("\1\1\3\3", 4, NONE);
}

static void option_of_wrong_length_is_skipped(void **state)
{
	assert_rewritten("\2\3\5\3\4\7\7\4\3\7\7\1", 12, NONE);
	assert_rewritten("\2\6\5\xb4\0\0\4\2", 8, "\1\1\1\1\4\2\1\1\1\1\1\1");
}

static void last_of_two_counts(void **state)
{
	assert_rewritten("\2\4\1\0\2\4\5\0", 8, "\2\4\5\0\1\1\1\1\1\1\1\1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_take_their_places),
		cmocka_unit_test(mss_of_zero_says_nothing),
		cmocka_unit_test(scale_above_14_is_14),
		cmocka_unit_test(impossible_length_ends_the_options),
		cmocka_unit_test(option_that_is_cut_off_says_nothing),
		cmocka_unit_test(option_of_wrong_length_is_skipped),
		cmocka_unit_test(last_of_two_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
