// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One application that takes as much as it gets, from a source address of its choice, and
 * keeps it until it is killed. It prints what it has in one line: how many were tried, and how
 * many of them were had.
 *
 *   hog tcp FROM ADDRESS PORT N     connections, one after the other
 *   hog stall FROM ADDRESS PORT N   the same to `tcp serve`, which floods; none of it is read
 *   hog dial FROM ADDRESS PORT N    connects begun at once; had: those not refused at once
 *   hog udp FROM ADDRESS PORT N     sockets with one datagram each; had: those answered
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LIMIT_S 5 /* for one connect or answer */

static struct sockaddr_in from, to;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "hog: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(int type)
{
	struct timeval limit = { .tv_sec = LIMIT_S };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		die("setsockopt");
	return fd;
}

static bool reach(int fd)
{
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static bool take_tcp(void)
{
	return reach(open_socket(SOCK_STREAM));
}

static bool take_stall(void)
{
	int fd = open_socket(SOCK_STREAM);

	return reach(fd) && send(fd, "flood 0\n", 8, MSG_NOSIGNAL) == 8;
}

static bool take_dial(void)
{
	return reach(open_socket(SOCK_STREAM | SOCK_NONBLOCK)) || errno == EINPROGRESS;
}

static bool take_udp(void)
{
	int fd = open_socket(SOCK_DGRAM);
	char byte = 'x';

	return reach(fd) && send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*take)(void);
	} kinds[] = {
		{ "tcp", take_tcp },
		{ "stall", take_stall },
		{ "dial", take_dial },
		{ "udp", take_udp },
	};
	long n = argc == 6 ? strtol(argv[5], NULL, 10) : 0, had = 0;
	struct rlimit limit = { (rlim_t)n + 64, (rlim_t)n + 64 };

	from.sin_family = to.sin_family = AF_INET;
	if (n < 1 || inet_pton(AF_INET, argv[2], &from.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fprintf(stderr, "hog: see the head of tests/net/hog.c\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtol(argv[4], NULL, 10));
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("RLIMIT_NOFILE");
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		if (strcmp(argv[1], kinds[k].name) != 0)
			continue;
		for (long i = 0; i < n; i++)
			had += kinds[k].take();
	}
	printf("tried %ld had %ld\n", n, had);
	fflush(stdout);
	for (;;)
		pause();
}
