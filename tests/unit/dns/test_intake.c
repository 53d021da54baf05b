// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* intake.c: what is a query, what may be cached, what may be shared. */
#include "support.h"

#include "dns/intake.h"

static struct wire w;
static struct intake in;

static int taken(void)
{
	return intake_read(&in, w.b, w.len, EDNS_NSID);
}

static void takes_queries_of_any_type(void **state)
{
	static const uint16_t types[] = { TYPE_A, TYPE_AAAA, 65, 65280, TYPE_ANY };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		wire_query(&w, 1, "www.test", types[i]);
		assert_int_equal(taken(), 0);
		assert_int_equal(in.question.type, types[i]);
	}
}

static void c02_an_empty_name_is_taken_only_for_what_the_root_has(void **state)
{
	wire_query(&w, 1, "", TYPE_NS);
	assert_int_equal(taken(), 0);
	wire_query(&w, 1, "", TYPE_DNSKEY);
	assert_int_equal(taken(), 0);
	wire_query(&w, 1, "", TYPE_A);
	assert_int_equal(taken(), RCODE_FORMERR);
	assert_int_equal(in.question.end, w.len);
	wire_query(&w, 1, "", TYPE_HTTPS);
	assert_int_equal(taken(), RCODE_FORMERR);
}

static void another_version_of_edns_is_badvers(void **state)
{
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, NULL, 0);
	w.b[w.len - 5] = 1;
	assert_int_equal(taken(), RCODE_BADVERS);
}

static void drops_answers(void **state)
{
	wire_begin(&w, 1, MSG_QR);
	wire_question(&w, "www.test", TYPE_A);
	assert_int_equal(taken(), -EBADMSG);
}

static void refuses_what_it_does_not_do(void **state)
{
	wire_begin(&w, 1, 5 << 11);
	assert_int_equal(taken(), RCODE_NOTIMP);
	wire_begin(&w, 1, 0);
	assert_int_equal(taken(), RCODE_FORMERR);
	assert_int_equal(in.question.end, 0);
	wire_query(&w, 1, "test", TYPE_IXFR);
	assert_int_equal(taken(), RCODE_REFUSED);
	assert_int_equal(in.question.end, w.len);
}

static void drops_a_question_that_is_compressed(void **state)
{
	static const uint8_t pointer[] = { 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 6, 0, 1, 0, 1 };

	w.len = 0;
	wire_bytes(&w, pointer, sizeof(pointer));
	assert_int_equal(taken(), -EBADMSG);
}

/* What counts is what goes upstream. */
static void takes_a_query_however_long_if_what_is_asked_is_short(void **state)
{
	static uint8_t padding[20000];
	uint8_t out[PLAIN_QUESTION_MAX];

	wire_query(&w, 1, "www.test", TYPE_A);
	msg_put16(padding, 12);
	msg_put16(padding + 2, sizeof(padding) - 4);
	wire_opt(&w, 1232, false, padding, sizeof(padding));
	assert_int_equal(taken(), 0);
	assert_int_equal(intake_normalize(&in, out).len, in.question.end + EDNS_OPT_BYTES);
}

static void refuses_signed_queries_that_are_too_long_to_be_forwarded(void **state)
{
	static uint8_t key[PLAIN_QUESTION_MAX];

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_record(&w, SECTION_ADDITIONAL, "key", 250, 0, key, PLAIN_QUESTION_MAX - w.len - 15);
	assert_int_equal(w.len, PLAIN_QUESTION_MAX);
	assert_int_equal(taken(), 0);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_record(&w, SECTION_ADDITIONAL, "key", 250, 0, key, PLAIN_QUESTION_MAX - w.len - 14);
	assert_int_equal(taken(), RCODE_FORMERR);
}

static bool cacheable(void)
{
	assert_int_equal(taken(), 0);
	return intake_cacheable(in.header.flags, &in.edns);
}

static void knows_what_may_be_cached(void **state)
{
	wire_query(&w, 1, "www.test", TYPE_A);
	assert_true(cacheable());
	wire_opt(&w, 1232, true, "\0\12\0\1x", 5);
	assert_true(cacheable());
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\10\0\4\0\1\0\0", 8); /* client subnet, not handed on */
	assert_true(cacheable());
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\3\0\0", 4); /* NSID */
	assert_false(cacheable());
	wire_begin(&w, 1, 0); /* no RD */
	wire_question(&w, "www.test", TYPE_A);
	assert_false(cacheable());
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_record(&w, SECTION_ADDITIONAL, "key", 250, 0, "signature", 9);
	assert_false(cacheable());
}

static void keys_differ_in_what_the_answer_depends_on(void **state)
{
	struct cache_key plain, checked;

	wire_query(&w, 1, "WWW.test", TYPE_A);
	assert_int_equal(taken(), 0);
	plain = intake_cache_key(&in.question, MSG_RD, &in.edns);
	assert_memory_equal(plain.name.wire, "\3www\4test", 10);
	assert_int_equal(plain.flags, 0);
	wire_opt(&w, 1232, true, NULL, 0);
	assert_int_equal(taken(), 0);
	checked = intake_cache_key(&in.question, MSG_RD | MSG_CD | MSG_AD, &in.edns);
	assert_int_equal(checked.flags, CACHE_DO | MSG_CD | MSG_AD);
}

static void queries_that_differ_in_id_and_case_become_the_same(void **state)
{
	uint8_t a[PLAIN_QUESTION_MAX], b[PLAIN_QUESTION_MAX];
	struct plain_question qa, qb;

	wire_query(&w, 1, "WWW.test", TYPE_A);
	wire_opt(&w, 4096, false, NULL, 0);
	assert_int_equal(taken(), 0);
	qa = intake_normalize(&in, a);
	wire_query(&w, 2, "www.TEST", TYPE_A);
	wire_opt(&w, 1232, false, NULL, 0);
	assert_int_equal(taken(), 0);
	qb = intake_normalize(&in, b);
	assert_int_equal(qa.len, qb.len);
	assert_memory_equal(a, b, qa.len);
	assert_false(qa.verbatim);
}

static void a_signed_query_stays_as_it_is(void **state)
{
	uint8_t out[PLAIN_QUESTION_MAX];
	struct plain_question q;

	wire_query(&w, 0, "WWW.test", TYPE_A);
	wire_opt(&w, 4096, false, NULL, 0);
	wire_record(&w, SECTION_ADDITIONAL, "key", 250, 0, "signature", 9);
	assert_int_equal(taken(), 0);
	q = intake_normalize(&in, out);
	assert_true(q.verbatim);
	assert_memory_equal(out, w.b, w.len);
}

static size_t asked(uint8_t keep, uint8_t out[PLAIN_QUESTION_MAX], struct edns *ret_edns)
{
	struct plain_question q;

	assert_int_equal(intake_read(&in, w.b, w.len, keep), 0);
	q = intake_normalize(&in, out);
	assert_int_equal(edns_find(out, q.len, q.question_end, ret_edns), 0);
	return q.len;
}

static void c04_nothing_that_a_client_adds_goes_upstream(void **state)
{
	static const uint8_t options[] =
		"\0\10\0\7\0\1\30\0abc\xfd\xe9\0\6abcdef\0\12\0\10abcdefgh";
	uint8_t out[PLAIN_QUESTION_MAX];
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	w.b[2] |= 0x04; /* AA, and a reserved bit, which mean nothing in a query */
	w.b[3] |= 0x40;
	wire_opt(&w, 4096, true, options, sizeof(options) - 1);
	assert_int_equal(asked(EDNS_NSID, out, &e), in.question.end + EDNS_OPT_BYTES);
	assert_int_equal(e.payload, EDNS_PAYLOAD);
	assert_true(e.dnssec_ok);
	assert_int_equal(msg_get16(out + 2), MSG_RD);
}

static void c04_the_subnet_goes_upstream_if_asked_to(void **state)
{
	uint8_t out[PLAIN_QUESTION_MAX];
	struct edns e;

	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 4096, true, "\0\10\0\7\0\1\30\0abc\xfd\xe9\0\6abcdef", 21);
	asked(EDNS_NSID | EDNS_SUBNET, out, &e);
	assert_int_equal(e.options, EDNS_SUBNET);
	assert_false(intake_cacheable(in.header.flags, &in.edns));
}

static void c04_a_signed_query_that_tells_who_asks_is_refused(void **state)
{
	wire_query(&w, 0, "WWW.test", TYPE_A);
	wire_opt(&w, 4096, false, "\xfd\xe9\0\6abcdef", 10);
	wire_record(&w, SECTION_ADDITIONAL, "key", 250, 0, "signature", 9);
	assert_int_equal(taken(), RCODE_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_queries_of_any_type),
		cmocka_unit_test(drops_answers),
		cmocka_unit_test(refuses_what_it_does_not_do),
		cmocka_unit_test(drops_a_question_that_is_compressed),
		cmocka_unit_test(c02_an_empty_name_is_taken_only_for_what_the_root_has),
		cmocka_unit_test(another_version_of_edns_is_badvers),
		cmocka_unit_test(takes_a_query_however_long_if_what_is_asked_is_short),
		cmocka_unit_test(refuses_signed_queries_that_are_too_long_to_be_forwarded),
		cmocka_unit_test(knows_what_may_be_cached),
		cmocka_unit_test(keys_differ_in_what_the_answer_depends_on),
		cmocka_unit_test(queries_that_differ_in_id_and_case_become_the_same),
		cmocka_unit_test(a_signed_query_stays_as_it_is),
		cmocka_unit_test(c04_nothing_that_a_client_adds_goes_upstream),
		cmocka_unit_test(c04_the_subnet_goes_upstream_if_asked_to),
		cmocka_unit_test(c04_a_signed_query_that_tells_who_asks_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
