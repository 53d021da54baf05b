// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* domains.c: which addresses of an answer get a name, and for how long. */
#include "support.h"

#include "base/limits.h"
#include "dns/domains.h"

static struct datapath datapath;
static struct wire w;

static int setup(void **state)
{
	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	return 0;
}

static int teardown(void **state)
{
	clock_inject(NULL);
	return 0;
}

static void note(void)
{
	struct msg_question question;

	assert_int_equal(msg_question_get(w.b, w.len, &question), 0);
	domains_note(&datapath, 0, &question, w.b, w.len);
}

static void answer(unsigned int flags)
{
	wire_begin(&w, 1, MSG_QR | flags);
	wire_question(&w, "WWW.Example.test", TYPE_A);
}

static void notes_every_address_under_the_name_asked(void **state)
{
	char text[ADDR_TEXT_MAX];

	answer(0);
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_CNAME, 300, "\4name\0", 6);
	wire_record(&w, SECTION_ANSWER, "name", TYPE_A, 300, "\300\0\2\1", 4);
	wire_record(&w, SECTION_ANSWER, "name", TYPE_AAAA, 60,
		    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	note();
	assert_int_equal(test_kernel.domains, 2);
	assert_string_equal(test_kernel.domain, "www.example.test");
	assert_string_equal(addr_format(&test_kernel.addr, text), "2001:db8::1");
	assert_int_equal(test_kernel.domain_expires_ns - test_now_ns,
			 (60000ULL + DNS_DOMAIN_GRACE_MS) * NSEC_PER_MSEC);
}

static void other_sections_types_and_lengths_are_not_addresses(void **state)
{
	answer(0);
	wire_record(&w, SECTION_ANSWER, NULL, 16, 300, "\3abc", 4);
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_A, 300, "\1\2\3", 3);
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_AAAA, 300, "\1\2\3\4", 4);
	wire_record(&w, SECTION_ADDITIONAL, "ns", TYPE_A, 300, "\1\2\3\4", 4);
	note();
	assert_int_equal(test_kernel.domains, 0);
}

static void a_denial_names_nothing(void **state)
{
	answer(RCODE_NXDOMAIN);
	wire_a(&w, 300, "192.0.2.1");
	note();
	assert_int_equal(test_kernel.domains, 0);
}

static void one_answer_fills_no_more_than_its_share(void **state)
{
	answer(0);
	for (int i = 0; i < DOMAINS_ADDRESSES_MAX + 10; i++)
		wire_a(&w, 300, "192.0.2.1");
	note();
	assert_int_equal(test_kernel.domains, DOMAINS_ADDRESSES_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(notes_every_address_under_the_name_asked),
		T(other_sections_types_and_lengths_are_not_addresses),
		T(a_denial_names_nothing),
		T(one_answer_fills_no_more_than_its_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
