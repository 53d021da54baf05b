// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP peers without manners, many at once in one process: servers that do not read, do not
 * answer, do not close or do not stop, clients that send a byte now and then or never read.
 *
 *   slow serve deaf|mute|flood|late ADDRESS PORT
 *       deaf   accepts and never reads           mute   reads all, never says anything
 *       flood  sends for ever, reads nothing
 *       late   reads to the end and goes on; at SIGUSR1 it sends a line and closes, all of them
 *   slow drip ADDRESS PORT N     N connections, a byte on one of them every millisecond
 *   slow stall ADDRESS PORT N    N connections with small buffers that never read
 *   slow push ADDRESS PORT N     N connections that send as much as is taken
 *   slow leave ADDRESS PORT N    N connections, each with a line and a FIN; then it ends
 *
 * A client prints "N connected" when all are and stays until it is killed; one that is
 * refused or reset is counted and, at SIGUSR1, "N left" is printed.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 256
#define BLOCK 16384
#define SMALL_BUFFER 4096
#define SERVER_BUFFER 65536
#define IN_FLIGHT_MAX 200 /* connects of a client */
#define CONNECT_WAIT_MS 100
#define DRIP_MS 1

static const char *role; /* deaf, mute, ... */
static int poller, asked; /* SIGUSR1 */
static int *conns; /* of a client: -1 = lost; of a server: as accepted */
static unsigned int total, opened, lost;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "slow: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool is(const char *name)
{
	return !strcmp(role, name);
}

static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	static struct addrinfo *ai; /* until the end, and not a leak */

	if (getaddrinfo(address, port, &hints, &ai) != 0) {
		fprintf(stderr, "slow: no address: %s %s\n", address, port);
		exit(2);
	}
	return ai;
}

static void set_buffer(int fd, int which, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, which, &bytes, sizeof(bytes)) < 0)
		die("setsockopt");
}

static void want(int fd, uint32_t index, uint32_t events, int op)
{
	struct epoll_event e = { .events = events, .data.u32 = index };

	if (epoll_ctl(poller, op, fd, &e) < 0)
		die("epoll_ctl");
}

static void drop(unsigned int i)
{
	close(conns[i]);
	conns[i] = -1;
	lost++;
}

/* Sends or reads all that goes; false: the connection is over. */
static bool pump(int fd, uint32_t events)
{
	static char block[BLOCK];
	ssize_t n;

	if (events & EPOLLERR)
		return false;
	if (events & EPOLLOUT) {
		n = send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return false;
	}
	if (events & EPOLLIN) {
		n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n == 0 && !is("late"))
			return false;
	}
	return true;
}

/* What is waited for on a connection in this role; EPOLLERR comes unasked. */
static uint32_t events_of(void)
{
	if (is("flood") || is("push"))
		return EPOLLOUT;
	if (is("mute"))
		return EPOLLIN;
	return is("late") ? EPOLLIN | EPOLLET : 0;
}

/* --- server --------------------------------------------------------------------------------- */

static void say_and_close(void)
{
	for (unsigned int i = 0; i < total; i++) {
		if (conns[i] < 0)
			continue;
		if (send(conns[i], "late\n", 5, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			lost++;
		close(conns[i]);
		conns[i] = -1;
	}
}

static void take_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	set_buffer(fd, SO_SNDBUF, SERVER_BUFFER);
	conns = realloc(conns, (total + 1) * sizeof(*conns));
	if (!conns)
		die("memory");
	conns[total] = fd;
	want(fd, total++, events_of(), EPOLL_CTL_ADD);
}

__attribute__((noreturn)) static void serve(const struct addrinfo *ai)
{
	int listener = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct epoll_event batch[BATCH];
	int on = 1;

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		die("socket");
	if (is("deaf"))
		set_buffer(listener, SO_RCVBUF, SMALL_BUFFER);
	if (bind(listener, ai->ai_addr, ai->ai_addrlen) < 0 || listen(listener, 4096) < 0)
		die("listen");
	want(listener, UINT32_MAX, EPOLLIN, EPOLL_CTL_ADD);
	want(asked, UINT32_MAX - 1, EPOLLIN, EPOLL_CTL_ADD);
	for (;;) {
		int n = epoll_wait(poller, batch, BATCH, -1);

		for (int i = 0; i < n; i++) {
			uint32_t at = batch[i].data.u32;
			struct signalfd_siginfo si;

			if (at == UINT32_MAX)
				take_one(listener);
			else if (at == UINT32_MAX - 1 && read(asked, &si, sizeof(si)) > 0)
				say_and_close();
			else if (at < total && conns[at] >= 0 && !pump(conns[at], batch[i].events))
				drop(at);
		}
	}
}

/* --- clients -------------------------------------------------------------------------------- */

static void begin(const struct addrinfo *ai, unsigned int i)
{
	conns[i] = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (conns[i] < 0)
		die("socket");
	if (is("stall"))
		set_buffer(conns[i], SO_RCVBUF, SMALL_BUFFER);
	if (is("push"))
		set_buffer(conns[i], SO_SNDBUF, SERVER_BUFFER);
	if (connect(conns[i], ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
		die("connect");
	want(conns[i], i, EPOLLOUT | EPOLLONESHOT, EPOLL_CTL_ADD);
}

static void connected(unsigned int i)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(conns[i], SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		drop(i);
		return;
	}
	opened++;
	if (is("leave")) {
		if (send(conns[i], "bye\n", 4, MSG_NOSIGNAL) < 0 || shutdown(conns[i], SHUT_WR) < 0)
			drop(i);
	}
	if (conns[i] >= 0)
		want(conns[i], i, events_of(), EPOLL_CTL_MOD);
}

static void open_all(const struct addrinfo *ai)
{
	struct epoll_event batch[BATCH];
	unsigned int begun = 0;
	bool *is_open = calloc(total, sizeof(*is_open));

	if (!is_open)
		die("memory");
	while (opened + lost < total) {
		int n;

		while (begun < total && begun - opened - lost < IN_FLIGHT_MAX)
			begin(ai, begun++);
		n = epoll_wait(poller, batch, BATCH, CONNECT_WAIT_MS);
		for (int i = 0; i < n; i++) {
			uint32_t at = batch[i].data.u32;

			if (conns[at] < 0)
				continue;
			if (!is_open[at]) {
				is_open[at] = true;
				connected(at);
			} else if (!pump(conns[at], batch[i].events)) {
				drop(at);
			}
		}
	}
	free(is_open);
	printf("%u connected\n", opened);
	fflush(stdout);
}

static void drip(void)
{
	static unsigned int next;

	next = (next + 1) % total;
	if (conns[next] >= 0 && send(conns[next], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN)
		drop(next);
}

__attribute__((noreturn)) static void stay(void)
{
	struct epoll_event batch[BATCH];

	want(asked, UINT32_MAX, EPOLLIN, EPOLL_CTL_ADD);
	for (;;) {
		int n = epoll_wait(poller, batch, BATCH, is("drip") ? DRIP_MS : -1);

		for (int i = 0; i < n; i++) {
			uint32_t at = batch[i].data.u32;
			struct signalfd_siginfo si;

			if (at == UINT32_MAX && read(asked, &si, sizeof(si)) > 0) {
				printf("%u left\n", total - lost);
				fflush(stdout);
			} else if (at < total && conns[at] >= 0 &&
				   !pump(conns[at], batch[i].events)) {
				drop(at);
			}
		}
		if (is("drip"))
			drip();
	}
}

static int client(const struct addrinfo *ai, unsigned int n)
{
	total = n;
	conns = calloc(total, sizeof(*conns));
	if (!conns)
		die("memory");
	open_all(ai);
	if (!is("leave"))
		stay();
	return 0;
}

static void prepare(void)
{
	struct rlimit lim;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	asked = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (asked < 0 || poller < 0 || getrlimit(RLIMIT_NOFILE, &lim) < 0)
		die("start");
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		die("descriptors");
}

int main(int argc, char **argv)
{
	prepare();
	if (argc == 5 && !strcmp(argv[1], "serve")) {
		role = argv[2];
		serve(resolve(argv[3], argv[4]));
	}
	if (argc == 5) {
		role = argv[1];
		return client(resolve(argv[2], argv[3]), (unsigned int)strtoul(argv[4], NULL, 10));
	}
	fprintf(stderr, "usage: slow serve deaf|mute|flood|late ADDRESS PORT\n"
			"       slow drip|stall|push|leave ADDRESS PORT N\n");
	return 2;
}
