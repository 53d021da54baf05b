// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TCP segments by hand, written and read field by field. */
#include "lib/segment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define TCP_BYTES 20
#define TCP_PROTO 6

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static size_t put_sacks(uint8_t *opt, const struct segment *s)
{
	if (s->sack_blocks == 0)
		return 0;
	memcpy(opt, "\x01\x01\x05", 3);
	opt[3] = (uint8_t)(2 + s->sack_blocks * 8);
	for (unsigned int i = 0; i < s->sack_blocks; i++) {
		put32(opt + 4 + i * 8, s->sack[i].start);
		put32(opt + 8 + i * 8, s->sack[i].end);
	}
	return 4 + s->sack_blocks * 8;
}

static size_t put_options(uint8_t *opt, const struct segment *s)
{
	uint8_t *p = opt;

	if (s->options_len > 0) {
		memcpy(opt, s->options, s->options_len);
		return s->options_len;
	}
	if (!(s->flags & SEG_SYN))
		return put_sacks(opt, s);
	if (s->mss) {
		p[0] = 2;
		p[1] = 4;
		put16(p + 2, s->mss);
		p += 4;
	}
	if (s->sack_permitted) {
		memcpy(p, "\x01\x01\x04\x02", 4);
		p += 4;
	}
	if (s->scale >= 0) {
		memcpy(p, "\x01\x03\x03", 3);
		p[3] = (uint8_t)s->scale;
		p += 4;
	}
	return (size_t)(p - opt);
}

size_t segment_build(uint8_t *buf, const struct packet_path *path, const struct segment *s)
{
	size_t ip = packet_ip_bytes(path);
	uint8_t *tcp = buf + ip;
	size_t header, len;
	uint16_t sum;

	memset(tcp, 0, TCP_BYTES);
	header = TCP_BYTES + put_options(tcp + TCP_BYTES, s);
	memcpy(tcp, &path->sport, 2);
	memcpy(tcp + 2, &path->dport, 2);
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = s->flags;
	put16(tcp + 14, s->window);
	put16(tcp + 18, s->urgent);
	if (s->len > 0)
		memcpy(tcp + header, s->payload, s->len);
	len = header + s->len;
	packet_ip_header(buf, path, TCP_PROTO, len);
	sum = csum_fold(csum_add(csum_pseudo(&path->src, &path->dst, TCP_PROTO, len), tcp, len));
	memcpy(tcp + 16, &sum, 2);
	return ip + len;
}

/* The IP header's part. Returns its length, 0 if it is wrong. */
static size_t parse_ip(const uint8_t *packet, size_t len, struct packet_path *path)
{
	if (len >= 40 && packet[0] >> 4 == 6) {
		path->src = addr_from_v6(packet + 8);
		path->dst = addr_from_v6(packet + 24);
		return packet[6] == TCP_PROTO && 40U + get16(packet + 4) == len ? 40 : 0;
	}
	if (len >= 20 && packet[0] == 0x45) {
		__be32 a;

		memcpy(&a, packet + 12, 4);
		path->src = addr_from_v4(a);
		memcpy(&a, packet + 16, 4);
		path->dst = addr_from_v4(a);
		if (packet[9] != TCP_PROTO || get16(packet + 2) != len)
			return 0;
		return csum_fold(csum_add(0, packet, 20)) == 0 ? 20 : 0;
	}
	return 0;
}

static bool parse_options(const uint8_t *opt, size_t len, struct segment *s)
{
	size_t at = 0;

	while (at < len && opt[at] != 0) {
		if (opt[at] == 1) {
			at++;
			continue;
		}
		if (at + 1 >= len || opt[at + 1] < 2 || at + opt[at + 1] > len)
			return false;
		if (opt[at] == 2)
			s->mss = get16(opt + at + 2);
		else if (opt[at] == 3)
			s->scale = opt[at + 2];
		else if (opt[at] == 4)
			s->sack_permitted = true;
		else if (opt[at] == 5)
			s->sack_blocks = (opt[at + 1] - 2U) / 8;
		at += opt[at + 1];
	}
	return true;
}

static bool right_checksum(const uint8_t *tcp, size_t len, bool complete,
			   const struct packet_path *path)
{
	uint32_t pseudo = csum_pseudo(&path->src, &path->dst, TCP_PROTO, len);
	uint16_t held;

	if (complete)
		return csum_fold(csum_add(pseudo, tcp, len)) == 0;
	memcpy(&held, tcp + 16, 2);
	return (uint16_t)(held ^ csum_fold(pseudo)) == 0xffff;
}

bool segment_parse(const uint8_t *packet, size_t len, bool complete, struct packet_path *ret_path,
		   struct segment *ret_segment)
{
	size_t ip = parse_ip(packet, len, ret_path);
	const uint8_t *tcp = packet + ip;
	size_t header;

	if (!ip || len < ip + TCP_BYTES)
		return false;
	header = (size_t)(tcp[12] >> 4) * 4;
	if (header < TCP_BYTES || ip + header > len)
		return false;
	memcpy(&ret_path->sport, tcp, 2);
	memcpy(&ret_path->dport, tcp + 2, 2);
	*ret_segment = (struct segment){
		.flags = tcp[13],
		.seq = get32(tcp + 4),
		.ack = get32(tcp + 8),
		.window = get16(tcp + 14),
		.urgent = get16(tcp + 18),
		.payload = tcp + header,
		.len = len - ip - header,
		.scale = -1,
	};
	return parse_options(tcp + TCP_BYTES, header - TCP_BYTES, ret_segment) &&
	       right_checksum(tcp, len - ip, complete, ret_path);
}
