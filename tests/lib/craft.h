/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets for tests: built from a description, checksums and lengths right unless the
 * description says otherwise; and a table of every kind that the parser tells apart, which
 * unit, BPF and differential tests and the fuzzer's corpus all start from.
 *
 * Written apart from the code under test: nothing of bpf/ or netdev/ is used here.
 */
#ifndef LIB_CRAFT_H
#define LIB_CRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRAFT_MAX 4096

#define CRAFT_FIN 0x01
#define CRAFT_SYN 0x02
#define CRAFT_RST 0x04
#define CRAFT_ACK 0x10

/* Zero means the usual: IPv4, from 10.0.0.2 or fd68:6561:6472:6163::2, to a host outside. */
struct craft {
	const char *name;
	uint8_t version; /* 4 (also 0) or 6 */
	const char *src;
	const char *dst;
	uint8_t proto; /* IPPROTO_*; TCP, UDP, ICMP and ICMPv6 get their header */
	uint16_t sport; /* ICMP: identifier */
	uint16_t dport;
	uint8_t tcp_flags;
	uint32_t seq;
	uint32_t ack;
	uint16_t window; /* TCP */
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint32_t icmp_rest; /* instead of identifier 'sport' and sequence number 0 */
	const uint8_t *data; /* payload, NULL = a pattern */
	uint16_t payload; /* its length */
	uint8_t ip_options; /* bytes of no-operation options behind the IPv4 header */
	uint8_t tcp_options;
	/*
	 * IPv6 extension headers, one letter each: h hop-by-hop, d destination options, r routing
	 * (no segments left), R routing (one left), f fragment; 8 bytes each, H and D 256.
	 */
	const char *chain;
	uint32_t id;
	uint16_t offset; /* of the fragment, in bytes; not 0: no L4 header is built */
	bool more;
	bool no_df; /* IPv4: DF not set though not a fragment */
};

/* Builds the packet; returns its length (asserts that it fits). */
size_t craft(const struct craft *c, uint8_t buf[CRAFT_MAX]);

/* Are the IP header's and the L4 checksum (TCP, UDP, ICMP; whole packets) right? */
bool craft_checksums_right(const uint8_t *packet, size_t len);

/* Every kind of packet; the names are unique. */
extern const struct craft craft_kinds[];
extern const size_t craft_kinds_num;

#endif
