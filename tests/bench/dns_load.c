// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS load generator of `make bench`: dnsperf ends before the kernel half does, and has no
 * percentiles. Plain A queries with EDNS for n0.ZONE to n(NAMES-1).ZONE in a mixed
 * order; every answer is checked (ID, question, NOERROR, one record at least), and every run is
 * bounded.
 *
 *   dns_load fill ADDRESS PORT ZONE NAMES           asks each once or more, until all answer
 *   dns_load one ADDRESS PORT ZONE NAMES COUNT      one outstanding: p50 and p99 in us
 *   dns_load loop ADDRESS PORT ZONE NAMES SECONDS LANES   so many outstanding, by a process per
 *                              CPU: answers per second, lost ones, answers
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 512
#define HEADER 12
#define LANES_MAX 64 /* of a socket */
#define SOCKETS 4
#define NAMES_MAX 65536
#define COUNT_MAX 1000000
#define PATIENCE_MS 200

struct message {
	uint16_t len;
	uint8_t bytes[MESSAGE_MAX];
};

static struct message *queries; /* one for each name; the ID is set as it is sent */
static unsigned int names;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint8_t *put_label(uint8_t *p, const char *text, size_t len)
{
	*p++ = (uint8_t)len;
	memcpy(p, text, len);
	return p + len;
}

static uint8_t *put_name(uint8_t *p, unsigned int number, const char *zone)
{
	char first[16];

	p = put_label(p, first, (size_t)snprintf(first, sizeof(first), "n%u", number));
	while (*zone) {
		size_t len = strcspn(zone, ".");

		p = put_label(p, zone, len);
		zone += len + (zone[len] == '.');
	}
	*p++ = 0;
	return p;
}

static void make_queries(const char *zone, const char *count)
{
	/* RD; one question, one OPT: IN A, EDNS with 1232 bytes */
	static const uint8_t header[HEADER] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
	static const uint8_t tail[] = { 0, 1, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };

	names = (unsigned int)atoi(count);
	if (names < 1 || names > NAMES_MAX || strlen(zone) > 200) {
		fprintf(stderr, "dns_load: 1 to %d names in a zone of 200 letters\n", NAMES_MAX);
		exit(2);
	}
	queries = calloc(names, sizeof(*queries));
	if (!queries)
		die("calloc");
	for (unsigned int i = 0; i < names; i++) {
		uint8_t *p = queries[i].bytes;

		memcpy(p, header, sizeof(header));
		p = put_name(p + HEADER, i, zone);
		memcpy(p, tail, sizeof(tail));
		queries[i].len = (uint16_t)(p + sizeof(tail) - queries[i].bytes);
	}
}

/* Is it the answer to the query that `id` was given to? */
static bool answers(const uint8_t *msg, size_t len, uint16_t id, const struct message *query)
{
	size_t question = query->len - HEADER - 11U; /* all of it but the OPT */

	return len >= query->len && msg[0] == id >> 8 && msg[1] == (id & 0xff) && (msg[2] & 0x80) &&
	       (msg[3] & 0x0f) == 0 && (msg[6] || msg[7]) &&
	       memcmp(msg + HEADER, query->bytes + HEADER, question) == 0;
}

static int connected(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct timeval patience = { .tv_usec = PATIENCE_MS * 1000 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
		fprintf(stderr, "dns_load: not an IPv4 address: %s\n", address);
		exit(2);
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Sends a query and waits for its answer, whatever else comes. False: none came in time. */
static bool ask(int fd, unsigned int name, uint16_t id)
{
	struct message *q = &queries[name];
	uint8_t buf[MESSAGE_MAX];

	q->bytes[0] = (uint8_t)(id >> 8);
	q->bytes[1] = (uint8_t)id;
	if (send(fd, q->bytes, q->len, 0) != q->len)
		return false;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n <= 0)
			return false;
		if (answers(buf, (size_t)n, id, q))
			return true;
	}
}

/* A walk over all names in an order that no cache line or hash bucket likes. */
static unsigned int next_name(void)
{
	static uint32_t state;

	if (!state)
		state = (uint32_t)getpid();
	state = state * 1664525 + 1013904223;
	return (unsigned int)((uint64_t)state * names >> 32);
}

static int run_fill(char **arg)
{
	int fd = connected(arg[0], arg[1]);

	make_queries(arg[2], arg[3]);
	/* the second round finds all in a cache, and in whatever takes from a cache what is asked */
	for (unsigned int i = 0; i < 2 * names; i++) {
		unsigned int tries = 0;

		while (!ask(fd, i % names, (uint16_t)(i + tries))) {
			if (++tries == 20) {
				fprintf(stderr, "dns_load: no answer for name %u\n", i % names);
				return 1;
			}
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int run_one(char **arg)
{
	unsigned int count = (unsigned int)atoi(arg[4]);
	int fd = connected(arg[0], arg[1]);
	uint32_t *ns;

	make_queries(arg[2], arg[3]);
	if (count < 100 || count > COUNT_MAX)
		return 2;
	ns = calloc(count, sizeof(*ns));
	if (!ns)
		die("calloc");
	for (unsigned int i = 0; i < count; i++) {
		unsigned int name = next_name();
		uint64_t start = now_ns();

		if (!ask(fd, name, (uint16_t)i)) {
			fprintf(stderr, "dns_load: no answer after %u\n", i);
			return 1;
		}
		ns[i] = (uint32_t)(now_ns() - start);
	}
	qsort(ns, count, sizeof(*ns), by_value);
	printf("%.2f %.2f\n", ns[count / 2] / 1e3, ns[count - count / 100 - 1] / 1e3);
	free(ns);
	return 0;
}

/* A socket and its share of what is outstanding: lane n's query has ID n in its low bits. */
struct lanes {
	int fd;
	unsigned int num;
	uint16_t id[LANES_MAX];
	unsigned int name[LANES_MAX];
	uint64_t sent_ns[LANES_MAX];
	struct mmsghdr out[LANES_MAX], in[LANES_MAX];
	struct iovec out_iov[LANES_MAX], in_iov[LANES_MAX];
	uint8_t out_bytes[LANES_MAX][MESSAGE_MAX], in_bytes[LANES_MAX][MESSAGE_MAX];
};

static void lanes_init(struct lanes *l, const char *address, const char *port, unsigned int num)
{
	l->fd = connected(address, port);
	l->num = num;
	for (unsigned int i = 0; i < LANES_MAX; i++) {
		l->out_iov[i].iov_base = l->out_bytes[i];
		l->out[i].msg_hdr = (struct msghdr){ .msg_iov = &l->out_iov[i], .msg_iovlen = 1 };
		l->in_iov[i] = (struct iovec){ l->in_bytes[i], MESSAGE_MAX };
		l->in[i].msg_hdr = (struct msghdr){ .msg_iov = &l->in_iov[i], .msg_iovlen = 1 };
	}
}

/* The next query of a lane, as message `place` of a batch. */
static void lane_fill(struct lanes *l, unsigned int lane, unsigned int place, uint64_t now)
{
	const struct message *q;

	l->name[lane] = next_name();
	l->id[lane] = (uint16_t)(((l->id[lane] | (LANES_MAX - 1)) + 1) | lane);
	q = &queries[l->name[lane]];
	memcpy(l->out_bytes[place], q->bytes, q->len);
	l->out_bytes[place][0] = (uint8_t)(l->id[lane] >> 8);
	l->out_bytes[place][1] = (uint8_t)l->id[lane];
	l->out_iov[place].iov_len = q->len;
	l->sent_ns[lane] = now;
}

static void lanes_send(struct lanes *l, unsigned int num)
{
	for (unsigned int sent = 0; sent < num;) {
		int n = sendmmsg(l->fd, l->out + sent, num - sent, 0);

		if (n <= 0)
			return; /* their lanes time out */
		sent += (unsigned int)n;
	}
}

/* Takes what has come, and asks as much again. Returns the number of answers. */
static unsigned int lanes_turn(struct lanes *l, uint64_t now)
{
	int n = recvmmsg(l->fd, l->in, l->num, MSG_DONTWAIT, NULL);
	unsigned int good = 0;

	for (int i = 0; i < n; i++) {
		const uint8_t *msg = l->in_bytes[i];
		unsigned int lane = msg[1] & (LANES_MAX - 1);

		if (lane < l->num &&
		    answers(msg, l->in[i].msg_len, l->id[lane], &queries[l->name[lane]]))
			lane_fill(l, lane, good++, now);
	}
	lanes_send(l, good);
	return good;
}

/* Asks anew where no answer came in time (at the start: none was asked). Returns how many. */
static unsigned int lanes_overdue(struct lanes *l, uint64_t now)
{
	unsigned int late = 0;

	for (unsigned int i = 0; i < l->num; i++) {
		if (now - l->sent_ns[i] >= PATIENCE_MS * 1000000ULL)
			lane_fill(l, i, late++, now);
	}
	lanes_send(l, late);
	return late;
}

static void wait_for_any(struct lanes *lanes)
{
	struct pollfd fds[SOCKETS];

	for (unsigned int i = 0; i < SOCKETS; i++)
		fds[i] = (struct pollfd){ .fd = lanes[i].fd, .events = POLLIN };
	poll(fds, SOCKETS, PATIENCE_MS);
}

struct sum {
	unsigned long good, lost;
};

/* One process' share. */
static struct sum loop_part(char **arg, uint64_t seconds, unsigned int num)
{
	static struct lanes lanes[SOCKETS];
	struct sum sum = { 0 };
	uint64_t start = now_ns(), looked = start, now;

	for (unsigned int i = 0; i < SOCKETS; i++) {
		lanes_init(&lanes[i], arg[0], arg[1], num / SOCKETS);
		lanes_overdue(&lanes[i], start);
	}
	while ((now = now_ns()) < start + seconds * 1000000000ULL) {
		unsigned long before = sum.good;

		for (unsigned int i = 0; i < SOCKETS; i++)
			sum.good += lanes_turn(&lanes[i], now);
		if (sum.good == before)
			wait_for_any(lanes);
		if (now < looked + PATIENCE_MS * 1000000ULL)
			continue;
		looked = now;
		for (unsigned int i = 0; i < SOCKETS; i++)
			sum.lost += lanes_overdue(&lanes[i], now);
	}
	return sum;
}

static int run_loop(char **arg)
{
	unsigned int seconds = (unsigned int)atoi(arg[4]), num = (unsigned int)atoi(arg[5]);
	unsigned int parts = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	struct sum all = { 0 }, part;
	uint64_t start = now_ns();
	int result[2];

	make_queries(arg[2], arg[3]);
	num /= parts;
	if (num < SOCKETS || num % SOCKETS || num / SOCKETS > LANES_MAX || seconds < 1)
		return 2;
	if (pipe(result) < 0)
		die("pipe");
	for (unsigned int i = 0; i < parts; i++) {
		if (fork() == 0) {
			part = loop_part(arg, seconds, num);
			_exit(write(result[1], &part, sizeof(part)) != sizeof(part));
		}
	}
	for (unsigned int i = 0; i < parts; i++) {
		if (read(result[0], &part, sizeof(part)) != sizeof(part))
			die("a part of the load");
		all.good += part.good;
		all.lost += part.lost;
	}
	printf("%.0f %lu %lu\n", (double)all.good * 1e9 / (double)(now_ns() - start), all.lost,
	       all.good);
	return all.good == 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "fill", 4, run_fill },
	{ "one", 5, run_one },
	{ "loop", 6, run_loop },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc >= 2 && strcmp(argv[1], commands[i].name) == 0 &&
		    argc == commands[i].args + 2)
			return commands[i].run(argv + 2);
	}
	fprintf(stderr, "usage: see the head of tests/bench/dns_load.c\n");
	return 2;
}
