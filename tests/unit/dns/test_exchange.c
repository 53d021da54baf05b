// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* exchange.c: upstreams in order, failover, time, and what others can join. */
#include "support.h"

#include "dns/exchange.h"

static struct loop *loop;
static struct datapath datapath;
static struct exchanges *exchanges;
static struct upstream_set upstreams;
static struct fake fake[2];
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

static void setup_with(fake_fn first, fake_fn second, uint32_t sockets_max)
{
	struct exchange_limits limits = { .exchanges_max = 64, .sockets_max = sockets_max };
	struct endpoint endpoints[2];

	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	fake_open(&fake[0], loop, "127.0.0.1", true, first ? first : say_nothing);
	fake_open(&fake[1], loop, "127.0.0.1", true, second ? second : say_nothing);
	endpoints[0] = first ? fake[0].endpoint : closed_endpoint();
	endpoints[1] = fake[1].endpoint;
	memset(&upstreams, 0, sizeof(upstreams));
	upstream_set_assign(&upstreams, endpoints, second ? 2 : 1);
	assert_int_equal(
		exchanges_new(loop, &datapath, &upstreams, &limits, done, NULL, &exchanges), 0);
	memset(&got, 0, sizeof(got));
}

static int teardown(void **state)
{
	exchanges_free(exchanges);
	exchanges = NULL;
	fake_close(&fake[0]);
	fake_close(&fake[1]);
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
	assert_int_equal(exchange_start(exchanges, &q, &x), 0);
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
	assert_int_equal(upstreams.item[0].state, UPSTREAM_UP);
	assert_int_equal(upstreams.item[0].answers, 1);
}

static void refusal_goes_to_the_next_at_once(void **state)
{
	setup_with(NULL, say_yes, 10);
	start("www.test");
	turn_until(loop, got.num);
	assert_int_equal(got.result.status, 0);
	assert_int_equal(got.result.from.port, fake[1].endpoint.port);
	assert_int_equal(upstreams.item[0].failures, 1);
}

static void refusal_by_all_is_reported_at_once(void **state)
{
	setup_with(NULL, NULL, 10);
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
	assert_int_equal(upstreams.item[1].timeouts, 1);
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
	assert_int_equal(upstreams.item[1].timeouts, 1);
}

static void a_slow_answer_counts_after_others_were_asked(void **state)
{
	static struct wire answer;
	struct sockaddr_storage ss;
	struct exchange *x;
	socklen_t len;

	setup_with(say_nothing, say_nothing, 10);
	x = start("www.test");
	turn_until(loop, fake[0].asked == 1);
	advance_ms(600);
	turn_until(loop, fake[1].asked == 1);
	wire_begin(&answer, x->attempts[0].plain.id, MSG_QR);
	wire_bytes(&answer, x->attempts[0].plain.sent, query.len - 12);
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

static void a_dead_upstream_is_asked_last_for_a_while(void **state)
{
	setup_with(NULL, say_yes, 10);
	for (unsigned int i = 0; i < UPSTREAM_DOWN_STREAK; i++) {
		start("www.test");
		turn_until(loop, got.num == i + 1);
	}
	assert_int_equal(upstreams.item[0].state, UPSTREAM_DOWN);
	start("www.test");
	turn_until(loop, got.num == UPSTREAM_DOWN_STREAK + 1);
	assert_int_equal(upstreams.item[0].failures, UPSTREAM_DOWN_STREAK);
	advance_ms(UPSTREAM_DOWN_MS);
	start("www.test");
	turn_until(loop, got.num == UPSTREAM_DOWN_STREAK + 2);
	assert_int_equal(upstreams.item[0].failures, UPSTREAM_DOWN_STREAK + 1);
}

static void without_upstreams_it_says_so(void **state)
{
	setup_with(say_yes, NULL, 10);
	upstream_set_assign(&upstreams, NULL, 0);
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
	assert_int_equal(upstreams.item[0].failures, 0);
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
	assert_ptr_equal(exchange_find(exchanges, query.b, query.len), x);
	wire_query(&other, 0, "www.test", TYPE_AAAA);
	assert_null(exchange_find(exchanges, other.b, other.len));
	exchange_abandon(x);
	assert_null(exchange_find(exchanges, query.b, query.len));
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
	assert_int_equal(exchange_start(exchanges, &q, &x), 0);
	assert_null(exchange_find(exchanges, query.b, query.len));
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
	assert_int_equal(exchange_start(exchanges, &q, &x), -ENOBUFS);
	exchange_abandon(exchange_find(exchanges, query.b, query.len));
	assert_int_equal(exchange_start(exchanges, &q, &x), 0);
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
		T(a_dead_upstream_is_asked_last_for_a_while),
		T(without_upstreams_it_says_so),
		T(out_of_descriptors_ends_it),
		T(waits_for_a_free_socket),
		T(finds_the_same_question_only),
		T(signed_questions_are_not_shared),
		T(refuses_more_than_its_table_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
