/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For tests of the client that need a network namespace: one with a loopback device alone,
 * the stack's address on it, and a DNS server there that knows exactly one name.
 */
#ifndef TESTS_UNIT_TOOLS_FAKE_H
#define TESTS_UNIT_TOOLS_FAKE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAKE_STACK "10.0.0.1"
#define FAKE_NAME "known-only-inside.headrace.test"
#define FAKE_ADDRESS "192.0.2.77"

/* Answers one query in place: A of FAKE_NAME, else NXDOMAIN. Returns the new length. */
static inline size_t fake_answer(unsigned char *m, size_t len)
{
	static const unsigned char answer[] = { 0xc0, 12, 0, 1, 0,   1, 0, 0,
						0,    60, 0, 4, 192, 0, 2, 77 };
	static const unsigned char labels[] = "\021known-only-inside\010headrace\004test";
	size_t end = 12 + sizeof(labels) + 4;
	bool known = len >= end && !memcmp(m + 12, labels, sizeof(labels));
	bool is_a = known && m[end - 3] == 1;

	if (len < end)
		end = len;
	m[2] |= 0x80;
	m[3] = known ? 0x80 : 0x83;
	memset(m + 6, 0, 6);
	if (!is_a)
		return known ? end : len;
	m[7] = 1;
	memcpy(m + end, answer, sizeof(answer));
	return end + sizeof(answer);
}

__attribute__((noreturn)) static inline void fake_dns_serve(int fd)
{
	unsigned char buf[1024];
	struct sockaddr_in from;

	for (;;) {
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, 512, 0, (struct sockaddr *)&from, &from_len);

		if (n < 12)
			continue;
		sendto(fd, buf, fake_answer(buf, (size_t)n), 0, (struct sockaddr *)&from, from_len);
	}
}

/*
 * Makes the namespace; the process itself stays where it is. Returns its descriptor; the DNS
 * server is a child (*ret_dns) that dies with this process. -1 = it cannot be made.
 */
static inline int fake_netns(pid_t *ret_dns)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53) };
	int host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	pid_t parent = getpid();
	int ns = -1;
	int fd;

	*ret_dns = 0;
	if (unshare(CLONE_NEWNET))
		goto out;
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (system("ip link set lo up && ip addr add " FAKE_STACK "/32 dev lo") != 0)
		abort();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, FAKE_STACK, &at.sin_addr);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
		abort();
	*ret_dns = fork();
	if (!*ret_dns) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) /* it died before that could be asked for */
			_exit(0);
		fake_dns_serve(fd);
	}
	close(fd);
	if (setns(host, CLONE_NEWNET))
		abort();
out:
	close(host);
	return ns;
}

static inline void fake_netns_end(int ns, pid_t dns)
{
	close(ns);
	kill(dns, SIGKILL);
	waitpid(dns, NULL, 0);
}

/* Whole text of a small file or "", in a static buffer per slot (0 or 1). */
static inline const char *fake_read(const char *path, int slot)
{
	static char text[2][65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text[slot], sizeof(text[slot]) - 1);

	text[slot][n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
	return text[slot];
}

#endif
