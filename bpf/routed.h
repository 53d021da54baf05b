/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What rules say of packets that routes lead to the TUN (route capture, and `run`): no capture
 * point has asked them before. Once per flow, and again when what was decided holds no more.
 *
 * "Direct" is what bpf/route.bpf.c has told sockets as they were connected. What comes here
 * none the less (a datagram of a socket that is not connected, a ping) is carried by a worker:
 * it leaves by the host's own way, too. In the namespace of `run` all that is direct does.
 */
#ifndef BPF_ROUTED_H
#define BPF_ROUTED_H

#include "bpf/decide.h"

/* Do the rules have to be asked? Fills x->key and x->earlier (the verdict on a known flow). */
__noinline int routed_asks(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	const struct packet *p;
	struct flow *f;

	KEEP_ARGUMENT(skb);
	if (!x)
		return 0;
	p = &x->packet;
	if (p->fragment_offset || (packet_is_icmp(p) && !packet_is_echo_request(p)))
		return 0;
	packet_key_up(p, &x->key);
	x->earlier = VERDICT_NONE;
	f = bpf_map_lookup_elem(&flows, &x->key);
	if (!f || (p->proto == PROTO_TCP && packet_opens_tcp(p) && f->state >= FLOW_CLOSING))
		return p->proto != PROTO_TCP || packet_opens_tcp(p);
	x->earlier = f->verdict;
	x->from.rule = f->rule;
	x->from.epoch = f->epoch;
	return !epoch_holds(f->epoch);
}

/* A flow that is known goes on under the rules of now. */
__noinline int routed_again(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct flow *f;

	KEEP_ARGUMENT(skb);
	if (!x)
		return 0;
	f = bpf_map_lookup_elem(&flows, &x->key);
	if (f) {
		f->rule = x->from.rule;
		f->epoch = x->from.epoch;
	}
	return 0;
}

#define ROUTED_ON (-1)

/* ROUTED_ON, or the action on a packet that goes no further. In the program itself: depth. */
static __always_inline int routed_rules(struct __sk_buff *skb, struct scratch *x,
					const struct settings *s)
{
	__u32 verdict;

	if (x->from.point != CAPTURE_TUN || x->decision.verdict != VERDICT_FORWARD ||
	    !(s->route || rules_any()) || !routed_asks(skb))
		return ROUTED_ON;
	if (decide_rules(skb, x))
		return TC_ACT_SHOT;
	verdict = x->from.verdict;
	if (verdict == VERDICT_FORWARD || verdict == VERDICT_DIRECT) {
		routed_again(skb);
		return ROUTED_ON;
	}
	if (verdict != VERDICT_NONE && x->earlier != VERDICT_NONE) {
		decide_end(skb);
		if (x->packet.proto == PROTO_TCP)
			return packet_refuse(skb, DROP_RESET, END_RULES);
	}
	if (verdict == VERDICT_REJECT)
		return packet_refuse(skb, DROP_RULE_REJECT, END_REJECTED);
	return drop(rule_reason(verdict));
}

#endif
