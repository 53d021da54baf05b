/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who has sent a packet that leaves by an uplink. What its socket says at this moment is not
 * enough: while a packet waits for its neighbour, its socket can be closed, dissolved and bound
 * anew, by anybody. So of a socket counts what stays: its kind, its protocol, and whether the
 * kernel has made it; and that a packet is a tunnel's outer one, the packet itself says, or the
 * tunnel's own socket.
 *
 * The kernel's structures are read through BTF, as in bpf/owner.bpf.c. Where a kernel does not
 * describe them, or not that part, it is told as well as it can be: what TCP sends by the kernel's
 * raw socket is never a SYN, and UDP that is not its socket's own is a tunnel's if the socket is of
 * another protocol, or a port is a tunnel's.
 */
#ifndef BPF_SENDER_H
#define BPF_SENDER_H

#include <bpf/bpf_core_read.h>

#include "bpf/direct.h"
#include "bpf/maps.h"

#define SOCK_KIND_RAW 3 /* SOCK_RAW */
#define PROTO_SCTP 132

/* tunnels that send from a port without a socket: to these (IANA's, and Linux's own of VXLAN) */
#define PORT_VXLAN 4789
#define PORT_VXLAN_LINUX 8472
#define PORT_GENEVE 6081

enum host_sender {
	SENDER_OWN, /* the socket of its flow */
	SENDER_OTHER, /* a socket whose flow it is not, or not any more: of NAT, or that has moved on */
	SENDER_HAND, /* a process that writes packets itself: raw and packet sockets */
	SENDER_KERNEL, /* no process: RST, SYN-ACK, TIME_WAIT, ICMP */
	SENDER_TUNNEL, /* a tunnel over UDP: the socket, if there is one, is the inner packet's */
};

struct kuid___sender {
	__u32 val;
} __attribute__((preserve_access_index));

struct sock___sender {
	__u8 sk_kern_sock : 1;
	struct kuid___sender sk_uid;
} __attribute__((preserve_access_index));

struct udp_sock___sender {
	__u8 encap_type;
} __attribute__((preserve_access_index));

struct sk_buff___sender {
	struct sock___sender *sk;
	__u16 inner_network_header;
} __attribute__((preserve_access_index));

/*
 * Has the kernel put the packet around another? VXLAN, GENEVE, WireGuard, FOU, IPsec in tunnel
 * mode note where that begins; what a process sends has no such note.
 */
static __always_inline int skb_is_wrapped(struct __sk_buff *skb)
{
	struct sk_buff___sender *inner = (void *)skb;
	__u16 at = 0;

	if (!bpf_core_field_exists(inner->inner_network_header))
		return 0;
	bpf_probe_read_kernel(&at, sizeof(at), &inner->inner_network_header);
	return at != 0;
}

/* Of a raw socket: is it the kernel's, by which TCP's resets and ICMP's messages go? */
static __always_inline int skb_is_kernels(struct __sk_buff *skb, const struct packet *p)
{
	struct sk_buff___sender *buff = (void *)skb;
	struct sock___sender *sk = NULL;

	if (!bpf_core_field_exists(sk->sk_kern_sock))
		return p->proto == PROTO_TCP && !packet_opens_tcp(p);
	bpf_probe_read_kernel(&sk, sizeof(sk), &buff->sk);
	return sk && BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

/*
 * Does a tunnel have the port that the packet comes from? L2TP and IPsec in transport mode leave
 * no note in the packet. A socket of root's: anybody may say of his own that it is one.
 */
static __always_inline int sender_has_tunnel(struct __sk_buff *skb, struct scratch *x)
{
	struct udp_sock___sender *tunnel = NULL;
	struct sock___sender *owner;
	struct bpf_sock *sk;
	__u32 uid = 1;
	__u8 kind = 0;

	packet_key_up(&x->packet, &x->key);
	sk = udp_receiver(skb, &x->key);
	if (!sk)
		return 0;
	/* by way of the memory, as nothing can be added to a socket's address in a register */
	x->address = (__u64)(unsigned long)sk;
	PARSE_MERGE();
	tunnel = (void *)(unsigned long)x->address;
	owner = (void *)tunnel;
	bpf_probe_read_kernel(&kind, sizeof(kind), &tunnel->encap_type);
	bpf_probe_read_kernel(&uid, sizeof(uid), &owner->sk_uid.val);
	bpf_sk_release(sk);
	return kind && !uid;
}

/*
 * The same on a kernel that does not describe its sockets; sent_by: the protocol of the packet's
 * socket. NAT changes ports, never the protocol; a port that it has given has no socket, as a rule.
 */
static __always_inline int sender_seems_tunnel(struct __sk_buff *skb, struct scratch *x,
					       __u32 sent_by)
{
	__u16 to = parse_be16((const __u8 *)&x->packet.dport);
	struct bpf_sock *sk;

	if (sent_by != PROTO_UDP || to == PORT_VXLAN || to == PORT_VXLAN_LINUX || to == PORT_GENEVE)
		return 1;
	packet_key_up(&x->packet, &x->key);
	sk = udp_receiver(skb, &x->key);
	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

/* Does the packet have the socket's protocol and port? */
static __always_inline int sender_fits(const struct bpf_sock *sk, const struct packet *p)
{
	if (sk->protocol != p->proto)
		return 0;
	return !packet_is_transport(p) || p->fragment_offset ||
	       sk->src_port == parse_be16((const __u8 *)&p->sport);
}

static __always_inline enum host_sender host_sender(struct __sk_buff *skb, struct scratch *x)
{
	const struct packet *p = &x->packet;
	struct udp_sock___sender *tunnel = NULL;
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (p->proto == PROTO_UDP && (!sk || skb_is_wrapped(skb)))
		return SENDER_TUNNEL;
	if (!sk)
		return SENDER_KERNEL;
	if (!sk->protocol)
		return SENDER_HAND;
	if (sk->type == SOCK_KIND_RAW)
		return p->proto != PROTO_UDP && skb_is_kernels(skb, p) ? SENDER_KERNEL :
									 SENDER_HAND;
	if (sender_fits(sk, p))
		return SENDER_OWN;
	/* SCTP puts its own packets into UDP where a socket wants it (RFC 6951) */
	if (p->proto != PROTO_UDP || p->fragment_offset || sk->protocol == PROTO_SCTP)
		return SENDER_OTHER;
	if (!bpf_core_field_exists(tunnel->encap_type))
		return sender_seems_tunnel(skb, x, sk->protocol) ? SENDER_TUNNEL : SENDER_OTHER;
	return sender_has_tunnel(skb, x) ? SENDER_TUNNEL : SENDER_OTHER;
}

#endif
