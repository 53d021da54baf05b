// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The UDP engine, through the worker's queue, against real sockets on loopback. */
#include "unit/worker/fake_udp.c"

#include <sys/resource.h>

static void check_echo(int family, size_t len)
{
	struct packet_path path = fake_path(&f, family, SPORT, port);
	struct sockaddr_storage from;

	fake_write_udp(&f, &path, payload, len);
	expect_served(len, &from);
	answer(&from, len);
	expect_datagram(&path, len);
}

static void check_all_sizes(int family)
{
	static const size_t sizes[] = { 0, 1, 1452, 1453, 1472, 1473, 9000, 65507, 0, 100 };

	begin(family);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_echo(family, sizes[i]);
	assert_int_equal(stats()->udp_total, 1);
	end();
}

static void carries_datagrams_of_every_size_v4(void **state)
{
	check_all_sizes(AF_INET);
}

static void carries_datagrams_of_every_size_v6(void **state)
{
	check_all_sizes(AF_INET6);
}

static void a_session_is_a_pair_of_source_and_destination(void **state)
{
	struct sockaddr_storage from[2], again;
	struct packet_path path;

	begin(AF_INET);
	for (int i = 0; i < 2; i++) {
		path = fake_path(&f, AF_INET, SPORT + i, port);
		fake_write_udp(&f, &path, payload, 10);
		expect_served(10, &from[i]);
	}
	assert_memory_not_equal(&from[0], &from[1], sizeof(struct sockaddr_in));
	fake_write_udp(&f, &path, payload, 10);
	expect_served(10, &again);
	assert_memory_equal(&again, &from[1], sizeof(struct sockaddr_in));
	assert_int_equal(stats()->udp_open, 2);
	assert_int_equal(stats()->udp_total, 2);
	end();
}

static void only_the_true_peer_may_answer(void **state)
{
	struct packet_path path;
	struct sockaddr_storage from;
	uint16_t other_port;
	int other, mine;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	fake_write_udp(&f, &path, payload, 10);
	expect_served(10, &from);
	other = fake_server(AF_INET, &other_port);
	mine = server;
	server = other;
	answer(&from, 500);
	fake_settle(&f);
	server = mine;
	answer(&from, 20);
	expect_datagram(&path, 20); /* and not the 500 bytes */
	close(other);
	end();
}

static void equal_datagrams_leave_as_one_batch(void **state)
{
	struct packet_path path;
	struct sockaddr_storage from;
	int on = 1, gso;

	begin(AF_INET);
	assert_int_equal(setsockopt(server, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
	path = fake_path(&f, AF_INET, SPORT, port);
	for (int i = 0; i < 10; i++)
		fake_write_udp(&f, &path, payload + 100 * i, i < 9 ? 100 : 60);
	assert_int_equal(serve(&from, &gso), 960);
	assert_int_equal(gso, 100); /* loopback kept what one sendmsg() sent together */
	assert_memory_equal(got, payload, 960);
	end();
}

static void a_batch_is_never_made_of_different_sizes_or_of_nothing(void **state)
{
	static const size_t sizes[] = { 100, 0, 0, 100, 200, 100, 100, 100 };
	struct packet_path path;
	struct sockaddr_storage from;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	for (int i = 0; i < 8; i++)
		fake_write_udp(&f, &path, payload, sizes[i]);
	for (int i = 0; i < 8; i++)
		expect_served(sizes[i], &from);
	end();
}

static void batches_of_two_sessions_stay_apart(void **state)
{
	struct packet_path a, b;
	struct sockaddr_storage from;
	uint16_t ports[40];

	begin(AF_INET);
	a = fake_path(&f, AF_INET, SPORT, port);
	b = fake_path(&f, AF_INET, SPORT + 1, port);
	for (int i = 0; i < 40; i++)
		fake_write_udp(&f, i / 3 % 2 ? &b : &a, payload, 1000);
	for (int i = 0; i < 40; i++) {
		expect_served(1000, &from);
		ports[i] = ((struct sockaddr_in *)&from)->sin_port;
		assert_int_equal(ports[i] == ports[0], i / 3 % 2 == 0);
	}
	end();
}

/* More than a turn takes and than the arena holds. */
static void loses_nothing_of_many_large_datagrams(void **state)
{
	struct packet_path path;
	struct sockaddr_storage from;
	int bytes = 8 << 20;

	begin(AF_INET);
	setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	path = fake_path(&f, AF_INET, SPORT, port);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 80; i++)
			fake_write_udp(&f, &path, payload, 1400 - round);
		for (int i = 0; i < 80; i++)
			expect_served(1400 - round, &from);
	}
	end();
}

/* A device of a large MTU: what is held in the arena is sent before it is overrun. */
static void holds_no_more_than_the_arena(void **state)
{
	uint8_t *packet = malloc(FAKE_PACKET_MAX);
	struct packet_path path;
	struct sockaddr_storage from;
	int bytes = 8 << 20;

	begin(AF_INET);
	setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	bytes = 1 << 20;
	setsockopt(f.app, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	path = fake_path(&f, AF_INET, SPORT, port);
	for (int i = 0; i < 20; i++) {
		size_t n = packet_udp_header(packet, &path, payload + i, 30000);

		memcpy(packet + n, payload + i, 30000);
		fake_write(&f, packet, n + 30000);
	}
	for (int i = 0; i < 20; i++) {
		int gso;

		assert_int_equal(serve(&from, &gso), 30000);
		assert_memory_equal(got, payload + i, 30000);
	}
	free(packet);
	end();
}

/* A USO packet, as the application's kernel hands it over. */
static void write_uso(const struct packet_path *path, size_t len, uint16_t segment,
		      bool dont_fragment)
{
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				    .gso_type = GSO_UDP_L4,
				    .gso_size = segment,
				    .csum_start = packet_ip_bytes(path),
				    .csum_offset = 6 };
	uint8_t headers[PACKET_HEADERS_MAX];
	struct iovec iov[3] = { { &h, sizeof(h) }, { headers, 0 }, { payload, len } };

	iov[1].iov_len = packet_udp_header(headers, path, NULL, len);
	if (!dont_fragment)
		fake_set_ip(headers, 64, 0, false);
	h.hdr_len = iov[1].iov_len;
	assert_true(writev(f.app, iov, 3) > 0);
}

static void a_uso_packet_leaves_as_it_is(void **state)
{
	struct packet_path path;
	struct sockaddr_storage from;
	int on = 1, gso;

	begin_queue(AF_INET, VNET, true);
	assert_int_equal(setsockopt(server, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
	path = fake_path(&f, AF_INET, SPORT, port);
	write_uso(&path, 40 * 1200 + 7, 1200, true);
	assert_int_equal(serve(&from, &gso), 40 * 1200 + 7);
	assert_int_equal(gso, 1200);
	assert_memory_equal(got, payload, 40 * 1200 + 7);
	end();
}

static void a_uso_packet_is_cut_where_batches_are_refused(void **state)
{
	struct packet_path path;
	struct sockaddr_storage from;
	int on = 1, gso;

	fake_set_mtu(1280); /* segments of 1270 bytes go out as fragments, which are no batch */
	begin_queue(AF_INET, VNET, true);
	assert_int_equal(setsockopt(server, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
	path = fake_path(&f, AF_INET, SPORT, port);
	write_uso(&path, 3000, 1270, false);
	for (size_t at = 0; at < 3000; at += 1270) {
		size_t len = at + 1270 < 3000 ? 1270 : 460;

		assert_int_equal(serve(&from, &gso), len);
		assert_int_equal(gso, 0);
		assert_memory_equal(got, payload + at, len);
	}
	end();
	fake_set_mtu(65536);
}

static void send_segments(const struct sockaddr_storage *to, size_t len, uint16_t segment)
{
	int size = segment;

	assert_int_equal(setsockopt(server, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	answer(to, len);
}

static void what_gro_joined_is_written_as_one_uso_packet(void **state)
{
	struct virtio_net_hdr h;
	struct packet_path path;
	struct sockaddr_storage from;
	struct packet head;
	ssize_t n;

	begin_queue(AF_INET, VNET, true);
	path = fake_path(&f, AF_INET, SPORT, port);
	fake_write_udp(&f, &path, payload, 1);
	expect_served(1, &from);
	send_segments(&from, 20 * 1400 + 9, 1400);
	n = fake_read(&f, got);
	assert_int_equal(n, VNET + 28 + 20 * 1400 + 9);
	memcpy(&h, got, sizeof(h));
	assert_int_equal(h.gso_type, GSO_UDP_L4);
	assert_int_equal(h.gso_size, 1400);
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.csum_start, 20);
	assert_int_equal(h.csum_offset, 6);
	assert_int_equal(packet_parse(&head, got + VNET, got + n, 0), 0);
	assert_memory_equal(got + VNET + 28, payload, 20 * 1400 + 9);
	end();
}

static void a_run_of_answers_is_written_as_one_uso_packet(void **state)
{
	struct virtio_net_hdr h;
	struct packet_path path;
	struct sockaddr_storage from;

	begin_queue(AF_INET6, VNET, true);
	path = fake_path(&f, AF_INET6, SPORT, port);
	fake_write_udp(&f, &path, payload, 1);
	expect_served(1, &from);
	for (int i = 0; i < 5; i++)
		answer(&from, i < 4 ? 300 : 299);
	assert_int_equal(fake_read(&f, got), VNET + 48 + 1499);
	memcpy(&h, got, sizeof(h));
	assert_int_equal(h.gso_type, GSO_UDP_L4);
	assert_int_equal(h.gso_size, 300);
	end();
}

static void a_run_of_answers_ends_with_a_shorter_one(void **state)
{
	static const size_t sizes[] = { 300, 299, 300, 0, 300, 301 };
	static const size_t packets[] = { 599, 300, 0, 300, 301 };
	struct packet_path path;
	struct sockaddr_storage from;

	begin_queue(AF_INET, VNET, true);
	path = fake_path(&f, AF_INET, SPORT, port);
	fake_write_udp(&f, &path, payload, 1);
	expect_served(1, &from);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		answer(&from, sizes[i]);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_int_equal(fake_read(&f, got), VNET + 28 + packets[i]);
	end();
}

static void without_uso_answers_are_written_one_by_one(void **state)
{
	struct packet_path path;
	struct sockaddr_storage from;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	fake_write_udp(&f, &path, payload, 1);
	expect_served(1, &from);
	send_segments(&from, 3 * 1400, 1400);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fake_read(&f, got), 28 + 1400);
		assert_memory_equal(got + 28, payload + 1400 * i, 1400);
	}
	end();
}

static void passes_on_ttl_less_one_and_type_of_service(void **state)
{
	uint8_t packet[256];
	char control[128];
	struct iovec iov = { got, sizeof(got) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct packet_path path;
	int on = 1, ttl = 0, tos = 0;
	size_t n;

	begin(AF_INET);
	setsockopt(server, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	setsockopt(server, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	path = fake_path(&f, AF_INET, SPORT, port);
	n = packet_udp_header(packet, &path, payload, 5);
	memcpy(packet + n, payload, 5);
	fake_set_ip(packet, 17, 0x2a, true);
	fake_write(&f, packet, n + 5);
	fake_settle(&f);
	assert_int_equal(recvmsg(server, &msg, 0), 5);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_type == IP_TTL)
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
		if (c->cmsg_type == IP_TOS)
			tos = *CMSG_DATA(c);
	}
	assert_int_equal(ttl, 16);
	assert_int_equal(tos, 0x2a);
	end();
}

static void the_type_of_service_of_answers_comes_back(void **state)
{
	static const int tos[] = { 0x2, 0x2, 0xb9, 0x2 };
	struct sockaddr_storage from;
	struct packet_path path;

	for (int v6 = 0; v6 < 2; v6++) {
		begin_queue(v6 ? AF_INET6 : AF_INET, VNET, true);
		path = fake_path(&f, v6 ? AF_INET6 : AF_INET, SPORT, port);
		fake_write_udp(&f, &path, payload, 1);
		expect_served(1, &from);
		for (int i = 0; i < 4; i++) {
			setsockopt(server, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				   v6 ? IPV6_TCLASS : IP_TOS, &tos[i], sizeof(tos[i]));
			answer(&from, 100);
		}
		for (int i = 1; i < 4; i++) { /* the first two are alike: one packet */
			const uint8_t *ip = got + VNET;

			assert_int_equal(fake_read(&f, got),
					 VNET + (v6 ? 48 : 28) + (i == 1 ? 200 : 100));
			assert_int_equal(v6 ? (ip[0] << 4 | ip[1] >> 4) & 0xff : ip[1], tos[i]);
		}
		end();
	}
}

static uint64_t turned_ns;

static uint64_t turned_clock(void)
{
	return turned_ns;
}

static void pass_seconds(unsigned int s)
{
	turned_ns += s * NSEC_PER_SEC;
	loop_once(f.worker.loop, 0);
}

/* N-30, T-13: 60 s without a datagram in either direction, looked at every 30 s. */
static void an_idle_session_ends_after_a_minute_and_a_sweep(void **state)
{
	struct packet_path path;
	struct sockaddr_storage from;

	turned_ns = 1000 * NSEC_PER_SEC;
	clock_inject(turned_clock);
	begin(AF_INET);
	path = fake_path(&f, AF_INET, SPORT, port);
	fake_write_udp(&f, &path, payload, 10);
	expect_served(10, &from);
	pass_seconds(59);
	assert_int_equal(stats()->udp_open, 1);
	answer(&from, 10); /* from outside alone keeps it */
	expect_datagram(&path, 10);
	pass_seconds(59);
	assert_int_equal(stats()->udp_open, 1);
	fake_write_udp(&f, &path, payload, 10); /* from inside alone, too */
	expect_served(10, &from);
	pass_seconds(31);
	pass_seconds(28);
	assert_int_equal(stats()->udp_open, 1);
	pass_seconds(32);
	assert_int_equal(stats()->udp_open, 0);
	end();
	clock_inject(NULL);
}

static void the_oldest_session_gives_way_at_the_cap(void **state)
{
	struct sockaddr_storage from[4], again;
	struct packet_path path;

	begin(AF_INET);
	datapath_budget(&f.worker.datapath, BUDGET_UDP)->limit = 3;
	for (int i = 0; i < 4; i++) {
		path = fake_path(&f, AF_INET, SPORT + i, port);
		fake_write_udp(&f, &path, payload, 10);
		expect_served(10, &from[i]);
	}
	assert_int_equal(stats()->udp_open, 3);
	assert_int_equal(stats()->udp_total, 4);
	path = fake_path(&f, AF_INET, SPORT + 1, port); /* still there */
	fake_write_udp(&f, &path, payload, 10);
	expect_served(10, &again);
	assert_memory_equal(&again, &from[1], sizeof(struct sockaddr_in));
	end();
}

/* Sends from `number` ports that were not used before. */
static void open_sessions(const struct addr *source, uint16_t first, unsigned int number)
{
	for (unsigned int i = 0; i < number; i++) {
		struct packet_path path = fake_path(&f, AF_INET, (uint16_t)(first + i), port);

		path.src = *source;
		fake_write_udp(&f, &path, payload, 10);
		if (i % 64 == 63)
			fake_settle(&f);
	}
	fake_settle(&f);
}

static void a_source_with_many_sessions_opens_few_more_in_a_turn(void **state)
{
	struct rlimit old, many;
	struct addr other;
	uint64_t before, opened;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	many = (struct rlimit){ .rlim_cur = 2 * UDP_CROWD, .rlim_max = old.rlim_max };
	if (many.rlim_cur > many.rlim_max)
		skip();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	begin(AF_INET);
	open_sessions(&f.app4, 10000, UDP_CROWD);
	assert_int_equal(stats()->udp_open, UDP_CROWD);
	assert_int_equal(f.worker.datapath.counters->drops.sessions, 0);
	before = stats()->udp_total;
	open_sessions(&f.app4, 20000, 63); /* a turn's worth, the first few one by one */
	opened = stats()->udp_total - before;
	assert_in_range(opened, UDP_CROWD_OPENS, 2 * UDP_CROWD_OPENS);
	assert_int_equal(f.worker.datapath.counters->drops.sessions, 63 - opened);
	other = f.app4;
	other.b[15]++;
	open_sessions(&other, 20000, 63); /* who has few may open as many as he likes */
	assert_int_equal(stats()->udp_total - before - opened, 63);
	end();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* N-09 */
static void a_session_takes_no_more_than_its_budget(void **state)
{
	assert_true(sizeof(struct udp_session) + 2 * sizeof(void *) <= 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_datagrams_of_every_size_v4),
		cmocka_unit_test(carries_datagrams_of_every_size_v6),
		cmocka_unit_test(a_session_is_a_pair_of_source_and_destination),
		cmocka_unit_test(only_the_true_peer_may_answer),
		cmocka_unit_test(equal_datagrams_leave_as_one_batch),
		cmocka_unit_test(a_batch_is_never_made_of_different_sizes_or_of_nothing),
		cmocka_unit_test(batches_of_two_sessions_stay_apart),
		cmocka_unit_test(loses_nothing_of_many_large_datagrams),
		cmocka_unit_test(holds_no_more_than_the_arena),
		cmocka_unit_test(a_uso_packet_leaves_as_it_is),
		cmocka_unit_test(a_uso_packet_is_cut_where_batches_are_refused),
		cmocka_unit_test(what_gro_joined_is_written_as_one_uso_packet),
		cmocka_unit_test(a_run_of_answers_is_written_as_one_uso_packet),
		cmocka_unit_test(a_run_of_answers_ends_with_a_shorter_one),
		cmocka_unit_test(without_uso_answers_are_written_one_by_one),
		cmocka_unit_test(passes_on_ttl_less_one_and_type_of_service),
		cmocka_unit_test(the_type_of_service_of_answers_comes_back),
		cmocka_unit_test(an_idle_session_ends_after_a_minute_and_a_sweep),
		cmocka_unit_test(the_oldest_session_gives_way_at_the_cap),
		cmocka_unit_test(a_source_with_many_sessions_opens_few_more_in_a_turn),
		cmocka_unit_test(a_session_takes_no_more_than_its_budget),
	};
	int status = fake_namespace();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
