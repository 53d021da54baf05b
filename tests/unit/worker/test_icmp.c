// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The ICMP engine, through the worker's queue, with the kernel answering on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "flow/reassembly.h"
#include "netdev/icmp.h"
#include "unit/worker/fake_worker.c"
#include "worker/icmp.h"

#define ID 0x1234
#define ID_BASE 0x4800
#define ID_BITS 10

static struct fake_worker f;
static uint8_t payload[65536], got[FAKE_PACKET_MAX], built[FAKE_PACKET_MAX];

static const struct role_stats *stats(void)
{
	return &f.worker.datapath.counters->stats;
}

static const struct drop_counters *drops(void)
{
	return &f.worker.datapath.counters->drops;
}

/* Gives the engine the raw sockets that main would have handed over. */
static void begin(int family)
{
	struct worker *w = &f.worker;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = i * 13 + i / 256;
	fake_start(&f, family, 0, false);
	icmp_engine_free(w->icmp);
	assert_int_equal(icmp_socket_open(AF_INET, TEST_MARK, ID_BASE, ID_BITS, &w->icmp_fd[0]), 0);
	assert_int_equal(icmp_socket_open(AF_INET6, TEST_MARK, ID_BASE, ID_BITS, &w->icmp_fd[1]),
			 0);
	assert_int_equal(icmp_engine_new(w, &w->icmp), 0);
}

/* An ICMP message of the application, as fragments if it must be. */
static void write_icmp(const struct packet_path *path, int type, uint16_t id, uint16_t seq,
		       size_t len)
{
	bool v4 = addr_is_v4(&path->src);
	int proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct icmp_echo h = { .type = type, .id = htons(id), .seq = htons(seq) };
	uint32_t sum = v4 ? 0 : csum_pseudo(&path->src, &path->dst, proto, 8 + len);
	size_t total = 8 + len, room = fragment_room(path, 1500), n;
	static uint32_t fragment_id = 100;

	h.checksum = csum_fold(csum_add(csum_add(sum, &h, 8), payload, len));
	memcpy(built, &h, 8);
	memcpy(built + 8, payload, len);
	for (size_t at = 0; at < total; at += room) {
		size_t piece = total - at < room ? total - at : room;
		uint8_t packet[1600];

		if (packet_ip_bytes(path) + total <= 1500) {
			n = packet_ip_header(packet, path, proto, total);
			piece = total;
		} else {
			n = fragment_header(packet, path, proto, fragment_id, at, piece,
					    at + piece < total);
		}
		memcpy(packet + n, built + at, piece);
		fake_write(&f, packet, n + piece);
		if (piece == total)
			break;
	}
	fragment_id++;
}

static void write_echo(const struct packet_path *path, uint16_t id, uint16_t seq, size_t len)
{
	write_icmp(path, addr_is_v4(&path->src) ? 8 : 128, id, seq, len);
}

static void expect_reply(const struct packet_path *path, uint16_t id, uint16_t seq, size_t len)
{
	bool v4 = addr_is_v4(&path->src);
	struct reassembled whole = { 0 };
	struct reassembly *r;
	struct datapath dp;
	struct packet head;
	struct icmp_echo h;
	uint32_t sum;
	ssize_t n;

	datapath_init(&dp, 2);
	assert_int_equal(reassembly_new(&dp, NULL, NULL, &r), 0);
	do {
		n = fake_read(&f, got);
		assert_true(n > 0 && n <= 1500);
		assert_int_equal(packet_parse(&head, got, got + n, 0), 0);
		if (!head.is_fragment)
			whole = (struct reassembled){ got, n };
	} while (head.is_fragment && !reassembly_add(r, &head, got, 0, &whole));
	assert_int_equal(packet_parse(&head, whole.data, whole.data + whole.len, 0), 0);
	assert_true(addr_eq(&head.saddr, &path->dst));
	assert_true(addr_eq(&head.daddr, &path->src));
	assert_int_equal(whole.len - head.l4_offset, 8 + len);
	memcpy(&h, whole.data + head.l4_offset, 8);
	assert_int_equal(h.type, v4 ? 0 : 129);
	assert_int_equal(ntohs(h.id), id);
	assert_int_equal(ntohs(h.seq), seq);
	assert_memory_equal(whole.data + head.payload_offset, payload, len);
	sum = v4 ? 0 : csum_pseudo(&head.saddr, &head.daddr, IPPROTO_ICMPV6, 8 + len);
	assert_int_equal(csum_fold(csum_add(sum, whole.data + head.l4_offset, 8 + len)), 0);
	reassembly_free(r);
	datapath_done(&dp);
}

static void check_sizes(int family, size_t largest)
{
	const size_t sizes[] = { 56, 0, 1, 1472, 1473, 9000, largest };
	struct packet_path path;

	begin(family);
	path = fake_path(&f, family, 0, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		write_echo(&path, ID, i, sizes[i]);
		expect_reply(&path, ID, i, sizes[i]);
	}
	assert_int_equal(stats()->icmp_total, 1);
	fake_stop(&f);
}

static void echoes_of_every_size_v4(void **state)
{
	check_sizes(AF_INET, 65507);
}

static void echoes_of_every_size_v6(void **state)
{
	check_sizes(AF_INET6, 65507);
}

static void identifiers_do_not_mix(void **state)
{
	struct packet_path path;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, 0, 0);
	for (int i = 0; i < 50; i++)
		write_echo(&path, ID + i, 1000 + i, 10 + i);
	for (int i = 0; i < 50; i++) /* all of them under way at once */
		expect_reply(&path, ID + i, 1000 + i, 10 + i);
	assert_int_equal(stats()->icmp_open, 50);
	fake_stop(&f);
}

/* A TTL in the reply tells how far it came: 64 or 255 of the kernel here, less ours. */
static void replies_carry_the_ttl_that_they_came_with(void **state)
{
	struct packet_path path;

	for (int v6 = 0; v6 < 2; v6++) {
		int fd = open(v6 ? "/proc/sys/net/ipv6/conf/lo/hop_limit" :
				   "/proc/sys/net/ipv4/ip_default_ttl",
			      O_WRONLY | O_CLOEXEC);

		assert_int_equal(write(fd, "57", 2), 2);
		begin(v6 ? AF_INET6 : AF_INET);
		path = fake_path(&f, v6 ? AF_INET6 : AF_INET, 0, 0);
		write_echo(&path, ID, 1, 56);
		expect_reply(&path, ID, 1, 56);
		assert_int_equal(got[v6 ? 7 : 8], 56);
		fake_stop(&f);
		assert_int_equal(write(fd, "64", 2), 2);
		close(fd);
	}
}

static void the_stack_answers_for_itself(void **state)
{
	struct packet_path path;

	begin(AF_INET);
	for (int v6 = 0; v6 < 2; v6++) {
		path = fake_path(&f, v6 ? AF_INET6 : AF_INET, 0, 0);
		path.dst = v6 ? f.worker.config.settings.stack6 : f.worker.config.settings.stack4;
		write_echo(&path, ID, 1, 56);
		expect_reply(&path, ID, 1, 56);
		write_echo(&path, ID, 2, 4000);
		expect_reply(&path, ID, 2, 4000);
	}
	fake_stop(&f);
}

static void other_types_are_counted_and_dropped(void **state)
{
	struct packet_path path;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, 0, 0);
	write_icmp(&path, 13, ID, 1, 12); /* timestamp */
	write_icmp(&path, 0, ID, 1, 12); /* a reply to nobody */
	write_icmp(&path, 3, ID, 1, 28); /* an error about nothing of ours */
	fake_settle(&f);
	assert_int_equal(drops()->icmp_type, 3);
	assert_int_equal(stats()->icmp_total, 0);
	fake_stop(&f);
}

static void a_wrong_checksum_is_dropped(void **state)
{
	struct packet_path path;
	uint8_t packet[100];
	size_t n;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, 0, 0);
	n = packet_ip_header(packet, &path, IPPROTO_ICMP, 16);
	memset(packet + n, 0, 16);
	packet[n] = 8;
	packet[n + 3] = 1;
	fake_write(&f, packet, n + 16);
	fake_settle(&f);
	assert_int_equal(drops()->checksum, 1);
	fake_stop(&f);
}

static int error_socket(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC,
			family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	assert_true(fd >= 0);
	return fd;
}

/* What a router would say about the request with identifier `id`, sent to the loopback. */
static void send_error(int family, int type, int code, uint32_t rest, uint16_t id, uint16_t seq,
		       bool wrong_peer)
{
	struct packet_path up = { .src = f.app4, .dst = f.app4 };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	bool v4 = family == AF_INET;
	struct icmp_echo h = { .type = v4 ? 8 : 128, .id = htons(id), .seq = htons(seq) };
	uint8_t m[200] = { type, code };
	int fd = error_socket(family);
	uint16_t sum;
	size_t n;

	addr_parse(v4 ? "127.0.0.1" : "::1", &up.src);
	addr_parse(v4	      ? wrong_peer ? "127.0.0.2" : "127.0.0.1" :
		   wrong_peer ? "::2" :
				"::1",
		   &up.dst);
	rest = htonl(rest);
	memcpy(m + 4, &rest, 4);
	n = 8 + packet_ip_header(m + 8, &up, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 8 + 32);
	memcpy(m + n, &h, 8);
	memcpy(m + n + 8, payload, 32);
	n += 40;
	sum = csum_fold(csum_add(0, m, n));
	memcpy(m + 2, &sum, 2); /* IPv6: the kernel does it */
	assert_int_equal(sendto(fd, m, n, 0, v4 ? (void *)&a4 : (void *)&a6,
				v4 ? sizeof(a4) : sizeof(a6)),
			 n);
	close(fd);
}

static void expect_error(const struct packet_path *path, int type, int code, uint32_t rest,
			 uint16_t seq)
{
	bool v4 = addr_is_v4(&path->src);
	struct packet head, quoted;
	struct icmp_echo h;
	ssize_t n = fake_read(&f, got);
	const uint8_t *icmp;

	assert_true(n > 0);
	assert_int_equal(packet_parse(&head, got, got + n, 0), 0);
	icmp = got + head.l4_offset;
	assert_int_equal(icmp[0], type);
	assert_int_equal(icmp[1], code);
	rest = htonl(rest);
	assert_memory_equal(icmp + 4, &rest, 4);
	assert_true(addr_eq(&head.saddr, &path->dst)); /* loopback, in the application's terms */
	assert_int_equal(packet_parse(&quoted, icmp + 8, got + n, 65535), 0);
	assert_true(addr_eq(&quoted.saddr, &path->src));
	assert_true(addr_eq(&quoted.daddr, &path->dst));
	assert_int_equal(quoted.icmp_type, v4 ? 8 : 128);
	memcpy(&h, icmp + 8 + quoted.l4_offset, 8);
	assert_int_equal(ntohs(h.id), ID);
	assert_int_equal(ntohs(h.seq), seq);
	assert_memory_equal(icmp + 8 + quoted.payload_offset, payload, 32);
}

static void check_errors(int family, const int (*errors)[3], size_t n)
{
	struct packet_path path;

	begin(family);
	path = fake_path(&f, family, 0, 0);
	write_echo(&path, ID, 7, 32);
	expect_reply(&path, ID, 7, 32);
	for (size_t i = 0; i < n; i++) {
		send_error(family, errors[i][0], errors[i][1], errors[i][2], ID_BASE, 7, true);
		send_error(family, errors[i][0], errors[i][1], errors[i][2], ID_BASE + 1, 7, false);
		send_error(family, errors[i][0], errors[i][1], errors[i][2], 1, 7, false);
		send_error(family, errors[i][0], errors[i][1], errors[i][2], ID_BASE, 7, false);
		expect_error(&path, errors[i][0], errors[i][1], errors[i][2], 7);
	}
	fake_settle(&f);
	assert_true(recv(f.app, got, sizeof(got), MSG_DONTWAIT) < 0); /* nothing else came */
	fake_stop(&f);
}

static void errors_come_back_about_the_applications_own_request_v4(void **state)
{
	static const int errors[][3] = {
		{ 11, 0, 0 }, /* time exceeded */
		{ 3, 1, 0 }, /* host unreachable */
		{ 3, 4, 1300 }, /* fragmentation needed */
		{ 12, 0, 0x14000000 }, /* parameter problem */
	};

	check_errors(AF_INET, errors, 4);
	begin(AF_INET);
	fake_stop(&f);
}

static void errors_come_back_about_the_applications_own_request_v6(void **state)
{
	static const int errors[][3] = { { 3, 0, 0 }, { 1, 0, 0 }, { 2, 0, 1300 }, { 4, 1, 6 } };

	check_errors(AF_INET6, errors, 4);
}

static void too_big_for_the_path_is_told_with_its_mtu(void **state)
{
	struct packet_path path;
	ssize_t n;

	fake_set_mtu(1300);
	for (int v6 = 0; v6 < 2; v6++) {
		begin(v6 ? AF_INET6 : AF_INET);
		path = fake_path(&f, v6 ? AF_INET6 : AF_INET, 0, 0);
		write_echo(&path, ID, 1, 1400); /* packet_ip_header() sets DF */
		n = fake_read(&f, got);
		assert_true(n > 0);
		assert_int_equal(got[v6 ? 40 : 20], v6 ? 2 : 3);
		assert_int_equal(got[v6 ? 46 : 26] << 8 | got[v6 ? 47 : 27], 1300);
		assert_int_equal(drops()->too_big, 1);
		write_echo(&path, ID, 2, 4000); /* fragmented by its sender: so may we */
		expect_reply(&path, ID, 2, 4000);
		fake_stop(&f);
	}
	fake_set_mtu(65536);
}

static void no_route_is_told(void **state)
{
	struct packet_path path;

	begin(AF_INET);
	path = fake_path(&f, AF_INET, 0, 0);
	path.dst.b[15] = 99;
	write_echo(&path, ID, 1, 56);
	assert_true(fake_read(&f, got) > 28);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 0);
	assert_int_equal(drops()->upstream_unreachable, 1);
	fake_stop(&f);
}

static void a_used_up_ttl_is_answered_by_the_stack(void **state)
{
	struct packet_path path;
	uint8_t packet[100];

	begin(AF_INET);
	path = fake_path(&f, AF_INET, 0, 0);
	packet_ip_header(packet, &path, IPPROTO_ICMP, 8);
	memcpy(packet + 20, (uint8_t[]){ 8, 0, 0xf7, 0xff, 0, 0, 0, 0 }, 8);
	fake_set_ip(packet, 1, 0, false);
	fake_write(&f, packet, 28);
	assert_int_equal(fake_read(&f, got), 20 + 8 + 28);
	assert_int_equal(got[20], 11);
	assert_memory_equal(got + 12, f.worker.config.settings.stack4.b + 12, 4);
	assert_int_equal(drops()->ttl, 1);
	fake_stop(&f);
}

static uint64_t turned_ns;

static uint64_t turned_clock(void)
{
	return turned_ns;
}

static void an_idle_session_ends(void **state)
{
	struct packet_path path;

	turned_ns = 1000 * NSEC_PER_SEC;
	clock_inject(turned_clock);
	begin(AF_INET);
	path = fake_path(&f, AF_INET, 0, 0);
	write_echo(&path, ID, 1, 56);
	expect_reply(&path, ID, 1, 56);
	turned_ns += 59 * NSEC_PER_SEC;
	loop_once(f.worker.loop, 0);
	assert_int_equal(stats()->icmp_open, 1);
	turned_ns += 32 * NSEC_PER_SEC;
	loop_once(f.worker.loop, 0);
	assert_int_equal(stats()->icmp_open, 0);
	fake_stop(&f);
	clock_inject(NULL);
}

/* More than there are identifiers: the oldest give theirs up, and none is used twice. */
static void sessions_are_bounded_and_identifiers_return(void **state)
{
	struct packet_path path;

	begin(AF_INET);
	datapath_budget(&f.worker.datapath, BUDGET_ICMP)->source_limit = ICMP_SESSIONS_MAX;
	path = fake_path(&f, AF_INET, 0, 0);
	for (int i = 0; i < ICMP_SESSIONS_MAX + 100; i++) {
		write_echo(&path, i, i, 1);
		expect_reply(&path, i, i, 1);
	}
	assert_int_equal(stats()->icmp_open, ICMP_SESSIONS_MAX);
	assert_int_equal(f.worker.icmp->free_count, 0);
	fake_stop(&f);
}

static void allow_ping_sockets(bool yes)
{
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);
	const char *range = yes ? "0 0" : "1 0";

	assert_true(fd >= 0);
	assert_int_equal(write(fd, range, 3), 3);
	close(fd);
}

static void without_raw_sockets_ping_sockets_do(void **state)
{
	struct packet_path path;

	allow_ping_sockets(true);
	for (int v6 = 0; v6 < 2; v6++) {
		fake_start(&f, v6 ? AF_INET6 : AF_INET, 0, false);
		path = fake_path(&f, v6 ? AF_INET6 : AF_INET, 0, 0);
		write_echo(&path, ID, 1, 56);
		expect_reply(&path, ID, 1, 56);
		write_echo(&path, ID, 2, 9000);
		expect_reply(&path, ID, 2, 9000);
		fake_stop(&f);
	}
	allow_ping_sockets(false);
}

static void without_any_socket_the_application_is_told(void **state)
{
	struct packet_path path;

	allow_ping_sockets(false);
	fake_start(&f, AF_INET, 0, false);
	path = fake_path(&f, AF_INET, 0, 0);
	write_echo(&path, ID, 1, 56);
	assert_true(fake_read(&f, got) > 28);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 13);
	assert_int_equal(stats()->icmp_open, 0);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echoes_of_every_size_v4),
		cmocka_unit_test(echoes_of_every_size_v6),
		cmocka_unit_test(identifiers_do_not_mix),
		cmocka_unit_test(replies_carry_the_ttl_that_they_came_with),
		cmocka_unit_test(the_stack_answers_for_itself),
		cmocka_unit_test(other_types_are_counted_and_dropped),
		cmocka_unit_test(a_wrong_checksum_is_dropped),
		cmocka_unit_test(errors_come_back_about_the_applications_own_request_v4),
		cmocka_unit_test(errors_come_back_about_the_applications_own_request_v6),
		cmocka_unit_test(too_big_for_the_path_is_told_with_its_mtu),
		cmocka_unit_test(no_route_is_told),
		cmocka_unit_test(a_used_up_ttl_is_answered_by_the_stack),
		cmocka_unit_test(an_idle_session_ends),
		cmocka_unit_test(sessions_are_bounded_and_identifiers_return),
		cmocka_unit_test(without_raw_sockets_ping_sockets_do),
		cmocka_unit_test(without_any_socket_the_application_is_told),
	};
	int status = fake_namespace();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
