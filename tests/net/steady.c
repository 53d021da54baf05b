// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS clients that never rest, for tests in which something changes under them:
 *
 *   steady ADDRESS PORT NAME...
 *
 * CLIENTS of them ask for the A records of the names in turn over UDP, each a new question as
 * soon as it has its answer, until SIGTERM. Then a line for every different answer that came
 * ("NAME RCODE ADDRESS/TTL... COUNT", of other records TYPE/TTL), and at the end "lost N": of
 * questions that had no answer within LOST_MS.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 64
#define LOST_MS 3000
#define ANSWERS_MAX 64 /* different ones */
#define TEXT_MAX 256
#define MESSAGE_MAX 4096

struct client {
	int fd;
	unsigned int name; /* place of what is asked for */
	uint16_t id;
	uint64_t asked_ms;
};

static struct answer {
	char text[TEXT_MAX];
	unsigned long count;
} answers[ANSWERS_MAX];

static unsigned int answers_num;
static unsigned long lost;
static volatile sig_atomic_t done;
static char **names;
static unsigned int names_num;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static void stop(int signal)
{
	done = 1;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

/* A question for A records, in `msg`. Its length. */
static size_t question(uint8_t *msg, uint16_t id, const char *name)
{
	uint8_t *p = msg + 12;

	memset(msg, 0, 12);
	msg[0] = (uint8_t)(id >> 8);
	msg[1] = (uint8_t)id;
	msg[2] = 1; /* RD */
	msg[5] = 1;
	while (*name) {
		size_t len = strcspn(name, ".");

		*p++ = (uint8_t)len;
		memcpy(p, name, len);
		p += len;
		name += len + (name[len] == '.');
	}
	memcpy(p, "\0\0\1\0\1", 5); /* the root, A, IN */
	return (size_t)(p + 5 - msg);
}

static void ask(struct client *c)
{
	uint8_t msg[512];
	size_t len;

	c->name = (c->name + 1) % names_num;
	c->id++;
	c->asked_ms = now_ms();
	len = question(msg, c->id, names[c->name]);
	if (send(c->fd, msg, len, 0) < 0)
		lost++; /* an ICMP error told of the question before */
}

/* Behind the name at `p`, NULL: it is cut. */
static const uint8_t *skip_name(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p && *p < 0xc0)
		p += 1 + *p;
	if (p >= end)
		return NULL;
	p += *p ? 2 : 1;
	return p <= end ? p : NULL;
}

/* Adds a record to `text`. Behind it, NULL: it is cut. */
static const uint8_t *describe_record(const uint8_t *p, const uint8_t *end, char *text)
{
	size_t used = strlen(text);
	char address[INET_ADDRSTRLEN];
	unsigned int ttl, type;

	p = skip_name(p, end);
	if (!p || end - p < 10 || end - p - 10 < (long)get16(p + 8))
		return NULL;
	type = get16(p);
	ttl = get16(p + 4) << 16 | get16(p + 6);
	if (type == 1 && get16(p + 8) == 4)
		inet_ntop(AF_INET, p + 10, address, sizeof(address));
	else
		snprintf(address, sizeof(address), "TYPE%u", type);
	snprintf(text + used, TEXT_MAX - used, " %s/%u", address, ttl);
	return p + 10 + get16(p + 8);
}

static void describe(const uint8_t *msg, size_t len, const char *name, char *text)
{
	const uint8_t *end = msg + len, *p = skip_name(msg + 12, end);
	unsigned int records = get16(msg + 6) + get16(msg + 8);

	snprintf(text, TEXT_MAX, "%s %u", name, msg[3] & 15U);
	p = p ? p + 4 : NULL;
	while (p && p <= end && records--)
		p = describe_record(p, end, text);
	if (!p)
		strncat(text, " cut", TEXT_MAX - strlen(text) - 1);
}

static void count(const char *text)
{
	for (unsigned int i = 0; i < answers_num; i++)
		if (!strcmp(answers[i].text, text)) {
			answers[i].count++;
			return;
		}
	if (answers_num == ANSWERS_MAX)
		die("too many different answers");
	snprintf(answers[answers_num].text, TEXT_MAX, "%s", text);
	answers[answers_num++].count = 1;
}

static void take(struct client *c)
{
	uint8_t msg[MESSAGE_MAX];
	char text[TEXT_MAX];
	ssize_t len = recv(c->fd, msg, sizeof(msg), MSG_DONTWAIT);

	if (len < 12 || get16(msg) != c->id)
		return; /* late, and counted as lost; or an ICMP error */
	describe(msg, (size_t)len, names[c->name], text);
	count(text);
	if (!done)
		ask(c);
	else
		c->asked_ms = 0;
}

/* Those that wait too long ask anew. Returns how many still wait. */
static unsigned int sweep(struct client *clients)
{
	unsigned int waiting = 0;
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		if (c->asked_ms && now - c->asked_ms > LOST_MS) {
			lost++;
			c->asked_ms = 0;
			if (!done)
				ask(c);
		}
		waiting += c->asked_ms != 0;
	}
	return waiting;
}

static int connected(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *ai;
	int fd;

	if (getaddrinfo(address, port, &hints, &ai))
		die(address);
	fd = socket(ai->ai_family, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen))
		die("connect");
	freeaddrinfo(ai);
	return fd;
}

int main(int argc, char **argv)
{
	struct client clients[CLIENTS] = { 0 };
	struct pollfd polls[CLIENTS];

	if (argc < 4) {
		fprintf(stderr, "usage: see the head of tests/net/steady.c\n");
		return 2;
	}
	names = argv + 3;
	names_num = (unsigned int)argc - 3;
	signal(SIGTERM, stop);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		clients[i].fd = connected(argv[1], argv[2]);
		clients[i].name = i;
		polls[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		ask(&clients[i]);
	}
	while (sweep(clients)) {
		if (poll(polls, CLIENTS, 100) <= 0)
			continue;
		for (unsigned int i = 0; i < CLIENTS; i++)
			if (polls[i].revents)
				take(&clients[i]);
	}
	for (unsigned int i = 0; i < answers_num; i++)
		printf("%s %lu\n", answers[i].text, answers[i].count);
	printf("lost %lu\n", lost);
	return 0;
}
