// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The TUN's two directions. Egress, from an application: measure, guard, parse, classify,
 * follow the flow, and either steer the packet to a queue (its mark tells tun_steer which),
 * refuse it in place, or drop it for a counted reason. Ingress, from a role or from a
 * refusal: count.
 *
 * Each step that branches much is a global function of its own: the verifier looks at it
 * once, with nothing known but the context, and adds instead of multiplying. They meet in
 * the scratch memory, which each looks up for itself: 6.1 takes no pointer to a map's value
 * that came in as an argument for a key.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/classify.h"
#include "bpf/count.h"
#include "bpf/flow.h"
#include "bpf/maps.h"
#include "bpf/own.h"
#include "bpf/reply.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* An argument that is not used is not passed either, and the verifier misses its context. */
#define KEEP_ARGUMENT(arg) asm volatile("" : : "r"(arg))

/* Copies the packet's head and parses it into the scratch memory. 0 or -drop_reason. */
__noinline int tun_parse(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	__u32 total = skb->len - l2_bytes, len = total;
	int err;

	if (!x || skb->len <= l2_bytes)
		return -DROP_MALFORMED;
	if (len > PARSE_HEAD_MAX)
		len = PARSE_HEAD_MAX;
	PARSE_HIDE(len);
	if (len > PARSE_HEAD_MAX)
		return -DROP_MALFORMED;
	PARSE_HIDE(len);
	if (len < IP4_HEADER_BYTES)
		return -DROP_MALFORMED;
	if (bpf_skb_load_bytes(skb, l2_bytes, x->head, len))
		return -DROP_MALFORMED;
	err = packet_parse_head(&x->packet, x->head, len, total);
	if (err)
		return err;
	if (x->packet.is_fragment)
		count_stat(STAT_FRAGMENTS, 1);
	flow_measure(skb, x);
	return 0;
}

/* Decides on the parsed packet: x->decision. */
__noinline int tun_classify(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct settings *s = settings_get();

	KEEP_ARGUMENT(skb);
	if (!x || !s)
		return -1;
	x->decision = packet_classify(&x->packet, s);
	return 0;
}

/* 0 or -drop_reason */
__noinline int tun_flow_up(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();

	return x ? flow_up(skb, x) : 0;
}

__noinline int tun_flow_down(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();

	KEEP_ARGUMENT(skb);
	if (x)
		flow_down(x);
	return 0;
}

/* Answers the packet, which is dropped if it cannot or must not be answered. */
__noinline int tun_reply(struct __sk_buff *skb)
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

__noinline int tun_tell_refused(struct __sk_buff *skb, __u32 end)
{
	struct scratch *x = scratch_get();

	if (x)
		flow_refuse(skb, x, end);
	return 0;
}

static __always_inline int refuse(struct __sk_buff *skb, __u32 reason, enum flow_end end)
{
	count_drop(reason);
	tun_tell_refused(skb, end);
	return tun_reply(skb);
}

SEC("tc")
int tun_egress(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct settings *s = settings_get();
	__u32 verdict;
	int err;

	if (!x || !s)
		return TC_ACT_SHOT;
	if (packet_is_ours(skb, s))
		return drop(DROP_LOOP);
	err = tun_parse(skb);
	count_packets(STAT_UP_PACKETS, err ? 1 : x->segments, skb->len - l2_bytes);
	if (err)
		return drop(-err);
	if (tun_classify(skb))
		return TC_ACT_SHOT;
	verdict = x->decision.verdict;
	if (verdict == VERDICT_DROP)
		return drop(x->decision.reason);
	if (verdict == VERDICT_REJECT)
		return refuse(skb, x->decision.reason, END_REJECTED);
	err = tun_flow_up(skb);
	if (err)
		return refuse(skb, -err, refusal_end(-err));
	if (verdict == VERDICT_DNS)
		count_stat(STAT_DNS, x->segments);
	skb->mark = QUEUE_MARK | x->decision.queue;
	return TC_ACT_OK;
}

SEC("tc")
int tun_ingress(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	int err;

	if (!x)
		return TC_ACT_OK;
	if (skb->mark == REPLY_MARK) {
		skb->mark = 0;
		count_packets(STAT_DOWN_PACKETS, 1, skb->len - l2_bytes);
		return TC_ACT_OK;
	}
	err = tun_parse(skb);
	count_packets(STAT_DOWN_PACKETS, err ? 1 : x->segments, skb->len - l2_bytes);
	if (err)
		count_stat(STAT_UNTRACKED, 1);
	else
		tun_flow_down(skb);
	return TC_ACT_OK;
}
