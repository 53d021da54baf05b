// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* msg.c: reading messages of any shape, ageing them, turning queries into answers. */
#include "support.h"

static struct wire w;

/* An answer with a record in each section and an OPT. */
static size_t build(void)
{
	wire_begin(&w, 0xbeef, MSG_QR | MSG_RD | MSG_RA);
	wire_question(&w, "www.test", TYPE_A);
	wire_a(&w, 300, "192.0.2.1");
	wire_soa(&w, 60, 30);
	wire_record(&w, SECTION_ADDITIONAL, "ns.test", TYPE_AAAA, 10, "0123456789abcdef", 16);
	wire_opt(&w, 1232, true, NULL, 0);
	return w.len;
}

/* Walks as far as it goes. Returns the number of records or -EBADMSG. */
static int walk(const uint8_t *msg, size_t len)
{
	struct msg_question question;
	struct msg_record record;
	struct msg_walk walk;
	int r = msg_question_get(msg, len, &question), num = 0;

	if (r < 0)
		return r;
	msg_walk_begin(&walk, msg, len, question.end);
	while ((r = msg_walk_next(&walk, &record)) > 0)
		num++;
	return r < 0 ? r : num;
}

static void reads_header_and_question(void **state)
{
	struct msg_question question;
	struct msg_header header;

	build();
	msg_header_get(w.b, &header);
	assert_int_equal(header.id, 0xbeef);
	assert_int_equal(header.questions, 1);
	assert_int_equal(header.records[SECTION_ANSWER], 1);
	assert_int_equal(header.records[SECTION_AUTHORITY], 1);
	assert_int_equal(header.records[SECTION_ADDITIONAL], 2);
	assert_int_equal(msg_question_get(w.b, w.len, &question), 0);
	assert_int_equal(question.type, TYPE_A);
	assert_int_equal(question.class, CLASS_IN);
	assert_int_equal(question.end, 12 + 10 + 4);
}

static void walks_all_sections(void **state)
{
	static const uint16_t types[] = { TYPE_A, TYPE_SOA, TYPE_AAAA, TYPE_OPT };
	static const unsigned int sections[] = { 0, 1, 2, 2 };
	struct msg_record record;
	struct msg_walk walk;

	build();
	msg_walk_begin(&walk, w.b, w.len, 12 + 10 + 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(msg_walk_next(&walk, &record), 1);
		assert_int_equal(record.type, types[i]);
		assert_int_equal(record.section, sections[i]);
	}
	assert_int_equal(msg_walk_next(&walk, &record), 0);
	assert_int_equal(walk.pos, w.len);
}

static void refuses_every_truncation(void **state)
{
	size_t whole = build();

	assert_int_equal(walk(w.b, whole), 4);
	for (size_t len = 0; len < whole; len++) {
		uint8_t *exact = malloc(len ? len : 1); /* so that reads beyond it are seen */

		assert_non_null(exact);
		memcpy(exact, w.b, len);
		assert_int_equal(walk(exact, len), -EBADMSG);
		free(exact);
	}
}

static void refuses_counts_that_lie(void **state)
{
	build();
	msg_put16(w.b + 6, 0xffff);
	assert_int_equal(walk(w.b, w.len), -EBADMSG);
}

static void refuses_rdata_beyond_the_end(void **state)
{
	build();
	msg_put16(w.b + w.len - 2, 1); /* of the OPT */
	assert_int_equal(walk(w.b, w.len), -EBADMSG);
}

static void stops_before_trailing_bytes(void **state)
{
	struct msg_record record;
	struct msg_walk walk;
	size_t whole = build();

	wire32(&w, 0xffffffff);
	msg_walk_begin(&walk, w.b, w.len, 12 + 10 + 4);
	while (msg_walk_next(&walk, &record) > 0)
		;
	assert_int_equal(walk.pos, whole);
}

static uint32_t ttl_of(int n)
{
	struct msg_record record;
	struct msg_walk walk;

	msg_walk_begin(&walk, w.b, w.len, 12 + 10 + 4);
	for (int i = 0; i <= n; i++)
		assert_int_equal(msg_walk_next(&walk, &record), 1);
	return record.ttl;
}

static void ages_every_record_but_opt(void **state)
{
	build();
	assert_int_equal(msg_age(w.b, w.len, 12 + 10 + 4, 45), 0);
	assert_int_equal(ttl_of(0), 255);
	assert_int_equal(ttl_of(1), 15);
	assert_int_equal(ttl_of(2), 0);
	assert_int_equal(ttl_of(3), 0x8000); /* not a TTL but DO */
}

static void a_ttl_with_its_top_bit_is_zero(void **state)
{
	struct msg_record record = { .ttl = 0x80000001 };

	assert_int_equal(msg_ttl(&record), 0);
	record.ttl = 0x7fffffff;
	assert_int_equal(msg_ttl(&record), 0x7fffffff);
}

static void turns_a_query_into_an_answer_in_place(void **state)
{
	wire_begin(&w, 0xbeef, MSG_RD | MSG_CD | MSG_AD | 0x7800);
	wire_question(&w, "www.test", TYPE_A);
	wire_opt(&w, 1232, true, NULL, 0);
	assert_int_equal(msg_reply(w.b, w.b, 26, RCODE_SERVFAIL), 26);
	assert_int_equal(msg_get16(w.b), 0xbeef);
	assert_int_equal(msg_get16(w.b + 2),
			 MSG_QR | MSG_RD | MSG_RA | MSG_CD | 0x7800 | RCODE_SERVFAIL);
	assert_memory_equal(w.b + 4, "\0\1\0\0\0\0\0\0\3www\4test", 17);
	assert_int_equal(msg_reply(w.b, w.b, MSG_HEADER_BYTES, RCODE_FORMERR), 12);
	assert_memory_equal(w.b + 4, "\0\0\0\0\0\0\0\0", 8);
}

static void names_types_and_rcodes(void **state)
{
	char text[MSG_TEXT_MAX];

	assert_string_equal(msg_type_text(TYPE_AAAA, text), "AAAA");
	assert_string_equal(msg_type_text(65, text), "HTTPS");
	assert_string_equal(msg_type_text(65280, text), "TYPE65280");
	assert_string_equal(msg_rcode_text(RCODE_NXDOMAIN, text), "NXDOMAIN");
	assert_string_equal(msg_rcode_text(15, text), "RCODE15");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_header_and_question),
		cmocka_unit_test(walks_all_sections),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(refuses_counts_that_lie),
		cmocka_unit_test(refuses_rdata_beyond_the_end),
		cmocka_unit_test(stops_before_trailing_bytes),
		cmocka_unit_test(ages_every_record_but_opt),
		cmocka_unit_test(a_ttl_with_its_top_bit_is_zero),
		cmocka_unit_test(turns_a_query_into_an_answer_in_place),
		cmocka_unit_test(names_types_and_rcodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
