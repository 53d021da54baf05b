// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report.c: what is kept, what is summed, and in which order it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/control.h"
#include "base/fd.h"
#include "base/limits.h"
#include "supervisor/control.h"
/* for its static functions */
#include "supervisor/report.c"
#include "unit/supervisor/kernel_fake.h"

static struct loop *loop;
static struct control control;
static struct control_client *client;
static struct report report;
static int peer;

static void on_request(struct control *c, struct control_client *cl, const json_t *request)
{
	client = cl;
}

static void on_gone(struct control *c, struct control_client *cl)
{
}

static const struct control_ops ops = { .request = on_request, .gone = on_gone };

static int setup(void **state)
{
	int pair[2];

	fake_kernel_reset();
	report_init(&report, REPORT_FLOWS_MAX);
	if (loop_new(&loop) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -1;
	control_init(&control, loop, &ops);
	peer = pair[0];
	if (control_adopt(&control, pair[1]) || send(peer, "{}\n", 3, 0) != 3)
		return -1;
	return loop_once(loop, 0);
}

static int teardown(void **state)
{
	report_done(&report);
	control_done(&control);
	loop_free(loop);
	fd_close(peer);
	return 0;
}

static struct flow_event ended(unsigned int n, uint64_t bytes)
{
	struct flow_event e = { .time_ns = 1000 + n, .type = EVENT_FLOW_END };

	e.key.sport = (__be16)n;
	e.flow.first_seen_ns = 1000 - n;
	e.flow.bytes_down = bytes;
	e.info.end = END_FINISHED;
	snprintf(e.info.domain, sizeof(e.info.domain), "n%u.example", n);
	return e;
}

/* The lines of an answer, one at a time. */
static json_t *next_line(FILE *f)
{
	static char line[8192];

	return fgets(line, sizeof(line), f) ? json_loads(line, 0, NULL) : NULL;
}

static FILE *told(bool full)
{
	report_send(&report, &fake_kernel, full, client);
	loop_once(loop, 0);
	shutdown(client->watch.fd, SHUT_WR);
	return fdopen(dup(peer), "r");
}

static json_int_t sum(json_t *line, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(line, "summary"), key));
}

static void expect_domain(FILE *f, const char *domain)
{
	json_t *line = next_line(f), *flow = json_object_get(line, "flow");

	assert_non_null(flow);
	assert_string_equal(json_string_value(json_object_get(flow, "domain")), domain);
	json_decref(line);
}

static void tells_all_flows_in_the_order_they_began(void **state)
{
	json_t *line;
	FILE *f;

	for (unsigned int i = 0; i < 3; i++) {
		struct flow_event e = ended(i, 100 * i);

		report_add(&report, &e);
	}
	f = told(true);
	expect_domain(f, "n2.example");
	expect_domain(f, "n1.example");
	expect_domain(f, "n0.example");
	line = next_line(f);
	assert_int_equal(sum(line, "flows"), 3);
	assert_int_equal(sum(line, "bytes_down"), 300);
	assert_int_equal(sum(line, "not_kept"), 0);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(json_object_get(line, "summary"), "drops"), "malformed")),
		7);
	json_decref(line);
	assert_null(next_line(f));
	fclose(f);
}

static void tells_the_largest_when_it_is_short(void **state)
{
	json_t *line;
	FILE *f;

	for (unsigned int i = 0; i < REPORT_SHORT + 5; i++) {
		struct flow_event e = ended(i, 1000 - i);

		report_add(&report, &e);
	}
	f = told(false);
	expect_domain(f, "n0.example");
	for (unsigned int i = 1; i < REPORT_SHORT; i++)
		json_decref(next_line(f));
	line = next_line(f);
	assert_int_equal(sum(line, "flows"), REPORT_SHORT + 5);
	json_decref(line);
	fclose(f);
}

static void tells_open_flows_without_an_end_and_forgets_them(void **state)
{
	struct flow_event e = ended(1, 10);
	json_t *line, *flow;
	FILE *f;

	report_add(&report, &e);
	fake_kernel.flows = 2;
	fake_kernel.flow[0].flow.first_seen_ns = fake_kernel.flow[1].flow.first_seen_ns = 9999;
	fake_kernel.flow[0].flow.bytes_up = 7;
	f = told(true);
	json_decref(next_line(f));
	line = next_line(f);
	flow = json_object_get(line, "flow");
	assert_non_null(flow);
	assert_null(json_object_get(flow, "end"));
	json_decref(line);
	json_decref(next_line(f));
	line = next_line(f);
	assert_int_equal(sum(line, "flows"), 3);
	assert_int_equal(sum(line, "bytes_up"), 7);
	json_decref(line);
	fclose(f);
	assert_int_equal(report.count, 1);
	assert_int_equal(report.flows, 1);
	assert_int_equal(report.bytes_up, 0);
}

static void keeps_no_more_than_its_bound(void **state)
{
	struct flow_event e = ended(1, 1);

	for (unsigned int i = 0; i < REPORT_FLOWS_MAX + 10; i++)
		report_add(&report, &e);
	assert_int_equal(report.count, REPORT_FLOWS_MAX);
	assert_int_equal(report.flows, REPORT_FLOWS_MAX + 10);
	assert_int_equal(report.bytes_down, REPORT_FLOWS_MAX + 10);
}

static void a_short_report_keeps_the_largest_of_all(void **state)
{
	json_t *line;
	FILE *f;

	report_init(&report, REPORT_SHORT);
	for (unsigned int i = 0; i < 1000; i++) {
		/* 7 and 1000 have no common divisor: every size once, in no order */
		struct flow_event e = ended(i, 7 * i % 1000);

		report_add(&report, &e);
	}
	assert_int_equal(report.count, REPORT_SHORT);
	for (size_t i = 0; i < report.count; i++)
		assert_true(report.flow[i].flow.bytes_down >= 1000 - REPORT_SHORT);
	f = told(true);
	for (unsigned int i = 0; i < REPORT_SHORT; i++)
		json_decref(next_line(f));
	line = next_line(f);
	assert_int_equal(sum(line, "flows"), 1000);
	assert_int_equal(sum(line, "not_kept"), 1000 - REPORT_SHORT);
	assert_int_equal(sum(line, "bytes_down"), 999 * 1000 / 2);
	json_decref(line);
	fclose(f);
}

static void keeps_none_where_nobody_will_ask(void **state)
{
	struct flow_event e = ended(1, 5);

	report_init(&report, 0);
	report_add(&report, &e);
	assert_int_equal(report.count, 0);
	assert_int_equal(report.flows, 1);
	assert_int_equal(report.bytes_down, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_all_flows_in_the_order_they_began, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tells_the_largest_when_it_is_short, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tells_open_flows_without_an_end_and_forgets_them,
						setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_no_more_than_its_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_report_keeps_the_largest_of_all, setup,
						teardown),
		cmocka_unit_test_setup_teardown(keeps_none_where_nobody_will_ask, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
