// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* control.c: lines in and out, descriptors, bounds, and who is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/fd.h"
#include "supervisor/control.h"

static struct loop *loop;
static struct control control;
static uint64_t now_ns;
static int requests, gone;
static int peer; /* our end of an adopted pair */
static struct control_client *last;
static bool seen_fd;

static uint64_t test_clock(void)
{
	return now_ns;
}

static void on_request(struct control *c, struct control_client *client, const json_t *request)
{
	const char *command = json_string_value(json_object_get(request, "command"));

	requests++;
	last = client;
	seen_fd = client->in_fd >= 0;
	if (!command) {
		control_refuse(client, "no command \"at all\"");
	} else if (!strcmp(command, "pass")) {
		int fd = open("/dev/null", O_RDONLY);

		control_send(client, "first", json_integer(1));
		control_send_fd(client, "second", json_integer(2), fd);
		fd_close(fd);
		control_answered(client);
	} else if (!strcmp(command, "quote")) {
		control_refuse(client, "%.2s", "\xc3\x93");
		control_refuse(client, "%.2s", "a\xc3\x93");
	} else if (!strcmp(command, "follow")) {
		client->follows = true;
	} else {
		control_answered(client);
	}
}

static void on_gone(struct control *c, struct control_client *client)
{
	gone++;
}

static const struct control_ops ops = { .request = on_request, .gone = on_gone };

static int setup(void **state)
{
	int pair[2];

	now_ns = 1000 * NSEC_PER_SEC;
	clock_inject(test_clock);
	requests = gone = 0;
	if (loop_new(&loop) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	control_init(&control, loop, &ops);
	peer = pair[0];
	return control_adopt(&control, pair[1]);
}

static int teardown(void **state)
{
	control_done(&control);
	loop_free(loop);
	fd_close(peer);
	clock_inject(NULL);
	return 0;
}

static void turn(void)
{
	for (int i = 0; i < 8; i++)
		loop_once(loop, 0);
}

static void say(const char *text)
{
	assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn();
}

/* What has been answered so far, as one string. */
static const char *heard(void)
{
	static char buf[65536];
	ssize_t n = recv(peer, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void answers_one_request_per_line(void **state)
{
	say("{\"command\":\"a\"}\n\n{\"command\":\"b\"}\n{\"comm");
	assert_int_equal(requests, 2);
	assert_string_equal(heard(), "{\"done\":true}\n{\"done\":true}\n");
	say("and\":\"c\"}\n");
	assert_int_equal(requests, 3);
}

static void refuses_what_is_no_object(void **state)
{
	say("[1]\n");
	assert_non_null(strstr(heard(), "\"error\""));
	say("{\"a\":1,\"a\":2}\n");
	assert_non_null(strstr(heard(), "\"error\""));
	say("{broken\n");
	assert_non_null(strstr(heard(), "\"error\""));
	assert_int_equal(requests, 0);
	say("{}\n");
	assert_string_equal(heard(), "{\"error\":\"no command \\\"at all\\\"\"}\n");
}

static void a_refusal_may_quote_half_a_character(void **state)
{
	say("{\"command\":\"quote\"}\n");
	assert_string_equal(heard(), "{\"error\":\"\xc3\x93\"}\n{\"error\":\"a?\"}\n");
	say("{\"\\\xc3\x93\"}\n"); /* and so may the parser's complaint */
	assert_non_null(strstr(heard(), "\"error\""));
}

static void drops_a_client_whose_line_never_ends(void **state)
{
	char big[CONTROL_REQUEST_MAX];

	memset(big, 'x', sizeof(big));
	assert_int_equal(send(peer, big, sizeof(big), 0), sizeof(big));
	turn();
	assert_non_null(strstr(heard(), "longer than"));
	assert_int_equal(gone, 1);
	assert_int_equal(control.count, 0);
	assert_int_equal(control.buffered, 0);
}

static void passes_a_descriptor_along_with_its_line(void **state)
{
	char buf[256], cbuf[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = cbuf,
			      .msg_controllen = sizeof(cbuf) };
	struct cmsghdr *cm;
	struct stat st;
	ssize_t n;
	int fd = -1;

	say("{\"command\":\"pass\"}\n");
	n = recvmsg(peer, &msg, MSG_DONTWAIT);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_non_null(strstr(buf, "{\"first\":1}\n{\"second\":2}\n"));
	cm = CMSG_FIRSTHDR(&msg);
	assert_non_null(cm);
	if (cm)
		memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
	assert_int_equal(fstat(fd, &st), 0);
	fd_close(fd);
}

static void takes_one_descriptor_and_closes_what_is_more(void **state)
{
	char cbuf[CMSG_SPACE(3 * sizeof(int))] = { 0 };
	char text[] = "{\"command\":\"x\"}\n";
	struct iovec iov = { .iov_base = text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = cbuf,
			      .msg_controllen = sizeof(cbuf) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	int fds[3] = { peer, peer, peer }, lowest, after;

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cm), fds, sizeof(fds));
	lowest = dup(peer);
	close(lowest);
	assert_int_equal(sendmsg(peer, &msg, 0), strlen(text));
	turn();
	assert_true(seen_fd);
	assert_int_equal(last->in_fd, -1); /* not taken by the handler: closed */
	after = dup(peer);
	close(after);
	assert_int_equal(after, lowest); /* nothing was left open */
}

static void followers_are_told_and_dropped_when_they_do_not_take(void **state)
{
	char text[1001];

	say("{\"command\":\"follow\"}\n");
	assert_true(control_has_followers(&control));
	control_broadcast(&control, "event", json_integer(5), NULL, NULL);
	turn();
	assert_string_equal(heard(), "{\"event\":5}\n");
	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (int i = 0; i < 3000; i++) /* 3 MB: more than the socket and the bound take */
		control_broadcast(&control, "event", json_string(text), NULL, NULL);
	turn();
	assert_int_equal(gone, 1);
	assert_int_equal(control.buffered, 0);
}

static void an_answer_waits_for_a_slow_reader(void **state)
{
	size_t total = 0;
	char buf[65536], *text = malloc(1 << 20);
	ssize_t n;

	memset(text, 'y', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	say("{\"command\":\"x\"}\n");
	heard();
	for (int i = 0; i < 4; i++)
		control_send(last, "big", json_string(text));
	free(text);
	assert_true(control.buffered > 0);
	while ((n = recv(peer, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		total += (size_t)n;
		turn();
	}
	assert_int_equal(total, 4 * ((1 << 20) - 1 + strlen("{\"big\":\"\"}\n")));
	assert_int_equal(control.buffered, 0);
	assert_int_equal(gone, 0);
}

static int connect_to(const char *name)
{
	int fd;

	return control_connect(name, &fd) ? -1 : fd;
}

static void serves_a_listening_socket_within_its_bounds(void **state)
{
	int fd[CONTROL_CLIENTS_MAX + 1], listener;
	char name[INSTANCE_NAME_MAX], buf[128] = "";

	if (geteuid())
		skip();
	snprintf(name, sizeof(name), "test-%d", (int)getpid());
	assert_int_equal(control_listen(name, &listener), 0);
	assert_int_equal(control_serve(&control, listener, (uid_t)-1), 0);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fd[i] = connect_to(name);
		assert_true(fd[i] >= 0);
		loop_once(loop, 0);
	}
	assert_int_equal(control.count, CONTROL_CLIENTS_MAX); /* the adopted one counts */
	assert_true(recv(fd[CONTROL_CLIENTS_MAX - 1], buf, sizeof(buf) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(buf, "too many clients"));
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fd[i]);
	for (int i = 0; i < 2 * CONTROL_CLIENTS_MAX; i++)
		loop_once(loop, 0);
	assert_int_equal(control.count, 1);
}

static void a_client_that_takes_nothing_is_dropped_in_time(void **state)
{
	char name[INSTANCE_NAME_MAX], *text;
	int listener, fd;

	if (geteuid())
		skip();
	snprintf(name, sizeof(name), "stall-%d", (int)getpid());
	assert_int_equal(control_listen(name, &listener), 0);
	assert_int_equal(control_serve(&control, listener, (uid_t)-1), 0);
	fd = connect_to(name);
	assert_int_equal(send(fd, "{\"command\":\"x\"}\n", 16, 0), 16);
	turn();
	assert_int_equal(requests, 1);
	text = malloc(1 << 20);
	memset(text, 'z', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	control_send(last, "big", json_string(text));
	free(text);
	for (int s = 0; s < CONTROL_STALL_MS / 1000; s++) {
		now_ns += NSEC_PER_SEC;
		turn();
	}
	assert_int_equal(gone, 0);
	now_ns += 2 * NSEC_PER_SEC;
	turn();
	assert_int_equal(gone, 1);
	close(fd);
}

static void without_descriptors_it_waits_instead_of_spinning(void **state)
{
	struct rlimit old, none;
	char name[INSTANCE_NAME_MAX];
	int listener, fd;

	if (geteuid())
		skip();
	snprintf(name, sizeof(name), "fds-%d", (int)getpid());
	assert_int_equal(control_listen(name, &listener), 0);
	assert_int_equal(control_serve(&control, listener, (uid_t)-1), 0);
	fd = connect_to(name);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(control.count, 1);
	assert_int_equal(control.listener.events, 0);
	now_ns += 2 * NSEC_PER_SEC;
	turn();
	assert_int_equal(control.count, 2);
	close(fd);
}

/* What it goes on saying after the end of its patience is not read, and must wake nobody. */
static void a_finished_client_does_not_wake_the_loop(void **state)
{
	char big[CONTROL_REQUEST_MAX], *text = malloc(1 << 20);
	struct timespec before, after;

	memset(text, 'y', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	say("{\"command\":\"x\"}\n");
	control_send(last, "big", json_string(text));
	free(text);
	memset(big, 'x', sizeof(big));
	assert_int_equal(send(peer, big, sizeof(big), 0), sizeof(big));
	turn();
	assert_true(last->finished && control.buffered > 0);
	assert_int_equal(send(peer, big, sizeof(big), 0), sizeof(big));
	clock_gettime(CLOCK_MONOTONIC, &before);
	loop_once(loop, 50);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
			    (after.tv_nsec - before.tv_nsec) / 1000000 >=
		    45);
	assert_int_equal(gone, 0);
	close(peer);
	peer = -1;
	turn();
	assert_int_equal(gone, 1);
}

static void a_hang_up_is_noticed(void **state)
{
	close(peer);
	peer = -1;
	turn();
	assert_int_equal(gone, 1);
	assert_int_equal(control.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_one_request_per_line, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_object, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_may_quote_half_a_character, setup,
						teardown),
		cmocka_unit_test_setup_teardown(drops_a_client_whose_line_never_ends, setup,
						teardown),
		cmocka_unit_test_setup_teardown(passes_a_descriptor_along_with_its_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(takes_one_descriptor_and_closes_what_is_more, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			followers_are_told_and_dropped_when_they_do_not_take, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_waits_for_a_slow_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(serves_a_listening_socket_within_its_bounds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_client_that_takes_nothing_is_dropped_in_time,
						setup, teardown),
		cmocka_unit_test_setup_teardown(without_descriptors_it_waits_instead_of_spinning,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_finished_client_does_not_wake_the_loop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_hang_up_is_noticed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
