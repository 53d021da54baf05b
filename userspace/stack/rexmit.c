// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sends again what lies in lwIP's queue of unacknowledged segments, in pieces of any size: a
 * segment of lwIP is up to 64 KiB, of which the network between may have lost one packet. The
 * queue stays as it is; data is referenced, not copied.
 */
#include <string.h>

#include "stack/flight.h"
#include "stack/internal.h"

static const struct tcp_seg *rexmit_find(const struct tcp_pcb *pcb, uint32_t seq)
{
	const struct tcp_seg *seg = pcb->unacked;

	while (seg && TCP_SEQ_LEQ(lwip_ntohl(seg->tcphdr->seqno) + TCP_TCPLEN(seg), seq))
		seg = seg->next;
	if (seg && TCP_SEQ_GT(lwip_ntohl(seg->tcphdr->seqno), seq))
		return NULL;
	return seg;
}

static struct pbuf *rexmit_header(struct tcp_pcb *pcb, uint32_t seq, unsigned int flags)
{
	struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_HLEN, PBUF_RAM);
	struct tcp_hdr *tcp;

	if (!p)
		return NULL;
	tcp = p->payload;
	tcp->src = lwip_htons(pcb->local_port);
	tcp->dest = lwip_htons(pcb->remote_port);
	tcp->seqno = lwip_htonl(seq);
	tcp->ackno = lwip_htonl(pcb->rcv_nxt);
	TCPH_HDRLEN_FLAGS_SET(tcp, TCP_HLEN / 4, flags);
	tcp->wnd = lwip_htons(TCPWND_MIN16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd)));
	tcp->chksum = 0;
	tcp->urgp = 0;
	pcb->rcv_ann_right_edge = pcb->rcv_nxt + pcb->rcv_ann_wnd;
	return p;
}

/* Appends `len` bytes that lie `skip` bytes into the chain `from`. False without memory. */
static bool rexmit_append(struct pbuf *to, const struct pbuf *from, uint32_t skip, uint32_t len)
{
	for (; len > 0; from = from->next) {
		uint32_t n;
		struct pbuf *p;

		if (skip >= from->len) {
			skip -= from->len;
			continue;
		}
		n = from->len - skip < len ? from->len - skip : len;
		p = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_ROM);
		if (!p)
			return false;
		p->payload = (uint8_t *)from->payload + skip;
		pbuf_cat(to, p);
		len -= n;
		skip = 0;
	}
	return true;
}

static bool rexmit_output(struct conn *c, struct pbuf *p)
{
	struct tcp_pcb *pcb = c->pcb;
	struct netif *netif = &c->stack->netif;
	err_t err;

	NETIF_SET_HINTS(netif, &pcb->netif_hints);
	err = ip_output_if(p, &pcb->local_ip, &pcb->remote_ip, pcb->ttl, pcb->tos, IP_PROTO_TCP,
			   netif);
	NETIF_RESET_HINTS(netif);
	return err == ERR_OK;
}

uint32_t rexmit_send(struct conn *c, uint32_t start, uint32_t end)
{
	const struct tcp_seg *seg = rexmit_find(c->pcb, start);
	uint32_t skip, len, fin, flags;
	struct pbuf *p;
	bool sent;

	if (!seg)
		return 0;
	skip = start - lwip_ntohl(seg->tcphdr->seqno);
	len = skip < seg->len ? seg->len - skip : 0;
	if (len > end - start)
		len = end - start;
	flags = TCPH_FLAGS(seg->tcphdr) & ~(unsigned int)TCP_FIN;
	fin = (TCPH_FLAGS(seg->tcphdr) & TCP_FIN) && skip + len == seg->len && len < end - start;
	p = rexmit_header(c->pcb, start, flags | (fin ? TCP_FIN : 0));
	if (!p)
		return 0;
	sent = rexmit_append(p, seg->p, seg->p->tot_len - seg->len + skip, len) &&
	       rexmit_output(c, p);
	pbuf_free(p);
	return sent ? len + fin : 0;
}
