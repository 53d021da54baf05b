// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A bad network: of the TCP packets that pass it drops some, has some wait behind those that
 * follow and doubles some. What happens to the n-th packet follows from the seed alone.
 *
 * Dropped is without a word: a refusal by tc would tell a local sender at once. Waiting is a
 * second way through the queue of received packets, so at egress there is none.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define PROTO_TCP 6
#define FROM_NETWORK 1 /* BPF_HDR_START_NET */
#define NEXT -1
#define NOWHERE 0x7fffffff /* no device has this index */
#define AGAIN 0x6c6f7373 /* mark of a packet that comes by a second time */

/* Of 10,000 packets; set before it is loaded. */
const volatile __u32 drop_rate, reorder_rate, duplicate_rate, seed;

__u64 packets, dropped, reordered, duplicated;

static __always_inline __u32 scramble(__u32 x)
{
	x ^= x >> 16;
	x *= 0x7feb352d;
	x ^= x >> 15;
	x *= 0x846ca68b;
	return x ^ x >> 16;
}

static __always_inline bool is_tcp(struct __sk_buff *skb)
{
	__u8 proto = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		bpf_skb_load_bytes_relative(skb, 9, &proto, 1, FROM_NETWORK);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		bpf_skb_load_bytes_relative(skb, 6, &proto, 1, FROM_NETWORK);
	return proto == PROTO_TCP;
}

static __always_inline int pass(struct __sk_buff *skb, __u64 again)
{
	__u32 chance;

	if (skb->mark == AGAIN) {
		skb->mark = 0;
		return NEXT;
	}
	if (!is_tcp(skb))
		return NEXT;
	chance = scramble(seed ^ scramble((__u32)__sync_fetch_and_add(&packets, 1))) % 10000;
	if (chance < drop_rate) {
		__sync_fetch_and_add(&dropped, 1);
		return bpf_redirect(NOWHERE, 0);
	}
	chance -= drop_rate;
	if (chance < duplicate_rate) {
		__sync_fetch_and_add(&duplicated, 1);
		skb->mark = AGAIN;
		bpf_clone_redirect(skb, skb->ifindex, again);
		skb->mark = 0;
		return NEXT;
	}
	chance -= duplicate_rate;
	if (chance < reorder_rate && again) {
		__sync_fetch_and_add(&reordered, 1);
		skb->mark = AGAIN;
		return bpf_redirect(skb->ifindex, again);
	}
	return NEXT;
}

SEC("tc")
int lossy_in(struct __sk_buff *skb)
{
	return pass(skb, BPF_F_INGRESS);
}

SEC("tc")
int lossy_out(struct __sk_buff *skb)
{
	return pass(skb, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
