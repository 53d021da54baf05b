/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet from an application: a pure function of the parsed packet and
 * the settings, so that a worker that finds a reassembled packet, or the packets of a
 * single-queue TUN, decides by the very code that the kernel half runs.
 *
 * Order of the tests: destinations that end at the link first (they come from link-local
 * sources, which is no fault), then the source, the destination, the stack's own address,
 * protocol and ports.
 */
#ifndef BPF_CLASSIFY_H
#define BPF_CLASSIFY_H

#include "bpf/contract.h"
#include "bpf/parse.h"

struct decision {
	__u8 verdict; /* enum verdict */
	__u8 reason; /* enum drop_reason, with VERDICT_DROP and VERDICT_REJECT */
	__u8 slot; /* role that carries the packet's flow, with the other verdicts */
	__u8 queue; /* TUN queue that the packet goes to, with the other verdicts */
};

/* Words of an address as they stand in memory, for hashing and comparing. */
PARSE_INLINE __u32 addr_word(const struct addr *a, int i)
{
	__u32 word;

	PARSE_COPY(&word, a->b + 4 * i, sizeof(word), 4);
	return word;
}

PARSE_INLINE int addr_same(const struct addr *a, const struct addr *b)
{
	return addr_word(a, 0) == addr_word(b, 0) && addr_word(a, 1) == addr_word(b, 1) &&
	       addr_word(a, 2) == addr_word(b, 2) && addr_word(a, 3) == addr_word(b, 3);
}

/* Do words i of both agree in their first `bits` bits (more than 32 count as 32)? */
PARSE_INLINE int addr_word_agrees(const struct addr *a, const struct addr *b, int i, int bits)
{
	__u32 differs = parse_be32(a->b + 4 * i) ^ parse_be32(b->b + 4 * i);

	if (bits <= 0)
		return 1;
	if (bits < 32)
		differs >>= 32 - bits;
	return !differs;
}

PARSE_INLINE int addr_within(const struct addr *a, const struct addr *prefix, int bits)
{
	return addr_word_agrees(a, prefix, 0, bits) && addr_word_agrees(a, prefix, 1, bits - 32) &&
	       addr_word_agrees(a, prefix, 2, bits - 64) &&
	       addr_word_agrees(a, prefix, 3, bits - 96);
}

PARSE_INLINE int addr_mapped(const struct addr *a)
{
	return !addr_word(a, 0) && !addr_word(a, 1) && parse_be32(a->b + 8) == 0xffff;
}

/* Is `a` one of the first two of ::/128 and ::1/128, or mapped (no v6 packet may say so)? */
PARSE_INLINE int addr6_unusable(const struct addr *a)
{
	return addr_mapped(a) || (!addr_word(a, 0) && !addr_word(a, 1) && !addr_word(a, 2) &&
				  parse_be32(a->b + 12) <= 1);
}

/* 0/8 (RFC 1122) and 127/8 */
PARSE_INLINE int addr4_unusable(const struct addr *a)
{
	return a->b[12] == 0 || a->b[12] == 127;
}

PARSE_INLINE int addr_unusable(const struct packet *p, const struct addr *a)
{
	return p->version == 4 ? addr4_unusable(a) : addr6_unusable(a);
}

/* Multicast, 240/4 with the limited broadcast, 169.254/16, fe80::/10: ends at the link. */
PARSE_INLINE int addr_ends_at_link(const struct packet *p, const struct addr *a)
{
	if (p->version == 4)
		return a->b[12] >= 224 || (a->b[12] == 169 && a->b[13] == 254);
	return a->b[0] == 0xff || (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

/* The last address of the TUN's own IPv4 subnet: its directed broadcast. */
PARSE_INLINE int addr_is_tun_broadcast(const struct packet *p, const struct settings *s)
{
	__u32 host, bits = s->tun4_bits;

	if (p->version != 4 || bits < 1 || bits > 30)
		return 0;
	host = 0xffffffffU >> bits;
	return addr_within(&p->daddr, &s->tun4_prefix, 96 + bits) &&
	       (parse_be32(p->daddr.b + 12) & host) == host;
}

/* A source that cannot be answered is refused even where every subnet is let in. */
PARSE_INLINE int packet_source_allowed(const struct packet *p, const struct settings *s)
{
	if (addr_unusable(p, &p->saddr) || addr_ends_at_link(p, &p->saddr))
		return 0;
	if (s->any_source)
		return 1;
	if (p->version == 4)
		return s->tun4_bits && addr_within(&p->saddr, &s->tun4_prefix, 96 + s->tun4_bits);
	return s->tun6_bits && addr_within(&p->saddr, &s->tun6_prefix, s->tun6_bits);
}

/* Routed to the TUN though it has no IPv6: so that it leaves by no other way. */
PARSE_INLINE int packet_family_off(const struct packet *p, const struct settings *s)
{
	return s->route && p->version == 6 && !s->tun6_bits && !addr_unusable(p, &p->saddr) &&
	       !addr_ends_at_link(p, &p->saddr);
}

PARSE_INLINE int packet_is_transport(const struct packet *p)
{
	return p->proto == PROTO_TCP || p->proto == PROTO_UDP;
}

PARSE_INLINE int port_is_dns(__be16 port)
{
	return parse_be16((const __u8 *)&port) == DNS_PORT;
}

PARSE_INLINE int packet_is_icmp_error(const struct packet *p)
{
	if (p->version == 6)
		return p->icmp_type < 128;
	return p->icmp_type == ICMP4_UNREACHABLE || p->icmp_type == 4 || p->icmp_type == 5 ||
	       p->icmp_type == ICMP4_TIME_EXCEEDED || p->icmp_type == ICMP4_PARAMETER;
}

PARSE_INLINE __u32 steer_mix(__u32 hash, __u32 word)
{
	return (hash ^ word) * 0x9e3779b1U;
}

/*
 * Steering: which of the workers, 0..workers-1, something between two addresses belongs to,
 * which `word` tells from what else there is between them. Seeded, so that nobody outside
 * can choose flows that meet on one worker; the end is murmur3's finalizer.
 */
PARSE_INLINE __u32 steer(const struct settings *s, const struct addr *from, const struct addr *to,
			 __u32 word)
{
	__u32 workers = s->workers < WORKERS_MAX ? s->workers : WORKERS_MAX;
	__u32 hash = s->steer_seed, i, there;

	if (workers <= 1)
		return 0;
	for (i = 0; i < 4; i++) {
		there = addr_word(to, i);
		hash = steer_mix(hash, addr_word(from, i) ^ (there << 1 | there >> 31));
	}
	hash = steer_mix(hash, word);
	hash ^= hash >> 16;
	hash *= 0x85ebca6bU;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35U;
	hash ^= hash >> 16;
	return hash % workers;
}

/* The worker that carries a flow: by addresses and ports, or the identifier of an echo. */
PARSE_INLINE __u32 flow_worker(const struct flow_key *key, const struct settings *s)
{
	return steer(s, &key->saddr, &key->daddr, key->sport | (__u32)key->dport << 16);
}

/* The same of a packet from the application. */
PARSE_INLINE __u32 packet_worker(const struct packet *p, const struct settings *s)
{
	return steer(s, &p->saddr, &p->daddr, p->sport | (__u32)p->dport << 16);
}

/*
 * The worker that gathers a datagram's fragments, of which all but the first have no ports:
 * it hands the whole datagram to the worker that carries its flow. The protocol is left out,
 * as in IPv6 the fragments need not agree about it.
 */
PARSE_INLINE __u32 fragment_worker(const struct packet *p, const struct settings *s)
{
	return steer(s, &p->saddr, &p->daddr, p->fragment_id);
}

/*
 * Worker n has slot n; its queue is n, or n - 1 where the resolver has none of its own. Later
 * fragments have no flow, and the slot given for them means nothing.
 */
PARSE_INLINE struct decision decide_worker(const struct packet *p, const struct settings *s,
					   enum verdict verdict)
{
	__u32 carries = packet_worker(p, s);
	__u32 reads = p->is_fragment ? fragment_worker(p, s) : carries;
	struct decision d = { .verdict = verdict, .slot = carries + 1, .queue = reads };

	if (s->resolver_queue)
		d.queue++;
	return d;
}

/*
 * DNS over UDP is the resolver's flow, whoever brings it the packet: fragments and the
 * packets of a TUN without a resolver's queue go by a worker, which relays them.
 */
PARSE_INLINE struct decision decide_dns(const struct packet *p, const struct settings *s)
{
	struct decision d = decide_worker(p, s, VERDICT_DNS);

	if (p->proto != PROTO_UDP)
		return d;
	d.slot = RESOLVER_QUEUE;
	if (!p->is_fragment && s->resolver_queue)
		d.queue = RESOLVER_QUEUE;
	return d;
}

PARSE_INLINE struct decision decide_refuse(enum verdict verdict, enum drop_reason reason)
{
	struct decision d = { .verdict = verdict, .reason = reason };

	return d;
}

/*
 * ICMP: echo requests are carried. An error goes to any worker, which alone reads what it
 * quotes and hands it to the worker of that flow.
 */
PARSE_INLINE struct decision decide_icmp(const struct packet *p, const struct settings *s,
					 int to_stack)
{
	if (packet_is_echo_request(p))
		return decide_worker(p, s, to_stack ? VERDICT_LOCAL : VERDICT_FORWARD);
	if (packet_is_icmp_error(p) && !to_stack)
		return decide_worker(p, s, VERDICT_FORWARD);
	return decide_refuse(VERDICT_DROP, DROP_ICMP_TYPE);
}

PARSE_INLINE struct decision decide_transport(const struct packet *p, const struct settings *s,
					      int to_stack)
{
	if (!p->sport || !p->dport)
		return decide_refuse(VERDICT_DROP, DROP_PORT_ZERO);
	if (port_is_dns(p->dport))
		return decide_dns(p, s);
	if (to_stack)
		return decide_refuse(VERDICT_REJECT, DROP_STACK_PORT);
	return decide_worker(p, s, VERDICT_FORWARD);
}

/* IPv6's 'no next header' is no error, so nothing answers it (RFC 8200, 4.7). */
PARSE_INLINE struct decision decide_protocol(const struct packet *p)
{
	if (p->version == 6 && p->proto == PROTO_NONE)
		return decide_refuse(VERDICT_DROP, DROP_PROTOCOL);
	return decide_refuse(VERDICT_REJECT, DROP_PROTOCOL);
}

PARSE_INLINE int packet_to_stack(const struct packet *p, const struct settings *s)
{
	return addr_same(&p->daddr, p->version == 4 ? &s->stack4 : &s->stack6);
}

/*
 * The verdict on a packet that packet_parse() accepted. What a capture point has taken has a
 * source of the host or of its LAN, and on loopback its destination is no other.
 */
PARSE_INLINE struct decision packet_classify(const struct packet *p, const struct settings *s,
					     enum capture_point from)
{
	int to_stack;

	if (addr_ends_at_link(p, &p->daddr) || addr_is_tun_broadcast(p, s))
		return decide_refuse(VERDICT_DROP, DROP_LINK_LOCAL);
	if (from == CAPTURE_TUN && packet_family_off(p, s))
		return decide_refuse(VERDICT_REJECT, DROP_SOURCE);
	if (from == CAPTURE_TUN && !packet_source_allowed(p, s))
		return decide_refuse(VERDICT_DROP, DROP_SOURCE);
	if (from != CAPTURE_LOOPBACK && addr_unusable(p, &p->saddr))
		return decide_refuse(VERDICT_DROP, DROP_SOURCE);
	if (from != CAPTURE_LOOPBACK && addr_unusable(p, &p->daddr))
		return decide_refuse(VERDICT_DROP, DROP_DESTINATION);
	if (p->fragment_offset)
		return decide_worker(p, s, VERDICT_FORWARD);
	if (!packet_is_transport(p) && !packet_is_icmp(p))
		return decide_protocol(p);
	to_stack = packet_to_stack(p, s);
	if (packet_is_icmp(p))
		return decide_icmp(p, s, to_stack);
	if ((from != CAPTURE_TUN || s->route) && !s->dns_intercept && !to_stack && p->sport &&
	    p->dport)
		return decide_worker(p, s, VERDICT_FORWARD);
	return decide_transport(p, s, to_stack);
}

/* To the TUN's own subnets, the stack's address among them. */
PARSE_INLINE int packet_to_tun(const struct packet *p, const struct settings *s)
{
	if (p->version == 4)
		return s->tun4_bits && addr_within(&p->daddr, &s->tun4_prefix, 96 + s->tun4_bits);
	return s->tun6_bits && addr_within(&p->daddr, &s->tun6_prefix, s->tun6_bits);
}

PARSE_INLINE int packet_opens_tcp(const struct packet *p)
{
	__u8 flags = TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN;

	return (p->tcp_flags & flags) == TCP_FLAG_SYN;
}

/* Has the client's policy a say in whether this packet may open a flow? */
PARSE_INLINE int packet_needs_admission(const struct packet *p, const struct settings *s,
					const struct decision *d)
{
	return d->verdict == VERDICT_FORWARD && packet_is_transport(p) && !p->fragment_offset &&
	       (p->proto != PROTO_TCP || packet_opens_tcp(p)) && !packet_to_tun(p, s);
}

PARSE_INLINE int port_is_quic(__be16 port)
{
	__u16 number = parse_be16((const __u8 *)&port);

	return number == 443 || number == 80;
}

/*
 * What the policy says to a new flow that needs admission; each side looks up the facts. flags:
 * of the policy (DNS_ONLY_RESOLVED, DNS_BLOCK_QUIC); resolved: a client of it has resolved
 * the destination, and its time is not over. 0 or -drop_reason: refused.
 */
PARSE_INLINE int packet_admit(const struct packet *p, __u32 flags, int resolved)
{
	if (flags & DNS_BLOCK_QUIC && p->proto == PROTO_UDP && port_is_quic(p->dport))
		return -DROP_QUIC;
	if (flags & DNS_ONLY_RESOLVED && !resolved)
		return -DROP_UNRESOLVED;
	return 0;
}

/* The end of a flow that was refused when it began. */
PARSE_INLINE enum flow_end refusal_end(enum drop_reason reason)
{
	if (reason == DROP_QUIC)
		return END_QUIC;
	return reason == DROP_UNRESOLVED ? END_UNRESOLVED : END_LIMIT;
}

/* Key of the flow that a packet from the application belongs to (TCP, UDP, ICMP echo). */
PARSE_INLINE void packet_key_up(const struct packet *p, struct flow_key *key)
{
	key->saddr = p->saddr;
	key->daddr = p->daddr;
	key->sport = p->sport;
	key->dport = p->dport;
	key->proto = p->proto;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

/* The same for a packet to the application: an echo reply has its identifier as `sport`. */
PARSE_INLINE void packet_key_down(const struct packet *p, struct flow_key *key)
{
	key->saddr = p->daddr;
	key->daddr = p->saddr;
	key->sport = packet_is_icmp(p) ? p->sport : p->dport;
	key->dport = packet_is_icmp(p) ? 0 : p->sport;
	key->proto = p->proto;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

#endif
