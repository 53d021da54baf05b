// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Segments outside any connection, built here rather than by lwIP, whose RST carries a
 * sequence number even where the segment that it answers acknowledged nothing.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/tcp.h>

#include "netdev/packet.h"
#include "stack/internal.h"

static struct tcphdr raw_tcp(const struct packet *head, const uint8_t *packet)
{
	struct tcphdr tcp;

	memcpy(&tcp, packet + head->l4_offset, sizeof(tcp));
	return tcp;
}

uint32_t stack_segment_seq(const struct packet *head, const uint8_t *packet)
{
	struct tcphdr tcp = raw_tcp(head, packet);

	return ntohl(tcp.seq);
}

static void raw_send(struct stack *s, const struct packet_path *path, struct tcphdr *tcp)
{
	uint8_t packet[PACKET_HEADERS_MAX];
	struct iovec iov = { .iov_base = packet };
	size_t ip_bytes = packet_ip_header(packet, path, IPPROTO_TCP, sizeof(*tcp));

	tcp->source = path->sport;
	tcp->dest = path->dport;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->check = 0;
	tcp->check = csum_fold(csum_add(
		csum_pseudo(&path->src, &path->dst, IPPROTO_TCP, sizeof(*tcp)), tcp, sizeof(*tcp)));
	memcpy(packet + ip_bytes, tcp, sizeof(*tcp));
	iov.iov_len = ip_bytes + sizeof(*tcp);
	s->opt.ops->output(s->opt.arg, &iov, 1, NULL);
}

void stack_refuse(struct stack *s, const struct packet *head, const uint8_t *packet)
{
	struct tcphdr in = raw_tcp(head, packet);
	struct tcphdr out = { .rst = 1 };
	struct packet_path path = {
		.src = head->daddr,
		.dst = head->saddr,
		.sport = head->dport,
		.dport = head->sport,
	};

	if (in.rst)
		return;
	if (in.ack) {
		out.seq = in.ack_seq;
	} else {
		uint32_t len = head->total_len - head->payload_offset + in.syn + in.fin;

		out.ack = 1;
		out.ack_seq = htonl(ntohl(in.seq) + len);
	}
	raw_send(s, &path, &out);
}

void stack_send_ack(struct stack *s, const struct packet_path *path, uint32_t seq, uint32_t ack)
{
	struct tcphdr out = { .ack = 1, .seq = htonl(seq), .ack_seq = htonl(ack) };

	out.window = htons(0xffff);
	raw_send(s, path, &out);
}
