// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Answers made here, read back by the readers of dns/msg.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "dns/synth.h"

struct asked {
	uint8_t msg[MSG_HEADER_BYTES + MSG_QUESTION_MAX];
	struct msg_question question;
};

static struct asked ask(const char *name, uint16_t type)
{
	struct asked a = { .msg = { 0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1 } };
	struct name wire;

	assert_int_equal(name_from_text(name, &wire), 0);
	memcpy(a.msg + MSG_HEADER_BYTES, wire.wire, wire.len);
	msg_put16(a.msg + MSG_HEADER_BYTES + wire.len, type);
	msg_put16(a.msg + MSG_HEADER_BYTES + wire.len + 2, CLASS_IN);
	assert_int_equal(msg_question_get(a.msg, sizeof(a.msg), &a.question), 0);
	return a;
}

static struct msg_header header_of(const uint8_t *msg)
{
	struct msg_header h;

	msg_header_get(msg, &h);
	assert_int_equal(h.id, 0x1234);
	/* QR, RA; RD and CD as asked; neither AA, TC nor AD */
	assert_int_equal(h.flags & ~MSG_RCODE, MSG_QR | MSG_RA | MSG_RD | MSG_CD);
	assert_int_equal(h.questions, 1);
	assert_int_equal(h.records[SECTION_ADDITIONAL], 0);
	return h;
}

/* The records of a message, all of them; their owners must be well-formed. */
static unsigned int records_of(const uint8_t *msg, size_t len, const struct msg_question *q,
			       struct msg_record *ret_record, unsigned int max)
{
	struct msg_walk w;
	unsigned int n = 0;
	int r;

	msg_walk_begin(&w, msg, len, q->end);
	while (n < max && (r = msg_walk_next(&w, &ret_record[n])) > 0)
		n++;
	assert_int_equal(msg_walk_next(&w, &ret_record[n]), 0);
	assert_int_equal(w.pos, len);
	return n;
}

static void assert_name_at(const uint8_t *msg, size_t len, size_t offset, const char *want)
{
	struct name name;
	char text[DOMAIN_TEXT_MAX];

	assert_true(name_parse(msg, len, offset, &name) > 0);
	assert_string_equal(name_format(&name, text, sizeof(text)), want);
}

static void nxdomain_and_nodata_have_an_soa_that_lets_clients_keep_them(void **unused)
{
	struct asked a = ask("Ads.Example", TYPE_A);
	uint8_t buf[SYNTH_BYTES_MAX];
	struct msg_record record[2];

	for (unsigned int nodata = 0; nodata < 2; nodata++) {
		size_t len = synth_block(buf, a.msg, &a.question,
					 nodata ? DNS_NODATA : DNS_NXDOMAIN, 77);

		assert_int_equal(header_of(buf).flags & MSG_RCODE,
				 nodata ? RCODE_NOERROR : RCODE_NXDOMAIN);
		assert_int_equal(records_of(buf, len, &a.question, record, 1), 1);
		assert_int_equal(record[0].section, SECTION_AUTHORITY);
		assert_int_equal(record[0].type, TYPE_SOA);
		assert_int_equal(record[0].ttl, 77);
		assert_int_equal(msg_get32(buf + len - 4), 77);
		/* the case that was asked with comes back */
		assert_name_at(buf, len, record[0].offset, "Ads.Example");
	}
}

static void zero_is_the_zero_address_of_the_type_asked_for(void **unused)
{
	static const struct {
		uint16_t type;
		unsigned int rdata;
	} row[] = { { TYPE_A, 4 }, { TYPE_AAAA, 16 } };
	uint8_t buf[SYNTH_BYTES_MAX], zero[16] = { 0 };
	struct msg_record record[2];

	for (size_t i = 0; i < 2; i++) {
		struct asked a = ask("ads.example", row[i].type);
		size_t len = synth_block(buf, a.msg, &a.question, DNS_ZERO, 60);

		assert_int_equal(header_of(buf).flags & MSG_RCODE, RCODE_NOERROR);
		assert_int_equal(records_of(buf, len, &a.question, record, 1), 1);
		assert_int_equal(record[0].section, SECTION_ANSWER);
		assert_int_equal(record[0].type, row[i].type);
		assert_int_equal(record[0].rdata_len, row[i].rdata);
		assert_memory_equal(buf + record[0].rdata, zero, row[i].rdata);
	}
}

static void zero_of_other_types_is_nodata(void **unused)
{
	struct asked a = ask("ads.example", 65);
	uint8_t zero[SYNTH_BYTES_MAX], nodata[SYNTH_BYTES_MAX];
	size_t len = synth_block(zero, a.msg, &a.question, DNS_ZERO, 60);

	assert_int_equal(synth_block(nodata, a.msg, &a.question, DNS_NODATA, 60), len);
	assert_memory_equal(zero, nodata, len);
}

static void refused_is_header_and_question(void **unused)
{
	struct asked a = ask("ads.example", TYPE_A);
	size_t len = synth_block(a.msg, a.msg, &a.question, DNS_REFUSED, 60);

	assert_int_equal(len, a.question.end);
	assert_int_equal(header_of(a.msg).flags & MSG_RCODE, RCODE_REFUSED);
}

static void block_answers_may_be_kept_for_the_block_ttl(void **unused)
{
	static const enum dns_action actions[] = { DNS_NXDOMAIN, DNS_NODATA, DNS_ZERO };
	struct asked a = ask("ads.example", TYPE_A);
	uint8_t buf[SYNTH_BYTES_MAX];

	for (size_t i = 0; i < 3; i++) {
		size_t len = synth_block(buf, a.msg, &a.question, actions[i], 60);
		struct msg_record record[2];

		assert_int_equal(records_of(buf, len, &a.question, record, 1), 1);
		assert_int_equal(msg_ttl(&record[0]), 60);
	}
}

static void addresses_of_the_family_asked_for_are_given(void **unused)
{
	struct addr address[4];
	uint8_t buf[SYNTH_BYTES_MAX];
	struct msg_record record[4];
	struct asked a = ask("nas.lan", TYPE_A);
	size_t len;

	assert_int_equal(addr_parse("10.0.0.5", &address[0]), 0);
	assert_int_equal(addr_parse("fd00::5", &address[1]), 0);
	assert_int_equal(addr_parse("10.0.0.6", &address[2]), 0);
	len = synth_addresses(buf, a.msg, &a.question, address, 3, 300);
	assert_int_equal(header_of(buf).records[SECTION_ANSWER], 2);
	assert_int_equal(records_of(buf, len, &a.question, record, 3), 2);
	assert_memory_equal(buf + record[1].rdata, "\12\0\0\6", 4);
	assert_int_equal(record[1].ttl, 300);
	a = ask("nas.lan", TYPE_AAAA);
	len = synth_addresses(buf, a.msg, &a.question, address, 3, 300);
	assert_int_equal(records_of(buf, len, &a.question, record, 3), 1);
	assert_memory_equal(buf + record[0].rdata, &address[1], 16);
}

static void rewrite_without_an_address_of_the_type_is_nodata(void **unused)
{
	uint8_t buf[SYNTH_BYTES_MAX], nodata[SYNTH_BYTES_MAX];
	struct asked a = ask("nas.lan", TYPE_AAAA), mx = ask("nas.lan", 15);
	struct addr v4 = addr_from_v4(5);
	size_t len = synth_addresses(buf, a.msg, &a.question, &v4, 1, 300);

	assert_int_equal(len, synth_block(nodata, a.msg, &a.question, DNS_NODATA, 300));
	assert_memory_equal(buf, nodata, len);
	len = synth_addresses(buf, mx.msg, &mx.question, &v4, 1, 300);
	assert_int_equal(header_of(buf).records[SECTION_AUTHORITY], 1);
}

static void as_many_addresses_as_fit_the_buffer_are_written(void **unused)
{
	struct addr address[20];
	uint8_t buf[SYNTH_BYTES_MAX];
	struct asked a = ask("nas.lan", TYPE_AAAA);

	for (size_t i = 0; i < 20; i++)
		assert_int_equal(addr_parse("fd00::5", &address[i]), 0);
	assert_int_equal(synth_addresses(buf, a.msg, &a.question, address, 20, 1),
			 a.question.end + 8 * 28);
	assert_true(a.question.end + 8 * 28 <= sizeof(buf));
}

/* An answer to (target, type) with compressed names: CNAME chain, MX, SOA. */
static size_t make_answer(uint8_t *buf, const struct asked *a, bool negative)
{
	static const uint8_t cname[] = { 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, 'x', 0xc0, 12 };
	static const uint8_t mx[] = { 0xc0, 0, 0, 15, 0, 1, 0, 0, 0, 9, 0, 4, 0, 10, 0xc0, 12 };
	static const uint8_t soa[] = { 0xc0, 12, 0,    6,  0, 1, 0, 0, 0, 9, 0, 24,
				       0xc0, 12, 0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 2,
				       0,    0,	 0,    3,  0, 0, 0, 4, 0, 0, 0, 5 };
	size_t len =
		msg_reply(buf, a->msg, a->question.end, negative ? RCODE_NXDOMAIN : RCODE_NOERROR);
	size_t x = len + 12;

	if (negative) {
		memcpy(buf + len, soa, sizeof(soa));
		msg_put16(buf + 8, 1);
		return len + sizeof(soa);
	}
	memcpy(buf + len, cname, sizeof(cname));
	len += sizeof(cname);
	memcpy(buf + len, mx, sizeof(mx));
	buf[len + 1] = (uint8_t)x;
	msg_put16(buf + 6, 2);
	return len + sizeof(mx);
}

static void cname_answer_has_the_alias_and_what_the_target_has(void **unused)
{
	struct asked a = ask("alias.lan", 15), t = ask("target.example", 15);
	uint8_t answer[256], buf[512];
	struct msg_record record[4];
	size_t answer_len = make_answer(answer, &t, false), len;

	len = synth_cname(buf, sizeof(buf), a.msg, &a.question, &t.question.name, 60, answer,
			  answer_len);
	assert_true(len > 0);
	assert_int_equal(header_of(buf).flags & MSG_RCODE, RCODE_NOERROR);
	assert_int_equal(records_of(buf, len, &a.question, record, 3), 3);
	assert_name_at(buf, len, record[0].offset, "alias.lan");
	assert_int_equal(record[0].type, TYPE_CNAME);
	assert_int_equal(record[0].ttl, 60);
	assert_name_at(buf, len, record[0].rdata, "target.example");
	assert_name_at(buf, len, record[1].offset, "target.example");
	assert_name_at(buf, len, record[1].rdata, "x.target.example");
	assert_name_at(buf, len, record[2].offset, "x.target.example");
	assert_int_equal(record[2].ttl, 9);
	assert_name_at(buf, len, record[2].rdata + 2, "target.example");
	assert_int_equal(record[2].rdata_len, 2 + 16);
}

static void cname_answer_keeps_the_no_of_the_target(void **unused)
{
	struct asked a = ask("alias.lan", TYPE_A), t = ask("target.example", TYPE_A);
	uint8_t answer[256], buf[512];
	struct msg_record record[3];
	size_t answer_len = make_answer(answer, &t, true), len;

	len = synth_cname(buf, sizeof(buf), a.msg, &a.question, &t.question.name, 60, answer,
			  answer_len);
	assert_int_equal(header_of(buf).flags & MSG_RCODE, RCODE_NXDOMAIN);
	assert_int_equal(records_of(buf, len, &a.question, record, 2), 2);
	assert_int_equal(record[1].section, SECTION_AUTHORITY);
	assert_int_equal(record[1].rdata_len, 16 + 16 + 20);
	assert_int_equal(msg_get32(buf + len - 4), 5);
}

static void cname_alone_answers_questions_for_it(void **unused)
{
	struct asked a = ask("alias.lan", TYPE_CNAME), t = ask("target.example", TYPE_CNAME);
	uint8_t buf[512];
	struct msg_record record[2];
	size_t len =
		synth_cname(buf, sizeof(buf), a.msg, &a.question, &t.question.name, 60, NULL, 0);

	assert_int_equal(records_of(buf, len, &a.question, record, 1), 1);
	assert_name_at(buf, len, record[0].rdata, "target.example");
}

static void cname_answer_of_what_is_malformed_or_too_long_is_none(void **unused)
{
	struct asked a = ask("alias.lan", 15), t = ask("target.example", 15);
	uint8_t answer[256], buf[512];
	size_t answer_len = make_answer(answer, &t, false);
	size_t full = synth_cname(buf, sizeof(buf), a.msg, &a.question, &t.question.name, 60,
				  answer, answer_len);

	for (size_t size = 0; size < full; size++)
		assert_int_equal(synth_cname(buf, size, a.msg, &a.question, &t.question.name, 60,
					     answer, answer_len),
				 0);
	assert_int_equal(synth_cname(buf, full, a.msg, &a.question, &t.question.name, 60, answer,
				     answer_len),
			 full);
	for (size_t cut = 0; cut < answer_len; cut++)
		assert_int_equal(synth_cname(buf, sizeof(buf), a.msg, &a.question, &t.question.name,
					     60, answer, cut),
				 0);
}

static void c05_self_check_name_is_known_in_any_case(void **unused)
{
	struct asked a = ask("HeadRace.test", TYPE_A), b = ask("x.headrace.test", TYPE_A);
	struct name text;

	assert_int_equal(name_from_text(SYNTH_SELF_CHECK, &text), 0);
	assert_true(synth_is_self_check(&text));
	assert_true(synth_is_self_check(&a.question.name));
	assert_false(synth_is_self_check(&b.question.name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nxdomain_and_nodata_have_an_soa_that_lets_clients_keep_them),
		cmocka_unit_test(zero_is_the_zero_address_of_the_type_asked_for),
		cmocka_unit_test(zero_of_other_types_is_nodata),
		cmocka_unit_test(refused_is_header_and_question),
		cmocka_unit_test(block_answers_may_be_kept_for_the_block_ttl),
		cmocka_unit_test(addresses_of_the_family_asked_for_are_given),
		cmocka_unit_test(rewrite_without_an_address_of_the_type_is_nodata),
		cmocka_unit_test(as_many_addresses_as_fit_the_buffer_are_written),
		cmocka_unit_test(cname_answer_has_the_alias_and_what_the_target_has),
		cmocka_unit_test(cname_answer_keeps_the_no_of_the_target),
		cmocka_unit_test(cname_alone_answers_questions_for_it),
		cmocka_unit_test(cname_answer_of_what_is_malformed_or_too_long_is_none),
		cmocka_unit_test(c05_self_check_name_is_known_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
