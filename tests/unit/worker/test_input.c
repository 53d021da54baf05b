// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* input.c: what the worker lets in, refuses, drops and relays, without any kernel half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "base/clock.h"
#include "base/message.h"
#include "unit/worker/fake_worker.c"

static struct fake_worker f;
static uint8_t packet[FAKE_PACKET_MAX], got[FAKE_PACKET_MAX];
static int server;
static uint16_t port;

static const struct drop_counters *drops(void)
{
	return &f.worker.datapath.counters->drops;
}

static const struct role_stats *stats(void)
{
	return &f.worker.datapath.counters->stats;
}

static uint64_t all_drops(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < DROP_NUM; i++)
		sum += ((const uint64_t *)drops())[i];
	return sum;
}

static void begin(unsigned int vnet_hdr_bytes)
{
	fake_start(&f, AF_INET, vnet_hdr_bytes, false);
	server = fake_server(AF_INET, &port);
}

static void end(void)
{
	close(server);
	fake_stop(&f);
}

/* Builds a UDP packet of `len` zero bytes into `packet`; its length. */
static size_t build(const struct packet_path *path, size_t len)
{
	size_t n;

	memset(packet, 0, sizeof(packet));
	n = packet_udp_header(packet, path, packet + 100, len);
	return n + len;
}

static bool served(void)
{
	fake_settle(&f);
	return recv(server, got, sizeof(got), MSG_DONTWAIT) >= 0;
}

/* The packet is dropped for one reason, and the next good one passes. */
static void check_dropped(const void *p, size_t len, enum drop_reason why)
{
	struct packet_path path = fake_path(&f, AF_INET, 5000, port);
	uint64_t before = ((const uint64_t *)drops())[why], all = all_drops();

	fake_write(&f, p, len);
	fake_settle(&f);
	assert_int_equal(((const uint64_t *)drops())[why], before + 1);
	assert_int_equal(all_drops(), all + 1);
	assert_false(served());
	fake_write_udp(&f, &path, "x", 1);
	assert_true(served());
}

/* N-06: both families, judged by their own subnet. */
static void a_source_outside_the_subnets_is_dropped(void **state)
{
	struct packet_path path;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	path.src.b[14] = 1; /* 10.0.1.2 */
	check_dropped(packet, build(&path, 10), DROP_SOURCE);
	path = fake_path(&f, AF_INET6, 4000, port);
	path.src.b[7] ^= 1;
	check_dropped(packet, build(&path, 10), DROP_SOURCE);
	end();
}

static void destinations_that_cannot_be_forwarded_are_dropped(void **state)
{
	struct packet_path path;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	assert_int_equal(addr_parse("127.0.0.1", &path.dst), 0);
	check_dropped(packet, build(&path, 10), DROP_DESTINATION);
	assert_int_equal(addr_parse("224.0.0.251", &path.dst), 0);
	check_dropped(packet, build(&path, 10), DROP_LINK_LOCAL);
	path = fake_path(&f, AF_INET, 4000, 0);
	check_dropped(packet, build(&path, 10), DROP_PORT_ZERO);
	end();
}

/* N-07 */
static void malformed_packets_are_dropped(void **state)
{
	struct packet_path path;
	size_t len;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	check_dropped("\x50 neither IPv4 nor IPv6", 24, DROP_IP_VERSION);
	len = build(&path, 10);
	check_dropped(packet, len - 1, DROP_MALFORMED); /* shorter than it says */
	for (size_t n = 1; n < 28; n++) {
		uint64_t before = all_drops();

		fake_write(&f, packet, n);
		fake_settle(&f);
		assert_int_equal(all_drops(), before + 1);
	}
	fake_write(&f, "", 0); /* empty: no packet at all */
	fake_settle(&f);
	assert_false(served());
	end();
}

static void bytes_behind_the_packet_are_cut_off(void **state)
{
	struct packet_path path;
	size_t len;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	len = build(&path, 10);
	memset(packet + len, 0xee, 30);
	fake_write(&f, packet, len + 30);
	fake_settle(&f);
	assert_int_equal(recv(server, got, sizeof(got), MSG_DONTWAIT), 10);
	end();
}

static void wrong_checksums_are_dropped(void **state)
{
	struct packet_path path;
	size_t len;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	len = build(&path, 10);
	packet[len - 1] ^= 1;
	check_dropped(packet, len, DROP_CHECKSUM);
	len = build(&path, 10);
	packet[8] ^= 1; /* TTL: the header's sum */
	check_dropped(packet, len, DROP_CHECKSUM);
	path = fake_path(&f, AF_INET6, 4000, port);
	len = build(&path, 10);
	packet[46] = packet[47] = 0; /* none: not allowed in IPv6 */
	check_dropped(packet, len, DROP_CHECKSUM);
	end();
}

static void ipv4_udp_without_a_checksum_passes(void **state)
{
	struct packet_path path;
	size_t len;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	len = build(&path, 10);
	packet[26] = packet[27] = 0;
	fake_write(&f, packet, len);
	assert_true(served());
	end();
}

static void write_vnet(const struct virtio_net_hdr *h, const void *p, size_t len)
{
	struct iovec iov[2] = { { (void *)h, sizeof(*h) }, { (void *)p, len } };

	assert_true(writev(f.app, iov, 2) > 0);
}

static void a_trusted_checksum_is_not_looked_at(void **state)
{
	struct virtio_net_hdr partial = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					  .csum_start = 20,
					  .csum_offset = 6 };
	struct packet_path path;
	size_t n;

	begin(sizeof(partial));
	path = fake_path(&f, AF_INET, 4000, port);
	memset(packet, 0, 100);
	n = packet_udp_header(packet, &path, NULL, 10);
	write_vnet(&partial, packet, n + 10);
	assert_true(served());
	end();
}

static void virtio_headers_out_of_range_are_dropped(void **state)
{
	static const struct virtio_net_hdr bad[] = {
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 60000 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20, .csum_offset = 60000 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 100 },
		{ .gso_type = 77, .gso_size = 100 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 100 },
	};
	struct packet_path path;
	size_t len;

	begin(sizeof(bad[0]));
	path = fake_path(&f, AF_INET, 4000, port);
	len = build(&path, 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_vnet(&bad[i], packet, len);
		fake_settle(&f);
		assert_int_equal(drops()->vnet_hdr, i + 1);
	}
	assert_int_equal(send(f.app, &bad[0], 3, 0), 3); /* not even a header */
	fake_settle(&f);
	assert_int_equal(drops()->vnet_hdr, 7);
	fake_write(&f, packet, len);
	assert_true(served());
	end();
}

static void overlapping_fragments_are_dropped_and_forwarding_goes_on(void **state)
{
	struct packet_path path;
	size_t n;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	memset(packet, 0, sizeof(packet));
	for (int i = 0; i < 2; i++) {
		n = fragment_header(packet, &path, IPPROTO_UDP, 7, i ? 792 : 0, 800, true);
		packet[n + 4] = 4;
		memcpy(packet + n, &path.sport, 4);
		packet[n + 4] = 16;
		fake_write(&f, packet, n + 800);
	}
	fake_settle(&f);
	assert_int_equal(drops()->fragment_bad, 2);
	fake_write_udp(&f, &path, packet + 100, 5000);
	fake_settle(&f);
	assert_int_equal(recv(server, got, sizeof(got), MSG_DONTWAIT), 5000);
	end();
}

static uint64_t turned_ns;

static uint64_t turned_clock(void)
{
	return turned_ns;
}

static void fragments_never_completed_are_told_and_freed(void **state)
{
	struct packet_path path;
	size_t n;

	turned_ns = 1000 * NSEC_PER_SEC;
	clock_inject(turned_clock);
	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	memset(packet, 0, sizeof(packet));
	n = fragment_header(packet, &path, IPPROTO_UDP, 7, 0, 800, true);
	memcpy(packet + n, &path.sport, 2);
	memcpy(packet + n + 2, &path.dport, 2);
	packet[n + 4] = 16;
	fake_write(&f, packet, n + 800);
	loop_once(f.worker.loop, 0);
	assert_int_equal(stats()->fragments_held, 1);
	for (int i = 0; i < 16; i++) {
		turned_ns += NSEC_PER_SEC;
		loop_once(f.worker.loop, 0);
	}
	assert_int_equal(stats()->fragments_held, 0);
	assert_int_equal(drops()->fragment_lost, 1);
	assert_true(fake_read(&f, got) > 28);
	assert_int_equal(got[20], 11); /* time exceeded: reassembly */
	assert_int_equal(got[21], 1);
	end();
	clock_inject(NULL);
}

static void a_used_up_ttl_is_answered(void **state)
{
	struct packet_path path;
	size_t len;

	begin(0);
	for (int ttl = 0; ttl < 2; ttl++) {
		path = fake_path(&f, AF_INET, 4000, port);
		len = build(&path, 10);
		fake_set_ip(packet, ttl, 0, true);
		fake_write(&f, packet, len);
		assert_int_equal(fake_read(&f, got), 28 + len);
		assert_int_equal(got[20], 11);
		assert_int_equal(got[21], 0);
		assert_int_equal(drops()->ttl, ttl + 1);
	}
	path = fake_path(&f, AF_INET6, 4000, port);
	len = build(&path, 10);
	packet[7] = 1;
	fake_write(&f, packet, len);
	assert_int_equal(fake_read(&f, got), 48 + len);
	assert_int_equal(got[40], 3);
	assert_memory_equal(got + 8, f.worker.config.settings.stack6.b, 16);
	assert_false(served());
	end();
}

static void other_protocols_are_refused(void **state)
{
	struct packet_path path;
	size_t n;

	begin(0);
	path = fake_path(&f, AF_INET, 0, 0);
	n = packet_ip_header(packet, &path, 47, 20); /* GRE */
	fake_write(&f, packet, n + 20);
	assert_int_equal(fake_read(&f, got), 28 + n + 20);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 2);
	assert_int_equal(drops()->protocol, 1);
	end();
}

static void udp_to_the_stack_is_refused(void **state)
{
	struct packet_path path;
	size_t len;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	path.dst = f.worker.config.settings.stack4;
	len = build(&path, 10);
	fake_write(&f, packet, len);
	assert_int_equal(fake_read(&f, got), 28 + len);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 3);
	assert_int_equal(drops()->stack_port, 1);
	end();
}

static size_t build_tcp(const struct packet_path *path, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct tcphdr h = { .source = path->sport, .dest = path->dport, .doff = 5 };
	size_t n = packet_ip_header(packet, path, IPPROTO_TCP, sizeof(h) + 10);

	h.seq = htonl(seq);
	h.ack_seq = htonl(ack);
	h.th_flags = flags;
	memset(packet + n + sizeof(h), 'x', 10);
	memcpy(packet + n, &h, sizeof(h));
	h.check = csum_fold(
		csum_add(csum_pseudo(&path->src, &path->dst, IPPROTO_TCP, 30), packet + n, 30));
	memcpy(packet + n, &h, sizeof(h));
	return n + 30;
}

static void tcp_to_the_stack_is_reset(void **state)
{
	struct packet_path path;
	struct tcphdr h;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, 80);
	path.dst = f.worker.config.settings.stack4;
	fake_write(&f, packet, build_tcp(&path, TH_SYN, 1000, 0));
	assert_int_equal(fake_read(&f, got), 40);
	memcpy(&h, got + 20, sizeof(h));
	assert_int_equal(h.th_flags, TH_RST | TH_ACK);
	assert_int_equal(ntohl(h.ack_seq), 1000 + 1 + 10);
	assert_int_equal(h.seq, 0);
	assert_int_equal(h.source, path.dport);
	assert_int_equal(csum_fold(csum_add(csum_pseudo(&path.dst, &path.src, IPPROTO_TCP, 20),
					    got + 20, 20)),
			 0);
	fake_write(&f, packet, build_tcp(&path, TH_ACK, 1000, 77));
	assert_int_equal(fake_read(&f, got), 40);
	memcpy(&h, got + 20, sizeof(h));
	assert_int_equal(h.th_flags, TH_RST);
	assert_int_equal(ntohl(h.seq), 77);
	fake_write(&f, packet, build_tcp(&path, TH_RST, 1000, 0)); /* never answered */
	fake_settle(&f);
	assert_true(recv(f.app, got, sizeof(got), MSG_DONTWAIT) < 0);
	assert_int_equal(drops()->stack_port, 3);
	end();
}

/* UDP to port 53 of any address, whole or in fragments: to the resolver as one packet. */
static void queries_are_relayed_to_the_resolver(void **state)
{
	struct relay_message m;
	struct packet_path path;
	struct packet head;
	int pair[2], fd;

	begin(0);
	assert_int_equal(message_pair(pair), 0);
	f.worker.relay_fd = pair[0];
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t len = 40; len < 2000; len += 1900) {
			path = fake_path(&f, v6 ? AF_INET6 : AF_INET, 4000, 53);
			fake_write_udp(&f, &path, memset(packet, 'q', len), len);
			fake_settle(&f);
			ssize_t n = message_recv(pair[1], got, sizeof(got), &fd);

			assert_int_equal(n, sizeof(m) + packet_ip_bytes(&path) + 8 + len);
			memcpy(&m, got, sizeof(m));
			assert_int_equal(m.type, RELAY_PACKET);
			assert_int_equal(m.key.dport, htons(53));
			assert_true(addr_eq(&m.key.daddr, &path.dst));
			assert_int_equal(packet_parse(&head, got + sizeof(m), got + n, 0), 0);
			assert_false(head.is_fragment);
		}
	}
	fake_write_udp(&f, &path, memset(packet, 'q', 9000), 9000); /* no query */
	fake_settle(&f);
	assert_int_equal(drops()->dns_malformed, 1);
	close(pair[1]);
	fake_write_udp(&f, &path, packet, 40); /* the resolver is gone */
	fake_settle(&f);
	assert_int_equal(drops()->dns_limit, 1);
	close(pair[0]);
	end();
}

static void a_relayed_query_has_a_whole_checksum(void **state)
{
	struct virtio_net_hdr partial = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					  .csum_start = 20,
					  .csum_offset = 6 };
	struct packet_path path;
	int pair[2], fd;
	const uint8_t *ip = got + sizeof(struct relay_message);
	size_t n;

	begin(sizeof(partial));
	assert_int_equal(message_pair(pair), 0);
	f.worker.relay_fd = pair[0];
	path = fake_path(&f, AF_INET, 4000, 53);
	memset(packet, 'q', 100);
	n = packet_udp_header(packet, &path, NULL, 31);
	write_vnet(&partial, packet, n + 31);
	fake_settle(&f);
	assert_int_equal(message_recv(pair[1], got, sizeof(got), &fd),
			 sizeof(struct relay_message) + n + 31);
	assert_int_equal(csum_fold(csum_add(csum_pseudo(&path.src, &path.dst, IPPROTO_UDP, 39),
					    ip + 20, 39)),
			 0);
	close(pair[0]);
	close(pair[1]);
	end();
}

static void a_query_without_a_resolver_is_refused(void **state)
{
	struct packet_path path;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, 53);
	fake_write_udp(&f, &path, "query", 5);
	assert_int_equal(fake_read(&f, got), 28 + 33);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 3);
	end();
}

/* N-07: a failing device is tried again every 10 ms: no exit, and no spinning. */
static void a_failing_queue_is_tried_again(void **state)
{
	int pair[2];
	struct packet_path path;
	uint64_t begun;

	begin(0);
	close(f.app); /* end of file, which a TUN never has */
	begun = clock_ms();
	while (clock_ms() - begun < 200)
		assert_int_equal(loop_once(f.worker.loop, 10), 0);
	assert_in_range(stats()->tun_errors, 5, 21);
	for (uint64_t errors = stats()->tun_errors; stats()->tun_errors == errors;)
		loop_once(f.worker.loop, 10); /* now it waits, and watches nothing */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	assert_true(dup2(pair[0], f.worker.queue.fd) >= 0); /* it is back */
	close(pair[0]);
	f.app = pair[1];
	path = fake_path(&f, AF_INET, 4000, port);
	fake_write_udp(&f, &path, "x", 1);
	assert_true(served());
	end();
}

static void a_turn_is_bounded(void **state)
{
	struct packet_path path;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	for (int i = 0; i < 200; i++)
		fake_write_udp(&f, &path, "x", 1);
	loop_once(f.worker.loop, 0);
	assert_int_equal(stats()->tun_rx, 64);
	fake_settle(&f);
	assert_int_equal(stats()->tun_rx, 200);
	end();
}

/* After a packet that came alone the queue is read once a turn for a while. */
static void a_lone_packet_spares_the_second_read(void **state)
{
	struct packet_path path;
	uint64_t seen;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	fake_write_udp(&f, &path, "x", 1);
	loop_once(f.worker.loop, 0);
	for (int i = 0; i < 60; i++)
		fake_write_udp(&f, &path, "x", 1);
	seen = stats()->tun_rx;
	loop_once(f.worker.loop, 0);
	assert_int_equal(stats()->tun_rx, seen + 1);
	for (int i = 0; i < 10; i++)
		loop_once(f.worker.loop, 0);
	assert_int_equal(stats()->tun_rx, seen + 60); /* and soon in full turns again */
	end();
}

static void a_drained_queue_is_counted(void **state)
{
	struct packet_path path;

	begin(0);
	path = fake_path(&f, AF_INET, 4000, port);
	for (int i = 0; i < 100; i++)
		fake_write_udp(&f, &path, "x", 1);
	input_drain(&f.worker);
	assert_int_equal(drops()->role_restart, 100);
	assert_false(served());
	end();
}

/* Whatever comes, nothing breaks and a good packet passes afterwards. */
static void survives_random_packets(void **state)
{
	struct packet_path path;
	uint32_t random = 12345;

	begin(0);
	for (int i = 0; i < 20000; i++) {
		size_t len;

		path = fake_path(&f, i % 2 ? AF_INET : AF_INET6, 4000, port);
		len = build(&path, 60);
		for (int k = 0; k < 3; k++) {
			random = random * 1664525 + 1013904223;
			packet[(random >> 16) % 60] = random >> 8;
		}
		fake_write(&f, packet, 1 + (random >> 10) % len);
		for (int k = 0; k < 12 && i % 32 == 0; k++)
			loop_once(f.worker.loop, 0);
		while (recv(f.app, got, sizeof(got), MSG_DONTWAIT) >= 0)
			;
		while (recv(server, got, sizeof(got), MSG_DONTWAIT) >= 0)
			;
	}
	fake_settle(&f);
	path = fake_path(&f, AF_INET, 4000, port);
	while (recv(server, got, sizeof(got), MSG_DONTWAIT) >= 0)
		;
	fake_write_udp(&f, &path, "x", 1);
	assert_true(served());
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_outside_the_subnets_is_dropped),
		cmocka_unit_test(destinations_that_cannot_be_forwarded_are_dropped),
		cmocka_unit_test(malformed_packets_are_dropped),
		cmocka_unit_test(bytes_behind_the_packet_are_cut_off),
		cmocka_unit_test(wrong_checksums_are_dropped),
		cmocka_unit_test(ipv4_udp_without_a_checksum_passes),
		cmocka_unit_test(a_trusted_checksum_is_not_looked_at),
		cmocka_unit_test(virtio_headers_out_of_range_are_dropped),
		cmocka_unit_test(overlapping_fragments_are_dropped_and_forwarding_goes_on),
		cmocka_unit_test(fragments_never_completed_are_told_and_freed),
		cmocka_unit_test(a_used_up_ttl_is_answered),
		cmocka_unit_test(other_protocols_are_refused),
		cmocka_unit_test(udp_to_the_stack_is_refused),
		cmocka_unit_test(tcp_to_the_stack_is_reset),
		cmocka_unit_test(queries_are_relayed_to_the_resolver),
		cmocka_unit_test(a_relayed_query_has_a_whole_checksum),
		cmocka_unit_test(a_query_without_a_resolver_is_refused),
		cmocka_unit_test(a_failing_queue_is_tried_again),
		cmocka_unit_test(a_turn_is_bounded),
		cmocka_unit_test(a_lone_packet_spares_the_second_read),
		cmocka_unit_test(a_drained_queue_is_counted),
		cmocka_unit_test(survives_random_packets),
	};
	int status = fake_namespace();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
