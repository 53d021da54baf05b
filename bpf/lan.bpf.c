// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Clients behind LAN, bridge and veth devices, and loopback. What a client sends is decided
 * where it comes in; what goes to it is counted, and noted where it opens a UDP flow from
 * outside. On loopback both directions pass the same hook: an answer is told by its flow's
 * reversed key.
 *
 * Order of the tests on a LAN device: marks that pass, frames that are none of ours, essential
 * traffic, the host's own addresses, known flows, TCP and UDP that began before or outside,
 * DNS, the rules.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/capture.h"
#include "bpf/count.h"
#include "bpf/csum.h"
#include "bpf/decide.h"
#include "bpf/direct.h"
#include "bpf/maps.h"
#include "bpf/own.h"
#include "bpf/pass.h"
#include "bpf/quick.h"
#include "bpf/steps.h"

#define ETH_HOST 0U /* skb->pkt_type: PACKET_HOST */
#define VLAN_TAGS_MAX 4

static __always_inline struct capture_device *device_here(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;

	return bpf_map_lookup_elem(&capture_devices, &ifindex);
}

static __always_inline int mac_same(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]));
}

static __always_inline int skb_is_ip(const struct __sk_buff *skb)
{
	return skb->protocol == CSUM_BE16(ETH_TYPE_IP) || skb->protocol == CSUM_BE16(ETH_TYPE_IP6);
}

/*
 * Reads the frame's header: its sender, and whether the frame is for the host at all. A frame
 * for somebody else, between a bridge's ports or seen in promiscuous mode, is `bridged`.
 */
static __always_inline int frame_read(struct __sk_buff *skb, struct scratch *x,
				      const struct capture_device *d)
{
	struct eth_header eth;

	if (!d->l2)
		return 0;
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return -1;
	__builtin_memcpy(x->from.mac, eth.from, sizeof(eth.from));
	/* a bridge takes frames to its ports' addresses for its own as well */
	x->from.bridged = mac_known(d->mac) && !mac_same(eth.to, d->mac) && !(eth.to[0] & 1) &&
			  skb->pkt_type != ETH_HOST;
	return 0;
}

static __always_inline void from_here(struct __sk_buff *skb, struct scratch *x,
				      enum capture_point point)
{
	__builtin_memset(&x->from, 0, sizeof(x->from));
	x->from.ifindex = skb->ifindex;
	x->from.point = point;
	x->from.there = 1;
}

/* Where DNS alone is captured, is it something else? What was captured before stays so. */
static __always_inline int is_other_than_dns(struct scratch *x, const struct settings *s,
					     const struct capture_device *d)
{
	if (!(d->flags & CAPTURE_DNS_ONLY) || x->packet.fragment_offset ||
	    packet_asks_dns(&x->packet, s))
		return 0;
	packet_key_up(&x->packet, &x->key);
	return !bpf_map_lookup_elem(&flows, &x->key);
}

/* Sources that the kernel routes no further; 169.254/16 and 240/4 are none of them. */
static __always_inline int lan_stays(const struct packet *p)
{
	const __u8 *b = p->saddr.b;

	if (p->version == 6)
		return addr_ends_at_link(p, &p->saddr);
	return (b[12] >= 224 && b[12] < 240) || (b[12] & b[13] & b[14] & b[15]) == 0xff;
}

/* Between clients a link has its ways; what goes through the host to others is none of them. */
static __always_inline int lan_is_essential(const struct scratch *x)
{
	const struct packet *p = &x->packet;

	if (addr_ends_at_link(p, &p->daddr) || lan_stays(p))
		return 1;
	return x->from.bridged &&
	       (packet_is_essential(p) ||
		(packet_is_icmp(p) && !p->fragment_offset && !packet_is_echo_request(p)));
}

#define LAN_ERROR (-2) /* lan_passes(): an ICMP error that is a worker's business */

/*
 * ICMP that asks nothing. It passes where it belongs to a flow that does: an error about a
 * packet of it, the answer to a ping from outside. enum kernel_stat; LAN_ERROR, or -1.
 */
static __always_inline int lan_icmp(struct scratch *x)
{
	if (error_is_ours(x))
		return LAN_ERROR;
	if (packet_is_icmp_error(&x->packet)) {
		if (error_key(x))
			return -1;
		if (direct_find(&x->key))
			return STAT_PASS_ESSENTIAL;
	} else if (packet_is_echo_reply(&x->packet)) {
		packet_key_up(&x->packet, &x->key);
	} else {
		return -1;
	}
	return inbound_noted(&x->key) ? STAT_PASS_ESSENTIAL : -1;
}

/* As what a client's packet, which is read, passes: enum kernel_stat; LAN_ERROR, or -1. */
__noinline int lan_passes(struct __sk_buff *skb)
{
	struct capture_device *d = device_here(skb);
	struct settings *s = settings_get();
	struct scratch *x = scratch_get();
	const struct packet *p;
	int why = -1;

	if (!x || !s || !d)
		return STAT_PASS_OTHER;
	p = &x->packet;
	if (lan_is_essential(x))
		return STAT_PASS_ESSENTIAL;
	if (bpf_map_lookup_elem(&host_addrs, &x->packet.daddr))
		return STAT_PASS_LOCAL;
	if (packet_is_icmp(p) && !p->fragment_offset && !packet_is_echo_request(p))
		why = lan_icmp(x);
	return why == -1 && is_other_than_dns(x, s, d) ? STAT_PASS_OTHER : why;
}

/* --- packets of flows that pass ----------------------------------------------------------- */

/* Is there nothing more to be looked at of a packet of this flow, in x->key? */
static __always_inline int quick_fits(const struct scratch *x, const struct flow *f, int up)
{
	if (x->key.proto == PROTO_TCP)
		return !packet_opens_tcp(&x->packet);
	/* datagrams that nobody has answered yet change nothing either */
	return (f->state == FLOW_OPEN || (f->state == FLOW_OPENING && up)) &&
	       f->last_seen_ns + UDP_FRESH_NS >= bpf_ktime_get_coarse_ns();
}

/*
 * Is the packet of a flow that passes here, and decided by rules in force? Then it is counted
 * and followed. All else is looked at whole.
 */
__noinline int lan_quick(struct __sk_buff *skb, __u32 l2, __u32 up)
{
	struct scratch *x = scratch_get();
	__u32 segments = skb->gso_segs;
	struct flow *f;
	int bytes;

	PARSE_HIDE(l2);
	if (!x || skb->vlan_present || l2 > ETH_BYTES)
		return 0;
	bytes = quick_read(skb, x, l2, up);
	if (bytes < 0)
		return 0;
	f = direct_find(&x->key);
	if (!f || f->ifindex != skb->ifindex || f->capture != CAPTURE_LAN ||
	    (!f->flags && !epoch_holds(f->epoch)) || !quick_fits(x, f, up))
		return 0;
	x->packet.proto = x->key.proto;
	x->packet.fragment_offset = 0;
	x->payload = bytes;
	x->segments = segments ? segments : 1;
	direct_follow(x, f, up);
	return 1;
}

#define LAN_DECIDE (-3) /* no action yet: decide_flow() finds one */

/*
 * A client that sends as the host: what the host's flows are answered must not go to it, nor
 * may it go their way. LAN_DECIDE, or an action.
 */
static __always_inline int lan_forged(struct scratch *x)
{
	if (!bpf_map_lookup_elem(&host_addrs, &x->packet.saddr))
		return LAN_DECIDE;
	return x->from.bridged ? pass(STAT_PASS_BRIDGED) : drop(DROP_SOURCE);
}

/* Takes off the tags that the kernel will not heed. -1: more than anybody has. */
static __always_inline int lan_untag(struct __sk_buff *skb)
{
	int i;

	for (i = 0; i < VLAN_TAGS_MAX && skb->vlan_present && !skb_is_tagged(skb); i++) {
		if (bpf_skb_vlan_pop(skb))
			return -1;
	}
	return skb->vlan_present && !skb_is_tagged(skb) ? -1 : 0;
}

/* Reads a client's packet. LAN_DECIDE, or an action. */
__noinline int lan_look(struct __sk_buff *skb, __u32 l2)
{
	struct capture_device *d = device_here(skb);
	struct scratch *x = scratch_get();
	int why;

	if (!x || !d)
		return TC_ACT_UNSPEC;
	if (skb->protocol == CSUM_BE16(ETH_TYPE_ARP))
		return pass(STAT_PASS_ESSENTIAL);
	from_here(skb, x, CAPTURE_LAN);
	if (frame_read(skb, x, d))
		return drop(DROP_MALFORMED);
	if (x->from.bridged && !(d->flags & CAPTURE_BRIDGED))
		return pass(STAT_PASS_BRIDGED);
	if (!x->from.bridged && d->flags & CAPTURE_PORT)
		return TC_ACT_UNSPEC; /* the bridge meets it next */
	if (lan_untag(skb))
		return drop(DROP_MALFORMED);
	if (skb_is_tagged(skb) || !skb_is_ip(skb))
		return pass(STAT_PASS_PROTOCOL);
	why = packet_load(skb, l2);
	if (why)
		return drop(-why);
	why = lan_passes(skb);
	if (why == LAN_ERROR)
		return decide_send(skb);
	return why < 0 ? lan_forged(x) : decide_passed(x, why);
}

static __always_inline int lan_in(struct __sk_buff *skb, __u32 l2)
{
	struct settings *s = settings_get();
	int action;

	if (!s || (s->pass_mark[0].mask && pass_marked(skb)) || lan_quick(skb, l2, 1))
		return TC_ACT_UNSPEC;
	action = lan_look(skb, l2);
	return action == LAN_DECIDE ? decide_flow(skb) : action;
}

SEC("?tc")
int lan_ingress(struct __sk_buff *skb)
{
	return lan_in(skb, ETH_BYTES);
}

SEC("?tc")
int lan_ingress3(struct __sk_buff *skb)
{
	return lan_in(skb, l2_bytes);
}

/* Does a packet to a client open a flow from outside, which it answers? */
static __always_inline int lan_is_called(const struct packet *p)
{
	if (p->proto == PROTO_TCP)
		return packet_opens_tcp(p);
	return p->proto == PROTO_UDP || packet_is_icmp(p);
}

/* A packet to a client, which is read: of a flow that passes, or one opened from outside. */
__noinline int lan_follow_down(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct packet *p;
	struct flow *f;

	KEEP_ARGUMENT(skb);
	if (!x)
		return 0;
	p = &x->packet;
	if (p->fragment_offset ||
	    (packet_is_icmp(p) && !packet_is_echo_reply(p) && !packet_is_echo_request(p)))
		return 0;
	packet_key_down(p, &x->key);
	f = direct_find(&x->key);
	if (f)
		direct_follow(x, f, 0);
	else if (lan_is_called(p) && !packet_is_essential(p))
		inbound_seen(skb, &x->key, 0);
	return 0;
}

/* Has the bridge, which is captured itself, sent the frame that leaves by this port of it? */
static __always_inline int frame_was_met(struct __sk_buff *skb, const struct capture_device *d)
{
	struct eth_header eth;

	return d->flags & CAPTURE_PORT && !bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) &&
	       mac_same(eth.from, d->mac);
}

/*
 * To a client. What the host itself sends opens nothing that would be captured; what was
 * written to the TUN, or answered where it came in, has been counted.
 */
static __always_inline int lan_out(struct __sk_buff *skb, __u32 l2)
{
	struct settings *s = settings_get();
	struct capture_device *d;

	if (!s || !skb->ingress_ifindex || skb->ingress_ifindex == s->tun_ifindex ||
	    capture_is_ours(skb, s) || skb->vlan_present || !skb_is_ip(skb))
		return TC_ACT_UNSPEC;
	if (lan_quick(skb, l2, 0))
		return TC_ACT_UNSPEC;
	d = device_here(skb);
	if (d && !frame_was_met(skb, d) && !packet_load(skb, l2))
		lan_follow_down(skb);
	return TC_ACT_UNSPEC;
}

SEC("?tc")
int lan_egress(struct __sk_buff *skb)
{
	return lan_out(skb, ETH_BYTES);
}

SEC("?tc")
int lan_egress3(struct __sk_buff *skb)
{
	return lan_out(skb, l2_bytes);
}

static __always_inline int addr_is_loopback(const struct packet *p, const struct addr *a)
{
	return p->version == 4 ? a->b[12] == 127 : addr6_unusable(a) && a->b[15] == 1;
}

/*
 * A packet of ours to a local server: what the server answers opens nothing, and is no flow of
 * its own.
 */
static __always_inline void lo_note_own(struct scratch *x)
{
	struct inbound_note note = { .last_ns = bpf_ktime_get_coarse_ns() };

	if (!packet_is_transport(&x->packet) || x->packet.fragment_offset)
		return;
	packet_key_down(&x->packet, &x->key);
	bpf_map_update_elem(&inbound_notes, &x->key, &note, BPF_ANY);
}

/* Is it an answer: to us, or of a flow that passes? */
static __always_inline int lo_is_answer(struct scratch *x)
{
	struct flow *f;

	if (!packet_is_transport(&x->packet) || x->packet.fragment_offset)
		return 0;
	packet_key_up(&x->packet, &x->key);
	if (inbound_noted(&x->key))
		return 1;
	packet_key_down(&x->packet, &x->key);
	f = direct_find(&x->key);
	if (!f || (x->packet.proto == PROTO_TCP && packet_opens_tcp(&x->packet)))
		return 0;
	direct_follow(x, f, 0);
	return 1;
}

/* The same as lan_passes(), of loopback; -2: an answer, which is counted already. */
__noinline int lo_passes(struct __sk_buff *skb)
{
	struct capture_device *d = device_here(skb);
	struct settings *s = settings_get();
	struct scratch *x = scratch_get();
	const struct packet *p;

	if (!x || !s || !d)
		return STAT_PASS_OTHER;
	p = &x->packet;
	if (packet_is_ours(skb, s)) {
		lo_note_own(x);
		return STAT_PASS_OWN;
	}
	if (packet_is_icmp(p) && !p->fragment_offset && !packet_is_echo_request(p))
		return STAT_PASS_ESSENTIAL;
	if (!addr_is_loopback(p, &p->daddr))
		return STAT_PASS_LOCAL;
	if (is_other_than_dns(x, s, d))
		return STAT_PASS_OTHER;
	return lo_is_answer(x) ? -2 : -1;
}

__noinline int lo_look(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	int why;

	if (!x)
		return TC_ACT_UNSPEC;
	if (!skb_is_ip(skb))
		return pass(STAT_PASS_PROTOCOL);
	from_here(skb, x, CAPTURE_LOOPBACK);
	why = packet_load(skb, ETH_BYTES);
	if (why)
		return drop(-why);
	why = lo_passes(skb);
	if (why == -2)
		return TC_ACT_UNSPEC;
	return why < 0 ? LAN_DECIDE : decide_passed(x, why);
}

SEC("?tc")
int lo_egress(struct __sk_buff *skb)
{
	struct settings *s = settings_get();
	int action;

	if (!s || (s->pass_mark[0].mask && pass_marked(skb)))
		return TC_ACT_UNSPEC;
	action = lo_look(skb);
	return action == LAN_DECIDE ? decide_flow(skb) : action;
}

char _license[] SEC("license") = "Dual BSD/GPL";
