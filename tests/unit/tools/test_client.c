// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The client's end of the control protocol, against a server made by hand. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tools/client.c"

static struct client client;
static int server;

static int setup(void **state)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return -1;
	client_init(&client, fds[0]);
	server = fds[1];
	return 0;
}

static int teardown(void **state)
{
	client_done(&client);
	close(server);
	return 0;
}

static void serve(const char *text)
{
	assert_int_equal(write(server, text, strlen(text)), strlen(text));
}

static void lines_are_cut_where_they_end(void **state)
{
	const char *line;

	serve("{\"a\":1}\n{\"b\"");
	assert_int_equal(client_line(&client, 1000, &line), 1);
	assert_string_equal(line, "{\"a\":1}");
	assert_int_equal(client_fill(&client), -EAGAIN);
	assert_null(client_take(&client));
	serve(":2}\n");
	assert_int_equal(client_line(&client, 1000, &line), 1);
	assert_string_equal(line, "{\"b\":2}");
}

static void a_line_that_never_comes_times_out(void **state)
{
	const char *line;

	serve("half");
	assert_int_equal(client_line(&client, 20, &line), -ETIMEDOUT);
}

static void a_server_that_hangs_up_is_told_apart(void **state)
{
	const char *line;

	shutdown(server, SHUT_WR);
	assert_int_equal(client_line(&client, 1000, &line), 0);
}

static void a_line_without_end_is_refused_not_kept(void **state)
{
	static char junk[CONTROL_LINE_MAX + 1000];
	const char *line;
	pid_t pid = fork();

	if (!pid) {
		memset(junk, 'x', sizeof(junk));
		ssize_t n = write(server, junk, sizeof(junk));
		_exit(n < 0);
	}
	assert_int_equal(client_line(&client, 5000, &line), -EMSGSIZE);
	client_done(&client);
	waitpid(pid, NULL, 0);
}

static void the_longest_line_is_taken(void **state)
{
	static char longest[CONTROL_LINE_MAX];
	const char *line;
	pid_t pid;

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\n';
	pid = fork();
	if (!pid) {
		ssize_t n = write(server, longest, sizeof(longest));
		_exit(n < 0);
	}
	assert_int_equal(client_line(&client, 5000, &line), 1);
	assert_int_equal(strlen(line), sizeof(longest) - 1);
	waitpid(pid, NULL, 0);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int i = 0; i < 256; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void a_passed_descriptor_arrives_and_a_second_leaks_nothing(void **state)
{
	int before = open_descriptors();
	const char *line;
	struct stat sent;
	struct stat got;

	assert_int_equal(send_all(server, "{\"a\":{}}\n", 9, server), 0);
	assert_int_equal(client_line(&client, 1000, &line), 1);
	assert_true(client.passed_fd >= 0);
	assert_int_equal(fcntl(client.passed_fd, F_GETFD), FD_CLOEXEC);
	fstat(server, &sent);
	fstat(client.passed_fd, &got);
	assert_int_equal(sent.st_ino, got.st_ino);
	assert_int_equal(send_all(server, "{\"b\":{}}\n", 9, server), 0);
	assert_int_equal(client_line(&client, 1000, &line), 1);
	close(client.passed_fd);
	client.passed_fd = -1;
	assert_int_equal(open_descriptors(), before);
}

static void a_request_is_one_line(void **state)
{
	json_t *q = json_pack("{s:s, s:b}", "command", "flows", "follow", 1);
	char got[128] = "";

	assert_int_equal(client_request(&client, q, -1), 0);
	assert_true(read(server, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, "{\"command\":\"flows\",\"follow\":true}\n");
	json_decref(q);
}

static void a_request_to_nobody_is_an_error_not_a_signal(void **state)
{
	json_t *q = json_pack("{s:s}", "command", "status");

	close(server);
	assert_int_equal(client_request(&client, q, -1), -EPIPE);
	json_decref(q);
	server = -1;
}

static void who_hangs_up_before_the_request_may_have_said_why(void **state)
{
	json_t *q = json_pack("{s:s}", "command", "status");
	const char *line;

	serve("{\"error\":\"only root\"}\n");
	close(server);
	server = -1;
	assert_int_equal(client_request(&client, q, -1), -EPIPE);
	assert_int_equal(client_line(&client, 1000, &line), 1);
	assert_string_equal(line, "{\"error\":\"only root\"}");
	json_decref(q);
}

/* What an answer ends with: 1 for each object, 100 for its end. */
static void count_object(void *arg, const char *kind, json_t *object)
{
	*(int *)arg += 1;
}

static void count_end(void *arg)
{
	*(int *)arg += 100;
}

static int shown(const char *answer, int *ret_status)
{
	int count = 0;
	const struct client_show show = { .object = count_object, .end = count_end, .arg = &count };

	serve(answer);
	*ret_status = show_answer(&client, 0, &show);
	return count;
}

/* Or `headrace flows` would say that there are none where nobody could be asked. */
static void an_error_alone_is_not_shown_as_an_empty_answer(void **state)
{
	int result;

	assert_int_equal(shown("{\"done\":true}\n", &result), 100);
	assert_int_equal(result, EXIT_SUCCESS);
	assert_int_equal(shown("{\"error\":\"only root\"}\n", &result), 0);
	assert_int_equal(result, EXIT_TROUBLE);
	assert_int_equal(shown("{\"a\":{}}\n{\"error\":\"it ended\"}\n", &result), 101);
	assert_int_equal(result, EXIT_TROUBLE);
}

static void answers_are_told_apart(void **state)
{
	static const struct {
		const char *line;
		enum client_answer answer;
		const char *kind;
	} cases[] = {
		{ "{\"flow\":{\"a\":1}}", ANSWER_OBJECT, "flow" },
		{ "{\"done\":true}", ANSWER_DONE, NULL },
		{ "{\"error\":\"no\"}", ANSWER_ERROR, "no" },
		{ "{\"error\":7}", ANSWER_BROKEN, NULL },
		{ "{\"flow\":1}", ANSWER_BROKEN, NULL },
		{ "{}", ANSWER_BROKEN, NULL },
		{ "[]", ANSWER_BROKEN, NULL },
		{ "", ANSWER_BROKEN, NULL },
		{ "{\"flow\":", ANSWER_BROKEN, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *kind = NULL;
		json_t *root;
		json_t *object;

		assert_int_equal(client_parse(cases[i].line, &root, &kind, &object),
				 cases[i].answer);
		if (cases[i].kind)
			assert_string_equal(kind, cases[i].kind);
		json_decref(root);
	}
}

static void instance_names_are_checked(void **state)
{
	assert_null(client_instance_wrong("run-17"));
	assert_non_null(client_instance_wrong("a/b"));
	assert_non_null(client_instance_wrong(""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_are_cut_where_they_end),
		TEST(a_line_that_never_comes_times_out),
		TEST(a_server_that_hangs_up_is_told_apart),
		TEST(a_line_without_end_is_refused_not_kept),
		TEST(the_longest_line_is_taken),
		TEST(a_passed_descriptor_arrives_and_a_second_leaks_nothing),
		TEST(a_request_is_one_line),
		TEST(a_request_to_nobody_is_an_error_not_a_signal),
		TEST(who_hangs_up_before_the_request_may_have_said_why),
		TEST(answers_are_told_apart),
		TEST(an_error_alone_is_not_shown_as_an_empty_answer),
		TEST(instance_names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
