// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* upstream_doh.c against a server of nghttp2's own over TLS: what is asked, what is believed. */
#include "support.h"

#include "base/limits.h"
#include "dns/hop.h"
#include "doh_support.h"
#include "transport_support.h"

#define MANY 150

static struct identity identity;

/* --- set-up ------------------------------------------------------------------------------- */

static int setup(void **state)
{
	memset(&how, 0, sizeof(how));
	memset(&saw, 0, sizeof(saw));
	how.say = say_address;
	set_up_transport(CONF_HTTPS);
	return 0;
}

static void start_as(const char *alpn)
{
	start_with(make_context(&identity, alpn), doh_hear);
	server->greet = doh_greet;
	server->leave = doh_leave;
}

static void start(void)
{
	start_as("\2h2");
}

static void assert_refused(const struct ask *a, const char *text)
{
	assert_int_equal(a->done, 1);
	assert_int_equal(a->status, -EREMOTEIO);
	assert_string_equal(figures().error, text);
}

/* --- questions ---------------------------------------------------------------------------- */

static void c20_asks_by_post(void **state)
{
	start();
	assert_answered(ask_wait(0));
	assert_string_equal(saw.last.method, "POST");
	assert_string_equal(saw.last.path, "/dns-query");
	assert_string_equal(saw.last.authority, HOST);
	assert_string_equal(saw.last.type, "application/dns-message");
	assert_string_equal(saw.last.accept, "application/dns-message");
	assert_int_equal(msg_get16(saw.last.body.b), 0);
	assert_int_equal(saw.last.body.len % HOP_BLOCK, 0);
}

static void c20_asks_by_get(void **state)
{
	upstream.get = true;
	start();
	for (unsigned int i = 0; i < 12; i++)
		assert_answered(ask_wait(i));
	assert_string_equal(saw.last.method, "GET");
	assert_non_null(strstr(saw.last.path, "/dns-query"
					      "?dns=AAA"));
	assert_string_equal(saw.last.type, "");
	assert_int_equal(msg_get16(saw.last.body.b), 0);
}

static void a_path_may_have_a_query_or_be_a_template(void **state)
{
	upstream.get = true;
	upstream.path = (char *)"/q?profile=7";
	start();
	assert_answered(ask_wait(0));
	assert_non_null(strstr(saw.last.path, "/q?profile=7&dns=AAA"));
	upstream.path = (char *)"/q{?dns}";
	assert_answered(ask_wait(0));
	assert_non_null(strstr(saw.last.path, "/q?dns=AAA"));
	upstream.get = false;
	assert_answered(ask_wait(0));
	assert_string_equal(saw.last.path, "/q");
}

static void a_path_that_is_too_long_ends_the_request(void **state)
{
	static char path[5000];

	memset(path, 'a', sizeof(path) - 1);
	upstream.path = path;
	start();
	assert_int_equal(ask_wait(0)->status, -EMSGSIZE);
}

static void the_authority_has_a_port_that_is_not_443(void **state)
{
	upstream.port = 8443;
	start();
	assert_answered(ask_wait(0));
	assert_string_equal(saw.last.authority, HOST ":8443");
}

static void a_server_without_http_2_is_refused(void **state)
{
	start_as("\10http/1.1");
	assert_int_equal(ask_wait(0)->status, -EPROTO);
	assert_non_null(strstr(figures().error, "it does not offer h2 by TLS (ALPN)"));
	assert_int_equal(server->heard, 0);
}

/* --- many --------------------------------------------------------------------------------- */

static void answers_of_one_connection_come_in_any_order(void **state)
{
	start();
	how.hold = 60;
	for (unsigned int i = 0; i < 60; i++)
		ask(i);
	turn_until(loop, done_num(60) == 60);
	for (unsigned int i = 0; i < 60; i++)
		assert_answered(asks[i]);
	assert_int_equal(server->accepted, 1);
}

static void the_servers_limit_of_streams_is_kept(void **state)
{
	how.streams = 10;
	start();
	assert_answered(ask_wait(0));
	for (unsigned int i = 0; i < MANY; i++)
		ask(i);
	turn_until(loop, done_num(MANY) == MANY);
	for (unsigned int i = 0; i < MANY; i++)
		assert_answered(asks[i]);
}

static void one_byte_at_a_time(void **state)
{
	start();
	server->bytewise = true;
	for (unsigned int i = 0; i < 5; i++)
		assert_answered(ask_wait(i));
	assert_int_equal(server->accepted, 1);
}

static void say_64k(struct wire *answer, const uint8_t *q, size_t len)
{
	static uint8_t rdata[MSG_MAX];

	say_address(answer, q, len);
	wire_record(answer, SECTION_ADDITIONAL, NULL, 16, 60, rdata, MSG_MAX - answer->len - 12);
}

static void the_longest_answer_comes_whole(void **state)
{
	start();
	how.say = say_64k;
	for (unsigned int i = 0; i < 8; i++)
		ask(i);
	turn_until(loop, done_num(8) == 8);
	for (unsigned int i = 0; i < 8; i++) {
		assert_answered(asks[i]);
		assert_int_equal(asks[i]->answer.len, MSG_MAX);
	}
}

/* --- what is not believed ----------------------------------------------------------------- */

static void say_too_much(struct wire *answer, const uint8_t *q, size_t len)
{
	say_64k(answer, q, len);
	wire_bytes(answer, "x", 1);
}

static void an_answer_over_64k_is_refused(void **state)
{
	start();
	how.say = say_too_much;
	assert_refused(ask_wait(0), "its answer is no DNS message of 64 KiB at most");
	how.say = say_address;
	assert_answered(ask_wait(0));
	assert_int_equal(server->accepted, 1);
}

static void another_content_type_is_refused(void **state)
{
	start();
	how.type = "text/html";
	assert_refused(ask_wait(0), "its answer is no DNS message of 64 KiB at most");
	how.type = "application/dns-message-not";
	assert_refused(ask_wait(0), "its answer is no DNS message of 64 KiB at most");
	how.type = "Application/DNS-message; charset=x";
	assert_answered(ask_wait(0));
}

static void c20_a_redirection_is_not_followed(void **state)
{
	start();
	how.status = "302";
	how.location = "http://portal.example/login page\x01";
	assert_int_equal(ask_wait(0)->status, -EREMOTEIO);
	settle_loop(loop);
	assert_int_equal(saw.requests, 1);
	assert_int_equal(server->accepted, 1);
}

static void c20_a_redirection_is_said(void **state)
{
	start();
	how.status = "307";
	how.location = "http://portal.example/login";
	assert_refused(ask_wait(0), "HTTP status 307: redirected to http://portal.example/login, "
				    "which is not followed (captive portal?)");
	how.status = NULL;
	how.location = NULL;
	assert_answered(ask_wait(0));
	assert_string_equal(figures().error, "");
}

static void other_statuses_are_failures(void **state)
{
	start();
	how.status = "429";
	assert_refused(ask_wait(0), "HTTP status 429");
	how.status = "503";
	assert_refused(ask_wait(0), "HTTP status 503");
	assert_int_equal(figures().failures, 2);
}

static void say_to_another(struct wire *answer, const uint8_t *q, size_t len)
{
	say_address(answer, q, len);
	answer->b[MSG_HEADER_BYTES + 1]++;
}

static void say_nothing(struct wire *answer, const uint8_t *q, size_t len)
{
}

static void an_answer_to_another_question_is_refused(void **state)
{
	start();
	how.say = say_to_another;
	assert_refused(ask_wait(0), "its answer does not answer the question");
	assert_int_equal(test_counters.drops.dns_spoof, 1);
	how.say = say_nothing;
	assert_refused(ask_wait(0), "its answer does not answer the question");
}

static uint32_t ttl_of(const struct ask *a)
{
	struct msg_record record;
	struct msg_walk w;

	msg_walk_begin(&w, a->answer.b, a->answer.len, a->question.question_end);
	assert_int_equal(msg_walk_next(&w, &record), 1);
	return record.ttl;
}

static void what_a_cache_has_kept_it_for_is_taken_off_the_ttl(void **state)
{
	start();
	how.age = "15";
	assert_answered(ask_wait(0));
	assert_int_equal(ttl_of(asks[0]), 45);
	how.age = "99999999999999999999";
	assert_answered(ask_wait(0));
	assert_int_equal(ttl_of(asks[0]), 0);
	how.age = "nonsense";
	assert_answered(ask_wait(0));
	assert_int_equal(ttl_of(asks[0]), 60);
}

/* --- streams and connections that end ----------------------------------------------------- */

static void a_cancelled_request_is_not_reported(void **state)
{
	start();
	assert_answered(ask_wait(9));
	how.hold = 3;
	ask(0);
	ask(1);
	turn_until(loop, saw.held_num == 2);
	transport_cancel(&asks[0]->request);
	ask(2);
	/* before it was even sent */
	transport_cancel(&asks[2]->request);
	how.hold = 2;
	ask(3);
	turn_until(loop, asks[1]->done && asks[3]->done);
	assert_answered(asks[1]);
	assert_answered(asks[3]);
	assert_int_equal(asks[0]->done + asks[2]->done, 0);
	assert_int_equal(server->accepted, 1);
}

static void all_may_be_cancelled_in_the_turn_they_are_sent(void **state)
{
	start();
	assert_answered(ask_wait(0));
	for (unsigned int i = 1; i < 50; i++)
		ask(i);
	loop_once(loop, 0);
	for (unsigned int i = 1; i < 50; i++)
		transport_cancel(&asks[i]->request);
	assert_answered(ask_wait(0));
	assert_int_equal(server->accepted, 1);
}

static void a_refused_stream_is_asked_again(void **state)
{
	start();
	how.refuse = 1;
	assert_answered(ask_wait(0));
	how.refuse = 2;
	assert_int_equal(ask_wait(0)->status, -ECONNRESET);
}

static void goaway_moves_requests_to_another_connection(void **state)
{
	start();
	how.goaways = 1;
	assert_answered(ask_wait(0));
	assert_int_equal(server->accepted, 2);
	turn_until(loop, figures().open == 1);
}

static void one_that_breaks_off_within_an_answer_is_asked_again(void **state)
{
	start();
	how.cuts = 1;
	assert_answered(ask_wait(0));
	assert_int_equal(server->accepted, 2);
}

static void half_an_answer_is_none(void **state)
{
	start();
	how.half = 1;
	assert_answered(ask_wait(0));
	assert_int_equal(saw.requests, 2);
}

static void send_frame(struct peer *p, uint8_t type, uint8_t flags, uint32_t stream,
		       const void *payload, size_t len)
{
	uint8_t frame[64] = { 0, 0, (uint8_t)len, type, flags };

	msg_put32(frame + 5, stream);
	memcpy(frame + 9, payload, len);
	peer_send(p, frame, 9 + len);
}

static void data_of_an_unknown_stream_ends_the_connection(void **state)
{
	start();
	assert_answered(ask_wait(0));
	send_frame(server_peer(server), NGHTTP2_DATA, 0, 4711, "hello", 5);
	turn_until(loop, figures().open == 0);
	assert_answered(ask_wait(0));
	assert_int_equal(server->accepted, 2);
}

static void a_pushed_stream_ends_the_connection(void **state)
{
	static const uint8_t promise[] = { 0, 0, 0, 2, 0x82 };

	start();
	assert_answered(ask_wait(0));
	send_frame(server_peer(server), NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, promise,
		   sizeof(promise));
	turn_until(loop, figures().open == 0);
	assert_answered(ask_wait(0));
}

static void greet_with_nonsense(struct peer *p)
{
	doh_greet(p);
	peer_send(p, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void what_is_not_http_2_ends_the_connection(void **state)
{
	start();
	server->greet = greet_with_nonsense;
	assert_int_equal(ask_wait(0)->status, -ECONNRESET);
	assert_int_equal(server->accepted, 2);
}

static void c23_a_silent_connection_is_pinged(void **state)
{
	start();
	assert_answered(ask_wait(0));
	settle_loop(loop);
	advance_ms(TRANSPORT_PING_MS + 1);
	turn_until(loop, saw.pings == 1);
	settle_loop(loop);
	advance_ms(TRANSPORT_PONG_MS + 1);
	settle_loop(loop);
	assert_int_equal(figures().open, 1);
	assert_int_equal(server->accepted, 1);
}

static void c23_one_that_does_not_answer_the_ping_is_given_up(void **state)
{
	how.deaf = true;
	start();
	assert_answered(ask_wait(0));
	settle_loop(loop);
	how.hold = 2;
	ask(1);
	turn_until(loop, saw.held_num == 1);
	settle_loop(loop);
	advance_ms(TRANSPORT_PING_MS + 1);
	turn_until(loop, saw.pings == 1);
	advance_ms(TRANSPORT_PONG_MS - 1000);
	settle_loop(loop);
	assert_int_equal(figures().open, 1);
	how.hold = 0;
	advance_ms(1001);
	turn_until(loop, asks[1]->done);
	assert_answered(asks[1]);
	assert_int_equal(server->accepted, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tear_down_transport)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(c20_asks_by_post),
		TEST(c20_asks_by_get),
		TEST(a_path_may_have_a_query_or_be_a_template),
		TEST(a_path_that_is_too_long_ends_the_request),
		TEST(the_authority_has_a_port_that_is_not_443),
		TEST(a_server_without_http_2_is_refused),
		TEST(answers_of_one_connection_come_in_any_order),
		TEST(the_servers_limit_of_streams_is_kept),
		TEST(one_byte_at_a_time),
		TEST(the_longest_answer_comes_whole),
		TEST(an_answer_over_64k_is_refused),
		TEST(another_content_type_is_refused),
		TEST(c20_a_redirection_is_not_followed),
		TEST(c20_a_redirection_is_said),
		TEST(other_statuses_are_failures),
		TEST(an_answer_to_another_question_is_refused),
		TEST(what_a_cache_has_kept_it_for_is_taken_off_the_ttl),
		TEST(a_cancelled_request_is_not_reported),
		TEST(all_may_be_cancelled_in_the_turn_they_are_sent),
		TEST(a_refused_stream_is_asked_again),
		TEST(goaway_moves_requests_to_another_connection),
		TEST(one_that_breaks_off_within_an_answer_is_asked_again),
		TEST(half_an_answer_is_none),
		TEST(data_of_an_unknown_stream_ends_the_connection),
		TEST(a_pushed_stream_ends_the_connection),
		TEST(what_is_not_http_2_ends_the_connection),
		TEST(c23_a_silent_connection_is_pinged),
		TEST(c23_one_that_does_not_answer_the_ping_is_given_up),
	};
	int r;

	make_authority(NULL);
	identity = make_identity(&authority, "DNS:" HOST, -1, 5);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	identity_done(&identity);
	remove_authority(NULL);
	return r;
}
