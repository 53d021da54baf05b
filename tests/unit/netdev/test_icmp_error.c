// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* icmp_error.c: what is said about a packet, how much of it is quoted, and when nothing is. */
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

#include "base/random.h"
#include "netdev/packet.h"

static uint8_t out[PACKET_ICMP_MAX];

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* A UDP datagram of the application, with `payload` random bytes. Returns its length. */
static size_t datagram(uint8_t *buf, bool v4, size_t payload)
{
	struct packet_path path = {
		.src = addr(v4 ? "10.0.0.2" : "fd68::2"),
		.dst = addr(v4 ? "192.0.2.1" : "2001:db8::1"),
		.sport = htons(1000),
		.dport = htons(2000),
	};
	size_t headers;

	random_bytes(buf + 48, payload);
	headers = packet_udp_header(buf, &path, buf + 48, payload);
	memmove(buf + headers, buf + 48, payload);
	return headers + payload;
}

/* Sum over the ICMP part as the application's kernel checks it: 0 = correct. */
static uint16_t verify(size_t len)
{
	struct addr src, dst;

	if (out[0] >> 4 == 4)
		return csum_fold(csum_add(0, out + 20, len - 20));
	src = addr_from_v6(out + 8);
	dst = addr_from_v6(out + 24);
	return csum_fold(
		csum_add(csum_pseudo(&src, &dst, IPPROTO_ICMPV6, len - 40), out + 40, len - 40));
}

static void every_error_has_its_type_and_code(void **state)
{
	static const uint8_t codes[][2][2] = {
		[ICMP_ERR_PORT] = { { 3, 3 }, { 1, 4 } },
		[ICMP_ERR_HOST] = { { 3, 1 }, { 1, 3 } },
		[ICMP_ERR_NET] = { { 3, 0 }, { 1, 0 } },
		[ICMP_ERR_PROTOCOL] = { { 3, 2 }, { 4, 1 } },
		[ICMP_ERR_PROHIBITED] = { { 3, 13 }, { 1, 1 } },
		[ICMP_ERR_TTL] = { { 11, 0 }, { 3, 0 } },
		[ICMP_ERR_REASSEMBLY] = { { 11, 1 }, { 3, 1 } },
		[ICMP_ERR_TOO_BIG] = { { 3, 4 }, { 2, 0 } },
	};
	struct addr from[2] = { addr("192.0.2.254"), addr("2001:db8::fe") };
	uint8_t packet[256];

	for (int what = ICMP_ERR_PORT; what <= ICMP_ERR_TOO_BIG; what++) {
		for (int v6 = 0; v6 < 2; v6++) {
			size_t ip = v6 ? 40 : 20;
			size_t len = datagram(packet, !v6, 30);
			size_t n = packet_icmp_error(out, what, 1300, &from[v6], packet, len);

			assert_int_equal(n, ip + 8 + len);
			assert_int_equal(out[ip], codes[what][v6][0]);
			assert_int_equal(out[ip + 1], codes[what][v6][1]);
			assert_int_equal(verify(n), 0);
			assert_memory_equal(out + ip + 8, packet, len);
		}
	}
}

static void it_comes_from_the_router_and_goes_to_the_sender(void **state)
{
	struct addr v4 = addr("192.0.2.254"), v6 = addr("2001:db8::fe");
	uint8_t packet[256];
	size_t len = datagram(packet, true, 1);

	assert_int_equal(packet_icmp_error(out, ICMP_ERR_TTL, 0, &v4, packet, len), 28 + len);
	assert_memory_equal(out + 12, "\xc0\x00\x02\xfe\x0a\x00\x00\x02", 8);
	assert_int_equal(out[2] << 8 | out[3], 28 + len);
	assert_int_equal(csum_fold(csum_add(0, out, 20)), 0);
	len = datagram(packet, false, 1);
	assert_int_equal(packet_icmp_error(out, ICMP_ERR_TTL, 0, &v6, packet, len), 48 + len);
	assert_memory_equal(out + 8, v6.b, 16);
	assert_memory_equal(out + 24, packet + 8, 16);
	/* of the other family it cannot come */
	assert_int_equal(packet_icmp_error(out, ICMP_ERR_TTL, 0, &v4, packet, len), 0);
}

static void too_big_names_the_mtu(void **state)
{
	struct addr v4 = addr("192.0.2.254"), v6 = addr("2001:db8::fe");
	uint8_t packet[256];
	size_t len = datagram(packet, true, 1);

	packet_icmp_error(out, ICMP_ERR_TOO_BIG, 1300, &v4, packet, len);
	assert_memory_equal(out + 24, "\x00\x00\x05\x14", 4);
	packet_icmp_error(out, ICMP_ERR_TOO_BIG, 70000, &v4, packet, len);
	assert_memory_equal(out + 24, "\x00\x00\xff\xff", 4);
	len = datagram(packet, false, 1);
	packet_icmp_error(out, ICMP_ERR_TOO_BIG, 70000, &v6, packet, len);
	assert_memory_equal(out + 44, "\x00\x01\x11\x70", 4);
}

static void quotes_as_much_as_the_rfcs_allow(void **state)
{
	struct addr v4 = addr("192.0.2.254"), v6 = addr("2001:db8::fe");
	static uint8_t packet[70000];

	assert_int_equal(packet_icmp_error(out, ICMP_ERR_PORT, 0, &v4, packet,
					   datagram(packet, true, 60000)),
			 576);
	assert_int_equal(verify(576), 0);
	assert_int_equal(packet_icmp_error(out, ICMP_ERR_PORT, 0, &v6, packet,
					   datagram(packet, false, 60000)),
			 1280);
	assert_int_equal(verify(1280), 0);
}

static void trailing_bytes_are_not_quoted(void **state)
{
	struct addr v4 = addr("192.0.2.254");
	uint8_t packet[256] = { 0 };
	size_t len = datagram(packet, true, 10);

	assert_int_equal(packet_icmp_error(out, ICMP_ERR_PORT, 0, &v4, packet, len + 20), 28 + len);
}

static size_t answer(const uint8_t *packet, size_t len)
{
	struct addr from = addr(packet[0] >> 4 == 4 ? "192.0.2.254" : "2001:db8::fe");

	return packet_icmp_error(out, ICMP_ERR_PORT, 0, &from, packet, len);
}

static void addresses_that_must_not_be_answered_are_not(void **state)
{
	static const char *const v4[][2] = {
		{ "10.0.0.2", "224.0.0.1" },
		{ "10.0.0.2", "255.255.255.255" },
		{ "0.0.0.0", "192.0.2.1" },
		{ "239.0.0.1", "192.0.2.1" },
		{ "255.255.255.255", "192.0.2.1" },
		{ "fd68::2", "ff02::1" },
		{ "::", "2001:db8::1" },
		{ "ff02::1", "2001:db8::1" },
	};
	uint8_t packet[256];

	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		struct packet_path path = { .src = addr(v4[i][0]), .dst = addr(v4[i][1]) };
		size_t len = packet_udp_header(packet, &path, NULL, 0);

		assert_int_equal(answer(packet, len), 0);
	}
}

static void a_mapped_source_on_the_wire_is_not_answered(void **state)
{
	uint8_t packet[256];
	size_t len = datagram(packet, false, 8);

	memset(packet + 8, 0, 10);
	memset(packet + 18, 0xff, 2);
	assert_int_equal(answer(packet, len), 0);
}

static void later_fragments_are_not_answered_but_the_first_is(void **state)
{
	uint8_t packet[256];
	size_t len = datagram(packet, true, 32);

	packet[6] = 0x20; /* more fragments */
	packet[7] = 0;
	assert_true(answer(packet, len) > 0);
	packet[7] = 1;
	assert_int_equal(answer(packet, len), 0);
	len = datagram(packet, false, 32);
	packet[6] = IPPROTO_FRAGMENT;
	memcpy(packet + 40, "\x11\x00\x00\x01\x00\x00\x00\x07", 8);
	assert_true(answer(packet, len) > 0);
	packet[43] = 0x08;
	assert_int_equal(answer(packet, len), 0);
}

static size_t icmp_packet(uint8_t *packet, bool v4, uint8_t type)
{
	size_t len = datagram(packet, v4, 40);

	packet[v4 ? 9 : 6] = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	packet[v4 ? 20 : 40] = type;
	return len;
}

static void icmp_errors_are_not_answered_but_questions_are(void **state)
{
	static const uint8_t errors4[] = { 3, 4, 5, 11, 12, 200 };
	static const uint8_t errors6[] = { 1, 2, 3, 4, 100, 127, 137 };
	uint8_t packet[256];

	for (size_t i = 0; i < sizeof(errors4); i++)
		assert_int_equal(answer(packet, icmp_packet(packet, true, errors4[i])), 0);
	for (size_t i = 0; i < sizeof(errors6); i++)
		assert_int_equal(answer(packet, icmp_packet(packet, false, errors6[i])), 0);
	assert_true(answer(packet, icmp_packet(packet, true, 8)) > 0);
	assert_true(answer(packet, icmp_packet(packet, true, 13)) > 0);
	assert_true(answer(packet, icmp_packet(packet, false, 128)) > 0);
	/* the same type number means something else in the other family */
	assert_int_equal(answer(packet, icmp_packet(packet, true, 128)), 0);
	assert_int_equal(answer(packet, icmp_packet(packet, false, 8)), 0);
}

static void an_icmp_error_behind_extensions_is_recognised(void **state)
{
	uint8_t packet[256];
	size_t len = icmp_packet(packet, false, 0);

	packet[6] = IPPROTO_DSTOPTS;
	memcpy(packet + 40, "\x3a\x00\x01\x04\x00\x00\x00\x00\x01", 9);
	assert_int_equal(answer(packet, len), 0);
	packet[48] = 128;
	assert_true(answer(packet, len) > 0);
}

static void unknown_next_header_is_pointed_at(void **state)
{
	struct addr from = addr("2001:db8::fe");
	uint8_t packet[256];
	size_t len = datagram(packet, false, 40);

	packet[6] = 253;
	assert_true(packet_icmp_error(out, ICMP_ERR_PROTOCOL, 0, &from, packet, len) > 0);
	assert_memory_equal(out + 44, "\x00\x00\x00\x06", 4);
	packet[6] = IPPROTO_HOPOPTS;
	memcpy(packet + 40, "\xfd\x00\x01\x04\x00\x00\x00\x00", 8);
	assert_true(packet_icmp_error(out, ICMP_ERR_PROTOCOL, 0, &from, packet, len) > 0);
	assert_memory_equal(out + 44, "\x00\x00\x00\x28", 4);
}

static void raw_errors_keep_type_code_and_rest(void **state)
{
	struct addr from = addr("192.0.2.254");
	uint8_t packet[256];
	size_t len = datagram(packet, true, 8);
	size_t n = packet_icmp_raw(out, 3, 10, htonl(0x01020304), &from, packet, len);

	assert_int_equal(n, 28 + len);
	assert_memory_equal(out + 20, "\x03\x0a", 2);
	assert_memory_equal(out + 24, "\x01\x02\x03\x04", 4);
	assert_int_equal(verify(n), 0);
	packet[9] = IPPROTO_ICMP;
	packet[20] = 3;
	assert_int_equal(packet_icmp_raw(out, 3, 10, 0, &from, packet, len), 0);
}

static void every_truncation_is_survived(void **state)
{
	uint8_t packet[256];

	for (int v4 = 0; v4 < 2; v4++) {
		size_t len = datagram(packet, v4, 40);

		if (!v4) {
			packet[6] = IPPROTO_AH;
			memset(packet + 40, 0, 12);
			packet[40] = IPPROTO_FRAGMENT;
			packet[41] = 1; /* 12 bytes */
		}
		for (size_t cut = 0; cut <= len; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);

			assert_non_null(exact);
			memcpy(exact, packet, cut);
			exact[0] = packet[0];
			assert_true(cut == 0 || answer(exact, cut) <= sizeof(out));
			if (cut && cut < (v4 ? 20U : 40U))
				assert_int_equal(answer(exact, cut), 0);
			free(exact);
		}
	}
}

static void lying_ipv4_lengths_are_refused(void **state)
{
	uint8_t packet[256];
	size_t len = datagram(packet, true, 8);

	packet[0] = 0x44;
	assert_int_equal(answer(packet, len), 0);
	packet[0] = 0x4f; /* 60 bytes of header in a packet of 36 */
	assert_int_equal(answer(packet, len), 0);
	packet[0] = 0x45;
	packet[3] = 19; /* total length below the header's */
	assert_int_equal(answer(packet, len), 0);
	packet[0] = 0x55;
	assert_int_equal(answer(packet, len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_its_type_and_code),
		cmocka_unit_test(it_comes_from_the_router_and_goes_to_the_sender),
		cmocka_unit_test(too_big_names_the_mtu),
		cmocka_unit_test(quotes_as_much_as_the_rfcs_allow),
		cmocka_unit_test(trailing_bytes_are_not_quoted),
		cmocka_unit_test(addresses_that_must_not_be_answered_are_not),
		cmocka_unit_test(a_mapped_source_on_the_wire_is_not_answered),
		cmocka_unit_test(later_fragments_are_not_answered_but_the_first_is),
		cmocka_unit_test(icmp_errors_are_not_answered_but_questions_are),
		cmocka_unit_test(an_icmp_error_behind_extensions_is_recognised),
		cmocka_unit_test(unknown_next_header_is_pointed_at),
		cmocka_unit_test(raw_errors_keep_type_code_and_rest),
		cmocka_unit_test(every_truncation_is_survived),
		cmocka_unit_test(lying_ipv4_lengths_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
