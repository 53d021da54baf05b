// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Protected sockets. The mark is what keeps our own packets from being captured again, so a
 * socket without it never leaves this file. With the cgroup hook the kernel sets it as the
 * socket is made; that is looked at for each one, since hook and cgroup can be taken away
 * while we run, and the look costs a hundredth of the connect().
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "netdev/socket.h"

static struct {
	bool set;
	enum protect_mode mode;
	uint32_t mark;
	int device[2]; /* IPv4, IPv6 */
} protect;

void socket_protect_setup(enum protect_mode mode, uint32_t mark)
{
	protect.set = mark != 0;
	protect.mode = mode;
	protect.mark = mark;
}

void socket_protect_devices(uint32_t ifindex4, uint32_t ifindex6)
{
	protect.device[0] = (int)ifindex4;
	protect.device[1] = (int)ifindex6;
}

int socket_toward(int fd, const struct addr *to)
{
	int device = protect.device[!addr_is_v4(to)];

	if (protect.mode != PROTECT_DEVICE || addr_is_loopback(to))
		return 0;
	if (!device)
		return -ENETUNREACH;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof(device)) ? -errno : 0;
}

/* Set by hand. Without CAP_NET_ADMIN the kernel says -EPERM. */
static int mark_socket(int fd)
{
	uint32_t mark = protect.mark;

	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -EPERM : 0;
}

static int check_marked(int fd)
{
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);

	if (getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len) < 0 || mark != protect.mark)
		return -EPERM;
	return 0;
}

static int protect_socket(int fd)
{
	if (!protect.set)
		return -EPERM;
	if (protect.mode == PROTECT_DEVICE)
		return 0; /* by socket_toward() */
	return protect.mode == PROTECT_SO_MARK ? mark_socket(fd) : check_marked(fd);
}

static int open_protected(int family, int type, int protocol, int *ret_fd)
{
	int fd, r;

	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	r = protect_socket(fd);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int socket_open(int family, int type, int *ret_fd)
{
	return open_protected(family, type, 0, ret_fd);
}

int socket_open_ping(int family, int *ret_fd)
{
	return open_protected(family, SOCK_DGRAM, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6,
			      ret_fd);
}

int socket_connect(const struct endpoint *to, int type, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int fd;
	int r = socket_open(ss.ss_family, type, &fd);

	if (r < 0)
		return r;
	r = socket_toward(fd, &to->addr);
	if (!r && connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
