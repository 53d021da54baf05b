// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* packet.c: checksums against a plain reference, headers against their checksums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "base/random.h"
#include "netdev/packet.h"

/* RFC 1071 as its text says it: big-endian words, one at a time. */
static uint16_t reference(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint64_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void sums_every_length_and_alignment_like_the_reference(void **state)
{
	uint8_t data[320];

	random_bytes(data, sizeof(data));
	for (size_t at = 0; at < 9; at++) {
		for (size_t len = 0; len < 300; len++)
			assert_int_equal(ntohs(csum_fold(csum_add(0, data + at, len))),
					 reference(data + at, len));
	}
}

static void sums_in_blocks_of_exactly_their_size(void **state)
{
	/* for the sanitizer: no byte beyond the block is read */
	for (size_t len = 1; len < 80; len++) {
		uint8_t *exact = malloc(len);

		assert_non_null(exact);
		random_bytes(exact, len);
		assert_int_equal(ntohs(csum_fold(csum_add(0, exact, len))), reference(exact, len));
		free(exact);
	}
}

static void carries_come_round_in_the_largest_packets(void **state)
{
	static uint8_t data[65536];

	memset(data, 0xff, sizeof(data));
	assert_int_equal(csum_fold(csum_add(0, data, sizeof(data))), 0);
	data[65535] = 0xfe;
	assert_int_equal(ntohs(csum_fold(csum_add(0, data, sizeof(data)))),
			 reference(data, sizeof(data)));
}

static void sums_can_be_continued(void **state)
{
	uint8_t data[200];

	random_bytes(data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut += 2) {
		uint32_t sum = csum_add(csum_add(0, data, cut), data + cut, sizeof(data) - cut);

		assert_int_equal(ntohs(csum_fold(sum)), reference(data, sizeof(data)));
	}
}

static struct packet_path path(const char *src, const char *dst)
{
	struct packet_path p = { .sport = htons(53), .dport = htons(40000) };

	assert_int_equal(addr_parse(src, &p.src), 0);
	assert_int_equal(addr_parse(dst, &p.dst), 0);
	return p;
}

static struct packet_path path_v4(void)
{
	return path("192.0.2.1", "10.0.0.2");
}

static struct packet_path path_v6(void)
{
	return path("2001:db8::1", "fd68:6561:6472:6163::2");
}

/* The whole L4 part with its pseudo header, summed by the reference: 0 = correct. */
static uint16_t verify_l4(const struct packet_path *p, uint8_t proto, const uint8_t *l4, size_t len)
{
	static uint8_t all[70000];
	size_t at = 0;
	size_t skip = addr_is_v4(&p->dst) ? 12 : 0;
	uint32_t rest[2] = { htonl((uint32_t)len), htonl(proto) };

	memcpy(all, p->src.b + skip, 16 - skip);
	at += 16 - skip;
	memcpy(all + at, p->dst.b + skip, 16 - skip);
	at += 16 - skip;
	memcpy(all + at, rest, sizeof(rest));
	at += sizeof(rest);
	memcpy(all + at, l4, len);
	return reference(all, at + len);
}

static void ipv4_headers_are_complete(void **state)
{
	struct packet_path p = path_v4();
	struct iphdr h;

	assert_int_equal(packet_ip_bytes(&p), 20);
	assert_int_equal(packet_ip_header(&h, &p, IPPROTO_TCP, 100), 20);
	assert_int_equal(h.version, 4);
	assert_int_equal(h.ihl, 5);
	assert_int_equal(ntohs(h.tot_len), 120);
	assert_int_equal(ntohs(h.frag_off), 0x4000);
	assert_int_equal(h.ttl, PACKET_TTL);
	assert_int_equal(h.protocol, IPPROTO_TCP);
	assert_int_equal(ntohl(h.saddr), 0xc0000201);
	assert_int_equal(ntohl(h.daddr), 0x0a000002);
	assert_int_equal(reference((uint8_t *)&h, 20), 0);
}

static void ipv6_headers_are_complete(void **state)
{
	struct packet_path p = path_v6();
	struct ipv6hdr h;

	assert_int_equal(packet_ip_bytes(&p), 40);
	assert_int_equal(packet_ip_header(&h, &p, IPPROTO_UDP, 100), 40);
	assert_int_equal(ntohl(*(uint32_t *)&h), 0x60000000);
	assert_int_equal(ntohs(h.payload_len), 100);
	assert_int_equal(h.nexthdr, IPPROTO_UDP);
	assert_int_equal(h.hop_limit, PACKET_TTL);
	assert_memory_equal(&h.saddr, p.src.b, 16);
	assert_memory_equal(&h.daddr, p.dst.b, 16);
}

static void check_udp(struct packet_path p, size_t len)
{
	static uint8_t packet[70000], payload[66000];
	size_t headers;
	struct udphdr h;

	random_bytes(payload, len);
	headers = packet_udp_header(packet, &p, payload, len);
	assert_int_equal(headers, packet_ip_bytes(&p) + 8);
	memcpy(packet + headers, payload, len);
	memcpy(&h, packet + headers - 8, sizeof(h));
	assert_int_equal(h.source, p.sport);
	assert_int_equal(h.dest, p.dport);
	assert_int_equal(ntohs(h.len), len + 8);
	assert_int_not_equal(h.check, 0);
	assert_int_equal(verify_l4(&p, IPPROTO_UDP, packet + headers - 8, len + 8), 0);
}

static void udp_checksums_are_right_at_every_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 7, 8, 9, 1472, 1473, 65507 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		check_udp(path_v4(), sizes[i]);
		check_udp(path_v6(), sizes[i]);
	}
}

static void a_udp_sum_of_zero_is_written_as_ffff(void **state)
{
	struct packet_path p = path_v4();
	uint8_t packet[64];
	uint16_t payload = 0, sum;

	/* the payload that makes everything else sum to 0xffff */
	packet_udp_header(packet, &p, &payload, sizeof(payload));
	memcpy(&payload, packet + 26, sizeof(payload));
	packet_udp_header(packet, &p, &payload, sizeof(payload));
	memcpy(&sum, packet + 26, sizeof(sum));
	assert_int_equal(sum, 0xffff);
}

static void partial_udp_checksum_is_the_pseudo_headers_sum(void **state)
{
	struct packet_path paths[] = { path_v4(), path_v6() };
	uint8_t packet[64], body[] = "some bytes of payload";

	for (int i = 0; i < 2; i++) {
		size_t at = packet_udp_header(packet, &paths[i], NULL, sizeof(body)) - 8;
		uint8_t l4[8 + sizeof(body)];
		uint16_t csum;

		memcpy(l4, packet + at, 8);
		memcpy(l4 + 8, body, sizeof(body));
		/* what the kernel does with it: sum from csum_start, put the complement */
		csum = htons(reference(l4, sizeof(l4)));
		memcpy(l4 + 6, &csum, sizeof(csum));
		assert_int_equal(verify_l4(&paths[i], IPPROTO_UDP, l4, sizeof(l4)), 0);
	}
}

static void synthetic_packets_say_what_was_sent(void **state)
{
	struct packet_path v4 = path_v4(), v6 = path_v6();
	uint8_t packet[64];

	assert_int_equal(packet_synthetic(packet, &v4, IPPROTO_UDP, 500), 28);
	assert_int_equal(packet[2] << 8 | packet[3], 528);
	assert_memory_equal(packet + 20, "\x00\x35\x9c\x40\x01\xfc\x00\x00", 8);
	assert_int_equal(packet_synthetic(packet, &v6, IPPROTO_UDP, 500), 48);
	assert_int_equal(packet[4] << 8 | packet[5], 508);
	assert_memory_equal(packet + 40, "\x00\x35\x9c\x40\x01\xfc\x00\x00", 8);
	assert_int_equal(packet_synthetic(packet, &v4, IPPROTO_ICMP, 56), 28);
	assert_memory_equal(packet + 20, "\x08\x00\x00\x00\x00\x35\x00\x00", 8);
	assert_int_equal(packet_synthetic(packet, &v6, IPPROTO_ICMPV6, 56), 48);
	assert_memory_equal(packet + 40, "\x80\x00\x00\x00\x00\x35\x00\x00", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_every_length_and_alignment_like_the_reference),
		cmocka_unit_test(sums_in_blocks_of_exactly_their_size),
		cmocka_unit_test(carries_come_round_in_the_largest_packets),
		cmocka_unit_test(sums_can_be_continued),
		cmocka_unit_test(ipv4_headers_are_complete),
		cmocka_unit_test(ipv6_headers_are_complete),
		cmocka_unit_test(udp_checksums_are_right_at_every_size),
		cmocka_unit_test(a_udp_sum_of_zero_is_written_as_ffff),
		cmocka_unit_test(partial_udp_checksum_is_the_pseudo_headers_sum),
		cmocka_unit_test(synthetic_packets_say_what_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
