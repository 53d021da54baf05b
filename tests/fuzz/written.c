// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a worker writes to its TUN, looked at as the applications' kernel would. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/fuzz/world.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define ICMP4_REPLY 0
#define ICMP6_REPLY 129
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static uint32_t get32(const uint8_t *p)
{
	uint32_t be;

	memcpy(&be, p, sizeof(be));
	return ntohl(be);
}

/* Sums are right, or the pseudo header's where the device goes on with it. */
static void check_checksum(const struct packet *h, const uint8_t *p,
			   const struct virtio_net_hdr *header)
{
	size_t len = h->total_len - h->l4_offset;
	uint32_t sum = 0;
	uint16_t field;

	if (h->version == 4)
		require(!csum_fold(csum_add(0, p, 20)));
	if (h->is_fragment)
		return;
	if (h->proto != IPPROTO_ICMP)
		sum = csum_pseudo(&h->saddr, &h->daddr, h->proto, len);
	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		/* of an error about an error nobody knows the quoted sum, but its own is right */
		require(!csum_fold(csum_add(sum, p + h->l4_offset, len)));
		return;
	}
	require(header->csum_start == h->l4_offset);
	require(header->csum_offset == (h->proto == IPPROTO_TCP ? 16 : 6));
	memcpy(&field, p + h->l4_offset + header->csum_offset, sizeof(field));
	require((field ^ csum_fold(sum)) == 0xffff); /* not inverted yet */
}

static void check_size(const struct packet *h, const struct virtio_net_hdr *header)
{
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		require(h->total_len <= WORLD_MTU);
		return;
	}
	require(header->gso_size > 0 && header->hdr_len == h->payload_offset);
	require(h->payload_offset + header->gso_size <= WORLD_MTU);
	require(h->total_len - h->payload_offset > header->gso_size);
}

/* `left`: the device took it, so the application has it. */
static void take_tcp(const struct packet *h, const uint8_t *p, bool left)
{
	struct app *a = app_of_port(ntohs(h->sport));
	const uint8_t *tcp = p + h->l4_offset;
	uint32_t seq = get32(tcp + 4), len = h->total_len - h->payload_offset, at, end;
	uint8_t flags = tcp[13];

	if (!a || apps_wild || h->dport != a->path.sport)
		return;
	if (flags & TCP_SYN) {
		require((flags & TCP_ACK) && get32(tcp + 8) == a->dialled_isn + 1);
		a->peer_isn = seq;
		a->greeted = true;
		if (left) {
			a->got = a->told = seq + 1;
			a->answered = true;
		}
	} else if (len > 0 || (flags & TCP_FIN)) {
		at = seq - (a->peer_isn + 1);
		require(a->greeted && at + len <= a->down_read);
		require(!memcmp(p + h->payload_offset, app_bytes_down(a, at), len));
		if (flags & TCP_FIN)
			require(a->down_end && at + len == a->down_read);
		end = seq + len + (flags & TCP_FIN);
		if (left && (int32_t)(end - a->told) > 0)
			a->told = end;
		if (left && (int32_t)(seq - a->got) <= 0 && (int32_t)(end - a->got) > 0)
			a->got = end;
	}
	if (!left || (flags & TCP_RST) || !(flags & TCP_ACK))
		return;
	a->last_ack = get32(tcp + 8);
	if ((int32_t)(a->last_ack - a->acked) > 0)
		a->acked = a->last_ack;
}

/* Each datagram in it is the next one that the worker has read. */
static void take_udp(const struct packet *h, const uint8_t *p, const struct virtio_net_hdr *header)
{
	size_t len = (size_t)(p[h->l4_offset + 4] << 8 | p[h->l4_offset + 5]) - 8, at = 0;
	size_t here = h->total_len - h->payload_offset;
	int i = ntohs(h->dport) - UDP_APP_PORT;

	if (i < 0 || i >= UDP_APPS || ntohs(h->sport) != UDP_PEER_PORT + i)
		i = -1;
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		peer_datagram(i, len);
		if (i >= 0 && !apps_wild)
			require(!memcmp(p + h->payload_offset, udp_bytes(i, false, len), here));
		return;
	}
	require(header->gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 && len == here);
	for (; at < len; at += header->gso_size) {
		size_t n = len - at < header->gso_size ? len - at : header->gso_size;

		peer_datagram(i, n);
		if (i >= 0 && !apps_wild)
			require(!memcmp(p + h->payload_offset + at, udp_bytes(i, false, n), n));
	}
}

void apps_take(const uint8_t *packet, size_t len, const struct virtio_net_hdr *header, bool offload,
	       bool left)
{
	struct packet h;

	require(packet_parse(&h, packet, packet + len, 0) == 0);
	require(h.total_len == len);
	require(offload || header->gso_type == VIRTIO_NET_HDR_GSO_NONE);
	check_size(&h, header);
	check_checksum(&h, packet, header);
	if (h.fragment_offset)
		return;
	if (h.proto == IPPROTO_TCP)
		take_tcp(&h, packet, left);
	else if (h.proto == IPPROTO_UDP)
		take_udp(&h, packet, header);
	else
		require(h.proto == IPPROTO_ICMP || h.proto == IPPROTO_ICMPV6);
}
