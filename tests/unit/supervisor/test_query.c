// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* query.c: what a role's answer may say to a client, and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/message.h"
#include "supervisor/control.h"
#include "supervisor/query.h"
#include "supervisor/role.h"

static struct loop *loop;
static struct control control;
static struct queries queries;
static struct role role;
static struct control_client *client;
static int peer, role_peer;
static uint64_t now_ns;

static uint64_t test_clock(void)
{
	return now_ns;
}

static const struct query_ask dns_ask = { .key = "dns", .limit_ms = CONTROL_QUERY_MS };

static void on_request(struct control *c, struct control_client *cl, const json_t *request)
{
	client = cl;
	queries_ask(&queries, &role, &dns_ask, cl);
}

static void on_gone(struct control *c, struct control_client *cl)
{
	queries_forget(&queries, cl);
}

static const struct control_ops ops = { .request = on_request, .gone = on_gone };

/* A role that is a socket alone: our side plays it. */
static int setup(void **state)
{
	int pair[2], role_pair[2];

	now_ns = 1000 * NSEC_PER_SEC;
	clock_inject(test_clock);
	if (loop_new(&loop) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || message_pair(role_pair))
		return -1;
	peer = pair[0];
	role_peer = role_pair[1];
	role_init(&role, ROLE_RESOLVER, 0, loop, "test", NULL);
	role.socket.fd = role_pair[0];
	role.pid = 1; /* said to be alive; nothing is sent to that process */
	queries_init(&queries, loop);
	control_init(&control, loop, &ops);
	return control_adopt(&control, pair[1]);
}

static int teardown(void **state)
{
	control_done(&control);
	queries_done(&queries);
	loop_free(loop);
	fd_close(peer);
	fd_close(role_peer);
	fd_close(role.socket.fd);
	clock_inject(NULL);
	return 0;
}

static const char *heard(void)
{
	static char buf[4096];
	ssize_t n;

	loop_once(loop, 0); /* what was answered is sent with the loop's next turn */
	n = recv(peer, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void ask(void)
{
	assert_int_equal(send(peer, "{}\n", 3, 0), 3);
	loop_once(loop, 0);
}

static void answer(uint64_t tag, const char *text)
{
	queries_text(&queries, tag, text, strlen(text));
}

static void passes_on_lines_cut_anywhere(void **state)
{
	char buf[256];
	struct role_text t;
	int fd;

	ask();
	assert_true(message_recv(role_peer, buf, sizeof(buf), &fd) > 0);
	memcpy(&t, buf + sizeof(struct role_message), sizeof(t));
	assert_int_equal(t.length, 3);
	answer(t.tag, "{\"dns\":{\"type\":\"cac");
	answer(t.tag, "he\"}}\n{\"dns\":{}}\n");
	queries_text(&queries, t.tag, NULL, 0);
	assert_string_equal(heard(),
			    "{\"dns\":{\"type\":\"cache\"}}\n{\"dns\":{}}\n{\"done\":true}\n");
}

static void keeps_back_what_was_not_asked_for(void **state)
{
	ask();
	answer(1, "{\"done\":true}\n{\"error\":\"lies\"}\n{\"dns\":5}\n{\"dns\":{},\"flow\":{}}\n"
		  "garbage\n\n[]\n{\"dns\":{\"a\":1,\"a\":2}}\n");
	answer(2, "{\"dns\":{\"of\":\"another tag\"}}\n");
	assert_string_equal(heard(), "");
	queries_text(&queries, 1, NULL, 0);
	assert_string_equal(heard(), "{\"done\":true}\n");
}

static void leaves_out_a_line_that_is_too_long(void **state)
{
	char *big = malloc(CONTROL_LINE_MAX);

	memset(big, ' ', CONTROL_LINE_MAX);
	ask();
	queries_text(&queries, 1, big, CONTROL_LINE_MAX);
	queries_text(&queries, 1, big, CONTROL_LINE_MAX);
	free(big);
	answer(1, "{\"dns\":{}}\n{\"dns\":{\"after\":1}}\n");
	assert_string_equal(heard(), "{\"dns\":{\"after\":1}}\n");
}

static void refuses_in_time_when_nothing_comes(void **state)
{
	ask();
	now_ns += CONTROL_QUERY_MS * NSEC_PER_MSEC;
	loop_once(loop, 0);
	assert_non_null(strstr(heard(), "no answer within"));
	answer(1, "{\"dns\":{}}\n");
	assert_string_equal(heard(), "");
}

static void forgets_a_client_that_is_gone(void **state)
{
	ask();
	fd_close(peer);
	peer = -1;
	loop_once(loop, 0);
	assert_int_equal(control.count, 0);
	answer(1, "{\"dns\":{}}\n"); /* to nobody */
	queries_text(&queries, 1, NULL, 0);
	assert_null(queries.query[0]->client);
}

static void tells_the_role_that_nobody_waits_any_more(void **state)
{
	struct role_message m;
	char buf[256];
	int fd;

	ask();
	assert_true(message_recv(role_peer, buf, sizeof(buf), &fd) > 0);
	fd_close(peer);
	peer = -1;
	loop_once(loop, 0);
	assert_int_equal(message_recv(role_peer, buf, sizeof(buf), &fd),
			 sizeof(m) + sizeof(struct role_text));
	memcpy(&m, buf, sizeof(m));
	assert_int_equal(m.type, ROLE_FORGET);
}

static void refuses_when_the_role_dies_over_it(void **state)
{
	ask();
	answer(1, "{\"dns\":{\"half\":1}}\n");
	queries_role_died(&queries, &role);
	assert_string_equal(heard(), "{\"dns\":{\"half\":1}}\n"
				     "{\"error\":\"the resolver ended before its answer did\"}\n");
	answer(1, "{\"dns\":{}}\n");
	assert_string_equal(heard(), "");
}

static void says_when_the_role_is_not_there(void **state)
{
	role.pid = -1;
	ask();
	assert_non_null(strstr(heard(), "the resolver is stopped"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(passes_on_lines_cut_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_back_what_was_not_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_out_a_line_that_is_too_long, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_in_time_when_nothing_comes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(forgets_a_client_that_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_the_role_that_nobody_waits_any_more, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_when_the_role_dies_over_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(says_when_the_role_is_not_there, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
