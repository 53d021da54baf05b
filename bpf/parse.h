/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One packet parser for both halves: the programs run it on [data, end) of the skb, the
 * roles on what they read from the TUN. It touches nothing but its arguments.
 */
#ifndef BPF_PARSE_H
#define BPF_PARSE_H

#include "bpf/contract.h"

#define PARSE_EXTENSIONS_MAX 8 /* IPv6 extension headers; more = DROP_HEADER_CHAIN */

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
	__u8 pad;
};

/*
 * Parses the packet at [data, end); total: its whole length where [data, end) is only its
 * head (0 = end - data). Returns 0, or a negative enum drop_reason: a packet that must be
 * dropped for it. Lengths: IPv4 IHL >= 5 and total_len <= what is there; TCP data offset
 * >= 5 inside the packet; UDP length >= 8 and inside; trailing bytes behind total_len are
 * tolerated and cut off by the reader. GSO packets: lengths are those of the big packet.
 */
/* int packet_parse(struct packet *p, const void *data, const void *end, __u32 total); */

#endif
