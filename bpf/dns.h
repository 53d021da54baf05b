/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS answered without the resolver: reading a query, making its answer. Pure functions over
 * one piece of working memory, so that programs of any type and the host run the same code;
 * bpf/dns_run.h does the look-ups between them. What is here understands the plain query and
 * nothing else: whatever is unusual in any way is the resolver's, unchanged.
 *
 * A plain query: IPv4 without options or IPv6 without extension headers, whole, UDP; one
 * question of class IN, no flags but RD, AD and CD, no records but an OPT of version 0 whose
 * options are COOKIE and PADDING alone; no bytes behind it.
 *
 * Order of the calls (0 = go on, -1 = the resolver's):
 *
 *	dns_ip_bytes()		of the packet's first DNS_PEEK bytes: may it be a query?
 *	dns_read_ip()		with the packet in w->in
 *	dns_read_message()
 *	dns_match_name()	with the client's policy
 *	dns_answer_copy() or dns_block_answer()
 *	dns_finish()		OPT, truncation
 *	dns_put_headers()	the packet is in w->out, but for its UDP checksum
 */
#ifndef BPF_DNS_H
#define BPF_DNS_H

#include "bpf/contract.h"
#include "bpf/dns_block.h"
#include "bpf/dns_names.h"
#include "bpf/parse.h"

#define DNS_HEADER_BYTES 12
#define DNS_QUESTION_MAX (DNS_HEADER_BYTES + DNS_NAME_MAX + 4) /* where it ends, at most */
#define DNS_QUERY_BYTES 512 /* larger messages are no plain queries */
#define DNS_PACKET_MAX (IP6_HEADER_BYTES + UDP_HEADER_BYTES + DNS_QUERY_BYTES)
#define DNS_OPT_BYTES 11
#define DNS_OPT_TYPE 41
#define DNS_OPTIONS_MAX 4
#define DNS_OPTION_COOKIE 10 /* RFC 7873 */
#define DNS_OPTION_PADDING 12 /* RFC 7830 */
#define DNS_UDP_PLAIN 512 /* what a client takes without EDNS */
#define DNS_UDP_PAYLOAD 1232 /* what we take, as the resolver says (dns/edns.h) */
#define DNS_CLASS_IN 1
#define DNS_META_TYPES 128 /* QTYPEs and meta types: 128 to 255 (RFC 6895, 3.1) */
#define DNS_META_TYPES_END 256
#define DNS_PEEK (IP6_HEADER_BYTES + 4) /* up to the ports; any query with a question has more */
#define DNS_TTL 64 /* of the packet */
#define DNS_SECOND_NS 1000000000ULL

#define DNS_FLAG_QR 0x8000U
#define DNS_FLAG_TC 0x0200U
#define DNS_FLAG_RD 0x0100U
#define DNS_FLAG_RA 0x0080U
#define DNS_FLAG_AD 0x0020U
#define DNS_FLAG_CD 0x0010U

/* Words are copied whole, up to 7 bytes behind what was meant; buffers are multiples of 8. */
#define DNS_BUFFER_BYTES (DNS_ANSWER_BYTES + DNS_OPT_BYTES + 25)

/* A packet: an IPv4 header ends where an IPv6 one does, so that all else has its place. */
struct dns_buffer {
	__u8 align[4]; /* the name, at msg + 12, is at a multiple of 8 */
	__u8 ip[IP6_HEADER_BYTES];
	__u8 udp[UDP_HEADER_BYTES];
	__u8 msg[DNS_BUFFER_BYTES];
};

/* Working memory for one query. The programs have one per CPU: they never nest. */
struct dns_work {
	struct dns_buffer in;
	struct dns_buffer out;
	__u64 name[(DNS_NAME_MAX + 1) / 8 + 1]; /* lower case, zeros behind it */
	struct dns_state state; /* as it was when the query came */
	struct dns_match match;
	struct packet packet; /* addresses and version alone */
	__u64 hash; /* of the name */
	__u64 now_ns;
	__u32 len; /* of the query's message */
	__u32 end; /* behind the question */
	__u32 out_len; /* of the answer's message */
	__u32 mtu; /* of the device that the answer leaves by */
	__u32 policy;
	__u32 flags; /* second word of the query's header */
	__u32 type;
	__u32 name_len;
	__u32 labels;
	__u32 payload; /* as the OPT announces it */
	__u8 edns;
	__u8 dnssec_ok;
	__u8 action; /* enum dns_action */
	__u8 rule;
	__u8 label_at[DNS_LABELS_MAX];
};

PARSE_INLINE __u64 dns_word(const void *p)
{
	__u64 word;

	PARSE_COPY(&word, p, sizeof(word), 8);
	return word;
}

PARSE_INLINE void dns_put_word(void *p, __u64 word)
{
	PARSE_COPY(p, &word, sizeof(word), 8);
}

/* --- reading ----------------------------------------------------------------------------- */

/*
 * Bytes of IP header of a packet of UDP to port 53, 0 = it is none, or one with options.
 * `head`: its first DNS_PEEK bytes.
 */
PARSE_INLINE __u32 dns_ip_bytes(const __u8 *head)
{
	if (head[0] == 0x45 && head[9] == PROTO_UDP && parse_be16(head + 22) == DNS_PORT)
		return IP4_HEADER_BYTES;
	if (head[0] >> 4 == 6 && head[6] == PROTO_UDP && parse_be16(head + 42) == DNS_PORT)
		return IP6_HEADER_BYTES;
	return 0;
}

PARSE_INLINE __u8 *dns_ip4(struct dns_buffer *b)
{
	return (__u8 *)b + __builtin_offsetof(struct dns_buffer, udp) - IP4_HEADER_BYTES;
}

PARSE_INLINE __u32 dns_ip4_sum(const __u8 *ip)
{
	__u32 sum = 0, i;

#ifdef __clang__
#pragma unroll
#endif
	for (i = 0; i < IP4_HEADER_BYTES; i += 2)
		sum += parse_be16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Length of the UDP datagram of `size` bytes of packet, 0 = not plain. */
PARSE_INLINE __u32 dns_read_ip4(struct dns_work *w, __u32 size)
{
	const __u8 *ip = dns_ip4(&w->in);
	__u32 total = parse_be16(ip + 2);

	if (total > size || total < IP4_HEADER_BYTES || (parse_be16(ip + 6) & 0xbfff) ||
	    dns_ip4_sum(ip) != 0xffff)
		return 0;
	parse_mapped(&w->packet.saddr, ip + 12);
	parse_mapped(&w->packet.daddr, ip + 16);
	w->packet.version = 4;
	return total - IP4_HEADER_BYTES;
}

PARSE_INLINE __u32 dns_read_ip6(struct dns_work *w, __u32 size)
{
	const __u8 *ip = w->in.ip;
	__u32 bytes = parse_be16(ip + 4);

	if (bytes + IP6_HEADER_BYTES > size)
		return 0;
	PARSE_COPY(w->packet.saddr.b, ip + 8, 16, 4);
	PARSE_COPY(w->packet.daddr.b, ip + 24, 16, 4);
	w->packet.version = 6;
	return bytes;
}

/* The packet, of which `size` bytes are in w->in, has an IP header of `ip_bytes`. */
PARSE_INLINE int dns_read_ip(struct dns_work *w, __u32 ip_bytes, __u32 size)
{
	const __u8 *udp = w->in.udp;
	__u32 bytes, len;

	if (ip_bytes == IP4_HEADER_BYTES)
		bytes = dns_read_ip4(w, size);
	else
		bytes = dns_read_ip6(w, size);
	if (bytes < UDP_HEADER_BYTES + DNS_HEADER_BYTES || parse_be16(udp + 4) != bytes)
		return -1;
	len = bytes - UDP_HEADER_BYTES;
	if (!parse_be16(udp) || (w->packet.version == 6 && !parse_be16(udp + 6)))
		return -1;
	PARSE_HIDE(len);
	if (len > DNS_QUERY_BYTES)
		return -1;
	dns_put_word(w->in.msg + len, 0);
	w->len = len;
	return 0;
}

/* Where the labels begin, and how long the name is. */
PARSE_INLINE int dns_read_labels(struct dns_work *w)
{
	const __u8 *name = w->in.msg + DNS_HEADER_BYTES;
	__u32 at = 0, i, len;

	for (i = 0; i <= DNS_LABELS_MAX; i++) {
		PARSE_HIDE(at);
		if (at > DNS_NAME_MAX - 1)
			return -1;
		len = name[at];
		if (!len) {
			w->labels = i;
			w->name_len = at + 1;
			return 0;
		}
		if (len > DNS_LABEL_MAX || i == DNS_LABELS_MAX)
			return -1;
		w->label_at[i] = at;
		at += 1 + len;
	}
	return -1;
}

/* Length octets are no letters, so the name goes through as it stands. */
PARSE_INLINE void dns_lower_name(struct dns_work *w)
{
	const __u8 *name = w->in.msg + DNS_HEADER_BYTES;
	__u32 len = w->name_len, i;

	for (i = 0; i < (DNS_NAME_MAX + 1) / 8; i++) {
		if (i * 8 >= len)
			break;
		w->name[i] = dns_lower8(dns_word(name + i * 8));
	}
	PARSE_HIDE(len);
	if (len <= DNS_NAME_MAX)
		dns_put_word((__u8 *)w->name + len, 0);
}

/* Nothing but COOKIE and PADDING, which no answer depends on. */
PARSE_INLINE int dns_read_options(const struct dns_work *w, __u32 at)
{
	const __u8 *msg = w->in.msg;
	__u32 i, code;

	for (i = 0; i < DNS_OPTIONS_MAX && at < w->len; i++) {
		PARSE_HIDE(at);
		if (at > DNS_QUERY_BYTES - 4 || at + 4 > w->len)
			return -1;
		code = parse_be16(msg + at);
		if (code != DNS_OPTION_COOKIE && code != DNS_OPTION_PADDING)
			return -1;
		at += 4 + parse_be16(msg + at + 2);
	}
	return at == w->len ? 0 : -1;
}

/* The OPT at the message's end (RFC 6891, 6.1.2). */
PARSE_INLINE int dns_read_opt(struct dns_work *w)
{
	__u32 at = w->end;
	const __u8 *opt;

	PARSE_HIDE(at);
	if (at > DNS_QUESTION_MAX || at + DNS_OPT_BYTES > w->len)
		return -1;
	opt = w->in.msg + at;
	if (opt[0] || parse_be16(opt + 1) != DNS_OPT_TYPE || opt[5] || opt[6] || opt[7] & 0x7f ||
	    opt[8] || at + DNS_OPT_BYTES + parse_be16(opt + 9) != w->len)
		return -1;
	w->payload = parse_be16(opt + 3);
	w->dnssec_ok = opt[7] >> 7;
	w->edns = 1;
	return dns_read_options(w, at + DNS_OPT_BYTES);
}

PARSE_INLINE int dns_read_header(struct dns_work *w)
{
	const __u8 *msg = w->in.msg;

	w->flags = parse_be16(msg + 2);
	if (w->flags & ~(DNS_FLAG_RD | DNS_FLAG_AD | DNS_FLAG_CD))
		return -1;
	return parse_be16(msg + 4) != 1 || parse_be16(msg + 6) || parse_be16(msg + 8) ||
			       parse_be16(msg + 10) > 1 ?
		       -1 :
		       0;
}

PARSE_INLINE int dns_read_question(struct dns_work *w)
{
	__u32 at = DNS_HEADER_BYTES + w->name_len;

	PARSE_HIDE(at);
	if (at > DNS_QUESTION_MAX - 4 || at + 4 > w->len)
		return -1;
	w->type = parse_be16(w->in.msg + at);
	w->end = at + 4;
	if (parse_be16(w->in.msg + at + 2) != DNS_CLASS_IN || !w->type || w->type == DNS_OPT_TYPE ||
	    (w->type >= DNS_META_TYPES && w->type < DNS_META_TYPES_END))
		return -1;
	return 0;
}

/* The message of w->len bytes. */
PARSE_INLINE int dns_read_message(struct dns_work *w)
{
	w->edns = w->dnssec_ok = 0;
	w->payload = 0;
	if (dns_read_header(w) || dns_read_labels(w) || dns_read_question(w))
		return -1;
	dns_lower_name(w);
	if (parse_be16(w->in.msg + 10))
		return dns_read_opt(w);
	return w->end == w->len ? 0 : -1;
}

/* Whom the resolver answers everywhere: loopback, private, link-local, CGNAT (RFC 6598). */
PARSE_INLINE int dns_client_near(const struct packet *p)
{
	const __u8 *b = p->saddr.b;

	if (p->version == 4) {
		b += 12;
		return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
		       (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254) ||
		       (b[0] == 100 && (b[1] & 0xc0) == 64);
	}
	return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

/* --- deciding ---------------------------------------------------------------------------- */

/*
 * Label `i` of the name, in front of those behind it: takes the hash on, and notes what the
 * name that begins here is in.
 */
PARSE_INLINE void dns_match_label(struct dns_work *w, const struct dns_policy *p, const void *table,
				  __u32 i)
{
	__u32 buckets = w->state.buckets[w->state.epoch & 1], at, len;
	const __u8 *name = (const __u8 *)w->name;

	PARSE_HIDE(i);
	if (i >= DNS_LABELS_MAX)
		goto beyond;
	at = w->label_at[i];
	len = name[at];
	PARSE_HIDE(len);
	if (len > DNS_LABEL_MAX || at + 1 + len >= DNS_NAME_MAX)
		goto beyond;
	w->hash = dns_hash_label(&w->state, w->hash, name + at + 1, len);
	dns_match_group(p,
			dns_names_find(table, buckets, w->hash, i ? DNS_NAME_BELOW : DNS_NAME_SELF),
			&w->match);
	return;
beyond: /* never: dns_read_labels() has seen to it, which the verifier does not know */
	w->match.ask = 1;
}

/* The root: the parent of all names, or the name itself. */
PARSE_INLINE void dns_match_root(struct dns_work *w, const struct dns_policy *p, const void *table)
{
	__u32 buckets = w->state.buckets[w->state.epoch & 1];

	__builtin_memset(&w->match, 0, sizeof(w->match));
	w->hash = dns_hash_root(&w->state);
	dns_match_group(p,
			dns_names_find(table, buckets, w->hash,
				       w->labels ? DNS_NAME_BELOW : DNS_NAME_SELF),
			&w->match);
}

PARSE_INLINE void dns_decide_query(struct dns_work *w, const struct dns_policy *p)
{
	struct dns_decision d = dns_decide(p, &w->match, dns_type_of(w->type));

	w->action = d.action;
	w->rule = d.rule;
}

/*
 * Key of the answer, if there can be one: without RD a query asks for what the server itself
 * has, and with CD for what was not validated.
 */
PARSE_INLINE int dns_key(const struct dns_work *w, struct dns_answer_key *ret_key)
{
	if (!(w->flags & DNS_FLAG_RD) || w->flags & DNS_FLAG_CD)
		return -1;
	ret_key->hash = w->hash;
	ret_key->policy = w->policy;
	ret_key->type = w->type;
	ret_key->flags = (w->dnssec_ok ? DNS_ANSWER_DO : 0) |
			 (w->flags & DNS_FLAG_AD ? DNS_ANSWER_AD : 0);
	ret_key->pad = 0;
	return 0;
}

/* --- answering --------------------------------------------------------------------------- */

/* Header and question of the query, ID and case included; the rest of the header is to come. */
PARSE_INLINE void dns_put_question(struct dns_work *w)
{
	__u32 end = w->end, i;

	for (i = 0; i < (DNS_QUESTION_MAX + 7) / 8; i++) {
		if (i * 8 >= end)
			break;
		dns_put_word(w->out.msg + i * 8, dns_word(w->in.msg + i * 8));
	}
}

PARSE_INLINE int dns_name_is(const struct dns_work *w, const struct dns_answer *a)
{
	__u64 differs = 0;
	__u32 i;

	if (a->name_len != w->name_len)
		return 0;
	for (i = 0; i < (DNS_NAME_MAX + 1) / 8; i++) {
		if (i * 8 >= w->name_len)
			break;
		differs |= w->name[i] ^ dns_word(a->name + i * 8);
	}
	return !differs;
}

/* What stands behind the question: whole words, the last reaching into check_end at most. */
PARSE_INLINE int dns_copy_records(struct dns_work *w, const struct dns_answer *a, __u32 len)
{
	const __u8 *msg = (const __u8 *)a + __builtin_offsetof(struct dns_answer, msg);
	__u32 at = w->end, i;

	for (i = 0; i < DNS_ANSWER_BYTES / 8; i++) {
		PARSE_HIDE(at);
		if (at >= len)
			return 0;
		PARSE_HIDE(at);
		if (at >= DNS_ANSWER_BYTES)
			return -1;
		dns_put_word(w->out.msg + at, dns_word(msg + at));
		at += 8;
	}
	return 0;
}

/* TTLs less the time since then; who has none left must be asked for anew. */
PARSE_INLINE int dns_age(struct dns_work *w, const struct dns_answer *a, __u32 len)
{
	__s64 since = w->now_ns - a->stored_ns; /* it may be younger than a coarse clock's tick */
	__u64 seconds = since > 0 ? (__u64)since / DNS_SECOND_NS : 0;
	__u32 at, i, ttl;

	for (i = 0; i < DNS_ANSWER_TTLS; i++) {
		if (i >= a->ttls)
			return 0;
		at = a->ttl_offset[i];
		PARSE_HIDE(at);
		if (at > DNS_ANSWER_BYTES - 4 || at < w->end || at + 4 > len)
			return -1;
		ttl = parse_be32(w->out.msg + at);
		if (ttl & 0x80000000U || ttl <= seconds)
			return -1;
		dns_put32(w->out.msg + at, ttl - seconds);
	}
	return a->ttls == DNS_ANSWER_TTLS ? 0 : -1;
}

PARSE_INLINE void dns_put_counts(__u8 *msg, const __u8 *from)
{
	PARSE_COPY(msg + 4, from + 4, 8, 4);
}

/*
 * The answer that is kept as `a`. Another may take its place meanwhile: what is read is
 * checked before it is used, and the caller looks at both checks again when all is done.
 */
PARSE_INLINE int dns_answer_copy(struct dns_work *w, const struct dns_answer *a)
{
	__u32 len = a->len, flags;

	if (a->epoch != w->state.epoch || w->now_ns >= a->expires_ns || !dns_name_is(w, a))
		return -1;
	PARSE_HIDE(len);
	if (len > DNS_ANSWER_BYTES || len < w->end)
		return -1;
	dns_put_question(w);
	if (dns_copy_records(w, a, len) || dns_age(w, a, len))
		return -1;
	flags = parse_be16(a->msg + 2) & ~(DNS_FLAG_RD | DNS_FLAG_CD);
	dns_put16(w->out.msg + 2, flags | DNS_FLAG_QR | (w->flags & (DNS_FLAG_RD | DNS_FLAG_CD)));
	dns_put_counts(w->out.msg, a->msg);
	w->out_len = len;
	return 0;
}

/* What w->action says. */
PARSE_INLINE int dns_block_answer(struct dns_work *w)
{
	__u32 end = w->end;
	struct dns_block b;

	dns_put_question(w);
	PARSE_HIDE(end);
	if (end > DNS_QUESTION_MAX)
		return -1;
	b = dns_block_write(w->out.msg + end, w->action, w->type,
			    w->state.block_ttl[w->state.epoch & 1]);
	dns_put16(w->out.msg + 2,
		  DNS_FLAG_QR | DNS_FLAG_RA | b.rcode | (w->flags & (DNS_FLAG_RD | DNS_FLAG_CD)));
	dns_put16(w->out.msg + 4, 1);
	dns_put16(w->out.msg + 6, b.answers);
	dns_put16(w->out.msg + 8, b.authorities);
	dns_put16(w->out.msg + 10, 0);
	w->out_len = end + b.bytes;
	return 0;
}

PARSE_INLINE __u32 dns_ip_bytes_out(const struct dns_work *w)
{
	return w->packet.version == 4 ? IP4_HEADER_BYTES : IP6_HEADER_BYTES;
}

/* Bytes of message that the client takes in one piece. */
PARSE_INLINE __u32 dns_limit(const struct dns_work *w)
{
	__u32 limit = w->payload > DNS_UDP_PLAIN ? w->payload : DNS_UDP_PLAIN;
	__u32 headers = dns_ip_bytes_out(w) + UDP_HEADER_BYTES;
	__u32 room = w->mtu > headers ? w->mtu - headers : 0;

	return limit < room ? limit : room;
}

/* The header and the question with TC: the client comes back by TCP. */
PARSE_INLINE void dns_cut(struct dns_work *w)
{
	__u8 *msg = w->out.msg;

	dns_put16(msg + 2, parse_be16(msg + 2) | DNS_FLAG_TC);
	dns_put16(msg + 6, 0);
	dns_put32(msg + 8, 0);
	w->out_len = w->end;
}

/* Our own OPT (dns/edns.c makes the same), and what does not fit is cut. */
PARSE_INLINE int dns_finish(struct dns_work *w)
{
	__u32 opt_bytes = w->edns ? DNS_OPT_BYTES : 0, limit = dns_limit(w), len;
	__u8 *opt;

	if (w->out_len + opt_bytes > limit)
		dns_cut(w);
	len = w->out_len;
	PARSE_HIDE(len);
	if (len > DNS_ANSWER_BYTES || len + opt_bytes > limit)
		return -1;
	opt = w->out.msg + len;
	dns_put_word(opt, 0);
	if (!w->edns)
		return 0;
	dns_put_word(opt + 8, 0);
	dns_put16(opt + 1, DNS_OPT_TYPE);
	dns_put16(opt + 3, DNS_UDP_PAYLOAD);
	opt[7] = w->dnssec_ok << 7;
	dns_put16(w->out.msg + 10, parse_be16(w->out.msg + 10) + 1);
	w->out_len = len + DNS_OPT_BYTES;
	return 0;
}

PARSE_INLINE void dns_put_ip4(struct dns_work *w, __u32 udp_len)
{
	const __u8 *in = dns_ip4(&w->in);
	__u8 *ip = dns_ip4(&w->out);

	__builtin_memset(ip, 0, IP4_HEADER_BYTES);
	ip[0] = 0x45;
	dns_put16(ip + 2, IP4_HEADER_BYTES + udp_len);
	ip[6] = 0x40; /* DF */
	ip[8] = DNS_TTL;
	ip[9] = PROTO_UDP;
	PARSE_COPY(ip + 12, in + 16, 4, 4);
	PARSE_COPY(ip + 16, in + 12, 4, 4);
	dns_put16(ip + 10, ~dns_ip4_sum(ip));
}

PARSE_INLINE void dns_put_ip6(struct dns_work *w, __u32 udp_len)
{
	const __u8 *in = w->in.ip;
	__u8 *ip = w->out.ip;

	__builtin_memset(ip, 0, 8);
	ip[0] = 0x60;
	dns_put16(ip + 4, udp_len);
	ip[6] = PROTO_UDP;
	ip[7] = DNS_TTL;
	PARSE_COPY(ip + 8, in + 24, 16, 4);
	PARSE_COPY(ip + 24, in + 8, 16, 4);
}

/* IP and UDP headers of the answer; the checksum field is zero. */
PARSE_INLINE void dns_put_headers(struct dns_work *w)
{
	__u32 udp_len = UDP_HEADER_BYTES + w->out_len;

	if (w->packet.version == 4)
		dns_put_ip4(w, udp_len);
	else
		dns_put_ip6(w, udp_len);
	PARSE_COPY(w->out.udp, w->in.udp + 2, 2, 2);
	PARSE_COPY(w->out.udp + 2, w->in.udp, 2, 2);
	dns_put16(w->out.udp + 4, udp_len);
	dns_put16(w->out.udp + 6, 0);
}

#endif
