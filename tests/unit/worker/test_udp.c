// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The UDP engine, through the worker's queue, against real sockets on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "base/clock.h"
#include "base/limits.h"
#include "flow/reassembly.h"
#include "unit/worker/fake_worker.c"
#include "netdev/socket.h"
#include "worker/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define VNET 10
#define GSO_UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2 */
#define SPORT 4000

static struct fake_worker f;
static uint8_t payload[65536], got[FAKE_PACKET_MAX];
static int server;
static uint16_t port;

static const struct role_stats *stats(void)
{
	return &f.worker.datapath.counters->stats;
}

static const struct drop_counters *drops(void)
{
	return &f.worker.datapath.counters->drops;
}

static void begin_queue(int family, unsigned int vnet_hdr_bytes, bool uso)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = i * 31 + i / 256;
	fake_start(&f, family, vnet_hdr_bytes, uso);
	server = fake_server(family, &port);
}

static void begin(int family)
{
	begin_queue(family, 0, false);
}

static void end(void)
{
	close(server);
	fake_stop(&f);
}

/* A datagram at the server: its length, *ret_from who sent it, *ret_gso as GRO says or 0. */
static ssize_t serve(struct sockaddr_storage *ret_from, int *ret_gso)
{
	char control[128];
	struct iovec iov = { got, sizeof(got) };
	struct msghdr msg = { .msg_name = ret_from,
			      .msg_namelen = sizeof(*ret_from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = -1;

	for (int i = 0; i < 40 && n < 0; i++) {
		n = recvmsg(server, &msg, MSG_DONTWAIT);
		if (n < 0)
			assert_int_equal(loop_once(f.worker.loop, 50), 0);
	}
	*ret_gso = 0;
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(ret_gso, CMSG_DATA(c), sizeof(*ret_gso));
	return n;
}

static void expect_served(size_t len, struct sockaddr_storage *ret_from)
{
	int gso;

	assert_int_equal(serve(ret_from, &gso), len);
	assert_memory_equal(got, payload, len);
}

static void answer(const struct sockaddr_storage *to, size_t len)
{
	socklen_t to_len = to->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
						      sizeof(struct sockaddr_in6);

	assert_int_equal(sendto(server, payload, len, 0, (struct sockaddr *)to, to_len), len);
}

/* The UDP datagram at the application: fragments are put together, sums verified. */
static void expect_datagram(const struct packet_path *up, size_t len)
{
	struct reassembled whole = { 0 };
	struct reassembly *r;
	struct datapath dp;
	struct packet head;
	ssize_t n;
	size_t l4;

	datapath_init(&dp, 2);
	assert_int_equal(reassembly_new(&dp, NULL, NULL, &r), 0);
	do {
		n = fake_read(&f, got);
		assert_true(n > 0);
		assert_true(n <= 1500);
		assert_int_equal(packet_parse(&head, got, got + n, 0), 0);
		if (!head.is_fragment)
			whole = (struct reassembled){ got, n };
	} while (head.is_fragment && !reassembly_add(r, &head, got, 0, &whole));
	assert_int_equal(packet_parse(&head, whole.data, whole.data + whole.len, 0), 0);
	assert_true(addr_eq(&head.saddr, &up->dst));
	assert_true(addr_eq(&head.daddr, &up->src));
	assert_int_equal(head.sport, up->dport);
	assert_int_equal(head.dport, up->sport);
	l4 = whole.len - head.l4_offset;
	assert_int_equal(l4, 8 + len);
	assert_memory_equal(whole.data + head.payload_offset, payload, len);
	assert_int_equal(csum_fold(csum_add(csum_pseudo(&head.saddr, &head.daddr, IPPROTO_UDP, l4),
					    whole.data + head.l4_offset, l4)),
			 0);
	reassembly_free(r);
	datapath_done(&dp);
}

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

/* Asserts an ICMP error at the application about its datagram to `path`. */
static void expect_icmp(const struct packet_path *path, int type, int code, uint32_t rest,
			const struct addr *from)
{
	bool v4 = addr_is_v4(&path->src);
	ssize_t n = fake_read(&f, got);
	struct packet head, quoted;
	uint8_t *icmp;
	uint32_t said;

	assert_true(n > 0);
	assert_int_equal(packet_parse(&head, got, got + n, 0), 0);
	assert_int_equal(head.proto, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	assert_true(addr_eq(&head.saddr, from));
	assert_true(addr_eq(&head.daddr, &path->src));
	icmp = got + head.l4_offset;
	assert_int_equal(icmp[0], type);
	assert_int_equal(icmp[1], code);
	memcpy(&said, icmp + 4, sizeof(said));
	assert_int_equal(ntohl(said), rest);
	assert_int_equal(csum_fold(csum_add(v4 ? 0 :
						 csum_pseudo(&head.saddr, &head.daddr,
							     IPPROTO_ICMPV6, n - head.l4_offset),
					    icmp, n - head.l4_offset)),
			 0);
	packet_parse(&quoted, icmp + 8, got + n, 65535);
	assert_true(addr_eq(&quoted.saddr, &path->src));
	assert_true(addr_eq(&quoted.daddr, &path->dst));
	assert_int_equal(quoted.proto, IPPROTO_UDP);
	assert_memory_equal(icmp + 8 + (v4 ? 20 : 40), &path->sport, 2);
	assert_memory_equal(icmp + 8 + (v4 ? 22 : 42), &path->dport, 2);
}

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

/* N-30: 60 s without a datagram in either direction, looked at every 30 s. */
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
	f.worker.udp->sessions.max = 3;
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
		cmocka_unit_test(a_uso_packet_leaves_as_it_is),
		cmocka_unit_test(a_uso_packet_is_cut_where_batches_are_refused),
		cmocka_unit_test(what_gro_joined_is_written_as_one_uso_packet),
		cmocka_unit_test(a_run_of_answers_is_written_as_one_uso_packet),
		cmocka_unit_test(without_uso_answers_are_written_one_by_one),
		cmocka_unit_test(passes_on_ttl_less_one_and_type_of_service),
		cmocka_unit_test(a_refusal_comes_back_at_once_v4),
		cmocka_unit_test(a_refusal_comes_back_at_once_v6),
		cmocka_unit_test(a_send_after_a_refusal_is_not_lost),
		cmocka_unit_test(no_route_is_told),
		cmocka_unit_test(too_big_for_the_path_is_told_with_its_mtu),
		cmocka_unit_test(too_big_for_the_path_is_told_with_its_mtu_v6),
		cmocka_unit_test(without_df_the_path_may_fragment),
		cmocka_unit_test(an_idle_session_ends_after_a_minute_and_a_sweep),
		cmocka_unit_test(the_oldest_session_gives_way_at_the_cap),
		cmocka_unit_test(out_of_descriptors_the_one_flow_is_told),
		cmocka_unit_test(a_socket_that_cannot_be_marked_is_not_used),
		cmocka_unit_test(an_orphan_is_told_that_its_port_is_gone),
		cmocka_unit_test(a_session_takes_no_more_than_its_budget),
	};
	int status = fake_namespace();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
