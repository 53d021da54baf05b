// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Fragment headers: those of packet_ip_header() with the fragment fields put in. The caller
 * cuts the datagram; only its L4 checksum has to be complete before.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "netdev/fragment.h"

#define FRAGMENT_UNIT 8
#define IP4_MORE 0x2000

size_t fragment_room(const struct packet_path *path, size_t mtu)
{
	size_t header = packet_ip_bytes(path);

	if (!addr_is_v4(&path->src))
		header += FRAGMENT_UNIT; /* the fragment header happens to be one unit */
	return (mtu - header) / FRAGMENT_UNIT * FRAGMENT_UNIT;
}

static size_t header4(uint8_t *h, const struct packet_path *path, uint8_t proto, uint32_t id,
		      size_t offset, size_t len, bool more)
{
	size_t n = packet_ip_header(h, path, proto, len);
	uint16_t field = htons(offset / FRAGMENT_UNIT | (more ? IP4_MORE : 0));
	uint16_t id_be = htons(id & 0xffff);
	uint16_t sum = 0;

	memcpy(h + 4, &id_be, sizeof(id_be));
	memcpy(h + 6, &field, sizeof(field));
	memcpy(h + 10, &sum, sizeof(sum));
	sum = csum_fold(csum_add(0, h, n));
	memcpy(h + 10, &sum, sizeof(sum));
	return n;
}

static size_t header6(uint8_t *h, const struct packet_path *path, uint8_t proto, uint32_t id,
		      size_t offset, size_t len, bool more)
{
	size_t n = packet_ip_header(h, path, IPPROTO_FRAGMENT, FRAGMENT_UNIT + len);
	uint16_t field = htons((offset & ~7UL) | (more ? 1 : 0));
	uint32_t id_be = htonl(id);

	h[n] = proto;
	h[n + 1] = 0;
	memcpy(h + n + 2, &field, sizeof(field));
	memcpy(h + n + 4, &id_be, sizeof(id_be));
	return n + FRAGMENT_UNIT;
}

size_t fragment_header(void *buf, const struct packet_path *path, uint8_t proto, uint32_t id,
		       size_t offset, size_t len, bool more)
{
	if (addr_is_v4(&path->src))
		return header4(buf, path, proto, id, offset, len, more);
	return header6(buf, path, proto, id, offset, len, more);
}
