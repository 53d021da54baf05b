// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The host's own traffic at an uplink: egress decides what is captured, ingress notes what
 * comes from outside. One entry point each for devices with an Ethernet header and without.
 *
 * Most packets are of flows that pass, and a note with their socket says so: of TCP nothing
 * of the packet itself is looked at, of UDP where it goes. What follows in a captured flow is
 * sent to the TUN by what its flow's entry says. For all others, in this order:
 *
 *   marks of an operator's choice, our own sockets (mark AND cgroup), forwarded packets
 *   ARP, ND, DHCP, multicast, broadcast, link-local; ICMP that asks nothing; tunnels
 *   what no process sends: RST, the ACKs of TIME_WAIT; outer packets of tunnels over UDP
 *   flows that are known, else the rules (bpf/decide.h)
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/capture.h"
#include "bpf/decide.h"
#include "bpf/own.h"
#include "bpf/pass.h"
#include "bpf/quick.h"
#include "bpf/sender.h"

#define ETH_TYPE_VLAN 0x8100
#define ETH_TYPE_QINQ 0x88a8
#define TCP_STATE_SYN_SENT 2
#define FOLD_NS 1000000000ULL
/*
 * How often it is asked whether a second has passed, in ticks, of which reading costs
 * nothing: a second at HZ=100, a tenth of one at HZ=1000.
 */
#define FOLD_TICKS 100

/* --- packets whose socket says it all ----------------------------------------------------- */

/* Is the packet's flow the note's? The IP header has no options and is no fragment's. */
static __always_inline int quick_same4(const __u8 *ip, const struct flow_key *key, __u8 proto)
{
	const __u32 *saddr = (const __u32 *)key->saddr.b, *daddr = (const __u32 *)key->daddr.b;
	const __u32 *words = (const __u32 *)ip;

	return ip[0] == 0x45 && ip[9] == proto &&
	       !(*(const __u16 *)(ip + 6) & CSUM_BE16(IP4_FRAGMENT)) && words[3] == saddr[3] &&
	       words[4] == daddr[3] && words[5] == *(const __u32 *)&key->sport &&
	       !(daddr[0] | daddr[1]) && *(const __u16 *)(key->daddr.b + 10) == 0xffff;
}

static __always_inline int quick_same6(const __u8 *ip, const struct flow_key *key, __u8 proto)
{
	const __u32 *a = (const __u32 *)(ip + 8), *b = (const __u32 *)key->saddr.b;

	return ip[6] == proto && *(const __u32 *)(ip + 40) == *(const __u32 *)&key->sport &&
	       !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]) | (a[6] ^ b[6]) | (a[7] ^ b[7]));
}

/* Bytes of its headers if the packet is of the flow that was noted, else -1. */
static __always_inline int quick_same(struct __sk_buff *skb, const struct sock_note *note, __u32 l2,
				      __u8 proto)
{
	const __u8 *ip = (const __u8 *)(long)skb->data + l2;
	const void *end = (const void *)(long)skb->data_end;

	if (note->key.proto != proto || skb->vlan_present)
		return -1;
	if (skb->protocol == CSUM_BE16(ETH_TYPE_IP)) {
		if ((const void *)(ip + IP4_HEADER_BYTES + UDP_HEADER_BYTES) > end ||
		    !quick_same4(ip, &note->key, proto))
			return -1;
		return l2 + IP4_HEADER_BYTES + UDP_HEADER_BYTES;
	}
	if (skb->protocol != CSUM_BE16(ETH_TYPE_IP6) ||
	    (const void *)(ip + IP6_HEADER_BYTES + UDP_HEADER_BYTES) > end ||
	    !quick_same6(ip, &note->key, proto))
		return -1;
	return l2 + IP6_HEADER_BYTES + UDP_HEADER_BYTES;
}

/* Brings the flow's entry up to date. -1: the table had to forget it. */
__noinline int host_fold(struct __sk_buff *skb)
{
	struct sock_note *note = packet_note(skb, 0);
	__u64 now = bpf_ktime_get_coarse_ns();
	struct bpf_tcp_sock *tp;
	struct bpf_sock *sk;
	struct flow *f;

	if (!note)
		return -1;
	f = direct_fold(note);
	if (!f)
		return -1;
	sk = skb->sk;
	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	tp = sk && sk->protocol == PROTO_TCP ? bpf_tcp_sock(sk) : NULL;
	if (!tp)
		return 0;
	flow_set_state(f, FLOW_OPEN);
	f->bytes_up = tp->bytes_acked + (tp->snd_nxt - tp->snd_una);
	f->bytes_down = tp->bytes_received;
	f->packets_up = tp->segs_out;
	f->packets_down = tp->segs_in;
	f->last_seen_ns = now;
	return 0;
}

/* Is it time to? What is sent after that, sock_release counts (bpf/owner.bpf.c). */
static __always_inline int quick_fold(struct __sk_buff *skb, struct sock_note *note)
{
	__u32 ticks = bpf_jiffies64();

	if (ticks - note->ticks < FOLD_TICKS)
		return 0;
	note->ticks = ticks;
	if (bpf_ktime_get_coarse_ns() - note->folded_ns < FOLD_NS)
		return 0;
	return host_fold(skb);
}

/* Does the note say, under rules in force, that its socket's packets pass? */
static __always_inline int quick_direct(const struct sock_note *note)
{
	struct rule_state *state = rule_state_get();

	return state && note->verdict == VERDICT_DIRECT &&
	       (__s32)(note->epoch - state->valid_from) >= 0;
}

/* What a socket had to say before it was connected again may wait for a neighbour still. */
static __always_inline int quick_tcp_note(struct __sk_buff *skb, struct sock_note *note, __u32 l2)
{
	return quick_direct(note) && note->key.proto == PROTO_TCP &&
	       (!(note->life & SOCK_AGAIN) || quick_same(skb, note, l2, PROTO_TCP) >= 0);
}

static __always_inline int quick_tcp(struct __sk_buff *skb, struct bpf_sock *sk, __u32 l2)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct sock_note *note = sock_ring_find(cookie);

	if (sk->state == TCP_STATE_SYN_SENT)
		return 0;
	if (note)
		return quick_tcp_note(skb, note, l2) && sock_note_of(note, cookie) &&
		       !quick_fold(skb, note);
	note = sock_note_stored(sk);
	return note && quick_tcp_note(skb, note, l2) && !quick_fold(skb, note);
}

/* Does the packet pass by what is noted with its socket? */
static __always_inline int quick_pass(struct __sk_buff *skb, struct bpf_sock *sk, __u32 l2)
{
	__u32 turn, segments = skb->gso_segs;
	struct sock_note *note;
	int headers;

	if (sk->protocol == PROTO_TCP)
		return quick_tcp(skb, sk, l2);
	note = sock_note_stored(sk);
	if (!note || !quick_direct(note))
		return 0;
	turn = sock_note_turn(note);
	headers = quick_same(skb, note, l2, PROTO_UDP);
	if (headers < 0 || !sock_note_still(note, turn))
		return 0;
	note->bytes += skb->len - headers;
	note->packets += segments ? segments : 1;
	return !quick_fold(skb, note);
}

/* --- all others --------------------------------------------------------------------------- */

/* ACKs of TIME_WAIT sockets have the mark that the socket had, but no cgroup any more. */
static __always_inline int packet_is_bare_ack(const struct packet *p)
{
	__u8 flags = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST | TCP_FLAG_ACK;

	return p->proto == PROTO_TCP && (p->tcp_flags & flags) == TCP_FLAG_ACK &&
	       p->payload_offset == p->total_len;
}

/* Of a TIME_WAIT socket of ours: marked, of no cgroup, and nothing but an ACK. */
static __always_inline int host_is_own_last(struct __sk_buff *skb, const struct packet *p,
					    const struct settings *s)
{
	return s->mark && skb->mark == s->mark && s->own_cgroup && !bpf_skb_cgroup_id(skb) &&
	       packet_is_bare_ack(p);
}

/*
 * Not this host's, as its address says (macvlan)? -1 = it is. To whom says the packet: a single
 * receiver may have a group's address, as that of a cluster has.
 */
static __always_inline int host_frame(struct __sk_buff *skb, const struct capture_device *d)
{
	struct eth_header eth;
	int i, differs = 0;

	if (!d || !mac_known(d->mac) || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return -1;
	for (i = 0; i < ETH_ADDR_BYTES; i++)
		differs |= eth.from[i] ^ d->mac[i];
	return differs ? STAT_PASS_DECIDED : -1;
}

#define HOST_ERROR (-2) /* host_passes(): an ICMP error that is a worker's business */

/* What of a tunnel passes: in strict mode not what a process has written by hand. */
static __always_inline int host_tunnel(struct __sk_buff *skb, const struct scratch *x,
				       const struct settings *s)
{
	return packet_is_tunnel(&x->packet) &&
	       !(s->strict_priority && x->from.hand && !skb_is_wrapped(skb));
}

/* What the kernel sends of itself: answers and errors of ICMP, segments of no socket. Or -1. */
static __always_inline int host_kernel(struct scratch *x)
{
	const struct packet *p = &x->packet;

	if (packet_is_icmp(p) && !p->fragment_offset && !packet_is_echo_request(p))
		return error_is_ours(x) ? HOST_ERROR : STAT_PASS_KERNEL;
	if (p->proto != PROTO_TCP || packet_opens_tcp(p))
		return -1;
	packet_key_up(p, &x->key);
	return bpf_map_lookup_elem(&flows, &x->key) || flow_is_past(x) ? -1 : STAT_PASS_KERNEL;
}

/* As what the packet passes, whatever the rules say: enum kernel_stat; HOST_ERROR, or -1. */
__noinline int host_passes(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct settings *s = settings_get();
	enum host_sender sender;
	const struct packet *p;

	if (!x || !s)
		return STAT_PASS_OTHER;
	p = &x->packet;
	if (packet_is_essential(p))
		return STAT_PASS_ESSENTIAL;
	/* TCP to an address of ours does not come here: it is the broadcasts among them */
	if (p->proto != PROTO_TCP && bpf_map_lookup_elem(&host_addrs, &x->packet.daddr))
		return STAT_PASS_LOCAL;
	if (host_is_own_last(skb, p, s))
		return STAT_PASS_OWN;
	sender = host_sender(skb, x);
	x->from.own = sender == SENDER_OWN;
	x->from.hand = sender == SENDER_HAND;
	if (host_tunnel(skb, x, s) || (sender == SENDER_TUNNEL && !p->fragment_offset))
		return STAT_PASS_TUNNEL;
	return sender == SENDER_KERNEL ? host_kernel(x) : -1;
}

/* What of a packet's origin its device says, of which nothing may be known. */
static __always_inline struct capture_device *host_from(struct __sk_buff *skb, struct scratch *x)
{
	struct capture_note *from = &x->from;
	__u32 ifindex = skb->ifindex;
	struct capture_device *d = bpf_map_lookup_elem(&capture_devices, &ifindex);

	__builtin_memset(from, 0, sizeof(*from));
	from->ifindex = ifindex;
	from->point = CAPTURE_EGRESS;
	from->there = 1;
	from->dns_only = d && d->flags & CAPTURE_DNS_ONLY;
	return d;
}

/* Was the packet led back to traffic control by strict mode? Its marks are for nobody else. */
static __always_inline int host_strict(struct __sk_buff *skb)
{
	struct settings *s = settings_get();

	if (!s || !s->strict_priority || skb->mark != s->strict_mark ||
	    skb->priority != s->strict_priority)
		return 0;
	skb->mark = 0;
	skb->priority = 0;
	return 1;
}

#define HOST_DECIDE (-2) /* no action yet: decide_flow() finds one */

/* What the packet is. Of a frame its header says so: a packet socket may say anything. */
static __always_inline __be16 host_type(struct __sk_buff *skb, __u32 l2)
{
	__be16 type = skb->protocol;

	if (type == CSUM_BE16(ETH_TYPE_IP) || type == CSUM_BE16(ETH_TYPE_IP6) || l2 != ETH_BYTES)
		return type;
	bpf_skb_load_bytes(skb, offsetof(struct eth_header, type), &type, sizeof(type));
	return type;
}

/* No IP: passes, but for the tagged frames of a packet socket, which strict mode is to stop. */
static __always_inline int host_other(__be16 type, __u32 strict)
{
	if (type == CSUM_BE16(ETH_TYPE_ARP))
		return pass(STAT_PASS_ESSENTIAL);
	if (strict && (type == CSUM_BE16(ETH_TYPE_VLAN) || type == CSUM_BE16(ETH_TYPE_QINQ)))
		return drop(DROP_PROTOCOL);
	return pass(STAT_PASS_PROTOCOL);
}

/*
 * Reads a packet of which its socket does not say enough. strict: it is known to be led back.
 * HOST_DECIDE, or an action.
 */
__noinline int host_look(struct __sk_buff *skb, __u32 l2, __u32 strict)
{
	__be16 type = host_type(skb, l2);
	struct scratch *x = scratch_get();
	struct capture_device *device;
	int why;

	if (!x)
		return TC_ACT_UNSPEC;
	strict |= host_strict(skb);
	if (skb->vlan_present) /* a VLAN is a device of its own */
		return pass(STAT_PASS_PROTOCOL);
	if (type != CSUM_BE16(ETH_TYPE_IP) && type != CSUM_BE16(ETH_TYPE_IP6))
		return host_other(type, strict);
	device = host_from(skb, x);
	why = packet_load(skb, l2);
	if (why == -DROP_DESTINATION) /* by further hops of a routing header: rules see the next */
		flow_measure(skb, x);
	else if (why)
		return drop(-why);
	/* addresses that a packet socket of the host's has written say nothing */
	why = l2 == ETH_BYTES && !strict ? host_frame(skb, device) : -1;
	if (why < 0)
		why = host_passes(skb);
	if (why == HOST_ERROR)
		return decide_send(skb);
	return why < 0 ? HOST_DECIDE : decide_passed(x, why);
}

/* Is it the SYN of this very socket, and no tunnel's packet around it? */
static __always_inline int open_is_own(const __u8 *tcp, const struct bpf_sock *sk)
{
	__u8 flags = TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN;

	return (tcp[13] & flags) == TCP_FLAG_SYN && sk->src_port == parse_be16(tcp) &&
	       sk->dst_port == *(const __u16 *)(tcp + 2);
}

/* Reads the SYN at `ip` into x->packet, as far as its flow goes; 0 = it is another packet. */
static __always_inline int open_read(struct scratch *x, const struct bpf_sock *sk, const __u8 *ip,
				     const void *end, int v4)
{
	__u32 at = v4 ? IP4_HEADER_BYTES : IP6_HEADER_BYTES;
	struct packet *p = &x->packet;
	const __u8 *tcp = ip + at;

	if ((const void *)(tcp + TCP_HEADER_BYTES) > end || !open_is_own(tcp, sk))
		return 0;
	__builtin_memset(p, 0, sizeof(*p));
	if (v4) {
		if (ip[0] != 0x45 || ip[9] != PROTO_TCP ||
		    *(const __u16 *)(ip + 6) & CSUM_BE16(IP4_FRAGMENT))
			return 0;
		p->tos = ip[1];
		p->saddr.b[10] = p->saddr.b[11] = p->daddr.b[10] = p->daddr.b[11] = 0xff;
		__builtin_memcpy(p->saddr.b + 12, ip + 12, 4);
		__builtin_memcpy(p->daddr.b + 12, ip + 16, 4);
	} else {
		if (ip[6] != PROTO_TCP)
			return 0;
		p->tos = (ip[0] & 15) << 4 | ip[1] >> 4;
		__builtin_memcpy(p->saddr.b, ip + 8, 16);
		__builtin_memcpy(p->daddr.b, ip + 24, 16);
	}
	p->version = v4 ? 4 : 6;
	p->proto = PROTO_TCP;
	p->tcp_flags = tcp[13];
	p->l4_offset = at;
	p->payload_offset = at + (tcp[12] >> 4) * 4;
	parse_port(&p->sport, tcp);
	parse_port(&p->dport, tcp + 2);
	return 1;
}

/*
 * A connection that one of the host's sockets opens, which is what most packets here are:
 * whose it is, and where it goes, needs no parser. 0 = it is another packet.
 */
__noinline int host_open(struct __sk_buff *skb, __u32 l2)
{
	const __u8 *ip = (const __u8 *)(long)skb->data + (l2 == ETH_BYTES ? ETH_BYTES : 0);
	const void *end = (const void *)(long)skb->data_end;
	int v4 = skb->protocol == CSUM_BE16(ETH_TYPE_IP);
	struct scratch *x = scratch_get();
	struct capture_device *device;
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!x || !sk || sk->protocol != PROTO_TCP || sk->state != TCP_STATE_SYN_SENT ||
	    skb->vlan_present || (!v4 && skb->protocol != CSUM_BE16(ETH_TYPE_IP6)))
		return 0;
	if (v4 ? !open_read(x, sk, ip, end, 1) : !open_read(x, sk, ip, end, 0))
		return 0;
	device = host_from(skb, x);
	if (addr_ends_at_link(&x->packet, &x->packet.daddr) ||
	    (l2 == ETH_BYTES && host_frame(skb, device) >= 0))
		return 0;
	x->from.own = 1;
	x->light = 1;
	x->l2 = l2;
	x->packet.total_len = skb->len - l2;
	x->segments = 1;
	x->payload = x->packet.total_len - x->packet.payload_offset;
	return 1;
}

/* --- packets of captured flows ------------------------------------------------------------ */

/*
 * Has the packet, whose flow is in x->key, come from that flow's own socket? What is wrapped in
 * another packet has a port of its own; if not, its flow would not have been captured.
 */
static __always_inline int captured_is_own(const struct scratch *x, const struct bpf_sock *sk)
{
	return sk->protocol == x->key.proto && sk->type != SOCK_KIND_RAW &&
	       sk->src_port == parse_be16((const __u8 *)&x->key.sport);
}

/* Is nothing to be decided about it? Where DNS goes the settings say, which change. */
static __always_inline int captured_fits(struct __sk_buff *skb, const struct scratch *x,
					 const struct flow *f)
{
	return f->verdict == VERDICT_FORWARD && f->capture == CAPTURE_EGRESS &&
	       f->ifindex == skb->ifindex && epoch_holds(f->epoch) &&
	       !(x->packet.tcp_flags & TCP_FLAG_SYN) && !port_is_dns(x->key.dport);
}

/* The flow of a packet that is of one that is captured here, and needs no more to be looked at. */
static __always_inline struct flow *captured_flow(struct __sk_buff *skb, struct scratch *x,
						  __u32 l2)
{
	struct bpf_sock *sk = skb->sk;
	struct flow *f;
	int bytes;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk || skb->vlan_present)
		return NULL;
	bytes = quick_read(skb, x, l2, 1);
	if (bytes < 0 || !captured_is_own(x, sk))
		return NULL;
	f = bpf_map_lookup_elem(&flows, &x->key);
	if (!f || !captured_fits(skb, x, f))
		return NULL;
	x->packet.proto = x->key.proto;
	x->payload = bytes;
	x->segments = skb->gso_segs ? skb->gso_segs : 1;
	return f;
}

/*
 * Counts and steers such a packet, so that the TUN's program lets it through. The action, or
 * TC_ACT_UNSPEC: it is none, or main does not live.
 */
__noinline int host_captured(struct __sk_buff *skb, __u32 l2)
{
	struct settings *s = settings_get();
	struct scratch *x = scratch_get();
	struct flow *f;

	PARSE_HIDE(l2);
	if (!s || !x || l2 > ETH_BYTES)
		return TC_ACT_UNSPEC;
	f = captured_flow(skb, x, l2);
	if (!f || !f->queue || !decide_alive(skb))
		return TC_ACT_UNSPEC;
	flow_count_up(f, x);
	flow_follow_up(f, &x->packet);
	count_packets(STAT_UP_PACKETS, x->segments, skb->len - l2);
	skb->mark = QUEUE_MARK | (f->queue - !s->resolver_queue);
	return capture_redirect(skb, s, CAPTURE_COUNTED);
}

/* --- out ---------------------------------------------------------------------------------- */

static __always_inline int host_out(struct __sk_buff *skb, __u32 l2)
{
	struct settings *s = settings_get();
	__u32 strict = 0;
	struct bpf_sock *sk;
	int action;

	if (!s)
		return TC_ACT_UNSPEC;
	if (s->pass_mark[0].mask && pass_marked(skb))
		return TC_ACT_UNSPEC;
	if (packet_is_ours(skb, s))
		return pass(STAT_PASS_OWN);
	/* what strict mode leads back looks like forwarded, too */
	if (skb->ingress_ifindex) {
		strict = host_strict(skb);
		if (!strict)
			return pass(STAT_PASS_DECIDED);
	}
	sk = skb->sk;
	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (sk && quick_pass(skb, sk, l2))
		return TC_ACT_UNSPEC;
	if (sk && sk->state != TCP_STATE_SYN_SENT) {
		action = host_captured(skb, l2);
		if (action != TC_ACT_UNSPEC)
			return action;
	}
	action = sk && host_open(skb, l2) ? HOST_DECIDE : host_look(skb, l2, strict);
	return action == HOST_DECIDE ? decide_flow(skb) : action;
}

SEC("?tc")
int host_egress(struct __sk_buff *skb)
{
	return host_out(skb, ETH_BYTES);
}

SEC("?tc")
int host_egress3(struct __sk_buff *skb)
{
	return host_out(skb, l2_bytes);
}

/* --- from outside ------------------------------------------------------------------------- */

/* UDP and pings: TCP counts itself, and its flows are told by their SYN. */
__noinline int host_look_in(struct __sk_buff *skb, __u32 l2)
{
	struct scratch *x = scratch_get();
	struct packet *p;
	struct flow *f;

	if (!x || packet_load(skb, l2))
		return TC_ACT_UNSPEC;
	p = &x->packet;
	if (p->fragment_offset || packet_is_dhcp(p) ||
	    (p->proto != PROTO_UDP && !(packet_is_icmp(p) && packet_is_echo_reply(p))))
		return TC_ACT_UNSPEC;
	packet_key_down(p, &x->key);
	f = direct_find(&x->key);
	if (f && f->state != FLOW_CLOSED)
		direct_follow(x, f, 0);
	else if (p->proto == PROTO_UDP)
		inbound_seen(skb, &x->key, 1);
	return TC_ACT_UNSPEC;
}

/* Counts a datagram of a direct flow; 0 = it is of none. */
static __always_inline int quick_in(struct __sk_buff *skb, __u32 l2)
{
	struct scratch *x = scratch_get();
	__u32 segments = skb->gso_segs;
	struct flow *f;
	int bytes;

	if (!x)
		return 0;
	bytes = quick_read(skb, x, l2, 0);
	if (bytes < 0)
		return 0;
	f = direct_find(&x->key);
	if (!f || f->state == FLOW_CLOSED)
		return 0;
	flow_add(f, 0, bytes, segments ? segments : 1);
	flow_set_state(f, FLOW_OPEN);
	return 1;
}

static __always_inline int host_in(struct __sk_buff *skb, __u32 l2)
{
	const __u8 *ip = (const __u8 *)(long)skb->data + l2;
	const void *end = (const void *)(long)skb->data_end;

	if (skb->pkt_type || skb_is_tagged(skb) || (const void *)(ip + IP4_HEADER_BYTES) > end)
		return TC_ACT_UNSPEC;
	if (skb->protocol == CSUM_BE16(ETH_TYPE_IP) ? ip[9] == PROTO_TCP : ip[6] == PROTO_TCP)
		return TC_ACT_UNSPEC;
	return quick_in(skb, l2) ? TC_ACT_UNSPEC : host_look_in(skb, l2);
}

SEC("?tc")
int host_ingress(struct __sk_buff *skb)
{
	return host_in(skb, ETH_BYTES);
}

SEC("?tc")
int host_ingress3(struct __sk_buff *skb)
{
	return host_in(skb, l2_bytes);
}

char _license[] SEC("license") = "Dual BSD/GPL";
