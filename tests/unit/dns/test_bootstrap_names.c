// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* bootstrap_names.c: names looked up by c-ares over our sockets, in our loop. */
#include "support.h"

#include "dns/bootstrap_names.h"

static struct loop *loop;
static struct datapath datapath;
static struct lookups *lookups;
static struct fake fake[2];

static struct {
	unsigned int num;
	int status;
	unsigned int found;
	struct endpoint to[CONF_ADDRESSES_MAX];
	uint32_t ttl;
} got;

static void done(struct lookup *l, int status, const struct endpoint *found, unsigned int num,
		 uint32_t ttl)
{
	assert_null(l->query);
	got.num++;
	got.status = status;
	got.found = num;
	got.ttl = ttl;
	if (status == 0)
		memcpy(got.to, found, num * sizeof(*found));
}

static struct lookup lookup = { .done = done };

static void say_nothing(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
}

static void say_refused(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	wire_answer_to(answer, q, len, RCODE_REFUSED);
}

/* 192.0.2.1 for 300 s and 2001:db8::1 for 60 s. */
static void say_both(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	struct msg_question asked;

	assert_int_equal(msg_question_get(q, len, &asked), 0);
	wire_answer_to(answer, q, len, 0);
	if (asked.type == TYPE_A)
		wire_a(answer, 300, "192.0.2.1");
	else
		wire_record(answer, SECTION_ANSWER, NULL, TYPE_AAAA, 60, v6, sizeof(v6));
}

static void say_many(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	struct msg_question asked;

	assert_int_equal(msg_question_get(q, len, &asked), 0);
	wire_answer_to(answer, q, len, 0);
	for (int i = 0; asked.type == TYPE_A && i < 20; i++)
		wire_a(answer, 300, "192.0.2.1");
}

/* The answer to another name comes in place of the asked one. */
static void say_wrong_name(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			   struct wire *answer)
{
	say_both(f, tcp, q, len, answer);
	answer->b[MSG_HEADER_BYTES + 1] ^= 1;
}

static void setup_with(fake_fn first, fake_fn second)
{
	struct endpoint servers[2];

	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	fake_open(&fake[0], loop, "127.0.0.1", true, first);
	fake_open(&fake[1], loop, "127.0.0.1", true, second ? second : say_nothing);
	servers[0] = fake[0].endpoint;
	servers[1] = fake[1].endpoint;
	assert_int_equal(lookups_new(loop, &lookups), 0);
	assert_int_equal(lookups_assign(lookups, servers, second ? 2 : 1), 0);
	memset(&got, 0, sizeof(got));
}

static int teardown(void **state)
{
	lookups_free(lookups);
	lookups = NULL;
	assert_null(lookup.query);
	fake_close(&fake[0]);
	fake_close(&fake[1]);
	loop_free(loop);
	test_socket_error = 0;
	return 0;
}

static void start(const char *name, int family)
{
	assert_int_equal(lookup_start(lookups, &lookup, name, family), 0);
	assert_int_equal(got.num, 0);
}

static void c21_finds_addresses_of_both_families_and_the_least_ttl(void **state)
{
	setup_with(say_both, NULL);
	start("dns.test", AF_UNSPEC);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(got.found, 2);
	assert_int_equal(got.ttl, 60);
	assert_int_equal(fake[0].asked, 2);
}

static void c22_asks_for_one_family_alone(void **state)
{
	setup_with(say_both, NULL);
	start("dns.test", AF_INET6);
	turn_until(loop, got.num);
	assert_int_equal(got.found, 1);
	assert_false(addr_is_v4(&got.to[0].addr));
	assert_int_equal(fake[0].asked, 1);
}

static void c21_a_server_that_refuses_gives_way_to_the_next(void **state)
{
	setup_with(say_refused, say_both);
	start("dns.test", AF_INET);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(fake[1].asked, 1);
}

static void c21_a_name_that_is_not_there_is_an_error(void **state)
{
	setup_with(say_refused, NULL);
	start("dns.test", AF_INET);
	turn_until(loop, got.num);
	assert_int_equal(got.status, -ECONNREFUSED);
	assert_int_equal(got.found, 0);
}

static void takes_no_more_than_an_upstream_may_have(void **state)
{
	setup_with(say_many, NULL);
	start("dns.test", AF_INET);
	turn_until(loop, got.num);
	assert_int_equal(got.found, CONF_ADDRESSES_MAX);
}

static void an_answer_for_another_name_is_not_taken(void **state)
{
	setup_with(say_wrong_name, NULL);
	start("dns.test", AF_INET);
	turn_until(loop, fake[0].asked);
	settle_loop(loop);
	assert_true(got.num == 0 || got.status < 0);
	lookup_cancel(&lookup);
}

static void a_lookup_that_was_cancelled_reports_nothing(void **state)
{
	setup_with(say_both, NULL);
	start("dns.test", AF_INET);
	lookup_cancel(&lookup);
	turn_until(loop, fake[0].asked);
	settle_loop(loop);
	assert_int_equal(got.num, 0);
}

static void other_servers_end_what_is_under_way_and_the_same_do_not(void **state)
{
	setup_with(say_nothing, NULL);
	start("dns.test", AF_INET);
	assert_int_equal(lookups_assign(lookups, &fake[0].endpoint, 1), 0);
	assert_int_equal(got.num, 0);
	assert_int_equal(lookups_assign(lookups, &fake[1].endpoint, 1), 0);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.status, -ECANCELED);
}

static void without_servers_nothing_is_asked(void **state)
{
	setup_with(say_both, NULL);
	assert_int_equal(lookups_assign(lookups, NULL, 0), 0);
	assert_int_equal(lookup_start(lookups, &lookup, "dns.test", AF_INET), -EDESTADDRREQ);
	assert_null(lookup.query);
}

static void a_socket_that_cannot_be_marked_is_not_used(void **state)
{
	int r;

	setup_with(say_both, NULL);
	test_socket_error = -EPERM;
	r = lookup_start(lookups, &lookup, "dns.test", AF_INET);
	assert_true(r < 0);
	settle_loop(loop);
	assert_int_equal(fake[0].asked, 0);
	assert_null(lookup.query);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(c21_finds_addresses_of_both_families_and_the_least_ttl),
		T(c22_asks_for_one_family_alone),
		T(c21_a_server_that_refuses_gives_way_to_the_next),
		T(c21_a_name_that_is_not_there_is_an_error),
		T(takes_no_more_than_an_upstream_may_have),
		T(an_answer_for_another_name_is_not_taken),
		T(a_lookup_that_was_cancelled_reports_nothing),
		T(other_servers_end_what_is_under_way_and_the_same_do_not),
		T(without_servers_nothing_is_asked),
		T(a_socket_that_cannot_be_marked_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
