// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS as no well-behaved tool does it, for the network tests.
 *
 *   dns serve ADDRESS PORT        a resolver that says what the first label asks for, until it
 *                                 is killed: nK = address 198.18.x.y of the number K; wK = the
 *                                 same, a second later; spoof = forgeries first; lower... =
 *                                 by UDP in lower case; cut = by UDP with TC, by TCP 60 KB in
 *                                 single bytes; else nothing
 *   dns many ADDRESS NUMBER       so many queries at once, all of ID 7: each its own answer?
 *   dns fragments4 SOURCE DEST    a query in two IPv4 fragments
 *   dns fragments6 SOURCE DEST    a query in two IPv6 fragments
 *   dns options6 SOURCE DEST      a query behind destination options
 *   dns halfclose ADDRESS         two queries over TCP, then a FIN, then both answers
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/net/dns_helper.h"

#define MESSAGE_MAX 65535
#define PENDING_MAX 16384
#define LATE_MS 1000
#define SOCKETS 100
#define MANY_S 8
#define BUFFER (16 << 20)

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: see the head of tests/net/dns.c\n");
	exit(2);
}

static int open_socket(const char *address, const char *port, int type, bool server)
{
	struct addrinfo hints = { .ai_socktype = type,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai;
	int size = BUFFER, one = 1, fd;

	if (getaddrinfo(address, port, &hints, &ai) != 0)
		usage();
	fd = socket(ai->ai_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	/* not of clients: the kernel would give two of them the same port */
	if (server)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (server ? bind(fd, ai->ai_addr, ai->ai_addrlen) :
		     connect(fd, ai->ai_addr, ai->ai_addrlen))
		die(address);
	freeaddrinfo(ai);
	return fd;
}

/* --- messages ------------------------------------------------------------------------------ */

static size_t write_query(uint8_t *q, unsigned int id, const char *label)
{
	static const uint8_t tail[] = "\4test\0\0\1\0\1";
	size_t len = strlen(label);

	memcpy(q, "\0\0\1\0\0\1\0\0\0\0\0\0", 12);
	put16(q, id);
	q[12] = (uint8_t)len;
	memcpy(q + 13, label, len);
	memcpy(q + 13 + len, tail, sizeof(tail) - 1);
	return 13 + len + sizeof(tail) - 1;
}

/* The first label in lower case. */
static void read_label(const uint8_t *msg, size_t len, char label[64])
{
	size_t n = len > 12 ? msg[12] : 0;

	if (n > 63 || len < 13 + n)
		n = 0;
	memcpy(label, msg + 13, n);
	label[n] = '\0';
	for (char *c = label; *c; c++)
		*c |= 0x20;
}

static void number_address(unsigned long k, uint8_t address[4])
{
	address[0] = 198; /* RFC 2544's: a public name may lead there */
	address[1] = (uint8_t)(18 | (k >> 16 & 1));
	address[2] = (uint8_t)(k >> 8);
	address[3] = (uint8_t)k;
}

/* Turns the query into an answer with one address. Queries here end with their question, or
 * with an OPT that is cut off. */
static size_t write_answer(uint8_t *msg, size_t len, unsigned long k)
{
	static const uint8_t record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4";
	size_t end = 12;

	while (end < len && msg[end])
		end += msg[end] + 1U;
	end += 5;
	memcpy(msg + 2, "\x81\x80\0\1\0\1\0\0\0\0", 10);
	memcpy(msg + end, record, sizeof(record) - 1);
	number_address(k, msg + end + sizeof(record) - 1);
	return end + sizeof(record) - 1 + 4;
}

/* --- serve --------------------------------------------------------------------------------- */

struct pending {
	uint64_t due_ms;
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len;
	uint8_t msg[512];
};

static struct pending pending[PENDING_MAX];
static unsigned int pending_first, pending_num;

static void answer_later(const uint8_t *msg, size_t len, const struct sockaddr_storage *to,
			 socklen_t to_len)
{
	struct pending *p = &pending[(pending_first + pending_num) % PENDING_MAX];

	if (pending_num == PENDING_MAX || len > sizeof(p->msg))
		return;
	pending_num++;
	p->due_ms = now_ms() + LATE_MS;
	p->to = *to;
	p->to_len = to_len;
	p->len = len;
	memcpy(p->msg, msg, len);
}

static void answer_due(int fd)
{
	while (pending_num && pending[pending_first].due_ms <= now_ms()) {
		struct pending *p = &pending[pending_first];

		(void)sendto(fd, p->msg, p->len, 0, (struct sockaddr *)&p->to, p->to_len);
		pending_first = (pending_first + 1) % PENDING_MAX;
		pending_num--;
	}
}

/* Forged in ID, QR, name, case, type and class, one at a time. */
static void forge(int fd, const uint8_t *msg, size_t len, const struct sockaddr_storage *to,
		  socklen_t to_len)
{
	static const struct {
		size_t at;
		uint8_t flip;
	} flips[] = { { 1, 1 }, { 2, 0x80 }, { 13, 1 }, { 13, 0x20 }, { 25, 1 }, { 27, 1 } };
	uint8_t forged[512];

	for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
		memcpy(forged, msg, len);
		forged[flips[i].at] ^= flips[i].flip;
		forged[len - 1] = 66; /* the address that must not be believed */
		(void)sendto(fd, forged, len, 0, (const struct sockaddr *)to, to_len);
	}
}

static void serve_datagram(int fd)
{
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	uint8_t msg[MESSAGE_MAX];
	char label[64];
	ssize_t got = recvfrom(fd, msg, 512, 0, (struct sockaddr *)&from, &from_len);
	size_t len;

	if (got < 12)
		return;
	read_label(msg, (size_t)got, label);
	len = write_answer(msg, (size_t)got, strtoul(label + 1, NULL, 10));
	if (label[0] == 'w') {
		answer_later(msg, len, &from, from_len);
		return;
	}
	if (strcmp(label, "spoof") == 0)
		forge(fd, msg, len, &from, from_len);
	else if (strncmp(label, "lower", 5) == 0)
		memcpy(msg + 13, label, strlen(label));
	else if (strcmp(label, "cut") == 0)
		msg[2] |= 2;
	else if (label[0] != 'n')
		return;
	(void)sendto(fd, msg, len, 0, (struct sockaddr *)&from, from_len);
}

static void send_bytewise(int fd, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (send(fd, data + i, 1, MSG_NOSIGNAL) != 1)
			return;
	}
}

/* One query per connection is all that Headrace's resolver asks. */
static void serve_stream(int listener)
{
	int fd = accept(listener, NULL, NULL);
	static uint8_t msg[MESSAGE_MAX];
	uint8_t prefix[2];
	char label[64];
	ssize_t got = recv(fd, msg, 512, 0);
	size_t len;

	if (got > 14) {
		memmove(msg, msg + 2, (size_t)got - 2);
		read_label(msg, (size_t)got - 2, label);
		len = write_answer(msg, (size_t)got - 2, 1);
		if (strcmp(label, "cut") == 0) {
			/* a second record, of a type of its own, that is 60,000 bytes long */
			memcpy(msg + len, "\xc0\x0c\xff\0\0\1\0\0\0\x3c\xea\x60", 12);
			msg[7] = 2;
			len += 12 + 60000;
		}
		put16(prefix, (unsigned int)len);
		send_bytewise(fd, prefix, 2);
		send_bytewise(fd, msg, len);
	}
	close(fd);
}

static void __attribute__((noreturn)) serve(const char *address, const char *port)
{
	struct pollfd p[2] = {
		{ .fd = open_socket(address, port, SOCK_DGRAM, true), .events = POLLIN },
		{ .fd = open_socket(address, port, SOCK_STREAM, true), .events = POLLIN },
	};

	if (listen(p[1].fd, 64) < 0)
		die("listen");
	for (;;) {
		(void)poll(p, 2, pending_num ? 10 : -1);
		if (p[0].revents)
			serve_datagram(p[0].fd);
		if (p[1].revents)
			serve_stream(p[1].fd);
		answer_due(p[0].fd);
	}
}

/* --- many ---------------------------------------------------------------------------------- */

struct many {
	struct pollfd poll[SOCKETS];
	unsigned int num;
	unsigned int right;
	unsigned int wrong;
	bool *seen;
};

static void take_answer(struct many *m, unsigned int s, const uint8_t *msg, size_t len)
{
	uint8_t want[4];
	char label[64];
	unsigned long k;

	read_label(msg, len, label);
	k = strtoul(label + 1, NULL, 10);
	number_address(k, want);
	if (len < 16 || k >= m->num || k % SOCKETS != s || m->seen[k] || msg[1] != 7 ||
	    (msg[3] & 15) || memcmp(msg + len - 4, want, 4) != 0) {
		printf("socket %u: '%s', ID %u, RCODE %u%s\n", s, label, msg[1], msg[3] & 15U,
		       k < m->num && m->seen[k] ? ", answered before" : "");
		m->wrong++;
		return;
	}
	m->seen[k] = true;
	m->right++;
}

static int many(const char *address, unsigned int num)
{
	struct many m = { .num = num, .seen = calloc(num, sizeof(bool)) };
	uint64_t end = now_ms() + MANY_S * 1000;
	uint8_t msg[512];
	char label[64];
	ssize_t got;

	if (!m.seen)
		die("memory");
	for (unsigned int i = 0; i < SOCKETS; i++) {
		m.poll[i].fd = open_socket(address, "53", SOCK_DGRAM, false);
		m.poll[i].events = POLLIN;
	}
	for (unsigned int k = 0; k < num; k++) {
		snprintf(label, sizeof(label), "w%u", k);
		(void)send(m.poll[k % SOCKETS].fd, msg, write_query(msg, 7, label), 0);
	}
	while (m.right + m.wrong < num && now_ms() < end) {
		(void)poll(m.poll, SOCKETS, 100);
		for (unsigned int i = 0; i < SOCKETS; i++) {
			while ((got = recv(m.poll[i].fd, msg, sizeof(msg), MSG_DONTWAIT)) > 0)
				take_answer(&m, i, msg, (size_t)got);
		}
	}
	printf("%u asked, %u right, %u wrong\n", num, m.right, m.wrong);
	free(m.seen);
	return m.right == num ? 0 : 1;
}

/* --- raw packets --------------------------------------------------------------------------- */

static uint32_t sum(uint32_t s, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len % 2)
		s += (uint32_t)p[len - 1] << 8;
	return s;
}

/* UDP header and query in `udp`; `addresses` are source and destination. */
static size_t write_udp(uint8_t *udp, const uint8_t *addresses, size_t addresses_len,
			unsigned int port, const char *label)
{
	size_t len = 8 + write_query(udp + 8, 9, label);
	uint32_t s;

	put16(udp, port);
	put16(udp + 2, 53);
	put16(udp + 4, (unsigned int)len);
	put16(udp + 6, 0);
	s = sum(sum((uint32_t)len + 17, addresses, addresses_len), udp, len);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	put16(udp + 6, ~s & 0xffff ? ~s & 0xffff : 0xffff);
	return len;
}

struct raw {
	bool v6;
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	uint8_t addresses[32]; /* source, destination */
	size_t bytes; /* of one address */
};

static void raw_open(struct raw *r, const char *source, const char *dest)
{
	int family = r->v6 ? AF_INET6 : AF_INET;

	r->bytes = r->v6 ? 16 : 4;
	r->fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (r->fd < 0)
		die("raw socket");
	if (inet_pton(family, source, r->addresses) != 1 ||
	    inet_pton(family, dest, r->addresses + r->bytes) != 1)
		usage();
	r->to.ss_family = (sa_family_t)family;
	r->to_len = r->v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (r->v6)
		memcpy(&((struct sockaddr_in6 *)&r->to)->sin6_addr, r->addresses + 16, 16);
	else
		memcpy(&((struct sockaddr_in *)&r->to)->sin_addr, r->addresses + 4, 4);
}

static void raw_send(const struct raw *r, uint8_t *packet, size_t len)
{
	if (sendto(r->fd, packet, len, 0, (const struct sockaddr *)&r->to, r->to_len) < 0)
		die("sendto");
}

static void send_v4(const struct raw *r, unsigned int offset, bool more, const uint8_t *data,
		    size_t len)
{
	uint8_t packet[1024] = { 0x45 };

	put16(packet + 2, (unsigned int)(20 + len));
	put16(packet + 4, 4711);
	put16(packet + 6, offset / 8 | (more ? 0x2000 : 0));
	packet[8] = 64;
	packet[9] = 17;
	memcpy(packet + 12, r->addresses, 8);
	memcpy(packet + 20, data, len);
	raw_send(r, packet, 20 + len);
}

/* With an extension header of 8 bytes of type `next`. */
static void send_v6(const struct raw *r, uint8_t next, const uint8_t extension[8],
		    const uint8_t *data, size_t len)
{
	uint8_t packet[1024] = { 0x60 };

	put16(packet + 4, (unsigned int)(8 + len));
	packet[6] = next;
	packet[7] = 64;
	memcpy(packet + 8, r->addresses, 32);
	memcpy(packet + 40, extension, 8);
	memcpy(packet + 48, data, len);
	raw_send(r, packet, 48 + len);
}

static void send_fragments6(const struct raw *r, const uint8_t *udp, size_t len)
{
	static const uint8_t first[8] = { 17, 0, 0, 1, 0, 0, 0, 7 };
	static const uint8_t last[8] = { 17, 0, 0, 16, 0, 0, 0, 7 };

	send_v6(r, 44, first, udp, 16);
	send_v6(r, 44, last, udp + 16, len - 16);
}

static int odd_packets(const char *how, const char *source, const char *dest)
{
	static const uint8_t options[8] = { 17, 0, 1, 4 };
	struct raw r = { .v6 = how[strlen(how) - 1] == '6' };
	struct timeval limit = { .tv_sec = 3 };
	uint8_t udp[512], answer[512], want[4];
	struct sockaddr_storage own;
	socklen_t own_len = sizeof(own);
	int fd = open_socket(source, "0", SOCK_DGRAM, true);
	size_t len;
	ssize_t got;

	raw_open(&r, source, dest);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (getsockname(fd, (struct sockaddr *)&own, &own_len) < 0)
		die("getsockname");
	/* the port lies at the same place in both families */
	len = write_udp(udp, r.addresses, 2 * r.bytes,
			ntohs(((struct sockaddr_in *)&own)->sin_port), "n4711");
	if (strcmp(how, "fragments4") == 0) {
		send_v4(&r, 0, true, udp, 16);
		send_v4(&r, 16, false, udp + 16, len - 16);
	} else if (strcmp(how, "fragments6") == 0) {
		send_fragments6(&r, udp, len);
	} else {
		send_v6(&r, 60, options, udp, len);
	}
	got = recv(fd, answer, sizeof(answer), 0);
	if (got < 16)
		die("no answer");
	number_address(4711, want);
	return memcmp(answer + got - 4, want, 4) == 0 ? 0 : 1;
}

/* --- halfclose ----------------------------------------------------------------------------- */

static int halfclose(const char *address)
{
	struct timeval limit = { .tv_sec = 4 };
	int fd = open_socket(address, "53", SOCK_STREAM, false);
	uint8_t out[512], in[1024];
	size_t len, total = 0;
	ssize_t got;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	len = write_query(out + 2, 1, "w1");
	put16(out, (unsigned int)len);
	(void)send(fd, out, len + 2, MSG_NOSIGNAL);
	len = write_query(out + 2, 2, "w2");
	put16(out, (unsigned int)len);
	(void)send(fd, out, len + 2, MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	while ((got = recv(fd, in + total, sizeof(in) - total, 0)) > 0)
		total += (size_t)got;
	printf("%zu bytes, then %s\n", total, got ? strerror(errno) : "the end");
	return got == 0 && total == 2 * (2 + len + 16) ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (strcmp(what, "serve") == 0 && argc == 4)
		serve(argv[2], argv[3]);
	if (strcmp(what, "many") == 0 && argc == 4)
		return many(argv[2], (unsigned int)strtoul(argv[3], NULL, 10));
	if (strcmp(what, "halfclose") == 0 && argc == 3)
		return halfclose(argv[2]);
	if (argc == 4)
		return odd_packets(what, argv[2], argv[3]);
	usage();
}
