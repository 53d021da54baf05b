/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Building of IP packets as the stack's end of the TUN sends them, and Internet checksums
 * (RFC 1071). Buffers are the caller's.
 */
#ifndef NETDEV_PACKET_H
#define NETDEV_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define PACKET_TTL 64
#define PACKET_HEADERS_MAX 60 /* IPv6 + TCP without options, or less */

/* Folded, not inverted; start from 0 or from an earlier sum. Odd lengths only at the end. */
uint32_t csum_add(uint32_t sum, const void *data, size_t len);
/* Inverted 16-bit checksum in network order of an accumulated sum. */
uint16_t csum_fold(uint32_t sum);
/* Accumulated sum of the pseudo header (v4 or v6 by the addresses). */
uint32_t csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto, size_t l4_len);

/* Where a packet goes; both addresses of one family. */
struct packet_path {
	struct addr src;
	struct addr dst;
	__be16 sport;
	__be16 dport;
	uint8_t ttl; /* or hop limit; 0 = PACKET_TTL */
	uint8_t tos; /* or traffic class */
};

/* Bytes of the IP header that packet_ip_header() writes for this path: 20 or 40. */
size_t packet_ip_bytes(const struct packet_path *path);
/* IP header for `l4_len` bytes of `proto` behind it; v4: DF set, id 0. Returns its length. */
size_t packet_ip_header(void *buf, const struct packet_path *path, uint8_t proto, size_t l4_len);
/*
 * IP and UDP header for a datagram. payload != NULL: checksum complete (0 becomes 0xffff);
 * payload == NULL: the checksum field holds the pseudo header's sum, for csum_partial
 * (queue_offload.csum_offset 6). Returns the bytes of both headers.
 */
size_t packet_udp_header(void *buf, const struct packet_path *path, const void *payload,
			 size_t payload_len);

/* An ICMP error in terms of v4 and v6 alike. */
enum icmp_error {
	ICMP_ERR_PORT, /* port unreachable */
	ICMP_ERR_HOST, /* host / address unreachable */
	ICMP_ERR_NET, /* network unreachable / no route */
	ICMP_ERR_PROTOCOL, /* v4: protocol unreachable; v6: parameter problem, next header */
	ICMP_ERR_PROHIBITED, /* administratively prohibited */
	ICMP_ERR_TTL, /* time exceeded in transit */
	ICMP_ERR_REASSEMBLY, /* fragment reassembly time exceeded */
	ICMP_ERR_TOO_BIG /* v4: fragmentation needed; v6: packet too big; uses mtu */
};

/*
 * Whole ICMP error packet from `from` (a router's or the peer's address) to the sender of
 * the quoted packet: as much of `quoted` (from its IP header on) as RFC 792/1812 (576
 * bytes in all) and RFC 4443 (1280) allow. Returns its length, 0 if the quoted packet must
 * not be answered (ICMP error, multicast, fragment but the first).
 */
#define PACKET_ICMP_MAX 1280
size_t packet_icmp_error(void *buf, enum icmp_error what, uint32_t mtu, const struct addr *from,
			 const void *quoted, size_t quoted_len);
/* The same with the ICMP type and code as they came from upstream (same family). */
size_t packet_icmp_raw(void *buf, uint8_t type, uint8_t code, uint32_t rest_be,
		       const struct addr *from, const void *quoted, size_t quoted_len);

/*
 * A stand-in for a packet that was not kept: IP header and the first 8 bytes of UDP (or
 * ICMP echo: sport = id) from the application, for quoting. Returns its length (28 or 48).
 */
size_t packet_synthetic(void *buf, const struct packet_path *path, uint8_t proto,
			size_t payload_len);

#endif
