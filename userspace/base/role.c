// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A role's end of the protocol with main: base/role.h says who sends what, and when. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/message.h"
#include "base/role.h"

#define MAIN_WAIT_MS 1000 /* main reads out of its own loop */

static int send_to_main(const void *message, size_t len)
{
	struct pollfd main_takes = { .fd = ROLE_FD, .events = POLLOUT };
	int err = message_send(ROLE_FD, message, len, -1);

	if (err == -EAGAIN && poll(&main_takes, 1, MAIN_WAIT_MS) > 0)
		err = message_send(ROLE_FD, message, len, -1);
	return err;
}

static int send_bare(enum role_message_type type)
{
	struct role_message m = { .type = type };

	return send_to_main(&m, sizeof(m));
}

int role_send_text(uint64_t tag, const char *text, size_t len)
{
	struct role_message m = { .type = ROLE_TEXT };
	struct role_text t = { .tag = tag, .length = (uint32_t)len };
	uint8_t buf[ROLE_MESSAGE_MAX];

	if (len > ROLE_TEXT_MAX)
		return -EMSGSIZE;
	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), &t, sizeof(t));
	if (len > 0)
		memcpy(buf + sizeof(m) + sizeof(t), text, len);
	return send_to_main(buf, sizeof(m) + sizeof(t) + len);
}

int role_send_want_names(uint32_t buckets)
{
	struct role_want_names want = { .buckets = buckets };
	struct role_message m = { .type = ROLE_WANT_NAMES };
	uint8_t buf[sizeof(m) + sizeof(want)];

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), &want, sizeof(want));
	return send_to_main(buf, sizeof(buf));
}

bool role_is_orphan(void)
{
	struct pollfd p = { .fd = ROLE_FD, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static int take_config(struct role_link *link, const uint8_t *body, size_t len)
{
	struct role_config config;

	if (len != sizeof(config) || link->configured)
		return -EPROTO;
	memcpy(&config, body, len);
	link->configured = true;
	return link->ops->config(link, &config);
}

static int take_descriptor(struct role_link *link, const uint8_t *body, size_t len, int fd)
{
	struct role_descriptor d;

	if (len != sizeof(d) || fd < 0 || !link->configured) {
		fd_close(fd);
		return -EPROTO;
	}
	memcpy(&d, body, len);
	return link->ops->descriptor(link, &d, fd);
}

static int take_start(struct role_link *link)
{
	int err;

	if (!link->configured || link->started)
		return -EPROTO;
	link->started = true;
	err = link->ops->start(link);
	return err ? err : send_bare(ROLE_READY);
}

static int take_query(struct role_link *link, const uint8_t *body, size_t len)
{
	struct role_text q;
	int err;

	if (len < sizeof(q) || !link->started)
		return -EPROTO;
	memcpy(&q, body, sizeof(q));
	if (q.length > len - sizeof(q))
		return -EPROTO;
	err = link->ops->query(link, q.tag, (const char *)body + sizeof(q), q.length);
	if (err > 0)
		return 0;
	return err ? err : role_send_text(q.tag, NULL, 0);
}

static int take_forget(struct role_link *link, const uint8_t *body, size_t len)
{
	struct role_text q;

	if (len != sizeof(q) || !link->started)
		return -EPROTO;
	memcpy(&q, body, sizeof(q));
	if (link->ops->forget)
		link->ops->forget(link, q.tag);
	return 0;
}

static int take_uplinks(struct role_link *link, const uint8_t *body, size_t len)
{
	struct role_uplinks u;

	if (len != sizeof(u) || !link->configured)
		return -EPROTO;
	memcpy(&u, body, sizeof(u));
	if (link->ops->uplinks)
		link->ops->uplinks(link, &u);
	return 0;
}

/* Closes `fd` where the message is not one that carries a descriptor. */
static int take_message(struct role_link *link, size_t len, int fd)
{
	const uint8_t *body = link->message + sizeof(struct role_message);
	struct role_message m = { .type = ROLE_MESSAGE_NUM };

	if (len >= sizeof(m)) {
		memcpy(&m, link->message, sizeof(m));
		len -= sizeof(m);
	}
	if (m.type == ROLE_DESCRIPTOR)
		return take_descriptor(link, body, len, fd);
	fd_close(fd);
	switch (m.type) {
	case ROLE_CONFIG:
		return take_config(link, body, len);
	case ROLE_START:
		return take_start(link);
	case ROLE_QUERY:
		return take_query(link, body, len);
	case ROLE_FORGET:
		return take_forget(link, body, len);
	case ROLE_UPLINKS:
		return take_uplinks(link, body, len);
	case ROLE_PING:
		return send_bare(ROLE_PONG);
	case ROLE_STOP:
		loop_stop(link->loop, EXIT_SUCCESS);
		return 0;
	default:
		return -EPROTO;
	}
}

static void control_ready(struct watch *w, uint32_t events)
{
	struct role_link *link = container_of(w, struct role_link, control);
	int fd = -1, err;
	ssize_t len = message_recv(w->fd, link->message, sizeof(link->message), &fd);

	if (len == -EAGAIN || len == -EINTR)
		return;
	if (len <= 0) { /* main is gone */
		loop_stop(link->loop, EXIT_FAILURE);
		return;
	}
	err = take_message(link, (size_t)len, fd);
	if (err) {
		log_err(link->ops->component, "a message of main could not be followed: %s",
			strerror(-err));
		loop_stop(link->loop, EXIT_FAILURE);
	}
}

int role_link_open(struct role_link *link, struct loop *loop, const struct role_link_ops *ops)
{
	*link = (struct role_link){
		.control = { .ready = control_ready, .fd = ROLE_FD },
		.loop = loop,
		.ops = ops,
	};
	return loop_add(loop, &link->control, EPOLLIN);
}

void role_link_close(struct role_link *link)
{
	loop_remove(link->loop, &link->control);
}
