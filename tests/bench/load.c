// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Load generator of `make bench`, for what Debian's tools cannot measure or are the limit of:
 * short connections, one-outstanding latency with percentiles, datagrams delivered under
 * flood, idle connections and sessions. One thread, one epoll; every run is bounded.
 *
 *   load server ADDRESS PORT                 TCP and UDP echo, and UDP floods on request
 *   load crr ADDRESS PORT SECONDS LANES      connect, 64 B there and back, close: per second
 *   load rr tcp|udp ADDRESS PORT COUNT       64 B ping-pong: p50 and p99 in us
 *   load flood-up ADDRESS PORT SIZE SECONDS  datagrams that reached the server, per second
 *   load flood-down ADDRESS PORT SIZE SECONDS  datagrams that reached us, per second
 *   load idle tcp|udp ADDRESS PORT COUNT     opens them, says "ready", stays until a signal
 *   load first ADDRESS PORT                  first byte of an echo: prints its time of day, ns
 *
 * A UDP datagram of the form struct request is a question to the server, all else is echoed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
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

#define MESSAGE 64
#define BATCH 64
#define DATAGRAM_MAX 1472
#define SEGMENTS 64 /* UDP_MAX_SEGMENTS */
#define SEGMENT_BYTES 65000 /* of one message */
#define RR_MAX 1000000
#define REQUEST_MAGIC 0x6c6f6164U
#define CRR_LANES_MAX 256

enum what { ASK_COUNT = 1, ASK_FLOOD, ASK_RESET };

struct request {
	uint32_t magic;
	uint32_t what;
	uint32_t size; /* ASK_FLOOD */
	uint32_t milliseconds;
	uint64_t count; /* answer to ASK_COUNT */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

static struct sockaddr_in to_address(const char *address, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1) {
		fprintf(stderr, "load: not an IPv4 address: %s\n", address);
		exit(2);
	}
	return sin;
}

static int open_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		die("socket");
	if ((type & ~SOCK_NONBLOCK) == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int connected(int type, const struct sockaddr_in *to)
{
	int fd = open_socket(type);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		die("connect");
	return fd;
}

/* Bursts are not to be lost here; past rmem_max, as the load runs as root. */
static void deepen(int fd)
{
	int bytes = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
}

static void limit_files(void)
{
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/* --- server ------------------------------------------------------------------------------ */

static int bound(int type, const struct sockaddr_in *at)
{
	int fd = open_socket(type | SOCK_NONBLOCK);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_DGRAM)
		deepen(fd);
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 4096) < 0)
		die("listen");
	return fd;
}

static void watch(int epoll_fd, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

static void echo_stream(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

/*
 * `cut`: many datagrams per message, which the kernel cuts (UDP_SEGMENT) below its UDP and IP
 * layers, so that a sender on one CPU is not what limits.
 */
static void flood(int fd, const struct sockaddr_in *to, uint32_t size, bool cut,
		  uint32_t milliseconds)
{
	static char payload[SEGMENT_BYTES];
	struct iovec iov = { payload, size };
	struct mmsghdr batch[BATCH];
	uint64_t end = mono_ns() + (uint64_t)milliseconds * 1000000;
	int segment = cut ? (int)size : 0;

	if (size == 0 || size > DATAGRAM_MAX)
		return;
	if (cut)
		iov.iov_len *= SEGMENT_BYTES / size < SEGMENTS ? SEGMENT_BYTES / size : SEGMENTS;
	setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	memset(batch, 0, sizeof(batch));
	for (int i = 0; i < BATCH; i++)
		batch[i].msg_hdr = (struct msghdr){ .msg_name = (void *)(uintptr_t)to,
						    .msg_namelen = to ? sizeof(*to) : 0,
						    .msg_iov = &iov,
						    .msg_iovlen = 1 };
	while (mono_ns() < end)
		sendmmsg(fd, batch, cut ? 1 : BATCH, MSG_DONTWAIT);
	segment = 0;
	setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

static void answer_datagrams(int fd)
{
	static uint64_t count;
	static char bufs[BATCH][2048];
	struct sockaddr_in from[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr batch[BATCH] = { 0 };
	int n;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		batch[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						    .msg_namelen = sizeof(from[i]),
						    .msg_iov = &iov[i],
						    .msg_iovlen = 1 };
	}
	n = recvmmsg(fd, batch, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct request rq;

		memcpy(&rq, bufs[i], sizeof(rq));
		if (batch[i].msg_len != sizeof(rq) || rq.magic != REQUEST_MAGIC) {
			count++;
			if (batch[i].msg_len == MESSAGE && bufs[i][0] == 'e')
				sendto(fd, bufs[i], MESSAGE, MSG_DONTWAIT,
				       (struct sockaddr *)&from[i], sizeof(from[i]));
		} else if (rq.what == ASK_FLOOD) {
			flood(fd, &from[i], rq.size, true, rq.milliseconds);
		} else {
			rq.count = count;
			if (rq.what == ASK_RESET)
				count = 0;
			sendto(fd, &rq, sizeof(rq), 0, (struct sockaddr *)&from[i],
			       sizeof(from[i]));
		}
	}
}

/* Ends by a signal only: the run that started it knows its pid. */
static int run_server(char **arg)
{
	struct sockaddr_in at = to_address(arg[0], arg[1]);
	int epoll_fd = epoll_create1(0);
	int stream = bound(SOCK_STREAM, &at), datagram = bound(SOCK_DGRAM, &at);
	struct epoll_event events[BATCH];

	limit_files();
	watch(epoll_fd, stream, EPOLLIN);
	watch(epoll_fd, datagram, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, BATCH, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == datagram) {
				answer_datagrams(fd);
			} else if (fd == stream) {
				int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

				if (client >= 0)
					watch(epoll_fd, client, EPOLLIN);
			} else {
				echo_stream(fd);
			}
		}
	}
	return 0;
}

/* --- clients ----------------------------------------------------------------------------- */

/* One connection of a lane goes connect -> send -> receive all -> close, then the next. */
struct lane {
	int fd;
	bool sent;
	unsigned int received;
};

static void lane_start(int epoll_fd, struct lane *lane, const struct sockaddr_in *to)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLIN | EPOLLET, .data.ptr = lane };

	*lane = (struct lane){ .fd = connected(SOCK_STREAM | SOCK_NONBLOCK, to) };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, lane->fd, &event) < 0)
		die("epoll_ctl");
}

/* 1 = its connection is done, 0 = not yet, -1 = it failed. */
static int lane_step(struct lane *lane, uint32_t events)
{
	char buf[MESSAGE] = { 'e' };
	ssize_t n;

	if (events & (EPOLLERR | EPOLLHUP))
		return -1;
	if (!lane->sent && (events & EPOLLOUT)) {
		if (send(lane->fd, buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf))
			return -1;
		lane->sent = true;
	}
	n = recv(lane->fd, buf, sizeof(buf), 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	lane->received += (unsigned int)n;
	return lane->received >= MESSAGE;
}

static int run_crr(char **arg)
{
	struct sockaddr_in to = to_address(arg[0], arg[1]);
	unsigned int seconds = (unsigned int)atoi(arg[2]), lanes = (unsigned int)atoi(arg[3]);
	static struct lane lane[CRR_LANES_MAX];
	struct epoll_event events[BATCH];
	int epoll_fd = epoll_create1(0);
	uint64_t start = mono_ns(), end = start + seconds * 1000000000ULL;
	unsigned long done = 0, failed = 0;

	for (unsigned int i = 0; i < lanes && i < CRR_LANES_MAX; i++)
		lane_start(epoll_fd, &lane[i], &to);
	while (mono_ns() < end) {
		int n = epoll_wait(epoll_fd, events, BATCH, 100);

		for (int i = 0; i < n; i++) {
			struct lane *l = events[i].data.ptr;
			int r = lane_step(l, events[i].events);

			if (r == 0)
				continue;
			done += r > 0;
			failed += r < 0;
			close(l->fd);
			lane_start(epoll_fd, l, &to);
		}
	}
	printf("%.0f %lu\n", (double)done * 1e9 / (double)(mono_ns() - start), failed);
	return done == 0;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int run_rr(char **arg)
{
	struct sockaddr_in to = to_address(arg[1], arg[2]);
	bool tcp = strcmp(arg[0], "tcp") == 0;
	unsigned int count = (unsigned int)atoi(arg[3]);
	int fd = connected(tcp ? SOCK_STREAM : SOCK_DGRAM, &to);
	uint32_t *ns = calloc(count < RR_MAX ? count : RR_MAX, sizeof(*ns));
	struct timeval patience = { .tv_sec = 2 };
	char buf[MESSAGE] = { 'e' };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!ns || count == 0 || count > RR_MAX)
		return 2;
	for (unsigned int i = 0; i < count; i++) {
		uint64_t start = mono_ns();
		ssize_t got = 0;

		if (send(fd, buf, sizeof(buf), 0) != sizeof(buf))
			die("send");
		while (got < MESSAGE) {
			ssize_t n = recv(fd, buf, sizeof(buf), 0);

			if (n <= 0)
				die("recv");
			got += n;
		}
		ns[i] = (uint32_t)(mono_ns() - start);
	}
	qsort(ns, count, sizeof(*ns), by_value);
	printf("%.2f %.2f\n", ns[count / 2] / 1e3, ns[count - count / 100 - 1] / 1e3);
	free(ns);
	return 0;
}

/* Asks until it is answered: the question may drown in the flood it asks about. */
static struct request ask(const struct sockaddr_in *to, enum what what)
{
	struct request rq = { .magic = REQUEST_MAGIC, .what = what };
	struct timeval patience = { .tv_usec = 300000 };
	int fd = connected(SOCK_DGRAM, to);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < 20; i++) {
		if (send(fd, &rq, sizeof(rq), 0) == sizeof(rq) &&
		    recv(fd, &rq, sizeof(rq), 0) == sizeof(rq)) {
			close(fd);
			return rq;
		}
	}
	fprintf(stderr, "load: the server does not answer\n");
	exit(1);
}

static int run_flood_up(char **arg)
{
	struct sockaddr_in to = to_address(arg[0], arg[1]);
	uint32_t size = (uint32_t)atoi(arg[2]), seconds = (uint32_t)atoi(arg[3]);
	uint64_t before = (ask(&to, ASK_RESET), ask(&to, ASK_COUNT).count);
	int fd = connected(SOCK_DGRAM, &to);

	flood(fd, NULL, size, false, seconds * 1000);
	printf("%.0f\n", (double)(ask(&to, ASK_COUNT).count - before) / seconds);
	return 0;
}

static int run_flood_down(char **arg)
{
	struct sockaddr_in to = to_address(arg[0], arg[1]);
	struct request rq = { .magic = REQUEST_MAGIC,
			      .what = ASK_FLOOD,
			      .size = (uint32_t)atoi(arg[2]),
			      .milliseconds = (uint32_t)atoi(arg[3]) * 1000 };
	int fd = connected(SOCK_DGRAM, &to);
	struct timeval patience = { .tv_sec = 1 };
	static char bufs[BATCH][2048];
	struct iovec iov[BATCH];
	struct mmsghdr batch[BATCH] = { 0 };
	unsigned long count = 0;

	deepen(fd);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		batch[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	if (send(fd, &rq, sizeof(rq), 0) != sizeof(rq))
		die("send");
	for (;;) {
		int n = recvmmsg(fd, batch, BATCH, MSG_WAITFORONE, NULL);

		if (n <= 0)
			break; /* a second of silence: the flood is over */
		count += (unsigned long)n;
	}
	printf("%.0f\n", (double)count / ((double)rq.milliseconds / 1e3));
	return count == 0;
}

static int run_idle(char **arg)
{
	struct sockaddr_in to = to_address(arg[1], arg[2]);
	bool tcp = strcmp(arg[0], "tcp") == 0;
	int count = atoi(arg[3]);
	struct timeval patience = { .tv_sec = 3 };
	char buf[MESSAGE] = { 'e' };

	limit_files();
	for (int i = 0; i < count; i++) {
		int fd = connected(tcp ? SOCK_STREAM : SOCK_DGRAM, &to);

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (send(fd, buf, sizeof(buf), 0) != sizeof(buf))
			die("send");
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			die("recv");
	}
	printf("ready\n");
	fflush(stdout);
	pause();
	return 0;
}

static int run_first(char **arg)
{
	struct sockaddr_in to = to_address(arg[0], arg[1]);
	int fd = connected(SOCK_STREAM, &to);
	char buf[MESSAGE] = { 'e' };

	if (send(fd, buf, sizeof(buf), 0) != sizeof(buf) || recv(fd, buf, sizeof(buf), 0) <= 0)
		die("echo");
	printf("%llu\n", (unsigned long long)now_ns(CLOCK_REALTIME));
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "server", 2, run_server },
	{ "crr", 4, run_crr },
	{ "rr", 4, run_rr },
	{ "flood-up", 4, run_flood_up },
	{ "flood-down", 4, run_flood_down },
	{ "idle", 4, run_idle },
	{ "first", 2, run_first },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc >= 2 && strcmp(argv[1], commands[i].name) == 0 &&
		    argc == commands[i].args + 2)
			return commands[i].run(argv + 2);
	}
	fprintf(stderr, "usage: see the head of tests/bench/load.c\n");
	return 2;
}
