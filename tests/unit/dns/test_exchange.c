// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* exchange.c: upstreams in order, failover, time, and what others can join. */
#include "support.h"

#include "dns/exchange.h"

static struct loop *loop;
static struct datapath datapath;
static struct exchanges *exchanges;
static struct upstreams *upstreams;
static struct upstream_group *group;
static struct fake fake[4];
static unsigned int fakes;
static struct wire query;

static struct {
	unsigned int num;
	struct exchange_result result;
	uint8_t rcode;
} got;

static void done(void *arg, struct exchange *x, struct exchange_result *result)
{
	got.num++;
	got.result = *result;
	got.rcode = result->msg ? result->msg[3] & MSG_RCODE : 0xff;
}

static void say_yes(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	wire_answer_to(answer, q, len, 0);
	wire_a(answer, 60, "192.0.2.1");
}

static void say_nothing(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
}

static void say_servfail(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			 struct wire *answer)
{
	wire_answer_to(answer, q, len, RCODE_SERVFAIL);
}

static void say_garbage(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	wire_answer_to(answer, q, len, 0);
	wire_count(answer, 6);
}

/* The members of the only group, in their order. */
static struct upstream *member(unsigned int i)
{
	return group->member[i];
}

/* An upstream per answerer; NULL = nobody listens there. */
static void setup_group(const fake_fn *say, unsigned int num, struct conf_group conf,
			uint32_t sockets_max, uint32_t timeout_ms)
{
	struct exchange_limits limits = { .exchanges_max = 64, .sockets_max = sockets_max };
	struct upstreams_options options = { .datapath = &datapath };
	struct conf_upstream upstream[4] = { 0 };
	struct conf_dns dns = {
		.upstream = upstream, .upstreams = num, .group = &conf, .groups = 1
	};
	char error[TRANSPORT_ERROR_MAX];

	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	fakes = num;
	for (unsigned int i = 0; i < num; i++) {
		fake_open(&fake[i], loop, "127.0.0.1", true, say[i] ? say[i] : say_nothing);
		snprintf(upstream[i].name, sizeof(upstream[i].name), "u%u", i);
		upstream[i].type = CONF_PLAIN;
		upstream[i].address[0] = say[i] ? fake[i].endpoint : closed_endpoint();
		upstream[i].addresses = 1;
		upstream[i].timeout_ms = timeout_ms;
		conf.upstream[conf.upstreams++] = i;
	}
	options.loop = loop;
	assert_int_equal(upstreams_new(&options, &upstreams), 0);
	assert_int_equal(upstreams_assign(upstreams, &dns, NULL, 0, error), 0);
	group = upstreams_group(upstreams, 0);
	assert_int_equal(exchanges_new(loop, &datapath, upstreams, &limits, done, NULL, &exchanges),
			 0);
	memset(&got, 0, sizeof(got));
}

static void setup_with(fake_fn first, fake_fn second, uint32_t sockets_max)
{
	fake_fn say[2] = { first, second };
	struct conf_group conf = { .failover_rcodes = UPSTREAM_RCODES };

	setup_group(say, second ? 2 : 1, conf, sockets_max, 0);
}

static int teardown(void **state)
{
	exchanges_free(exchanges);
	exchanges = NULL;
	upstreams_free(upstreams);
	upstreams = NULL;
	for (unsigned int i = 0; i < fakes; i++)
		fake_close(&fake[i]);
	fakes = 0;
	loop_free(loop);
	clock_inject(NULL);
	test_socket_error = 0;
	return 0;
}

static struct exchange *start(const char *name)
{
	struct plain_question q;
	struct exchange *x;

	wire_query(&query, 0, name, TYPE_A);
	q = (struct plain_question){ .message = query.b,
				     .len = query.len,
				     .question_end = query.len };
	assert_int_equal(exchange_start(exchanges, group, &q, &x), 0);
	return x;
}

static void the_first_upstream_answers(void **state)
{
	setup_with(say_yes, say_yes, 10);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, 0);
	assert_int_equal(got.result.from.port, fake[0].endpoint.port);
	assert_int_equal(fake[1].asked, 0);
	assert_int_equal(member(0)->health.state, HEALTH_UP);
	assert_int_equal(member(0)->answers, 1);
}

static void refusal_goes_to_the_next_at_once(void **state)
{
	setup_with(NULL, say_yes, 10);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, 0);
	assert_int_equal(got.result.from.port, fake[1].endpoint.port);
	assert_int_equal(member(0)->failures, 1);
}

static void refusal_by_all_is_reported_at_once(void **state)
{
	fake_fn say[2] = { NULL, NULL };
	struct conf_group conf = { 0 };

	setup_group(say, 2, conf, 10, 0);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, -ECONNREFUSED);
}

static void servfail_goes_to_the_next(void **state)
{
	setup_with(say_servfail, say_yes, 10);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.rcode, RCODE_NOERROR);
}

static void servfail_of_the_only_one_is_its_answer(void **state)
{
	setup_with(say_servfail, NULL, 10);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, 0);
	assert_int_equal(got.rcode, RCODE_SERVFAIL);
}

static void servfail_is_better_than_the_next_ones_silence(void **state)
{
	setup_with(say_servfail, say_nothing, 10);
	start("www.test");
	turn_until(loop, fake[1].asked);
	settle_loop(loop);
	assert_int_equal(got.num, 0);
	advance_ms(600);
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, 0);
	assert_null(got.result.msg);
	assert_int_equal(got.result.rcode, RCODE_SERVFAIL);
	assert_int_equal(member(1)->timeouts, 1);
}

static void an_unparsable_answer_goes_to_the_next(void **state)
{
	setup_with(say_garbage, say_yes, 10);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.from.port, fake[1].endpoint.port);
}

static void silence_brings_in_the_next_and_both_may_answer(void **state)
{
	setup_with(say_nothing, say_nothing, 10);
	start("www.test");
	turn_until(loop, fake[0].asked == 1);
	advance_ms(600);
	turn_until(loop, fake[1].asked == 1);
	fake[0].say = say_yes;
	advance_ms(800);
	turn_until(loop, got.num);
	assert_int_equal(got.result.from.port, fake[0].endpoint.port);
	assert_int_equal(member(1)->timeouts, 1);
}

static void a_slow_answer_counts_after_others_were_asked(void **state)
{
	static struct wire answer;
	struct sockaddr_storage ss;
	struct exchange_attempt *first;
	struct exchange *x;
	socklen_t len;

	setup_with(say_nothing, say_nothing, 10);
	x = start("www.test");
	turn_until(loop, fake[0].asked == 1);
	advance_ms(600);
	turn_until(loop, fake[1].asked == 1);
	first = list_first(&x->attempts, struct exchange_attempt, link);
	wire_begin(&answer, first->attempt.plain.id, MSG_QR);
	wire_bytes(&answer, first->attempt.plain.sent, query.len - 12);
	wire_count(&answer, 4);
	len = endpoint_to_sockaddr(&fake[0].peer, &ss);
	sendto(fake[0].udp.fd, answer.b, answer.len, 0, (struct sockaddr *)&ss, len);
	turn_until(loop, got.num);
	assert_int_equal(got.result.from.port, fake[0].endpoint.port);
}

static void a_single_upstream_is_asked_again_three_times(void **state)
{
	static const unsigned int stages[] = EXCHANGE_STAGES;

	setup_with(say_nothing, NULL, 10);
	start("www.test");
	turn_until(loop, fake[0].asked == 1);
	for (unsigned int i = 0; i < EXCHANGE_STAGE_NUM; i++) {
		advance_ms(stages[i]);
		turn_until(loop, fake[0].asked == i + 2);
	}
	advance_ms(10000);
	settle_loop(loop);
	assert_int_equal(fake[0].asked, EXCHANGE_STAGE_NUM + 1);
	assert_int_equal(got.num, 0);
}

static void a_failing_upstream_is_asked_last(void **state)
{
	setup_with(NULL, say_yes, 10);
	for (unsigned int i = 0; i < HEALTH_FAILING_STREAK; i++) {
		start("www.test");
		turn_until(loop, got.num == i + 1);
	}
	assert_int_equal(member(0)->health.state, HEALTH_FAILING);
	start("www.test");
	turn_until(loop, got.num == HEALTH_FAILING_STREAK + 1);
	assert_int_equal(member(0)->failures, HEALTH_FAILING_STREAK);
}

static void c25_all_being_down_they_are_asked_in_order_once_each(void **state)
{
	setup_with(NULL, NULL, 10);
	for (unsigned int i = 0; i < group->num; i++)
		member(i)->health.state = HEALTH_DOWN;
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, -ECONNREFUSED);
	for (unsigned int i = 0; i < group->num; i++)
		assert_int_equal(member(i)->asked, 1);
}

static void c26_one_that_loops_is_not_asked(void **state)
{
	setup_with(say_yes, say_yes, 10);
	member(0)->looped = true;
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.from.port, fake[1].endpoint.port);
	member(1)->looped = true;
	start("www.test");
	turn_until(loop, got.num == 2);
	assert_int_equal(got.result.status, -EDEADLK);
	assert_int_equal(fake[0].asked, 0);
	assert_int_equal(fake[1].asked, 1);
}

static void say_nxdomain(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			 struct wire *answer)
{
	wire_answer_to(answer, q, len, RCODE_NXDOMAIN);
}

static void c10_only_the_groups_failover_rcodes_go_on(void **state)
{
	fake_fn say[2] = { say_nxdomain, say_yes };
	struct conf_group conf = { .failover_rcodes = 1U << RCODE_NXDOMAIN };

	setup_group(say, 2, conf, 10, 0);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.rcode, RCODE_NOERROR);
	fake[0].say = say_servfail;
	start("www.test");
	turn_until(loop, got.num == 2);
	assert_int_equal(got.rcode, RCODE_SERVFAIL);
	assert_int_equal(fake[1].asked, 1);
}

static void c10_without_failover_rcodes_the_first_answer_counts(void **state)
{
	fake_fn say[2] = { say_servfail, say_yes };
	struct conf_group conf = { 0 };

	setup_group(say, 2, conf, 10, 0);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.rcode, RCODE_SERVFAIL);
	assert_int_equal(fake[1].asked, 0);
}

static void c23_upstreams_are_asked_in_the_order_of_their_group(void **state)
{
	fake_fn say[4] = { say_servfail, NULL, say_garbage, say_yes };
	struct conf_group conf = { .failover_rcodes = UPSTREAM_RCODES };

	setup_group(say, 4, conf, 10, 0);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.rcode, RCODE_NOERROR);
	assert_int_equal(got.result.from.port, fake[3].endpoint.port);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(member(i)->asked, 1);
}

static void in_a_race_all_are_asked_and_the_first_usable_answer_counts(void **state)
{
	fake_fn say[4] = { say_nothing, say_servfail, say_nothing, say_yes };
	struct conf_group conf = { .race = true, .failover_rcodes = UPSTREAM_RCODES };

	setup_group(say, 4, conf, 10, 0);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.rcode, RCODE_NOERROR);
	assert_int_equal(got.result.from.port, fake[3].endpoint.port);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(member(i)->asked, 1);
	/* the losers were cancelled: nothing is held against them, no socket is left */
	assert_int_equal(upstreams->env.sockets, 0);
	assert_int_equal(member(0)->timeouts + member(0)->failures, 0);
	settle_loop(loop);
	assert_int_equal(got.num, 1);
}

static void the_upstreams_timeout_brings_in_the_next_before_the_stage_does(void **state)
{
	fake_fn say[2] = { say_nothing, say_yes };
	struct conf_group conf = { 0 };

	setup_group(say, 2, conf, 10, 300);
	start("www.test");
	turn_until(loop, fake[0].asked == 1);
	advance_ms(299);
	settle_loop(loop);
	assert_int_equal(fake[1].asked, 0);
	advance_ms(2);
	turn_until(loop, got.num);
	assert_int_equal(got.result.from.port, fake[1].endpoint.port);
	assert_int_equal(member(0)->timeouts, 1);
}

static void c20_timeouts_of_all_upstreams_end_it_after_three_rounds(void **state)
{
	fake_fn say[1] = { say_nothing };
	struct conf_group conf = { 0 };

	setup_group(say, 1, conf, 10, 300);
	start("www.test");
	for (unsigned int i = 0; i < EXCHANGE_ROUNDS; i++) {
		turn_until(loop, fake[0].asked >= i + 1 && member(0)->asked == i + 1);
		assert_int_equal(got.num, 0);
		advance_ms(301);
	}
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, -ETIMEDOUT);
	assert_int_equal(member(0)->timeouts, EXCHANGE_ROUNDS);
}

/* A reload while a question is under way: it ends with what it began with. */
static void what_is_in_flight_ends_in_the_group_it_began_with(void **state)
{
	struct endpoint other = closed_endpoint();
	char error[TRANSPORT_ERROR_MAX];
	struct upstream_group *old;
	struct exchange *x;

	setup_with(say_nothing, NULL, 10);
	x = start("www.test");
	old = group;
	turn_until(loop, fake[0].asked == 1);
	assert_int_equal(upstreams_assign(upstreams, NULL, &other, 1, error), 0);
	group = upstreams_group(upstreams, 0);
	assert_ptr_not_equal(group, old);
	assert_ptr_equal(x->group, old);
	assert_null(exchange_find(exchanges, group, query.b, query.len));
	fake[0].say = say_yes;
	advance_ms(600);
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, 0);
	assert_int_equal(got.result.from.port, fake[0].endpoint.port);
	start("www.test");
	turn_until(loop, got.num == 2);
	assert_int_equal(got.result.status, -ECONNREFUSED);
}

static void without_upstreams_it_says_so(void **state)
{
	fake_fn say[1];
	struct conf_group conf = { 0 };

	setup_group(say, 0, conf, 10, 0);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, -EDESTADDRREQ);
}

static void out_of_descriptors_ends_it(void **state)
{
	setup_with(say_yes, say_yes, 10);
	test_socket_error = -EMFILE;
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, -EMFILE);
	assert_int_equal(member(0)->failures, 0);
}

static void waits_for_a_free_socket(void **state)
{
	struct exchange *first;

	setup_with(say_nothing, NULL, 1);
	first = start("a.test");
	start("b.test");
	turn_until(loop, fake[0].asked == 1);
	settle_loop(loop);
	assert_int_equal(fake[0].asked, 1);
	fake[0].say = say_yes;
	exchange_abandon(first);
	turn_until(loop, got.num == 1);
	assert_int_equal(fake[0].asked, 2);
}

static void finds_the_same_question_only(void **state)
{
	struct exchange *x;
	static struct wire other;

	setup_with(say_nothing, NULL, 10);
	x = start("www.test");
	assert_ptr_equal(exchange_find(exchanges, group, query.b, query.len), x);
	wire_query(&other, 0, "www.test", TYPE_AAAA);
	assert_null(exchange_find(exchanges, group, other.b, other.len));
	exchange_abandon(x);
	assert_null(exchange_find(exchanges, group, query.b, query.len));
}

static void signed_questions_are_not_shared(void **state)
{
	struct plain_question q;
	struct exchange *x;

	setup_with(say_nothing, NULL, 10);
	wire_query(&query, 0, "www.test", TYPE_A);
	q = (struct plain_question){
		.message = query.b, .len = query.len, .question_end = query.len, .verbatim = true
	};
	assert_int_equal(exchange_start(exchanges, group, &q, &x), 0);
	assert_null(exchange_find(exchanges, group, query.b, query.len));
}

static void refuses_more_than_its_table_holds(void **state)
{
	struct plain_question q;
	struct exchange *x;
	char name[24];

	setup_with(say_nothing, NULL, 10);
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		x = start(name);
	}
	q = (struct plain_question){ .message = query.b,
				     .len = query.len,
				     .question_end = query.len };
	assert_int_equal(exchange_start(exchanges, group, &q, &x), -ENOBUFS);
	exchange_abandon(exchange_find(exchanges, group, query.b, query.len));
	assert_int_equal(exchange_start(exchanges, group, &q, &x), 0);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_upstream_answers),
		T(refusal_goes_to_the_next_at_once),
		T(refusal_by_all_is_reported_at_once),
		T(servfail_goes_to_the_next),
		T(servfail_of_the_only_one_is_its_answer),
		T(servfail_is_better_than_the_next_ones_silence),
		T(an_unparsable_answer_goes_to_the_next),
		T(silence_brings_in_the_next_and_both_may_answer),
		T(a_slow_answer_counts_after_others_were_asked),
		T(a_single_upstream_is_asked_again_three_times),
		T(a_failing_upstream_is_asked_last),
		T(c25_all_being_down_they_are_asked_in_order_once_each),
		T(c26_one_that_loops_is_not_asked),
		T(c10_only_the_groups_failover_rcodes_go_on),
		T(c10_without_failover_rcodes_the_first_answer_counts),
		T(c23_upstreams_are_asked_in_the_order_of_their_group),
		T(in_a_race_all_are_asked_and_the_first_usable_answer_counts),
		T(the_upstreams_timeout_brings_in_the_next_before_the_stage_does),
		T(c20_timeouts_of_all_upstreams_end_it_after_three_rounds),
		T(what_is_in_flight_ends_in_the_group_it_began_with),
		T(without_upstreams_it_says_so),
		T(out_of_descriptors_ends_it),
		T(waits_for_a_free_socket),
		T(finds_the_same_question_only),
		T(signed_questions_are_not_shared),
		T(refuses_more_than_its_table_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
