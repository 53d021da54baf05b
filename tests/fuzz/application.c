// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Applications: what comes to a worker from its TUN, and what it writes there. They know TCP
 * as well as they need to be believed, and break its rules when the input says so.
 *
 * Checked of what is written: it parses, its checksums are right or left to the device as
 * they should be, it fits the MTU or says how it is to be cut, and its payload is upstream's
 * at that place and no more than upstream gave.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "netdev/fragment.h"
#include "tests/fuzz/world.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_BYTES 20
#define TCP_CSUM_AT 16
#define UDP_BYTES 8
#define UDP_CSUM_AT 6
#define ICMP_CSUM_AT 2
#define ICMP_ID 7000
#define PIECES 4
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct app apps[APPS];
bool apps_wild;

static const struct addr app4 = { { [10] = 0xff, 0xff, 10, 0, 0, 2 } };
static const struct addr peer4 = { { [10] = 0xff, 0xff, 192, 0, 2, 1 } };
static const struct addr stack4 = { { [10] = 0xff, 0xff, 10, 0, 0, 1 } };
static const struct addr app6 = { { 0xfd, 0x68, 0x65, 0x61, 0x64, 0x72, 0x61, 0x63, [15] = 2 } };
static const struct addr peer6 = { { 0x20, 1, 0x0d, 0xb8, [15] = 1 } };
static const struct addr stack6 = { { 0xfd, 0x68, 0x65, 0x61, 0x64, 0x72, 0x61, 0x63, [15] = 1 } };

/* A datagram in pieces: those of the plan are still to be sent. */
static struct {
	struct packet_path path;
	uint8_t proto;
	uint32_t id;
	size_t len;
	struct {
		uint32_t at, len;
		bool more;
	} piece[PIECES];
	unsigned int next, count;
	uint8_t data[65536];
} cut;

/* The packet being made. */
struct making {
	uint8_t *packet;
	bool offload;
	struct virtio_net_hdr *header;
};

static void put32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, sizeof(v));
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void apps_reset(void)
{
	memset(apps, 0, sizeof(apps));
	apps_wild = false;
	cut.count = cut.next = 0;
	for (unsigned int i = 0; i < APPS; i++) {
		bool v4 = i < APPS_V4 || i == APPS - 1;

		apps[i].salt = i * 8191;
		apps[i].path = (struct packet_path){
			.src = v4 ? app4 : app6,
			.dst = v4 ? peer4 : peer6,
			.sport = htons((uint16_t)(APP_PORT + i)),
			.dport = htons((uint16_t)(i == APPS - 1 ? DNS_PORT : PEER_PORT + i)),
		};
	}
}

struct app *app_of_port(uint16_t port)
{
	for (unsigned int i = 0; i < APPS; i++) {
		if (ntohs(apps[i].path.dport) == port)
			return &apps[i];
	}
	return NULL;
}

void app_dialled(struct app *a, uint32_t isn)
{
	a->isn = a->dialled_isn = isn;
	a->next = a->acked = a->top = isn + 1;
	a->greeted = a->answered = false;
	a->fin_count = 0;
	a->down_read = 0;
	a->down_end = a->up_end = false;
}

/* --- packets ---------------------------------------------------------------------------- */

/* The checksum, complete or as the kernel leaves it to a device that sums. */
static void finish_checksum(struct making *m, const struct packet_path *path, uint8_t proto,
			    size_t l4_len, size_t csum_at)
{
	size_t at = packet_ip_bytes(path);
	uint8_t *l4 = m->packet + at;
	uint32_t sum = proto == IPPROTO_ICMP ? 0 :
					       csum_pseudo(&path->src, &path->dst, proto, l4_len);
	uint16_t field;

	memset(l4 + csum_at, 0, 2);
	if (m->offload && proto != IPPROTO_ICMP) {
		m->header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		m->header->csum_start = (uint16_t)at;
		m->header->csum_offset = (uint16_t)csum_at;
		field = (uint16_t)~csum_fold(sum);
	} else {
		field = csum_fold(csum_add(sum, l4, l4_len));
		if (!field && proto == IPPROTO_UDP)
			field = 0xffff;
	}
	memcpy(l4 + csum_at, &field, sizeof(field));
}

static void finish_gso(struct making *m, uint8_t type, size_t headers, size_t len, size_t segment)
{
	if (!m->offload || len <= segment)
		return;
	m->header->gso_type = type;
	m->header->gso_size = (uint16_t)segment;
	m->header->hdr_len = (uint16_t)headers;
}

/* Options are there already, behind the header. */
static size_t finish_tcp(struct making *m, struct app *a, uint8_t flags, uint32_t seq, uint32_t ack,
			 uint16_t window, size_t options, size_t len)
{
	size_t at = packet_ip_header(m->packet, &a->path, IPPROTO_TCP, TCP_BYTES + options + len);
	size_t headers = at + TCP_BYTES + options;
	uint8_t *tcp = m->packet + at;

	/* a SYN's number is of another connection, and bytes that come with it are not taken */
	if (!(flags & TCP_SYN) && (int32_t)(seq + (uint32_t)len - a->top) > 0)
		a->top = seq + (uint32_t)len;
	/* what it says it has it will not be sent again */
	if ((flags & TCP_ACK) && (int32_t)(ack - a->got) > 0 && (int32_t)(a->told - ack) >= 0)
		a->got = ack;
	memset(tcp, 0, TCP_BYTES);
	memcpy(tcp, &a->path.sport, 2);
	memcpy(tcp + 2, &a->path.dport, 2);
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = (uint8_t)((TCP_BYTES + options) / 4 << 4);
	tcp[13] = flags;
	put16(tcp + 14, window);
	memcpy(m->packet + headers, app_bytes_up(a, seq + !!(flags & TCP_SYN)), len);
	finish_checksum(m, &a->path, IPPROTO_TCP, TCP_BYTES + options + len, TCP_CSUM_AT);
	finish_gso(m,
		   addr_is_v4(&a->path.dst) ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
		   headers, len, 1400);
	return headers + len;
}

static uint8_t *tcp_options_at(const struct making *m, const struct app *a)
{
	return m->packet + packet_ip_bytes(&a->path) + TCP_BYTES;
}

static size_t put_options(struct making *m, const struct app *a, struct input *in)
{
	static const uint8_t usual[12] = { 2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 1, 1 };
	uint8_t *to = tcp_options_at(m, a);
	uint32_t what = next8(in), len;

	if (what < 160) {
		memcpy(to, usual, sizeof(usual));
		return sizeof(usual);
	}
	if (what < 200) {
		memcpy(to, usual, 4);
		return 4;
	}
	len = what % 11 * 4;
	for (uint32_t i = 0; i < len; i++)
		to[i] = (uint8_t)next8(in);
	return len;
}

static bool has_fin(const struct app *a, uint32_t seq)
{
	for (unsigned int i = 0; i < a->fin_count && i < APP_FINS; i++) {
		if (a->fins[i] == seq)
			return true;
	}
	return false;
}

static void note_fin(struct app *a, uint32_t seq)
{
	if (has_fin(a, seq))
		return;
	if (a->fin_count < APP_FINS)
		a->fins[a->fin_count] = seq;
	a->fin_count++;
}

static size_t make_syn(struct making *m, struct app *a, struct input *in, uint32_t isn)
{
	size_t options = put_options(m, a, in);

	a->isn = isn;
	return finish_tcp(m, a, TCP_SYN, isn, 0, (uint16_t)next16(in), options, 0);
}

static size_t make_data(struct making *m, struct app *a, struct input *in, bool fin)
{
	uint32_t seq = a->next, len = next16(in);

	len = len & 0x8000 ? len % 60000 : len % 1461;
	a->next += len;
	if (fin) /* `next` stays where it is: it is sent again until it is taken */
		note_fin(a, seq + len);
	return finish_tcp(m, a, TCP_ACK | fin, seq, a->got, (uint16_t)next16(in), 0, len);
}

static size_t make_again(struct making *m, struct app *a, struct input *in)
{
	uint32_t len = a->next - a->acked;

	if (len > 60000)
		len = next16(in) % 60000;
	return finish_tcp(m, a, TCP_ACK, a->acked, a->got, 0xffff, 0, len);
}

static size_t make_wild(struct making *m, struct app *a, struct input *in)
{
	uint8_t flags = (uint8_t)next8(in) & 0x3f;
	uint32_t seq = a->next + (uint32_t)(int16_t)next16(in), len = next8(in);
	uint32_t ack = a->got + (len & 2 ? (uint32_t)(int16_t)next16(in) : 0);
	size_t options = len & 4 ? put_options(m, a, in) : 0;

	len = len & 1 ? len * 100 : len / 4;
	if ((flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN)
		a->isn = seq; /* whatever comes of it counts from here */
	if (flags & TCP_FIN)
		note_fin(a, seq + len + !!(flags & TCP_SYN));
	return finish_tcp(m, a, flags, seq, ack, (uint16_t)next16(in), options, len);
}

static size_t make_tcp(struct making *m, struct input *in)
{
	struct app *a = &apps[next8(in) % APPS];
	uint32_t what = next8(in);

	if (what < 48)
		return make_syn(m, a, in, next16(in) << 16 | 0xff00);
	if (what < 112)
		return make_data(m, a, in, false);
	if (what < 128)
		return make_data(m, a, in, true);
	if (what < 180)
		return finish_tcp(m, a, TCP_ACK, a->next, a->got, (uint16_t)next16(in), 0, 0);
	if (what < 190)
		return make_again(m, a, in);
	if (what < 200)
		return finish_tcp(m, a, TCP_RST | TCP_ACK, a->next, a->got, 0, 0, 0);
	return make_wild(m, a, in);
}

static struct packet_path udp_path(unsigned int i)
{
	bool v4 = i != 2;

	return (struct packet_path){
		.src = v4 ? app4 : app6,
		.dst = v4 ? peer4 : peer6,
		.sport = htons((uint16_t)(UDP_APP_PORT + i)),
		.dport = htons((uint16_t)(i == UDP_APPS - 1 ? DNS_PORT : UDP_PEER_PORT + i)),
	};
}

static size_t make_udp(struct making *m, struct input *in, size_t room)
{
	unsigned int i = next8(in) % UDP_APPS;
	uint32_t what = next8(in), len = next16(in) % (what & 1 ? 65400 : 1473);
	struct packet_path path = udp_path(i);
	size_t segment = what & 2 ? 64 + (what >> 2) * 20 : len;
	uint8_t *payload;
	size_t at;

	len = len < room ? len : (uint32_t)room;
	path.ttl = what % 13 ? 64 : what % 3;
	path.tos = what % 7 ? 0 : (uint8_t)what;
	if (!m->offload || len <= segment || len / segment > 63)
		segment = len;
	at = packet_udp_header(m->packet, &path, NULL, len);
	payload = m->packet + at;
	for (size_t k = 0; k < len; k += segment) {
		size_t n = len - k < segment ? len - k : segment;

		memcpy(payload + k, udp_bytes(i, true, n), n);
	}
	finish_checksum(m, &path, IPPROTO_UDP, UDP_BYTES + len, UDP_CSUM_AT);
	finish_gso(m, VIRTIO_NET_HDR_GSO_UDP_L4, at, len, segment);
	return at + len;
}

/* "Port unreachable" about a datagram of an application's peer. */
static size_t make_refusal(struct making *m, unsigned int i)
{
	struct packet_path path = udp_path(i), down;
	uint8_t proto = addr_is_v4(&path.dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint8_t quoted[PACKET_HEADERS_MAX];
	size_t len, at;

	down = (struct packet_path){
		.src = path.dst, .dst = path.src, .sport = path.dport, .dport = path.sport
	};
	len = packet_udp_header(quoted, &down, NULL, 10);
	at = packet_ip_header(m->packet, &path, proto, 8 + len);
	memset(m->packet + at, 0, 8);
	m->packet[at] = proto == IPPROTO_ICMP ? 3 : 1;
	m->packet[at + 1] = proto == IPPROTO_ICMP ? 3 : 4;
	memcpy(m->packet + at + 8, quoted, len);
	finish_checksum(m, &path, proto, 8 + len, ICMP_CSUM_AT);
	return at + 8 + len;
}

static size_t make_icmp(struct making *m, struct input *in, size_t room)
{
	uint32_t what = next8(in), len = next16(in);
	bool v4 = what & 1, stack = what & 2;
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct packet_path path = {
		.src = v4 ? app4 : app6,
		.dst = stack ? (v4 ? stack4 : stack6) : (v4 ? peer4 : peer6),
		.ttl = what % 13 ? 64 : what % 3,
	};
	uint8_t *icmp;
	size_t at;

	if (what > 220)
		return make_refusal(m, len % UDP_APPS);
	len = what & 4 ? len % 65400 : len % 100;
	len = len < room ? len : (uint32_t)room;
	at = packet_ip_header(m->packet, &path, proto, 8 + len);
	icmp = m->packet + at;
	icmp[0] = v4 ? 8 : 128;
	icmp[1] = what > 200;
	put16(icmp + 4, ICMP_ID + (what >> 3) % 4);
	put16(icmp + 6, what);
	memcpy(icmp + 8, pattern(what), len);
	finish_checksum(m, &path, proto, 8 + len, ICMP_CSUM_AT);
	return at + 8 + len;
}

/* Bytes as they are; whose they could be is noted. */
static size_t make_raw(struct making *m, struct input *in)
{
	uint32_t what = next8(in), len = what & 1 ? next16(in) : next8(in);
	struct packet p;
	uint16_t port;

	len = len < in->left ? len : (uint32_t)in->left;
	if (m->offload && (what & 2)) {
		uint8_t header[sizeof(*m->header)];

		for (size_t i = 0; i < sizeof(header); i++)
			header[i] = (uint8_t)next8(in);
		memcpy(m->header, header, sizeof(header));
		len = len < in->left ? len : (uint32_t)in->left;
	} else if (m->offload && (what & 4)) {
		m->header->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	memcpy(m->packet, in->at, len);
	in->at += len;
	in->left -= len;
	if (packet_parse(&p, m->packet, m->packet + len, 0))
		return len;
	port = ntohs(p.dport);
	if (p.is_fragment || (p.proto == IPPROTO_TCP && app_of_port(port)) || port == DNS_PORT ||
	    (port >= UDP_PEER_PORT && port < UDP_PEER_PORT + UDP_APPS))
		apps_wild = true;
	return len;
}

/* --- fragments -------------------------------------------------------------------------- */

static size_t piece_next(struct making *m)
{
	unsigned int i = cut.next++;
	size_t at = fragment_header(m->packet, &cut.path, cut.proto, cut.id, cut.piece[i].at,
				    cut.piece[i].len, cut.piece[i].more);

	memcpy(m->packet + at, cut.data + cut.piece[i].at, cut.piece[i].len);
	return at + cut.piece[i].len;
}

/* In which pieces and order: sometimes one is lost, comes twice or does not fit the others. */
static void cut_plan(struct input *in, uint32_t how)
{
	size_t unit = cut.len / (PIECES - 1) / 8 * 8 + 8, at = 0;

	cut.count = cut.next = 0;
	for (unsigned int i = 0; i < PIECES && at < cut.len; i++, at += unit) {
		cut.piece[i].at = (uint32_t)at;
		cut.piece[i].more = at + unit < cut.len;
		cut.piece[i].len = (uint32_t)(cut.piece[i].more ? unit : cut.len - at);
		cut.count++;
	}
	for (unsigned int i = 0; how & 1 && i < cut.count / 2; i++) {
		__typeof__(cut.piece[0]) other = cut.piece[i];

		cut.piece[i] = cut.piece[cut.count - 1 - i];
		cut.piece[cut.count - 1 - i] = other;
	}
	if (how % 7 == 6)
		cut.next = 1;
	if (how % 11 == 10)
		cut.piece[0].at += 8 * (next8(in) % 8);
	if (how % 13 == 12)
		cut.piece[0].len = cut.piece[0].len / 2 & ~7U;
	for (unsigned int i = 0; i < cut.count; i++) {
		if (cut.piece[i].at + cut.piece[i].len > sizeof(cut.data) ||
		    cut.piece[i].at + cut.piece[i].len > 65400)
			cut.count = cut.next = 0;
	}
}

/* A whole packet is made first, then its first piece. */
static size_t make_pieces(struct making *m, struct input *in)
{
	uint32_t how = next8(in), id = next8(in);
	struct making whole = { m->packet, false, m->header };
	size_t at, len;

	if (how & 2)
		len = make_icmp(&whole, in, 60000);
	else if (how & 4)
		len = make_tcp(&whole, in);
	else
		len = make_udp(&whole, in, 60000);
	at = m->packet[0] >> 4 == 4 ? 20 : 40;
	cut.proto = m->packet[at == 20 ? 9 : 6];
	cut.id = id;
	cut.path = (struct packet_path){ .ttl = 64 };
	if (at == 20) {
		cut.path.src = cut.path.dst = app4;
		memcpy(cut.path.src.b + 12, m->packet + 12, 4);
		memcpy(cut.path.dst.b + 12, m->packet + 16, 4);
	} else {
		memcpy(cut.path.src.b, m->packet + 8, 16);
		memcpy(cut.path.dst.b, m->packet + 24, 16);
	}
	cut.len = len - at;
	memcpy(cut.data, m->packet + at, cut.len);
	cut_plan(in, how >> 2);
	return apps_waiting() ? piece_next(m) : len;
}

bool apps_waiting(void)
{
	return cut.next < cut.count;
}

size_t apps_next(struct input *in, uint32_t operation, bool offload, uint8_t *packet,
		 struct virtio_net_hdr *ret_header)
{
	struct making m = { packet, offload, ret_header };
	size_t len;

	memset(ret_header, 0, sizeof(*ret_header));
	if (apps_waiting())
		return piece_next(&m);
	switch (operation) {
	case 4:
		len = make_udp(&m, in, 65400);
		break;
	case 5:
		len = make_icmp(&m, in, 65400);
		break;
	case 6:
		return make_pieces(&m, in);
	case 7:
		return make_raw(&m, in);
	default:
		len = make_tcp(&m, in);
	}
	if (!offload && len > 40 && operation < 6 && next8(in) == 0xee)
		packet[len - 1] ^= 1; /* a wrong checksum */
	return len;
}

/* In the place of a FIN a byte may have been taken, if one was ever sent there: upstream knows. */
static bool fin_taken(const struct app *a)
{
	bool ends = (int32_t)(a->top - a->acked) < 0 && has_fin(a, a->acked - 1);

	return a->up_end || ((int32_t)(a->next - a->acked) < 0 && ends);
}

uint32_t app_behind_fin(const struct app *a)
{
	return fin_taken(a) && (int32_t)(a->top - a->acked) > 0 ? a->top - a->acked : 0;
}

/* Everything that the worker has not acknowledged again, then the end of it. */
size_t apps_finish(unsigned int i, uint8_t *packet)
{
	struct virtio_net_hdr header;
	struct making m = { packet, false, &header };
	struct app *a = &apps[i];
	uint32_t len;

	if (!a->answered)
		return 0;
	/*
	 * In SYN-SENT, it says so again, and answers an ACK of the old connection, which tells
	 * where that is, by a RST (RFC 9293, 3.10.7.3).
	 */
	if (a->isn != a->dialled_isn) {
		a->resets = !a->resets;
		if (a->resets)
			return finish_tcp(&m, a, TCP_SYN, a->isn, 0, 0xffff, 0, 0);
		return finish_tcp(&m, a, TCP_RST, a->last_ack, 0, 0, 0, 0);
	}
	if (fin_taken(a))
		return finish_tcp(&m, a, TCP_ACK, a->acked + app_behind_fin(a), a->got, 0xffff, 0,
				  0);
	if ((int32_t)(a->next - a->acked) < 0)
		a->next = a->acked; /* of a wild segment */
	note_fin(a, a->next);
	len = a->next - a->acked < 30000 ? a->next - a->acked : 30000;
	return finish_tcp(&m, a, TCP_ACK | (a->acked + len == a->next ? TCP_FIN : 0), a->acked,
			  a->got, 0xffff, 0, len);
}
