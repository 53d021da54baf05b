// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* log.c: levels, form, cleaning and rate limit of lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

static uint64_t now_ns;
static int saved_stderr, out;
static char text[65536];

static uint64_t test_clock(void)
{
	return now_ns;
}

static int capture(void **state)
{
	int fds[2];

	if (pipe2(fds, O_NONBLOCK) < 0)
		return -1;
	saved_stderr = dup(2);
	dup2(fds[1], 2);
	fd_close(fds[1]);
	out = fds[0];
	now_ns = NSEC_PER_SEC;
	clock_inject(test_clock);
	return 0;
}

static int restore(void **state)
{
	dup2(saved_stderr, 2);
	fd_close(saved_stderr);
	fd_close(out);
	clock_inject(NULL);
	return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
	ssize_t n = read(out, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static unsigned int lines(const char *s)
{
	unsigned int num = 0;

	for (; *s; s++)
		num += *s == '\n';
	return num;
}

static void a_line_names_process_component_and_severity(void **state)
{
	log_setup("headraced[worker 1]", LOG_LEVEL_INFO);
	log_info("tcp", "connected key=%d", 7);
	assert_string_equal(logged(), "headraced[worker 1] tcp: connected key=7\n");
	log_err("tcp", "broken");
	assert_string_equal(logged(), "headraced[worker 1] tcp: error: broken\n");
}

static void lines_above_the_level_are_dropped(void **state)
{
	log_setup("x", LOG_LEVEL_WARN);
	log_info("a", "info");
	log_debug("a", "debug");
	assert_string_equal(logged(), "");
	log_warn("a", "warn");
	assert_string_equal(logged(), "x a: warn: warn\n");
}

static void parses_level_names(void **state)
{
	enum log_level level = LOG_LEVEL_INFO;

	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void text_cannot_forge_lines_or_drive_a_terminal(void **state)
{
	log_setup("x", LOG_LEVEL_INFO);
	log_info("dns", "name=%s", "a\nheadraced main: \033[2Jforged\x7f");
	assert_string_equal(logged(), "x dns: name=a?headraced main: ?[2Jforged?\n");
}

static void long_lines_are_cut(void **state)
{
	char word[3000];

	memset(word, 'y', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	log_setup("x", LOG_LEVEL_INFO);
	log_info("a", "%s", word);
	assert_int_equal(strlen(logged()), 1024);
	assert_int_equal(lines(text), 1);
}

static void log_once(void)
{
	log_info("a", "again");
}

static void a_site_that_repeats_is_limited_and_says_how_much_it_left_out(void **state)
{
	log_setup("x", LOG_LEVEL_INFO);
	for (int i = 0; i < LOG_BURST + 5; i++)
		log_once();
	assert_int_equal(lines(logged()), LOG_BURST);
	now_ns += LOG_WINDOW_MS * NSEC_PER_MSEC;
	log_once();
	assert_string_equal(logged(), "x a: again left_out=5\n");
	log_once();
	assert_string_equal(logged(), "x a: again\n");
}

static void sites_do_not_limit_each_other(void **state)
{
	log_setup("x", LOG_LEVEL_INFO);
	now_ns += LOG_WINDOW_MS * NSEC_PER_MSEC;
	for (int i = 0; i < LOG_BURST + 5; i++)
		log_once();
	logged();
	log_info("b", "other");
	assert_string_equal(logged(), "x b: other\n");
}

int main(void)
{
#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, capture, restore)
	const struct CMUnitTest tests[] = {
		LOG_TEST(a_line_names_process_component_and_severity),
		LOG_TEST(lines_above_the_level_are_dropped),
		LOG_TEST(parses_level_names),
		LOG_TEST(text_cannot_forge_lines_or_drive_a_terminal),
		LOG_TEST(long_lines_are_cut),
		LOG_TEST(a_site_that_repeats_is_limited_and_says_how_much_it_left_out),
		LOG_TEST(sites_do_not_limit_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
