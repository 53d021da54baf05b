// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* filter.c: IP packets to queries, and answers to IP packets. */
#include "support.h"

#include <fcntl.h>
#include <netinet/in.h>

#include "dns/filter.h"
#include "netdev/packet.h"

static uint8_t buf[2048];
static struct queue_packet pkt;
static struct filter_datagram got;

static struct packet_path path_of(const char *src, const char *dst)
{
	struct packet_path path = { .sport = htons(40000), .dport = htons(DNS_PORT) };

	assert_int_equal(addr_parse(src, &path.src), 0);
	assert_int_equal(addr_parse(dst, &path.dst), 0);
	return path;
}

static void build(const struct packet_path *path, const void *payload, size_t len)
{
	size_t headers = packet_udp_header(buf, path, payload, len);

	memcpy(buf + headers, payload, len);
	memset(&pkt, 0, sizeof(pkt));
	pkt.data = buf;
	pkt.len = headers + len;
}

static void build_v4(void)
{
	struct packet_path path = path_of("10.0.0.2", "192.0.2.53");

	build(&path, "a query of sorts", 16);
}

static void build_v6(void)
{
	struct packet_path path = path_of("fd68:6561:6472:6163::2", "2001:db8::53");

	build(&path, "a query of sorts", 16);
}

/* Inserts `len` bytes of extension headers, the first of type `next`, behind the v6 header. */
static void insert_extension(uint8_t next, const uint8_t *ext, size_t len)
{
	memmove(buf + 40 + len, buf + 40, pkt.len - 40);
	memcpy(buf + 40, ext, len);
	buf[6] = next;
	pkt.len += len;
	msg_put16(buf + 4, (uint16_t)(pkt.len - 40));
}

static void reads_a_query_to_any_address(void **state)
{
	char text[ADDR_TEXT_MAX];

	build_v4();
	assert_int_equal(filter_read(&pkt, &got), 0);
	assert_string_equal(addr_format(&got.key.saddr, text), "10.0.0.2");
	assert_string_equal(addr_format(&got.key.daddr, text), "192.0.2.53");
	assert_int_equal(ntohs(got.key.sport), 40000);
	assert_int_equal(ntohs(got.key.dport), 53);
	assert_int_equal(got.key.proto, IPPROTO_UDP);
	assert_int_equal(got.len, 16);
	assert_int_equal(got.segment, 16);
	assert_memory_equal(got.payload, "a query of sorts", 16);
	build_v6();
	assert_int_equal(filter_read(&pkt, &got), 0);
	assert_string_equal(addr_format(&got.key.daddr, text), "2001:db8::53");
	assert_int_equal(got.len, 16);
}

static void refuses_every_truncation(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		size_t whole;

		if (v6)
			build_v6();
		else
			build_v4();
		whole = pkt.len;
		for (size_t len = 0; len < whole; len++) {
			uint8_t *exact = malloc(len ? len : 1);

			assert_non_null(exact);
			memcpy(exact, buf, len);
			pkt.data = exact;
			pkt.len = len;
			assert_true(filter_read(&pkt, &got) < 0);
			free(exact);
		}
	}
}

static void a_wrong_checksum_is_refused_unless_it_is_trusted(void **state)
{
	build_v4();
	buf[pkt.len - 1] ^= 1;
	assert_int_equal(filter_read(&pkt, &got), -DROP_CHECKSUM);
	pkt.csum_trusted = true;
	assert_int_equal(filter_read(&pkt, &got), 0);
	build_v6();
	buf[pkt.len - 1] ^= 1;
	assert_int_equal(filter_read(&pkt, &got), -DROP_CHECKSUM);
}

static void only_ipv4_may_go_without_a_checksum(void **state)
{
	build_v4();
	buf[26] = buf[27] = 0;
	assert_int_equal(filter_read(&pkt, &got), 0);
	build_v6();
	buf[46] = buf[47] = 0;
	assert_int_equal(filter_read(&pkt, &got), -DROP_CHECKSUM);
}

/* N-10 */
static void an_empty_payload_is_dropped_but_its_flow_is_known(void **state)
{
	struct packet_path path = path_of("10.0.0.2", "192.0.2.53");

	build(&path, "", 0);
	assert_int_equal(filter_read(&pkt, &got), -DROP_DNS_MALFORMED);
	assert_int_equal(got.key.proto, IPPROTO_UDP);
	assert_int_equal(ntohs(got.key.sport), 40000);
}

/* N-17 */
static void extension_headers_are_stepped_over(void **state)
{
	static const uint8_t options[16] = { 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4 };

	build_v6();
	insert_extension(0, options, sizeof(options));
	assert_int_equal(filter_read(&pkt, &got), 0);
	assert_memory_equal(got.payload, "a query of sorts", 16);
}

/* N-17 */
static void fragments_are_dropped_with_their_reason(void **state)
{
	static const uint8_t first[8] = { 17, 0, 0, 1, 0, 0, 0, 7 };

	build_v4();
	buf[6] = 0x20;
	assert_int_equal(filter_read(&pkt, &got), -DROP_FRAGMENT_LOST);
	build_v6();
	insert_extension(44, first, sizeof(first));
	assert_int_equal(filter_read(&pkt, &got), -DROP_FRAGMENT_LOST);
}

static void other_ports_and_protocols_are_not_ours(void **state)
{
	build_v4();
	buf[23] = 54;
	assert_int_equal(filter_read(&pkt, &got), -DROP_STACK_PORT);
	assert_int_equal(got.key.proto, 0);
	build_v4();
	buf[9] = IPPROTO_GRE;
	assert_int_equal(filter_read(&pkt, &got), -DROP_PROTOCOL);
}

static void a_gso_packet_holds_several_messages(void **state)
{
	build_v4();
	pkt.gso_type = GSO_UDP;
	pkt.gso_size = 6;
	pkt.csum_trusted = true;
	assert_int_equal(filter_read(&pkt, &got), 0);
	assert_int_equal(got.len, 16);
	assert_int_equal(got.segment, 6);
}

/* Writes an answer to the flow of `key` into a pipe and reads the packet back into buf. */
static size_t answered(const struct flow_key *key, const void *message, size_t len)
{
	struct queue q = { 0 };
	int fds[2];
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	q.fd = fds[1];
	assert_int_equal(filter_write(&q, key, message, len), 0);
	n = read(fds[0], buf, sizeof(buf));
	close(fds[0]);
	close(fds[1]);
	assert_true(n > 0);
	return (size_t)n;
}

static uint16_t udp_sum(const struct packet_path *path, size_t at, size_t len)
{
	return csum_fold(
		csum_add(csum_pseudo(&path->src, &path->dst, IPPROTO_UDP, len), buf + at, len));
}

static void answers_with_addresses_and_ports_swapped(void **state)
{
	struct packet_path back = path_of("192.0.2.53", "10.0.0.2");

	build_v4();
	assert_int_equal(filter_read(&pkt, &got), 0);
	assert_int_equal(answered(&got.key, "an answer", 9), 20 + 8 + 9);
	assert_memory_equal(buf + 12, "\300\0\2\65\12\0\0\2", 8);
	assert_int_equal(msg_get16(buf + 20), 53);
	assert_int_equal(msg_get16(buf + 22), 40000);
	assert_int_equal(buf[8], 64);
	assert_int_equal(csum_fold(csum_add(0, buf, 20)), 0);
	assert_int_equal(udp_sum(&back, 20, 17), 0);
	assert_memory_equal(buf + 28, "an answer", 9);
	/* and in reverse it is a packet of that flow again */
	assert_int_equal(msg_get16(buf + 6) & 0x3fff, 0);
}

/* N-16: a checksum that comes out as 0 is sent as 0xffff. */
static void the_checksum_of_ipv6_is_never_zero(void **state)
{
	struct packet_path back = path_of("2001:db8::53", "fd68:6561:6472:6163::2");
	uint8_t message[4] = { 0 };
	uint8_t head[48];
	unsigned int v = 0;

	build_v6();
	assert_int_equal(filter_read(&pkt, &got), 0);
	back.sport = got.key.dport;
	back.dport = got.key.sport;
	/* one of all values of the first word makes the sum 0 */
	do {
		assert_true(v < 65536);
		msg_put16(message, (uint16_t)v++);
		packet_udp_header(head, &back, message, sizeof(message));
	} while (msg_get16(head + 46) != 0xffff);
	assert_int_equal(answered(&got.key, message, sizeof(message)), 52);
	assert_int_equal(msg_get16(buf + 46), 0xffff);
	assert_int_equal(buf[7], 64);
	assert_int_equal(udp_sum(&back, 40, 12), 0);
}

static void room_is_what_the_mtu_leaves(void **state)
{
	build_v4();
	assert_int_equal(filter_read(&pkt, &got), 0);
	assert_int_equal(filter_room(&got.key, 1500), 1472);
	build_v6();
	assert_int_equal(filter_read(&pkt, &got), 0);
	assert_int_equal(filter_room(&got.key, 1280), 1232);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_query_to_any_address),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(a_wrong_checksum_is_refused_unless_it_is_trusted),
		cmocka_unit_test(only_ipv4_may_go_without_a_checksum),
		cmocka_unit_test(an_empty_payload_is_dropped_but_its_flow_is_known),
		cmocka_unit_test(extension_headers_are_stepped_over),
		cmocka_unit_test(fragments_are_dropped_with_their_reason),
		cmocka_unit_test(other_ports_and_protocols_are_not_ours),
		cmocka_unit_test(a_gso_packet_holds_several_messages),
		cmocka_unit_test(answers_with_addresses_and_ports_swapped),
		cmocka_unit_test(the_checksum_of_ipv6_is_never_zero),
		cmocka_unit_test(room_is_what_the_mtu_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
