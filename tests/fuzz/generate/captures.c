// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Makes inputs of fuzz_packet, fuzz_vnet, fuzz_reassembly and fuzz_worker of captures, the
 * hostile ones that other programs are tested with:
 *
 *   captures OUTPUT CAPTURE...     (pcap and pcapng; make fuzz runs it)
 *
 * OUTPUT/packet and OUTPUT/vnet get a file per packet, the other two a file per part of a
 * capture, whose packets belong together. For the worker there is each part twice: as it is,
 * and as if an application sent it, with peers that answer. Frames that hold no IP are left
 * out, and so are link types that are not known here.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CAPTURE_MAX (64 << 20)
#define LINKS_MAX 16 /* interfaces of a pcapng file */
#define PART_PACKETS 32
#define PART_BYTES 32768

#define PCAP_MAGIC 0xa1b2c3d4U
#define PCAP_MAGIC_NS 0xa1b23c4dU
#define PCAP_HEADER 24
#define PCAP_RECORD 16
#define PCAPNG_SECTION 0x0a0d0d0aU
#define PCAPNG_ORDER 0x1a2b3c4dU
#define PCAPNG_INTERFACE 1
#define PCAPNG_SIMPLE 3
#define PCAPNG_ENHANCED 6

/* Link types (the registry of pcap's). */
#define LINK_NULL 0
#define LINK_ETHERNET 1
#define LINK_RAW_BSD 12
#define LINK_RAW_OPENBSD 14
#define LINK_RAW 101
#define LINK_LOOP 108
#define LINK_LINUX_SLL 113
#define LINK_IPV4 228
#define LINK_IPV6 229
#define LINK_LINUX_SLL2 276

#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_IP6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8

/* Records of fuzz_reassembly and operations of fuzz_worker. */
#define REASSEMBLY_RAW 0x20
#define WORKER_RAW 7
#define WORKER_ACT_TCP 9
#define WORKER_ACT_UDP 12
#define RAW_LONG 1 /* its length is a number of 16 bits */
#define RAW_TRUSTED 4 /* its checksum counts as checked */

struct span {
	const uint8_t *at;
	size_t left;
};

/* A capture being read. */
struct capture {
	const char *directory; /* of the output */
	char name[128]; /* of the files */
	bool swapped; /* its numbers are not in our byte order */
	uint32_t links[LINKS_MAX];
	unsigned int link_count;
	unsigned int packets;
	struct {
		uint8_t bytes[PART_BYTES];
		size_t len;
	} reassembly, plain, sent;
	unsigned int part, part_packets;
};

static unsigned int captures, packets, unknown_links;

static void fail(const char *what)
{
	fprintf(stderr, "captures: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static uint32_t get32(const struct capture *c, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct capture *c, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap16(v) : v;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- writing ---------------------------------------------------------------------------- */

static void write_input(const struct capture *c, const char *target, unsigned int number,
			const uint8_t *head, size_t head_len, const uint8_t *data, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s-%u", c->directory, target, c->name, number);
	f = fopen(path, "we");
	if (!f || fwrite(head, 1, head_len, f) != head_len || fwrite(data, 1, len, f) != len ||
	    fclose(f))
		fail(path);
}

/* What has come together of a part. Both of the worker's begin with a full virtio_net_hdr. */
static void write_part(struct capture *c)
{
	static const uint8_t how[2] = { 0, 0 };

	if (c->part_packets > 0) {
		write_input(c, "reassembly", c->part, how, 0, c->reassembly.bytes,
			    c->reassembly.len);
		write_input(c, "worker", 2 * c->part, how, sizeof(how), c->plain.bytes,
			    c->plain.len);
		write_input(c, "worker", 2 * c->part + 1, how, sizeof(how), c->sent.bytes,
			    c->sent.len);
		c->part++;
	}
	c->part_packets = 0;
	c->reassembly.len = c->plain.len = c->sent.len = 0;
}

static size_t put_raw(uint8_t *to, uint8_t how, const uint8_t *packet, size_t len)
{
	to[0] = WORKER_RAW;
	to[1] = how;
	to[2] = (uint8_t)(len >> 8);
	to[3] = (uint8_t)len;
	memcpy(to + 4, packet, len);
	return 4 + len;
}

/* From an application's address (10.0.0.2, or 2 of the prefix), by a sum that is right. */
static void send_it(uint8_t *p, size_t len)
{
	static const uint8_t from4[4] = { 10, 0, 0, 2 };
	static const uint8_t from6[16] = {
		0xfd, 0x68, 0x65, 0x61, 0x64, 0x72, 0x61, 0x63, [15] = 2
	};
	size_t header = 4 * (p[0] & 0xf);
	uint32_t sum = 0;

	if (p[0] >> 4 == 6 && len >= 40)
		memcpy(p + 8, from6, sizeof(from6));
	if (p[0] >> 4 != 4 || header < 20 || len < header)
		return;
	memcpy(p + 12, from4, sizeof(from4));
	p[10] = p[11] = 0;
	for (size_t i = 0; i < header; i += 2)
		sum += be16(p + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	p[10] = (uint8_t)(sum >> 8);
	p[11] = (uint8_t)sum;
}

/* The first peer of each kind: accepts, takes and gives, and sends a datagram. */
static size_t put_answer(uint8_t *to)
{
	static const uint8_t answer[] = { WORKER_ACT_TCP, 0, 0, 0x20, 0, WORKER_ACT_TCP, 0, 0, 1, 0,
					  WORKER_ACT_UDP, 0, 0, 0,    64 };

	memcpy(to, answer, sizeof(answer));
	return sizeof(answer);
}

static void take_packet(struct capture *c, const uint8_t *packet, size_t len)
{
	static const uint8_t settings[1] = { 32 }, no_header[1] = { 0 }; /* 32: any source */
	uint8_t record[5] = { REASSEMBLY_RAW, (uint8_t)(len >> 8), (uint8_t)len };
	uint8_t *sent;

	if (len == 0 || len > PART_BYTES - 64)
		return;
	write_input(c, "packet", c->packets, settings, sizeof(settings), packet, len);
	write_input(c, "vnet", c->packets, no_header, sizeof(no_header), packet, len);
	c->packets++;
	packets++;
	if (c->part_packets == PART_PACKETS || c->sent.len + len + 64 > PART_BYTES)
		write_part(c);
	c->part_packets++;
	memcpy(c->reassembly.bytes + c->reassembly.len, record, sizeof(record));
	memcpy(c->reassembly.bytes + c->reassembly.len + sizeof(record), packet, len);
	c->reassembly.len += sizeof(record) + len;
	c->plain.len += put_raw(c->plain.bytes + c->plain.len, RAW_LONG, packet, len);
	sent = c->sent.bytes + c->sent.len;
	c->sent.len += put_raw(sent, RAW_LONG | RAW_TRUSTED, packet, len);
	send_it(sent + 4, len);
	c->sent.len += put_answer(c->sent.bytes + c->sent.len);
}

/* --- frames ----------------------------------------------------------------------------- */

static bool is_ip(uint16_t ethertype)
{
	return ethertype == ETHERTYPE_IP4 || ethertype == ETHERTYPE_IP6;
}

/* Where the IP header is, 0 = it holds none; -1: no such link type. */
static int ip_offset(uint32_t link, const uint8_t *frame, size_t len)
{
	size_t at = 12;

	switch (link) {
	case LINK_ETHERNET:
		while (at + 4 <= len &&
		       (be16(frame + at) == ETHERTYPE_VLAN || be16(frame + at) == ETHERTYPE_QINQ))
			at += 4;
		return at + 2 < len && is_ip(be16(frame + at)) ? (int)at + 2 : 0;
	case LINK_NULL:
	case LINK_LOOP: /* the family's number differs from system to system */
		return len > 4 && (frame[4] >> 4 == 4 || frame[4] >> 4 == 6) ? 4 : 0;
	case LINK_LINUX_SLL:
		return len > 16 && is_ip(be16(frame + 14)) ? 16 : 0;
	case LINK_LINUX_SLL2:
		return len > 20 && is_ip(be16(frame)) ? 20 : 0;
	default:
		return -1;
	}
}

static void take_frame(struct capture *c, uint32_t link, const uint8_t *frame, size_t len)
{
	int at;

	if (link == LINK_RAW || link == LINK_RAW_BSD || link == LINK_RAW_OPENBSD ||
	    link == LINK_IPV4 || link == LINK_IPV6) {
		take_packet(c, frame, len);
		return;
	}
	at = ip_offset(link, frame, len);
	unknown_links += at < 0;
	if (at > 0)
		take_packet(c, frame + at, len - (size_t)at);
}

/* --- files ------------------------------------------------------------------------------ */

static void read_pcap(struct capture *c, struct span s)
{
	uint32_t link = get32(c, s.at + 20) & 0xffff; /* above it: what an FCS has */
	size_t len;

	s.at += PCAP_HEADER;
	s.left -= PCAP_HEADER;
	while (s.left >= PCAP_RECORD) {
		len = get32(c, s.at + 8);
		s.at += PCAP_RECORD;
		s.left -= PCAP_RECORD;
		len = len < s.left ? len : s.left; /* what is broken is of use, too */
		take_frame(c, link, s.at, len);
		s.at += len;
		s.left -= len;
	}
}

/* Of a block that has all its fields: the frame of a packet, or an interface. */
static void take_block(struct capture *c, uint32_t type, const uint8_t *body, size_t len)
{
	uint32_t interface = 0;
	size_t at = 4, captured;

	if (type == PCAPNG_INTERFACE && len >= 8 && c->link_count < LINKS_MAX)
		c->links[c->link_count++] = get16(c, body);
	if (type == PCAPNG_ENHANCED && len >= 20) {
		interface = get32(c, body);
		captured = get32(c, body + 12);
		at = 20;
	} else if (type == PCAPNG_SIMPLE && len >= 4) {
		captured = get32(c, body);
	} else {
		return;
	}
	if (interface < c->link_count)
		take_frame(c, c->links[interface], body + at,
			   captured < len - at ? captured : len - at);
}

static void read_pcapng(struct capture *c, struct span s)
{
	while (s.left >= 12) {
		uint32_t type = get32(c, s.at);
		size_t len;

		if (type == PCAPNG_SECTION) { /* the same in either byte order */
			c->swapped = false;
			c->swapped = get32(c, s.at + 8) != PCAPNG_ORDER;
			c->link_count = 0;
		}
		len = get32(c, s.at + 4);
		if (len < 12 || len > s.left)
			return;
		take_block(c, type, s.at + 8, len - 12);
		s.at += len;
		s.left -= len;
	}
}

static void read_any(struct capture *c, struct span s)
{
	uint32_t magic;

	if (s.left < PCAP_HEADER)
		return;
	memcpy(&magic, s.at, sizeof(magic));
	if (magic == PCAPNG_SECTION) {
		read_pcapng(c, s);
		return;
	}
	c->swapped = magic != PCAP_MAGIC && magic != PCAP_MAGIC_NS;
	magic = get32(c, s.at);
	if (magic == PCAP_MAGIC || magic == PCAP_MAGIC_NS)
		read_pcap(c, s);
}

static void read_capture(const char *directory, const char *path)
{
	static struct capture c;
	static uint8_t bytes[CAPTURE_MAX];
	const char *slash = strrchr(path, '/');
	FILE *f = fopen(path, "re");

	if (!f)
		fail(path);
	memset(&c, 0, sizeof(c));
	c.directory = directory;
	snprintf(c.name, sizeof(c.name), "%s", slash ? slash + 1 : path);
	read_any(&c, (struct span){ bytes, fread(bytes, 1, sizeof(bytes), f) });
	write_part(&c);
	fclose(f);
	captures += c.packets > 0;
}

int main(int argc, char **argv)
{
	static const char *const targets[] = { "", "packet", "vnet", "reassembly", "worker" };
	char path[512];

	if (argc < 3) {
		fprintf(stderr, "usage: captures OUTPUT CAPTURE...\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], targets[i]);
		if (mkdir(path, 0777) && errno != EEXIST)
			fail(path);
	}
	for (int i = 2; i < argc; i++)
		read_capture(argv[1], argv[i]);
	printf("%u IP packets of %u captures (of %d), %u frames of other link types left out\n",
	       packets, captures, argc - 2, unknown_links);
	return packets > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
