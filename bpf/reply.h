/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Refusing in place: the packet itself becomes the RST or ICMP error that answers it and is
 * sent back to where it came from, so that the application's connect() or send() fails at
 * once (answer_send()).
 *
 * The answer is built in the scratch memory and stored over the packet. The packet is never
 * made shorter than its own L4 header, where a pending checksum (CHECKSUM_PARTIAL) would
 * point behind its end; IP cuts off what is behind the length that the answer states.
 *
 * Never answered: RST, ICMP errors, later fragments, and what came from or went to more than
 * one host (RFC 1122 3.2.2, RFC 4443 2.4 e); the last two the classifier has dropped already.
 */
#ifndef BPF_REPLY_H
#define BPF_REPLY_H

#include "bpf/capture.h"
#include "bpf/count.h"
#include "bpf/csum.h"
#include "bpf/maps.h"

#define REPLY_TTL 64
#define REPLY4_QUOTE_MAX (576 - IP4_HEADER_BYTES - ICMP_HEADER_BYTES) /* RFC 1812 4.3.2.3 */
#define REPLY6_QUOTE_MAX (REPLY_BYTES - IP6_HEADER_BYTES - ICMP_HEADER_BYTES)

struct reply_icmp {
	__u8 type;
	__u8 code;
	__u8 pointer; /* offset of the octet in question, of an ICMPv6 parameter problem */
};

static __always_inline void put_be16(__u8 *to, __u32 value)
{
	to[0] = value >> 8;
	to[1] = value;
}

static __always_inline void put_be32(__u8 *to, __u32 value)
{
	put_be16(to, value >> 16);
	put_be16(to + 2, value);
}

/* Stores a sum that csum_fold() gave: already in the order of memory. */
static __always_inline void put_csum(__u8 *to, __u16 sum)
{
	__builtin_memcpy(to, &sum, sizeof(sum));
}

static __always_inline void reply_ip4(__u8 *to, const struct packet *p, __u8 proto, __u32 l4_len)
{
	__builtin_memset(to, 0, IP4_HEADER_BYTES);
	to[0] = 0x45;
	put_be16(to + 2, IP4_HEADER_BYTES + l4_len);
	to[6] = 0x40; /* DF */
	to[8] = REPLY_TTL;
	to[9] = proto;
	__builtin_memcpy(to + 12, p->daddr.b + 12, 4);
	__builtin_memcpy(to + 16, p->saddr.b + 12, 4);
	put_csum(to + 10, csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)to, IP4_HEADER_BYTES, 0)));
}

static __always_inline void reply_ip6(__u8 *to, const struct packet *p, __u8 proto, __u32 l4_len)
{
	__builtin_memset(to, 0, 8);
	to[0] = 0x60;
	put_be16(to + 4, l4_len);
	to[6] = proto;
	to[7] = REPLY_TTL;
	__builtin_memcpy(to + 8, p->daddr.b, 16);
	__builtin_memcpy(to + 24, p->saddr.b, 16);
}

/* RST for the segment whose TCP header is at `tcp` (RFC 9293 3.5.2). */
static __always_inline void reply_rst(__u8 *to, const __u8 *tcp, const struct scratch *x)
{
	__u32 seen = x->payload + !!(tcp[13] & TCP_FLAG_SYN) + !!(tcp[13] & TCP_FLAG_FIN);

	__builtin_memset(to, 0, TCP_HEADER_BYTES);
	__builtin_memcpy(to, tcp + 2, 2);
	__builtin_memcpy(to + 2, tcp, 2);
	to[12] = TCP_HEADER_BYTES / 4 << 4;
	if (tcp[13] & TCP_FLAG_ACK) {
		__builtin_memcpy(to + 4, tcp + 8, 4);
		to[13] = TCP_FLAG_RST;
	} else {
		put_be32(to + 8, parse_be32(tcp + 4) + seen);
		to[13] = TCP_FLAG_RST | TCP_FLAG_ACK;
	}
}

/* Puts the first `len` bytes of x->reply in the packet's place and sends it back. */
static __always_inline int reply_send(struct __sk_buff *skb, struct scratch *x, __u32 len)
{
	__u32 least = x->packet.l4_offset + TCP_HEADER_BYTES;

	PARSE_HIDE(len);
	if (len > REPLY_BYTES)
		return -DROP_MALFORMED;
	PARSE_HIDE(len);
	if (len < IP4_HEADER_BYTES)
		return -DROP_MALFORMED;
	if (bpf_skb_change_tail(skb, x->l2 + (len > least ? len : least), 0) ||
	    bpf_skb_store_bytes(skb, x->l2, x->reply, len, BPF_F_INVALIDATE_HASH))
		return -DROP_NO_MEMORY;
	count_stat(STAT_REJECTS, 1);
	return answer_send(skb, x);
}

static __always_inline int reply_tcp(struct __sk_buff *skb, struct scratch *x)
{
	struct packet *p = &x->packet;
	__u32 at = p->l4_offset, sum;

	PARSE_HIDE(at);
	if (at > PARSE_HEAD_MAX - TCP_HEADER_BYTES || (p->tcp_flags & TCP_FLAG_RST))
		return TC_ACT_SHOT;
	if (p->version == 4) {
		__u8 *tcp = x->reply + IP4_HEADER_BYTES;

		reply_ip4(x->reply, p, PROTO_TCP, TCP_HEADER_BYTES);
		reply_rst(tcp, x->head + at, x);
		sum = csum_pseudo(x->reply + 12, 8, PROTO_TCP, TCP_HEADER_BYTES);
		sum = bpf_csum_diff(NULL, 0, (__be32 *)tcp, TCP_HEADER_BYTES, sum);
		put_csum(tcp + 16, csum_fold(sum));
		return reply_send(skb, x, IP4_HEADER_BYTES + TCP_HEADER_BYTES);
	} else {
		__u8 *tcp = x->reply + IP6_HEADER_BYTES;

		reply_ip6(x->reply, p, PROTO_TCP, TCP_HEADER_BYTES);
		reply_rst(tcp, x->head + at, x);
		sum = csum_pseudo(x->reply + 8, 32, PROTO_TCP, TCP_HEADER_BYTES);
		sum = bpf_csum_diff(NULL, 0, (__be32 *)tcp, TCP_HEADER_BYTES, sum);
		put_csum(tcp + 16, csum_fold(sum));
		return reply_send(skb, x, IP6_HEADER_BYTES + TCP_HEADER_BYTES);
	}
}

/* Copies the head of the packet to `to`; returns how much of it, 0 = not to be had. */
static __always_inline __u32 reply_quote(struct __sk_buff *skb, struct scratch *x, __u8 *to,
					 __u32 max)
{
	__u32 len = x->packet.total_len;

	if (len > max)
		len = max;
	PARSE_HIDE(len);
	if (len > max)
		return 0;
	PARSE_HIDE(len);
	if (len < IP4_HEADER_BYTES)
		return 0;
	__builtin_memset(to + len, 0, 4);
	return bpf_skb_load_bytes(skb, x->l2, to, len) ? 0 : len;
}

static __always_inline int reply_icmp4(struct __sk_buff *skb, struct scratch *x,
				       struct reply_icmp what)
{
	__u8 *icmp = x->reply + IP4_HEADER_BYTES;
	__u32 len = reply_quote(skb, x, icmp + ICMP_HEADER_BYTES, REPLY4_QUOTE_MAX);

	if (!len)
		return TC_ACT_SHOT;
	len += ICMP_HEADER_BYTES;
	reply_ip4(x->reply, &x->packet, PROTO_ICMP, len);
	__builtin_memset(icmp, 0, ICMP_HEADER_BYTES);
	icmp[0] = what.type;
	icmp[1] = what.code;
	put_csum(icmp + 2, csum_fold(csum_bytes(icmp, len, REPLY_SUM_MAX, 0)));
	return reply_send(skb, x, IP4_HEADER_BYTES + len);
}

static __always_inline int reply_icmp6(struct __sk_buff *skb, struct scratch *x,
				       struct reply_icmp what)
{
	__u8 *icmp = x->reply + IP6_HEADER_BYTES;
	__u32 len = reply_quote(skb, x, icmp + ICMP_HEADER_BYTES, REPLY6_QUOTE_MAX);
	__u32 sum;

	if (!len)
		return TC_ACT_SHOT;
	len += ICMP_HEADER_BYTES;
	reply_ip6(x->reply, &x->packet, PROTO_ICMP6, len);
	__builtin_memset(icmp, 0, ICMP_HEADER_BYTES);
	icmp[0] = what.type;
	icmp[1] = what.code;
	icmp[7] = what.pointer;
	sum = csum_pseudo(x->reply + 8, 32, PROTO_ICMP6, len);
	put_csum(icmp + 2, csum_fold(csum_bytes(icmp, len, REPLY_SUM_MAX, sum)));
	return reply_send(skb, x, IP6_HEADER_BYTES + len);
}

/*
 * What a refusal of this packet says: a protocol that is not carried, a UDP port without
 * service, else (echo at the flow cap) administratively prohibited.
 */
static __always_inline struct reply_icmp reply_choose(const struct packet *p)
{
	int v4 = p->version == 4;
	struct reply_icmp what = { .type = v4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE };

	if (p->proto == PROTO_UDP) {
		what.code = v4 ? 3 : 4;
	} else if (packet_is_icmp(p)) {
		what.code = v4 ? 13 : 1;
	} else if (v4) {
		what.code = 2;
	} else {
		what.type = ICMP6_PARAMETER;
		what.code = 1;
		what.pointer = p->proto_offset;
	}
	return what;
}

#endif
