// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Checksums. What an application of this host sent needs no look (virtio_net_hdr says so);
 * routed-in and reassembled packets do, since nobody verified them before us.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "netdev/packet.h"
#include "worker/checksum.h"

#define UDP_LENGTH_AT 4
#define UDP_CHECKSUM_AT 6

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

bool checksum_ip_right(const struct worker_packet *p)
{
	const uint8_t *h = p->raw.data;

	if (p->head.version != 4 || p->raw.csum_trusted)
		return true;
	return !csum_fold(csum_add(0, h, 4 * (h[0] & 0xf)));
}

/* Sum over pseudo header and L4 as they stand: folds to 0 if the checksum is right. */
static uint32_t sum_l4(const struct worker_packet *p, size_t len)
{
	const struct packet *h = &p->head;
	uint32_t sum = 0;

	if (h->proto != IPPROTO_ICMP)
		sum = csum_pseudo(&h->saddr, &h->daddr, h->proto, len);
	return csum_add(sum, p->raw.data + h->l4_offset, len);
}

bool checksum_l4_right(const struct worker_packet *p)
{
	const struct packet *h = &p->head;
	const uint8_t *l4 = p->raw.data + h->l4_offset;
	size_t len = p->raw.len - h->l4_offset;

	if (p->raw.csum_trusted)
		return true;
	if (h->proto == IPPROTO_UDP) {
		len = ntohs(load16(l4 + UDP_LENGTH_AT)); /* checked by packet_parse() */
		if (!load16(l4 + UDP_CHECKSUM_AT))
			return h->version == 4; /* RFC 768: none; RFC 8200 §8.1: required */
	}
	return !csum_fold(sum_l4(p, len));
}

void checksum_udp_complete(struct worker_packet *p)
{
	uint8_t *l4 = p->raw.data + p->head.l4_offset;
	uint16_t sum = 0;

	if (!p->raw.csum_partial)
		return;
	memcpy(l4 + UDP_CHECKSUM_AT, &sum, sizeof(sum));
	sum = csum_fold(sum_l4(p, ntohs(load16(l4 + UDP_LENGTH_AT))));
	if (!sum)
		sum = 0xffff;
	memcpy(l4 + UDP_CHECKSUM_AT, &sum, sizeof(sum));
	p->raw.csum_partial = false;
}
