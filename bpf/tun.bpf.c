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

#include "bpf/capture.h"
#include "bpf/classify.h"
#include "bpf/count.h"
#include "bpf/fib.h"
#include "bpf/flow.h"
#include "bpf/local.h"
#include "bpf/maps.h"
#include "bpf/own.h"
#include "bpf/routed.h"
#include "bpf/steps.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Decides on the parsed packet: x->decision. */
__noinline int tun_classify(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct settings *s = settings_get();

	KEEP_ARGUMENT(skb);
	if (!x || !s)
		return -1;
	x->decision = packet_classify(&x->packet, s, x->from.point);
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
	if (capture_is_counted(skb, s))
		return TC_ACT_OK;
	capture_taken(skb, x, s);
	err = packet_load(skb, l2_bytes);
	count_packets(STAT_UP_PACKETS, err ? 1 : x->segments, skb->len - l2_bytes);
	if (err)
		return drop(-err);
	if (tun_classify(skb))
		return TC_ACT_SHOT;
	verdict = x->decision.verdict;
	if (verdict == VERDICT_DROP)
		return drop(x->decision.reason);
	if (verdict == VERDICT_REJECT)
		return packet_refuse(skb, x->decision.reason, END_REJECTED);
	err = routed_rules(skb, x, s);
	if (err != ROUTED_ON)
		return err;
	err = tun_flow_up(skb);
	if (err)
		return packet_refuse(skb, -err, refusal_end(-err));
	if (verdict == VERDICT_DNS)
		count_stat(STAT_DNS, x->segments);
	skb->mark = QUEUE_MARK | x->decision.queue;
	return TC_ACT_OK;
}

/*
 * An answer whose flow is not known any more: to whoever has its address, on the side where
 * the kernel would look for him. A client is found by the route to his address; the host
 * itself is answered where the route to the answer's source begins. Returns the action.
 */
__noinline int tun_answer_by_route(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct capture_device *device;
	struct packet *p;
	__u32 ifindex;

	if (!x)
		return -1;
	p = &x->packet;
	if (bpf_map_lookup_elem(&host_addrs, &p->daddr) || addr_is_of_local_prefix(p, &p->daddr))
		ifindex = fib_find(skb, p, &p->saddr, &p->daddr);
	else
		ifindex = fib_find(skb, p, &p->daddr, &p->saddr);
	device = bpf_map_lookup_elem(&capture_devices, &ifindex);
	if (!device)
		return -1;
	x->from.ifindex = ifindex;
	x->from.point = device->capture;
	return capture_answer(skb, &x->from);
}

/* Where an answer goes that was not routed to the TUN: the action, or -1: up from the TUN. */
__noinline int tun_answer(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct settings *s = settings_get();

	if (!x || !s || !s->host || x->from.point == CAPTURE_TUN)
		return -1;
	if (x->from.point == CAPTURE_NONE)
		return tun_answer_by_route(skb);
	return capture_answer(skb, &x->from);
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
	err = packet_load(skb, l2_bytes);
	count_packets(STAT_DOWN_PACKETS, err ? 1 : x->segments, skb->len - l2_bytes);
	if (err) {
		count_stat(STAT_UNTRACKED, 1);
		return TC_ACT_OK;
	}
	tun_flow_down(skb);
	err = tun_answer(skb);
	return err < 0 ? TC_ACT_OK : err;
}
