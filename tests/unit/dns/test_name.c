// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* name.c: wire names in, compressed or not, and what is made of them. */
#include "support.h"

#include "dns/name.h"

static struct name parsed(const char *text)
{
	static struct wire w;
	struct name name;

	w.len = 0;
	wire_name(&w, text);
	assert_int_equal(name_parse(w.b, w.len, 0, &name), w.len);
	return name;
}

static const char *text_of(const struct name *name)
{
	static char text[1200];

	return name_format(name, text, sizeof(text));
}

static void reads_a_plain_name(void **state)
{
	struct name name = parsed("www.Example.test");

	assert_int_equal(name.len, 18);
	assert_string_equal(text_of(&name), "www.Example.test");
}

static void reads_the_root(void **state)
{
	struct name name = parsed("");

	assert_int_equal(name.len, 1);
	assert_string_equal(text_of(&name), ".");
}

static void follows_pointers_backwards(void **state)
{
	static const uint8_t msg[] = "\4test\0\3www\xc0\0\1a\xc0\6";
	struct name name;

	assert_int_equal(name_parse(msg, sizeof(msg) - 1, 6, &name), 6);
	assert_string_equal(text_of(&name), "www.test");
	assert_int_equal(name_parse(msg, sizeof(msg) - 1, 12, &name), 4);
	assert_string_equal(text_of(&name), "a.www.test");
}

static void refuses_pointers_that_do_not_lead_backwards(void **state)
{
	static const uint8_t self[] = { 0xc0, 0x00 };
	static const uint8_t pair[] = { 0xc0, 0x02, 0xc0, 0x00 };
	static const uint8_t forward[] = { 0xc0, 0x02, 0x00 };
	static const uint8_t into_own_run[] = { 0x01, 'a', 0xc0, 0x00 };
	struct name name;

	assert_int_equal(name_parse(self, sizeof(self), 0, &name), -EBADMSG);
	assert_int_equal(name_parse(pair, sizeof(pair), 0, &name), -EBADMSG);
	assert_int_equal(name_parse(pair, sizeof(pair), 2, &name), -EBADMSG);
	assert_int_equal(name_parse(forward, sizeof(forward), 0, &name), -EBADMSG);
	assert_int_equal(name_parse(into_own_run, sizeof(into_own_run), 0, &name), -EBADMSG);
	assert_int_equal(name_parse(into_own_run, sizeof(into_own_run), 2, &name), -EBADMSG);
}

/* What a pointer leads to has ended before the run with the pointer starts. */
static void refuses_labels_that_run_over_their_own_pointer(void **state)
{
	static const uint8_t over[] = { 0x04, 'a', 0xc0, 0x00, 'b', 0x00 };
	static const uint8_t into[] = { 0x03, 'a', 'b', 0xc0, 0x00, 0x00 };
	static const uint8_t second[] = { 0x05, 'a', 0x01, 'b', 0xc0, 0x00, 0xc0, 0x02, 0x00 };
	static const uint8_t before[] = { 0x02, 'a', 'b', 0x00, 0xc0, 0x00 };
	struct name name;

	assert_int_equal(name_parse(over, sizeof(over), 2, &name), -EBADMSG);
	assert_int_equal(name_parse(into, sizeof(into), 3, &name), -EBADMSG);
	assert_int_equal(name_parse(second, sizeof(second), 6, &name), -EBADMSG);
	assert_int_equal(name_parse(before, sizeof(before), 4, &name), 2);
	assert_string_equal(text_of(&name), "ab");
}

static void a_chain_of_pointers_ends_with_the_length_of_a_name(void **state)
{
	uint8_t msg[2048] = { 0 };
	struct name name;
	size_t at = 1;

	/* each: label "a" and a pointer to the one before it; 127 labels are the most */
	for (unsigned int i = 0; i < 127; i++, at += 4) {
		msg[at] = 1;
		msg[at + 1] = 'a';
		msg_put16(msg + at + 2, (uint16_t)(0xc000 | (i ? at - 4 : 0)));
	}
	assert_int_equal(name_parse(msg, sizeof(msg), at - 4, &name), 4);
	assert_int_equal(name.len, NAME_WIRE_MAX);
	msg[at] = 1;
	msg_put16(msg + at + 2, (uint16_t)(0xc000 | (at - 4)));
	assert_int_equal(name_parse(msg, sizeof(msg), at, &name), -EBADMSG);
}

static void refuses_every_truncation(void **state)
{
	static const uint8_t msg[] = "\4test\0\3www\xc0\0";
	struct name name;

	for (size_t len = 0; len < 6; len++)
		assert_int_equal(name_parse(msg, len, 0, &name), -EBADMSG);
	for (size_t len = 6; len < sizeof(msg) - 1; len++)
		assert_int_equal(name_parse(msg, len, 6, &name), -EBADMSG);
}

static void refuses_obsolete_label_types(void **state)
{
	uint8_t msg[256] = { 0 };
	struct name name;

	msg[0] = 0x40;
	assert_int_equal(name_parse(msg, sizeof(msg), 0, &name), -EBADMSG);
	msg[0] = 0x80;
	assert_int_equal(name_parse(msg, sizeof(msg), 0, &name), -EBADMSG);
}

static void takes_255_octets_and_no_more(void **state)
{
	uint8_t msg[300] = { 0 };
	struct name name;

	for (size_t at = 0; at < 192; at += 64)
		msg[at] = 63;
	msg[192] = 61;
	assert_int_equal(name_parse(msg, sizeof(msg), 0, &name), 255);
	msg[192] = 62;
	assert_int_equal(name_parse(msg, sizeof(msg), 0, &name), -EBADMSG);
}

static void leaves_the_result_alone_on_failure(void **state)
{
	struct name name = parsed("www.test");

	assert_int_equal(name_parse((const uint8_t *)"\3ab", 3, 0, &name), -EBADMSG);
	assert_string_equal(text_of(&name), "www.test");
}

static void compares_and_hashes_without_case(void **state)
{
	struct siphash_key key = { { 1, 2 } };
	struct name a = parsed("www.Example.test"), b = parsed("WWW.eXAMPLE.TEST");
	struct name c = parsed("www.example.tesu"), d = parsed("example.test");

	assert_true(name_eq(&a, &b));
	assert_false(name_eq(&a, &c));
	assert_false(name_eq(&a, &d));
	assert_int_equal(name_hash(&key, &a), name_hash(&key, &b));
	assert_int_not_equal(name_hash(&key, &a), name_hash(&key, &c));
}

static void only_ascii_letters_have_case(void **state)
{
	uint8_t wire[] = { 4, '@', '[', 0xc1, 'Z', 0 };

	name_lower(wire, sizeof(wire));
	assert_memory_equal(wire, "\4@[\xc1z", 6);
}

static void mixes_the_case_of_letters_alone(void **state)
{
	struct name name = parsed("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b-7"), mixed = name;
	unsigned int upper = 0;

	for (int i = 0; i < 64; i++) {
		name_mix_case(mixed.wire, mixed.len);
		assert_true(name_eq(&name, &mixed));
		assert_memory_equal(mixed.wire + 35, "-7", 3);
		for (unsigned int k = 1; k <= 32; k++)
			upper += mixed.wire[k] == 'A';
	}
	/* 2,048 fair coins: 900 is 5.5 standard deviations away */
	assert_in_range(upper, 900, 1148);
}

static void escapes_what_is_not_plain_text(void **state)
{
	static const uint8_t msg[] = "\5a.b\\ \2\0\xff\0";
	struct name name;

	assert_int_equal(name_parse(msg, sizeof(msg) - 1, 0, &name), sizeof(msg) - 1);
	assert_string_equal(text_of(&name), "a\\.b\\\\\\032.\\000\\255");
}

static void cuts_before_what_does_not_fit(void **state)
{
	static const uint8_t msg[] = "\3ab\1\0";
	struct name name;
	char text[8];

	assert_int_equal(name_parse(msg, 5, 0, &name), 5);
	assert_string_equal(name_format(&name, text, 7), "ab\\001");
	assert_string_equal(name_format(&name, text, 6), "ab");
	assert_string_equal(name_format(&name, text, 3), "ab");
	assert_string_equal(name_format(&name, text, 2), "a");
}

static void the_longest_text_fits_its_buffer(void **state)
{
	uint8_t msg[255];
	struct name name;
	char text[DOMAIN_TEXT_MAX];

	memset(msg, 1, sizeof(msg));
	for (size_t at = 0; at < 192; at += 64)
		msg[at] = 63;
	msg[192] = 61;
	msg[254] = 0;
	assert_int_equal(name_parse(msg, sizeof(msg), 0, &name), 255);
	assert_in_range(strlen(name_format(&name, text, sizeof(text))), DOMAIN_TEXT_MAX - 5,
			DOMAIN_TEXT_MAX - 1);
}

static void reads_text_as_it_is_written(void **state)
{
	static const char *const same[] = {
		".", "a", "www.Example.test", "a\\.b.test", "\\000\\255\\\\.x", "_dns.*.test"
	};
	struct name name;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(name_from_text(same[i], &name), 0);
		assert_string_equal(text_of(&name), same[i]);
		assert_int_equal(name.wire[name.len - 1], 0);
	}
	assert_int_equal(name_from_text("www.test.", &name), 0);
	assert_string_equal(text_of(&name), "www.test");
}

static void refuses_text_that_is_no_name(void **state)
{
	static const char *const bad[] = { "",	  "a..b",  ".a",     "..",
					   "a\\", "a\\25", "a\\256", "a\\2x5" };
	struct name name = { .len = 7 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(name_from_text(bad[i], &name), -EINVAL);
	assert_int_equal(name.len, 7);
}

static void text_has_63_octets_a_label_and_255_in_all(void **state)
{
	char text[300];
	struct name name;

	memset(text, 'a', sizeof(text));
	text[63] = '\0';
	assert_int_equal(name_from_text(text, &name), 0);
	memset(text, 'a', 64);
	text[64] = '\0';
	assert_int_equal(name_from_text(text, &name), -EINVAL);
	memset(text, 'a', sizeof(text));
	for (size_t i = 1; i < sizeof(text); i += 2)
		text[i] = '.';
	text[2 * 127 - 1] = '\0';
	assert_int_equal(name_from_text(text, &name), 0);
	assert_int_equal(name.len, 255);
	text[2 * 127 - 1] = '.';
	text[2 * 127 + 1] = '\0';
	assert_int_equal(name_from_text(text, &name), -EINVAL);
}

static bool below(const char *name, const char *parent)
{
	struct name n = parsed(name), p = parsed(parent);

	return name_is_below(&n, &p);
}

static void tells_what_is_below_a_name(void **state)
{
	assert_true(below("www.example.TEST", "Example.test"));
	assert_true(below("a.b.example.test", "example.test"));
	assert_true(below("test", ""));
	assert_false(below("example.test", "example.test"));
	assert_false(below("wwwexample.test", "example.test"));
	assert_false(below("test", "example.test"));
	assert_false(below("", ""));
	/* the parent's bytes inside of a label are no parent */
	assert_false(below("a\1b.test", "b.test"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_plain_name),
		cmocka_unit_test(reads_the_root),
		cmocka_unit_test(follows_pointers_backwards),
		cmocka_unit_test(refuses_pointers_that_do_not_lead_backwards),
		cmocka_unit_test(refuses_labels_that_run_over_their_own_pointer),
		cmocka_unit_test(a_chain_of_pointers_ends_with_the_length_of_a_name),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(refuses_obsolete_label_types),
		cmocka_unit_test(takes_255_octets_and_no_more),
		cmocka_unit_test(leaves_the_result_alone_on_failure),
		cmocka_unit_test(compares_and_hashes_without_case),
		cmocka_unit_test(only_ascii_letters_have_case),
		cmocka_unit_test(mixes_the_case_of_letters_alone),
		cmocka_unit_test(escapes_what_is_not_plain_text),
		cmocka_unit_test(cuts_before_what_does_not_fit),
		cmocka_unit_test(the_longest_text_fits_its_buffer),
		cmocka_unit_test(reads_text_as_it_is_written),
		cmocka_unit_test(refuses_text_that_is_no_name),
		cmocka_unit_test(text_has_63_octets_a_label_and_255_in_all),
		cmocka_unit_test(tells_what_is_below_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
