// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "lib/craft.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE4 "10.0.0.2"
#define SOURCE6 "fd68:6561:6472:6163::2"
#define OUTSIDE4 "192.0.2.7"
#define OUTSIDE6 "2001:db8::7"

static void put16(uint8_t *to, uint32_t value)
{
	to[0] = value >> 8;
	to[1] = value;
}

static void put32(uint8_t *to, uint32_t value)
{
	put16(to, value >> 16);
	put16(to + 2, value);
}

static uint32_t sum_up(uint32_t sum, const uint8_t *b, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Sum over L4 with its pseudo header: 0xffff if the checksum inside is right. */
static uint32_t sum_l4(const uint8_t *packet, uint8_t proto, const uint8_t *l4, size_t len)
{
	bool v4 = packet[0] >> 4 == 4;
	uint32_t sum = 0;

	if (proto != IPPROTO_ICMP) {
		sum = v4 ? sum_up(0, packet + 12, 8) : sum_up(0, packet + 8, 32);
		sum += proto + len;
	}
	return sum_up(sum, l4, len);
}

static size_t l4_header(const struct craft *c, uint8_t *to, size_t *ret_csum_at)
{
	switch (c->proto) {
	case IPPROTO_TCP:
		put16(to, c->sport);
		put16(to + 2, c->dport);
		put32(to + 4, c->seq);
		put32(to + 8, c->ack);
		to[12] = (20 + c->tcp_options) / 4 << 4;
		to[13] = c->tcp_flags;
		put16(to + 14, c->window);
		memset(to + 20, 1, c->tcp_options);
		*ret_csum_at = 16;
		return 20 + c->tcp_options;
	case IPPROTO_UDP:
		put16(to, c->sport);
		put16(to + 2, c->dport);
		put16(to + 4, 8 + c->payload);
		*ret_csum_at = 6;
		return 8;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		to[0] = c->icmp_type;
		to[1] = c->icmp_code;
		put32(to + 4, c->icmp_rest ? c->icmp_rest : (uint32_t)c->sport << 16);
		*ret_csum_at = 2;
		return 8;
	default:
		return 0;
	}
}

static size_t l4(const struct craft *c, uint8_t *packet, uint8_t *to)
{
	size_t csum_at = 0, len = 0, i;
	uint32_t sum;

	if (!c->offset)
		len = l4_header(c, to, &csum_at);
	for (i = 0; i < c->payload; i++)
		to[len + i] = c->data ? c->data[i] : 'a' + i % 26;
	len += c->payload;
	if (csum_at) {
		sum = ~sum_l4(packet, c->proto, to, len) & 0xffff;
		put16(to + csum_at, sum || c->proto != IPPROTO_UDP ? sum : 0xffff);
	}
	return len;
}

static void put_address(int family, const char *text, uint8_t *to)
{
	if (inet_pton(family, text, to) != 1)
		abort(); /* a mistake in the test */
}

static size_t craft4(const struct craft *c, uint8_t *b)
{
	size_t header = 20 + c->ip_options, len;
	bool fragment = c->offset || c->more;

	b[0] = 0x40 | header / 4;
	put16(b + 4, c->id);
	put16(b + 6, (fragment || c->no_df ? 0 : 0x4000) | (c->more ? 0x2000 : 0) | c->offset / 8);
	b[8] = 64;
	b[9] = c->proto;
	put_address(AF_INET, c->src ? c->src : SOURCE4, b + 12);
	put_address(AF_INET, c->dst ? c->dst : OUTSIDE4, b + 16);
	memset(b + 20, 1, c->ip_options);
	len = header + l4(c, b, b + header);
	put16(b + 2, len);
	put16(b + 10, ~sum_up(0, b, header) & 0xffff);
	return len;
}

/* One extension header; returns its length. */
static size_t extension(const struct craft *c, char letter, uint8_t *b)
{
	memset(b, 0, 8);
	switch (letter) {
	case 'r':
	case 'R':
		b[2] = 4; /* type: segment routing */
		b[3] = letter == 'R';
		return 8;
	case 'f':
		put16(b + 2, c->offset | c->more);
		put32(b + 4, c->id);
		return 8;
	case 'H':
	case 'D':
		memset(b, 0, 256);
		b[1] = 31;
		return 256;
	default:
		b[2] = 1; /* PadN */
		b[3] = 4;
		return 8;
	}
}

static uint8_t extension_number(char letter)
{
	switch (letter) {
	case 'h':
	case 'H':
		return IPPROTO_HOPOPTS;
	case 'r':
	case 'R':
		return IPPROTO_ROUTING;
	case 'f':
		return IPPROTO_FRAGMENT;
	default:
		return IPPROTO_DSTOPTS;
	}
}

static size_t craft6(const struct craft *c, uint8_t *b)
{
	const char *letter = c->chain ? c->chain : "";
	uint8_t *next = b + 6;
	size_t at = 40;

	b[0] = 0x60;
	b[7] = 64;
	put_address(AF_INET6, c->src ? c->src : SOURCE6, b + 8);
	put_address(AF_INET6, c->dst ? c->dst : OUTSIDE6, b + 24);
	for (; *letter; letter++) {
		*next = extension_number(*letter);
		next = b + at;
		at += extension(c, *letter, b + at);
	}
	*next = c->proto;
	at += l4(c, b, b + at);
	put16(b + 4, at - 40);
	return at;
}

size_t craft(const struct craft *c, uint8_t buf[CRAFT_MAX])
{
	size_t len;

	memset(buf, 0, CRAFT_MAX);
	assert(c->payload <= 2000);
	len = c->version == 6 ? craft6(c, buf) : craft4(c, buf);
	assert(len <= CRAFT_MAX);
	return len;
}

bool craft_checksums_right(const uint8_t *b, size_t len)
{
	bool v4 = b[0] >> 4 == 4;
	size_t header = v4 ? (size_t)(b[0] & 15) * 4 : 40;

	if (v4 && sum_up(0, b, header) != 0xffff)
		return false;
	return sum_l4(b, v4 ? b[9] : b[6], b + header, len - header) == 0xffff;
}

#define V6 .version = 6

const struct craft craft_kinds[] = {
	{ "tcp4_syn", .proto = IPPROTO_TCP, .sport = 40000, .dport = 443, .tcp_flags = CRAFT_SYN,
	  .seq = 1000, .tcp_options = 20 },
	{ "tcp4_ack", .proto = IPPROTO_TCP, .sport = 40000, .dport = 443, .tcp_flags = CRAFT_ACK,
	  .seq = 1001, .ack = 77, .payload = 100 },
	{ "tcp4_fin", .proto = IPPROTO_TCP, .sport = 40000, .dport = 443,
	  .tcp_flags = CRAFT_ACK | CRAFT_FIN, .seq = 1101, .ack = 77 },
	{ "tcp4_rst", .proto = IPPROTO_TCP, .sport = 40000, .dport = 443, .tcp_flags = CRAFT_RST },
	{ "tcp4_options", .proto = IPPROTO_TCP, .sport = 1, .dport = 2, .tcp_flags = CRAFT_SYN,
	  .ip_options = 40, .tcp_options = 40 },
	{ "tcp4_dns", .proto = IPPROTO_TCP, .sport = 40001, .dport = 53, .tcp_flags = CRAFT_SYN },
	{ "tcp4_stack", .proto = IPPROTO_TCP, .sport = 40001, .dport = 80, .dst = "10.0.0.1",
	  .tcp_flags = CRAFT_SYN, .seq = 0xfffffffe },
	{ "udp4", .proto = IPPROTO_UDP, .sport = 5000, .dport = 6000, .payload = 33 },
	{ "udp4_empty", .proto = IPPROTO_UDP, .sport = 5000, .dport = 6000 },
	{ "udp4_dns", .proto = IPPROTO_UDP, .sport = 5001, .dport = 53, .payload = 29 },
	{ "udp4_dns_stack", .proto = IPPROTO_UDP, .sport = 5001, .dport = 53, .dst = "10.0.0.1",
	  .payload = 29 },
	{ "udp4_stack", .proto = IPPROTO_UDP, .sport = 5001, .dport = 123, .dst = "10.0.0.1",
	  .payload = 48 },
	{ "udp4_port_zero", .proto = IPPROTO_UDP, .sport = 5001, .payload = 4 },
	{ "udp4_first", .proto = IPPROTO_UDP, .sport = 5002, .dport = 9, .payload = 1472, .id = 9,
	  .more = true },
	{ "udp4_middle", .proto = IPPROTO_UDP, .payload = 1480, .id = 9, .offset = 1480,
	  .more = true },
	{ "udp4_last", .proto = IPPROTO_UDP, .payload = 1, .id = 9, .offset = 2960 },
	{ "echo4", .proto = IPPROTO_ICMP, .icmp_type = 8, .sport = 4242, .payload = 56 },
	{ "echo4_stack", .proto = IPPROTO_ICMP, .icmp_type = 8, .sport = 1, .dst = "10.0.0.1" },
	{ "echo4_reply", .proto = IPPROTO_ICMP, .icmp_type = 0, .sport = 4242, .payload = 56 },
	{ "unreachable4", .proto = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 3, .payload = 28 },
	{ "timestamp4", .proto = IPPROTO_ICMP, .icmp_type = 13, .sport = 4, .payload = 12 },
	{ "icmp6_in_4", .proto = IPPROTO_ICMPV6, .icmp_type = 128, .payload = 8 },
	{ "sctp4", .proto = IPPROTO_SCTP, .payload = 40 },
	{ "protocol0_4", .proto = 0, .payload = 40 },
	{ "multicast4", .proto = IPPROTO_UDP, .sport = 5353, .dport = 5353, .dst = "224.0.0.251" },
	{ "broadcast4", .proto = IPPROTO_UDP, .sport = 68, .dport = 67, .dst = "255.255.255.255" },
	{ "subnet_broadcast4", .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "10.0.0.255" },
	{ "class_e4", .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "240.1.2.3" },
	{ "link_local4", .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "169.254.1.1" },
	{ "loopback4", .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "127.0.0.1" },
	{ "this_host4", .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "0.0.0.0" },
	{ "spoofed4", .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .src = "10.0.1.2" },
	{ "from_loopback4", .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .src = "127.0.0.1" },
	{ "tcp6_syn", V6, .proto = IPPROTO_TCP, .sport = 40000, .dport = 443,
	  .tcp_flags = CRAFT_SYN, .seq = 5, .tcp_options = 20 },
	{ "tcp6_stack", V6, .proto = IPPROTO_TCP, .sport = 40000, .dport = 80,
	  .dst = "fd68:6561:6472:6163::1", .tcp_flags = CRAFT_SYN, .seq = 5 },
	{ "tcp6_chain", V6, .proto = IPPROTO_TCP, .sport = 40000, .dport = 443, .chain = "hdrd",
	  .tcp_flags = CRAFT_SYN },
	{ "udp6", V6, .proto = IPPROTO_UDP, .sport = 5000, .dport = 6000, .payload = 33 },
	{ "udp6_dns", V6, .proto = IPPROTO_UDP, .sport = 5000, .dport = 53, .payload = 33 },
	{ "udp6_dns_stack", V6, .proto = IPPROTO_UDP, .sport = 5000, .dport = 53, .payload = 33,
	  .dst = "fd68:6561:6472:6163::1" },
	{ "udp6_stack", V6, .proto = IPPROTO_UDP, .sport = 5000, .dport = 99, .payload = 1400,
	  .dst = "fd68:6561:6472:6163::1" },
	{ "udp6_8_headers", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 2, .chain = "hddddddd" },
	{ "udp6_9_headers", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 2,
	  .chain = "hdddddddd" },
	{ "udp6_long_header", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 2, .chain = "D" },
	{ "udp6_routed", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 2, .chain = "R" },
	{ "udp6_late_hop", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 2, .chain = "dh" },
	{ "udp6_first", V6, .proto = IPPROTO_UDP, .sport = 5002, .dport = 9, .payload = 1440,
	  .chain = "f", .id = 77, .more = true },
	{ "udp6_last", V6, .proto = IPPROTO_UDP, .payload = 100, .chain = "f", .id = 77,
	  .offset = 1448 },
	{ "udp6_atomic", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 2, .chain = "f", .id = 7 },
	{ "udp6_2_fragment_headers", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 2,
	  .chain = "ff", .id = 7, .more = true, .payload = 8 },
	{ "udp6_dns_first", V6, .proto = IPPROTO_UDP, .sport = 1, .dport = 53, .chain = "f",
	  .id = 7, .more = true, .payload = 8 },
	{ "echo6", V6, .proto = IPPROTO_ICMPV6, .icmp_type = 128, .sport = 4242, .payload = 56 },
	{ "echo6_stack", V6, .proto = IPPROTO_ICMPV6, .icmp_type = 128, .sport = 4,
	  .dst = "fd68:6561:6472:6163::1" },
	{ "too_big6", V6, .proto = IPPROTO_ICMPV6, .icmp_type = 2, .icmp_rest = 1280,
	  .payload = 48 },
	{ "neighbour6", V6, .proto = IPPROTO_ICMPV6, .icmp_type = 135, .payload = 16 },
	{ "router_solicitation6", V6, .proto = IPPROTO_ICMPV6, .icmp_type = 133, .src = "fe80::1",
	  .dst = "ff02::2" },
	{ "icmp4_in_6", V6, .proto = IPPROTO_ICMP, .icmp_type = 8, .payload = 8 },
	{ "no_next6", V6, .proto = IPPROTO_NONE },
	{ "esp6_chain", V6, .proto = IPPROTO_ESP, .chain = "hd", .payload = 64 },
	{ "loopback6", V6, .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "::1" },
	{ "unspecified6", V6, .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "::" },
	{ "mapped6", V6, .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "::ffff:192.0.2.7" },
	{ "from_mapped6", V6, .proto = IPPROTO_UDP, .sport = 7, .dport = 7,
	  .src = "::ffff:10.0.0.2" },
	{ "link_local6", V6, .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .dst = "fe80::9" },
	{ "spoofed6", V6, .proto = IPPROTO_UDP, .sport = 7, .dport = 7, .src = "2001:db8::2" },
};

const size_t craft_kinds_num = sizeof(craft_kinds) / sizeof(craft_kinds[0]);
