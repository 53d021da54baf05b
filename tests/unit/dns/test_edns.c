// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* edns.c: the OPT record found, judged, lowered, appended and taken out. */
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
	assert_true(e.plain);
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
	assert_true(e.plain);
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

static void knows_options_that_change_the_answer(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\12\0\1x\0\14\0\0", 9); /* COOKIE, PADDING */
	e = found();
	assert_true(e.plain);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\10\0\4\0\1\0\0", 8); /* client subnet */
	e = found();
	assert_false(e.plain);
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

static void knows_a_signed_query(void **state)
{
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, NULL, 0);
	wire_record(&w, SECTION_ADDITIONAL, "key", 250, 0, "signature", 9);
	e = found();
	assert_true(e.extra);
}

static void lowers_only_the_payload(void **state)
{
	struct wire before;
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 4096, true, "\0\12\0\1x", 5);
	before = w;
	e = found();
	edns_lower_payload(w.b, &e);
	assert_int_equal(msg_get16(w.b + e.offset + 3), EDNS_PAYLOAD);
	msg_put16(w.b + e.offset + 3, 4096);
	assert_memory_equal(w.b, before.b, w.len);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 600, true, NULL, 0);
	e = found();
	edns_lower_payload(w.b, &e);
	e = found();
	assert_int_equal(e.payload, 600);
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
		cmocka_unit_test(knows_options_that_change_the_answer),
		cmocka_unit_test(refuses_options_that_overrun),
		cmocka_unit_test(refuses_a_second_opt_and_one_in_the_wrong_place),
		cmocka_unit_test(knows_a_signed_query),
		cmocka_unit_test(lowers_only_the_payload),
		cmocka_unit_test(appends_an_opt_that_it_finds_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
