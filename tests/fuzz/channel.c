// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The unix sockets of channel.h. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/fuzz/channel.h"
#include "tests/fuzz/fuzz.h"

static int spare_duplicate(struct fake *f);

static const struct fake_ops spare_ops = { .duplicate = spare_duplicate };

static int spare_duplicate(struct fake *f)
{
	return fake_open(&spare_ops, NULL);
}

int channel_spare_fd(void)
{
	return fake_open(&spare_ops, NULL);
}

static uint32_t channel_poll(struct fake *f)
{
	const struct channel *c = f->data;
	uint32_t ready = 0;

	if (c->len > 0 || c->ended || c->shut)
		ready |= EPOLLIN;
	if (c->room > 0 || c->ended || c->shut)
		ready |= EPOLLOUT;
	if (c->ended || c->shut)
		ready |= EPOLLHUP;
	return c->reset ? ready | EPOLLERR : ready;
}

/* As many as there is room for, all of them open: MSG_CTRUNC says that some got lost. */
static void pass_descriptors(struct channel *c, struct msghdr *msg)
{
	size_t room = msg->msg_controllen < CMSG_LEN(0) ? 0 : msg->msg_controllen - CMSG_LEN(0);
	unsigned int n = 0, wanted = c->passed;
	struct cmsghdr *cm = msg->msg_control;
	int fd;

	c->passed = 0;
	while (n < wanted && (n + 1) * sizeof(fd) <= room && (fd = channel_spare_fd()) >= 0) {
		memcpy(CMSG_DATA(cm) + n * sizeof(fd), &fd, sizeof(fd));
		n++;
	}
	if (n < wanted)
		msg->msg_flags |= MSG_CTRUNC;
	msg->msg_controllen = 0;
	if (n == 0)
		return;
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(fd));
	msg->msg_controllen = CMSG_SPACE(n * sizeof(fd));
}

static ssize_t channel_recv(struct fake *f, struct msghdr *msg, int flags)
{
	struct channel *c = f->data;
	size_t n = c->len;

	require(msg->msg_iovlen == 1);
	msg->msg_flags = 0;
	if (c->reset) {
		c->reset = false;
		return -ECONNRESET;
	}
	if (c->len == 0) {
		msg->msg_controllen = 0;
		return c->ended || c->shut ? 0 : -EAGAIN;
	}
	if (n > msg->msg_iov->iov_len)
		n = msg->msg_iov->iov_len;
	if (n > 0)
		memcpy(msg->msg_iov->iov_base, c->data, n);
	pass_descriptors(c, msg);
	if (c->messages && n < c->len) {
		msg->msg_flags |= MSG_TRUNC;
		c->len = n;
	}
	c->data += n;
	c->len -= n;
	return (ssize_t)n;
}

static void take_descriptors(struct channel *c, const struct msghdr *msg)
{
	struct cmsghdr *cm = msg->msg_controllen ? CMSG_FIRSTHDR(msg) : NULL;
	int fd;

	if (!cm)
		return;
	require(cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS);
	require(cm->cmsg_len == CMSG_LEN(sizeof(fd)));
	memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
	fake_of(fd); /* is open */
	c->taken_passed++;
}

static size_t length_of(const struct msghdr *msg)
{
	size_t len = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		len += msg->msg_iov[i].iov_len;
	return len;
}

static ssize_t channel_send(struct fake *f, const struct msghdr *msg, int flags)
{
	struct channel *c = f->data;
	size_t len = length_of(msg), room = sizeof(c->taken) - c->taken_len;

	require(flags & MSG_NOSIGNAL);
	if (c->reset) {
		c->reset = false;
		return -ECONNRESET;
	}
	if (c->ended || c->shut)
		return -EPIPE;
	if (room > c->room)
		room = c->room;
	if (room == 0 || (c->messages && len > room))
		return -EAGAIN;
	if (len > room)
		len = room;
	take_descriptors(c, msg);
	fake_gather(msg, c->taken + c->taken_len, len);
	c->taken_len += len;
	if (c->room != SIZE_MAX)
		c->room -= len;
	return (ssize_t)len;
}

static int channel_get(struct fake *f, int level, int name, void *value, socklen_t *len)
{
	const struct channel *c = f->data;
	struct ucred cred = { .pid = 2, .uid = c->uid, .gid = c->uid };

	require(level == SOL_SOCKET && name == SO_PEERCRED && *len == sizeof(cred));
	memcpy(value, &cred, sizeof(cred));
	return 0;
}

static int channel_shutdown(struct fake *f, int how)
{
	struct channel *c = f->data;

	require(how == SHUT_RDWR);
	c->shut = true;
	return 0;
}

static void channel_closed(struct fake *f)
{
	struct channel *c = f->data;

	c->fd = -1;
}

static const struct fake_ops channel_ops = { .poll = channel_poll,
					     .recv = channel_recv,
					     .send = channel_send,
					     .get = channel_get,
					     .shutdown = channel_shutdown,
					     .close = channel_closed };

int channel_open(struct channel *c, bool messages)
{
	int fd = fake_open(&channel_ops, c);

	memset(c, 0, offsetof(struct channel, taken));
	c->fd = fd < 0 ? -1 : fd;
	c->messages = messages;
	c->room = SIZE_MAX;
	return fd;
}

void channel_say(struct channel *c, const void *data, size_t len, unsigned int passed)
{
	require(c->len == 0 && !c->ended);
	c->data = data;
	c->len = len;
	c->passed = passed;
}

void channel_hang_up(struct channel *c, bool reset)
{
	c->ended = true;
	c->reset = reset;
	if (reset)
		c->len = 0;
}

unsigned int channel_take_lines(struct channel *c, void (*line)(const char *text, size_t len))
{
	char *at = c->taken, *end = c->taken + c->taken_len, *newline;
	unsigned int n = 0;

	while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
		line(at, (size_t)(newline - at));
		at = newline + 1;
		n++;
	}
	c->taken_len = (size_t)(end - at);
	memmove(c->taken, at, c->taken_len);
	return n;
}
