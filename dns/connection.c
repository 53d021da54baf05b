// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bytes of one connection. A peer that does not acknowledge what was sent for
 * TRANSPORT_SILENT_MS is given up by the kernel (TCP_USER_TIMEOUT), so that a path that went
 * dark is noticed by TCP and not by every request's own time.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "dns/connection.h"
#include "netdev/socket.h"

#define READS_MAX 16 /* records per turn: one upstream must not hold up the others */

static void set_state(struct connection *c, enum connection_state state)
{
	c->state = state;
	c->since_ms = clock_ms();
	c->heard_ms = c->since_ms;
	c->used_ms = c->since_ms;
}

static bool retryable(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

static ssize_t read_bytes(struct connection *c, uint8_t *data, size_t len)
{
	ssize_t got;

	if (c->tls)
		return tls_read(c->tls, data, len);
	got = recv(c->watch.fd, data, len, 0);
	if (got < 0)
		return retryable(errno) ? -EAGAIN : -errno;
	return got;
}

static ssize_t write_bytes(struct connection *c, const uint8_t *data, size_t len)
{
	ssize_t sent;

	if (c->tls)
		return tls_write(c->tls, data, len);
	sent = send(c->watch.fd, data, len, MSG_NOSIGNAL);
	if (sent < 0)
		return retryable(errno) ? -EAGAIN : -errno;
	return sent;
}

/* Also of reading: TLS may have something of its own to say first (KeyUpdate). */
static bool wants_write(const struct connection *c)
{
	return c->tls && tls_wants_write(c->tls);
}

/* --- output ------------------------------------------------------------------------------ */

size_t connection_room(const struct connection *c)
{
	return sizeof(c->out) - (c->out_len - c->out_sent);
}

int connection_put(struct connection *c, const void *data, size_t len)
{
	if (len > connection_room(c))
		return -EAGAIN;
	if (len > sizeof(c->out) - c->out_len) {
		memmove(c->out, c->out + c->out_sent, c->out_len - c->out_sent);
		c->out_len -= c->out_sent;
		c->out_sent = 0;
	}
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
	return 0;
}

/* What is there. 1 = all of it went, 0 = the socket is full, -errno. */
static int write_out(struct connection *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t sent = write_bytes(c, c->out + c->out_sent, c->out_len - c->out_sent);

		if (sent == -EAGAIN)
			return 0;
		if (sent <= 0)
			return sent < 0 ? (int)sent : -ECONNRESET;
		c->out_sent += (size_t)sent;
	}
	c->out_len = 0;
	c->out_sent = 0;
	return 1;
}

int connection_flush(struct connection *c)
{
	int r;

	do {
		r = c->protocol->output ? c->protocol->output(c) : 0;
		if (r < 0)
			return r;
		r = c->out_len ? write_out(c) : 0;
		if (r < 0)
			return r;
	} while (r > 0 && c->protocol->output);
	return loop_modify(transport_loop(c->transport), &c->watch,
			   c->out_len || wants_write(c) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* --- input ------------------------------------------------------------------------------- */

static int read_in(struct connection *c)
{
	uint8_t data[TLS_RECORD_MAX];

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t got = read_bytes(c, data, sizeof(data));
		int r;

		if (got == -EAGAIN)
			return 0;
		if (got <= 0)
			return got < 0 ? (int)got : -ECONNRESET;
		c->heard_ms = clock_ms();
		r = c->protocol->input(c, data, (size_t)got);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * A server that gathers small segments (Nagle) holds its first answer until the tickets of the
 * session before it are acknowledged, which by itself is done 40 ms later. Failing costs these.
 */
static void acknowledge(const struct connection *c)
{
	int on = 1;

	(void)setsockopt(c->watch.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* --- opening ----------------------------------------------------------------------------- */

static int opened(struct connection *c)
{
	int r;

	set_state(c, CONNECTION_OPEN);
	r = c->protocol->open(c);
	if (r < 0)
		return r;
	transport_connected(c);
	return connection_flush(c);
}

static int shake_hands(struct connection *c)
{
	int r = tls_handshake(c->tls);

	if (r == 0)
		return opened(c);
	if (r != -EAGAIN)
		return r;
	return loop_modify(transport_loop(c->transport), &c->watch,
			   tls_wants_write(c->tls) ? EPOLLOUT : EPOLLIN);
}

static int connected(struct connection *c)
{
	struct tls_client *client = transport_tls(c->transport);
	socklen_t len = sizeof(int);
	int error = 0, r;

	getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error)
		return -error;
	if (!client)
		return opened(c);
	r = tls_new(client, c->watch.fd, &c->tls);
	if (r < 0)
		return r;
	set_state(c, CONNECTION_HANDSHAKE);
	return shake_hands(c);
}

static int go_on(struct connection *c, uint32_t events)
{
	int r = 0;

	switch (c->state) {
	case CONNECTION_CONNECTING:
		return connected(c);
	case CONNECTION_HANDSHAKE:
		return shake_hands(c);
	case CONNECTION_OPEN:
		break;
	}
	if (events & ~(uint32_t)EPOLLOUT || wants_write(c)) {
		r = read_in(c);
		if (r == 0 && !c->answered)
			acknowledge(c);
	}
	return r < 0 ? r : connection_flush(c);
}

static void connection_ready(struct watch *w, uint32_t events)
{
	struct connection *c = container_of(w, struct connection, watch);
	int r = go_on(c, events);

	if (r < 0)
		transport_lost(c, r);
	else
		transport_turned(c);
}

/* Failing costs time alone: queries that wait for others, a silence that is noticed later. */
static void set_options(int fd)
{
	unsigned int silent_ms = TRANSPORT_SILENT_MS;
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
}

int connection_open(struct transport *t, const struct endpoint *to, struct connection **ret_c)
{
	struct connection *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->transport = t;
	c->protocol = transport_protocol(t);
	c->requests_max = c->protocol->requests_max;
	c->to = *to;
	c->watch.ready = connection_ready;
	list_init(&c->link);
	list_init(&c->requests);
	set_state(c, CONNECTION_CONNECTING);
	r = socket_connect(to, SOCK_STREAM, &c->watch.fd);
	if (r < 0) {
		free(c);
		return r;
	}
	set_options(c->watch.fd);
	r = loop_add(transport_loop(t), &c->watch, EPOLLOUT);
	if (r < 0) {
		fd_close(c->watch.fd);
		free(c);
		return r;
	}
	datapath_budget(transport_datapath(t), BUDGET_DESCRIPTORS)->used++;
	*ret_c = c;
	return 0;
}

void connection_free(struct connection *c)
{
	int fd = c->watch.fd;

	if (c->state == CONNECTION_OPEN)
		c->protocol->close(c);
	tls_free(c->tls);
	loop_remove(transport_loop(c->transport), &c->watch);
	fd_close(fd);
	datapath_budget(transport_datapath(c->transport), BUDGET_DESCRIPTORS)->used--;
	list_remove(&c->link);
	free(c);
}

bool connection_is_acknowledged(const struct connection *c)
{
	int bytes = 0;

	return ioctl(c->watch.fd, SIOCOUTQ, &bytes) < 0 || !bytes;
}

const char *connection_status_text(const struct connection *c, int status)
{
	if (c->tls && tls_error(c->tls)[0])
		return tls_error(c->tls);
	if (status != -ETIMEDOUT)
		return strerror(-status);
	switch (c->state) {
	case CONNECTION_CONNECTING:
		return "no answer to the attempt to connect";
	case CONNECTION_HANDSHAKE:
		return "no answer during the TLS handshake";
	default:
		return "what was sent is not acknowledged";
	}
}
