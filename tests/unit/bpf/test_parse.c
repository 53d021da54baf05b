// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The parser on the host: what it reads, and that no byte beyond a packet is touched. Each
 * packet lies in a block of exactly its size, so that ASan sees the first byte too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/parse.h"
#include "lib/craft.h"

static int parse_exact(struct packet *p, const uint8_t *bytes, size_t len, uint32_t total)
{
	uint8_t *exact = malloc(len ? len : 1);
	int ret;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	ret = packet_parse(p, exact, exact + len, total);
	free(exact);
	return ret;
}

static int parse_crafted(struct packet *p, const struct craft *c)
{
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(c, bytes);

	return parse_exact(p, bytes, len, 0);
}

static int parse_kind(struct packet *p, const char *name)
{
	size_t i;

	for (i = 0; i < craft_kinds_num; i++)
		if (!strcmp(craft_kinds[i].name, name))
			return parse_crafted(p, &craft_kinds[i]);
	fail_msg("no kind %s", name);
	return 0;
}

static void reads_tcp4_with_options(void **state)
{
	struct packet p;

	assert_int_equal(parse_kind(&p, "tcp4_options"), 0);
	assert_int_equal(p.version, 4);
	assert_int_equal(p.proto, IPPROTO_TCP);
	assert_int_equal(p.proto_offset, 9);
	assert_int_equal(p.l4_offset, 60);
	assert_int_equal(p.payload_offset, 120);
	assert_int_equal(p.total_len, 120);
	assert_int_equal(p.sport, htons(1));
	assert_int_equal(p.dport, htons(2));
	assert_int_equal(p.tcp_flags, CRAFT_SYN);
	assert_int_equal(p.ttl, 64);
	assert_true(p.l4_valid && p.dont_fragment && !p.is_fragment);
	assert_memory_equal(p.saddr.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02", 16);
	assert_memory_equal(p.daddr.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07", 16);
}

static void reads_through_a_chain_of_extension_headers(void **state)
{
	struct packet p;

	assert_int_equal(parse_kind(&p, "tcp6_chain"), 0);
	assert_int_equal(p.proto, IPPROTO_TCP);
	assert_int_equal(p.l4_offset, 40 + 4 * 8);
	assert_int_equal(p.proto_offset, 40 + 3 * 8);
	assert_int_equal(p.dport, htons(443));
	assert_memory_equal(p.daddr.b, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
}

static void reads_the_identifier_of_echo(void **state)
{
	struct packet p;

	assert_int_equal(parse_kind(&p, "echo4"), 0);
	assert_int_equal(p.sport, htons(4242));
	assert_int_equal(p.dport, 0);
	assert_true(packet_is_echo_request(&p));
	assert_int_equal(parse_kind(&p, "echo4_reply"), 0);
	assert_int_equal(p.sport, htons(4242));
	assert_true(packet_is_echo_reply(&p));
	assert_int_equal(parse_kind(&p, "too_big6"), 0);
	assert_int_equal(p.sport, 0);
	assert_int_equal(p.icmp_type, 2);
}

static void reads_traffic_class_and_hop_limit(void **state)
{
	uint8_t bytes[CRAFT_MAX];
	struct packet p;
	size_t len = craft(&(struct craft){ .version = 6, .proto = IPPROTO_NONE }, bytes);

	bytes[0] = 0x6b;
	bytes[1] = 0x80;
	bytes[7] = 3;
	assert_int_equal(parse_exact(&p, bytes, len, 0), 0);
	assert_int_equal(p.tos, 0xb8);
	assert_int_equal(p.ttl, 3);
}

static void reads_fragments(void **state)
{
	struct packet p;

	assert_int_equal(parse_kind(&p, "udp4_first"), 0);
	assert_true(p.is_fragment && p.more_fragments && p.l4_valid);
	assert_int_equal(p.dport, htons(9));
	assert_int_equal(p.fragment_id, 9);
	assert_int_equal(parse_kind(&p, "udp4_last"), 0);
	assert_true(p.is_fragment && !p.more_fragments && !p.l4_valid);
	assert_int_equal(p.fragment_offset, 2960);
	assert_int_equal(p.payload_offset, 20);
	assert_int_equal(p.dport, 0);
	assert_int_equal(parse_kind(&p, "udp6_last"), 0);
	assert_int_equal(p.fragment_offset, 1448);
	assert_int_equal(p.fragment_id, 77);
	assert_int_equal(p.l4_offset, 48);
	assert_false(p.l4_valid);
}

static void atomic_fragment_is_a_whole_packet(void **state)
{
	struct packet p;

	assert_int_equal(parse_kind(&p, "udp6_atomic"), 0);
	assert_true(p.l4_valid && !p.is_fragment);
}

/* What is wrong, as a change of one field of a good packet. */
static const struct wrong {
	const char *name;
	const char *kind;
	int at; /* byte that is changed */
	int value;
	int reason;
} wrong[] = {
	{ "version 5", "udp4", 0, 0x55, DROP_IP_VERSION },
	{ "version 0", "udp6", 0, 0x00, DROP_IP_VERSION },
	{ "IHL 4", "udp4", 0, 0x44, DROP_MALFORMED },
	{ "IHL beyond the end", "udp4_empty", 0, 0x4f, DROP_MALFORMED },
	{ "total length below the header", "udp4", 3, 19, DROP_MALFORMED },
	{ "total length beyond the packet", "udp4", 2, 9, DROP_MALFORMED },
	{ "total length cuts UDP header", "udp4", 3, 27, DROP_MALFORMED },
	{ "payload length beyond the packet", "udp6", 4, 1, DROP_MALFORMED },
	{ "payload length cuts UDP header", "udp6", 5, 7, DROP_MALFORMED },
	{ "UDP length 7", "udp4", 25, 7, DROP_MALFORMED },
	{ "UDP length beyond the packet", "udp4", 25, 42, DROP_MALFORMED },
	{ "TCP data offset 4", "tcp4_syn", 32, 0x40, DROP_MALFORMED },
	{ "TCP data offset beyond the packet", "tcp4_syn", 32, 0xf0, DROP_MALFORMED },
	{ "extension header beyond the packet", "tcp6_chain", 41, 200, DROP_MALFORMED },
	{ "extension header just beyond", "tcp6_chain", 41, 6, DROP_MALFORMED },
	{ "nine extension headers", "udp6_9_headers", 0, 0x60, DROP_HEADER_CHAIN },
	{ "header beyond what is looked at", "udp6_long_header", 0, 0x60, DROP_HEADER_CHAIN },
	{ "segments left", "udp6_routed", 0, 0x60, DROP_DESTINATION },
	{ "two fragment headers", "udp6_2_fragment_headers", 0, 0x60, DROP_FRAGMENT_BAD },
	{ "fragment not of 8 bytes", "udp4_middle", 3, 0xd9, DROP_FRAGMENT_BAD },
	{ "fragment beyond 65535", "udp4_last", 6, 0x1f, DROP_NUM },
	{ "fragment without payload", "udp4_last", 3, 20, DROP_FRAGMENT_BAD },
	{ "v6 fragment without payload", "udp6_last", 5, 8, DROP_FRAGMENT_BAD },
	{ "first fragment without UDP header", "udp4_first", 3, 20, DROP_MALFORMED },
};

static void refuses_what_is_wrong_for_its_reason(void **state)
{
	uint8_t bytes[CRAFT_MAX];
	struct packet p;
	size_t i, k, len;
	int ret;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct wrong *w = &wrong[i];

		for (k = 0; strcmp(craft_kinds[k].name, w->kind); k++)
			assert_true(k + 1 < craft_kinds_num);
		len = craft(&craft_kinds[k], bytes);
		bytes[w->at] = w->value;
		if (!strcmp(w->name, "fragment beyond 65535")) {
			bytes[7] = 0xff; /* offset 65528 and one byte: the largest there is */
			assert_int_equal(parse_exact(&p, bytes, len, 0), 0);
			bytes[3] = 28; /* eight bytes: one too many */
			assert_int_equal(parse_exact(&p, bytes, len + 7, 0), -DROP_FRAGMENT_BAD);
			continue;
		}
		if (!strcmp(w->name, "first fragment without UDP header")) {
			bytes[2] = 0; /* total length 20: neither payload nor header */
			assert_int_equal(parse_exact(&p, bytes, len, 0), -DROP_FRAGMENT_BAD);
			continue;
		}
		ret = parse_exact(&p, bytes, len, 0);
		if (ret != -w->reason)
			fail_msg("%s: %d, expected %d", w->name, ret, -w->reason);
	}
}

static void refuses_a_first_fragment_that_cuts_the_tcp_header(void **state)
{
	uint8_t bytes[CRAFT_MAX];
	struct packet p;
	size_t len;

	len = craft(&(struct craft){ .proto = IPPROTO_TCP,
				     .sport = 1,
				     .dport = 2,
				     .more = true,
				     .tcp_options = 4 },
		    bytes);
	assert_int_equal(len, 44);
	assert_int_equal(parse_exact(&p, bytes, len, 0), 0);
	bytes[3] = 20 + 16;
	assert_int_equal(parse_exact(&p, bytes, len, 0), -DROP_FRAGMENT_BAD);
	bytes[3] = 44;
	bytes[32] = 0xf0; /* data offset behind the fragment */
	assert_int_equal(parse_exact(&p, bytes, len, 0), -DROP_FRAGMENT_BAD);
}

static void refuses_every_truncation_of_every_kind(void **state)
{
	uint8_t bytes[CRAFT_MAX];
	struct packet p;
	size_t i, len, cut;

	for (i = 0; i < craft_kinds_num; i++) {
		len = craft(&craft_kinds[i], bytes);
		for (cut = 0; cut < len; cut++)
			if (parse_exact(&p, bytes, cut, 0) >= 0)
				fail_msg("%s cut to %zu was accepted", craft_kinds[i].name, cut);
	}
}

static void check_bounds(const struct packet *p, size_t len, const char *name)
{
	if (p->total_len > len || p->l4_offset > p->total_len || p->payload_offset < p->l4_offset ||
	    p->payload_offset > p->total_len || (p->l4_valid && p->l4_offset > PARSE_HEAD_MAX - 8))
		fail_msg("%s of %zu: offsets %u %u %u", name, len, p->l4_offset, p->payload_offset,
			 p->total_len);
}

/* As above, but the IP header claims just what is there: the layers above must notice. */
static void offsets_stay_inside_whatever_the_length(void **state)
{
	uint8_t bytes[CRAFT_MAX];
	struct packet p;
	size_t i, len, cut;

	for (i = 0; i < craft_kinds_num; i++) {
		len = craft(&craft_kinds[i], bytes);
		for (cut = bytes[0] >> 4 == 4 ? 20 : 40; cut < len; cut++) {
			size_t claim = bytes[0] >> 4 == 4 ? cut : cut - 40;
			int at = bytes[0] >> 4 == 4 ? 2 : 4;

			bytes[at] = claim >> 8;
			bytes[at + 1] = claim;
			if (!parse_exact(&p, bytes, cut, 0))
				check_bounds(&p, cut, craft_kinds[i].name);
		}
	}
}

static void a_head_is_enough(void **state)
{
	uint8_t bytes[CRAFT_MAX];
	struct packet whole, head;
	size_t i, len;
	int ret;

	for (i = 0; i < craft_kinds_num; i++) {
		len = craft(&craft_kinds[i], bytes);
		ret = parse_exact(&whole, bytes, len, 0);
		if (len <= PARSE_HEAD_MAX)
			continue;
		assert_int_equal(parse_exact(&head, bytes, PARSE_HEAD_MAX, len), ret);
		assert_memory_equal(&whole, &head, sizeof(whole));
	}
}

static void bytes_behind_the_packet_are_tolerated(void **state)
{
	uint8_t bytes[CRAFT_MAX];
	struct packet p;
	size_t len = craft(&craft_kinds[0], bytes);

	assert_int_equal(parse_exact(&p, bytes, len + 26, 0), 0);
	assert_int_equal(p.total_len, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_tcp4_with_options),
		cmocka_unit_test(reads_through_a_chain_of_extension_headers),
		cmocka_unit_test(reads_the_identifier_of_echo),
		cmocka_unit_test(reads_traffic_class_and_hop_limit),
		cmocka_unit_test(reads_fragments),
		cmocka_unit_test(atomic_fragment_is_a_whole_packet),
		cmocka_unit_test(refuses_what_is_wrong_for_its_reason),
		cmocka_unit_test(refuses_a_first_fragment_that_cuts_the_tcp_header),
		cmocka_unit_test(refuses_every_truncation_of_every_kind),
		cmocka_unit_test(offsets_stay_inside_whatever_the_length),
		cmocka_unit_test(a_head_is_enough),
		cmocka_unit_test(bytes_behind_the_packet_are_tolerated),
	};

	return cmocka_run_group_tests_name("bpf/parse", tests, NULL, NULL);
}
