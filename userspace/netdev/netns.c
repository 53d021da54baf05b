// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Network namespaces by descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "netdev/netns.h"

static int netns_current(int *ret_fd)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int netns_cookie(uint64_t *ret_cookie)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret_cookie);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &len) < 0)
		r = -errno;
	fd_close(fd);
	return r;
}

int netns_enter(int ns_fd, int *ret_home)
{
	int home = -1;
	int r = netns_current(&home);

	if (r < 0)
		return r;
	if (setns(ns_fd, CLONE_NEWNET) < 0) {
		r = -errno;
		fd_close(home);
		return r;
	}
	*ret_home = home;
	return 0;
}

int netns_leave(int home)
{
	int r = setns(home, CLONE_NEWNET) < 0 ? -errno : 0;

	fd_close(home);
	return r;
}

int netns_new(int *ret_fd, char err[ERROR_TEXT_MAX])
{
	int home = -1, fd = -1;
	int r = netns_current(&home);
	int back;

	if (r < 0)
		return error_at(err, r, "cannot open this process's network namespace");
	if (unshare(CLONE_NEWNET) < 0) {
		r = -errno;
		fd_close(home);
		return error_at(err, r, "cannot make a network namespace");
	}
	r = netns_current(&fd);
	back = netns_leave(home);
	if (back < 0) {
		if (r == 0)
			fd_close(fd);
		return error_at(err, back, "cannot return to the network namespace of the host");
	}
	if (r < 0)
		return error_at(err, r, "cannot open the new network namespace");
	*ret_fd = fd;
	return 0;
}
