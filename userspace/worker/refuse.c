// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Refusals: a TCP reset (RFC 9293 §3.10.7.1) or an ICMP error, as the destination's. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "worker/refuse.h"

/* Sequence space that the segment takes: its payload, SYN and FIN. */
static uint32_t segment_length(const struct worker_packet *p)
{
	uint32_t len = p->raw.len - p->head.payload_offset;

	return len + !!(p->head.tcp_flags & TCP_FLAG_SYN) + !!(p->head.tcp_flags & TCP_FLAG_FIN);
}

static void reset_header(const struct worker_packet *p, struct tcphdr *ret_tcp)
{
	struct tcphdr got;

	memcpy(&got, p->raw.data + p->head.l4_offset, sizeof(got));
	*ret_tcp = (struct tcphdr){
		.source = got.dest,
		.dest = got.source,
		.doff = sizeof(got) / 4,
		.rst = 1,
	};
	if (got.ack) {
		ret_tcp->seq = got.ack_seq;
		return;
	}
	ret_tcp->ack = 1;
	ret_tcp->ack_seq = htonl(ntohl(got.seq) + segment_length(p));
}

static void send_reset(struct worker *w, const struct worker_packet *p)
{
	struct packet_path path = { .src = p->head.daddr, .dst = p->head.saddr };
	uint8_t buf[PACKET_HEADERS_MAX];
	struct tcphdr tcp;
	size_t at;
	uint32_t sum;

	if (p->head.tcp_flags & TCP_FLAG_RST)
		return;
	reset_header(p, &tcp);
	sum = csum_pseudo(&path.src, &path.dst, IPPROTO_TCP, sizeof(tcp));
	tcp.check = csum_fold(csum_add(sum, &tcp, sizeof(tcp)));
	at = packet_ip_header(buf, &path, IPPROTO_TCP, sizeof(tcp));
	memcpy(buf + at, &tcp, sizeof(tcp));
	worker_write(w, buf, at + sizeof(tcp));
}

void refuse_packet(struct worker *w, const struct worker_packet *p, enum drop_reason why)
{
	worker_drop(w, why);
	if (why == DROP_PROTOCOL)
		worker_icmp_error(w, ICMP_ERR_PROTOCOL, 0, NULL, p->raw.data, p->raw.len);
	else if (p->head.proto == IPPROTO_TCP && p->head.l4_valid)
		send_reset(w, p);
	else
		worker_icmp_error(w, ICMP_ERR_PORT, 0, &p->head.daddr, p->raw.data, p->raw.len);
}
