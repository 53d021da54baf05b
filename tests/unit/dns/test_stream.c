// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* stream.c: DNS over TCP as clients do it, well and badly. */
#include "support.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "dns/stream.h"
#include "dns/upstream_plain.h"

#define CLIENTS_MAX 128

static struct loop *loop;
static struct datapath datapath;
static struct streams *streams;
static int fd = -1; /* the client's end */

/* Queries as they came. */
static struct {
	unsigned int num;
	struct client client[CLIENTS_MAX];
	size_t len;
	uint8_t last[65536];
	bool echo; /* answer at once with the same bytes */
	bool refuse;
} got;

static int take(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
	assert_true(got.num < CLIENTS_MAX);
	got.client[got.num++] = *client;
	got.len = len;
	memcpy(got.last, msg, len);
	if (got.echo)
		stream_reply(streams, client, msg, len);
	return got.refuse ? -EBADMSG : 0;
}

static int setup(void **state)
{
	struct stream_options options = { .max = 4, .query = take };

	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	memset(&got, 0, sizeof(got));
	return loop_new(&loop) || streams_new(loop, &datapath, &options, &streams);
}

static int teardown(void **state)
{
	streams_free(streams);
	loop_free(loop);
	fd = fd_close(fd);
	clock_inject(NULL);
	return 0;
}

static int open_stream_of(uint8_t client)
{
	struct client peer = { .flow = { .proto = IPPROTO_TCP, .dport = htons(DNS_PORT) } };
	int pair[2];

	peer.flow.saddr.b[15] = client;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	stream_open(streams, pair[1], &peer);
	return pair[0];
}

static int open_stream(void)
{
	return open_stream_of(0);
}

static void put(const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static void put_query(const char *text)
{
	uint8_t prefix[2];

	msg_put16(prefix, (uint16_t)strlen(text));
	put(prefix, 2);
	put(text, strlen(text));
}

static bool is_closed(void)
{
	char c;
	ssize_t len = recv(fd, &c, 1, MSG_DONTWAIT);

	/* with bytes of ours unread, its end is a reset */
	return len == 0 || (len < 0 && errno == ECONNRESET);
}

static void expect(const char *text)
{
	char buf[256];
	ssize_t len = recv(fd, buf, 2 + strlen(text), MSG_DONTWAIT);

	assert_int_equal(len, 2 + strlen(text));
	assert_int_equal(msg_get16((uint8_t *)buf), strlen(text));
	assert_memory_equal(buf + 2, text, strlen(text));
}

static void reply(unsigned int n, const char *text)
{
	stream_reply(streams, &got.client[n], (const uint8_t *)text, strlen(text));
}

static void takes_pipelined_queries_and_answers_in_any_order(void **state)
{
	fd = open_stream();
	put_query("one");
	put_query("two");
	put_query("three");
	turn_until(loop, got.num == 3);
	assert_int_equal(got.client[0].flow.proto, IPPROTO_TCP);
	reply(2, "answer three");
	reply(0, "answer one");
	expect("answer three");
	expect("answer one");
	reply(1, "answer two");
	expect("answer two");
}

static void puts_a_query_together_from_single_bytes(void **state)
{
	static const char bytes[] = "\0\5hello\0\3you";

	got.echo = true;
	fd = open_stream();
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		put(bytes + i, 1);
		settle_loop(loop);
		assert_int_equal(got.num, i < 6 ? 0 : i < 11 ? 1 : 2);
	}
	expect("hello");
	expect("you");
}

static void a_client_that_sent_its_fin_still_gets_its_answer(void **state)
{
	fd = open_stream();
	put_query("one");
	shutdown(fd, SHUT_WR);
	turn_until(loop, got.num == 1);
	settle_loop(loop);
	assert_int_equal(streams_count(streams), 1);
	reply(0, "answer");
	expect("answer");
	assert_true(is_closed());
	assert_int_equal(streams_count(streams), 0);
}

static void a_client_that_is_gone_is_forgotten(void **state)
{
	fd = open_stream();
	put_query("one");
	turn_until(loop, got.num == 1);
	fd = fd_close(fd);
	turn_until(loop, streams_count(streams) == 0);
	reply(0, "answer");
	/* the place is used again: the late answer must not reach its new tenant */
	fd = open_stream();
	reply(0, "answer");
	assert_int_equal(recv(fd, got.last, 1, MSG_DONTWAIT), -1);
}

static void an_idle_stream_is_closed(void **state)
{
	fd = open_stream();
	put_query("one");
	turn_until(loop, got.num == 1);
	advance_ms(DNS_TCP_IDLE_MS);
	settle_loop(loop);
	assert_int_equal(streams_count(streams), 1); /* a query is in flight */
	reply(0, "answer");
	expect("answer");
	advance_ms(DNS_TCP_IDLE_MS - 1);
	settle_loop(loop);
	assert_int_equal(streams_count(streams), 1);
	advance_ms(1);
	settle_loop(loop);
	assert_int_equal(streams_count(streams), 0);
	assert_true(is_closed());
}

static void a_half_query_does_not_keep_a_stream_open(void **state)
{
	fd = open_stream();
	put("\0\5he", 4);
	settle_loop(loop);
	advance_ms(DNS_TCP_IDLE_MS);
	settle_loop(loop);
	assert_true(is_closed());
}

static void a_query_that_is_too_long_is_taken_in_part_and_skipped(void **state)
{
	uint8_t *big = calloc(1, 65535);
	uint8_t prefix[2] = { 0xff, 0xff };

	assert_non_null(big);
	fd = open_stream();
	put(prefix, 2);
	for (size_t at = 0; at < 65535; at += 4369) {
		put(big + at, 4369);
		settle_loop(loop);
	}
	put_query("next");
	turn_until(loop, got.num == 2);
	assert_memory_equal(got.last, "next", 4);
	free(big);
}

static void a_query_of_no_length_is_taken_as_such(void **state)
{
	fd = open_stream();
	put("\0\0", 2);
	put_query("next");
	turn_until(loop, got.num == 2);
	assert_int_equal(got.len, 4);
}

static void what_is_no_message_ends_the_stream(void **state)
{
	got.refuse = true;
	fd = open_stream();
	put_query("rubbish");
	put_query("more");
	turn_until(loop, got.num == 1);
	assert_true(is_closed());
	assert_int_equal(streams_count(streams), 0);
	assert_int_equal(got.num, 1);
}

static void is_not_read_beyond_the_queries_allowed_in_flight(void **state)
{
	fd = open_stream();
	for (int i = 0; i < DNS_STREAM_QUERIES_MAX + 10; i++)
		put_query("query");
	for (int i = 0; i < 20; i++)
		settle_loop(loop);
	assert_int_equal(got.num, DNS_STREAM_QUERIES_MAX);
	reply(0, "answer");
	turn_until(loop, got.num == DNS_STREAM_QUERIES_MAX + 1);
}

static void answers_that_are_not_taken_wait_and_stop_the_reading(void **state)
{
	static uint8_t big[60000];
	size_t total = 0;

	fd = open_stream();
	for (int i = 0; i < 6; i++)
		put_query("query");
	turn_until(loop, got.num == 6);
	for (unsigned int i = 0; i < 6; i++)
		stream_reply(streams, &got.client[i], big, sizeof(big));
	put_query("later");
	settle_loop(loop);
	assert_int_equal(got.num, 6);
	for (int i = 0; i < 2000 && got.num == 6; i++) {
		ssize_t len = recv(fd, got.last, sizeof(got.last), MSG_DONTWAIT);

		total += len > 0 ? (size_t)len : 0;
		loop_once(loop, 1);
	}
	assert_int_equal(got.num, 7);
	assert_int_equal(streams_count(streams), 1);
}

static void answers_beyond_the_bound_end_the_stream(void **state)
{
	static uint8_t big[60000];

	fd = open_stream();
	for (int i = 0; i < 20; i++)
		put_query("query");
	turn_until(loop, got.num == 20);
	for (unsigned int i = 0; i < 20; i++)
		stream_reply(streams, &got.client[i], big, sizeof(big));
	assert_int_equal(streams_count(streams), 0);
	assert_int_equal(test_counters.drops.dns_limit, 1);
}

static bool closed(int stream)
{
	char c;

	return recv(stream, &c, 1, MSG_DONTWAIT) == 0;
}

static void ask_by(int stream)
{
	assert_int_equal(send(stream, "\0\4name", 6, MSG_NOSIGNAL), 6);
	loop_once(loop, 0);
}

static const struct budget_use *budget(void)
{
	return datapath_budget(&datapath, BUDGET_DNS_STREAMS);
}

/* Four streams, three of them for one client. */
static void a_client_at_its_share_closes_its_longest_idle_stream(void **state)
{
	int mine[4], other = open_stream_of(2);

	for (int i = 0; i < 3; i++)
		mine[i] = open_stream_of(1);
	ask_by(mine[0]); /* waits for its answer */
	mine[3] = open_stream_of(1);
	assert_true(closed(mine[1]));
	assert_false(closed(mine[0]) || closed(mine[2]) || closed(mine[3]) || closed(other));
	assert_int_equal(budget()->hits, 1);
	assert_int_equal(budget()->evicted, 1);
	assert_int_equal(test_counters.drops.dns_source, 0);
	for (int i = 0; i < 4; i++)
		close(mine[i]);
	close(other);
}

static void a_client_whose_streams_are_all_busy_gets_no_more(void **state)
{
	int mine[4], other;

	for (int i = 0; i < 3; i++) {
		mine[i] = open_stream_of(1);
		ask_by(mine[i]);
	}
	mine[3] = open_stream_of(1);
	assert_true(closed(mine[3]));
	assert_int_equal(test_counters.drops.dns_source, 1);
	other = open_stream_of(2);
	assert_false(closed(other));
	assert_int_equal(streams_count(streams), 4);
	assert_int_equal(budget()->used, 4);
	for (int i = 0; i < 4; i++)
		close(mine[i]);
	close(other);
}

static void with_all_in_use_who_has_most_closes_one(void **state)
{
	int mine[3], other[2];

	for (int i = 0; i < 3; i++)
		mine[i] = open_stream_of(1);
	for (int i = 0; i < 2; i++)
		other[i] = open_stream_of((uint8_t)(2 + i));
	assert_true(closed(mine[0]));
	assert_false(closed(mine[1]) || closed(mine[2]) || closed(other[0]) || closed(other[1]));
	assert_int_equal(streams_count(streams), 4);
	for (int i = 0; i < 3; i++)
		close(mine[i]);
	for (int i = 0; i < 2; i++)
		close(other[i]);
}

static void more_streams_than_allowed_are_refused(void **state)
{
	int stream[5];

	for (int i = 0; i < 5; i++) {
		stream[i] = open_stream_of((uint8_t)(i / 2));
		if (i < 4)
			ask_by(stream[i]);
	}
	assert_int_equal(streams_count(streams), 4);
	assert_true(closed(stream[4]));
	assert_int_equal(test_counters.drops.dns_limit, 1);
	for (int i = 0; i < 5; i++)
		close(stream[i]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(takes_pipelined_queries_and_answers_in_any_order),
		T(puts_a_query_together_from_single_bytes),
		T(a_client_that_sent_its_fin_still_gets_its_answer),
		T(a_client_that_is_gone_is_forgotten),
		T(an_idle_stream_is_closed),
		T(a_half_query_does_not_keep_a_stream_open),
		T(a_query_that_is_too_long_is_taken_in_part_and_skipped),
		T(a_query_of_no_length_is_taken_as_such),
		T(what_is_no_message_ends_the_stream),
		T(is_not_read_beyond_the_queries_allowed_in_flight),
		T(answers_that_are_not_taken_wait_and_stop_the_reading),
		T(answers_beyond_the_bound_end_the_stream),
		T(a_client_at_its_share_closes_its_longest_idle_stream),
		T(a_client_whose_streams_are_all_busy_gets_no_more),
		T(with_all_in_use_who_has_most_closes_one),
		T(more_streams_than_allowed_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
