// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The DNS filter. Packets come from tun_egress, which has parsed and guarded them already;
 * they are parsed again here all the same, with the same parser, because this side must not
 * depend on the kernel half being loaded. IPv4 options and IPv6 extension headers are
 * stepped over by the parser.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "bpf/parse.h"
#include "dns/filter.h"
#include "netdev/packet.h"

#define UDP_HEADER_BYTES 8
#define UDP_CHECKSUM_OFFSET 6

/* RFC 768: 0 = the sender summed nothing; RFC 8200 section 8.1 forbids that in IPv6. */
static bool checksum_right(const struct packet *head, const uint8_t *data, size_t udp_len)
{
	const uint8_t *udp = data + head->l4_offset;
	uint32_t sum;

	if (!udp[UDP_CHECKSUM_OFFSET] && !udp[UDP_CHECKSUM_OFFSET + 1])
		return head->version == 4;
	sum = csum_pseudo(&head->saddr, &head->daddr, IPPROTO_UDP, udp_len);
	return csum_fold(csum_add(sum, udp, udp_len)) == 0;
}

/* Length of the UDP datagram: GSO packets may lie about it (they exceed 16 bits). */
static size_t udp_length(const struct packet *head, const struct queue_packet *pkt)
{
	const uint8_t *udp = pkt->data + head->l4_offset;

	if (pkt->gso_type != GSO_NONE)
		return head->total_len - head->l4_offset;
	return (size_t)(udp[4] << 8 | udp[5]);
}

int filter_read(const struct queue_packet *pkt, struct filter_datagram *ret_datagram)
{
	struct packet head;
	size_t udp_len;
	int r;

	memset(&ret_datagram->key, 0, sizeof(ret_datagram->key));
	r = packet_parse(&head, pkt->data, pkt->data + pkt->len, 0);
	if (r < 0)
		return r;
	if (head.is_fragment)
		return -DROP_FRAGMENT_LOST;
	if (head.proto != IPPROTO_UDP || !head.l4_valid)
		return -DROP_PROTOCOL;
	if (head.dport != htons(DNS_PORT))
		return -DROP_STACK_PORT;
	if (head.sport == 0)
		return -DROP_PORT_ZERO;
	ret_datagram->key.saddr = head.saddr;
	ret_datagram->key.daddr = head.daddr;
	ret_datagram->key.sport = head.sport;
	ret_datagram->key.dport = head.dport;
	ret_datagram->key.proto = IPPROTO_UDP;
	udp_len = udp_length(&head, pkt);
	if (!pkt->csum_trusted && !checksum_right(&head, pkt->data, udp_len))
		return -DROP_CHECKSUM;
	if (udp_len <= UDP_HEADER_BYTES)
		return -DROP_DNS_MALFORMED;
	ret_datagram->payload = pkt->data + head.payload_offset;
	ret_datagram->len = udp_len - UDP_HEADER_BYTES;
	ret_datagram->segment = pkt->gso_type == GSO_UDP && pkt->gso_size ? pkt->gso_size :
									    ret_datagram->len;
	return 0;
}

static struct packet_path answer_path(const struct flow_key *key)
{
	return (struct packet_path){
		.src = key->daddr,
		.dst = key->saddr,
		.sport = key->dport,
		.dport = key->sport,
	};
}

size_t filter_room(const struct flow_key *key, uint32_t mtu)
{
	struct packet_path path = answer_path(key);

	return mtu - packet_ip_bytes(&path) - UDP_HEADER_BYTES;
}

int filter_write(struct queue *q, const struct flow_key *key, const void *message, size_t len)
{
	struct packet_path path = answer_path(key);
	uint8_t headers[PACKET_HEADERS_MAX];
	struct iovec iov[2];

	iov[0].iov_base = headers;
	iov[0].iov_len = packet_udp_header(headers, &path, message, len);
	iov[1].iov_base = (void *)message;
	iov[1].iov_len = len;
	return queue_write(q, iov, 2, NULL);
}
