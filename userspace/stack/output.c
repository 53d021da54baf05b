// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lwIP's interface: IP packets as it builds them become writes to the queue.
 *
 * A segment of up to 64 KiB leaves as one packet with a virtio_net_hdr (gso_size = what the
 * application's kernel takes as one segment); header and data pieces are gathered by the
 * write, so the bytes that came from the upstream socket are copied here for the first time
 * since. The TCP checksum field holds the pseudo header's sum: the kernel completes it, or
 * queue_write() where the queue has no such header; then nothing exceeds the MTU either (see
 * conn_adopt()).
 */
#include <errno.h>
#include <string.h>

#include "stack/internal.h"

#define TCP_CSUM_AT 16

/* The connection whose segment this is, NULL for a RST without one. */
static const struct conn *output_owner(const struct netif *netif)
{
	const struct tcp_pcb *pcb;

	if (!netif->hints)
		return NULL;
	pcb = container_of(netif->hints, struct tcp_pcb, netif_hints);
	return pcb->state == LISTEN ? NULL : pcb->callback_arg;
}

/* Gathers the pieces; a packet of too many is copied together. Returns their number. */
static int output_gather(struct stack *s, const struct pbuf *p, struct iovec *iov)
{
	int n = 0;

	if (pbuf_clen(p) > QUEUE_IOV_MAX) {
		iov[0].iov_base = s->linear;
		iov[0].iov_len = pbuf_copy_partial(p, s->linear, p->tot_len, 0);
		return 1;
	}
	for (; p; p = p->next) {
		iov[n].iov_base = p->payload;
		iov[n++].iov_len = p->len;
	}
	return n;
}

static err_t output_packet(struct netif *netif, struct pbuf *p, size_t ip_bytes, uint32_t pseudo,
			   enum gso_type gso)
{
	struct stack *s = netif->state;
	const struct conn *c = output_owner(netif);
	struct tcp_hdr *tcp = (struct tcp_hdr *)((uint8_t *)p->payload + ip_bytes);
	size_t hdr_len = ip_bytes + TCPH_HDRLEN_BYTES(tcp);
	struct queue_offload off = {
		.csum_partial = true,
		.csum_start = (uint16_t)ip_bytes,
		.csum_offset = TCP_CSUM_AT,
	};
	struct iovec iov[QUEUE_IOV_MAX];
	int n, r;

	tcp->chksum = (uint16_t)~csum_fold(pseudo);
	if (c && c->gso_size > 0 && p->tot_len - hdr_len > c->gso_size) {
		off.gso_type = gso;
		off.gso_size = c->gso_size;
		off.hdr_len = (uint16_t)hdr_len;
	}
	n = output_gather(s, p, iov);
	r = s->opt.ops->output(s->opt.arg, iov, n, &off);
	return r == 0 ? ERR_OK : ERR_BUF;
}

/* `addresses`: source and destination as they stand in the IP header. */
static uint32_t output_pseudo(const void *addresses, size_t len, size_t l4_len)
{
	uint32_t rest[2] = { lwip_htonl((uint32_t)l4_len), lwip_htonl(IP_PROTO_TCP) };

	return csum_add(csum_add(0, rest, sizeof(rest)), addresses, len);
}

err_t output_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	const uint8_t *ip = p->payload;
	uint32_t pseudo = output_pseudo(ip + 12, 8, p->tot_len - IP_HLEN);

	return output_packet(netif, p, IP_HLEN, pseudo, GSO_TCP4);
}

err_t output_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
	const uint8_t *ip = p->payload;
	uint32_t pseudo = output_pseudo(ip + 8, 32, p->tot_len - IP6_HLEN);

	return output_packet(netif, p, IP6_HLEN, pseudo, GSO_TCP6);
}
