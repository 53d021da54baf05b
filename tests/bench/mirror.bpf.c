// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a DNS answer costs at the least: IPv4 datagrams to MIRROR_PORT or to port 53 are turned
 * round without a look at them, and say that they are answers, without a checksum.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_BYTES 14
#define IP_BYTES 20
#define PROTO_UDP 17
#define NEXT -1
#define MIRROR_PORT 5303
#define DNS_PORT 53
#define REDIRECT_INGRESS 1 /* BPF_F_INGRESS */

struct packet_head {
	__u8 ip[IP_BYTES];
	__u16 sport, dport;
	__u16 len, sum;
	__u16 id;
	__u8 flags[2];
	__u16 questions, answers;
} __attribute__((packed));

static __always_inline int turn(struct __sk_buff *skb, __u32 at)
{
	struct packet_head h;
	__u32 from, to;
	__u16 port;

	if (bpf_skb_load_bytes(skb, at, &h, sizeof(h)) || h.ip[0] != 0x45 || h.ip[9] != PROTO_UDP ||
	    (h.dport != bpf_htons(MIRROR_PORT) && h.dport != bpf_htons(DNS_PORT)))
		return -1;
	__builtin_memcpy(&from, h.ip + 12, 4);
	__builtin_memcpy(&to, h.ip + 16, 4);
	__builtin_memcpy(h.ip + 12, &to, 4);
	__builtin_memcpy(h.ip + 16, &from, 4);
	port = h.sport;
	h.sport = h.dport;
	h.dport = port;
	h.sum = 0;
	h.flags[0] |= 0x80;
	h.answers = bpf_htons(1);
	return bpf_skb_store_bytes(skb, at, &h, sizeof(h), 0);
}

SEC("tc")
int mirror_tun(struct __sk_buff *skb)
{
	return turn(skb, 0) ? NEXT : bpf_redirect(skb->ifindex, REDIRECT_INGRESS);
}

SEC("tc")
int mirror_eth(struct __sk_buff *skb)
{
	__u8 from[6], to[6];

	if (skb->protocol != bpf_htons(0x0800) || turn(skb, ETH_BYTES))
		return NEXT;
	bpf_skb_load_bytes(skb, 0, to, sizeof(to));
	bpf_skb_load_bytes(skb, 6, from, sizeof(from));
	bpf_skb_store_bytes(skb, 0, from, sizeof(from), 0);
	bpf_skb_store_bytes(skb, 6, to, sizeof(to), 0);
	return bpf_redirect(skb->ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
