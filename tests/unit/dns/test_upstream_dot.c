// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* upstream_dot.c over TLS and plain TCP: framing, IDs, pipelining, connections that break. */
#include "support.h"

#include "base/limits.h"
#include "dns/hop.h"
#include "transport_support.h"

#define HEARD_MAX (2 * ASKS_MAX)

static struct identity identity;

/* What the server has heard: whole messages in order, and who said them. */
static struct {
	unsigned int num;
	struct peer *peer[HEARD_MAX];
	struct wire message[HEARD_MAX];
} heard;

/* How it answers. */
static struct {
	unsigned int after; /* says nothing before it has heard so many */
	unsigned int aborts; /* connections that it resets instead */
	bool backwards;
	void (*say)(struct wire *answer, const uint8_t *q, size_t len);
} how;

static void send_message(struct peer *p, const struct wire *w)
{
	uint8_t whole[2 + MSG_MAX];

	msg_put16(whole, (uint16_t)w->len);
	memcpy(whole + 2, w->b, w->len);
	peer_send(p, whole, w->len + 2);
}

static void answer_one(unsigned int i)
{
	static struct wire answer;

	answer.len = 0;
	how.say(&answer, heard.message[i].b, heard.message[i].len);
	if (answer.len)
		send_message(heard.peer[i], &answer);
}

static void answer_all(void)
{
	for (unsigned int i = 0; i < heard.num; i++)
		answer_one(how.backwards ? heard.num - 1 - i : i);
	heard.num = 0;
}

static void hear(struct peer *p)
{
	size_t len;

	while (p->len >= 2 && p->len >= 2 + (len = msg_get16(p->in))) {
		struct wire *w = &heard.message[heard.num];

		assert_true(heard.num < HEARD_MAX);
		w->len = 0;
		wire_bytes(w, p->in + 2, len);
		heard.peer[heard.num++] = p;
		p->len -= 2 + len;
		memmove(p->in, p->in + 2 + len, p->len);
	}
	if (heard.num < how.after || !heard.num)
		return;
	if (how.aborts) {
		how.aborts--;
		heard.num = 0;
		peer_abort(p);
		return;
	}
	answer_all();
}

static void start(enum conf_upstream_type type)
{
	upstream.type = type;
	start_with(type == CONF_TLS ? make_context(&identity, "\3dot") : NULL, hear);
}

static int setup(void **state)
{
	memset(&how, 0, sizeof(how));
	heard.num = 0;
	how.say = say_address;
	set_up_transport(CONF_TLS);
	return 0;
}

/* --- questions and answers ---------------------------------------------------------------- */

static void c20_asks_over_tls_padded_and_is_answered(void **state)
{
	start(CONF_TLS);
	how.after = 2;
	ask(0);
	turn_until(loop, heard.num == 1);
	assert_int_equal(heard.message[0].len % HOP_BLOCK, 0);
	how.after = 0;
	answer_all();
	turn_until(loop, asks[0]->done);
	assert_answered(asks[0]);
	assert_int_equal(figures().handshakes, 1);
}

static void asks_over_plain_tcp_as_it_is(void **state)
{
	start(CONF_TCP);
	how.after = 2;
	ask(0);
	turn_until(loop, heard.num == 1);
	assert_int_equal(heard.message[0].len, asks[0]->message.len);
	answer_all();
	turn_until(loop, asks[0]->done);
	assert_answered(asks[0]);
}

static void a_connection_is_used_again(void **state)
{
	start(CONF_TLS);
	for (unsigned int i = 0; i < 5; i++)
		assert_answered(ask_wait(i));
	assert_int_equal(server->accepted, 1);
}

static void answers_may_come_in_any_order(void **state)
{
	start(CONF_TLS);
	how.after = 50;
	how.backwards = true;
	for (unsigned int i = 0; i < 50; i++)
		ask(i);
	turn_until(loop, done_num(50) == 50);
	for (unsigned int i = 0; i < 50; i++)
		assert_answered(asks[i]);
	assert_int_equal(server->accepted, 1);
}

static void connect_first(void)
{
	assert_answered(ask_wait(0));
	how.after = UINT32_MAX;
}

static void each_id_of_a_connection_is_its_own(void **state)
{
	static bool used[65536];

	start(CONF_TCP);
	connect_first();
	for (unsigned int i = 0; i < 60; i++)
		ask(i);
	turn_until(loop, heard.num == 60);
	for (unsigned int i = 0; i < 60; i++) {
		uint16_t id = msg_get16(heard.message[i].b);

		assert_false(used[id]);
		used[id] = true;
	}
	answer_all();
	turn_until(loop, done_num(60) == 60);
}

static void one_byte_at_a_time(void **state)
{
	start(CONF_TLS);
	server->bytewise = true;
	assert_answered(ask_wait(0));
	assert_answered(ask_wait(1));
	assert_int_equal(server->accepted, 1);
}

static void say_64k(struct wire *answer, const uint8_t *q, size_t len)
{
	static uint8_t rdata[MSG_MAX];

	say_address(answer, q, len);
	wire_record(answer, SECTION_ADDITIONAL, NULL, 16, 60, rdata, MSG_MAX - answer->len - 12);
	assert_int_equal(answer->len, MSG_MAX);
}

static void the_longest_answer_comes_whole(void **state)
{
	start(CONF_TLS);
	how.say = say_64k;
	how.after = 10;
	for (unsigned int i = 0; i < 10; i++)
		ask(i);
	turn_until(loop, done_num(10) == 10);
	for (unsigned int i = 0; i < 10; i++) {
		assert_answered(asks[i]);
		assert_int_equal(asks[i]->answer.len, MSG_MAX);
	}
}

static void say_with_hop_options(struct wire *answer, const uint8_t *q, size_t len)
{
	static const uint8_t options[] = { 0, 11, 0, 2, 0, 100, 0, 12, 0, 3, 0, 0, 0 };

	say_address(answer, q, len);
	wire_opt(answer, 1232, false, options, sizeof(options));
}

static void options_of_the_hop_are_not_passed_on(void **state)
{
	struct edns e;
	struct ask *a;

	start(CONF_TLS);
	how.say = say_with_hop_options;
	a = ask_wait(0);
	assert_answered(a);
	assert_int_equal(edns_find(a->answer.b, a->answer.len, a->question.question_end, &e), 0);
	assert_int_equal(e.end - e.offset, EDNS_OPT_BYTES);
}

/* --- what does not fit -------------------------------------------------------------------- */

static void say_wrong_then_right(struct wire *answer, const uint8_t *q, size_t len)
{
	struct wire wrong = { 0 };

	say_address(&wrong, q, len);
	msg_put16(wrong.b, (uint16_t)(msg_get16(q) + 1));
	send_message(server_peer(server), &wrong);
	say_address(&wrong, q, len);
	wrong.b[MSG_HEADER_BYTES + 1]++;
	send_message(server_peer(server), &wrong);
	say_address(answer, q, len);
}

static void wrong_ids_and_questions_are_thrown_away(void **state)
{
	start(CONF_TLS);
	how.say = say_wrong_then_right;
	assert_answered(ask_wait(0));
	assert_int_equal(server->accepted, 1);
	assert_int_equal(test_counters.drops.dns_spoof, 1);
}

static void an_answer_to_what_was_cancelled_is_thrown_away(void **state)
{
	start(CONF_TLS);
	how.after = 2;
	ask(0);
	turn_until(loop, heard.num == 1);
	transport_cancel(&asks[0]->request);
	assert_true(transport_is_idle(&asks[0]->request));
	assert_answered(ask_wait(1));
	settle_loop(loop);
	assert_int_equal(asks[0]->done, 0);
	assert_int_equal(server->accepted, 1);
}

static void what_waits_for_a_connection_can_be_cancelled(void **state)
{
	start(CONF_TLS);
	ask(0);
	ask(1);
	transport_cancel(&asks[0]->request);
	transport_cancel(&asks[0]->request);
	turn_until(loop, asks[1]->done);
	assert_int_equal(asks[0]->done, 0);
}

static void say_nonsense(struct wire *answer, const uint8_t *q, size_t len)
{
	wire_bytes(answer, q, 5);
}

static void a_message_shorter_than_a_header_ends_the_connection(void **state)
{
	start(CONF_TLS);
	how.say = say_nonsense;
	assert_int_equal(ask_wait(0)->status, -ECONNRESET);
	assert_int_equal(server->accepted, 2);
	settle_loop(loop);
	assert_int_equal(server_open(server), 0);
}

/* --- connections -------------------------------------------------------------------------- */

static void a_lost_connection_costs_no_question(void **state)
{
	start(CONF_TLS);
	connect_first();
	how.after = 20;
	how.aborts = 1;
	for (unsigned int i = 0; i < 20; i++)
		ask(i);
	turn_until(loop, done_num(20) == 20);
	for (unsigned int i = 0; i < 20; i++)
		assert_answered(asks[i]);
	assert_int_equal(server->accepted, 2);
}

static void lost_twice_is_lost(void **state)
{
	start(CONF_TLS);
	connect_first();
	how.after = 1;
	how.aborts = 2;
	assert_int_equal(ask_wait(1)->status, -ECONNRESET);
	assert_int_equal(server->accepted, 2);
	assert_int_equal(figures().failures, 2);
}

static void say_half(struct wire *answer, const uint8_t *q, size_t len)
{
	uint8_t prefix[2] = { 0x10, 0 };
	struct peer *p = server_peer(server);

	peer_send(p, prefix, 2);
	peer_send(p, q, len / 2);
	how.say = say_address;
	peer_abort(p);
}

static void one_that_breaks_off_within_an_answer_is_asked_again(void **state)
{
	start(CONF_TLS);
	how.say = say_half;
	assert_answered(ask_wait(0));
	assert_int_equal(server->accepted, 2);
}

static void the_end_of_an_idle_connection_is_no_failure(void **state)
{
	start(CONF_TLS);
	assert_answered(ask_wait(0));
	peer_leave(server_peer(server));
	turn_until(loop, figures().open == 0);
	assert_int_equal(figures().failures, 0);
	assert_answered(ask_wait(1));
	assert_int_equal(server->accepted, 2);
}

static void c23_a_second_connection_resumes_the_session(void **state)
{
	start(CONF_TLS);
	assert_answered(ask_wait(0));
	peer_leave(server_peer(server));
	turn_until(loop, figures().open == 0);
	assert_answered(ask_wait(1));
	assert_int_equal(server->resumed, 1);
	assert_int_equal(figures().resumed, 1);
}

/* The file of the authorities is another one now: 0 or what transport_reread() says. */
static int reread(const struct identity *id, bool take)
{
	char error[TRANSPORT_ERROR_MAX] = "";
	int r;

	trust(id);
	r = transport_reread(transport, error);
	assert_int_equal(r < 0, error[0] != '\0');
	transport_renew(transport, take);
	return r;
}

static void authorities_are_read_again_when_their_file_has_changed(void **state)
{
	struct identity other = make_identity(NULL, NULL, -10, 10);
	char error[TRANSPORT_ERROR_MAX];

	start(CONF_TLS);
	assert_answered(ask_wait(0));
	assert_int_equal(transport_reread(transport, error), 0);
	transport_renew(transport, true);
	assert_int_equal(figures().open, 1); /* it had not */
	assert_int_equal(reread(NULL, false), -EINVAL);
	assert_int_equal(reread(&other, false), 0);
	assert_int_equal(figures().open, 1);
	assert_answered(ask_wait(1));
	assert_int_equal(reread(&other, true), 0);
	assert_int_equal(figures().open, 0);
	assert_int_equal(ask_wait(2)->status, -EKEYREJECTED);
	assert_int_equal(reread(&authority, true), 0);
	assert_answered(ask_wait(3));
	assert_int_equal(figures().handshakes, 2);
	identity_done(&other);
}

static void authorities_that_have_changed_cost_no_question(void **state)
{
	struct identity other = make_identity(NULL, NULL, -10, 10);

	start(CONF_TLS);
	how.after = 2;
	ask(0);
	turn_until(loop, heard.num == 1);
	trust(&other);
	assert_int_equal(reread(&authority, true), 0);
	how.after = 1;
	turn_until(loop, asks[0]->done);
	assert_answered(asks[0]);
	identity_done(&other);
}

static void c23_an_idle_connection_is_closed(void **state)
{
	start(CONF_TLS);
	assert_answered(ask_wait(0));
	advance_ms(TRANSPORT_IDLE_MS - 1);
	settle_loop(loop);
	assert_int_equal(figures().open, 1);
	advance_ms(2);
	turn_until(loop, figures().open == 0);
	turn_until(loop, server_open(server) == 0);
	assert_int_equal(figures().failures, 0);
}

static void c23_more_connections_are_opened_under_load_up_to_16(void **state)
{
	static struct ask *load[2000];
	unsigned int n = sizeof(load) / sizeof(load[0]);

	start(CONF_TLS);
	how.after = UINT32_MAX; /* nobody answers */
	for (unsigned int i = 0; i < n; i++) {
		load[i] = ask_new("load.example");
		assert_int_equal(transport_ask(transport, &load[i]->request), 0);
		for (unsigned int turns = 0; i % 100 == 99 && turns < 10; turns++) {
			loop_once(loop, 2);
			heard.num = 0;
		}
	}
	for (unsigned int i = 0; i < 100 && server->handshakes < TRANSPORT_CONNECTIONS_MAX; i++)
		loop_once(loop, 5);
	settle_loop(loop);
	assert_int_equal(server->accepted, TRANSPORT_CONNECTIONS_MAX);
	assert_int_equal(figures().open, TRANSPORT_CONNECTIONS_MAX);
	for (unsigned int i = 0; i < n; i++) {
		transport_cancel(&load[i]->request);
		free(load[i]);
	}
}

static void one_that_says_nothing_gets_no_more_requests(void **state)
{
	start(CONF_TLS);
	connect_first();
	advance_ms(10);
	ask(1);
	turn_until(loop, heard.num == 1);
	advance_ms(TRANSPORT_SUSPECT_MS);
	transport_cancel(&asks[1]->request);
	heard.num = 0;
	how.after = 1;
	assert_answered(ask_wait(2));
	assert_int_equal(server->accepted, 2);
	turn_until(loop, server_open(server) == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tear_down_transport)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(c20_asks_over_tls_padded_and_is_answered),
		TEST(asks_over_plain_tcp_as_it_is),
		TEST(a_connection_is_used_again),
		TEST(answers_may_come_in_any_order),
		TEST(each_id_of_a_connection_is_its_own),
		TEST(one_byte_at_a_time),
		TEST(the_longest_answer_comes_whole),
		TEST(options_of_the_hop_are_not_passed_on),
		TEST(wrong_ids_and_questions_are_thrown_away),
		TEST(an_answer_to_what_was_cancelled_is_thrown_away),
		TEST(what_waits_for_a_connection_can_be_cancelled),
		TEST(a_message_shorter_than_a_header_ends_the_connection),
		TEST(a_lost_connection_costs_no_question),
		TEST(lost_twice_is_lost),
		TEST(one_that_breaks_off_within_an_answer_is_asked_again),
		TEST(the_end_of_an_idle_connection_is_no_failure),
		TEST(c23_a_second_connection_resumes_the_session),
		TEST(authorities_are_read_again_when_their_file_has_changed),
		TEST(authorities_that_have_changed_cost_no_question),
		TEST(c23_an_idle_connection_is_closed),
		TEST(c23_more_connections_are_opened_under_load_up_to_16),
		TEST(one_that_says_nothing_gets_no_more_requests),
	};
	int r;

	make_authority(NULL);
	identity = make_identity(&authority, "DNS:" HOST, -1, 5);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	identity_done(&identity);
	remove_authority(NULL);
	return r;
}
