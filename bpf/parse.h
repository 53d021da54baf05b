/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One packet parser for both halves: the programs run it on a copy of the skb's head, the
 * roles on what they read from the TUN. It touches nothing but its arguments.
 *
 * Every header up to and with that of L4 must lie within the first PARSE_HEAD_MAX bytes:
 * that bounds the copy, and it is a constant against which the kernel's verifier can prove
 * each access. A packet whose chain is longer is refused on both sides alike.
 */
#ifndef BPF_PARSE_H
#define BPF_PARSE_H

#include "bpf/contract.h"

#define PARSE_EXTENSIONS_MAX 8 /* IPv6 extension headers; more = DROP_HEADER_CHAIN */
#define PARSE_HEAD_MAX 256 /* bytes that may hold headers; more = DROP_HEADER_CHAIN */

/* Protocol numbers: of <netinet/in.h> there is no BPF form. */
enum parse_protocol {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_ICMP6 = 58,
	PROTO_NONE = 59,
	PROTO_OPTIONS = 60
};

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

#define ICMP4_ECHO_REPLY 0
#define ICMP4_UNREACHABLE 3
#define ICMP4_ECHO 8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_PARAMETER 4
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129

#define IP4_HEADER_BYTES 20
#define IP6_HEADER_BYTES 40
#define TCP_HEADER_BYTES 20
#define UDP_HEADER_BYTES 8
#define ICMP_HEADER_BYTES 8

#define PARSE_INLINE static inline __attribute__((always_inline))

/* What a packet says of itself. Ports, TCP flags and offsets are valid as far as `l4_valid`. */
struct packet {
	struct addr saddr;
	struct addr daddr;
	__be16 sport; /* ICMP echo: identifier */
	__be16 dport; /* ICMP echo: 0 */
	__u16 l4_offset; /* from the IP header; of a fragment: of its payload */
	__u16 payload_offset; /* from the IP header: behind TCP/UDP/ICMP header */
	__u32 total_len; /* IP header to the packet's end, as the IP header says */
	__u32 fragment_id; /* host order value of the field's bytes as they stand */
	__u16 fragment_offset; /* bytes */
	__u8 version; /* 4 or 6 */
	__u8 proto; /* upper protocol, IPPROTO_* */
	__u8 ttl;
	__u8 tos; /* DSCP and ECN */
	__u8 tcp_flags; /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128 */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 is_fragment; /* any fragment, the first included */
	__u8 more_fragments;
	__u8 dont_fragment; /* v4: DF */
	__u8 l4_valid; /* L4 header was there and parsed (never for later fragments) */
	__u8 proto_offset; /* of the byte that named `proto`, from the IP header */
};

/*
 * Keeps the compiler from merging the check of a value with its uses elsewhere, or two
 * checks into one of a difference: the verifier follows one register, so that register must
 * be the one that is compared and used.
 */
#define PARSE_HIDE(value) asm volatile("" : "+r"(value))

/*
 * What is read from memory behind this, is read anew: of a value that comes from memory the
 * verifier knows nothing, so that paths which differ only in what they knew become one.
 */
#define PARSE_MERGE() asm volatile("" : : : "memory")

PARSE_INLINE __u32 parse_be16(const __u8 *b)
{
	return (__u32)b[0] << 8 | b[1];
}

PARSE_INLINE __u32 parse_be32(const __u8 *b)
{
	return parse_be16(b) << 16 | parse_be16(b + 2);
}

/* Copies with the alignment that the programs' copy of the head has; the host has none. */
#ifdef __bpf__
#define PARSE_COPY(to, from, n, align)                                                             \
	__builtin_memcpy(to, __builtin_assume_aligned(from, align), n)
#else
#define PARSE_COPY(to, from, n, align) __builtin_memcpy(to, from, n)
#endif

PARSE_INLINE void parse_port(__be16 *to, const __u8 *from)
{
	__builtin_memcpy(to, from, sizeof(*to));
}

PARSE_INLINE void parse_mapped(struct addr *to, const __u8 *from)
{
	__builtin_memset(to->b, 0, 10);
	to->b[10] = 0xff;
	to->b[11] = 0xff;
	PARSE_COPY(to->b + 12, from, 4, 4);
}

PARSE_INLINE int parse_tcp(struct packet *p, const __u8 *b, __u32 at)
{
	__u32 header = (__u32)(b[12] >> 4) * 4;

	if (header < TCP_HEADER_BYTES || at + header > p->total_len)
		return -DROP_MALFORMED;
	parse_port(&p->sport, b);
	parse_port(&p->dport, b + 2);
	p->tcp_flags = b[13];
	p->payload_offset = at + header;
	return 0;
}

/* A first fragment holds less than the length says: then only its lower bound is checked. */
PARSE_INLINE int parse_udp(struct packet *p, const __u8 *b, __u32 at)
{
	__u32 length = parse_be16(b + 4);

	if (length < UDP_HEADER_BYTES || (!p->is_fragment && at + length > p->total_len))
		return -DROP_MALFORMED;
	parse_port(&p->sport, b);
	parse_port(&p->dport, b + 2);
	p->payload_offset = at + UDP_HEADER_BYTES;
	return 0;
}

PARSE_INLINE int packet_is_echo_request(const struct packet *p)
{
	return p->icmp_type == (p->version == 4 ? ICMP4_ECHO : ICMP6_ECHO);
}

PARSE_INLINE int packet_is_echo_reply(const struct packet *p)
{
	return p->icmp_type == (p->version == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY);
}

PARSE_INLINE int packet_is_icmp(const struct packet *p)
{
	return p->proto == (p->version == 4 ? PROTO_ICMP : PROTO_ICMP6);
}

PARSE_INLINE int parse_icmp(struct packet *p, const __u8 *b, __u32 at)
{
	p->icmp_type = b[0];
	p->icmp_code = b[1];
	if (packet_is_echo_request(p) || packet_is_echo_reply(p))
		parse_port(&p->sport, b + 4);
	p->payload_offset = at + ICMP_HEADER_BYTES;
	return 0;
}

/*
 * The header behind IP. A first fragment that does not hold it whole is refused (RFC 1858,
 * RFC 7112). `len` is what of the packet is in memory; the check against PARSE_HEAD_MAX
 * comes first, so that a cut head and a whole packet get the same answer.
 */
PARSE_INLINE int parse_l4(struct packet *p, const __u8 *data, __u32 len)
{
	__u32 at = p->l4_offset;
	__u32 need = p->proto == PROTO_TCP ? TCP_HEADER_BYTES : UDP_HEADER_BYTES;
	int err = -DROP_MALFORMED;

	p->payload_offset = at;
	if (p->fragment_offset)
		return 0;
	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP && !packet_is_icmp(p))
		return 0;
	PARSE_HIDE(at);
	if (at > PARSE_HEAD_MAX - TCP_HEADER_BYTES)
		return -DROP_HEADER_CHAIN;
	if (at + need > p->total_len || at + need > len)
		goto out;
	if (p->proto == PROTO_TCP)
		err = parse_tcp(p, data + at, at);
	else if (p->proto == PROTO_UDP)
		err = parse_udp(p, data + at, at);
	else
		err = parse_icmp(p, data + at, at);
	p->l4_valid = !err;
out:
	return err && p->is_fragment ? -DROP_FRAGMENT_BAD : err;
}

/*
 * Fragments carry multiples of 8 bytes (all but the last), something, and end within the
 * 65535 bytes that a packet can have. `at` is where the fragment's payload begins.
 */
PARSE_INLINE int parse_fragment_check(const struct packet *p, __u32 at)
{
	__u32 bytes = p->total_len - at;

	if (!bytes || (p->more_fragments && bytes % 8) || p->fragment_offset + bytes > 65535)
		return -DROP_FRAGMENT_BAD;
	return 0;
}

PARSE_INLINE int parse_v4(struct packet *p, const __u8 *data, __u32 len, __u32 total)
{
	__u32 header, field;

	header = (__u32)(data[0] & 15) * 4;
	p->total_len = parse_be16(data + 2);
	if (header < IP4_HEADER_BYTES || header > p->total_len || header > len ||
	    p->total_len > total)
		return -DROP_MALFORMED;
	p->tos = data[1];
	p->fragment_id = parse_be16(data + 4);
	field = parse_be16(data + 6);
	p->dont_fragment = !!(field & 0x4000);
	p->more_fragments = !!(field & 0x2000);
	p->fragment_offset = (field & 0x1fff) * 8;
	p->is_fragment = p->more_fragments || p->fragment_offset;
	p->ttl = data[8];
	p->proto = data[9];
	p->proto_offset = 9;
	parse_mapped(&p->saddr, data + 12);
	parse_mapped(&p->daddr, data + 16);
	p->l4_offset = header;
	return p->is_fragment ? parse_fragment_check(p, header) : 0;
}

/* Fragment header at b. An atomic one (RFC 6946) leaves the packet a whole one. */
PARSE_INLINE int parse_v6_fragment(struct packet *p, const __u8 *b, __u32 at)
{
	__u32 field = parse_be16(b + 2);

	if (p->is_fragment)
		return -DROP_FRAGMENT_BAD;
	p->fragment_id = parse_be32(b + 4);
	p->more_fragments = field & 1;
	p->fragment_offset = field & 0xfff8;
	p->is_fragment = p->more_fragments || p->fragment_offset;
	return p->is_fragment ? parse_fragment_check(p, at + 8) : 0;
}

/*
 * The extension header p->proto at p->l4_offset, `i` of them before it: takes both on to
 * what follows. Returns 1 if that is no extension header, 0 if it was, or -drop_reason.
 * Behind the header of a later fragment comes its payload, whatever the next-header field
 * says. A routing header with segments left names a further hop as destination: not
 * forwarded.
 */
PARSE_INLINE int parse_v6_step(struct packet *p, const __u8 *data, __u32 len, __u32 i)
{
	__u32 offset = p->l4_offset, bytes = 8;
	__u8 proto = p->proto;
	int err;

	if (p->fragment_offset || (proto != PROTO_ROUTING && proto != PROTO_FRAGMENT &&
				   proto != PROTO_OPTIONS && (proto != PROTO_HOP_BY_HOP || i)))
		return 1;
	PARSE_HIDE(offset);
	if (i == PARSE_EXTENSIONS_MAX || offset > PARSE_HEAD_MAX - 8)
		return -DROP_HEADER_CHAIN;
	if (offset + 8 > p->total_len || offset + 8 > len)
		return -DROP_MALFORMED;
	data += offset;
	if (proto == PROTO_FRAGMENT) {
		err = parse_v6_fragment(p, data, offset);
		if (err)
			return err;
	} else {
		if (proto == PROTO_ROUTING && data[3])
			return -DROP_DESTINATION;
		bytes += (__u32)data[1] * 8;
	}
	p->proto = data[0];
	p->proto_offset = offset;
	p->l4_offset = offset + bytes;
	return offset + bytes > p->total_len ? -DROP_MALFORMED : 0;
}

PARSE_INLINE int parse_v6(struct packet *p, const __u8 *data, __u32 len, __u32 total)
{
	__u32 i;
	int ret;

	if (len < IP6_HEADER_BYTES)
		return -DROP_MALFORMED;
	p->total_len = IP6_HEADER_BYTES + parse_be16(data + 4);
	if (p->total_len > total)
		return -DROP_MALFORMED;
	p->tos = (data[0] & 15) << 4 | data[1] >> 4;
	p->proto = data[6];
	p->proto_offset = 6;
	p->ttl = data[7];
	PARSE_COPY(p->saddr.b, data + 8, 16, 8);
	PARSE_COPY(p->daddr.b, data + 24, 16, 8);
	p->l4_offset = IP6_HEADER_BYTES;
	for (i = 0; i <= PARSE_EXTENSIONS_MAX; i++) {
		PARSE_MERGE();
		ret = parse_v6_step(p, data, len, i);
		if (ret)
			return ret < 0 ? ret : 0;
	}
	return -DROP_HEADER_CHAIN;
}

/* As packet_parse(), of the first `len` bytes of a packet of `total` bytes. */
PARSE_INLINE int packet_parse_head(struct packet *p, const __u8 *data, __u32 len, __u32 total)
{
	int err = -DROP_IP_VERSION;

	__builtin_memset(p, 0, sizeof(*p));
	if (len < IP4_HEADER_BYTES)
		return -DROP_MALFORMED;
	p->version = data[0] >> 4;
	if (p->version == 4)
		err = parse_v4(p, data, len, total);
	else if (p->version == 6)
		err = parse_v6(p, data, len, total);
	if (err)
		return err;
	PARSE_MERGE();
	return parse_l4(p, data, len);
}

/*
 * Parses the packet at [data, end); total: its whole length where [data, end) is only its
 * head, of PARSE_HEAD_MAX bytes or more (0 = end - data). Returns 0, or a negative enum
 * drop_reason: a packet that must be dropped for it. Lengths: IPv4 IHL >= 5 and total_len
 * <= what is there; TCP data offset >= 5 inside the packet; UDP length >= 8 and inside;
 * trailing bytes behind total_len are tolerated and cut off by the reader. GSO packets:
 * lengths are those of the big packet.
 */
PARSE_INLINE int packet_parse(struct packet *p, const void *data, const void *end, __u32 total)
{
	__u32 len = (const __u8 *)end - (const __u8 *)data;

	return packet_parse_head(p, data, len, total ? total : len);
}

#endif
