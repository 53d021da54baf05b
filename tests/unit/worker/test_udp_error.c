// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Errors of the UDP engine: refused, unreachable, too big, out of something. */
#include "unit/worker/fake_udp.c"

static void check_refused(int family, int type, int code)
{
	struct packet_path path;
	uint64_t begun;

	begin(family);
	path = fake_path(&f, family, SPORT, port);
	close(server);
	begun = clock_ms();
	fake_write_udp(&f, &path, payload, 100);
	expect_icmp(&path, type, code, 0, &path.dst);
	assert_true(clock_ms() - begun < 50);
	/* Two IP headers, ICMP and UDP: what is quoted is the datagram with its payload. */
	assert_memory_equal(got + (family == AF_INET ? 56 : 96), payload, 100);
	assert_int_equal(drops()->upstream_refused, 1);
	/* Again, and once somebody listens it works. */
	fake_write_udp(&f, &path, payload, 100);
	expect_icmp(&path, type, code, 0, &path.dst);
	assert_int_equal(stats()->udp_total, 1);
	server = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	end();
}

static void a_refusal_comes_back_at_once_v4(void **state)
{
	check_refused(AF_INET, 3, 3);
}

static void a_refusal_comes_back_at_once_v6(void **state)
{
	check_refused(AF_INET6, 1, 4);
}

static void a_send_after_a_refusal_is_not_lost(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct packet_path path;
	struct sockaddr_storage from;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	close(server);
	fake_write_udp(&f, &path, payload, 100);
	expect_icmp(&path, 3, 3, 0, &path.dst);
	fake_write_udp(&f, &path, payload, 100);
	loop_once(f.worker.loop, 0); /* sent, refused, and the error still unread */
	a.sin_port = htons(port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&a, sizeof(a)), 0);
	fake_write_udp(&f, &path, payload, 30);
	expect_served(30, &from);
	end();
}

static void no_route_is_told(void **state)
{
	struct packet_path path;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	path.dst.b[15] = 77; /* not mapped, and the namespace has lo alone */
	fake_write_udp(&f, &path, payload, 100);
	expect_icmp(&path, 3, 0, 0, &f.worker.config.settings.stack4);
	assert_int_equal(drops()->upstream_unreachable, 1);
	assert_int_equal(stats()->udp_open, 0);
	end();
}

static void too_big_for_the_path_is_told_with_its_mtu(void **state)
{
	const struct addr *stack4 = &f.worker.config.settings.stack4;
	struct packet_path path;
	struct sockaddr_storage from;

	fake_set_mtu(1300);
	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	fake_write_udp(&f, &path, payload, 1400); /* packet_udp_header() sets DF */
	expect_icmp(&path, 3, 4, 1300, stack4);
	assert_int_equal(drops()->too_big, 1);
	fake_write_udp(&f, &path, payload, 1272);
	expect_served(1272, &from);
	end();
	fake_set_mtu(65536);
}

static void too_big_for_the_path_is_told_with_its_mtu_v6(void **state)
{
	const struct addr *stack6 = &f.worker.config.settings.stack6;
	struct packet_path path;
	struct sockaddr_storage from;

	fake_set_mtu(1300);
	begin(AF_INET6);
	path = fake_path(&f, AF_INET6, SPORT, port);
	fake_write_udp(&f, &path, payload, 1400);
	expect_icmp(&path, 2, 0, 1300, stack6);
	fake_write_udp(&f, &path, payload, 5000); /* its sender fragments: so may we */
	expect_served(5000, &from);
	end();
	fake_set_mtu(65536);
}

static void without_df_the_path_may_fragment(void **state)
{
	uint8_t packet[1500];
	struct packet_path path;
	struct sockaddr_storage from;
	size_t n;

	fake_set_mtu(1300);
	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	n = packet_udp_header(packet, &path, payload, 1400);
	memcpy(packet + n, payload, 1400);
	fake_set_ip(packet, 64, 0, false);
	for (int i = 0; i < 3; i++) { /* a batch of them cannot be segmented: sent singly */
		fake_write(&f, packet, n + 1400);
	}
	for (int i = 0; i < 3; i++)
		expect_served(1400, &from);
	end();
	fake_set_mtu(65536);
}

/* The application's kernel refuses an answer: nobody has the port any more. */
static void a_refusal_of_the_application_ends_the_session(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (int i = 0; i < 2; i++) {
		uint8_t error[PACKET_ICMP_MAX], written[FAKE_PACKET_MAX];
		struct sockaddr_storage from;
		struct packet_path path;
		ssize_t n;

		begin(families[i]);
		path = fake_path(&f, families[i], SPORT, port);
		fake_write_udp(&f, &path, payload, 10);
		expect_served(10, &from);
		answer(&from, 700);
		n = fake_read(&f, written);
		assert_true(n > 700);
		n = packet_icmp_error(error, ICMP_ERR_PORT, 0, &path.src, written, n);
		fake_write(&f, error, n);
		fake_settle(&f);
		assert_int_equal(stats()->udp_open, 0);
		assert_int_equal(drops()->icmp_type, 0);
		fake_write(&f, error, n); /* about a session that is no more */
		fake_settle(&f);
		assert_int_equal(drops()->icmp_type, 1);
		end();
	}
}

static void out_of_descriptors_the_one_flow_is_told(void **state)
{
	struct rlimit old, none;
	struct packet_path path;
	struct sockaddr_storage from;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	fake_write_udp(&f, &path, payload, 10);
	expect_icmp(&path, 3, 13, 0, &f.worker.config.settings.stack4);
	assert_int_equal(drops()->no_descriptor, 1);
	assert_int_equal(stats()->udp_open, 0);
	setrlimit(RLIMIT_NOFILE, &old);
	fake_write_udp(&f, &path, payload, 10);
	expect_served(10, &from);
	end();
}

/* N-23 */
static void a_socket_that_cannot_be_marked_is_not_used(void **state)
{
	struct packet_path path;

	begin(AF_INET);
	socket_protect_setup(PROTECT_CGROUP, 0x12345678); /* no hook sets it here */
	path = fake_path(&f, AF_INET, SPORT, port);
	fake_write_udp(&f, &path, payload, 10);
	expect_icmp(&path, 3, 13, 0, &f.worker.config.settings.stack4);
	assert_int_equal(drops()->protect, 1);
	assert_true(recv(server, got, sizeof(got), MSG_DONTWAIT) < 0);
	end();
}

/* There the stack's address is no route's: strict filtering would drop what it says. */
static void on_a_host_errors_come_from_where_the_packet_was_for(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < 2; i++) {
		struct packet_path path;
		bool v6 = families[i] == AF_INET6;

		begin(families[i]);
		f.worker.config.settings.host = 1;
		socket_protect_setup(PROTECT_CGROUP, 0x12345678); /* no hook sets it here */
		path = fake_path(&f, families[i], SPORT, port);
		fake_write_udp(&f, &path, payload, 10);
		expect_icmp(&path, v6 ? 1 : 3, v6 ? 1 : 13, 0, &path.dst);
		end();
	}
}

static void an_orphan_is_told_that_its_port_is_gone(void **state)
{
	struct packet_path path;
	struct flow_key key = { .proto = IPPROTO_UDP };

	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	key.saddr = path.src;
	key.daddr = path.dst;
	key.sport = path.sport;
	key.dport = path.dport;
	udp_engine_orphan(f.worker.udp, &key);
	expect_icmp(&path, 3, 3, 0, &path.dst);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_comes_back_at_once_v4),
		cmocka_unit_test(a_refusal_comes_back_at_once_v6),
		cmocka_unit_test(a_send_after_a_refusal_is_not_lost),
		cmocka_unit_test(no_route_is_told),
		cmocka_unit_test(too_big_for_the_path_is_told_with_its_mtu),
		cmocka_unit_test(too_big_for_the_path_is_told_with_its_mtu_v6),
		cmocka_unit_test(without_df_the_path_may_fragment),
		cmocka_unit_test(a_refusal_of_the_application_ends_the_session),
		cmocka_unit_test(out_of_descriptors_the_one_flow_is_told),
		cmocka_unit_test(a_socket_that_cannot_be_marked_is_not_used),
		cmocka_unit_test(on_a_host_errors_come_from_where_the_packet_was_for),
		cmocka_unit_test(an_orphan_is_told_that_its_port_is_gone),
	};
	int status = fake_namespace();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
