// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* edns.c: the OPT record found, judged, appended, copied and taken out. */
#include "support.h"

#define QUESTION_END (12 + 10 + 4)

static struct wire w;

static struct edns found(void)
{
	struct edns e;

	assert_int_equal(edns_find(w.b, w.len, QUESTION_END, &e), 0);
	return e;
}

static int refused(void)
{
	struct edns e;

	return edns_find(w.b, w.len, QUESTION_END, &e);
}

static void without_opt_512_bytes_are_taken(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	e = found();
	assert_false(e.present);
	assert_int_equal(e.options, 0);
	assert_int_equal(edns_limit(&e), 512);
	assert_int_equal(e.message_end, w.len);
}

static void reads_what_the_opt_says(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 4096, true, NULL, 0);
	e = found();
	assert_true(e.present);
	assert_true(e.dnssec_ok);
	assert_int_equal(e.options, 0);
	assert_false(e.extra);
	assert_int_equal(e.version, 0);
	assert_int_equal(edns_limit(&e), 4096);
	assert_int_equal(e.offset, QUESTION_END);
	assert_int_equal(e.end, w.len);
}

static void less_than_512_means_512(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 100, false, NULL, 0);
	e = found();
	assert_int_equal(edns_limit(&e), 512);
}

static uint8_t options_of(const void *options, size_t len)
{
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, options, len);
	return found().options;
}

static void knows_options_that_it_does_not_ignore(void **state)
{
	assert_int_equal(options_of("\0\12\0\1x\0\14\0\0", 9), 0); /* COOKIE, PADDING */
	assert_int_equal(options_of("\0\3\0\0", 4), EDNS_NSID);
	assert_int_equal(options_of("\0\10\0\4\0\1\0\0\0\3\0\0", 12), EDNS_SUBNET | EDNS_NSID);
}

static void c04_knows_the_mac_address_that_dnsmasq_adds(void **state)
{
	assert_int_equal(options_of("\xfd\xe9\0\6abcdef", 10), EDNS_IDENTITY);
	assert_int_equal(options_of("\xfe\x31\0\6abcdef", 10), EDNS_IDENTITY);
	assert_int_equal(options_of("\xfe\x32\0\6abcdef", 10), EDNS_IDENTITY);
}

static void refuses_a_subnet_of_wrong_length(void **state)
{
	static uint8_t longer[4 + 21] = { 0, 8, 0, 21 };

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\10\0\3\0\1\0", 7);
	assert_int_equal(refused(), -EEXIST);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, longer, sizeof(longer));
	assert_int_equal(refused(), -EEXIST);
}

static void copies_the_options_asked_for_alone(void **state)
{
	static const uint8_t options[] = "\0\12\0\1x\0\3\0\2me\0\10\0\4\0\1\0\0";
	struct wire out;
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, options, sizeof(options) - 1);
	e = found();
	wire_query(&out, 1, "www.test", TYPE_A);
	out.len = edns_append(out.b, out.len, false);
	out.len = edns_copy_options(out.b, out.len, w.b, &e, EDNS_NSID);
	w = out;
	e = found();
	assert_int_equal(e.options, EDNS_NSID);
	assert_int_equal(e.end, w.len);
	assert_int_equal(w.len, QUESTION_END + 11 + 6);
}

static void options_that_are_handed_on_are_bounded(void **state)
{
	static uint8_t long_one[4 + EDNS_OPTIONS_MAX] = { 0, 3, 0, EDNS_OPTIONS_MAX };
	static uint8_t out[QUESTION_END + EDNS_OPT_BYTES + EDNS_OPTIONS_MAX];
	struct edns e;
	size_t len;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, long_one, sizeof(long_one));
	e = found();
	memcpy(out, w.b, QUESTION_END);
	len = edns_append(out, QUESTION_END, false);
	assert_int_equal(edns_copy_options(out, len, w.b, &e, EDNS_NSID), len);
}

static void an_extended_rcode_is_in_the_opt(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	w.len = edns_append(w.b, w.len, true);
	edns_set_rcode(w.b, w.len, 1);
	e = found();
	assert_int_equal(e.rcode_high, 1);
	assert_true(e.dnssec_ok);
}

static void refuses_options_that_overrun(void **state)
{
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\12\0\2x", 5);
	assert_int_equal(refused(), -EBADMSG);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\12\0", 3);
	assert_int_equal(refused(), -EBADMSG);
}

static void refuses_a_second_opt_and_one_in_the_wrong_place(void **state)
{
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, NULL, 0);
	wire_opt(&w, 1232, false, NULL, 0);
	assert_int_equal(refused(), -EEXIST);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_record(&w, SECTION_ANSWER, "", TYPE_OPT, 0, NULL, 0);
	assert_int_equal(refused(), -EEXIST);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_record(&w, SECTION_ADDITIONAL, "www", TYPE_OPT, 0, NULL, 0);
	assert_int_equal(refused(), -EEXIST);
}

static void refuses_more_records_than_anyone_needs(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	for (unsigned int i = 0; i < MSG_RECORDS_MAX; i++)
		wire_record(&w, SECTION_ANSWER, "", TYPE_A, 60, "\1\2\3\4", 4);
	assert_int_equal(edns_find(w.b, w.len, QUESTION_END, &e), 0);
	wire_record(&w, SECTION_ANSWER, "", TYPE_A, 60, "\1\2\3\4", 4);
	assert_int_equal(refused(), -EBADMSG);
}

static void knows_a_signed_query(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, NULL, 0);
	wire_record(&w, SECTION_ADDITIONAL, "key", 250, 0, "signature", 9);
	e = found();
	assert_true(e.extra);
}

static void appends_an_opt_that_it_finds_again(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	w.len = edns_append(w.b, w.len, true);
	e = found();
	assert_true(e.present);
	assert_true(e.dnssec_ok);
	assert_int_equal(e.payload, EDNS_PAYLOAD);
	assert_int_equal(e.message_end, w.len);
	w.len = edns_strip(w.b, &e);
	e = found();
	assert_false(e.present);
	assert_int_equal(w.len, QUESTION_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_opt_512_bytes_are_taken),
		cmocka_unit_test(reads_what_the_opt_says),
		cmocka_unit_test(less_than_512_means_512),
		cmocka_unit_test(knows_options_that_it_does_not_ignore),
		cmocka_unit_test(refuses_options_that_overrun),
		cmocka_unit_test(refuses_a_second_opt_and_one_in_the_wrong_place),
		cmocka_unit_test(refuses_more_records_than_anyone_needs),
		cmocka_unit_test(knows_a_signed_query),
		cmocka_unit_test(c04_knows_the_mac_address_that_dnsmasq_adds),
		cmocka_unit_test(refuses_a_subnet_of_wrong_length),
		cmocka_unit_test(copies_the_options_asked_for_alone),
		cmocka_unit_test(options_that_are_handed_on_are_bounded),
		cmocka_unit_test(an_extended_rcode_is_in_the_opt),
		cmocka_unit_test(appends_an_opt_that_it_finds_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
