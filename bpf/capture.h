/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between a capture point and the TUN. A capture program on a device writes what it knows of
 * a packet into its cb and redirects it to the TUN, whose programs do the rest; an answer
 * goes back to the capture point, as if it had come in there.
 *
 *   point              an answer
 *   -----------------  -----------------------------------------------------------------
 *   egress, loopback   arrives on the device: its own address, redirected to its ingress
 *   lan                leaves by the device: to the client's address, or the neighbour's
 *   tun                goes up from the TUN
 *
 * The secret in cb tells a captured packet from one that was routed to the TUN: nobody but the
 * kernel writes cb, but what a packet's former owners have left in it is not zeroed.
 */
#ifndef BPF_CAPTURE_H
#define BPF_CAPTURE_H

#include "bpf/count.h"
#include "bpf/maps.h"

#define ETH_BYTES 14
#define ETH_ADDR_BYTES 6
#define ETH_TYPE_IP 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_IP6 0x86dd

#define CAPTURE_RULE_MASK 0xffffU
#define CAPTURE_VERDICT_SHIFT 16
#define CAPTURE_VERDICT_MASK 0xffU
#define CAPTURE_POINT_SHIFT 24
#define CAPTURE_COUNTED 0xffffffffU /* instead of these three: the packet has its queue's mark */

/* Bytes in front of the IP header where there are none: 14, as bpf_prog_test_run gives them. */
const volatile __u32 l2_bytes __weak = 0;

/* An Ethernet header as it is stored. */
struct eth_header {
	__u8 to[ETH_ADDR_BYTES];
	__u8 from[ETH_ADDR_BYTES];
	__be16 type;
};

/* Was it a capture program that sent the packet to the TUN, or its answer to where it is now? */
static __always_inline int capture_is_ours(const struct __sk_buff *skb, const struct settings *s)
{
	return s->host && skb->cb[0] == s->capture_secret[0] && skb->cb[1] == s->capture_secret[1];
}

/* Has the capture program left nothing to do? */
static __always_inline int capture_is_counted(const struct __sk_buff *skb, const struct settings *s)
{
	return skb->cb[2] == CAPTURE_COUNTED && capture_is_ours(skb, s);
}

/* Has it found that the packet is no DNS that is to be answered? */
static __always_inline int capture_is_no_dns(const struct __sk_buff *skb, const struct settings *s)
{
	return (skb->cb[2] >> CAPTURE_VERDICT_SHIFT & CAPTURE_VERDICT_MASK) != VERDICT_DNS &&
	       capture_is_ours(skb, s);
}

/*
 * Reads into x->from what a capture program has sent along; of a packet without it, that it
 * was routed to the TUN. Returns whether it was captured.
 */
static __always_inline int capture_taken(struct __sk_buff *skb, struct scratch *x,
					 const struct settings *s)
{
	__u32 what = skb->cb[2], ifindex = skb->cb[3], here = skb->ifindex;
	struct capture_note *from = &x->from;

	PARSE_HIDE(ifindex); /* else one load is made of two, by an address into the context */
	PARSE_HIDE(here);
	from->there = 0;
	if (!capture_is_ours(skb, s)) {
		__builtin_memset(from, 0, sizeof(*from));
		from->point = CAPTURE_TUN;
		from->ifindex = here;
		return 0;
	}
	from->rule = what & CAPTURE_RULE_MASK;
	from->verdict = what >> CAPTURE_VERDICT_SHIFT;
	from->point = what >> CAPTURE_POINT_SHIFT;
	from->ifindex = ifindex;
	from->epoch = skb->cb[4];
	return 1;
}

/* Sends the packet to the TUN, with what its programs have to know. Returns the action. */
static __always_inline int capture_redirect(struct __sk_buff *skb, const struct settings *s,
					    __u32 what)
{
	skb->cb[0] = s->capture_secret[0];
	skb->cb[1] = s->capture_secret[1];
	skb->cb[2] = what;
	count_stat(STAT_CAPTURED, 1);
	return bpf_redirect(s->tun_ifindex, 0);
}

/* The same of a packet of which x->from says all. */
static __always_inline int capture_send(struct __sk_buff *skb, struct scratch *x,
					const struct settings *s)
{
	const struct capture_note *from = &x->from;

	skb->cb[3] = from->ifindex;
	skb->cb[4] = from->epoch;
	return capture_redirect(skb, s,
				(from->rule & CAPTURE_RULE_MASK) |
					(__u32)from->verdict << CAPTURE_VERDICT_SHIFT |
					(__u32)from->point << CAPTURE_POINT_SHIFT);
}

static __always_inline int mac_known(const __u8 *mac)
{
	return mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5];
}

/* Puts an Ethernet header in front of an IP packet. */
static __always_inline int eth_push(struct __sk_buff *skb, const __u8 *to, const __u8 *from)
{
	struct eth_header eth = { .type = skb->protocol };

	__builtin_memcpy(eth.to, to, ETH_ADDR_BYTES);
	__builtin_memcpy(eth.from, from, ETH_ADDR_BYTES);
	if (bpf_skb_change_head(skb, ETH_BYTES, 0))
		return -1;
	return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) ? -1 : 0;
}

/*
 * To a LAN client: the frame goes to the address that its own came from, where the device is a
 * bridge's port (which has no neighbours of its own); else the neighbour table says.
 */
static __always_inline int capture_answer_lan(struct __sk_buff *skb, const struct capture_note *to,
					      const struct capture_device *device)
{
	int bridged = device->flags & CAPTURE_BRIDGED && mac_known(to->mac);

	if (!device->l2)
		return bpf_redirect(to->ifindex, 0);
	if (eth_push(skb, to->mac, device->mac))
		return drop(DROP_NO_MEMORY);
	return bridged ? bpf_redirect(to->ifindex, 0) : bpf_redirect_neigh(to->ifindex, NULL, 0, 0);
}

/*
 * An answer without a link header, on the TUN, goes to where `to` says that its flow was
 * captured. Returns the action; -1: there is no such device any more.
 */
static __always_inline int capture_answer(struct __sk_buff *skb, const struct capture_note *to)
{
	__u32 ifindex = to->ifindex;
	struct capture_device *device = bpf_map_lookup_elem(&capture_devices, &ifindex);

	if (!device)
		return -1;
	skb->mark = 0;
	if (to->point == CAPTURE_LAN)
		return capture_answer_lan(skb, to, device);
	if (device->l2 && eth_push(skb, device->mac, device->mac))
		return drop(DROP_NO_MEMORY);
	return bpf_redirect(ifindex, BPF_F_INGRESS);
}

#define REPLY_MARK 0x6874ffffU /* skb->mark of an answer on its way back through tun_ingress */

/* Turns a frame round, at a capture point, where the packet in it has become its answer. */
static __always_inline int eth_turn(struct __sk_buff *skb)
{
	struct eth_header eth;
	__u8 to[ETH_ADDR_BYTES];

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return -1;
	__builtin_memcpy(to, eth.to, sizeof(to));
	__builtin_memcpy(eth.to, eth.from, sizeof(to));
	__builtin_memcpy(eth.from, to, sizeof(to));
	return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) ? -1 : 0;
}

/*
 * The packet has become its own answer, in a program that met it on its way to the outside:
 * back to where it came from. x->from and x->l2 are the packet's. Returns the action.
 */
static __always_inline int answer_send(struct __sk_buff *skb, struct scratch *x)
{
	const struct capture_note *from = &x->from;
	int action;

	if (from->point == CAPTURE_TUN) {
		skb->mark = REPLY_MARK;
		return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	}
	skb->mark = 0;
	if (from->there) {
		if (x->l2 == ETH_BYTES && eth_turn(skb))
			return drop(DROP_NO_MEMORY);
		return bpf_redirect(skb->ifindex, from->point == CAPTURE_LAN ? 0 : BPF_F_INGRESS);
	}
	count_packets(STAT_DOWN_PACKETS, 1, skb->len - x->l2);
	action = capture_answer(skb, from);
	return action < 0 ? TC_ACT_SHOT : action;
}

#endif
