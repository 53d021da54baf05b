// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cache.c: what is kept, for how long, and what leaves first. */
#include "support.h"

#include "dns/cache.h"

static struct cache *cache;
static struct wire w;
static uint8_t out[MSG_MAX];

static int setup(void **state)
{
	clock_inject(test_clock);
	return cache_new(4, 1 << 20, &cache);
}

static int teardown(void **state)
{
	cache_free(cache);
	clock_inject(NULL);
	return 0;
}

static struct cache_key key_of(const char *name, uint16_t type)
{
	struct cache_key key = { .type = type, .class = CLASS_IN };
	static struct wire n;

	n.len = 0;
	wire_name(&n, name);
	assert_true(name_parse(n.b, n.len, 0, &key.name) > 0);
	return key;
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
	return cache_lifetime(w.b, w.len, question_end(), type);
}

static void put(const char *name, uint16_t type)
{
	struct cache_key key = key_of(name, type);
	struct edns e;

	assert_int_equal(edns_find(w.b, w.len, question_end(), &e), 0);
	cache_put(cache, &key, w.b, question_end(), &e);
}

static size_t get(const char *name, uint16_t type)
{
	struct cache_key key = key_of(name, type);

	return cache_get(cache, &key, out);
}

static void put_a(const char *name, uint32_t ttl)
{
	answer(name, TYPE_A, 0);
	wire_a(&w, ttl, "192.0.2.1");
	put(name, TYPE_A);
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
	assert_int_equal(lifetime(TYPE_A), CACHE_TTL_MAX);
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
	assert_int_equal(lifetime(TYPE_A), CACHE_NEGATIVE_MAX);
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

static void gives_back_what_was_put_with_aged_ttl(void **state)
{
	struct msg_record record;
	struct msg_walk walk;

	put_a("www.test", 300);
	advance_ms(100999);
	assert_int_equal(get("WWW.test", TYPE_A), w.len);
	msg_walk_begin(&walk, out, w.len, question_end());
	assert_int_equal(msg_walk_next(&walk, &record), 1);
	assert_int_equal(record.ttl, 200);
	advance_ms(199000);
	assert_int_equal(get("www.test", TYPE_A), w.len);
	advance_ms(1);
	assert_int_equal(get("www.test", TYPE_A), 0);
}

static void a_ttl_of_zero_is_not_kept(void **state)
{
	put_a("www.test", 0);
	assert_int_equal(get("www.test", TYPE_A), 0);
}

static void name_type_class_and_flags_tell_answers_apart(void **state)
{
	struct cache_key key = key_of("www.test", TYPE_A);

	put_a("www.test", 300);
	assert_int_equal(get("www.test", TYPE_AAAA), 0);
	assert_int_equal(get("ww.test", TYPE_A), 0);
	key.flags = CACHE_DO;
	assert_int_equal(cache_get(cache, &key, out), 0);
	key.flags = MSG_CD;
	assert_int_equal(cache_get(cache, &key, out), 0);
	key.flags = 0;
	key.class = 3;
	assert_int_equal(cache_get(cache, &key, out), 0);
	key.class = CLASS_IN;
	assert_int_not_equal(cache_get(cache, &key, out), 0);
}

static void keeps_no_opt_and_no_claim_of_authority(void **state)
{
	size_t bare;

	answer("www.test", TYPE_A, MSG_AA);
	wire_a(&w, 300, "192.0.2.1");
	bare = w.len;
	wire_opt(&w, 1232, false, "\0\12\0\1x", 5);
	put("www.test", TYPE_A);
	assert_int_equal(get("www.test", TYPE_A), bare);
	assert_int_equal(msg_get16(out + 10), 0);
	assert_false(msg_get16(out + 2) & MSG_AA);
}

static void an_opt_before_other_records_is_not_kept(void **state)
{
	answer("www.test", TYPE_A, 0);
	wire_a(&w, 300, "192.0.2.1");
	wire_opt(&w, 1232, false, NULL, 0);
	wire_record(&w, SECTION_ADDITIONAL, "ns", TYPE_A, 30, "1234", 4);
	put("www.test", TYPE_A);
	assert_int_equal(get("www.test", TYPE_A), 0);
}

static void the_least_recently_used_leaves_first(void **state)
{
	struct cache_figures f;

	put_a("a.test", 300);
	put_a("b.test", 300);
	put_a("c.test", 300);
	put_a("d.test", 300);
	assert_int_not_equal(get("a.test", TYPE_A), 0);
	put_a("e.test", 300);
	assert_int_not_equal(get("a.test", TYPE_A), 0);
	assert_int_equal(get("b.test", TYPE_A), 0);
	cache_figures(cache, &f);
	assert_int_equal(f.entries, 4);
	assert_int_equal(f.evicted, 1);
	assert_int_equal(f.hits, 2);
	assert_int_equal(f.misses, 1);
}

static void a_newer_answer_replaces_the_older(void **state)
{
	struct cache_figures f;

	put_a("a.test", 300);
	put_a("a.test", 600);
	cache_figures(cache, &f);
	assert_int_equal(f.entries, 1);
	assert_int_equal(f.bytes, w.len);
	advance_ms(301000);
	assert_int_not_equal(get("a.test", TYPE_A), 0);
}

static void bytes_are_bounded_too(void **state)
{
	struct cache_figures f;
	struct cache *small;
	struct cache_key key = key_of("a.test", TYPE_A);
	struct edns e;

	assert_int_equal(cache_new(100, 100, &small), 0);
	answer("a.test", TYPE_A, 0);
	wire_a(&w, 300, "192.0.2.1");
	assert_int_equal(edns_find(w.b, w.len, question_end(), &e), 0);
	for (uint16_t i = 1; i < 10; i++) {
		key.class = i;
		cache_put(small, &key, w.b, question_end(), &e);
	}
	cache_figures(small, &f);
	assert_int_equal(f.entries, 100 / w.len);
	assert_true(f.bytes <= 100);
	cache_free(small);
	assert_int_equal(cache_new(100, 10, &small), 0);
	cache_put(small, &key, w.b, question_end(), &e);
	cache_figures(small, &f);
	assert_int_equal(f.entries, 0);
	cache_free(small);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		T(gives_back_what_was_put_with_aged_ttl),
		T(a_ttl_of_zero_is_not_kept),
		T(name_type_class_and_flags_tell_answers_apart),
		T(keeps_no_opt_and_no_claim_of_authority),
		T(an_opt_before_other_records_is_not_kept),
		T(the_least_recently_used_leaves_first),
		T(a_newer_answer_replaces_the_older),
		T(bytes_are_bounded_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
