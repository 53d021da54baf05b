/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a blocked query is answered with, for both halves: the same bytes whoever answers.
 *
 * Header: ID, opcode, RD and CD of the query; QR, RA and the RCODE set, all else 0. Then the
 * question as it was asked, then at most one record, whose owner is a pointer to the question:
 * the zero address, or an SOA in the authority section, by which clients keep the "no" for its
 * TTL (RFC 2308). Then our OPT, if the query had one (dns/edns.h).
 *
 *	question | C0 0C, type A or AAAA, IN, TTL, 4 or 16, zeros                 answers: 1
 *	question | C0 0C, SOA, IN, TTL, 22, 00, 00, 1, 3600, 600, 86400, TTL      authorities: 1
 */
#ifndef BPF_DNS_BLOCK_H
#define BPF_DNS_BLOCK_H

#include "bpf/contract.h"
#include "bpf/parse.h"

#define DNS_BLOCK_BYTES 34 /* of the record, at most */
#define DNS_BLOCK_SOA_BYTES 34
#define DNS_BLOCK_SOA_RDATA 22 /* the root twice and five numbers */
#define DNS_BLOCK_SERIAL 1
#define DNS_BLOCK_REFRESH 3600
#define DNS_BLOCK_RETRY 600
#define DNS_BLOCK_EXPIRE 86400

enum dns_block_rcode { DNS_BLOCK_NOERROR = 0, DNS_BLOCK_NXDOMAIN = 3, DNS_BLOCK_REFUSED = 5 };

/* What goes into the header, and how many bytes stand behind the question. */
struct dns_block {
	__u8 rcode;
	__u8 answers; /* 0 or 1 */
	__u8 authorities; /* 0 or 1 */
	__u8 bytes;
};

PARSE_INLINE void dns_put16(__u8 *out, __u32 v)
{
	out[0] = v >> 8;
	out[1] = v;
}

PARSE_INLINE void dns_put32(__u8 *out, __u32 v)
{
	dns_put16(out, v >> 16);
	dns_put16(out + 2, v);
}

/* Owner (the question's name), type, class IN, TTL, length of RDATA: 12 bytes. */
PARSE_INLINE void dns_put_record(__u8 *out, __u32 type, __u32 ttl, __u32 rdata_len)
{
	dns_put16(out, 0xc00c);
	dns_put16(out + 2, type);
	dns_put16(out + 4, 1);
	dns_put32(out + 6, ttl);
	dns_put16(out + 10, rdata_len);
}

PARSE_INLINE void dns_put_soa(__u8 *out, __u32 ttl)
{
	dns_put_record(out, 6, ttl, DNS_BLOCK_SOA_RDATA);
	dns_put16(out + 12, 0);
	dns_put32(out + 14, DNS_BLOCK_SERIAL);
	dns_put32(out + 18, DNS_BLOCK_REFRESH);
	dns_put32(out + 22, DNS_BLOCK_RETRY);
	dns_put32(out + 26, DNS_BLOCK_EXPIRE);
	dns_put32(out + 30, ttl);
}

/*
 * Writes the record of a block (DNS_NXDOMAIN, DNS_ZERO, DNS_NODATA, DNS_REFUSED) to `out`, which
 * has DNS_BLOCK_BYTES. `type` is the query's, in host order.
 */
PARSE_INLINE struct dns_block dns_block_write(__u8 *out, __u32 action, __u32 type, __u32 ttl)
{
	struct dns_block b = { .rcode = DNS_BLOCK_NOERROR };

	if (action == DNS_REFUSED) {
		b.rcode = DNS_BLOCK_REFUSED;
		return b;
	}
	if (action == DNS_ZERO && (type == 1 || type == 28)) {
		b.answers = 1;
		b.bytes = type == 1 ? 16 : 28;
		dns_put_record(out, type, ttl, b.bytes - 12);
		__builtin_memset(out + 12, 0, 16);
		return b;
	}
	if (action == DNS_NXDOMAIN)
		b.rcode = DNS_BLOCK_NXDOMAIN;
	b.authorities = 1;
	b.bytes = DNS_BLOCK_SOA_BYTES;
	dns_put_soa(out, ttl);
	return b;
}

#endif
