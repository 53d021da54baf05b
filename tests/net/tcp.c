// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP for the network tests: what curl and nginx cannot be asked to do. The client's first
 * line tells the server what to do with a connection:
 *
 *   echo        sends back what comes, for ever
 *   answer N    reads to the end, checks it, then sends N bytes: the client closed first
 *   take N      closes its side at once, then wants N bytes: the server closed first
 *   reset N     sends N bytes and resets
 *   flood       sends until the client is gone
 *   result      sends "ok" or "bad": how the last `take` and `answer` ended
 *
 * Every stream has the same known bytes, so that one lost, doubled or changed is seen.
 *
 *   tcp serve ADDRESS PORT               one process per connection, until it is killed
 *   tcp echo ADDRESS PORT BYTES          both ways at once
 *   tcp half-up|half-down ADDRESS PORT BYTES      half-close by client, by server
 *   tcp abort|aborted ADDRESS PORT TIMES          reset in mid-transfer by client, by server
 *   tcp many ADDRESS PORT N              N connections open at once, each used twice
 *   tcp hold ADDRESS PORT N              the same; for each line of the input each is used once,
 *                                        and the line says how many answered
 *   tcp serial ADDRESS PORT N            N short ones, one after the other
 *   tcp connect ADDRESS PORT             prints how it ends and after how many ms
 *   tcp dial ADDRESS PORT N              N connects begun at once, given up after 3 s
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536
#define PERIOD 251 /* a prime: shifted streams differ */
#define LIMIT_S 60 /* for any one read or write */
#define DIAL_S 3

static unsigned char pattern[BLOCK + PERIOD];
static volatile int *last_ok; /* shared by the server's processes */

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "tcp: %s: %s\n", what,
		errno ? strerror(errno) : "the other side has ended");
	exit(1);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	static struct addrinfo *ai; /* until the end, and not a leak */

	if (getaddrinfo(address, port, &hints, &ai) != 0) {
		fprintf(stderr, "tcp: no address: %s %s\n", address, port);
		exit(2);
	}
	return ai;
}

/* A connect that was interrupted goes on. */
static int await_connect(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = ETIMEDOUT;

	while (poll(&p, 1, LIMIT_S * 1000) < 0 && errno == EINTR)
		;
	if (p.revents && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	errno = error;
	return error ? -1 : 0;
}

/* -1 with errno if the connect fails. */
static int try_connect(const struct addrinfo *ai)
{
	struct timeval limit = { .tv_sec = LIMIT_S };
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		die("setsockopt");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 &&
	    (errno != EINTR || await_connect(fd) < 0)) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int open_with(const struct addrinfo *ai, const char *command, uint64_t n)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s %llu\n", command, (unsigned long long)n);
	int fd = try_connect(ai);

	if (fd < 0)
		die("connect");
	if (send(fd, line, (size_t)len, MSG_NOSIGNAL) != len)
		die("send");
	return fd;
}

/* Sends bytes [at, end) of the known stream. 0, or -1 with errno. */
static int send_stream(int fd, uint64_t at, uint64_t end)
{
	while (at < end) {
		size_t len = end - at < BLOCK ? (size_t)(end - at) : BLOCK;
		ssize_t n = send(fd, pattern + at % PERIOD, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -1;
		at += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

/* Reads one piece, which must be the stream's bytes from *at on. As recv(); -2 = others. */
static ssize_t take_piece(int fd, uint64_t *at, int flags)
{
	static unsigned char data[BLOCK];
	ssize_t n;

	do
		n = recv(fd, data, sizeof(data), flags);
	while (n < 0 && errno == EINTR); /* with a time limit a stopped process is not resumed */
	if (n > 0 && memcmp(data, pattern + *at % PERIOD, (size_t)n) != 0)
		return -2;
	if (n > 0)
		*at += (uint64_t)n;
	return n;
}

/* Wants exactly `bytes` of the stream and then its end. */
static int take_stream(int fd, uint64_t bytes)
{
	uint64_t at = 0;
	ssize_t n;

	do
		n = take_piece(fd, &at, 0);
	while (n > 0);
	if (n == 0 && at == bytes)
		return 0;
	printf("%llu of %llu bytes, then %s\n", (unsigned long long)at, (unsigned long long)bytes,
	       n == 0  ? "the end" :
	       n == -2 ? "other bytes" :
			 strerror(errno));
	return -1;
}

static void reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) < 0)
		die("SO_LINGER");
	close(fd);
}

/* --- server --------------------------------------------------------------------------------- */

static void serve_echo(int fd)
{
	static unsigned char data[BLOCK];
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		for (ssize_t at = 0, w; at < n; at += w) {
			w = send(fd, data + at, (size_t)(n - at), MSG_NOSIGNAL);
			if (w < 0)
				return;
		}
	}
}

static void serve_one(int fd)
{
	char line[64];
	char command[16] = "";
	unsigned long long n = 0;
	size_t len = 0;

	while (len < sizeof(line) - 1 && recv(fd, line + len, 1, 0) == 1 && line[len] != '\n')
		len++;
	line[len] = 0;
	if (sscanf(line, "%15s %llu", command, &n) < 1)
		return;
	if (!strcmp(command, "echo")) {
		serve_echo(fd);
	} else if (!strcmp(command, "answer")) {
		*last_ok = 0;
		*last_ok = take_stream(fd, n) == 0 && send_stream(fd, 0, n) == 0;
	} else if (!strcmp(command, "take")) {
		*last_ok = 0;
		shutdown(fd, SHUT_WR);
		*last_ok = take_stream(fd, n) == 0;
	} else if (!strcmp(command, "reset")) {
		(void)send_stream(fd, 0, n);
		reset(fd);
		_exit(0);
	} else if (!strcmp(command, "flood")) {
		(void)send_stream(fd, 0, UINT64_MAX);
	} else if (!strcmp(command, "result")) {
		(void)send(fd, *last_ok ? "ok" : "bad", *last_ok ? 2 : 3, MSG_NOSIGNAL);
	}
}

static void serve(const struct addrinfo *ai)
{
	int one = 1;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	last_ok = mmap(NULL, sizeof(*last_ok), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (last_ok == MAP_FAILED)
		die("mmap");
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 4096) < 0)
		die("listen");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			continue;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(fd);
			serve_one(conn);
			_exit(0);
		}
		close(conn);
	}
}

/* --- client --------------------------------------------------------------------------------- */

/* Writes and reads at once; what comes back must be what was sent. */
static int client_echo(const struct addrinfo *ai, uint64_t bytes)
{
	int fd = open_with(ai, "echo", 0);
	uint64_t sent = 0;
	uint64_t back = 0;

	while (back < bytes) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		size_t len = bytes - sent < BLOCK ? (size_t)(bytes - sent) : BLOCK;
		ssize_t n;
		int ready;

		if (sent < bytes)
			p.events |= POLLOUT;
		ready = poll(&p, 1, LIMIT_S * 1000);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0) {
			printf("stalled: %llu bytes sent, %llu back\n", (unsigned long long)sent,
			       (unsigned long long)back);
			return -1;
		}
		if (p.revents & POLLOUT) {
			n = send(fd, pattern + sent % PERIOD, len, MSG_NOSIGNAL | MSG_DONTWAIT);
			sent += n > 0 ? (uint64_t)n : 0;
		}
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			n = take_piece(fd, &back, MSG_DONTWAIT);
			if (n == 0 || n == -2 || (n < 0 && errno != EAGAIN)) {
				printf("after %llu bytes: %s\n", (unsigned long long)back,
				       n == -2 ? "other bytes" :
				       n       ? strerror(errno) :
						 "end");
				return -1;
			}
		}
	}
	close(fd);
	return 0;
}

static int last_result(const struct addrinfo *ai)
{
	for (int i = 0; i < 100; i++) {
		char text[4] = "";
		int fd = open_with(ai, "result", 0);
		ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_WAITALL);

		close(fd);
		if (n == 2 && !strcmp(text, "ok"))
			return 0;
		usleep(20000); /* the server's process may not have seen the end yet */
	}
	printf("the server did not get what was sent\n");
	return -1;
}

static int client_half_up(const struct addrinfo *ai, uint64_t bytes)
{
	int fd = open_with(ai, "answer", bytes);

	if (send_stream(fd, 0, bytes) < 0 || shutdown(fd, SHUT_WR) < 0)
		die("send");
	return take_stream(fd, bytes) < 0 ? -1 : last_result(ai);
}

static int client_half_down(const struct addrinfo *ai, uint64_t bytes)
{
	int fd = open_with(ai, "take", bytes);

	if (take_stream(fd, 0) < 0)
		return -1;
	if (send_stream(fd, 0, bytes) < 0)
		die("send after the server's end");
	close(fd);
	return last_result(ai);
}

/* The client resets while data flows one way, the other, or both. */
static int client_abort(const struct addrinfo *ai, uint64_t times)
{
	for (uint64_t i = 0; i < times; i++) {
		int fd = open_with(ai,
				   i % 3 == 0 ? "flood" :
				   i % 3 == 1 ? "take" :
						"echo",
				   1 << 30);
		uint64_t at = 0;

		if (i % 3 != 0 && send_stream(fd, 0, i % 7 * 40000) < 0)
			die("send");
		while (i % 3 == 0 && at < i % 11 * 30000)
			if (take_piece(fd, &at, 0) <= 0)
				die("recv");
		reset(fd);
	}
	return 0;
}

static int client_aborted(const struct addrinfo *ai, uint64_t times)
{
	for (uint64_t i = 0; i < times; i++) {
		int fd = open_with(ai, "reset", i % 7 * 40000);
		uint64_t at = 0;
		ssize_t n;

		do
			n = take_piece(fd, &at, 0);
		while (n > 0);
		if (n != -1 || errno != ECONNRESET) {
			printf("connection %llu: %s instead of a reset\n", (unsigned long long)i,
			       n == 0 ? "an end" : strerror(errno));
			return -1;
		}
		close(fd);
	}
	return 0;
}

/* 0, or -1 with errno, which is 0 if the connection ended. */
static int round_trip(int fd)
{
	char byte = 'x';
	ssize_t n;

	do
		n = send(fd, &byte, 1, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	do
		n = recv(fd, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n == 1 && byte == 'x')
		return 0;
	if (n >= 0)
		errno = n ? EPROTO : 0;
	return -1;
}

/* N connections, each used once; to be freed by the caller. */
static int *open_many(const struct addrinfo *ai, uint64_t n)
{
	struct rlimit limit = { n + 64, n + 64 };
	int *fd = calloc(n, sizeof(*fd));

	if (!fd || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("no room");
	for (uint64_t i = 0; i < n; i++) {
		fd[i] = open_with(ai, "echo", 0);
		if (round_trip(fd[i]) < 0)
			die("first use");
	}
	return fd;
}

static int client_hold(const struct addrinfo *ai, uint64_t n)
{
	int *fd = open_many(ai, n);
	char line[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("open");
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t alive = 0;

		for (uint64_t i = 0; i < n; i++)
			alive += round_trip(fd[i]) == 0;
		printf("%llu answered\n", (unsigned long long)alive);
	}
	for (uint64_t i = 0; i < n; i++)
		close(fd[i]);
	free(fd);
	return 0;
}

static int client_many(const struct addrinfo *ai, uint64_t n)
{
	int *fd = open_many(ai, n);

	for (uint64_t i = 0; i < n; i++) {
		if (round_trip(fd[i]) < 0)
			die("second use");
	}
	for (uint64_t i = 0; i < n; i++)
		close(fd[i]);
	free(fd);
	return 0;
}

/* Without Nagle's wait for the command's ACK, which is 5 ms of nothing per connection. */
static int client_serial(const struct addrinfo *ai, uint64_t n)
{
	double start = now_ms();
	int one = 1;

	for (uint64_t i = 0; i < n; i++) {
		int fd = open_with(ai, "echo", 0);

		if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
			die("TCP_NODELAY");
		if (round_trip(fd) < 0)
			die("round trip");
		close(fd);
	}
	printf("%.0f connections per second\n", (double)n / (now_ms() - start) * 1e3);
	return 0;
}

static int client_dial(const struct addrinfo *ai, uint64_t n)
{
	struct rlimit limit = { n + 64, n + 64 };

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("no room");
	for (uint64_t i = 0; i < n; i++) {
		int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0 ||
		    (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS))
			die("connect");
	}
	sleep(DIAL_S);
	return 0;
}

static int client_connect(const struct addrinfo *ai)
{
	double start = now_ms();
	int fd = try_connect(ai);

	printf("%s %.1f\n", fd >= 0 ? "connected" : strerrorname_np(errno), now_ms() - start);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct addrinfo *ai, uint64_t n);
	} clients[] = {
		{ "echo", client_echo },       { "half-up", client_half_up },
		{ "abort", client_abort },     { "half-down", client_half_down },
		{ "aborted", client_aborted }, { "many", client_many },
		{ "serial", client_serial },   { "dial", client_dial },
		{ "hold", client_hold },
	};

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i % PERIOD);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(resolve(argv[2], argv[3]));
	if (argc == 4 && !strcmp(argv[1], "connect"))
		return client_connect(resolve(argv[2], argv[3]));
	for (size_t i = 0; argc == 5 && i < sizeof(clients) / sizeof(clients[0]); i++) {
		if (!strcmp(argv[1], clients[i].name))
			return clients[i].run(resolve(argv[2], argv[3]),
					      strtoull(argv[4], NULL, 10)) < 0;
	}
	fprintf(stderr, "usage: see the head of tests/net/tcp.c\n");
	return 2;
}
