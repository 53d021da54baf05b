// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* scrub.c: what of an answer belongs to its question, and where public names may not lead. */
#include "support.h"

#include "dns/scrub.h"

static struct wire w;
static uint8_t out[MSG_MAX];
static unsigned int dropped;
static struct msg_question question;

static void answer(const char *name, unsigned int type, unsigned int flags)
{
	wire_begin(&w, 0x1234, MSG_QR | MSG_RA | MSG_RD | flags);
	wire_question(&w, name, type);
	assert_int_equal(msg_question_get(w.b, w.len, &question), 0);
}

static void cname(const char *owner, const char *target)
{
	struct name name;

	assert_int_equal(name_from_text(target, &name), 0);
	wire_record(&w, SECTION_ANSWER, owner, TYPE_CNAME, 300, name.wire, name.len);
}

static void a_of(const char *owner, const char *address)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, address, &a), 1);
	wire_record(&w, SECTION_ANSWER, owner, TYPE_A, 300, &a, 4);
}

static ssize_t scrubbed(void)
{
	struct edns e;

	assert_int_equal(edns_find(w.b, w.len, question.end, &e), 0);
	return scrub(w.b, &e, &question, out, &dropped);
}

/* Records left in a section. */
static unsigned int left(enum msg_section section)
{
	return msg_get16(out + 6 + 2 * (size_t)section);
}

static void what_belongs_stays_as_it_is(void **state)
{
	answer("www.test", TYPE_A, 0);
	cname("www.test", "a.cdn.example");
	cname("a.cdn.example", "b.cdn.example");
	a_of("b.cdn.example", "192.0.2.1");
	a_of("b.cdn.example", "192.0.2.2");
	assert_int_equal(scrubbed(), w.len);
	assert_memory_equal(out, w.b, w.len);
	assert_int_equal(dropped, 0);
}

static void the_opt_goes(void **state)
{
	size_t bare;

	answer("www.test", TYPE_A, 0);
	a_of(NULL, "192.0.2.1");
	bare = w.len;
	wire_opt(&w, 1232, false, "\0\12\0\1x", 5);
	assert_int_equal(scrubbed(), bare);
	assert_int_equal(dropped, 0);
	assert_int_equal(left(SECTION_ADDITIONAL), 0);
}

static void records_that_nobody_asked_for_go(void **state)
{
	answer("www.test", TYPE_A, 0);
	a_of("www.bank.example", "203.0.113.66");
	a_of(NULL, "192.0.2.1");
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_AAAA, 300, "0123456789abcdef", 16);
	wire_record(&w, SECTION_AUTHORITY, "bank.example", TYPE_NS, 300, "\2ns\0", 4);
	wire_record(&w, SECTION_AUTHORITY, "test", TYPE_NS, 300, "\2ns\0", 4);
	wire_record(&w, SECTION_ADDITIONAL, "ns", TYPE_A, 300, "1234", 4);
	assert_true(scrubbed() > 0);
	assert_int_equal(dropped, 4);
	assert_int_equal(left(SECTION_ANSWER), 1);
	assert_int_equal(left(SECTION_AUTHORITY), 1);
	assert_int_equal(left(SECTION_ADDITIONAL), 0);
}

static void addresses_beside_the_chain_go(void **state)
{
	answer("www.test", TYPE_A, 0);
	cname("www.test", "a.example");
	cname("www.test", "b.example"); /* a second one of the same owner */
	a_of("b.example", "203.0.113.66");
	a_of("a.example", "192.0.2.1");
	assert_true(scrubbed() > 0);
	assert_int_equal(dropped, 2);
	assert_int_equal(left(SECTION_ANSWER), 2);
}

static void a_chain_in_any_order_is_followed(void **state)
{
	answer("www.test", TYPE_A, 0);
	a_of("c.example", "192.0.2.1");
	cname("b.example", "c.example");
	cname("www.test", "b.example");
	assert_int_equal(scrubbed(), w.len);
	assert_int_equal(dropped, 0);
}

static void a_chain_in_a_circle_is_refused(void **state)
{
	answer("www.test", TYPE_A, 0);
	cname("www.test", "b.example");
	cname("b.example", "WWW.test");
	assert_int_equal(scrubbed(), -ELOOP);
	answer("www.test", TYPE_A, 0);
	cname("www.test", "www.test");
	assert_int_equal(scrubbed(), -ELOOP);
}

static void a_chain_is_bounded(void **state)
{
	char owner[32], target[32];

	for (unsigned int links = SCRUB_CHAIN_MAX - 1; links <= SCRUB_CHAIN_MAX; links++) {
		answer("n0.test", TYPE_A, 0);
		for (unsigned int i = 0; i < links; i++) {
			snprintf(owner, sizeof(owner), "n%u.test", i);
			snprintf(target, sizeof(target), "n%u.test", i + 1);
			cname(owner, target);
		}
		if (links < SCRUB_CHAIN_MAX)
			assert_int_equal(scrubbed(), w.len);
		else
			assert_int_equal(scrubbed(), -ELOOP);
	}
}

static void a_question_for_a_cname_is_not_followed(void **state)
{
	answer("www.test", TYPE_CNAME, 0);
	cname("www.test", "www.test");
	assert_int_equal(scrubbed(), w.len);
}

static void denials_keep_their_proof(void **state)
{
	static const uint8_t soa[22] = { 0 };

	answer("no.www.test", TYPE_A, RCODE_NXDOMAIN);
	wire_record(&w, SECTION_AUTHORITY, "test", TYPE_SOA, 300, soa, sizeof(soa));
	wire_record(&w, SECTION_AUTHORITY, "test", TYPE_RRSIG, 300, "\0\6", 2);
	wire_record(&w, SECTION_AUTHORITY, "m.test", TYPE_NSEC, 300, "", 1);
	wire_record(&w, SECTION_AUTHORITY, "hash.test", TYPE_NSEC3, 300, "", 1);
	assert_int_equal(scrubbed(), w.len);
	wire_record(&w, SECTION_AUTHORITY, "m.example", TYPE_NSEC, 300, "", 1);
	wire_record(&w, SECTION_AUTHORITY, "example", TYPE_SOA, 300, soa, sizeof(soa));
	assert_true(scrubbed() > 0);
	assert_int_equal(dropped, 2);
}

static void a_dname_stays_with_the_cname_made_from_it(void **state)
{
	answer("www.old.test", TYPE_A, 0);
	wire_record(&w, SECTION_ANSWER, "old.test", TYPE_DNAME, 300, "\3new\4test\0", 10);
	cname("www.old.test", "www.new.test");
	a_of("www.new.test", "192.0.2.1");
	wire_record(&w, SECTION_ANSWER, "other.test", TYPE_DNAME, 300, "\3new\4test\0", 10);
	assert_true(scrubbed() > 0);
	assert_int_equal(dropped, 1);
	assert_int_equal(left(SECTION_ANSWER), 3);
}

static void another_class_does_not_belong(void **state)
{
	answer("www.test", TYPE_A, 0);
	a_of(NULL, "192.0.2.1");
	w.b[w.len - 4 - 2 - 4 - 1] = 3;
	assert_true(scrubbed() > 0);
	assert_int_equal(dropped, 1);
}

static struct addr host_loopback; /* zero = none */

static bool rebinds(unsigned int type, const void *rdata, size_t len)
{
	answer("www.test", type, 0);
	wire_record(&w, SECTION_ANSWER, NULL, type, 300, rdata, len);
	return scrub_is_rebinding(w.b, w.len, question.end, &host_loopback);
}

static bool rebinds_to(const char *text)
{
	uint8_t a[16];

	if (inet_pton(AF_INET, text, a) == 1)
		return rebinds(TYPE_A, a, 4);
	assert_int_equal(inet_pton(AF_INET6, text, a), 1);
	return rebinds(TYPE_AAAA, a, 16);
}

static void knows_private_addresses_in_every_form(void **state)
{
	static const char *const inside[] = {
		"10.0.0.1",
		"172.16.0.1",
		"172.31.255.255",
		"192.168.1.1",
		"127.0.0.1",
		"169.254.1.1",
		"100.64.0.1",
		"100.127.255.255",
		"0.0.0.0",
		"::",
		"::1",
		"fe80::1",
		"fc00::1",
		"fdff::1",
		"fec0::1",
		"::ffff:10.0.0.1",
		"::ffff:127.0.0.1",
		"64:ff9b::192.168.0.1",
		"2002:c0a8:101::1",
		"::10.0.0.1",
		"64:ff9b:1::1",
	};
	static const char *const outside[] = {
		"192.0.2.1",	    "172.15.0.1",	  "172.32.0.1",	      "100.63.255.255",
		"100.128.0.0",	    "169.253.0.1",	  "1.0.0.0",	      "2001:db8::1",
		"::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::1", "ff02::1",
	};

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_true(rebinds_to(inside[i]));
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_false(rebinds_to(outside[i]));
}

static void knows_the_address_that_leads_to_the_host(void **state)
{
	static const uint8_t hint[] = "\0\1\0\0\4\0\4\xcb\0\161\1";

	assert_false(rebinds_to("203.0.113.1"));
	assert_int_equal(addr_parse("203.0.113.1", &host_loopback), 0);
	assert_true(rebinds_to("203.0.113.1"));
	assert_true(rebinds_to("::ffff:203.0.113.1"));
	assert_true(rebinds_to("64:ff9b::203.0.113.1"));
	assert_true(rebinds(TYPE_HTTPS, hint, sizeof(hint) - 1));
	assert_false(rebinds_to("203.0.113.2"));
	host_loopback = (struct addr){ 0 };
}

static void knows_private_hints_of_services(void **state)
{
	static const uint8_t good[] = "\0\1\0\0\1\0\3\2h2\0\4\0\10\xc0\0\2\1\xc0\0\2\2";
	static const uint8_t bad[] = "\0\1\0\0\1\0\3\2h2\0\4\0\10\xc0\0\2\1\x0a\0\0\1";
	static const uint8_t six[] = "\0\1\0\0\6\0\20\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1";
	static const uint8_t odd[] = "\0\1\0\0\4\0\3\xc0\0\2";
	static const uint8_t cut[] = "\0\1\0\0\4\0\11\xc0\0\2\1";

	assert_false(rebinds(TYPE_HTTPS, good, sizeof(good) - 1));
	assert_false(rebinds(TYPE_HTTPS, "\0\0\3www\0", 7)); /* an alias */
	assert_true(rebinds(TYPE_HTTPS, bad, sizeof(bad) - 1));
	assert_true(rebinds(TYPE_SVCB, six, sizeof(six) - 1));
	assert_true(rebinds(TYPE_HTTPS, odd, sizeof(odd) - 1));
	assert_true(rebinds(TYPE_HTTPS, cut, sizeof(cut) - 1));
	assert_true(rebinds(TYPE_HTTPS, "\0", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_belongs_stays_as_it_is),
		cmocka_unit_test(the_opt_goes),
		cmocka_unit_test(records_that_nobody_asked_for_go),
		cmocka_unit_test(addresses_beside_the_chain_go),
		cmocka_unit_test(a_chain_in_any_order_is_followed),
		cmocka_unit_test(a_chain_in_a_circle_is_refused),
		cmocka_unit_test(a_chain_is_bounded),
		cmocka_unit_test(a_question_for_a_cname_is_not_followed),
		cmocka_unit_test(denials_keep_their_proof),
		cmocka_unit_test(a_dname_stays_with_the_cname_made_from_it),
		cmocka_unit_test(another_class_does_not_belong),
		cmocka_unit_test(knows_private_addresses_in_every_form),
		cmocka_unit_test(knows_the_address_that_leads_to_the_host),
		cmocka_unit_test(knows_private_hints_of_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
