// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* hop.c: the options of one hop, and what counts as an answer. */
#include "support.h"

#include "dns/hop.h"

static struct wire message;
static uint8_t out[HOP_MESSAGE_MAX];

static const uint8_t keepalive[] = { 0, 11, 0, 2, 0, 100 };
static const uint8_t cookie[] = { 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
static const uint8_t padding[] = { 0, 12, 0, 5, 0, 0, 0, 0, 0 };

static struct plain_question question_of(const struct wire *w)
{
	struct msg_question question;

	assert_int_equal(msg_question_get(w->b, w->len, &question), 0);
	return (struct plain_question){ .message = w->b,
					.len = w->len,
					.question_end = question.end };
}

static void query_with(const void *options, size_t len)
{
	wire_query(&message, 0, "a.name.example", TYPE_A);
	wire_opt(&message, EDNS_PAYLOAD, true, options, len);
}

static void pads_to_whole_blocks_whatever_the_length(void **state)
{
	struct plain_question q;
	char name[128] = "";

	for (size_t n = 1; n < 120; n++) {
		struct edns e;
		size_t len;

		name[n - 1] = n % 50 == 0 ? '.' : 'a';
		if (name[n - 1] == '.')
			continue;
		wire_query(&message, 0, name, TYPE_A);
		wire_opt(&message, EDNS_PAYLOAD, false, NULL, 0);
		q = question_of(&message);
		len = hop_message(out, &q, 0x1234, true);
		assert_int_equal(len % HOP_BLOCK, 0);
		assert_int_equal(msg_get16(out), 0x1234);
		assert_int_equal(edns_find(out, len, q.question_end, &e), 0);
		assert_int_equal(e.end, len);
	}
}

static void pads_the_longest_message_within_bounds(void **state)
{
	static uint8_t option[PLAIN_QUESTION_MAX];
	struct plain_question q;
	size_t room;

	query_with(NULL, 0);
	room = PLAIN_QUESTION_MAX - message.len;
	msg_put16(option, 65001);
	msg_put16(option + 2, (uint16_t)(room - 4));
	query_with(option, room);
	q = question_of(&message);
	assert_int_equal(q.len, PLAIN_QUESTION_MAX);
	assert_true(hop_message(out, &q, 0, true) <= sizeof(out));
}

static void leaves_alone_what_is_signed_or_has_no_opt(void **state)
{
	struct plain_question q;

	query_with(keepalive, sizeof(keepalive));
	q = question_of(&message);
	q.verbatim = true;
	assert_int_equal(hop_message(out, &q, 7, true), message.len);
	assert_memory_equal(out + 2, message.b + 2, message.len - 2);
	wire_query(&message, 0, "example", TYPE_A);
	q = question_of(&message);
	assert_int_equal(hop_message(out, &q, 7, true), message.len);
}

static void takes_options_of_the_hop_out_and_keeps_the_others(void **state)
{
	uint8_t options[sizeof(keepalive) + sizeof(cookie) + sizeof(padding)];
	struct plain_question q;
	struct wire want;

	memcpy(options, keepalive, sizeof(keepalive));
	memcpy(options + sizeof(keepalive), cookie, sizeof(cookie));
	memcpy(options + sizeof(keepalive) + sizeof(cookie), padding, sizeof(padding));
	query_with(cookie, sizeof(cookie));
	want = message;
	query_with(options, sizeof(options));
	q = question_of(&message);
	assert_int_equal(hop_strip(message.b, message.len, q.question_end), want.len);
	assert_memory_equal(message.b, want.b, want.len);
}

static void leaves_options_that_are_cut_short(void **state)
{
	static const uint8_t cut[] = { 0, 12, 0, 5, 0 };
	struct plain_question q;
	size_t len;

	query_with(cut, sizeof(cut));
	q = question_of(&message);
	len = message.len;
	assert_int_equal(hop_strip(message.b, message.len, q.question_end), len);
}

static void an_answer_has_the_question_in_any_case(void **state)
{
	struct wire answer;
	struct plain_question q;

	query_with(NULL, 0);
	q = question_of(&message);
	wire_answer_to(&answer, message.b, message.len, 0);
	msg_put16(answer.b, 0xabcd);
	assert_true(hop_answers(&q, answer.b, answer.len));
	answer.b[MSG_HEADER_BYTES + 1] = 'A';
	assert_true(hop_answers(&q, answer.b, answer.len));
	answer.b[MSG_HEADER_BYTES + 1] = 'b';
	assert_false(hop_answers(&q, answer.b, answer.len));
	wire_answer_to(&answer, message.b, message.len, 0);
	answer.b[q.question_end - 3] = TYPE_AAAA;
	assert_false(hop_answers(&q, answer.b, answer.len));
}

static void a_query_or_a_cut_message_is_no_answer(void **state)
{
	struct wire answer;
	struct plain_question q;

	query_with(NULL, 0);
	q = question_of(&message);
	assert_false(hop_answers(&q, message.b, message.len));
	wire_answer_to(&answer, message.b, message.len, 0);
	for (size_t len = 0; len < q.question_end; len++)
		assert_false(hop_answers(&q, answer.b, len));
	answer.b[5] = 2;
	assert_false(hop_answers(&q, answer.b, answer.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pads_to_whole_blocks_whatever_the_length),
		cmocka_unit_test(pads_the_longest_message_within_bounds),
		cmocka_unit_test(leaves_alone_what_is_signed_or_has_no_opt),
		cmocka_unit_test(takes_options_of_the_hop_out_and_keeps_the_others),
		cmocka_unit_test(leaves_options_that_are_cut_short),
		cmocka_unit_test(an_answer_has_the_question_in_any_case),
		cmocka_unit_test(a_query_or_a_cut_message_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
