// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cache.c: what is kept, for how long, and what leaves first. */
#include "support.h"

#include "dns/cache.h"

static struct cache *cache;
static struct wire w;
static uint8_t out[MSG_MAX];

#define TTL_LIMITS                                                                                 \
	{                                                                                          \
		.max = TTL_MAX, .negative_max = TTL_NEGATIVE_MAX                                   \
	}

static int setup(void **state)
{
	const struct cache_options options = { .entries_max = 4,
					       .bytes_max = 1 << 20,
					       .ttl = TTL_LIMITS };

	clock_inject(test_clock);
	return cache_new(&options, &cache);
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

	return cache_get(cache, &key, out, NULL);
}

static void put_a(const char *name, uint32_t ttl)
{
	answer(name, TYPE_A, 0);
	wire_a(&w, ttl, "192.0.2.1");
	put(name, TYPE_A);
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
	assert_int_equal(cache_get(cache, &key, out, NULL), 0);
	key.flags = MSG_CD;
	assert_int_equal(cache_get(cache, &key, out, NULL), 0);
	key.flags = 0;
	key.class = 3;
	assert_int_equal(cache_get(cache, &key, out, NULL), 0);
	key.class = CLASS_IN;
	assert_int_not_equal(cache_get(cache, &key, out, NULL), 0);
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
	struct cache_options options = { .entries_max = 100, .bytes_max = 100, .ttl = TTL_LIMITS };
	struct cache_figures f;
	struct cache *small;
	struct cache_key key = key_of("a.test", TYPE_A);
	struct edns e;

	assert_int_equal(cache_new(&options, &small), 0);
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
	options.bytes_max = 10;
	assert_int_equal(cache_new(&options, &small), 0);
	cache_put(small, &key, w.b, question_end(), &e);
	cache_figures(small, &f);
	assert_int_equal(f.entries, 0);
	cache_free(small);
}

static uint32_t first_ttl(void)
{
	struct msg_record record;
	struct msg_walk walk;

	msg_walk_begin(&walk, out, w.len, question_end());
	assert_int_equal(msg_walk_next(&walk, &record), 1);
	return record.ttl;
}

/* RFC 8767 */
static void c30_stale_answers_are_there_for_the_time_allowed(void **state)
{
	const struct ttl_limits limits = TTL_LIMITS;
	struct cache_key key = key_of("www.test", TYPE_A);
	struct cache_figures f;
	bool hold;

	cache_set(cache, &limits, 3600);
	put_a("www.test", 300);
	assert_false(cache_is_stale(cache, &key, &hold));
	assert_int_equal(cache_get_stale(cache, &key, out), 0);
	advance_ms(300000);
	assert_int_equal(get("www.test", TYPE_A), 0);
	assert_true(cache_is_stale(cache, &key, &hold));
	assert_false(hold);
	assert_int_equal(cache_get_stale(cache, &key, out), w.len);
	assert_int_equal(first_ttl(), CACHE_STALE_TTL);
	cache_figures(cache, &f);
	assert_int_equal(f.stale, 1);
	advance_ms(3599999);
	assert_true(cache_is_stale(cache, &key, &hold));
	advance_ms(1);
	assert_false(cache_is_stale(cache, &key, &hold));
	cache_figures(cache, &f);
	assert_int_equal(f.entries, 0);
}

static void after_a_failure_a_stale_answer_is_held_for_a_while(void **state)
{
	const struct ttl_limits limits = TTL_LIMITS;
	struct cache_key key = key_of("www.test", TYPE_A);
	bool hold;

	cache_set(cache, &limits, 3600);
	put_a("www.test", 300);
	advance_ms(300000);
	cache_failed(cache, &key);
	assert_true(cache_is_stale(cache, &key, &hold));
	assert_true(hold);
	advance_ms(CACHE_RETRY_MS);
	assert_true(cache_is_stale(cache, &key, &hold));
	assert_false(hold);
}

static void tells_how_late_and_how_hot_an_answer_is(void **state)
{
	struct cache_key key = key_of("www.test", TYPE_A);
	struct cache_hit hit;

	put_a("www.test", 100);
	advance_ms(89999);
	assert_int_not_equal(cache_get(cache, &key, out, &hit), 0);
	assert_false(hit.late);
	advance_ms(1);
	assert_int_not_equal(cache_get(cache, &key, out, &hit), 0);
	assert_true(hit.late);
	assert_false(hit.asked);
	assert_int_equal(hit.hits, 2);
	cache_asked(cache, &key);
	assert_int_not_equal(cache_get(cache, &key, out, &hit), 0);
	assert_true(hit.asked);
	put_a("www.test", 100);
	assert_int_not_equal(cache_get(cache, &key, out, &hit), 0);
	assert_false(hit.late || hit.asked);
	assert_int_equal(hit.hits, 1);
}

static void c30_a_configured_minimum_and_maximum_override_ttls(void **state)
{
	const struct ttl_limits limits = { .min = 60, .max = 120, .negative_max = 60 };

	cache_set(cache, &limits, 0);
	put_a("a.test", 0);
	put_a("b.test", 1000);
	advance_ms(59999);
	assert_int_not_equal(get("a.test", TYPE_A), 0);
	advance_ms(1);
	assert_int_equal(get("a.test", TYPE_A), 0);
	advance_ms(59999);
	assert_int_not_equal(get("b.test", TYPE_A), 0);
	advance_ms(1);
	assert_int_equal(get("b.test", TYPE_A), 0);
}

static void scopes_do_not_share_answers(void **state)
{
	struct cache_key key = key_of("www.test", TYPE_A);

	put_a("www.test", 300);
	key.scope = 1;
	assert_int_equal(cache_get(cache, &key, out, NULL), 0);
}

static void c30_flushes_a_name_or_all_below_it_or_everything(void **state)
{
	struct name name = key_of("b.test", TYPE_A).name;

	put_a("a.b.test", 300);
	put_a("b.test", 300);
	put_a("ab.test", 300);
	assert_int_equal(cache_flush(cache, &name, false), 1);
	assert_int_not_equal(get("a.b.test", TYPE_A), 0);
	put_a("b.test", 300);
	assert_int_equal(cache_flush(cache, &name, true), 2);
	assert_int_not_equal(get("ab.test", TYPE_A), 0);
	assert_int_equal(cache_flush(cache, NULL, false), 1);
	assert_int_equal(get("ab.test", TYPE_A), 0);
}

static void a_sweep_frees_what_is_over(void **state)
{
	struct cache_figures f;

	put_a("a.test", 30);
	put_a("b.test", 300);
	advance_ms(30000);
	for (int i = 0; i < 2; i++)
		cache_sweep(cache);
	cache_figures(cache, &f);
	assert_int_equal(f.entries, 1);
	assert_int_equal(f.misses, 0);
}

static void shows_what_it_has(void **state)
{
	struct cache_view v;
	size_t place = 0;
	char text[64];

	put_a("a.test", 30);
	put_a("b.test", 300);
	get("b.test", TYPE_A);
	advance_ms(30000);
	assert_true(cache_next(cache, &place, &v));
	assert_string_equal(name_format(&v.key->name, text, sizeof(text)), "b.test");
	assert_int_equal(v.ttl, 270);
	assert_int_equal(v.hits, 1);
	assert_int_equal(v.rcode, RCODE_NOERROR);
	assert_false(cache_next(cache, &place, &v));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(gives_back_what_was_put_with_aged_ttl),
		T(a_ttl_of_zero_is_not_kept),
		T(name_type_class_and_flags_tell_answers_apart),
		T(keeps_no_opt_and_no_claim_of_authority),
		T(an_opt_before_other_records_is_not_kept),
		T(the_least_recently_used_leaves_first),
		T(a_newer_answer_replaces_the_older),
		T(bytes_are_bounded_too),
		T(c30_stale_answers_are_there_for_the_time_allowed),
		T(after_a_failure_a_stale_answer_is_held_for_a_while),
		T(tells_how_late_and_how_hot_an_answer_is),
		T(c30_a_configured_minimum_and_maximum_override_ttls),
		T(scopes_do_not_share_answers),
		T(c30_flushes_a_name_or_all_below_it_or_everything),
		T(a_sweep_frees_what_is_over),
		T(shows_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
