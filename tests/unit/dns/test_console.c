// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* console.c: questions of users by way of main, and a log that is followed. */
#include "support.h"

#include "base/limits.h"
#include "dns/console.h"

static struct loop *loop;
static struct datapath datapath;
static struct service *service;
static struct console *console;

static struct {
	uint64_t tag;
	char text[1 << 20];
	int result; /* of sending */
	unsigned int ends;
} got;

static int take(uint64_t tag, const char *text, size_t len)
{
	if (got.result)
		return got.result;
	got.tag = tag;
	got.ends += !len;
	if (len)
		strncat(got.text, text, len);
	return 0;
}

static void drop_reply(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
}

static int setup(void **state)
{
	struct service_options options = {
		.mtu = 1500, .sockets_max = 8, .upstreams = 1, .reply = drop_reply
	};
	struct console_options console_options = { .send = take };

	memset(&got, 0, sizeof(got));
	clock_inject(test_clock);
	options.upstream[0] = closed_endpoint();
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(service_new(loop, &datapath, &options, &service), 0);
	console_options.loop = loop;
	console_options.service = service;
	return console_new(&console_options, &console);
}

static int teardown(void **state)
{
	service_free(service);
	console_free(console);
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}

static int ask(uint64_t tag, const char *text)
{
	got.text[0] = '\0';
	return console_ask(console, tag, text, strlen(text));
}

static void remember(const char *name)
{
	struct history_entry *h = history_add(&service->history);

	snprintf(h->name, sizeof(h->name), "%s", name);
}

static unsigned int count_of(const char *what)
{
	unsigned int n = 0;

	for (const char *at = got.text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void answers_what_it_is_asked(void **state)
{
	remember("a.test");
	assert_int_equal(ask(7, "{\"what\":\"all\"}"), 0);
	assert_int_equal(got.tag, 7);
	assert_int_equal(count_of("\"type\":\"upstream\""), 1);
	assert_int_equal(count_of("\"type\":\"cache\""), 1);
	assert_int_equal(count_of("\"name\":\"a.test\""), 1);
	assert_int_equal(ask(8, "{\"what\":\"stats\"}"), 0);
	assert_int_equal(count_of("a.test"), 0);
	assert_int_equal(ask(9, "{\"what\":\"cache\",\"name\":\"a.test.\"}"), 0);
	assert_string_equal(got.text, "");
	assert_int_equal(ask(9, "{\"what\":\"flush\"}"), 0);
	assert_int_equal(count_of("\"type\":\"flushed\",\"count\":0"), 1);
}

static void says_what_is_wrong_with_a_question(void **state)
{
	static const char *const wrong[] = { "",
					     "{",
					     "[]",
					     "{\"what\":1}",
					     "{\"what\":\"nonsense\"}",
					     "{\"what\":\"flush\",\"name\":\"a..b\"}",
					     "{\"what\":\"flush\",\"name\":5}",
					     "{\"what\":\"cache\",\"name\":\"\"}" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(ask(1, wrong[i]), 0);
		assert_int_equal(count_of("\"type\":\"error\""), 1);
	}
}

static void tells_a_follower_what_comes(void **state)
{
	remember("before.test");
	assert_int_equal(ask(5, "{\"what\":\"log\",\"follow\":true}"), 1);
	assert_int_equal(count_of("before.test"), 1);
	got.text[0] = '\0';
	remember("after.test");
	remember("then.test");
	advance_ms(1000);
	loop_once(loop, 0);
	assert_int_equal(count_of("before.test"), 0);
	assert_int_equal(count_of("after.test") + count_of("then.test"), 2);
	got.text[0] = '\0';
	advance_ms(1000);
	loop_once(loop, 0);
	assert_string_equal(got.text, "");
	console_forget(console, 5);
	remember("later.test");
	advance_ms(1000);
	loop_once(loop, 0);
	assert_string_equal(got.text, "");
}

static void tells_a_follower_what_it_has_lost(void **state)
{
	assert_int_equal(ask(5, "{\"what\":\"log\",\"follow\":true}"), 1);
	for (unsigned int i = 0; i < HISTORY_ENTRIES + 3; i++)
		remember("many.test");
	advance_ms(1000);
	loop_once(loop, 0);
	assert_int_equal(count_of("\"type\":\"lost\",\"count\":3"), 1);
	assert_int_equal(count_of("many.test"), HISTORY_ENTRIES);
}

static void look_up(const char *question)
{
	unsigned int ends = got.ends;

	assert_int_equal(ask(3, question), 1);
	turn_until(loop, got.ends == ends + 1);
}

static void looks_up_and_says_why(void **state)
{
	look_up("{\"what\":\"lookup\",\"name\":\"www.test\",\"type\":\"aaaa\"}");
	assert_int_equal(count_of("\"type\":\"lookup\",\"name\":\"www.test\",\"qtype\":\"AAAA\""),
			 1);
	assert_int_equal(count_of("\"rcode\":\"SERVFAIL\""), 1); /* its upstream refuses */
	assert_int_equal(ask(4, "{\"what\":\"lookup\"}"), 0);
	assert_int_equal(count_of("a name is needed"), 1);
	assert_int_equal(ask(4, "{\"what\":\"lookup\",\"name\":\"a\",\"type\":\"X\"}"), 0);
	assert_int_equal(count_of("no such record type"), 1);
	assert_int_equal(ask(4, "{\"what\":\"lookup\",\"name\":\"a\",\"client\":\"b\"}"), 0);
	assert_int_equal(count_of("no IPv4 or IPv6 address"), 1);
	assert_int_equal(ask(4, "{\"what\":\"lookup\",\"name\":\"a\",\"type\":\"AXFR\"}"), 0);
	assert_int_equal(count_of("not looked up"), 1);
}

static void a_lookup_before_the_first_configuration_says_so(void **state)
{
	struct generation *first = service->generation;

	service->generation = NULL;
	assert_int_equal(ask(4, "{\"what\":\"lookup\",\"name\":\"www.test\"}"), 0);
	assert_int_equal(count_of("the configuration is still being read"), 1);
	service->generation = first;
}

static void a_lookup_that_nobody_waits_for_says_nothing(void **state)
{
	assert_int_equal(ask(3, "{\"what\":\"lookup\",\"name\":\"www.test\"}"), 1);
	console_forget(console, 3);
	turn_until(loop, query_count(service->queries) == 0);
	assert_string_equal(got.text, "");
	assert_int_equal(got.ends, 0);
}

static void followers_are_bounded(void **state)
{
	for (unsigned int i = 1; i <= CONTROL_CLIENTS_MAX; i++)
		assert_int_equal(ask(i, "{\"what\":\"log\",\"follow\":true}"), 1);
	assert_int_equal(ask(99, "{\"what\":\"log\",\"follow\":true}"), 0);
	assert_int_equal(count_of("\"type\":\"error\""), 1);
}

static void main_that_takes_nothing_ends_the_answer(void **state)
{
	remember("a.test");
	got.result = -EAGAIN;
	assert_int_equal(ask(5, "{\"what\":\"all\"}"), 0);
	assert_string_equal(got.text, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(answers_what_it_is_asked),
		T(says_what_is_wrong_with_a_question),
		T(tells_a_follower_what_comes),
		T(tells_a_follower_what_it_has_lost),
		T(a_lookup_before_the_first_configuration_says_so),
		T(looks_up_and_says_why),
		T(a_lookup_that_nobody_waits_for_says_nothing),
		T(followers_are_bounded),
		T(main_that_takes_nothing_ends_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
