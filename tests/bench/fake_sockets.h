/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that are only numbers, for more of them than there may be descriptors: while
 * fake_sockets_on is set, socket() makes them, and what an engine does with them succeeds at
 * once. All other descriptors are the kernel's. To be included by one file of a program.
 */
#ifndef TESTS_BENCH_FAKE_SOCKETS_H
#define TESTS_BENCH_FAKE_SOCKETS_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAKE_SOCKETS_FIRST 0x40000000

static bool fake_sockets_on;
static int fake_sockets_made;

static bool is_fake(int fd)
{
	return fd >= FAKE_SOCKETS_FIRST;
}

int socket(int domain, int type, int protocol)
{
	if (fake_sockets_on)
		return FAKE_SOCKETS_FIRST + fake_sockets_made++;
	return (int)syscall(SYS_socket, domain, type, protocol);
}

int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	return is_fake(fd) ? 0 : (int)syscall(SYS_connect, fd, to.__sockaddr__, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return is_fake(fd) ? 0 : (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return is_fake(fd) ? 1 : syscall(SYS_sendmsg, fd, msg, flags);
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	return is_fake(fd) ? 0 : (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}

int close(int fd)
{
	return is_fake(fd) ? 0 : (int)syscall(SYS_close, fd);
}

#endif
