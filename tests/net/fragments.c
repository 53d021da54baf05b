// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Fragments of UDP datagrams as no honest kernel cuts them, put onto a device as they are
 * (AF_PACKET), and whether an echo server at the other end answers.
 *
 *   fragments DEVICE SOURCE DESTINATION PORT CASE [NUMBER]
 *
 * SOURCE is an address of this host. Prints "answered" if the datagram came back as it was,
 * "changed" if it came back otherwise, "silent" if nothing came within the time. CASE:
 *
 *   order          in order                     | answered
 *   last-first     the last one first           | answered
 *   tiny           8 bytes each                 | answered
 *   atomic         one fragment, all of it      | answered (RFC 6946; IPv4: a plain packet)
 *   overlap-later  a part again, other bytes    | silent (RFC 5722)
 *   overlap-first  the other bytes come first   | silent
 *   overlap-head   the header again, other port | silent
 *   beyond         two that end behind 65,535   | answered, without them
 *   longer         a last fragment, then more   | silent
 *   odd            7 bytes and more to come     | silent
 *   nested         a fragment of fragments      | silent
 *   never          NUMBER datagrams, one fragment of each | silent
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/raw.h"

#define PAYLOAD 1600 /* IP payload of the datagram: UDP header and data */
#define UDP_BYTES 8
#define SOURCE_PORT 4321
#define SILENCE_MS 400
#define ANSWER_MS 5000
#define MORE 1

static struct raw raw;
static int echo = -1, family;
static uint8_t saddr[16], daddr[16];
static size_t addr_bytes;
static uint8_t datagram[PAYLOAD]; /* as it should arrive */
static uint32_t id;
static uint8_t next_header = IPPROTO_UDP;

static size_t head4(uint8_t *p, size_t offset, size_t len, int flags)
{
	raw_put16(p, 0x4500);
	raw_put16(p + 2, (uint32_t)(20 + len));
	raw_put16(p + 4, id);
	raw_put16(p + 6, (uint32_t)(flags & MORE ? 0x2000 : 0) | (uint32_t)(offset / 8));
	p[8] = 64;
	p[9] = next_header;
	memcpy(p + 12, saddr, 4);
	memcpy(p + 16, daddr, 4);
	raw_put16(p + 10, raw_checksum(raw_sum(0, p, 20)));
	return 20;
}

static size_t head6(uint8_t *p, size_t offset, size_t len, int flags)
{
	raw_put16(p, 0x6000);
	raw_put16(p + 4, (uint32_t)(8 + len));
	p[6] = IPPROTO_FRAGMENT;
	p[7] = 64;
	memcpy(p + 8, saddr, 16);
	memcpy(p + 24, daddr, 16);
	p[40] = next_header;
	raw_put16(p + 42, (uint32_t)(offset & 0xfff8) | (flags & MORE));
	raw_put16(p + 44, id >> 16);
	raw_put16(p + 46, id);
	return 48;
}

/* `len` bytes of `data` that claim to be at `offset`. */
static void fragment(size_t offset, const uint8_t *data, size_t len, int flags)
{
	uint8_t packet[2048] = { 0 };
	size_t head = family == AF_INET ? head4(packet, offset, len, flags) :
					  head6(packet, offset, len, flags);

	memcpy(packet + head, data, len);
	raw_put_valid(&raw, packet, head + len);
}

/* A part of the datagram; what ends it is the last one. */
static void part(size_t from, size_t to)
{
	fragment(from, datagram + from, to - from, to < PAYLOAD ? MORE : 0);
}

static void case_order(void)
{
	part(0, 800);
	part(800, PAYLOAD);
}

static void case_last_first(void)
{
	part(1200, PAYLOAD);
	part(400, 1200);
	part(0, 400);
}

static void case_tiny(void)
{
	for (size_t at = 0; at < PAYLOAD; at += 8)
		part(at, at + 8);
}

static void case_atomic(void)
{
	uint8_t small[UDP_BYTES + 64];

	/* one that fits a packet: the checksum is made anew for its length */
	memcpy(small, datagram, sizeof(small));
	raw_put16(small + 4, sizeof(small));
	raw_put16(small + 6, 0);
	raw_put16(small + 6, raw_checksum(raw_sum(raw_sum(raw_sum(IPPROTO_UDP + sizeof(small),
								  saddr, addr_bytes),
							  daddr, addr_bytes),
						  small, sizeof(small))));
	fragment(0, small, sizeof(small), 0);
}

static void other_bytes(size_t from, size_t to)
{
	uint8_t other[PAYLOAD];

	memset(other, 'x', sizeof(other));
	fragment(from, other, to - from, MORE);
}

static void case_overlap_later(void)
{
	part(0, 800);
	other_bytes(400, 1200);
	part(800, PAYLOAD);
}

static void case_overlap_first(void)
{
	other_bytes(400, 1200);
	part(0, 800);
	part(800, PAYLOAD);
}

static void case_overlap_head(void)
{
	uint8_t head[64];

	memcpy(head, datagram, sizeof(head));
	raw_put16(head + 2, 9);
	part(0, 800);
	fragment(0, head, sizeof(head), MORE);
	part(800, PAYLOAD);
}

static void case_beyond(void)
{
	part(0, 800);
	fragment(65528, datagram, 100, 0);
	fragment(65528, datagram, 96, MORE);
	part(800, PAYLOAD);
}

static void case_longer(void)
{
	part(800, PAYLOAD);
	fragment(PAYLOAD, datagram, 800, MORE);
	part(0, 800);
}

static void case_odd(void)
{
	fragment(0, datagram, 799, MORE);
	part(800, PAYLOAD);
}

/* What the fragments make is itself a first fragment (IPv6), or claims to be IP (IPv4). */
static void case_nested(void)
{
	uint8_t inner[PAYLOAD] = { IPPROTO_UDP };

	raw_put16(inner + 2, MORE);
	memcpy(inner + 8, datagram, PAYLOAD - 8);
	next_header = family == AF_INET ? IPPROTO_IPIP : IPPROTO_FRAGMENT;
	fragment(0, inner, 800, MORE);
	fragment(800, inner + 800, PAYLOAD - 800, 0);
}

static void case_never(unsigned long number)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	for (unsigned long i = 0; i < number; i++) {
		id++;
		part(i % 2 ? 0 : 800, i % 2 ? 800 : 1592);
		if (i % 20 == 19)
			nanosleep(&pause, NULL);
	}
}

static const struct {
	const char *name;
	void (*put)(void);
	int wait_ms;
} cases[] = {
	{ "order", case_order, ANSWER_MS },
	{ "last-first", case_last_first, ANSWER_MS },
	{ "tiny", case_tiny, ANSWER_MS },
	{ "atomic", case_atomic, ANSWER_MS },
	{ "overlap-later", case_overlap_later, SILENCE_MS },
	{ "overlap-first", case_overlap_first, SILENCE_MS },
	{ "overlap-head", case_overlap_head, SILENCE_MS },
	{ "beyond", case_beyond, ANSWER_MS },
	{ "longer", case_longer, SILENCE_MS },
	{ "odd", case_odd, SILENCE_MS },
	{ "nested", case_nested, SILENCE_MS },
};

/* The datagram, and the socket that its answer comes to. */
static void prepare(const char *source, const char *destination, unsigned int port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(SOURCE_PORT) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(SOURCE_PORT) };

	family = strchr(source, ':') ? AF_INET6 : AF_INET;
	addr_bytes = family == AF_INET ? 4 : 16;
	if (inet_pton(family, source, saddr) != 1 || inet_pton(family, destination, daddr) != 1) {
		fprintf(stderr, "fragments: no address\n");
		exit(2);
	}
	memcpy(&a4.sin_addr, saddr, 4);
	memcpy(&a6.sin6_addr, saddr, 16);
	echo = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(echo, family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
		 family == AF_INET ? sizeof(a4) : sizeof(a6))) {
		perror("fragments: bind");
		exit(1);
	}
	for (size_t i = UDP_BYTES; i < PAYLOAD; i++)
		datagram[i] = (uint8_t)(i * 7 + i / 256);
	raw_put16(datagram, SOURCE_PORT);
	raw_put16(datagram + 2, port);
	raw_put16(datagram + 4, PAYLOAD);
	raw_put16(datagram + 6, 0);
	raw_put16(datagram + 6,
		  raw_checksum(raw_sum(raw_sum(raw_sum(IPPROTO_UDP + PAYLOAD, saddr, addr_bytes),
					       daddr, addr_bytes),
				       datagram, PAYLOAD)));
}

static const char *answer(int wait_ms)
{
	struct pollfd p = { .fd = echo, .events = POLLIN };
	uint8_t buf[PAYLOAD];
	ssize_t n;

	if (poll(&p, 1, wait_ms) <= 0)
		return "silent";
	n = recv(echo, buf, sizeof(buf), MSG_TRUNC);
	if (n <= 0 || n > PAYLOAD - UDP_BYTES)
		return "changed";
	return memcmp(buf, datagram + UDP_BYTES, (size_t)n) != 0 ? "changed" : "answered";
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: fragments DEVICE SOURCE DESTINATION PORT CASE [NUMBER]\n");
		return 2;
	}
	raw = raw_open(argv[1]);
	if (getrandom(&id, sizeof(id), 0) != sizeof(id)) {
		perror("fragments");
		return 1;
	}
	prepare(argv[2], argv[3], (unsigned int)strtoul(argv[4], NULL, 10));
	if (!strcmp(argv[5], "never")) {
		case_never(argc > 6 ? strtoul(argv[6], NULL, 10) : 1);
		puts(answer(SILENCE_MS));
		return 0;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[5], cases[i].name) != 0)
			continue;
		cases[i].put();
		puts(answer(cases[i].wait_ms));
		return 0;
	}
	fprintf(stderr, "fragments: no case %s\n", argv[5]);
	return 2;
}
