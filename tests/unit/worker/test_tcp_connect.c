// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit/worker/tcp_bench.h"

static void answers_the_syn_only_after_upstream_connected(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct packet_path path;
	struct segment s;

	app_send(&a, SEG_SYN, NULL, 0);
	assert_false(app_take(&path, &s));
	assert_int_equal(bench.counters.stats.tcp_connecting, 1);
	s = app_expect(&a, SEG_SYN | SEG_ACK);
	assert_int_equal(s.flags, SEG_SYN | SEG_ACK);
	assert_int_equal(s.mss, 1460);
	assert_int_equal(s.scale, 7);
	assert_true(s.sack_permitted);
	assert_int_equal(bench.counters.stats.tcp_connecting, 0);
	assert_int_equal(bench.counters.stats.tcp_open, 1);
	assert_int_equal(bench.noted, 1);
	close(bench_accept());
}

static void announces_the_smaller_mss_of_ipv6(void **state)
{
	struct app a = app_at("2001:db8::7", 4000);

	app_send(&a, SEG_SYN, NULL, 0);
	assert_int_equal(app_expect(&a, SEG_SYN | SEG_ACK).mss, 1440);
	close(bench_accept());
}

static void refusal_reaches_the_application_as_a_reset(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct segment s;

	bench_deaf();
	app_send(&a, SEG_SYN, NULL, 0);
	s = app_expect(&a, SEG_RST);
	assert_int_equal(s.flags, SEG_RST | SEG_ACK);
	assert_int_equal(s.seq, 0);
	assert_int_equal(s.ack, a.seq);
	assert_int_equal(bench.end, END_REFUSED);
	assert_int_equal(bench.counters.drops.upstream_refused, 1);
}

static void each_failure_of_a_dial_has_its_answer(void **state)
{
	static const struct {
		int error;
		int icmp; /* -1 = RST */
		enum flow_end end;
		enum drop_reason drop;
	} cases[] = {
		{ ENETUNREACH, ICMP_ERR_NET, END_UNREACHABLE, DROP_UPSTREAM_UNREACH },
		{ EHOSTUNREACH, ICMP_ERR_HOST, END_UNREACHABLE, DROP_UPSTREAM_UNREACH },
		{ EACCES, ICMP_ERR_PROHIBITED, END_UNREACHABLE, DROP_UPSTREAM_UNREACH },
		{ EPERM, -1, END_PROTECT, DROP_PROTECT },
		{ EADDRNOTAVAIL, -1, END_LIMIT, DROP_NO_PORT },
		{ EMFILE, -1, END_LIMIT, DROP_NO_DESCRIPTOR },
		{ ENFILE, -1, END_LIMIT, DROP_NO_DESCRIPTOR },
		{ ENOBUFS, -1, END_LIMIT, DROP_NO_MEMORY },
		{ ENOMEM, -1, END_LIMIT, DROP_NO_MEMORY },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const __u64 *drops = (const __u64 *)&bench.counters.drops;
		__u64 before = drops[cases[i].drop];
		struct app a = app_at("198.51.100.7", (uint16_t)(4000 + i));
		struct packet_path path;
		struct segment s;

		bench.connect_error = cases[i].error;
		bench.icmp_error = -1;
		app_send(&a, SEG_SYN, NULL, 0);
		assert_int_equal(bench.icmp_error, cases[i].icmp);
		assert_int_equal(app_take(&path, &s), cases[i].icmp == -1);
		if (cases[i].icmp == -1)
			assert_int_equal(s.flags, SEG_RST | SEG_ACK);
		assert_int_equal(bench.end, cases[i].end);
		assert_int_equal(drops[cases[i].drop], before + 1);
	}
	assert_int_equal(bench.w.tcp->table.count, 0);
}

/* An upstream that never answers: a listener whose queue is full. */
static int bench_fill_backlog(int fds[], int n)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&bench.upstream, &ss);

	listen(bench.listener, 0);
	for (int i = 0; i < n; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&ss, len);
	}
	return n;
}

static void gives_up_after_the_time_limit_and_says_so(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fds[8], n = bench_fill_backlog(fds, 8);

	app_send(&a, SEG_SYN, NULL, 0);
	bench_skip(29900);
	assert_int_equal(bench.icmp_error, -1);
	bench_skip(200);
	assert_int_equal(bench.icmp_error, ICMP_ERR_HOST);
	assert_int_equal(bench.end, END_TIMEOUT);
	assert_int_equal(bench.counters.drops.upstream_timeout, 1);
	while (n > 0)
		close(fds[--n]);
}

static void repeated_syn_is_dropped_while_the_connect_is_in_flight(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	int fd;

	app_send(&a, SEG_SYN, NULL, 0);
	a.seq--;
	app_send(&a, SEG_SYN, NULL, 0);
	assert_int_equal(bench.counters.drops.retransmit, 1);
	a.ack = app_expect(&a, SEG_SYN | SEG_ACK).seq + 1;
	fd = bench_accept();
	assert_int_equal(accept(bench.listener, NULL, NULL), -1);
	close(fd);
}

/*
 * Behind a RST that meant something else the kernel half takes it for a new flow, whose entry
 * nobody but this one would end.
 */
static void end_takes_the_entry_that_a_repeated_syn_has_made(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	uint64_t again_ns;

	app_send(&a, SEG_SYN, NULL, 0);
	bench_skip(1000);
	again_ns = clock_ns();
	a.seq--;
	app_send(&a, SEG_SYN, NULL, 0);
	app_expect(&a, SEG_SYN | SEG_ACK);
	close(bench_accept());
	app_send(&a, SEG_RST, NULL, 0);
	assert_int_equal(bench.ended, 1);
	assert_true(bench.created_ns >= again_ns);
}

/* The same where upstream is there, and the SYN-ACK was lost. */
static void end_takes_the_entry_of_a_syn_that_is_answered_again(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	unsigned int noted;
	uint64_t again_ns;

	app_send(&a, SEG_SYN, NULL, 0);
	app_expect(&a, SEG_SYN | SEG_ACK);
	close(bench_accept());
	bench_skip(10);
	noted = bench.noted;
	again_ns = clock_ns();
	a.seq--;
	app_send(&a, SEG_SYN, NULL, 0);
	assert_int_equal(bench.noted, noted + 1);
	app_send(&a, SEG_RST, NULL, 0);
	assert_int_equal(bench.ended, 1);
	assert_true(bench.created_ns >= again_ns);
}

static void new_syn_of_the_same_port_replaces_a_connect_in_flight(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);

	app_send(&a, SEG_SYN, NULL, 0);
	a.seq = 77777;
	app_send(&a, SEG_SYN, NULL, 0);
	assert_int_equal(bench.end, END_REPLACED);
	assert_int_equal(app_expect(&a, SEG_SYN | SEG_ACK).ack, 77778);
}

static void reset_of_the_application_ends_a_connect_in_flight(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);

	app_send(&a, SEG_SYN, NULL, 0);
	app_send(&a, SEG_RST, NULL, 0);
	assert_int_equal(bench.end, END_APP_RESET);
	assert_int_equal(bench.w.tcp->table.count, 0);
	app_expect_silence(20);
}

static void connects_beyond_the_limit_are_dropped_and_counted(void **state)
{
	int fds[8], n = bench_fill_backlog(fds, 8);

	datapath_budget(&bench.w.datapath, BUDGET_CONNECTS)->limit = 16;
	for (uint16_t i = 0; i < 100; i++) {
		struct app a = app_at("198.51.100.7", (uint16_t)(4000 + i));

		app_send(&a, SEG_SYN, NULL, 0);
		bench_turn(0);
	}
	assert_int_equal(bench.counters.drops.connects, 84);
	assert_int_equal(bench.counters.stats.tcp_connecting, 16);
	assert_int_equal(bench.w.tcp->table.count, 16);
	while (n > 0)
		close(fds[--n]);
}

static void port_53_goes_to_the_resolver(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);
	struct relay_message msg;
	int fds[2], stream;
	char buf[5];

	assert_int_equal(message_pair(fds), 0);
	bench.w.relay_fd = fds[0];
	a.path.dport = htons(53);
	app_send(&a, SEG_SYN, NULL, 0);
	a.ack = app_expect(&a, SEG_SYN | SEG_ACK).seq + 1;
	assert_int_equal(message_recv(fds[1], &msg, sizeof(msg), &stream), sizeof(msg));
	assert_int_equal(msg.type, RELAY_STREAM);
	assert_int_equal(msg.key.sport, htons(4000));
	app_ack(&a);
	app_send(&a, SEG_ACK | SEG_PSH, "query", 5);
	bench_read(stream, buf, 5);
	assert_memory_equal(buf, "query", 5);
	assert_int_equal(write(stream, "answer", 6), 6);
	app_read(&a, (const uint8_t *)"answer", 6);
	close(stream);
	app_expect(&a, SEG_FIN);
	close(fds[0]);
	close(fds[1]);
}

static void port_53_is_refused_without_a_resolver(void **state)
{
	struct app a = app_at("198.51.100.7", 4000);

	a.path.dport = htons(53);
	app_send(&a, SEG_SYN, NULL, 0);
	app_expect(&a, SEG_RST);
	assert_int_equal(bench.end, END_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_the_syn_only_after_upstream_connected,
						bench_up, bench_down),
		cmocka_unit_test_setup_teardown(announces_the_smaller_mss_of_ipv6, bench_up_plain,
						bench_down),
		cmocka_unit_test_setup_teardown(refusal_reaches_the_application_as_a_reset,
						bench_up, bench_down),
		cmocka_unit_test_setup_teardown(each_failure_of_a_dial_has_its_answer, bench_up,
						bench_down),
		cmocka_unit_test_setup_teardown(gives_up_after_the_time_limit_and_says_so, bench_up,
						bench_down),
		cmocka_unit_test_setup_teardown(
			repeated_syn_is_dropped_while_the_connect_is_in_flight, bench_up,
			bench_down),
		cmocka_unit_test_setup_teardown(end_takes_the_entry_that_a_repeated_syn_has_made,
						bench_up, bench_down),
		cmocka_unit_test_setup_teardown(end_takes_the_entry_of_a_syn_that_is_answered_again,
						bench_up, bench_down),
		cmocka_unit_test_setup_teardown(
			new_syn_of_the_same_port_replaces_a_connect_in_flight, bench_up,
			bench_down),
		cmocka_unit_test_setup_teardown(reset_of_the_application_ends_a_connect_in_flight,
						bench_up, bench_down),
		cmocka_unit_test_setup_teardown(connects_beyond_the_limit_are_dropped_and_counted,
						bench_up, bench_down),
		cmocka_unit_test_setup_teardown(port_53_goes_to_the_resolver, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(port_53_is_refused_without_a_resolver, bench_up,
						bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
