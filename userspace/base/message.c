// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Messages between processes. A peer may be hostile (a role that was taken over): whatever
 * descriptors it attaches, at most one stays open here, and a cut message is never shown.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/message.h"

#define DESCRIPTORS_MAX 253 /* SCM_MAX_FD: room for all that a peer can attach */

int message_pair(int ret_fds[2])
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;

	return socketpair(AF_UNIX, type, 0, ret_fds) < 0 ? -errno : 0;
}

static void attach_descriptor(struct msghdr *msg, void *control, size_t size, int fd)
{
	struct cmsghdr *c;

	msg->msg_control = control;
	msg->msg_controllen = size;
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int message_send(int sock, const void *data, size_t len, int passed_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (len == 0) /* the receiver could not tell it from the end */
		return -EINVAL;
	if (passed_fd >= 0)
		attach_descriptor(&msg, control, sizeof(control), passed_fd);
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Keeps the first descriptor of all that came and closes the others. -1 = none came. */
static int take_descriptor(struct msghdr *msg)
{
	int kept = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t num = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < num; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (kept < 0)
				kept = fd;
			else
				fd_close(fd);
		}
	}
	return kept;
}

ssize_t message_recv(int sock, void *data, size_t size, int *ret_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;
	int fd;

	*ret_fd = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	fd = take_descriptor(&msg);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		fd_close(fd);
		/* MSG_CTRUNC with all that room: no free descriptor here to receive into. */
		return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : -EMFILE;
	}
	*ret_fd = fd;
	return n;
}
