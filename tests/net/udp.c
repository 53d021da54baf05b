// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * UDP for the network tests: an echo server, and a client that sends datagrams of given
 * sizes and wants each back unchanged. Socket tools of the shell cut or split datagrams, do
 * not send empty ones, or cannot fill 65507 bytes.
 *
 *   udp echo ADDRESS PORT             until it is killed
 *   udp ping ADDRESS PORT SIZE...     each size once, 3 s for an answer; 0 = all came back
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define DATAGRAM_MAX 65535
#define ANSWER_S 3

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_socket(const char *address, const char *port, int server)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai;
	int buffer = 4 << 20;
	int fd;

	if (getaddrinfo(address, port, &hints, &ai) != 0) {
		fprintf(stderr, "udp: no address: %s %s\n", address, port);
		exit(1);
	}
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (server && bind(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		die("bind");
	if (!server && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		die("connect");
	freeaddrinfo(ai);
	return fd;
}

static void echo(int fd)
{
	static char data[DATAGRAM_MAX];

	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			(void)sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

/* One datagram there and back. The content depends on the size, so that none is mistaken. */
static int ping(int fd, size_t size)
{
	static unsigned char out[DATAGRAM_MAX];
	static unsigned char in[DATAGRAM_MAX];
	ssize_t n;

	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)(i * 31 + size * 7 + (i >> 8));
	if (send(fd, out, size, 0) < 0) {
		printf("%zu bytes: not sent: %s\n", size, strerror(errno));
		return -1;
	}
	n = recv(fd, in, sizeof(in), 0);
	if (n < 0) {
		printf("%zu bytes: no answer: %s\n", size, strerror(errno));
		return -1;
	}
	if ((size_t)n != size || memcmp(in, out, size) != 0) {
		printf("%zu bytes: %zd came back%s\n", size, n,
		       (size_t)n == size ? ", changed" : "");
		return -1;
	}
	printf("%zu bytes: ok\n", size);
	return 0;
}

int main(int argc, char **argv)
{
	struct timeval limit = { .tv_sec = ANSWER_S };
	int status = 0;
	int fd;

	if (argc == 4 && !strcmp(argv[1], "echo")) {
		echo(open_socket(argv[2], argv[3], 1));
	} else if (argc >= 5 && !strcmp(argv[1], "ping")) {
		fd = open_socket(argv[2], argv[3], 0);
		if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
			die("SO_RCVTIMEO");
		for (int i = 4; i < argc; i++) {
			size_t size = strtoul(argv[i], NULL, 10);

			if (size > DATAGRAM_MAX || ping(fd, size) < 0)
				status = 1;
		}
		close(fd);
		return status;
	}
	fprintf(stderr, "usage: udp echo ADDRESS PORT | udp ping ADDRESS PORT SIZE...\n");
	return 2;
}
