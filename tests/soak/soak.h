/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of the soak test share: the request that opens every TCP exchange, the
 * content of all streams and datagrams, random numbers, and how a failure is told.
 *
 * Content depends on the stream's seed and on the position, so that a byte that is lost,
 * doubled, moved or of another stream is seen. Both ends make it again and compare.
 *
 * A program prints JSON lines: "counters" every COUNTERS_S seconds and, with "final": true, as
 * its last line; "failure" when something did not go as it should, with the local port and the
 * times of day (ms) between which it happened; "pause" when it did not run for PAUSE_MS or more.
 * Whether a failure has an explanation (a worker that was killed) is for others to say; wrong
 * bytes have none.
 */
#ifndef SOAK_SOAK_H
#define SOAK_SOAK_H

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAGIC 0x736f616bU
#define BLOCK 65536
#define TICK_MS 10
#define COUNTERS_S 5
#define PAUSE_MS 10000
#define FAILURES_MAX 20000 /* lines; beyond it they are counted only */
#define DOWN_SALT 0x9e3779b97f4a7c15ULL /* the two directions of a stream differ */

/* How an exchange goes. X(enumerator, name) */
#define KINDS(X)                                                                                   \
	X(KIND_EXCHANGE, "exchange") /* both ways at once, then the server closes */               \
	X(KIND_HALF, "half") /* the client closes its side first and still gets the rest */        \
	X(KIND_DOWN_FIRST, "down_first") /* the server closes its side first */                    \
	X(KIND_ABORT_CLIENT, "abort_client") /* the client resets in the middle */                 \
	X(KIND_ABORT_SERVER, "abort_server") /* the server does */                                 \
	X(KIND_SILENT, "silent") /* the server never answers; the client gives up */               \
	X(KIND_REFUSED, "refused") /* a port where nobody listens */                               \
	X(KIND_BLACKHOLE, "blackhole") /* a port whose SYNs are lost */                            \
	X(KIND_BULK_UP, "bulk_up") /* as exchange: long and paced */                               \
	X(KIND_BULK_DOWN, "bulk_down")

#define KIND_ENUM(name, text) name,
#define KIND_TEXT(name, text) text,

enum kind { KINDS(KIND_ENUM) KIND_NUM };

static const char *const kind_names[] = { KINDS(KIND_TEXT) };

/* First bytes of the client. */
struct request {
	uint32_t magic;
	uint32_t kind; /* enum kind */
	uint64_t seed;
	uint64_t up; /* bytes that the client sends after this */
	uint64_t down; /* bytes that the server sends */
	uint64_t check; /* over all of the above */
};

/* Last bytes of the server in KIND_EXCHANGE, KIND_HALF and the bulks: `up` came right. */
struct verdict_line {
	uint64_t check;
};

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline uint64_t request_check(const struct request *rq)
{
	return mix(rq->seed + mix(rq->up + mix(rq->down + mix(rq->kind))));
}

static inline uint64_t content_word(uint64_t seed, uint64_t index)
{
	return mix(seed + index * 0x9e3779b97f4a7c15ULL);
}

/* Bytes [at, at + len) of the stream `seed`. */
static inline void content_fill(uint8_t *to, uint64_t seed, uint64_t at, size_t len)
{
	while (len) {
		uint64_t word = content_word(seed, at / 8);
		size_t skip = at % 8;
		size_t n = 8 - skip;

		if (n == 8 && len >= 8) {
			memcpy(to, &word, 8);
		} else {
			n = n < len ? n : len;
			memcpy(to, (uint8_t *)&word + skip, n);
		}
		to += n;
		at += n;
		len -= n;
	}
}

static inline bool content_is(const uint8_t *data, uint64_t seed, uint64_t at, size_t len)
{
	static uint8_t wanted[BLOCK];

	content_fill(wanted, seed, at, len);
	return memcmp(data, wanted, len) == 0;
}

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

__attribute__((noreturn)) static inline void die(const char *what)
{
	perror(what);
	exit(2);
}

/* --- random numbers ------------------------------------------------------------------------- */

static uint64_t random_state;

static inline uint64_t random_below(uint64_t n)
{
	random_state += 0x9e3779b97f4a7c15ULL;
	return n ? mix(random_state) % n : 0;
}

/* As many sizes of 10 to 99 as of 1,000 to 9,999: each power of two is as likely, 0 too. */
static inline uint64_t random_size(unsigned int bits)
{
	return random_below(1ULL << random_below(bits + 1));
}

/* --- sockets -------------------------------------------------------------------------------- */

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

static inline int family_number(const struct address *a)
{
	return a->sa.ss_family == AF_INET6 ? 6 : 4;
}

static inline struct address parse_address(const char *text, unsigned int port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	struct address a = { 0 };
	struct addrinfo *ai;
	char service[16];

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(text, service, &hints, &ai) != 0) {
		fprintf(stderr, "no address: %s\n", text);
		exit(2);
	}
	memcpy(&a.sa, ai->ai_addr, ai->ai_addrlen);
	a.len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return a;
}

static inline unsigned int parse_count(const char *text, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > max) {
		fprintf(stderr, "not a number from 0 to %u: %s\n", max, text);
		exit(2);
	}
	return (unsigned int)n;
}

static inline unsigned int local_port(int fd)
{
	struct sockaddr_in6 sin; /* the port stands where sockaddr_in has it */
	socklen_t len = sizeof(sin);

	return getsockname(fd, (struct sockaddr *)&sin, &len) < 0 ? 0 : ntohs(sin.sin6_port);
}

/* The other end gets a RST, and what is buffered is thrown away. */
static inline void close_reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

/* Sends [*at, end) of the stream until the socket takes no more. 0, or -errno. */
static inline int stream_send(int fd, uint64_t seed, uint64_t *at, uint64_t end)
{
	static uint8_t data[BLOCK];

	while (*at < end) {
		size_t len = end - *at < BLOCK ? (size_t)(end - *at) : BLOCK;
		ssize_t n;

		content_fill(data, seed, *at, len);
		n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		*at += (uint64_t)n;
		if ((size_t)n < len)
			return 0;
	}
	return 0;
}

#define STREAM_END 1
#define STREAM_WRONG 2
/*
 * Takes what is there, at most up to byte `end`, and compares. 0, STREAM_END, STREAM_WRONG or
 * -errno. One piece beyond `end` is looked for when *at is there: none must come.
 */
static inline int stream_take(int fd, uint64_t seed, uint64_t *at, uint64_t end)
{
	static uint8_t data[BLOCK];

	for (;;) {
		size_t len = end - *at < BLOCK ? (size_t)(end - *at) : BLOCK;
		ssize_t n = recv(fd, data, len ? len : 1, MSG_DONTWAIT);

		if (n == 0)
			return STREAM_END;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (!len || !content_is(data, seed, *at, (size_t)n))
			return STREAM_WRONG;
		*at += (uint64_t)n;
		if (*at == end)
			return 0;
	}
}

static inline void raise_files(void)
{
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/* --- life of a program ---------------------------------------------------------------------- */

static volatile sig_atomic_t stopping;

static inline void stop_now(int sig)
{
	stopping = 1;
}

static inline void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = stop_now };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	raise_files();
}

/* A failure's line; `proto` and `port` are the flow's, `id` is known to both ends. */
struct failure {
	const char *proto;
	const char *kind;
	const char *what;
	int family; /* 4 or 6 */
	unsigned int port;
	uint64_t id;
	uint64_t since_ms;
};

/* The time of day of a time of now_ms(), so that the lines of all programs can be compared. */
static inline unsigned long long time_of_day(uint64_t ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 - (now_ms() - ms);
}

static inline void tell_failure(const struct failure *f)
{
	static unsigned int lines;

	if (lines++ < FAILURES_MAX)
		printf("{\"failure\":{\"proto\":\"%s\",\"kind\":\"%s\",\"what\":\"%s\","
		       "\"family\":%d,\"port\":%u,\"id\":\"%016llx\",\"since_ms\":%llu,"
		       "\"ms\":%llu}}\n",
		       f->proto, f->kind, f->what, f->family, f->port, (unsigned long long)f->id,
		       time_of_day(f->since_ms), time_of_day(now_ms()));
}

/*
 * To be called in every turn of the loop: how many ms the program has not run since the last
 * turn, if that is a pause and no turn. The whole machine stood still, or had no CPU time for
 * us; what has timed out meanwhile is told with that in mind.
 */
static inline uint64_t take_pause(void)
{
	static uint64_t last;
	uint64_t now = now_ms();
	uint64_t gap = last ? now - last : 0;

	last = now;
	if (gap < PAUSE_MS)
		return 0;
	printf("{\"pause\":{\"since_ms\":%llu,\"ms\":%llu}}\n", time_of_day(now - gap),
	       time_of_day(now));
	return gap;
}

/*
 * How many are due now at `rate` per second from the first call on: at most `most` at once,
 * those beyond it are lost and added to *late. A long pause is not made up for.
 */
static inline uint64_t take_due(uint64_t rate, uint64_t most, uint64_t *late)
{
	static uint64_t begun_ms, counted;
	uint64_t due;

	if (!begun_ms)
		begun_ms = now_ms();
	due = (now_ms() - begun_ms) * rate / 1000 - counted;
	counted += due;
	if (due <= most)
		return due;
	*late += due - most;
	return most;
}

/* When something last went on, where the time of a pause does not count. */
static inline uint64_t after_pause(uint64_t progress_ms, uint64_t paused_ms)
{
	uint64_t now = now_ms();

	return progress_ms + paused_ms < now ? progress_ms + paused_ms : now;
}

#endif
