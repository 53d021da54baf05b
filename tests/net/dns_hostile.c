// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Resolvers and others that mean harm, for the network tests.
 *
 *   dns_hostile serve ADDRESS PORT     a resolver that does what the letters of the first label
 *                                      ask for; its number K is what is true: 11.x.y.z, TTL 0
 *   dns_hostile forge SOURCE DEST NUM  NUM answers from SOURCE:53 to random ports of DEST, with
 *                                      random IDs and case, for the names wait0.test..wait999.test
 *   dns_hostile ask ADDRESS NUM S      the same names over and over for S seconds, NUM at a time:
 *                                      is each answered with what is true?
 *   dns_hostile circle ADDRESS PORT FILE   a resolver that asks, in the network namespace of a
 *                                      process, the resolver there, which asks it: once FILE has
 *                                      "PID RESOLVER"
 *
 * By UDP: nK = what is true; waitK = the same, 300 ms later; floodK = 500 forgeries and no more;
 * qrK = with QR=0, with another opcode, then what is true; lateK = what is true three times, then
 * forgeries 100 ms later; shortK = cut pieces, then what is true; pointerK = a record whose name
 * points to itself; others: TC. By TCP: bytesK = 60 KB in single bytes; frameK = 64 KB of
 * nonsense; hangK = nothing, for ever; halfK = half of an answer, then nothing; closeK = closes;
 * others what is true.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/net/dns_helper.h"

#define MESSAGE_MAX 65535
#define PENDING_MAX 16384
#define NAMES 1000
#define BATCH 64
#define BUFFER (8 << 20)
#define TRUE_NET 11 /* 11.0.0.0/8: no private one, and nobody's here */
#define FORGED 66 /* last byte of every address that is not true */
#define FORGED_NUMBER 0x424242
#define KIND(label, kind) (strncmp(label, kind, sizeof(kind) - 1) == 0)

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: see the head of tests/net/dns_hostile.c\n");
	exit(2);
}

/* xorshift: fast, and good enough for an attacker. */
static uint64_t chance(void)
{
	static uint64_t x;

	while (!x) {
		if (getrandom(&x, sizeof(x), 0) != sizeof(x))
			die("getrandom");
	}
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static struct sockaddr_in endpoint(const char *address, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		usage();
	return sin;
}

static int open_socket(const struct sockaddr_in *sin, int type, bool server)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), size = BUFFER, one = 1;
	const struct sockaddr *sa = (const struct sockaddr *)sin;

	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (server)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (server ? bind(fd, sa, sizeof(*sin)) : connect(fd, sa, sizeof(*sin)))
		die("bind or connect");
	return fd;
}

/* --- messages ------------------------------------------------------------------------------ */

/* The first label in lower case; its number. */
static unsigned long read_label(const uint8_t *msg, size_t len, char label[64])
{
	size_t n = len > 12 ? msg[12] : 0;

	if (n > 63 || len < 13 + n)
		n = 0;
	memcpy(label, msg + 13, n);
	label[n] = '\0';
	for (char *c = label; *c; c++)
		*c |= 0x20;
	return strtoul(label + strcspn(label, "0123456789"), NULL, 10);
}

static size_t question_end(const uint8_t *msg, size_t len)
{
	size_t end = 12;

	while (end < len && msg[end])
		end += msg[end] + 1U;
	return end + 5;
}

static size_t add_address(uint8_t *msg, size_t at, unsigned long k)
{
	static const uint8_t record[] = "\xc0\x0c\0\1\0\1\0\0\0\0\0\4";

	memcpy(msg + at, record, sizeof(record) - 1);
	at += sizeof(record) - 1;
	msg[at] = TRUE_NET;
	msg[at + 1] = (uint8_t)(k >> 16);
	msg[at + 2] = (uint8_t)(k >> 8);
	msg[at + 3] = (uint8_t)k;
	return at + 4;
}

/* Turns the query into the true answer. */
static size_t write_answer(uint8_t *msg, size_t len, unsigned long k)
{
	size_t end = question_end(msg, len);

	memcpy(msg + 2, "\x81\x80\0\1\0\1\0\0\0\0", 10);
	return add_address(msg, end, k);
}

/* A query for KIND and number below .test. */
static size_t write_query(uint8_t *q, unsigned int id, const char *kind, unsigned long k)
{
	size_t len = (size_t)snprintf((char *)q + 13, 64, "%s%lu", kind, k);

	memcpy(q, "\0\0\1\0\0\1\0\0\0\0\0\0", 12);
	put16(q, id);
	q[12] = (uint8_t)len;
	memcpy(q + 13 + len, "\4test\0\0\1\0\1", 10);
	return 13 + len + 10;
}

/* --- serve by UDP -------------------------------------------------------------------------- */

struct peer {
	int fd;
	struct sockaddr_in to;
};

struct pending {
	uint64_t due_ms;
	struct sockaddr_in to;
	size_t len;
	uint8_t msg[512];
};

static struct pending pending[PENDING_MAX];
static unsigned int pending_first, pending_num;

static void say(const struct peer *p, const uint8_t *msg, size_t len)
{
	(void)sendto(p->fd, msg, len, 0, (const struct sockaddr *)&p->to, sizeof(p->to));
}

/* All that are late are so by the same time. */
static void say_later(const struct peer *p, const uint8_t *msg, size_t len, unsigned int ms)
{
	struct pending *later = &pending[(pending_first + pending_num) % PENDING_MAX];

	if (pending_num == PENDING_MAX || len > sizeof(later->msg))
		return;
	pending_num++;
	later->due_ms = now_ms() + ms;
	later->to = p->to;
	later->len = len;
	memcpy(later->msg, msg, len);
}

static void say_due(int fd)
{
	while (pending_num && pending[pending_first].due_ms <= now_ms()) {
		struct pending *d = &pending[pending_first];
		struct peer p = { .fd = fd, .to = d->to };

		say(&p, d->msg, d->len);
		pending_first = (pending_first + 1) % PENDING_MAX;
		pending_num--;
	}
}

/* The address that must not be believed, with one thing wrong: ID, or the case of a letter. */
static void say_forgeries(const struct peer *p, const uint8_t *answer, size_t len, unsigned int num)
{
	uint8_t forged[512];

	memcpy(forged, answer, len);
	forged[len - 1] = FORGED;
	for (unsigned int i = 0; i < num; i++) {
		memcpy(forged, answer, 14);
		if (i % 4 == 0)
			forged[13] ^= 0x20;
		else
			put16(forged, (unsigned int)(answer[0] << 8 | answer[1]) + 1 + i);
		say(p, forged, len);
	}
}

static void say_flagged(const struct peer *p, uint8_t *msg, size_t len, uint8_t flip)
{
	msg[2] ^= flip;
	msg[len - 1] ^= 0xff;
	say(p, msg, len);
	msg[2] ^= flip;
	msg[len - 1] ^= 0xff;
}

static void say_what_was_asked(const struct peer *p, uint8_t *msg, size_t len, const char *label)
{
	static const size_t pieces[] = { 0, 1, 2, 11, 12, 13, 20 };

	if (KIND(label, "qr")) {
		say_flagged(p, msg, len, 0x80);
		say_flagged(p, msg, len, 0x20);
	} else if (KIND(label, "short")) {
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
			say(p, msg, pieces[i]);
	} else if (KIND(label, "pointer")) {
		msg[len - 15] = (uint8_t)(len - 16); /* of its own place */
	} else if (!KIND(label, "n") && !KIND(label, "late")) {
		msg[2] |= 2;
	}
	say(p, msg, len);
}

static void serve_datagram(int fd)
{
	struct peer p = { .fd = fd };
	socklen_t size = sizeof(p.to);
	uint8_t msg[MESSAGE_MAX];
	char label[64];
	ssize_t got = recvfrom(fd, msg, 480, 0, (struct sockaddr *)&p.to, &size);
	unsigned long k;
	size_t len;

	if (got < 17)
		return;
	k = read_label(msg, (size_t)got, label);
	len = write_answer(msg, (size_t)got, k);
	if (KIND(label, "wait")) {
		say_later(&p, msg, len, 300);
	} else if (KIND(label, "flood")) {
		say_forgeries(&p, msg, len, 500);
	} else {
		say_what_was_asked(&p, msg, len, label);
		for (int i = 0; KIND(label, "late") && i < 4; i++) {
			if (i == 2)
				msg[len - 1] = FORGED;
			if (i < 2)
				say(&p, msg, len);
			else
				say_later(&p, msg, len, 300);
		}
	}
}

/* --- serve by TCP: a child for each connection --------------------------------------------- */

static void send_all(int fd, const uint8_t *data, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece) {
		if (send(fd, data + at, piece < len - at ? piece : len - at, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void wait_for_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	(void)poll(&p, 1, -1);
}

/* What is true, and a record of 60,000 bytes. */
static size_t add_bulk(uint8_t *msg, size_t len)
{
	memcpy(msg + len, "\xc0\x0c\xff\0\0\1\0\0\0\x3c\xea\x60", 12);
	msg[7] = 2;
	return len + 12 + 60000;
}

static void talk(int fd)
{
	static uint8_t frame[2 + MESSAGE_MAX];
	uint8_t *msg = frame + 2;
	ssize_t got = recv(fd, frame, 512, 0);
	char label[64];
	size_t len;
	unsigned long k;

	if (got < 2 + 17)
		return;
	k = read_label(msg, (size_t)got - 2, label);
	if (KIND(label, "hang")) {
		wait_for_end(fd);
		return;
	}
	if (KIND(label, "close"))
		return;
	len = write_answer(msg, (size_t)got - 2, k);
	if (KIND(label, "bytes"))
		len = add_bulk(msg, len);
	if (KIND(label, "frame")) {
		memset(msg + 2, 0xc0, MESSAGE_MAX - 2);
		len = MESSAGE_MAX;
	}
	put16(frame, (unsigned int)len);
	if (KIND(label, "half")) {
		send_all(fd, frame, 2 + len / 2, len);
		wait_for_end(fd);
	} else {
		send_all(fd, frame, 2 + len, KIND(label, "bytes") ? 1 : 2 + len);
	}
}

static void serve_stream(int listener)
{
	int fd = accept(listener, NULL, NULL), one = 1;
	pid_t parent = getpid();

	if (fd < 0)
		return;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (getppid() == parent)
			talk(fd);
		_exit(0);
	}
	close(fd);
}

static void __attribute__((noreturn)) serve(const char *address, const char *port)
{
	struct sockaddr_in sin = endpoint(address, port);
	struct pollfd p[2] = { { .fd = open_socket(&sin, SOCK_DGRAM, true), .events = POLLIN },
			       { .fd = open_socket(&sin, SOCK_STREAM, true), .events = POLLIN } };

	signal(SIGCHLD, SIG_IGN);
	if (listen(p[1].fd, 512) < 0)
		die("listen");
	for (;;) {
		(void)poll(p, 2, pending_num ? 5 : -1);
		if (p[0].revents)
			serve_datagram(p[0].fd);
		if (p[1].revents)
			serve_stream(p[1].fd);
		say_due(p[0].fd);
	}
}

/* --- forge --------------------------------------------------------------------------------- */

struct packet {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t msg[128];
};

static size_t write_forged(struct packet *p, uint32_t source, uint32_t dest)
{
	uint64_t r = chance();
	size_t len = write_query(p->msg, (unsigned int)(r & 0xffff), "wait", r >> 16 & 0x3ff);

	len = write_answer(p->msg, len, FORGED_NUMBER);
	r = chance();
	for (size_t i = 13; i < 18U + p->msg[12]; i++) {
		if (p->msg[i] >= 'a' && r >> (i - 13) & 1)
			p->msg[i] ^= 0x20;
	}
	memset(&p->ip, 0, sizeof(p->ip));
	p->ip.version = 4;
	p->ip.ihl = 5;
	p->ip.ttl = 64;
	p->ip.protocol = IPPROTO_UDP;
	p->ip.saddr = source;
	p->ip.daddr = dest;
	p->udp.source = htons(53);
	p->udp.dest = htons((uint16_t)(16384 + (r >> 40) % 49152)); /* all that are drawn from */
	p->udp.len = htons((uint16_t)(sizeof(p->udp) + len));
	p->udp.check = 0; /* none */
	return sizeof(p->ip) + sizeof(p->udp) + len;
}

static int forge(const char *source, const char *dest, unsigned long num)
{
	static struct packet packet[BATCH];
	struct sockaddr_in from = endpoint(source, "53"), to = endpoint(dest, "0");
	struct mmsghdr msg[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), sent = 0;
	unsigned long done = 0;

	if (fd < 0)
		die("raw socket");
	for (; done < num; done += (unsigned long)sent) {
		for (unsigned int i = 0; i < BATCH; i++) {
			iov[i].iov_base = &packet[i];
			iov[i].iov_len =
				write_forged(&packet[i], from.sin_addr.s_addr, to.sin_addr.s_addr);
			msg[i].msg_hdr.msg_iov = &iov[i];
			msg[i].msg_hdr.msg_iovlen = 1;
			msg[i].msg_hdr.msg_name = &to;
			msg[i].msg_hdr.msg_namelen = sizeof(to);
		}
		sent = sendmmsg(fd, msg, num - done < BATCH ? (unsigned int)(num - done) : BATCH,
				0);
		if (sent < 0 && errno != ENOBUFS)
			die("sendmmsg");
		if (sent < 0)
			sent = 0;
	}
	printf("%lu forged\n", done);
	return 0;
}

/* --- ask ----------------------------------------------------------------------------------- */

struct asked {
	unsigned long right, wrong, failed, silent;
};

static void take_answer(struct asked *a, const uint8_t *msg, size_t len, bool *waits)
{
	char label[64];
	unsigned long k = read_label(msg, len, label);
	unsigned int got;

	if (k >= NAMES || !waits[k])
		return;
	waits[k] = false;
	if (msg[3] & 15 || len < 16) {
		a->failed++;
		return;
	}
	got = (unsigned int)(msg[len - 3] << 16 | msg[len - 2] << 8 | msg[len - 1]);
	if (msg[len - 4] == TRUE_NET && got == k) {
		a->right++;
		return;
	}
	a->wrong++;
	printf("'%s' got %u.%u.%u.%u\n", label, msg[len - 4], msg[len - 3], msg[len - 2],
	       msg[len - 1]);
}

/* One round of `num` names; they may be asked for again when all are answered or 6 s are over. */
static void ask_round(struct asked *a, const struct sockaddr_in *to, unsigned int num)
{
	static bool waits[NAMES];
	struct pollfd p = { .fd = open_socket(to, SOCK_DGRAM, false), .events = POLLIN };
	uint64_t end = now_ms() + 6000;
	unsigned long before = a->right + a->wrong + a->failed;
	uint8_t msg[MESSAGE_MAX];
	ssize_t got;

	for (unsigned int k = 0; k < num; k++) {
		waits[k] = true;
		(void)send(p.fd, msg, write_query(msg, (unsigned int)chance() & 0xffff, "wait", k),
			   0);
	}
	while (a->right + a->wrong + a->failed < before + num && now_ms() < end) {
		if (poll(&p, 1, 100) <= 0)
			continue;
		while ((got = recv(p.fd, msg, sizeof(msg), MSG_DONTWAIT)) > 12)
			take_answer(a, msg, (size_t)got, waits);
	}
	a->silent += before + num - a->right - a->wrong - a->failed;
	close(p.fd);
}

/* None may be wrong; with others on the machine some may have got nothing in time. */
static int ask(const char *address, unsigned int num, unsigned int seconds)
{
	struct sockaddr_in to = endpoint(address, "53");
	uint64_t end = now_ms() + seconds * 1000ULL;
	struct asked a = { 0 };

	if (num > NAMES)
		usage();
	do {
		ask_round(&a, &to, num);
	} while (now_ms() < end);
	printf("%lu right, %lu wrong, %lu failed, %lu silent\n", a.right, a.wrong, a.failed,
	       a.silent);
	return a.wrong == 0 && a.right > 0 ? 0 : 1;
}

/* --- circle -------------------------------------------------------------------------------- */

#define CIRCLE_MAX 64

/* Waits for the file, and goes where it says. */
static struct sockaddr_in enter(const char *path)
{
	char ns_path[64], address[64] = "";
	unsigned long pid = 0;
	int ns;

	for (int i = 0; i < 500 && !address[0]; i++) {
		FILE *f = fopen(path, "re");

		if (f && fscanf(f, "%lu %63s", &pid, address) != 2)
			address[0] = '\0';
		if (f)
			fclose(f);
		(void)poll(NULL, 0, address[0] ? 0 : 10);
	}
	snprintf(ns_path, sizeof(ns_path), "/proc/%lu/ns/net", pid);
	ns = open(ns_path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(ns_path);
	return endpoint(address, "53");
}

/* Each query goes on from a socket of its own, in turn. */
static void __attribute__((noreturn))
circle(const char *address, const char *port, const char *path)
{
	struct sockaddr_in sin = endpoint(address, port), from[1 + CIRCLE_MAX], to;
	struct pollfd p[1 + CIRCLE_MAX] = { { .events = POLLIN } };
	unsigned int next = 0;
	uint8_t msg[MESSAGE_MAX];
	ssize_t got;

	p[0].fd = open_socket(&sin, SOCK_DGRAM, true);
	(void)poll(p, 1, -1);
	to = enter(path);
	for (unsigned int i = 1; i <= CIRCLE_MAX; i++)
		p[i] = (struct pollfd){ .fd = open_socket(&to, SOCK_DGRAM, false),
					.events = POLLIN };
	for (;; (void)poll(p, 1 + CIRCLE_MAX, -1)) {
		unsigned int i = 1 + next % CIRCLE_MAX;
		socklen_t size = sizeof(from[i]);

		got = recvfrom(p[0].fd, msg, sizeof(msg), MSG_DONTWAIT, (struct sockaddr *)&from[i],
			       &size);
		if (got > 0) {
			next++;
			(void)send(p[i].fd, msg, (size_t)got, 0);
		}
		for (i = 1; i <= CIRCLE_MAX; i++) {
			got = recv(p[i].fd, msg, sizeof(msg), MSG_DONTWAIT);
			if (got > 0)
				(void)sendto(p[0].fd, msg, (size_t)got, 0,
					     (struct sockaddr *)&from[i], sizeof(from[i]));
		}
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && strcmp(what, "serve") == 0)
		serve(argv[2], argv[3]);
	if (argc == 5 && strcmp(what, "forge") == 0)
		return forge(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	if (argc == 5 && strcmp(what, "ask") == 0)
		return ask(argv[2], (unsigned int)strtoul(argv[3], NULL, 10),
			   (unsigned int)strtoul(argv[4], NULL, 10));
	if (argc == 5 && strcmp(what, "circle") == 0)
		circle(argv[2], argv[3], argv[4]);
	usage();
}
