// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * transport.c over plain TCP: which address is connected to, what a dead upstream costs, and
 * what becomes of requests meanwhile.
 */
#include "support.h"

#include "base/limits.h"
#include "tls_support.h"

static struct loop *loop;
static struct datapath datapath;
static struct server *server;
static struct conf_upstream upstream = { .name = "test", .type = CONF_TCP };
static struct transport *transport;
static struct ask *first, *second;

static struct endpoint to[CONF_ADDRESSES_MAX];
static unsigned int to_num, to_asked;
static struct {
	struct endpoint to;
	int status;
} told[32];
static unsigned int told_num;
static unsigned int mute; /* messages that get no answer */
static unsigned int leaves; /* messages at which it goes instead of answering */

static void hear(struct peer *p)
{
	static struct wire answer;
	uint8_t prefix[2];

	while (p->len >= 2 && p->len >= 2U + msg_get16(p->in)) {
		size_t len = 2U + msg_get16(p->in);

		if (leaves) {
			leaves--;
			peer_leave(p);
			return;
		}
		answer.len = 0;
		say_address(&answer, p->in + 2, len - 2);
		p->len -= len;
		memmove(p->in, p->in + len, p->len);
		if (mute) {
			mute--;
			continue;
		}
		msg_put16(prefix, (uint16_t)answer.len);
		peer_send(p, prefix, 2);
		peer_send(p, answer.b, answer.len);
	}
}

static unsigned int addresses(void *arg, struct endpoint ret_to[CONF_ADDRESSES_MAX])
{
	to_asked++;
	memcpy(ret_to, to, to_num * sizeof(to[0]));
	return to_num;
}

static void connected(void *arg, const struct endpoint *endpoint, int status)
{
	assert_true(told_num < 32);
	told[told_num].to = *endpoint;
	told[told_num++].status = status;
}

static int setup(void **state)
{
	struct transport_options options = {
		.loop = loop,
		.datapath = &datapath,
		.upstream = &upstream,
		.addresses = addresses,
		.connected = connected,
	};
	char error[TRANSPORT_ERROR_MAX];

	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	options.loop = loop;
	server = server_new(loop, NULL, hear);
	to[0] = server->endpoint;
	to_num = 1;
	to_asked = told_num = mute = leaves = 0;
	test_socket_error = 0;
	first = ask_new("first.example");
	second = ask_new("second.example");
	assert_int_equal(transport_new(&options, &transport, error), 0);
	return 0;
}

static int teardown(void **state)
{
	transport_free(transport);
	server_free(server);
	free(first);
	free(second);
	assert_int_equal(datapath_budget(&datapath, BUDGET_DESCRIPTORS)->used, 0);
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}

static struct transport_figures figures(void)
{
	struct transport_figures f;

	transport_figures(transport, &f);
	return f;
}

static void ask(struct ask *a)
{
	a->done = 0;
	assert_int_equal(transport_ask(transport, &a->request), 0);
}

static void ask_wait(struct ask *a)
{
	ask(a);
	turn_until(loop, a->done);
}

static bool is(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

/* --- addresses ---------------------------------------------------------------------------- */

static void the_next_address_is_tried_and_kept(void **state)
{
	to[0] = closed_endpoint();
	to[1] = server->endpoint;
	to_num = 2;
	ask_wait(first);
	assert_answered(first);
	assert_int_equal(told_num, 2);
	assert_true(is(&told[0].to, &to[0]));
	assert_int_equal(told[0].status, -ECONNREFUSED);
	assert_true(is(&told[1].to, &to[1]));
	assert_int_equal(told[1].status, 0);
	transport_reset(transport);
	ask_wait(first);
	assert_int_equal(told_num, 3);
	assert_true(is(&told[2].to, &to[1]));
}

/* A listener whose queue is full: SYNs are dropped. The descriptors are the caller's. */
#define QUEUED 8
static struct endpoint silent_endpoint(int fds[QUEUED])
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct endpoint ep;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fds[0], (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fds[0], 0), 0);
	assert_int_equal(getsockname(fds[0], (struct sockaddr *)&sin, &len), 0);
	for (int i = 1; i < QUEUED; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&sin, len);
	}
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sin, &ep), 0);
	return ep;
}

static void an_address_that_is_silent_makes_way_in_time(void **state)
{
	int fds[QUEUED];

	to[0] = silent_endpoint(fds);
	to[1] = server->endpoint;
	to_num = 2;
	ask(first);
	settle_loop(loop);
	assert_int_equal(told_num, 0);
	advance_ms(TRANSPORT_CONNECT_MS + 1);
	turn_until(loop, first->done);
	assert_answered(first);
	assert_int_equal(told_num, 2);
	assert_int_equal(told[0].status, -ETIMEDOUT);
	for (int i = 0; i < QUEUED; i++)
		close(fds[i]);
}

static void without_an_address_requests_end(void **state)
{
	to_num = 0;
	ask_wait(first);
	assert_int_equal(first->status, -EDESTADDRREQ);
	/* and the next is not held back once there is one */
	to_num = 1;
	ask_wait(first);
	assert_answered(first);
}

static void ask_the_same(struct transport_request *r, int status, uint8_t *answer, size_t len)
{
	ask_done(r, status, answer, len);
	assert_int_equal(status, -EDESTADDRREQ);
	assert_int_equal(transport_ask(transport, r), 0);
}

static void asked_again_and_again_it_holds_up_nobody(void **state)
{
	to_num = 0;
	first->request.done = ask_the_same;
	ask(first);
	for (unsigned int i = 0; i < 10; i++)
		loop_once(loop, 0);
	assert_in_range(first->done, 5, 25);
	transport_cancel(&first->request);
}

static void a_socket_that_is_refused_ends_requests(void **state)
{
	test_socket_error = -EPERM;
	ask_wait(first);
	assert_int_equal(first->status, -EPERM);
	assert_int_equal(told[0].status, -EPERM);
}

/* --- failures ----------------------------------------------------------------------------- */

static void a_dead_upstream_is_not_connected_to_for_each_request(void **state)
{
	server_stop(server);
	ask_wait(first);
	assert_int_equal(first->status, -ECONNREFUSED);
	assert_int_equal(figures().connects, 1);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(transport_ask(transport, &second->request), -ECONNREFUSED);
	assert_true(transport_is_idle(&second->request));
	assert_int_equal(figures().connects, 1);
	advance_ms(TRANSPORT_HOLD_MS + 1);
	ask_wait(first);
	assert_int_equal(figures().connects, 2);
	server_listen(server);
}

static void it_is_back_within_a_second_of_its_return(void **state)
{
	server_stop(server);
	for (unsigned int i = 0; i < 200; i++) {
		advance_ms(100);
		if (transport_ask(transport, &first->request) == 0)
			turn_until(loop, first->done);
		first->done = 0;
	}
	assert_true(figures().error[0]);
	server_listen(server);
	advance_ms(TRANSPORT_HOLD_MAX_MS);
	ask_wait(first);
	assert_answered(first);
	assert_string_equal(figures().error, "");
}

static void the_text_names_the_address(void **state)
{
	char want[TRANSPORT_ERROR_MAX], address[ENDPOINT_TEXT_MAX];

	server_stop(server);
	ask_wait(first);
	snprintf(want, sizeof(want), "%s: Connection refused", endpoint_format(&to[0], address));
	assert_string_equal(figures().error, want);
	server_listen(server);
}

static void all_who_wait_for_a_connection_learn_of_its_failure(void **state)
{
	server_stop(server);
	ask(first);
	ask(second);
	turn_until(loop, first->done && second->done);
	assert_int_equal(first->status, -ECONNREFUSED);
	assert_int_equal(second->status, -ECONNREFUSED);
	server_listen(server);
}

static void one_that_hangs_up_on_each_question_is_left_alone_for_a_while(void **state)
{
	leaves = 2;
	ask_wait(first);
	assert_int_equal(first->status, -ECONNRESET);
	assert_int_equal(server->accepted, 2);
	assert_true(transport_ask(transport, &second->request) < 0);
	advance_ms(TRANSPORT_HOLD_MS + 1);
	ask_wait(second);
	assert_answered(second);
}

/* The one that there is carries one request in silence, and takes no others any more. */
static void what_waits_beside_a_connection_that_drains_is_served_in_time(void **state)
{
	struct ask *third = ask_new("third.example");

	ask_wait(first);
	advance_ms(1);
	mute = 2;
	ask(first);
	ask(second);
	turn_until(loop, mute == 0);
	advance_ms(TRANSPORT_SUSPECT_MS + 1);
	transport_cancel(&second->request);
	to[0] = closed_endpoint();
	ask(third);
	turn_until(loop, told_num == 2);
	settle_loop(loop);
	assert_int_equal(told[1].status, -ECONNREFUSED);
	assert_int_equal(third->done, 0);
	to[0] = server->endpoint;
	advance_ms(TRANSPORT_HOLD_MS + 1);
	turn_until(loop, third->done);
	assert_answered(third);
	assert_int_equal(first->done, 0);
	free(third);
}

static void ask_second(struct transport_request *r, int status, uint8_t *answer, size_t len)
{
	ask_done(r, status, answer, len);
	r->done = ask_done;
	ask(second);
	transport_cancel(&second->request);
	ask(second);
}

static void done_may_ask_and_cancel(void **state)
{
	first->request.done = ask_second;
	ask(first);
	turn_until(loop, second->done);
	assert_answered(first);
	assert_answered(second);
}

static void ask_second_in_vain(struct transport_request *r, int status, uint8_t *answer, size_t len)
{
	ask_done(r, status, answer, len);
	assert_int_equal(transport_ask(transport, &second->request), -ECONNREFUSED);
}

static void done_of_a_failure_learns_that_there_is_no_use(void **state)
{
	server_stop(server);
	first->request.done = ask_second_in_vain;
	ask_wait(first);
	assert_int_equal(first->status, -ECONNREFUSED);
	server_listen(server);
}

/* --- all at once -------------------------------------------------------------------------- */

static void a_reset_moves_requests_in_flight(void **state)
{
	mute = 1;
	ask(first);
	turn_until(loop, mute == 0);
	transport_reset(transport);
	turn_until(loop, first->done);
	assert_answered(first);
	assert_int_equal(server->accepted, 2);
}

static void a_reset_while_connecting_starts_anew(void **state)
{
	ask(first);
	loop_once(loop, 0);
	transport_reset(transport);
	turn_until(loop, first->done);
	assert_answered(first);
}

static void freed_with_requests_it_tells_nobody(void **state)
{
	mute = 1;
	ask(first);
	turn_until(loop, mute == 0);
	ask(second);
	transport_free(transport);
	transport = NULL;
	assert_int_equal(first->done + second->done, 0);
	assert_true(transport_is_idle(&first->request));
	assert_true(transport_is_idle(&second->request));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_next_address_is_tried_and_kept),
		TEST(an_address_that_is_silent_makes_way_in_time),
		TEST(without_an_address_requests_end),
		TEST(asked_again_and_again_it_holds_up_nobody),
		TEST(a_socket_that_is_refused_ends_requests),
		TEST(a_dead_upstream_is_not_connected_to_for_each_request),
		TEST(it_is_back_within_a_second_of_its_return),
		TEST(the_text_names_the_address),
		TEST(all_who_wait_for_a_connection_learn_of_its_failure),
		TEST(one_that_hangs_up_on_each_question_is_left_alone_for_a_while),
		TEST(what_waits_beside_a_connection_that_drains_is_served_in_time),
		TEST(done_may_ask_and_cancel),
		TEST(done_of_a_failure_learns_that_there_is_no_use),
		TEST(a_reset_moves_requests_in_flight),
		TEST(a_reset_while_connecting_starts_anew),
		TEST(freed_with_requests_it_tells_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
