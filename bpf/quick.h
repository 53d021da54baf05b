/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Of a packet whose flow is likely to be known, its key alone, read where it lies: for the
 * programs that look it up before anything else. What has options or extension headers, or is a
 * fragment, is left to the parser (bpf/parse.h).
 */
#ifndef BPF_QUICK_H
#define BPF_QUICK_H

#include "bpf/capture.h"
#include "bpf/csum.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

#define IP4_FRAGMENT 0x3fffU /* offset and more-fragments, in host order */

/*
 * The transport header at `l4` goes into the key, TCP's flags into x->packet. Its bytes, or 0:
 * more has to be looked at.
 */
static __always_inline __u32 quick_ports(struct scratch *x, const __u8 *l4, const void *end, int up)
{
	__u32 bytes = UDP_HEADER_BYTES;
	struct flow_key *key = &x->key;

	if ((const void *)(l4 + UDP_HEADER_BYTES) > end)
		return 0;
	__builtin_memcpy(up ? &key->sport : &key->dport, l4, 2);
	__builtin_memcpy(up ? &key->dport : &key->sport, l4 + 2, 2);
	if (key->proto == PROTO_UDP)
		return bytes;
	if (key->proto != PROTO_TCP || (const void *)(l4 + TCP_HEADER_BYTES) > end)
		return 0;
	x->packet.tcp_flags = l4[13];
	bytes = (__u32)(l4[12] >> 4) * 4;
	return bytes < TCP_HEADER_BYTES ? 0 : bytes;
}

/* Bytes of the packet's payload, its flow in x->key; -1: more has to be looked at. */
static __always_inline int quick_read4(struct scratch *x, const __u8 *ip, const void *end,
				       __u32 room, int up)
{
	__u32 length, l4;

	if ((const void *)(ip + IP4_HEADER_BYTES) > end || ip[0] != 0x45 ||
	    parse_be16(ip + 6) & IP4_FRAGMENT)
		return -1;
	parse_mapped(up ? &x->key.saddr : &x->key.daddr, ip + 12);
	parse_mapped(up ? &x->key.daddr : &x->key.saddr, ip + 16);
	x->key.proto = ip[9];
	length = parse_be16(ip + 2);
	l4 = quick_ports(x, ip + IP4_HEADER_BYTES, end, up);
	if (!l4 || length > room || length < IP4_HEADER_BYTES + l4)
		return -1;
	return length - IP4_HEADER_BYTES - l4;
}

static __always_inline int quick_read6(struct scratch *x, const __u8 *ip, const void *end,
				       __u32 room, int up)
{
	__u32 length, l4;

	if ((const void *)(ip + IP6_HEADER_BYTES) > end)
		return -1;
	__builtin_memcpy(up ? &x->key.saddr : &x->key.daddr, ip + 8, 16);
	__builtin_memcpy(up ? &x->key.daddr : &x->key.saddr, ip + 24, 16);
	x->key.proto = ip[6];
	length = parse_be16(ip + 4);
	l4 = quick_ports(x, ip + IP6_HEADER_BYTES, end, up);
	if (!l4 || length + IP6_HEADER_BYTES > room || length < l4)
		return -1;
	return length - l4;
}

/* The same of either family, of the packet `l2` bytes into the skb; up: it comes from inside. */
static __always_inline int quick_read(struct __sk_buff *skb, struct scratch *x, __u32 l2, int up)
{
	const __u8 *ip = (const __u8 *)(long)skb->data + l2;
	const void *end = (const void *)(long)skb->data_end;

	x->key.pad[0] = x->key.pad[1] = x->key.pad[2] = 0;
	x->packet.tcp_flags = 0;
	if (skb->protocol == CSUM_BE16(ETH_TYPE_IP))
		return quick_read4(x, ip, end, skb->len - l2, up);
	if (skb->protocol == CSUM_BE16(ETH_TYPE_IP6))
		return quick_read6(x, ip, end, skb->len - l2, up);
	return -1;
}

#endif
