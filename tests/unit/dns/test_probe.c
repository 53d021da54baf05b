// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* probe.c: upstreams that are down are asked until they answer; loops are found. */
#include "fake_transport.h"

#include "dns/upstreams.h"

static struct loop *loop;
static struct datapath datapath;
static struct upstreams *set;
static struct upstream *upstream;
static struct fake fake;
static struct wire last; /* the query that came last */

static void say_nothing(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	last.len = 0;
	wire_bytes(&last, q, len);
}

static void say_yes(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	say_nothing(f, tcp, q, len, answer);
	wire_answer_to(answer, q, len, 0);
}

static struct msg_question last_question(void)
{
	struct msg_question q;

	assert_int_equal(msg_question_get(last.b, last.len, &q), 0);
	return q;
}

/* The question comes to us as a client's before it is refused. */
static void say_it_came_back(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			     struct wire *answer)
{
	struct msg_question question;

	say_nothing(f, tcp, q, len, answer);
	question = last_question();
	assert_true(upstreams_is_loop(set, &question));
	wire_answer_to(answer, q, len, RCODE_REFUSED);
}

static void open_set(fake_fn say, bool loop_check, const char *tls_address)
{
	struct upstreams_options options = { .datapath = &datapath };
	struct conf_upstream u = { .name = "u", .type = CONF_PLAIN, .addresses = 1 };
	struct conf_group group = { .name = "default", .upstreams = 1 };
	struct conf_dns conf = { .upstream = &u, .upstreams = 1, .group = &group, .groups = 1 };
	char error[TRANSPORT_ERROR_MAX];

	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	fake_open(&fake, loop, "127.0.0.1", false, say);
	memset(fake_transports, 0, sizeof(fake_transports));
	options.loop = loop;
	u.address[0] = fake.endpoint;
	if (tls_address) {
		u.type = CONF_TLS;
		u.host = "dns.test";
		assert_int_equal(endpoint_parse(tls_address, 853, &u.address[0]), 0);
	}
	conf.loop_check = loop_check;
	assert_int_equal(upstreams_new(&options, &set), 0);
	assert_int_equal(upstreams_assign(set, &conf, NULL, 0, error), 0);
	upstream = upstreams_group(set, 0)->member[0];
	last.len = 0;
	if (loop_check)
		advance_ms(PROBE_LOOP_FIRST_MS);
}

static int teardown(void **state)
{
	upstreams_free(set);
	fake_close(&fake);
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}

static void go_down(void)
{
	for (unsigned int i = 0; i < HEALTH_DOWN_STREAK; i++)
		upstream_failed(upstream);
	assert_int_equal(upstream->health.state, HEALTH_DOWN);
}

static void c25_while_down_it_is_probed_every_two_seconds(void **state)
{
	open_set(say_nothing, false, NULL);
	go_down();
	turn_until(loop, fake.asked == 1);
	for (unsigned int i = 1; i < 5; i++) {
		advance_ms(PROBE_HEALTH_TIMEOUT_MS);
		settle_loop(loop);
		assert_int_equal(fake.asked, i);
		assert_int_equal(upstream->env->sockets, 0); /* its second is over */
		advance_ms(PROBE_HEALTH_MS - PROBE_HEALTH_TIMEOUT_MS - 1);
		settle_loop(loop);
		assert_int_equal(fake.asked, i);
		advance_ms(1);
		turn_until(loop, fake.asked == i + 1);
	}
	assert_int_equal(upstream->asked, 0); /* the figures are of clients' questions */
	assert_int_equal(upstream->timeouts, 0);
}

static void c25_the_probe_is_ns_of_the_root_with_edns_4096(void **state)
{
	struct msg_question q;
	struct edns edns;

	open_set(say_nothing, false, NULL);
	go_down();
	turn_until(loop, fake.asked == 1);
	q = last_question();
	assert_int_equal(q.name.len, 1);
	assert_int_equal(q.type, 2);
	assert_int_equal(edns_find(last.b, last.len, q.end, &edns), 0);
	assert_true(edns.present);
	assert_int_equal(msg_get16(last.b + q.end + 3), 4096);
}

static void c25_its_first_answer_brings_it_back_and_ends_the_probes(void **state)
{
	open_set(say_nothing, false, NULL);
	go_down();
	turn_until(loop, fake.asked == 1);
	fake.say = say_yes;
	advance_ms(PROBE_HEALTH_TIMEOUT_MS);
	settle_loop(loop);
	advance_ms(PROBE_HEALTH_MS - PROBE_HEALTH_TIMEOUT_MS);
	turn_until(loop, upstream->health.state == HEALTH_UP);
	advance_ms(10 * PROBE_HEALTH_MS);
	settle_loop(loop);
	assert_int_equal(fake.asked, 2);
}

static void c25_ten_seconds_after_a_failure_it_is_down_without_another_question(void **state)
{
	open_set(say_nothing, false, NULL);
	upstream_failed(upstream);
	advance_ms(HEALTH_DOWN_MS - 1);
	settle_loop(loop);
	assert_int_equal(upstream->health.state, HEALTH_NEW);
	advance_ms(1);
	turn_until(loop, upstream->health.state == HEALTH_DOWN);
	turn_until(loop, fake.asked == 1);
}

static void c25_a_success_of_a_client_ends_the_wait(void **state)
{
	open_set(say_nothing, false, NULL);
	upstream_failed(upstream);
	upstream_answered(upstream, 10);
	advance_ms(HEALTH_DOWN_MS);
	settle_loop(loop);
	assert_int_equal(upstream->health.state, HEALTH_UP);
	assert_int_equal(fake.asked, 0);
}

static void c25_the_probe_goes_over_the_upstreams_own_transport(void **state)
{
	open_set(say_nothing, false, "192.0.2.1");
	go_down();
	turn_until(loop, fake_transports[0].asked == 1);
	fake_transport_end(&fake_transports[0], 0);
	assert_int_equal(upstream->health.state, HEALTH_UP);
	assert_int_equal(fake.asked, 0);
}

static void c26_an_upstream_that_asks_us_is_skipped(void **state)
{
	struct msg_question q;

	open_set(say_it_came_back, true, NULL);
	turn_until(loop, upstream->looped);
	q = last_question();
	assert_int_equal(q.type, 16);
	assert_true(probe_is_loop_name(&q.name));
	settle_loop(loop);
	assert_int_equal(upstream_group_pick(upstreams_group(set, 0), 0), -EDEADLK);
}

static void c26_the_next_check_after_a_minute_lets_it_in_again(void **state)
{
	open_set(say_it_came_back, true, NULL);
	turn_until(loop, upstream->looped);
	settle_loop(loop);
	fake.say = say_yes;
	advance_ms(PROBE_LOOP_MS - 1);
	settle_loop(loop);
	assert_int_equal(fake.asked, 1);
	assert_true(upstream->looped);
	advance_ms(1);
	turn_until(loop, fake.asked == 2);
	turn_until(loop, !upstream->looped);
}

static void c26_one_that_goes_on_looping_stays_out_all_the_time(void **state)
{
	open_set(say_it_came_back, true, NULL);
	turn_until(loop, upstream->looped);
	settle_loop(loop);
	for (unsigned int i = 1; i < 4; i++) {
		advance_ms(PROBE_LOOP_MS);
		turn_until(loop, fake.asked == i + 1);
		settle_loop(loop);
		assert_true(upstream->looped);
	}
}

static void c26_silence_is_no_loop(void **state)
{
	open_set(say_nothing, true, NULL);
	turn_until(loop, fake.asked == 1);
	advance_ms(PROBE_LOOP_TIMEOUT_MS);
	settle_loop(loop);
	assert_false(upstream->looped);
	assert_int_equal(upstream->env->sockets, 0);
}

static void c26_names_differ_each_time_and_others_are_not_taken_for_ours(void **state)
{
	struct msg_question first, second;

	open_set(say_yes, true, NULL);
	turn_until(loop, fake.asked == 1);
	first = last_question();
	settle_loop(loop);
	advance_ms(PROBE_LOOP_MS);
	turn_until(loop, fake.asked == 2);
	second = last_question();
	assert_false(name_eq(&first.name, &second.name));
	settle_loop(loop);
	assert_false(upstreams_is_loop(set, &first));
	assert_false(upstreams_is_loop(set, &second)); /* its answer has come: no circle */
	second.name.wire[1] ^= 1;
	assert_false(upstreams_is_loop(set, &second));
	assert_false(upstream->looped);
}

static void c26_only_near_upstreams_are_checked_and_only_if_wanted(void **state)
{
	open_set(say_nothing, true, "192.0.2.1");
	settle_loop(loop);
	assert_int_equal(fake_transports[0].asked, 0);
	upstreams_free(set);
	fake_close(&fake);
	loop_free(loop);
	open_set(say_nothing, true, "192.168.1.1");
	settle_loop(loop);
	assert_int_equal(fake_transports[0].asked, 1);
	upstreams_free(set);
	fake_close(&fake);
	loop_free(loop);
	open_set(say_nothing, false, "192.168.1.1");
	settle_loop(loop);
	assert_int_equal(fake_transports[0].asked, 0);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(c25_while_down_it_is_probed_every_two_seconds),
		T(c25_the_probe_is_ns_of_the_root_with_edns_4096),
		T(c25_its_first_answer_brings_it_back_and_ends_the_probes),
		T(c25_ten_seconds_after_a_failure_it_is_down_without_another_question),
		T(c25_a_success_of_a_client_ends_the_wait),
		T(c25_the_probe_goes_over_the_upstreams_own_transport),
		T(c26_an_upstream_that_asks_us_is_skipped),
		T(c26_the_next_check_after_a_minute_lets_it_in_again),
		T(c26_one_that_goes_on_looping_stays_out_all_the_time),
		T(c26_silence_is_no_loop),
		T(c26_names_differ_each_time_and_others_are_not_taken_for_ours),
		T(c26_only_near_upstreams_are_checked_and_only_if_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
