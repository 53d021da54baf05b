// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ttl.c: how long answers may be kept, and what clients are told of it. */
#include "support.h"

#include "dns/ttl.h"

static struct wire w;
static struct ttl_limits limits = { .max = TTL_MAX, .negative_max = TTL_NEGATIVE_MAX };

static int teardown(void **state)
{
	limits = (struct ttl_limits){ .max = TTL_MAX, .negative_max = TTL_NEGATIVE_MAX };
	return 0;
}

static void answer(const char *name, unsigned int type, unsigned int flags)
{
	wire_begin(&w, 0x1234, MSG_QR | MSG_RA | MSG_RD | flags);
	wire_question(&w, name, type);
}

static size_t question_end(void)
{
	struct msg_question question;

	assert_int_equal(msg_question_get(w.b, w.len, &question), 0);
	return question.end;
}

static uint32_t lifetime(uint16_t type)
{
	return ttl_lifetime(w.b, w.len, question_end(), type, &limits);
}

/* Of the record at `place`, 0 = the first. */
static uint32_t ttl_of(unsigned int place)
{
	struct msg_record record;
	struct msg_walk walk;

	msg_walk_begin(&walk, w.b, w.len, question_end());
	do {
		assert_int_equal(msg_walk_next(&walk, &record), 1);
	} while (place-- > 0);
	return record.ttl;
}

static void lives_as_long_as_its_shortest_record(void **state)
{
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 300, "192.0.2.1");
	wire_a(&w, 20, "192.0.2.2");
	wire_record(&w, SECTION_ADDITIONAL, "ns", TYPE_A, 30, "1234", 4);
	assert_int_equal(lifetime(TYPE_A), 20);
}

static void an_opt_says_nothing_about_lifetime(void **state)
{
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 300, "192.0.2.1");
	wire_opt(&w, 1232, false, NULL, 0);
	assert_int_equal(lifetime(TYPE_A), 300);
}

static void lifetime_is_bounded(void **state)
{
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 0x7fffffff, "192.0.2.1");
	assert_int_equal(lifetime(TYPE_A), TTL_MAX);
}

/* RFC 2308 */
static void denials_live_by_the_soas_minimum(void **state)
{
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	wire_soa(&w, 900, 60);
	assert_int_equal(lifetime(TYPE_A), 60);
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	wire_soa(&w, 30, 600);
	assert_int_equal(lifetime(TYPE_A), 30);
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	wire_soa(&w, 86400, 86400);
	assert_int_equal(lifetime(TYPE_A), TTL_NEGATIVE_MAX);
}

static void no_data_behind_a_cname_is_a_denial(void **state)
{
	answer("alias.test", TYPE_AAAA, 0);
	wire_record(&w, SECTION_ANSWER, NULL, TYPE_CNAME, 300, "\4name\0", 6);
	assert_int_equal(lifetime(TYPE_AAAA), 0);
	wire_soa(&w, 900, 60);
	assert_int_equal(lifetime(TYPE_AAAA), 60);
}

static void denials_without_soa_are_not_kept(void **state)
{
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	assert_int_equal(lifetime(TYPE_A), 0);
	answer("no.test", TYPE_A, 0);
	wire_record(&w, SECTION_AUTHORITY, "test", 2, 300, "\2ns\0", 4);
	assert_int_equal(lifetime(TYPE_A), 0);
}

static void failures_and_cut_answers_are_not_kept(void **state)
{
	answer("www.test", TYPE_A, RCODE_SERVFAIL);
	wire_soa(&w, 300, 300);
	assert_int_equal(lifetime(TYPE_A), 0);
	answer("www.test", TYPE_A, MSG_TC);
	wire_a(&w, 300, "192.0.2.1");
	assert_int_equal(lifetime(TYPE_A), 0);
	answer("www.test", TYPE_A, RCODE_REFUSED);
	assert_int_equal(lifetime(TYPE_A), 0);
}

static void c30_an_override_bounds_lifetimes(void **state)
{
	limits = (struct ttl_limits){ .min = 60, .max = 600, .negative_max = 30 };
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 0, "192.0.2.1");
	assert_int_equal(lifetime(TYPE_A), 60);
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 6000, "192.0.2.1");
	assert_int_equal(lifetime(TYPE_A), 600);
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	wire_soa(&w, 900, 900);
	assert_int_equal(lifetime(TYPE_A), 30);
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	wire_soa(&w, 0, 0);
	assert_int_equal(lifetime(TYPE_A), 30);
	/* what nobody may keep is not made keepable */
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	assert_int_equal(lifetime(TYPE_A), 0);
}

static void c30_clients_are_told_the_overridden_ttl(void **state)
{
	limits = (struct ttl_limits){ .min = 60, .max = 600, .negative_max = 100 };
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 5, "192.0.2.1");
	wire_a(&w, 6000, "192.0.2.2");
	wire_opt(&w, 1232, true, NULL, 0);
	assert_int_equal(ttl_clamp(w.b, w.len, question_end(), TYPE_A, &limits), 0);
	assert_int_equal(ttl_of(0), 60);
	assert_int_equal(ttl_of(1), 600);
	assert_int_equal(ttl_of(2), 0x8000); /* DO: not a TTL */
	answer("no.test", TYPE_A, RCODE_NXDOMAIN);
	wire_soa(&w, 900, 80);
	assert_int_equal(ttl_clamp(w.b, w.len, question_end(), TYPE_A, &limits), 0);
	assert_int_equal(ttl_of(0), 80);
}

static void an_answer_that_is_not_kept_keeps_its_ttls(void **state)
{
	limits.min = 60;
	answer("www.test", TYPE_ANY, 0);
	wire_a(&w, 5, "192.0.2.1");
	assert_int_equal(ttl_clamp(w.b, w.len, question_end(), TYPE_ANY, &limits), 0);
	assert_int_equal(ttl_of(0), 5);
}

static void sets_every_ttl_but_that_of_an_opt(void **state)
{
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 5, "192.0.2.1");
	wire_soa(&w, 900, 80);
	wire_opt(&w, 1232, true, NULL, 0);
	assert_int_equal(ttl_set(w.b, w.len, question_end(), 30), 0);
	assert_int_equal(ttl_of(0), 30);
	assert_int_equal(ttl_of(1), 30);
	assert_int_equal(ttl_of(2), 0x8000);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lives_as_long_as_its_shortest_record),
		T(an_opt_says_nothing_about_lifetime),
		T(lifetime_is_bounded),
		T(denials_live_by_the_soas_minimum),
		T(no_data_behind_a_cname_is_a_denial),
		T(denials_without_soa_are_not_kept),
		T(failures_and_cut_answers_are_not_kept),
		T(c30_an_override_bounds_lifetimes),
		T(c30_clients_are_told_the_overridden_ttl),
		T(an_answer_that_is_not_kept_keeps_its_ttls),
		T(sets_every_ttl_but_that_of_an_opt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
