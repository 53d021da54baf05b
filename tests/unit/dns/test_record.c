// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* record.c: what records hold, as text. */
#include "support.h"

#include "dns/record.h"

static char text[RECORD_TEXT_MAX];

/* The data as a record at the end of a message that has "b.test" at offset 12. */
static const char *data(uint16_t type, const char *bytes, size_t len)
{
	static uint8_t msg[MSG_HEADER_BYTES + 8 + 2048] = "............\1b\4test";
	struct msg_record r = { .type = type,
				.rdata = MSG_HEADER_BYTES + 8,
				.rdata_len = (uint16_t)len };

	memcpy(msg + r.rdata, bytes, len);
	return record_text(msg, r.rdata + len, &r, text);
}

#define DATA(type, bytes) data(type, bytes, sizeof(bytes) - 1)

static void known_types_as_zone_files_have_them(void **state)
{
	assert_string_equal(DATA(TYPE_A, "\300\0\2\1"), "192.0.2.1");
	assert_string_equal(DATA(TYPE_AAAA, " \1\r\270\0\0\0\0\0\0\0\0\0\0\0\1"), "2001:db8::1");
	assert_string_equal(DATA(TYPE_CNAME, "\1a\300\14"), "a.b.test.");
	assert_string_equal(DATA(12, "\0"), ".");
	assert_string_equal(DATA(15, "\0\12\300\14"), "10 b.test.");
	assert_string_equal(DATA(33, "\0\1\0\2\0\65\300\14"), "1 2 53 b.test.");
	assert_string_equal(DATA(16, "\3a\"b\0\2\n\\"), "\"a\\\"b\" \"\" \"\\010\\\\\"");
	assert_string_equal(DATA(TYPE_SOA,
				 "\300\14\300\14\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"),
			    "b.test. b.test. 1 2 3 4 5");
}

static void all_else_as_bytes(void **state)
{
	assert_string_equal(DATA(65, "\0\1\0"), "\\# 3 000100");
	assert_string_equal(DATA(65, ""), "\\# 0 ");
	assert_string_equal(DATA(TYPE_A, "abc"), "\\# 3 616263"); /* too short */
	assert_string_equal(DATA(TYPE_A, "abcde"), "\\# 5 6162636465"); /* too long */
	assert_string_equal(DATA(16, "\3ab"), "\\# 3 036162"); /* string beyond the end */
	assert_string_equal(DATA(TYPE_CNAME, "\300\377"), "\\# 2 c0ff"); /* pointer to nowhere */
	assert_string_equal(DATA(TYPE_CNAME, "\300\14\0"), "\\# 3 c00c00");
}

static void long_data_is_cut(void **state)
{
	static char many[2000];

	data(65, many, sizeof(many));
	assert_int_equal(strlen(text), RECORD_TEXT_MAX - 1);
	memset(many, 255, sizeof(many));
	for (size_t i = 0; i < sizeof(many); i += 256)
		many[i] = (char)255;
	data(16, many, 1024);
	assert_true(strlen(text) < RECORD_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_types_as_zone_files_have_them),
		cmocka_unit_test(all_else_as_bytes),
		cmocka_unit_test(long_data_is_cut),
	};

	return cmocka_run_group_tests_name("dns/record", tests, NULL, NULL);
}
