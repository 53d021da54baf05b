/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Steps that the programs on the TUN and at the capture points share: reading a packet and
 * refusing it. As those of bpf/tun.bpf.c they are global functions, and weak, as more than
 * one entry file has them.
 */
#ifndef BPF_STEPS_H
#define BPF_STEPS_H

#include "bpf/count.h"
#include "bpf/flow.h"
#include "bpf/maps.h"
#include "bpf/reply.h"

/* An argument that is not used is not passed either, and the verifier misses its context. */
#define KEEP_ARGUMENT(arg) asm volatile("" : : "r"(arg))

#define IP_LENGTH_MAX 65535

/*
 * A GSO packet that is longer than its IP header can say ("BIG TCP", as on lo) says 0 there:
 * in the copy that is parsed, it says the most.
 */
static __always_inline void packet_tame_length(struct __sk_buff *skb, struct scratch *x,
					       __u32 total)
{
	__u8 *length = x->head + ((x->head[0] >> 4) == 6 ? 4 : 2);

	if (!skb->gso_size || total <= IP_LENGTH_MAX || length[0] | length[1])
		return;
	length[0] = 0xff;
	length[1] = (x->head[0] >> 4) == 6 ? 0xff - IP6_HEADER_BYTES : 0xff;
}

/*
 * Copies the packet's head, `l2` bytes into the frame, and parses it into the scratch memory.
 * 0 or -drop_reason.
 */
__weak __noinline int packet_load(struct __sk_buff *skb, __u32 l2)
{
	struct scratch *x = scratch_get();
	__u32 total = skb->len - l2, len = total;
	int err;

	if (!x || skb->len <= l2)
		return -DROP_MALFORMED;
	x->l2 = l2;
	x->light = 0;
	PARSE_MERGE(); /* few values to be kept: 6.1 forgets the bounds of one that was put aside */
	if (len > PARSE_HEAD_MAX)
		len = PARSE_HEAD_MAX;
	PARSE_HIDE(len);
	if (len > PARSE_HEAD_MAX)
		return -DROP_MALFORMED;
	PARSE_HIDE(len);
	if (len < IP4_HEADER_BYTES)
		return -DROP_MALFORMED;
	if (bpf_skb_load_bytes(skb, x->l2, x->head, len))
		return -DROP_MALFORMED;
	packet_tame_length(skb, x, total);
	err = packet_parse_head(&x->packet, x->head, len, total);
	if (err)
		return err;
	if (total > IP_LENGTH_MAX)
		x->packet.total_len = total;
	if (x->packet.is_fragment)
		count_stat(STAT_FRAGMENTS, 1);
	flow_measure(skb, x);
	return 0;
}

/* Answers the packet, which is dropped if it cannot or must not be answered. */
__weak __noinline int packet_reply(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	int action;

	if (!x || x->packet.fragment_offset)
		return TC_ACT_SHOT;
	if (x->packet.proto == PROTO_TCP)
		action = reply_tcp(skb, x);
	else if (x->packet.version == 4)
		action = reply_icmp4(skb, x, reply_choose(&x->packet));
	else
		action = reply_icmp6(skb, x, reply_choose(&x->packet));
	return action < 0 ? drop(-action) : action;
}

__weak __noinline int packet_tell_refused(struct __sk_buff *skb, __u32 end)
{
	struct scratch *x = scratch_get();

	if (x)
		flow_refuse(skb, x, end);
	return 0;
}

/* Refuses the packet that packet_load() has read, of which x->from says where. */
static __always_inline int packet_refuse(struct __sk_buff *skb, __u32 reason, enum flow_end end)
{
	count_drop(reason);
	packet_tell_refused(skb, end);
	return packet_reply(skb);
}

#endif
