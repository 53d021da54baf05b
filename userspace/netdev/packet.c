// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Building of IP packets and Internet checksums. Sums are kept in memory order (words as a
 * native load sees them), which RFC 1071 allows: constants enter by htons().
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "netdev/packet.h"

#define V4_BYTES sizeof(struct iphdr)
#define V6_BYTES sizeof(struct ipv6hdr)
#define UDP_BYTES sizeof(struct udphdr)
#define UDP_CSUM_AT offsetof(struct udphdr, check)
#define IP_DF 0x4000

/* Adds with the carry brought round: sums of 64-bit words fold to sums of 16-bit ones. */
static inline uint64_t add_round(uint64_t a, uint64_t b)
{
	uint64_t sum;
	bool carry = __builtin_add_overflow(a, b, &sum);

	return sum + carry;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint32_t fold64(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

uint32_t csum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t a = sum, b = 0, rest = 0;

	/* Two chains, so that one addition need not wait for the other's carry. */
	for (; len >= 32; p += 32, len -= 32) {
		a = add_round(a, load64(p));
		b = add_round(b, load64(p + 8));
		a = add_round(a, load64(p + 16));
		b = add_round(b, load64(p + 24));
	}
	for (; len >= 8; p += 8, len -= 8)
		a = add_round(a, load64(p));
	if (len > 0)
		memcpy(&rest, p, len);
	return fold64(add_round(add_round(a, b), rest));
}

uint16_t csum_fold(uint32_t sum)
{
	return (uint16_t)~fold64(sum);
}

uint32_t csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto, size_t l4_len)
{
	size_t skip = addr_is_v4(dst) ? 12 : 0;
	__be32 rest[2] = { htonl((uint32_t)l4_len), htonl(proto) };
	uint32_t sum = csum_add(0, rest, sizeof(rest));

	sum = csum_add(sum, src->b + skip, sizeof(src->b) - skip);
	return csum_add(sum, dst->b + skip, sizeof(dst->b) - skip);
}

size_t packet_ip_bytes(const struct packet_path *path)
{
	return addr_is_v4(&path->dst) ? V4_BYTES : V6_BYTES;
}

static void v4_header(void *buf, const struct packet_path *path, uint8_t proto, size_t l4_len)
{
	struct iphdr h = {
		.version = 4,
		.ihl = V4_BYTES / 4,
		.tot_len = htons((uint16_t)(V4_BYTES + l4_len)),
		.frag_off = htons(IP_DF),
		.tos = path->tos,
		.ttl = path->ttl ? path->ttl : PACKET_TTL,
		.protocol = proto,
		.saddr = addr_to_v4(&path->src),
		.daddr = addr_to_v4(&path->dst),
	};

	h.check = csum_fold(csum_add(0, &h, sizeof(h)));
	memcpy(buf, &h, sizeof(h));
}

static void v6_header(void *buf, const struct packet_path *path, uint8_t proto, size_t l4_len)
{
	struct ipv6hdr h = {
		.version = 6,
		.payload_len = htons((uint16_t)l4_len),
		.nexthdr = proto,
		.priority = path->tos >> 4,
		.flow_lbl = { (uint8_t)(path->tos << 4) },
		.hop_limit = path->ttl ? path->ttl : PACKET_TTL,
	};

	memcpy(&h.saddr, path->src.b, sizeof(h.saddr));
	memcpy(&h.daddr, path->dst.b, sizeof(h.daddr));
	memcpy(buf, &h, sizeof(h));
}

size_t packet_ip_header(void *buf, const struct packet_path *path, uint8_t proto, size_t l4_len)
{
	if (addr_is_v4(&path->dst))
		v4_header(buf, path, proto, l4_len);
	else
		v6_header(buf, path, proto, l4_len);
	return packet_ip_bytes(path);
}

size_t packet_udp_header(void *buf, const struct packet_path *path, const void *payload,
			 size_t payload_len)
{
	size_t l4_len = UDP_BYTES + payload_len;
	size_t ip_bytes = packet_ip_header(buf, path, IPPROTO_UDP, l4_len);
	uint32_t sum = csum_pseudo(&path->src, &path->dst, IPPROTO_UDP, l4_len);
	struct udphdr h = {
		.source = path->sport,
		.dest = path->dport,
		.len = htons((uint16_t)l4_len),
		.check = (uint16_t)sum,
	};

	if (payload) {
		h.check = 0;
		h.check = csum_fold(csum_add(csum_add(sum, &h, sizeof(h)), payload, payload_len));
		if (h.check == 0)
			h.check = 0xffff; /* RFC 768: 0 says that there is none */
	}
	memcpy((uint8_t *)buf + ip_bytes, &h, sizeof(h));
	return ip_bytes + UDP_BYTES;
}

size_t packet_synthetic(void *buf, const struct packet_path *path, uint8_t proto,
			size_t payload_len)
{
	size_t l4_len = UDP_BYTES + payload_len;
	size_t ip_bytes = packet_ip_header(buf, path, proto, l4_len);
	struct udphdr udp = { .source = path->sport, .dest = path->dport };
	struct icmphdr echo = { .type = ICMP_ECHO, .un.echo.id = path->sport };
	const void *l4 = &udp;

	_Static_assert(sizeof(udp) == sizeof(echo), "both are the 8 bytes that are quoted");
	if (proto == IPPROTO_UDP)
		udp.len = htons((uint16_t)l4_len);
	if (proto == IPPROTO_ICMPV6)
		echo.type = ICMPV6_ECHO_REQUEST;
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		l4 = &echo;
	memcpy((uint8_t *)buf + ip_bytes, l4, UDP_BYTES);
	return ip_bytes + UDP_BYTES;
}
