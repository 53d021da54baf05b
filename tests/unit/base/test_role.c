// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* role.c: a role's end of the protocol, with the test as main on the other end of ROLE_FD. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/message.h"
#include "base/role.h"

static struct loop *loop;
static struct role_link role;
static int main_end = -1;
static int start_result;
static unsigned int configs, starts, queries;
static uint64_t forgotten;
static int taken_fd = -1;
static struct role_descriptor taken;

static int on_config(struct role_link *link, const struct role_config *config)
{
	configs += config->slot;
	return 0;
}

static int on_descriptor(struct role_link *link, const struct role_descriptor *d, int fd)
{
	taken = *d;
	taken_fd = fd;
	return 0;
}

static int on_start(struct role_link *link)
{
	starts++;
	return start_result;
}

static int on_query(struct role_link *link, uint64_t tag, const char *text, size_t len)
{
	queries++;
	if (len == 5 && memcmp(text, "later", 5) == 0)
		return 1;
	return role_send_text(tag, text, len); /* an echo */
}

static void on_forget(struct role_link *link, uint64_t tag)
{
	forgotten = tag;
}

static struct role_uplinks uplinks;

static void on_uplinks(struct role_link *link, const struct role_uplinks *u)
{
	uplinks = *u;
}

static const struct role_link_ops ops = { "test",   on_config, on_descriptor, on_start,
					  on_query, on_forget, on_uplinks };

static int link_setup(void **state)
{
	int pair[2];

	configs = starts = queries = 0;
	start_result = 0;
	if (message_pair(pair))
		return -1;
	main_end = fcntl(pair[0], F_DUPFD_CLOEXEC, 2 * ROLE_FD); /* out of ROLE_FD's way */
	if (main_end < 0 || (pair[1] != ROLE_FD && dup3(pair[1], ROLE_FD, O_CLOEXEC) < 0))
		return -1;
	for (int i = 0; i < 2; i++)
		fd_close(pair[i] == ROLE_FD ? -1 : pair[i]);
	if (loop_new(&loop))
		return -1;
	return role_link_open(&role, loop, &ops);
}

static int link_teardown(void **state)
{
	role_link_close(&role);
	loop_free(loop);
	fd_close(ROLE_FD);
	main_end = fd_close(main_end);
	taken_fd = fd_close(taken_fd);
	return 0;
}

/* Sends a message and lets the role take it. */
static void say(uint32_t type, const void *body, size_t len, int fd)
{
	uint8_t buf[ROLE_MESSAGE_MAX];

	memcpy(buf, &type, sizeof(type));
	if (len > 0)
		memcpy(buf + sizeof(type), body, len);
	assert_int_equal(message_send(main_end, buf, sizeof(type) + len, fd), 0);
	assert_int_equal(loop_once(loop, 1000), 0);
}

static void say_config(void)
{
	struct role_config config = { .slot = 1 };

	say(ROLE_CONFIG, &config, sizeof(config), -1);
}

/* The role gave up: its loop would end with this status. */
static void assert_ended(int status)
{
	assert_int_equal(loop_run(loop), status);
}

static void answer(uint32_t type, void *body, size_t size, size_t *ret_len)
{
	uint8_t buf[ROLE_MESSAGE_MAX];
	int fd;
	ssize_t n = message_recv(main_end, buf, sizeof(buf), &fd);

	assert_true(n >= (ssize_t)sizeof(type));
	assert_memory_equal(buf, &type, sizeof(type));
	*ret_len = (size_t)n - sizeof(type);
	assert_true(*ret_len <= size);
	memcpy(body, buf + sizeof(type), *ret_len);
}

static void goes_through_config_descriptor_start_and_stop(void **state)
{
	struct role_descriptor d = { .kind = ROLE_FD_QUEUE, .index = 7 };
	int null = open("/dev/null", O_RDONLY);
	uint8_t body[16];
	size_t len;

	say_config();
	say(ROLE_DESCRIPTOR, &d, sizeof(d), null);
	close(null);
	assert_int_equal(taken.index, 7);
	assert_true(taken_fd >= 0);
	say(ROLE_START, NULL, 0, -1);
	answer(ROLE_READY, body, sizeof(body), &len);
	assert_int_equal(len, 0);
	assert_int_equal(configs, 1);
	assert_int_equal(starts, 1);
	say(ROLE_STOP, NULL, 0, -1);
	assert_ended(EXIT_SUCCESS);
}

static void answers_a_query_and_marks_its_end(void **state)
{
	struct {
		struct role_text head;
		char text[3];
	} q = { { .tag = 42, .length = 3 }, "dns" }, a;
	size_t len;

	say_config();
	say(ROLE_START, NULL, 0, -1);
	answer(ROLE_READY, &a, sizeof(a), &len);
	say(ROLE_QUERY, &q, sizeof(q.head) + 3, -1);
	answer(ROLE_TEXT, &a, sizeof(a), &len);
	assert_int_equal(a.head.tag, 42);
	assert_int_equal(a.head.length, 3);
	assert_memory_equal(a.text, "dns", 3);
	answer(ROLE_TEXT, &a, sizeof(a), &len);
	assert_int_equal(a.head.tag, 42);
	assert_int_equal(a.head.length, 0);
}

static void takes_other_uplinks_at_any_time(void **state)
{
	struct role_uplinks u = { .ifindex4 = 7, .ifindex6 = 9 };

	say_config();
	say(ROLE_UPLINKS, &u, sizeof(u), -1);
	assert_int_equal(uplinks.ifindex4, 7);
	assert_int_equal(uplinks.ifindex6, 9);
	u.ifindex6 = 0;
	say(ROLE_UPLINKS, &u, sizeof(u), -1);
	assert_int_equal(uplinks.ifindex6, 0);
}

static void ends_an_answer_later_or_is_told_to_forget_it(void **state)
{
	struct {
		struct role_text head;
		char text[8];
	} q = { { .tag = 43, .length = 5 }, "later" }, a;
	size_t len;

	say_config();
	say(ROLE_START, NULL, 0, -1);
	answer(ROLE_READY, &a, sizeof(a), &len);
	say(ROLE_QUERY, &q, sizeof(q.head) + 5, -1);
	say(ROLE_PING, NULL, 0, -1);
	answer(ROLE_PONG, &a, sizeof(a), &len); /* and no end mark before it */
	say(ROLE_FORGET, &q.head, sizeof(q.head), -1);
	assert_int_equal(forgotten, 43);
}

static void answers_a_ping(void **state)
{
	uint8_t body[16];
	size_t len;

	say_config();
	say(ROLE_START, NULL, 0, -1);
	answer(ROLE_READY, body, sizeof(body), &len);
	say(ROLE_PING, NULL, 0, -1);
	answer(ROLE_PONG, body, sizeof(body), &len);
	assert_int_equal(len, 0);
}

static void refuses_a_query_that_lies_about_its_length(void **state)
{
	struct role_text q = { .tag = 1, .length = 1 };

	say_config();
	say(ROLE_START, NULL, 0, -1);
	say(ROLE_QUERY, &q, sizeof(q), -1);
	assert_int_equal(queries, 0);
	assert_ended(EXIT_FAILURE);
}

static void refuses_a_second_config(void **state)
{
	say_config();
	say_config();
	assert_int_equal(configs, 1);
	assert_ended(EXIT_FAILURE);
}

static void refuses_a_config_of_another_size(void **state)
{
	uint8_t body[sizeof(struct role_config) + 1] = { 0 };

	say(ROLE_CONFIG, body, sizeof(body), -1);
	assert_int_equal(configs, 0);
	assert_ended(EXIT_FAILURE);
}

static void refuses_to_start_without_config(void **state)
{
	say(ROLE_START, NULL, 0, -1);
	assert_int_equal(starts, 0);
	assert_ended(EXIT_FAILURE);
}

static void refuses_to_start_twice(void **state)
{
	say_config();
	say(ROLE_START, NULL, 0, -1);
	say(ROLE_START, NULL, 0, -1);
	assert_int_equal(starts, 1);
	assert_ended(EXIT_FAILURE);
}

static void a_failed_start_is_not_ready(void **state)
{
	uint8_t buf[16];
	int fd;

	start_result = -ENOMEM;
	say_config();
	say(ROLE_START, NULL, 0, -1);
	assert_int_equal(message_recv(main_end, buf, sizeof(buf), &fd), -EAGAIN);
	assert_ended(EXIT_FAILURE);
}

static void a_descriptor_where_none_belongs_is_closed(void **state)
{
	int pipe_fds[2];
	char c;

	assert_int_equal(pipe(pipe_fds), 0);
	say(ROLE_STOP, NULL, 0, pipe_fds[1]);
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &c, 1), 0); /* the last writer is gone */
	close(pipe_fds[0]);
	assert_ended(EXIT_SUCCESS);
}

static void a_descriptor_before_the_config_is_closed(void **state)
{
	struct role_descriptor d = { .kind = ROLE_FD_QUEUE };
	int pipe_fds[2];
	char c;

	assert_int_equal(pipe(pipe_fds), 0);
	say(ROLE_DESCRIPTOR, &d, sizeof(d), pipe_fds[1]);
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &c, 1), 0);
	close(pipe_fds[0]);
	assert_int_equal(taken_fd, -1);
	assert_ended(EXIT_FAILURE);
}

static void ends_when_main_is_gone(void **state)
{
	assert_false(role_is_orphan());
	main_end = fd_close(main_end);
	assert_int_equal(loop_once(loop, 1000), 0);
	assert_ended(EXIT_FAILURE);
	assert_true(role_is_orphan());
}

static void what_main_says_is_not_its_end(void **state)
{
	say(ROLE_STOP, NULL, 0, -1);
	assert_false(role_is_orphan());
	assert_ended(EXIT_SUCCESS);
}

static void text_that_does_not_fit_is_refused(void **state)
{
	static char text[ROLE_TEXT_MAX + 1];

	assert_int_equal(role_send_text(1, text, sizeof(text)), -EMSGSIZE);
	assert_int_equal(role_send_text(1, text, sizeof(text) - 1), 0);
}

#define LINK_TEST(f) cmocka_unit_test_setup_teardown(f, link_setup, link_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(goes_through_config_descriptor_start_and_stop),
		LINK_TEST(answers_a_query_and_marks_its_end),
		LINK_TEST(ends_an_answer_later_or_is_told_to_forget_it),
		LINK_TEST(takes_other_uplinks_at_any_time),
		LINK_TEST(answers_a_ping),
		LINK_TEST(refuses_a_query_that_lies_about_its_length),
		LINK_TEST(refuses_a_second_config),
		LINK_TEST(refuses_a_config_of_another_size),
		LINK_TEST(refuses_to_start_without_config),
		LINK_TEST(refuses_to_start_twice),
		LINK_TEST(a_failed_start_is_not_ready),
		LINK_TEST(a_descriptor_where_none_belongs_is_closed),
		LINK_TEST(a_descriptor_before_the_config_is_closed),
		LINK_TEST(ends_when_main_is_gone),
		LINK_TEST(what_main_says_is_not_its_end),
		LINK_TEST(text_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
