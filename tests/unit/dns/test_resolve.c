// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* resolve.c: stale answers, prefetching, what is let through of an upstream's answer. */
#include "service_world.h"

static void start_with_stale(void)
{
	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	advance_ms(60000);
}

/* RFC 8767 */
static void c30_a_stale_answer_is_given_when_the_upstream_fails(void **state)
{
	start_with_stale();
	fake.say = say_failure;
	ask(1001, 2, "www.test", TYPE_A);
	assert_int_equal(got.num, 1);
	turn_until(loop, got.num == 2);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(first_ttl(), CACHE_STALE_TTL);
	assert_int_equal(fake.asked, 2);
	assert_int_equal(test_counters.stats.dns_stale, 1);
	assert_int_equal(history_get(&service->history, 0)->source, SOURCE_STALE);
	/* for a while nobody is asked */
	ask(1002, 3, "www.test", TYPE_A);
	assert_int_equal(got.num, 3);
	assert_int_equal(fake.asked, 2);
	advance_ms(CACHE_RETRY_MS);
	fake.say = say_address;
	ask(1003, 4, "www.test", TYPE_A);
	turn_until(loop, got.num == 4);
	assert_int_equal(first_ttl(), 60);
}

static void c30_a_client_waits_for_a_fresh_answer_for_so_long(void **state)
{
	start_with_stale();
	fake.say = say_nothing;
	ask(1001, 2, "www.test", TYPE_A);
	settle_loop(loop);
	advance_ms(RESOLVE_STALE_MS - 1);
	settle_loop(loop);
	assert_int_equal(got.num, 1);
	advance_ms(1);
	turn_until(loop, got.num == 2);
	assert_int_equal(first_ttl(), CACHE_STALE_TTL);
	assert_int_equal(got.id[1], 2);
	/* what was asked goes on, and its answer is kept */
	assert_int_equal(test_counters.stats.dns_pending, 1);
	fake.say = say_address;
	advance_ms(800);
	turn_until(loop, test_counters.stats.dns_pending == 0);
	assert_int_equal(got.num, 2);
	ask(1002, 3, "www.test", TYPE_A);
	assert_int_equal(got.num, 3);
	assert_int_equal(first_ttl(), 60);
}

/* The upstream of conf_of(), and what `dns` has besides. */
#define UPSTREAM                                                                                   \
	"dns:\n"                                                                                   \
	"  upstreams: {fake: {type: plain, address: '%s', port: %u}}\n"                            \
	"  groups: {default: {upstreams: [fake]}}\n"

static void without_leave_no_answer_is_stale(void **state)
{
	start_with(say_address, UPSTREAM "  cache: {stale: 0s}\n");
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	advance_ms(60000);
	fake.say = say_failure;
	ask(1001, 2, "www.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
}

static void hot_names_are_asked_for_before_their_time_is_over(void **state)
{
	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	ask(1000, 1, "cold.test", TYPE_A);
	turn_until(loop, got.num == 2);
	advance_ms(55000);
	ask(1001, 2, "cold.test", TYPE_A);
	for (uint16_t i = 0; i < RESOLVE_HOT + 2; i++)
		ask(1001 + i, 2, "www.test", TYPE_A);
	assert_int_equal(got.num, 3 + RESOLVE_HOT + 2);
	turn_until(loop, fake.asked == 3 && test_counters.stats.dns_pending == 0);
	assert_int_equal(test_counters.stats.dns_prefetch, 1);
	advance_ms(30000);
	ask(1100, 3, "www.test", TYPE_A);
	assert_int_equal(got.num, 4 + RESOLVE_HOT + 2);
	assert_int_equal(first_ttl(), 30);
}

static void say_ptr(struct fake *f, bool tcp, const uint8_t *query, size_t len, struct wire *answer)
{
	wire_answer_to(answer, query, len, 0);
	wire_record(answer, SECTION_ANSWER, NULL, TYPE_PTR, 60, "\4host\4test\0", 11);
}

/* A departure from C-30: here no table of clients could say something else than the cache. */
static void c30_answers_to_ptr_are_cached_like_others(void **state)
{
	start(say_ptr, NULL);
	ask(1000, 1, "1.2.0.192.in-addr.arpa", TYPE_PTR);
	turn_until(loop, got.num == 1);
	ask(1001, 2, "1.2.0.192.in-addr.arpa", TYPE_PTR);
	assert_int_equal(got.num, 2);
	assert_int_equal(fake.asked, 1);
}

/* Besides the answer: an address of somebody else's name. */
static void say_too_much(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			 struct wire *answer)
{
	say_address(f, tcp, query, len, answer);
	wire_record(answer, SECTION_ANSWER, "bank.test", TYPE_A, 60, "\1\2\3\4", 4);
	wire_record(answer, SECTION_ADDITIONAL, "bank.test", TYPE_A, 60, "\1\2\3\4", 4);
}

static void nothing_is_let_through_that_was_not_asked_for(void **state)
{
	start(say_too_much, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(msg_get16(got.last.b + 6), 1);
	assert_int_equal(msg_get16(got.last.b + 10), 0);
	assert_int_equal(test_kernel.domains, 1);
	assert_int_equal(test_counters.stats.dns_stripped, 2);
}

static void say_circle(struct fake *f, bool tcp, const uint8_t *query, size_t len,
		       struct wire *answer)
{
	wire_answer_to(answer, query, len, 0);
	wire_record(answer, SECTION_ANSWER, NULL, TYPE_CNAME, 60, "\xc0\x0c", 2);
}

static void a_circle_of_cnames_is_servfail(void **state)
{
	start(say_circle, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.drops.dns_chain, 1);
}

static void another_version_of_edns_is_answered_with_badvers(void **state)
{
	static struct wire w;
	struct edns e;

	start(say_address, NULL);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, NULL, 0);
	w.b[w.len - 5] = 1;
	ask_wire(1000, &w);
	assert_int_equal(got.num, 1);
	assert_int_equal(rcode(), 0);
	assert_int_equal(edns_find(got.last.b, got.last.len, 12 + 10 + 4, &e), 0);
	assert_int_equal(e.rcode_high, 1);
	assert_int_equal(e.version, 0);
}

static struct {
	unsigned int num;
	enum history_source source;
	size_t len;
} looked_up;

static void take_lookup(void *arg, const struct query *q, const struct answer *a, size_t len)
{
	assert_ptr_equal(arg, &looked_up);
	looked_up.num++;
	looked_up.source = a->source;
	looked_up.len = len;
}

static void lookups_go_the_way_of_queries(void **state)
{
	struct name name;

	start(say_address, NULL);
	memset(&looked_up, 0, sizeof(looked_up));
	assert_int_equal(name_from_text("WWW.test", &name), 0);
	assert_int_equal(service_lookup(service, NULL, &name, TYPE_A, take_lookup, &looked_up), 0);
	assert_int_equal(looked_up.num, 0);
	turn_until(loop, looked_up.num == 1);
	assert_int_equal(looked_up.source, SOURCE_UPSTREAM);
	assert_int_equal(service_lookup(service, NULL, &name, TYPE_A, take_lookup, &looked_up), 0);
	assert_int_equal(looked_up.num, 2);
	assert_int_equal(looked_up.source, SOURCE_CACHE);
	assert_int_equal(looked_up.len, 12 + 10 + 4 + 16);
	assert_int_equal(got.num, 0);
	assert_int_equal(test_counters.stats.dns_pending, 0);
}

static void c30_a_flush_forgets_a_name_and_those_below(void **state)
{
	struct name name;

	start(say_address, NULL);
	ask(1000, 1, "www.b.test", TYPE_A);
	ask(1000, 1, "www.c.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(name_from_text("b.test", &name), 0);
	assert_int_equal(service_flush(service, &name), 1);
	assert_int_equal(test_counters.stats.dns_cache_entries, 1);
	ask(1001, 2, "www.c.test", TYPE_A);
	assert_int_equal(got.num, 3);
	ask(1001, 2, "www.b.test", TYPE_A);
	assert_int_equal(got.num, 3);
	assert_int_equal(service_flush(service, NULL), 1);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(c30_a_stale_answer_is_given_when_the_upstream_fails),
		T(c30_a_client_waits_for_a_fresh_answer_for_so_long),
		T(without_leave_no_answer_is_stale),
		T(hot_names_are_asked_for_before_their_time_is_over),
		T(c30_answers_to_ptr_are_cached_like_others),
		T(nothing_is_let_through_that_was_not_asked_for),
		T(a_circle_of_cnames_is_servfail),
		T(another_version_of_edns_is_answered_with_badvers),
		T(lookups_go_the_way_of_queries),
		T(c30_a_flush_forgets_a_name_and_those_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
