// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * upstream.c and attempt.c: where an upstream is, over which family, and one question to it
 * over whatever transport.
 */
#include "fake_transport.h"

#include "dns/upstream.h"

static struct loop *loop;
static struct datapath datapath;
static struct upstream_env env;
static struct upstream *upstream;
static struct fake fake;
static uint8_t scratch[MSG_MAX];
static struct wire query;
static struct plain_question question;

static struct {
	unsigned int num;
	int status;
} got;

static void done(struct attempt *a, int status, uint8_t *answer, size_t len)
{
	assert_true(attempt_is_idle(a));
	got.num++;
	got.status = status;
}

static void say_yes(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	wire_answer_to(answer, q, len, 0);
	wire_a(answer, 60, "192.0.2.1");
}

/* Two addresses of dns.test, good for 100 s; nothing else exists. */
static void say_names(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	struct msg_question asked;
	uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	char name[64];

	assert_int_equal(msg_question_get(q, len, &asked), 0);
	name_format(&asked.name, name, sizeof(name));
	wire_answer_to(answer, q, len, strcmp(name, "dns.test") ? RCODE_NXDOMAIN : 0);
	if (strcmp(name, "dns.test") == 0 && asked.type == TYPE_A)
		wire_a(answer, 100, "192.0.2.77");
	else if (strcmp(name, "dns.test") == 0)
		wire_record(answer, SECTION_ANSWER, NULL, TYPE_AAAA, 200, v6, sizeof(v6));
}

static int setup(void **state)
{
	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	fake_open(&fake, loop, "127.0.0.1", true, say_yes);
	memset(&env, 0, sizeof(env));
	env.loop = loop;
	env.datapath = &datapath;
	env.plain = (struct plain_env){ .loop = loop, .datapath = &datapath, .scratch = scratch };
	list_init(&env.all);
	list_init(&env.dead);
	assert_int_equal(lookups_new(loop, &env.lookups), 0);
	assert_int_equal(lookups_assign(env.lookups, &fake.endpoint, 1), 0);
	memset(fake_transports, 0, sizeof(fake_transports));
	fake_transport_new_error = fake_transport_ask_error = 0;
	memset(&got, 0, sizeof(got));
	wire_query(&query, 0, "www.test", TYPE_A);
	question = (struct plain_question){ .message = query.b,
					    .len = query.len,
					    .question_end = query.len };
	return 0;
}

static int teardown(void **state)
{
	upstream_put(upstream);
	upstream = NULL;
	upstream_reap(&env);
	assert_true(list_is_empty(&env.all));
	assert_int_equal(fake_transports_open(), 0);
	lookups_free(env.lookups);
	fake_close(&fake);
	loop_free(loop);
	clock_inject(NULL);
	test_socket_error = 0;
	return 0;
}

static struct conf_upstream plain_conf(void)
{
	struct conf_upstream c = { .name = "u", .type = CONF_PLAIN, .addresses = 1 };

	c.address[0] = fake.endpoint;
	return c;
}

static void open_upstream(const struct conf_upstream *conf)
{
	char error[TRANSPORT_ERROR_MAX];

	assert_int_equal(upstream_get(&env, conf, false, &upstream, error), 0);
}

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, 853, &ep), 0);
	return ep;
}

/* Both families, 2001:db8::1 first. */
static struct conf_upstream tls_conf(enum conf_family family)
{
	struct conf_upstream c = { .name = "t", .type = CONF_TLS, .family = family, .port = 853 };

	c.host = "dns.test";
	c.address[0] = at("2001:db8::1");
	c.address[1] = at("192.0.2.1");
	c.addresses = 2;
	return c;
}

static struct conf_upstream name_conf(void)
{
	struct conf_upstream c = { .name = "n", .type = CONF_TLS, .port = 853 };

	c.host = "dns.test";
	return c;
}

/* --- the object --------------------------------------------------------------------------- */

static void the_same_settings_are_the_same_upstream(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);
	struct upstream *again, *other;
	char error[TRANSPORT_ERROR_MAX];

	open_upstream(&c);
	c.host = strdup("dns.test"); /* equal, not identical */
	assert_int_equal(upstream_get(&env, &c, false, &again, error), 0);
	assert_ptr_equal(again, upstream);
	free(c.host);
	c.host = "other.test";
	assert_int_equal(upstream_get(&env, &c, false, &other, error), 0);
	assert_ptr_not_equal(other, upstream);
	upstream_put(other);
	upstream_reap(&env);
	assert_int_equal(fake_transports_open(), 1);
	upstream_put(again);
	upstream_reap(&env);
	assert_int_equal(fake_transports_open(), 1);
}

static void settings_that_no_transport_can_use_are_an_error_with_its_text(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);
	char error[TRANSPORT_ERROR_MAX];

	fake_transport_new_error = -ENOENT;
	assert_int_equal(upstream_get(&env, &c, false, &upstream, error), -ENOENT);
	assert_string_equal(error, "no such file");
	upstream = NULL;
}

static void latency_is_smoothed(void **state)
{
	struct conf_upstream c = plain_conf();

	open_upstream(&c);
	upstream_answered(upstream, 8000);
	assert_int_equal(upstream->latency_us, 8000);
	upstream_answered(upstream, 0);
	assert_int_equal(upstream->latency_us, 7000);
}

/* --- families ----------------------------------------------------------------------------- */

static unsigned int addresses(enum conf_family family, char first[ENDPOINT_TEXT_MAX])
{
	struct endpoint to[CONF_ADDRESSES_MAX];
	unsigned int num = upstream_addresses(upstream, family, to);

	first[0] = '\0';
	if (num)
		endpoint_format(&to[0], first);
	return num;
}

static void c22_both_keeps_the_order_and_what_worked_comes_first(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);
	char first[ENDPOINT_TEXT_MAX];
	struct endpoint v4 = at("192.0.2.1");

	open_upstream(&c);
	assert_int_equal(addresses(CONF_BOTH, first), 2);
	assert_string_equal(first, "[2001:db8::1]:853");
	upstream_reached(upstream, &v4, 0);
	assert_int_equal(addresses(CONF_BOTH, first), 2);
	assert_string_equal(first, "192.0.2.1:853");
}

static void c22_v4_and_v6_leave_the_other_out(void **state)
{
	struct conf_upstream c = tls_conf(CONF_V4);
	char first[ENDPOINT_TEXT_MAX];

	open_upstream(&c);
	assert_int_equal(addresses(CONF_V4, first), 1);
	assert_string_equal(first, "192.0.2.1:853");
	upstream_put(upstream);
	upstream_reap(&env);
	c = tls_conf(CONF_V6);
	open_upstream(&c);
	assert_int_equal(addresses(CONF_V6, first), 1);
	assert_string_equal(first, "[2001:db8::1]:853");
}

static void c22_without_ipv6_only_ipv4_is_tried_until_it_is_seen_again(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);
	char first[ENDPOINT_TEXT_MAX];
	struct endpoint v6 = at("2001:db8::1");

	open_upstream(&c);
	upstream_reached(upstream, &v6, -ENETUNREACH);
	assert_int_equal(addresses(CONF_BOTH, first), 1);
	assert_string_equal(first, "192.0.2.1:853");
	upstream_reached(upstream, &v6, 0);
	assert_int_equal(addresses(CONF_BOTH, first), 2);
}

static void c22_an_upstream_of_ipv6_alone_is_still_tried(void **state)
{
	struct conf_upstream c = tls_conf(CONF_V6);
	char first[ENDPOINT_TEXT_MAX];
	struct endpoint v6 = at("2001:db8::1");

	open_upstream(&c);
	upstream_reached(upstream, &v6, -ENETUNREACH);
	assert_int_equal(addresses(CONF_V6, first), 1);
}

static void c22_split_asks_for_a_over_ipv4_and_the_rest_over_ipv6(void **state)
{
	struct conf_upstream c = tls_conf(CONF_SPLIT);
	struct endpoint v6 = at("2001:db8::1"), to[CONF_ADDRESSES_MAX];
	struct plain_question aaaa = question;
	static struct wire other;
	struct attempt a;

	wire_query(&other, 0, "www.test", TYPE_AAAA);
	aaaa.message = other.b;
	open_upstream(&c);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	assert_int_equal(fake_transports[0].asked, 1);
	assert_int_equal(fake_transports[0].options.addresses(fake_transports[0].options.arg, to),
			 1);
	assert_true(addr_is_v4(&to[0].addr));
	attempt_stop(&a);
	assert_int_equal(attempt_start(&a, upstream, &aaaa), 0);
	assert_int_equal(fake_transports[1].asked, 1);
	assert_int_equal(fake_transports[1].options.addresses(fake_transports[1].options.arg, to),
			 1);
	assert_false(addr_is_v4(&to[0].addr));
	attempt_stop(&a);
	upstream_reached(upstream, &v6, -ENETUNREACH);
	assert_int_equal(attempt_start(&a, upstream, &aaaa), 0);
	assert_int_equal(fake_transports[0].asked, 2);
	attempt_stop(&a);
}

static void c22_split_asks_for_a_over_ipv6_where_there_is_nothing_else(void **state)
{
	struct conf_upstream c = tls_conf(CONF_SPLIT);

	c.addresses = 1; /* 2001:db8::1 */
	open_upstream(&c);
	assert_int_equal(upstream_family(upstream, &question), CONF_V6);
}

static void near_ones_are_told_by_their_addresses(void **state)
{
	static const struct {
		const char *address;
		bool near;
	} cases[] = { { "127.0.0.1", true },   { "::1", true },		{ "10.1.2.3", true },
		      { "172.31.0.1", true },  { "172.32.0.1", false }, { "192.168.1.1", true },
		      { "169.254.1.1", true }, { "100.64.0.1", true },	{ "100.128.0.1", false },
		      { "fd00::1", true },     { "fe80::1", true },	{ "2001:db8::1", false },
		      { "192.0.2.1", false } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_upstream c = { .name = "u", .addresses = 1 };

		c.address[0] = at(cases[i].address);
		open_upstream(&c);
		assert_int_equal(upstream_is_near(upstream), cases[i].near);
		upstream_put(upstream);
		upstream = NULL;
		upstream_reap(&env);
	}
}

/* --- attempts ----------------------------------------------------------------------------- */

static void a_plain_attempt_is_answered_and_booked(void **state)
{
	struct conf_upstream c = plain_conf();
	struct attempt a;

	open_upstream(&c);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	assert_int_equal(env.sockets, 1);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(upstream->asked, 1);
	assert_int_equal(env.sockets, 0);
	assert_int_equal(datapath_budget(&datapath, BUDGET_DESCRIPTORS)->used, 0);
}

static void another_address_of_the_same_upstream_is_asked_next(void **state)
{
	struct conf_upstream c = plain_conf();
	struct attempt a;

	c.address[1] = c.address[0];
	c.address[0] = closed_endpoint();
	c.address[0].addr = at("127.0.0.9").addr;
	c.addresses = 2;
	open_upstream(&c);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(upstream->failures, 0);
	assert_int_equal(upstream->first, 1); /* it comes first from now on */
}

static void c22_a_plain_upstream_without_ipv6_is_asked_over_ipv4_at_once(void **state)
{
	struct conf_upstream c = plain_conf();
	struct attempt a;

	c.address[1] = c.address[0];
	c.address[0] = at("[2001:db8::1]:53");
	c.addresses = 2;
	open_upstream(&c);
	env.ipv6 = (struct ipv6){ .off = true, .retry_ms = UINT64_MAX };
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	assert_true(addr_is_v4(&a.plain.to.addr));
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
}

static void a_transports_answers_and_errors_are_reported(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);
	struct attempt a;

	open_upstream(&c);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	assert_int_equal(env.sockets, 0); /* the transport counts its own */
	fake_transport_end(&fake_transports[0], 0);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.status, 0);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	fake_transport_end(&fake_transports[0], -ECONNREFUSED);
	assert_int_equal(got.status, -ECONNREFUSED);
	assert_int_equal(upstream->failures, 1);
	fake_transport_ask_error = -ECONNREFUSED;
	assert_int_equal(attempt_start(&a, upstream, &question), -ECONNREFUSED);
	assert_true(attempt_is_idle(&a));
	assert_int_equal(upstream->failures, 2);
}

static void stopping_cancels(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);
	struct attempt a;

	open_upstream(&c);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	attempt_stop(&a);
	attempt_stop(&a);
	assert_int_equal(fake_transports[0].cancelled, 1);
	assert_int_equal(got.num, 0);
}

static void c20_timeouts_end_attempts_in_the_order_of_their_start(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);
	struct attempt first, second;

	c.timeout_ms = 500;
	open_upstream(&c);
	attempt_init(&first, done);
	attempt_init(&second, done);
	assert_int_equal(attempt_start(&first, upstream, &question), 0);
	advance_ms(300);
	assert_int_equal(attempt_start(&second, upstream, &question), 0);
	advance_ms(201);
	turn_until(loop, got.num == 1);
	assert_int_equal(got.status, -ETIMEDOUT);
	assert_true(attempt_is_idle(&first));
	assert_false(attempt_is_idle(&second));
	settle_loop(loop);
	assert_int_equal(got.num, 1);
	advance_ms(300);
	turn_until(loop, got.num == 2);
	assert_int_equal(upstream->timeouts, 2);
	assert_int_equal(fake_transports[0].cancelled, 2);
}

/* --- names -------------------------------------------------------------------------------- */

static void c21_an_attempt_waits_for_the_lookup_of_its_upstream(void **state)
{
	struct conf_upstream c = name_conf();
	struct endpoint to[CONF_ADDRESSES_MAX];
	struct attempt a;

	fake.say = say_names;
	open_upstream(&c);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	assert_int_equal(a.state, ATTEMPT_LOOKUP);
	turn_until(loop, fake_transports[0].asked == 1);
	assert_int_equal(upstream_addresses(upstream, CONF_BOTH, to), 2);
	assert_int_equal(to[0].port, htons(853));
	fake_transport_end(&fake_transports[0], 0);
	assert_int_equal(got.status, 0);
}

static void c21_a_name_that_does_not_exist_fails_what_waits_and_is_not_asked_at_once(void **state)
{
	struct conf_upstream c = name_conf();
	struct attempt a;
	unsigned int asked;

	c.host = "nowhere.test";
	fake.say = say_names;
	open_upstream(&c);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, -EHOSTUNREACH);
	asked = fake.asked;
	fake_transport_ask_error = -EDESTADDRREQ;
	assert_int_equal(attempt_start(&a, upstream, &question), -EDESTADDRREQ);
	settle_loop(loop);
	assert_int_equal(fake.asked, asked);
	advance_ms(UPSTREAM_LOOKUP_MIN_MS);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	assert_int_equal(a.state, ATTEMPT_LOOKUP);
	turn_until(loop, got.num == 2);
}

static void c21_addresses_are_used_on_while_they_are_looked_up_again(void **state)
{
	struct conf_upstream c = name_conf();
	struct endpoint to[CONF_ADDRESSES_MAX];
	struct attempt a;
	unsigned int asked;

	fake.say = say_names;
	open_upstream(&c);
	assert_true(upstream_is_waiting(upstream));
	turn_until(loop, !upstream_is_waiting(upstream));
	asked = fake.asked;
	advance_ms(99 * 1000);
	assert_int_equal(upstream_addresses(upstream, CONF_BOTH, to), 2);
	settle_loop(loop);
	assert_int_equal(fake.asked, asked); /* the least TTL is 100 s */
	advance_ms(2 * 1000);
	attempt_init(&a, done);
	assert_int_equal(attempt_start(&a, upstream, &question), 0);
	assert_int_equal(a.state, ATTEMPT_TRANSPORT);
	attempt_stop(&a);
	assert_int_equal(upstream_addresses(upstream, CONF_BOTH, to), 2);
	turn_until(loop, fake.asked > asked);
	settle_loop(loop);
	assert_int_equal(upstream_addresses(upstream, CONF_BOTH, to), 2);
}

static void c21_timeouts_bring_a_new_lookup_but_not_each_of_them(void **state)
{
	struct conf_upstream c = name_conf();
	unsigned int asked;

	fake.say = say_names;
	open_upstream(&c);
	assert_true(upstream_is_waiting(upstream));
	turn_until(loop, !upstream_is_waiting(upstream));
	asked = fake.asked;
	upstream_timed_out(upstream);
	settle_loop(loop);
	assert_int_equal(fake.asked, asked);
	advance_ms(UPSTREAM_LOOKUP_AGAIN_MS);
	for (int i = 0; i < 40; i++)
		upstream_timed_out(upstream);
	turn_until(loop, fake.asked == asked + 2); /* A and AAAA */
	settle_loop(loop);
	assert_int_equal(fake.asked, asked + 2);
}

static void c21_addresses_that_were_given_need_no_lookup(void **state)
{
	struct conf_upstream c = tls_conf(CONF_BOTH);

	open_upstream(&c);
	for (int i = 0; i < 3; i++)
		upstream_timed_out(upstream);
	assert_false(upstream_is_waiting(upstream));
	settle_loop(loop);
	assert_int_equal(fake.asked, 0);
}

static void an_upstream_that_goes_during_its_lookup_leaves_nothing(void **state)
{
	struct conf_upstream c = name_conf();

	fake.say = say_names;
	open_upstream(&c);
	assert_true(upstream_is_waiting(upstream));
	upstream_put(upstream);
	upstream = NULL;
	upstream_reap(&env);
	settle_loop(loop);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_same_settings_are_the_same_upstream),
		T(settings_that_no_transport_can_use_are_an_error_with_its_text),
		T(latency_is_smoothed),
		T(c22_both_keeps_the_order_and_what_worked_comes_first),
		T(c22_v4_and_v6_leave_the_other_out),
		T(c22_without_ipv6_only_ipv4_is_tried_until_it_is_seen_again),
		T(c22_an_upstream_of_ipv6_alone_is_still_tried),
		T(c22_split_asks_for_a_over_ipv4_and_the_rest_over_ipv6),
		T(c22_split_asks_for_a_over_ipv6_where_there_is_nothing_else),
		T(near_ones_are_told_by_their_addresses),
		T(a_plain_attempt_is_answered_and_booked),
		T(another_address_of_the_same_upstream_is_asked_next),
		T(c22_a_plain_upstream_without_ipv6_is_asked_over_ipv4_at_once),
		T(a_transports_answers_and_errors_are_reported),
		T(stopping_cancels),
		T(c20_timeouts_end_attempts_in_the_order_of_their_start),
		T(c21_an_attempt_waits_for_the_lookup_of_its_upstream),
		T(c21_a_name_that_does_not_exist_fails_what_waits_and_is_not_asked_at_once),
		T(c21_addresses_are_used_on_while_they_are_looked_up_again),
		T(c21_timeouts_bring_a_new_lookup_but_not_each_of_them),
		T(c21_addresses_that_were_given_need_no_lookup),
		T(an_upstream_that_goes_during_its_lookup_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
