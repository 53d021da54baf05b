// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Floods: packets that open something each, put onto a device as they are (AF_PACKET), from
 * random ports and, where prefixes are given, from random addresses to random addresses. The
 * random sequence is the same each time.
 *
 *   flood DEVICE syn|udp|echo|dns COUNT RATE SOURCE[/BITS] DESTINATION[/BITS] PORT
 *
 * RATE is packets per second, PORT 0 a random one, both addresses are of one family. A DNS
 * query asks for a random name below example.test. Prints how many were sent and the
 * milliseconds that it took.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/raw.h"

#define PACKET_BYTES 256
#define PAYLOAD_BYTES 64 /* of UDP and echo */
#define BURSTS_PER_SECOND 500
#define TTL 64
#define PORT_MIN 1024 /* a random one is at least this */
#define NAME_BYTES 20
#define TCP_BYTES 20
#define UDP_BYTES 8
#define ECHO_BYTES 8

static const uint8_t zone[] = "\7example\4test"; /* its NUL is the root's */

/* An address whose last 128 - bits bits are made anew for each packet; v4 is mapped. */
struct range {
	uint8_t base[16];
	unsigned int bits;
};

struct flood {
	struct raw raw;
	int family;
	const char *kind;
	struct range source, destination;
	uint16_t port; /* 0 = random */
};

static uint16_t random_port(void)
{
	return (uint16_t)(PORT_MIN + raw_random() % (65536 - PORT_MIN));
}

/* Exits where `text` is no address; returns its family. */
static int range_parse(struct range *r, char *text)
{
	char *slash = strchr(text, '/');
	unsigned long bits = 0;

	memset(r, 0, sizeof(*r));
	if (slash) {
		*slash = 0;
		bits = strtoul(slash + 1, NULL, 10);
	}
	if (inet_pton(AF_INET, text, r->base + 12) == 1) {
		memset(r->base + 10, 0xff, 2);
		r->bits = slash ? 96 + (unsigned int)bits : 128;
		return AF_INET;
	}
	if (inet_pton(AF_INET6, text, r->base) == 1) {
		r->bits = slash ? (unsigned int)bits : 128;
		return AF_INET6;
	}
	fprintf(stderr, "flood: %s is no address\n", text);
	exit(2);
}

/* One of the range, never its first or last address. */
static void range_pick(const struct range *r, uint8_t ret_addr[16])
{
	memcpy(ret_addr, r->base, 16);
	if (r->bits == 128)
		return;
	for (unsigned int i = r->bits / 8; i < 16; i++) {
		uint8_t mask = i == r->bits / 8 ? (uint8_t)(0xff >> (r->bits % 8)) : 0xff;

		ret_addr[i] = (uint8_t)((ret_addr[i] & ~mask) | (raw_random() & mask));
	}
	if (ret_addr[15] == 0 || ret_addr[15] == 0xff)
		ret_addr[15] = 1 + raw_random() % 254;
}

static size_t query_write(uint8_t *p)
{
	memset(p, 0, 12);
	raw_put16(p, raw_random());
	p[2] = 0x01; /* recursion desired */
	p[5] = 1; /* one question */
	p[12] = NAME_BYTES;
	for (int i = 0; i < NAME_BYTES; i++)
		p[13 + i] = (uint8_t)('a' + raw_random() % 26);
	memcpy(p + 13 + NAME_BYTES, zone, sizeof(zone));
	raw_put16(p + 13 + NAME_BYTES + sizeof(zone), 1); /* A */
	raw_put16(p + 15 + NAME_BYTES + sizeof(zone), 1); /* IN */
	return 17 + NAME_BYTES + sizeof(zone);
}

/* The transport header with its payload, without checksum. */
static size_t l4_write(const struct flood *f, uint8_t *p, uint8_t *ret_proto, size_t *ret_csum_at)
{
	uint16_t port = f->port ? f->port : random_port();
	size_t len = UDP_BYTES + PAYLOAD_BYTES;

	raw_put16(p, random_port());
	raw_put16(p + 2, port);
	if (!strcmp(f->kind, "syn")) {
		raw_put32(p + 4, raw_random());
		p[12] = TCP_BYTES / 4 << 4;
		p[13] = 0x02;
		raw_put16(p + 14, 65535);
		*ret_proto = IPPROTO_TCP;
		*ret_csum_at = 16;
		return TCP_BYTES;
	}
	if (!strcmp(f->kind, "echo")) {
		p[0] = f->family == AF_INET ? 8 : 128;
		p[1] = 0;
		raw_put16(p + 2, 0);
		raw_put32(p + 4, raw_random()); /* identifier and sequence number */
		*ret_proto = f->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		*ret_csum_at = 2;
		return ECHO_BYTES + PAYLOAD_BYTES;
	}
	if (!strcmp(f->kind, "dns"))
		len = UDP_BYTES + query_write(p + UDP_BYTES);
	raw_put16(p + 4, (uint32_t)len);
	*ret_proto = IPPROTO_UDP;
	*ret_csum_at = 6;
	return len;
}

static void ip4_write(uint8_t *p, const uint8_t *saddr, const uint8_t *daddr, uint8_t proto,
		      size_t len)
{
	p[0] = 0x45;
	raw_put16(p + 2, (uint32_t)(20 + len));
	p[6] = 0x40; /* DF */
	p[8] = TTL;
	p[9] = proto;
	memcpy(p + 12, saddr + 12, 4);
	memcpy(p + 16, daddr + 12, 4);
	raw_put16(p + 10, raw_checksum(raw_sum(0, p, 20)));
}

static void ip6_write(uint8_t *p, const uint8_t *saddr, const uint8_t *daddr, uint8_t proto,
		      size_t len)
{
	p[0] = 0x60;
	raw_put16(p + 4, (uint32_t)len);
	p[6] = proto;
	p[7] = TTL;
	memcpy(p + 8, saddr, 16);
	memcpy(p + 24, daddr, 16);
}

static size_t packet_write(const struct flood *f, uint8_t p[PACKET_BYTES])
{
	size_t head = f->family == AF_INET ? 20 : 40, csum_at, len;
	uint8_t saddr[16], daddr[16], proto;
	uint32_t sum = 0;

	memset(p, 0, PACKET_BYTES);
	range_pick(&f->source, saddr);
	range_pick(&f->destination, daddr);
	len = l4_write(f, p + head, &proto, &csum_at);
	if (f->family == AF_INET)
		ip4_write(p, saddr, daddr, proto, len);
	else
		ip6_write(p, saddr, daddr, proto, len);
	if (proto != IPPROTO_ICMP) /* the pseudo header; a mapped address sums up as its last 4 */
		sum = raw_sum(proto + (uint32_t)len, p + (f->family == AF_INET ? 12 : 8),
			      f->family == AF_INET ? 8 : 32);
	sum = raw_checksum(raw_sum(sum, p + head, len));
	raw_put16(p + head + csum_at, sum ? sum : 0xffff); /* 0 means none in UDP */
	return head + len;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void put(const struct flood *f)
{
	uint8_t packet[PACKET_BYTES];

	raw_put_valid(&f->raw, packet, packet_write(f, packet));
}

/* In bursts, each as large as the time since the last one asks for. */
static void run(const struct flood *f, unsigned long count, unsigned long rate)
{
	struct timespec pause = { .tv_nsec = 1000000000 / BURSTS_PER_SECOND };
	uint64_t begin = now_ns();
	unsigned long sent = 0;

	while (sent < count) {
		unsigned long due = 1 + (now_ns() - begin) / 1000 * rate / 1000000;

		for (; sent < due && sent < count; sent++)
			put(f);
		nanosleep(&pause, NULL);
	}
	printf("%lu %lu\n", sent, (unsigned long)((now_ns() - begin) / 1000000));
}

int main(int argc, char **argv)
{
	struct flood f = { .kind = argc > 2 ? argv[2] : "" };

	if (argc != 8) {
		fprintf(stderr, "usage: flood DEVICE syn|udp|echo|dns COUNT RATE SOURCE[/BITS] "
				"DESTINATION[/BITS] PORT\n");
		return 2;
	}
	f.family = range_parse(&f.source, argv[5]);
	if (range_parse(&f.destination, argv[6]) != f.family) {
		fprintf(stderr, "flood: addresses of two families\n");
		return 2;
	}
	f.port = (uint16_t)strtoul(argv[7], NULL, 10);
	f.raw = raw_open(argv[1]);
	run(&f, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	close(f.raw.sock);
	return 0;
}
