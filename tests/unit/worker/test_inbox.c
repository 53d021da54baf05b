// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* inbox.c and input.c: which packets go to another worker, and what comes from one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/message.h"
#include "bpf/classify.h"
#include "unit/worker/fake_worker.c"

#define OTHER 2 /* slot of the worker that the test plays; the one under test has 1 */
#define BIG 4000 /* payload that travels as fragments */

static struct fake_worker f;
static uint8_t packet[FAKE_PACKET_MAX], got[FAKE_PACKET_MAX], data[BIG];
static int server, to_worker, at_other;
static uint16_t port;

static const struct drop_counters *drops(void)
{
	return &f.worker.datapath.counters->drops;
}

static const struct role_stats *stats(void)
{
	return &f.worker.datapath.counters->stats;
}

static int give(uint32_t kind, uint32_t index, int fd)
{
	return inbox_take(&f.worker, &(struct role_descriptor){ kind, index }, fd);
}

static int begin(void **state)
{
	int own[2], other[2];

	fake_start(&f, AF_INET, 0, false);
	f.worker.config.settings.workers = 2;
	f.worker.config.settings.steer_seed = 77;
	server = fake_server(AF_INET, &port);
	assert_int_equal(message_pair(own), 0);
	assert_int_equal(message_pair(other), 0);
	assert_int_equal(give(ROLE_FD_INBOX, 1, own[0]), 0);
	assert_int_equal(give(ROLE_FD_PEER, OTHER, other[1]), 0);
	assert_int_equal(inbox_open(&f.worker, f.input), 0);
	to_worker = own[1];
	at_other = other[0];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 7;
	return 0;
}

static int end(void **state)
{
	close(server);
	close(to_worker);
	close(at_other);
	fake_stop(&f);
	return 0;
}

/* The path of a UDP flow that the worker in `slot` carries. */
static struct packet_path path_of(unsigned int slot, uint16_t from_port)
{
	for (;; from_port++) {
		struct packet_path path = fake_path(&f, AF_INET, from_port, port);
		struct flow_key key = { .saddr = path.src,
					.daddr = path.dst,
					.sport = path.sport,
					.dport = path.dport,
					.proto = IPPROTO_UDP };

		if (1 + flow_worker(&key, &f.worker.config.settings) == slot)
			return path;
	}
}

/* Bytes of the datagram that reached the server, -1 = none. */
static ssize_t served(void)
{
	fake_settle(&f);
	return recv(server, got, sizeof(got), MSG_DONTWAIT);
}

/* A message that the other worker got, into `got`: its length, -EAGAIN = none. */
static ssize_t handed(void)
{
	int fd;

	fake_settle(&f);
	return message_recv(at_other, got, sizeof(got), &fd);
}

/* A whole UDP packet into `packet`; its length. */
static size_t build(const struct packet_path *path, size_t len)
{
	size_t headers = packet_udp_header(packet, path, data, len);

	memcpy(packet + headers, data, len);
	return headers + len;
}

static void hand_in(const void *p, size_t len)
{
	assert_int_equal(message_send(to_worker, p, len, -1), 0);
}

static void a_datagram_goes_whole_to_the_worker_of_its_flow(void **state)
{
	struct packet_path path = path_of(OTHER, 5000);
	struct packet head;
	ssize_t len;

	fake_write_udp(&f, &path, data, BIG);
	len = handed();
	assert_int_equal(len, 20 + 8 + BIG);
	assert_int_equal(packet_parse(&head, got, got + len, 0), 0);
	assert_false(head.is_fragment);
	assert_int_equal(head.sport, path.sport);
	assert_memory_equal(got + 28, data, BIG);
	assert_int_equal(served(), -1);
	assert_int_equal(stats()->handed_out, 1);
	assert_int_equal(stats()->udp_total, 0);
}

static void an_own_datagram_stays(void **state)
{
	struct packet_path path = path_of(1, 5000);

	fake_write_udp(&f, &path, data, BIG);
	assert_int_equal(served(), BIG);
	assert_memory_equal(got, data, BIG);
	assert_int_equal(handed(), -EAGAIN);
	assert_int_equal(stats()->handed_out, 0);
}

/* The queue was chosen by the flow then; nothing is looked up for such packets. */
static void whole_packets_stay(void **state)
{
	struct packet_path path = path_of(OTHER, 5000);

	fake_write_udp(&f, &path, data, 10);
	assert_int_equal(served(), 10);
	assert_int_equal(handed(), -EAGAIN);
}

static void whole_and_handed_datagrams_are_one_session(void **state)
{
	struct packet_path path = path_of(1, 5000);

	fake_write_udp(&f, &path, data, 100);
	assert_int_equal(served(), 100);
	hand_in(packet, build(&path, BIG));
	assert_int_equal(served(), BIG);
	assert_memory_equal(got, data, BIG);
	hand_in(packet, build(&path, 3));
	hand_in(packet, build(&path, 5));
	assert_int_equal(served(), 3);
	assert_int_equal(served(), 5);
	assert_int_equal(stats()->udp_total, 1);
	assert_int_equal(stats()->handed_in, 3);
}

static void nothing_goes_round(void **state)
{
	struct packet_path path = path_of(OTHER, 5000);

	hand_in(packet, build(&path, BIG));
	assert_int_equal(handed(), -EAGAIN);
	assert_int_equal(served(), -1);
	assert_int_equal(drops()->handover, 1);
}

static void a_full_inbox_is_counted_and_harms_nobody(void **state)
{
	struct packet_path other = path_of(OTHER, 5000), own = path_of(1, 6000);
	unsigned int sent = 0;

	while (!drops()->handover) {
		fake_write_udp(&f, &other, data, BIG);
		fake_settle(&f);
		assert_true(++sent < 10000);
	}
	assert_int_equal(stats()->handed_out, sent - 1);
	fake_write_udp(&f, &own, data, BIG);
	assert_int_equal(served(), BIG);
	assert_int_equal(handed(), 20 + 8 + BIG); /* room again */
	fake_write_udp(&f, &other, data, BIG);
	fake_settle(&f);
	assert_int_equal(stats()->handed_out, sent);
}

/* An ICMP error of the application's kernel about an answer of the flow of `path`. */
static size_t build_error(const struct packet_path *path, enum icmp_error what)
{
	struct packet_path down = { path->dst, path->src, path->dport, path->sport, 0, 0 };
	uint8_t answer[64];
	size_t len = packet_udp_header(answer, &down, "x", 1);

	answer[len] = 'x';
	return packet_icmp_error(packet, what, 0, &path->src, answer, len + 1);
}

static void a_refusal_goes_to_the_worker_of_the_session(void **state)
{
	struct packet_path own = path_of(1, 5000), other = path_of(OTHER, 5000);
	size_t len;

	fake_write_udp(&f, &own, data, 1);
	assert_int_equal(served(), 1);
	len = build_error(&other, ICMP_ERR_PORT);
	fake_write(&f, packet, len);
	assert_int_equal(handed(), len);
	assert_memory_equal(got, packet, len);
	assert_int_equal(stats()->udp_open, 1);
	hand_in(packet, build_error(&own, ICMP_ERR_PORT));
	fake_settle(&f);
	assert_int_equal(stats()->udp_open, 0);
	assert_int_equal(drops()->icmp_type, 0);
	assert_int_equal(drops()->handover, 0);
}

static void other_errors_end_where_they_are_read(void **state)
{
	struct packet_path other = path_of(OTHER, 5000);
	size_t len = build_error(&other, ICMP_ERR_TTL);

	fake_write(&f, packet, len);
	assert_int_equal(handed(), -EAGAIN);
	assert_int_equal(drops()->icmp_type, 1);
}

/* 3,000 bytes of echo request with identifiers 1..32, in fragments. */
static void pings_in_fragments_go_by_their_identifier(void **state)
{
	struct packet_path path = fake_path(&f, AF_INET, 0, 0);
	size_t room = fragment_room(&path, 1500), n;
	unsigned int out = 0;

	for (int id = 1; id <= 32; id++) {
		uint8_t echo[3008] = { 8, 0, 0, 0, 0, id };
		uint16_t sum = csum_fold(csum_add(0, echo, sizeof(echo)));
		struct flow_key key = { .saddr = path.src, .daddr = path.dst, .sport = htons(id) };

		memcpy(echo + 2, &sum, 2);
		for (size_t at = 0; at < sizeof(echo); at += n) {
			size_t header;

			n = sizeof(echo) - at < room ? sizeof(echo) - at : room;
			header = fragment_header(packet, &path, IPPROTO_ICMP, id, at, n,
						 at + n < sizeof(echo));
			memcpy(packet + header, echo + at, n);
			fake_write(&f, packet, header + n);
		}
		fake_settle(&f);
		out += 1 + flow_worker(&key, &f.worker.config.settings) == OTHER;
		assert_int_equal(stats()->handed_out, out);
		assert_int_equal(stats()->icmp_total, id - out);
	}
	assert_in_range(out, 1, 31);
}

static void what_is_no_packet_is_dropped(void **state)
{
	struct packet_path path = path_of(1, 5000);
	static uint8_t huge[PACKET_MAX + 1];
	size_t len;
	int big = sizeof(huge) * 4;

	hand_in("x", 1);
	hand_in(huge, 100);
	assert_int_equal(setsockopt(to_worker, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big)), 0);
	hand_in(huge, sizeof(huge));
	fake_settle(&f);
	assert_int_equal(drops()->malformed + drops()->ip_version, 3);
	len = build(&path, BIG);
	packet[40] ^= 1;
	hand_in(packet, len);
	fake_settle(&f);
	assert_int_equal(drops()->checksum, 1);
	len = fragment_header(packet, &path, IPPROTO_UDP, 7, 0, 64, true);
	build(&path, 64);
	memmove(packet + len, packet + 20, 64);
	fragment_header(packet, &path, IPPROTO_UDP, 7, 0, 64, true);
	hand_in(packet, len + 64); /* what comes here has been put together */
	fake_settle(&f);
	assert_int_equal(drops()->fragment_bad, 1);
	hand_in(packet, build(&path, BIG));
	assert_int_equal(served(), BIG);
}

static void a_descriptor_that_comes_along_is_closed(void **state)
{
	struct packet_path path = path_of(1, 5000);
	char byte;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(message_send(to_worker, packet, build(&path, 9), pair[0]), 0);
	close(pair[0]);
	fake_settle(&f);
	assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0); /* nobody has the other end */
	assert_int_equal(served(), -1);
	close(pair[1]);
}

static void a_successor_throws_away_what_waits(void **state)
{
	struct packet_path path = path_of(1, 5000);

	for (int i = 0; i < 30; i++)
		hand_in(packet, build(&path, 50));
	inbox_drain(&f.worker);
	assert_int_equal(drops()->role_restart, 30);
	assert_int_equal(served(), -1);
	hand_in(packet, build(&path, 50));
	assert_int_equal(served(), 50);
}

static void each_descriptor_is_taken_once(void **state)
{
	assert_int_equal(give(ROLE_FD_INBOX, 1, dup(server)), -EINVAL);
	assert_int_equal(give(ROLE_FD_PEER, OTHER, dup(server)), -EINVAL);
	assert_int_equal(give(ROLE_FD_PEER, ROLES_MAX, dup(server)), -EINVAL);
	assert_int_equal(give(ROLE_FD_QUEUE, 1, server), -ENOENT); /* left alone */
	assert_int_equal(inbox_send(f.worker.inbox, 3, "x", 1), -ENOTCONN);
	assert_int_equal(inbox_send(f.worker.inbox, ROLES_MAX, "x", 1), -ENOTCONN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_datagram_goes_whole_to_the_worker_of_its_flow,
						begin, end),
		cmocka_unit_test_setup_teardown(an_own_datagram_stays, begin, end),
		cmocka_unit_test_setup_teardown(whole_packets_stay, begin, end),
		cmocka_unit_test_setup_teardown(whole_and_handed_datagrams_are_one_session, begin,
						end),
		cmocka_unit_test_setup_teardown(nothing_goes_round, begin, end),
		cmocka_unit_test_setup_teardown(a_full_inbox_is_counted_and_harms_nobody, begin,
						end),
		cmocka_unit_test_setup_teardown(a_refusal_goes_to_the_worker_of_the_session, begin,
						end),
		cmocka_unit_test_setup_teardown(other_errors_end_where_they_are_read, begin, end),
		cmocka_unit_test_setup_teardown(pings_in_fragments_go_by_their_identifier, begin,
						end),
		cmocka_unit_test_setup_teardown(what_is_no_packet_is_dropped, begin, end),
		cmocka_unit_test_setup_teardown(a_descriptor_that_comes_along_is_closed, begin,
						end),
		cmocka_unit_test_setup_teardown(a_successor_throws_away_what_waits, begin, end),
		cmocka_unit_test_setup_teardown(each_descriptor_is_taken_once, begin, end),
	};
	int status = fake_namespace();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
