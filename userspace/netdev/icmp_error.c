// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ICMP error packets about a packet that was read from the TUN (declared in packet.h).
 * What must never be answered: RFC 1122 3.2.2 and RFC 4443 2.4 (e).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/parse.h"
#include "netdev/packet.h"

#define ICMP_BYTES 8
#define V4_TOTAL_MAX 576 /* RFC 1812 4.3.2.3 */
#define V6_TOTAL_MAX 1280 /* RFC 4443 3.1 */
#define V4_OFFSET_MASK 0x1fff
#define V6_OFFSET_MASK 0xfff8
#define V6_NEXT_HEADER_AT 6
#define ND_REDIRECT 137
#define CODE_FILTERED 13 /* RFC 1812: administratively prohibited */

/* What the quoted packet says of itself. */
struct quote {
	struct addr src;
	struct addr dst;
	size_t len; /* of the packet, link padding cut off */
	size_t l4_at; /* offset behind IP header and extensions */
	size_t next_at; /* v6: offset of the field that names `proto` */
	uint8_t proto;
	bool v4;
	bool later_fragment;
};

static bool quote_v4(const uint8_t *p, size_t len, struct quote *q)
{
	struct iphdr h;

	if (len < sizeof(h))
		return false;
	memcpy(&h, p, sizeof(h));
	q->v4 = true;
	q->src = addr_from_v4(h.saddr);
	q->dst = addr_from_v4(h.daddr);
	q->proto = h.protocol;
	q->later_fragment = ntohs(h.frag_off) & V4_OFFSET_MASK;
	q->l4_at = h.ihl * 4U;
	q->len = ntohs(h.tot_len) < len ? ntohs(h.tot_len) : len;
	return q->l4_at >= sizeof(h) && q->l4_at <= q->len;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH;
}

static size_t extension_bytes(uint8_t proto, const uint8_t *ext)
{
	if (proto == IPPROTO_FRAGMENT)
		return 8;
	return proto == IPPROTO_AH ? (ext[1] + 2U) * 4 : (ext[1] + 1U) * 8;
}

/* Steps over one extension header; false = cut short. */
static bool quote_extension(const uint8_t *p, struct quote *q)
{
	const uint8_t *ext = p + q->l4_at;
	size_t bytes;

	if (q->l4_at + 8 > q->len)
		return false;
	bytes = extension_bytes(q->proto, ext);
	if (q->l4_at + bytes > q->len)
		return false;
	if (q->proto == IPPROTO_FRAGMENT)
		q->later_fragment = (ext[2] << 8 | ext[3]) & V6_OFFSET_MASK;
	q->proto = ext[0];
	q->next_at = q->l4_at;
	q->l4_at += bytes;
	return true;
}

static bool quote_v6(const uint8_t *p, size_t len, struct quote *q)
{
	struct ipv6hdr h;
	size_t total;

	if (len < sizeof(h))
		return false;
	memcpy(&h, p, sizeof(h));
	total = sizeof(h) + ntohs(h.payload_len);
	q->v4 = false;
	q->src = addr_from_v6(&h.saddr);
	q->dst = addr_from_v6(&h.daddr);
	q->proto = h.nexthdr;
	q->next_at = V6_NEXT_HEADER_AT;
	q->l4_at = sizeof(h);
	q->len = total < len ? total : len;
	for (int i = 0; i < PARSE_EXTENSIONS_MAX && is_extension(q->proto); i++) {
		if (q->later_fragment || !quote_extension(p, q))
			break;
	}
	return true;
}

static bool quote_read(const void *quoted, size_t len, struct quote *ret_q)
{
	const uint8_t *p = quoted;

	*ret_q = (struct quote){ 0 };
	if (len > 0 && p[0] >> 4 == 4)
		return quote_v4(p, len, ret_q);
	return len > 0 && p[0] >> 4 == 6 && quote_v6(p, len, ret_q);
}

/* An ICMP message other than those that ask or answer. A type that is cut off counts as one. */
static bool is_icmp_error(const struct quote *q, const uint8_t *p)
{
	uint8_t type;

	if (q->proto != (q->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	if (q->l4_at >= q->len)
		return true;
	type = p[q->l4_at];
	if (!q->v4)
		return type < ICMPV6_INFOMSG_MASK || type == ND_REDIRECT;
	return type != ICMP_ECHO && type != ICMP_ECHOREPLY &&
	       (type < ICMP_TIMESTAMP || type > ICMP_ADDRESSREPLY);
}

static bool may_answer(const struct quote *q, const uint8_t *p)
{
	if (!q->v4 && addr_is_v4(&q->src)) /* a mapped address on the wire (RFC 4291 2.5.5.2) */
		return false;
	return !q->later_fragment && !addr_is_multicast(&q->dst) && !addr_is_multicast(&q->src) &&
	       !addr_is_zero(&q->src) && !is_icmp_error(q, p);
}

static size_t build(void *buf, uint8_t type, uint8_t code, uint32_t rest_be,
		    const struct addr *from, const struct quote *q, const void *quoted)
{
	struct packet_path path = { .src = *from, .dst = q->src };
	size_t ip_bytes = packet_ip_bytes(&path);
	size_t room = (q->v4 ? V4_TOTAL_MAX : V6_TOTAL_MAX) - ip_bytes - ICMP_BYTES;
	size_t len = ICMP_BYTES + (q->len < room ? q->len : room);
	uint8_t proto = q->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint8_t *icmp = (uint8_t *)buf + ip_bytes;
	uint32_t sum = q->v4 ? 0 : csum_pseudo(from, &q->src, proto, len);
	uint16_t csum;

	packet_ip_header(buf, &path, proto, len);
	memset(icmp, 0, ICMP_BYTES);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 4, &rest_be, sizeof(rest_be));
	memcpy(icmp + ICMP_BYTES, quoted, len - ICMP_BYTES);
	csum = csum_fold(csum_add(sum, icmp, len));
	memcpy(icmp + 2, &csum, sizeof(csum));
	return ip_bytes + len;
}

/* Type and code of an error in one family. */
struct icmp_code {
	uint8_t type;
	uint8_t code;
};

static const struct icmp_code codes_v4[] = {
	[ICMP_ERR_PORT] = { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH },
	[ICMP_ERR_HOST] = { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH },
	[ICMP_ERR_NET] = { ICMP_DEST_UNREACH, ICMP_NET_UNREACH },
	[ICMP_ERR_PROTOCOL] = { ICMP_DEST_UNREACH, ICMP_PROT_UNREACH },
	[ICMP_ERR_PROHIBITED] = { ICMP_DEST_UNREACH, CODE_FILTERED },
	[ICMP_ERR_TTL] = { ICMP_TIME_EXCEEDED, ICMP_EXC_TTL },
	[ICMP_ERR_REASSEMBLY] = { ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME },
	[ICMP_ERR_TOO_BIG] = { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED },
};

static const struct icmp_code codes_v6[] = {
	[ICMP_ERR_PORT] = { ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH },
	[ICMP_ERR_HOST] = { ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH },
	[ICMP_ERR_NET] = { ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE },
	[ICMP_ERR_PROTOCOL] = { ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR },
	[ICMP_ERR_PROHIBITED] = { ICMPV6_DEST_UNREACH, ICMPV6_ADM_PROHIBITED },
	[ICMP_ERR_TTL] = { ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT },
	[ICMP_ERR_REASSEMBLY] = { ICMPV6_TIME_EXCEED, ICMPV6_EXC_FRAGTIME },
	[ICMP_ERR_TOO_BIG] = { ICMPV6_PKT_TOOBIG, 0 },
};

/* The second word: the MTU, or where the unknown next header was named (RFC 4443 3.4). */
static uint32_t rest_of(enum icmp_error what, uint32_t mtu, const struct quote *q)
{
	if (what == ICMP_ERR_TOO_BIG)
		return htonl(q->v4 && mtu > UINT16_MAX ? UINT16_MAX : mtu);
	if (what == ICMP_ERR_PROTOCOL && !q->v4)
		return htonl((uint32_t)q->next_at);
	return 0;
}

size_t packet_icmp_error(void *buf, enum icmp_error what, uint32_t mtu, const struct addr *from,
			 const void *quoted, size_t quoted_len)
{
	const struct icmp_code *c;
	struct quote q;

	if (!quote_read(quoted, quoted_len, &q) || q.v4 != addr_is_v4(from))
		return 0;
	if (!may_answer(&q, quoted))
		return 0;
	c = q.v4 ? &codes_v4[what] : &codes_v6[what];
	return build(buf, c->type, c->code, rest_of(what, mtu, &q), from, &q, quoted);
}

size_t packet_icmp_raw(void *buf, uint8_t type, uint8_t code, uint32_t rest_be,
		       const struct addr *from, const void *quoted, size_t quoted_len)
{
	struct quote q;

	if (!quote_read(quoted, quoted_len, &q) || q.v4 != addr_is_v4(from))
		return 0;
	if (!may_answer(&q, quoted))
		return 0;
	return build(buf, type, code, rest_be, from, &q, quoted);
}
