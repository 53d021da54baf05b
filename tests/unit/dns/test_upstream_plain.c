// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* upstream_plain.c: one question, honest and hostile answers, UDP and TCP. */
#include "support.h"

#include "base/random.h"
#include "dns/upstream_plain.h"

static struct loop *loop;
static struct datapath datapath;
static struct plain_env env;
static struct plain plain;
static struct fake fake;
static uint8_t scratch[MSG_MAX];
static struct wire query;

static struct {
	unsigned int num;
	int status;
	struct wire answer;
} got;

static void done(struct plain *p, int status, uint8_t *answer, size_t len)
{
	assert_true(plain_is_idle(p));
	got.num++;
	got.status = status;
	got.answer.len = 0;
	if (status == 0)
		wire_bytes(&got.answer, answer, len);
}

static void say_yes(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	wire_answer_to(answer, q, len, 0);
	wire_a(answer, 60, "192.0.2.1");
}

static void say_nothing(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
}

static void setup_with(const char *address, bool tcp, fake_fn say)
{
	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	fake_open(&fake, loop, address, tcp, say);
	env = (struct plain_env){ .loop = loop, .datapath = &datapath, .scratch = scratch };
	plain_init(&plain, &env, done);
	memset(&got, 0, sizeof(got));
}

static int teardown(void **state)
{
	plain_stop(&plain);
	fake_close(&fake);
	loop_free(loop);
	clock_inject(NULL);
	test_socket_error = 0;
	return 0;
}

static struct plain_question question_for(const char *name)
{
	wire_query(&query, 0, name, TYPE_A);
	return (struct plain_question){ .message = query.b,
					.len = query.len,
					.question_end = query.len };
}

static int start(const char *name)
{
	struct plain_question q = question_for(name);

	return plain_start(&plain, &fake.endpoint, &q);
}

static void reports_an_answer(void **state)
{
	setup_with("127.0.0.1", false, say_yes);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(msg_get16(got.answer.b + 6), 1);
	settle_loop(loop);
	assert_int_equal(got.num, 1);
}

static void asks_over_ipv6(void **state)
{
	setup_with("::1", true, say_yes);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
}

static uint16_t seen_id[1000], seen_port[1000];
static uint8_t seen_case[1000];
static unsigned int seen_num;

static void note_secrets(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			 struct wire *answer)
{
	assert_true(seen_num < 1000);
	seen_id[seen_num] = msg_get16(q);
	seen_port[seen_num] = f->peer.port;
	for (int i = 0; i < 8; i++)
		seen_case[seen_num] |= (uint8_t)((q[13 + i] & 0x20 ? 1 : 0) << i);
	seen_num++;
	say_yes(f, tcp, q, len, answer);
}

static unsigned int distinct(const uint16_t *values)
{
	static bool seen[65536];
	unsigned int num = 0;

	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < 1000; i++) {
		num += !seen[values[i]];
		seen[values[i]] = true;
	}
	return num;
}

static void port_id_and_case_are_drawn_for_every_question(void **state)
{
	unsigned int ones[8] = { 0 };

	setup_with("127.0.0.1", false, note_secrets);
	seen_num = 0;
	memset(seen_case, 0, sizeof(seen_case));
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(start("abcdefgh.test"), 0);
		turn_until(loop, got.num == i + 1);
	}
	/* 1,000 at random of 65,536 IDs and 49,152 ports: 992 and 990 distinct are expected */
	assert_true(distinct(seen_id) > 970);
	assert_true(distinct(seen_port) > 970);
	for (int i = 0; i < 1000; i++) {
		for (int bit = 0; bit < 8; bit++)
			ones[bit] += seen_case[i] >> bit & 1;
	}
	for (int bit = 0; bit < 8; bit++)
		assert_in_range(ones[bit], 400, 600);
}

/* What a forger gets wrong, one thing at a time; the true answer comes last. */
static void send_forged(struct fake *f, const struct wire *truth, size_t at, uint8_t flip)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&f->peer, &ss);
	static struct wire forged;

	forged = *truth;
	forged.b[at] ^= flip;
	assert_int_equal(sendto(f->udp.fd, forged.b, forged.len, 0, (struct sockaddr *)&ss, len),
			 forged.len);
}

static void say_forgeries_first(struct fake *f, bool tcp, const uint8_t *q, size_t len,
				struct wire *answer)
{
	say_yes(f, tcp, q, len, answer);
	send_forged(f, answer, 0, 1); /* ID */
	send_forged(f, answer, 2, 0x80); /* QR */
	send_forged(f, answer, 2, 0x08); /* opcode */
	send_forged(f, answer, 5, 1); /* number of questions */
	send_forged(f, answer, 13, 0x01); /* name */
	send_forged(f, answer, 13, 0x20); /* case */
	send_forged(f, answer, len - 3, 1); /* type */
	send_forged(f, answer, len - 1, 1); /* class */
}

static void forged_answers_are_counted_and_waited_out(void **state)
{
	setup_with("127.0.0.1", false, say_forgeries_first);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(plain.spoofs, 8);
	assert_int_equal(test_counters.drops.dns_spoof, 8);
	assert_int_equal(got.num, 1);
}

static void say_short(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	static struct wire whole;

	say_yes(f, tcp, q, len, &whole);
	for (size_t i = 0; i < PLAIN_SPOOFS_MAX; i++) {
		static const size_t kept[PLAIN_SPOOFS_MAX] = { 0, 1, 2, 4, 11, 12, 13, 25 };
		struct sockaddr_storage ss;
		socklen_t size = endpoint_to_sockaddr(&f->peer, &ss);

		assert_true(kept[i] < len);
		sendto(f->udp.fd, whole.b, kept[i], 0, (struct sockaddr *)&ss, size);
	}
}

static void truncated_datagrams_are_no_answers(void **state)
{
	setup_with("127.0.0.1", false, say_short);
	assert_int_equal(start("www.test"), 0);
	for (int i = 0; i < 20; i++)
		settle_loop(loop);
	assert_int_equal(got.num, 0);
	assert_int_equal(test_counters.drops.dns_spoof, PLAIN_SPOOFS_MAX);
}

/* All but the true one, by UDP; the true one by TCP. */
static void say_a_flood(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	say_yes(f, tcp, q, len, answer);
	for (unsigned int i = 1; !tcp && i <= 1000; i++)
		send_forged(f, answer, i % 2, (uint8_t)(i / 2 % 255 + 1));
	if (!tcp)
		answer->len = 0;
}

static void a_flood_of_forgeries_makes_it_go_on_by_tcp(void **state)
{
	setup_with("127.0.0.1", true, say_a_flood);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(plain.spoofs, PLAIN_SPOOFS_MAX + 1);
	assert_int_equal(fake.asked, 1);
	assert_int_equal(fake.asked_tcp, 1);
}

/* A forger who knows name, type, address and even the port guesses ID and case. */
static void of_a_million_guesses_at_a_live_question_none_is_taken(void **state)
{
	static struct wire forged;
	unsigned int taken = 0;

	setup_with("127.0.0.1", false, say_nothing);
	assert_int_equal(start("a-name-of-thirty-two-letters-and-more.test"), 0);
	wire_answer_to(&forged, query.b, query.len, 0);
	wire_a(&forged, 60, "203.0.113.66");
	for (unsigned int i = 0; i < 1000000; i++) {
		msg_put16(forged.b, random_u16());
		name_mix_case(forged.b + MSG_HEADER_BYTES, query.len - MSG_HEADER_BYTES - 4);
		taken += plain_match(&plain, forged.b, forged.len) == PLAIN_MATCH;
	}
	assert_int_equal(taken, 0);
	/* it would have been: the same with what was sent */
	msg_put16(forged.b, plain.id);
	memcpy(forged.b + MSG_HEADER_BYTES, plain.sent, query.len - MSG_HEADER_BYTES);
	assert_int_equal(plain_match(&plain, forged.b, forged.len), PLAIN_MATCH);
}

#define PORTS 10000

static uint16_t drawn[PORTS];
static unsigned int drawn_num;

static void note_port(struct fake *f, bool tcp, const uint8_t *q, size_t len, struct wire *answer)
{
	if (drawn_num < PORTS)
		drawn[drawn_num++] = f->peer.port;
	say_yes(f, tcp, q, len, answer);
}

/* Pairs of equal values among them. */
static uint64_t collisions(void)
{
	static uint32_t times[65536];
	uint64_t pairs = 0;

	memset(times, 0, sizeof(times));
	for (unsigned int i = 0; i < PORTS; i++)
		pairs += times[drawn[i]]++;
	return pairs;
}

/*
 * Collision entropy (Renyi's of order 2, never more than Shannon's): of all pairs of ports one in
 * 2^H is equal. 10,000 values alone cannot show more than 13.3 bits by their frequencies.
 */
static void source_ports_have_fifteen_bits_of_entropy(void **state)
{
	uint64_t pairs = (uint64_t)PORTS * (PORTS - 1) / 2, equal;

	setup_with("127.0.0.1", false, note_port);
	drawn_num = 0;
	for (unsigned int i = 0; i < PORTS; i++) {
		assert_int_equal(start("www.test"), 0);
		turn_until(loop, got.num == i + 1);
	}
	assert_int_equal(drawn_num, PORTS);
	equal = collisions();
	print_message("%u source ports: 1 of %lu pairs is equal (15 bits: 1 of %u)\n", PORTS,
		      pairs / (equal ? equal : 1), 1U << 15);
	assert_true(equal << 15 <= pairs);
}

static void say_late_and_twice(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			       struct wire *answer)
{
	say_yes(f, tcp, q, len, answer);
	for (int i = 0; i < 3; i++)
		send_forged(f, answer, 0, 0);
}

static void extra_answers_are_not_heard_by_the_next_question(void **state)
{
	setup_with("127.0.0.1", false, say_late_and_twice);
	for (unsigned int i = 1; i < 20; i++) {
		assert_int_equal(start("www.test"), 0);
		turn_until(loop, got.num == i);
		settle_loop(loop);
		assert_int_equal(got.num, i);
		assert_int_equal(plain.spoofs, 0);
	}
}

static void say_a_pointer_loop(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			       struct wire *answer)
{
	wire_answer_to(answer, q, len, 0);
	wire16(answer, 0xc000U | (unsigned int)answer->len);
	wire_bytes(answer, "\0\1\0\1\0\0\0\1\0\4\12\0\0\1", 14);
	wire_count(answer, 6);
}

static void a_pointer_loop_behind_the_question_is_the_readers_to_refuse(void **state)
{
	struct edns edns;

	setup_with("127.0.0.1", false, say_a_pointer_loop);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(edns_find(got.answer.b, got.answer.len, query.len, &edns), -EBADMSG);
}

static void another_sender_is_not_heard(void **state)
{
	struct fake other;

	setup_with("127.0.0.1", false, say_nothing);
	fake_open(&other, loop, "127.0.0.1", false, say_yes);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, fake.asked);
	other.peer = fake.peer;
	wire_answer_to(&got.answer, query.b, query.len, 0);
	send_forged(&other, &got.answer, 0, 0);
	settle_loop(loop);
	assert_int_equal(got.num, 0);
	fake_close(&other);
}

static void say_in_lower_case(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			      struct wire *answer)
{
	say_yes(f, tcp, q, len, answer);
	name_lower(answer->b + 12, 34);
}

static void a_server_that_loses_the_case_is_asked_by_tcp(void **state)
{
	setup_with("127.0.0.1", true, say_in_lower_case);
	assert_int_equal(start("abcdefghijklmnopqrstuvwxyzabcd.test"), 0);
	turn_until(loop, plain.spoofs == 1);
	assert_int_equal(got.num, 0);
	assert_int_equal(plain_again(&plain), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(fake.asked, 1);
	assert_int_equal(fake.asked_tcp, 1);
	assert_true(plain.by_tcp);
}

static void sends_the_same_again(void **state)
{
	setup_with("127.0.0.1", false, say_nothing);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, fake.asked == 1);
	fake.say = say_yes;
	assert_int_equal(plain_again(&plain), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_int_equal(plain.spoofs, 0);
}

static void say_cut_by_udp(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			   struct wire *answer)
{
	static uint8_t rdata[60000];

	wire_answer_to(answer, q, len, tcp ? 0 : MSG_TC);
	if (tcp)
		wire_record(answer, SECTION_ANSWER, NULL, 16, 60, rdata, sizeof(rdata));
}

static void a_cut_answer_is_asked_for_by_tcp(void **state)
{
	setup_with("127.0.0.1", true, say_cut_by_udp);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, 0);
	assert_true(got.answer.len > 60000);
}

static void an_answer_in_single_bytes_is_put_together(void **state)
{
	setup_with("127.0.0.1", true, say_cut_by_udp);
	fake.bytewise = true;
	assert_int_equal(start("www.test"), 0);
	for (int i = 0; i < 70000 && !got.num; i++)
		loop_once(loop, 1);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.status, 0);
}

static void refusal_is_reported(void **state)
{
	struct plain_question q = question_for("www.test");
	struct endpoint closed = closed_endpoint();

	setup_with("127.0.0.1", false, say_yes);
	assert_int_equal(plain_start(&plain, &closed, &q), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, -ECONNREFUSED);
}

static void refusal_of_tcp_is_reported(void **state)
{
	setup_with("127.0.0.1", false, say_cut_by_udp);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, -ECONNREFUSED);
}

static void say_cut_and_hang_up(struct fake *f, bool tcp, const uint8_t *q, size_t len,
				struct wire *answer)
{
	if (!tcp)
		wire_answer_to(answer, q, len, MSG_TC);
}

static void a_stream_that_ends_early_is_an_error(void **state)
{
	setup_with("127.0.0.1", true, say_cut_and_hang_up);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, -ECONNRESET);
}

static void say_wrong_by_tcp(struct fake *f, bool tcp, const uint8_t *q, size_t len,
			     struct wire *answer)
{
	wire_answer_to(answer, q, len, tcp ? 0 : MSG_TC);
	if (tcp)
		answer->b[0] ^= 1;
}

static void a_forged_answer_by_tcp_is_an_error(void **state)
{
	setup_with("127.0.0.1", true, say_wrong_by_tcp);
	assert_int_equal(start("www.test"), 0);
	turn_until(loop, got.num);
	assert_int_equal(got.status, -EBADMSG);
	assert_int_equal(test_counters.drops.dns_spoof, 1);
}

static void a_signed_query_keeps_its_case(void **state)
{
	struct plain_question q;

	setup_with("127.0.0.1", false, say_yes);
	q = question_for("AbCdEfGhIjKl.test");
	q.verbatim = true;
	assert_int_equal(plain_start(&plain, &fake.endpoint, &q), 0);
	assert_memory_equal(plain.sent, query.b + 12, query.len - 12);
}

static void without_a_socket_nothing_starts(void **state)
{
	setup_with("127.0.0.1", false, say_yes);
	test_socket_error = -EMFILE;
	assert_int_equal(start("www.test"), -EMFILE);
	assert_true(plain_is_idle(&plain));
	settle_loop(loop);
	assert_int_equal(got.num, 0);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reports_an_answer),
		T(asks_over_ipv6),
		T(port_id_and_case_are_drawn_for_every_question),
		T(forged_answers_are_counted_and_waited_out),
		T(truncated_datagrams_are_no_answers),
		T(a_flood_of_forgeries_makes_it_go_on_by_tcp),
		T(of_a_million_guesses_at_a_live_question_none_is_taken),
		T(source_ports_have_fifteen_bits_of_entropy),
		T(extra_answers_are_not_heard_by_the_next_question),
		T(a_pointer_loop_behind_the_question_is_the_readers_to_refuse),
		T(another_sender_is_not_heard),
		T(a_server_that_loses_the_case_is_asked_by_tcp),
		T(sends_the_same_again),
		T(a_cut_answer_is_asked_for_by_tcp),
		T(an_answer_in_single_bytes_is_put_together),
		T(refusal_is_reported),
		T(refusal_of_tcp_is_reported),
		T(a_stream_that_ends_early_is_an_error),
		T(a_forged_answer_by_tcp_is_an_error),
		T(a_signed_query_keeps_its_case),
		T(without_a_socket_nothing_starts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
