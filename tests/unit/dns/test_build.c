// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* build.c: messages written record by record, their names packed. */
#include "support.h"

#include "dns/build.h"

static struct build b;
static uint8_t buf[MSG_MAX];
static struct msg_question question;

static struct name name_of(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text, &name), 0);
	return name;
}

static void begin(const char *name, uint16_t type)
{
	question = (struct msg_question){ .name = name_of(name), .type = type, .class = CLASS_IN };
	build_begin(&b, buf, sizeof(buf), 0x1234, MSG_QR | MSG_RD, &question);
}

static void add(enum msg_section section, const char *owner, uint16_t type, const void *rdata,
		size_t len)
{
	struct name name = name_of(owner);

	build_record(&b, section, &name, type, 300, rdata, len);
}

static struct msg_record record(unsigned int place, struct name *ret_owner)
{
	struct msg_record r;
	struct msg_walk w;

	assert_int_equal(msg_question_get(buf, b.len, &question), 0);
	msg_walk_begin(&w, buf, b.len, question.end);
	do {
		assert_int_equal(msg_walk_next(&w, &r), 1);
	} while (place-- > 0);
	assert_true(name_parse(buf, b.len, r.offset, ret_owner) > 0);
	return r;
}

static void writes_what_is_read_again(void **state)
{
	struct msg_record r;
	struct name owner;
	char text[64];

	begin("www.example.test", TYPE_A);
	add(SECTION_ANSWER, "www.example.test", TYPE_A, "\1\2\3\4", 4);
	add(SECTION_ANSWER, "Other.example.test", TYPE_A, "\5\6\7\10", 4);
	add(SECTION_AUTHORITY, "test", 99, NULL, 0);
	assert_int_equal(build_end(&b), b.len);
	assert_int_equal(msg_get16(buf), 0x1234);
	assert_int_equal(msg_get16(buf + 2), MSG_QR | MSG_RD);
	assert_int_equal(msg_get16(buf + 6), 2);
	assert_int_equal(msg_get16(buf + 8), 1);
	r = record(1, &owner);
	assert_string_equal(name_format(&owner, text, sizeof(text)), "Other.example.test");
	assert_int_equal(r.ttl, 300);
	assert_memory_equal(buf + r.rdata, "\5\6\7\10", 4);
	r = record(2, &owner);
	assert_int_equal(r.section, SECTION_AUTHORITY);
	assert_int_equal(r.rdata_len, 0);
}

static void packs_names(void **state)
{
	begin("www.example.test", TYPE_A);
	add(SECTION_ANSWER, "WWW.example.test", TYPE_A, "\1\2\3\4", 4);
	assert_int_equal(b.len, 12 + 18 + 4 + 2 + 10 + 4);
	add(SECTION_ANSWER, "ns.example.test", TYPE_A, "\1\2\3\4", 4);
	assert_int_equal(b.len, 12 + 18 + 4 + 16 + 3 + 2 + 10 + 4);
}

/* A message with packed names in RDATA: SOA, MX, SRV, and one whose bytes only look so. */
static void unpacks_the_names_of_another_message(void **state)
{
	static const uint8_t soa[24] = "\xc0\x0c\xc0\x0c";
	static const uint8_t srv[8] = "\0\1\0\2\0\3\xc0\x0c";
	struct msg_record r;
	static struct wire w;
	struct name owner, name;
	struct msg_walk walk;

	wire_query(&w, 1, "example.test", TYPE_ANY);
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_SOA, 60, soa, sizeof(soa));
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_MX, 60, "\0\12\4mail\xc0\x0c", 9);
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_SRV, 60, srv, sizeof(srv));
	wire_record(&w, SECTION_ANSWER, NULL, 65280, 60, "\xc0\x0c", 2);
	begin("a.much.longer.name.example.test", TYPE_ANY);
	msg_walk_begin(&walk, w.b, w.len, 12 + 14 + 4);
	while (msg_walk_next(&walk, &r) > 0)
		build_copy(&b, w.b, w.len, &r);
	assert_int_equal(build_end(&b), b.len);
	r = record(0, &owner);
	assert_true(name_parse(buf, b.len, r.rdata, &name) > 0);
	assert_true(name_eq(&name, &owner));
	r = record(1, &owner);
	assert_true(name_parse(buf, b.len, r.rdata + 2U, &name) > 0);
	assert_true(name_is_below(&name, &owner));
	r = record(2, &owner);
	assert_int_equal(r.rdata_len, 6 + 14); /* RFC 2782: not packed */
	r = record(3, &owner);
	assert_memory_equal(buf + r.rdata, "\xc0\x0c", 2); /* RFC 3597 */
}

static void refuses_names_in_rdata_that_are_none(void **state)
{
	static struct wire w;
	struct msg_record r;
	struct msg_walk walk;

	wire_query(&w, 1, "example.test", TYPE_CNAME);
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_CNAME, 60, "\5ab", 3);
	begin("example.test", TYPE_CNAME);
	msg_walk_begin(&walk, w.b, w.len, 12 + 14 + 4);
	assert_int_equal(msg_walk_next(&walk, &r), 1);
	build_copy(&b, w.b, w.len, &r);
	assert_int_equal(build_end(&b), -EBADMSG);
}

static void says_what_does_not_fit(void **state)
{
	struct name name = name_of("www.example.test");

	for (size_t size = 0; size < 12 + 18 + 4 + 2 + 10 + 4; size++) {
		question = (struct msg_question){ .name = name, .type = TYPE_A, .class = CLASS_IN };
		build_begin(&b, buf, size, 1, 0, &question);
		add(SECTION_ANSWER, "www.example.test", TYPE_A, "\1\2\3\4", 4);
		assert_int_equal(build_end(&b), -EMSGSIZE);
	}
}

static void thousands_of_names_need_no_more_than_the_places_there_are(void **state)
{
	char text[32];
	struct name owner;

	begin("test", TYPE_A);
	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "n%u.test", i);
		add(SECTION_ANSWER, text, TYPE_A, "\1\2\3\4", 4);
	}
	assert_int_equal(build_end(&b), b.len);
	record(1999, &owner);
	assert_string_equal(name_format(&owner, text, sizeof(text)), "n1999.test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_is_read_again),
		cmocka_unit_test(packs_names),
		cmocka_unit_test(unpacks_the_names_of_another_message),
		cmocka_unit_test(refuses_names_in_rdata_that_are_none),
		cmocka_unit_test(says_what_does_not_fit),
		cmocka_unit_test(thousands_of_names_need_no_more_than_the_places_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
