// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Moving bytes between an application's connection and its upstream socket.
 *
 * Up: received() sends straight from the packet; what the socket does not take stays with
 * the connection, unacknowledged towards the window, until the socket is writable again.
 * Down: the socket is read while the connection has room; once it has none, the next ACK of
 * the application continues. The socket is watched edge-triggered and its state remembered
 * here, so a byte costs no system call but its read and its write.
 *
 * A FIN of either side is passed on behind the data before it, and the other direction goes
 * on; a flow is over when both are through. A RST of either side ends both.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "worker/tcp_internal.h"

/*
 * The application's kernel has decided what is worth a segment, so ours must not wait for
 * more. With nothing in flight it does not, so the first send needs no word.
 */
static void relay_undelay(struct tcp_flow *f)
{
	int on = 1;

	if (!f->relayed && f->sent_once)
		setsockopt(f->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	f->undelayed = f->relayed || f->sent_once;
	f->sent_once = true;
}

/* Why an upstream socket that failed with `error` failed. */
static enum flow_end relay_end_of(int error)
{
	switch (error) {
	case ETIMEDOUT:
		return END_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
		return END_UNREACHABLE;
	case ENOMEM:
	case ENOBUFS:
		return END_LIMIT;
	default:
		return END_UPSTREAM_RESET;
	}
}

static size_t relay_length(const struct iovec *iov, int iovcnt)
{
	size_t len = 0;

	for (int i = 0; i < iovcnt; i++)
		len += iov[i].iov_len;
	return len;
}

/*
 * Once upstream has failed, data is taken and discarded: tcp_relay_update() ends the flow
 * when what upstream said before has been passed on.
 */
size_t tcp_relay_received(struct conn *c, const struct iovec *iov, int iovcnt)
{
	struct tcp_flow *f = container_of(c, struct tcp_flow, conn);
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)iovcnt };
	size_t len = relay_length(iov, iovcnt);
	ssize_t n;

	if (f->failed != END_NONE)
		return len;
	if (!f->writable)
		return 0;
	if (!f->undelayed)
		relay_undelay(f);
	n = sendmsg(f->watch.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0) {
		f->writable = (size_t)n == len;
		return (size_t)n;
	}
	if (errno == EAGAIN) {
		f->writable = false;
		return 0;
	}
	f->failed = (uint8_t)relay_end_of(errno);
	f->readable = true;
	return len;
}

/* As many buffers as pay: several only if the last read has filled what it was given. */
static ssize_t relay_recv(struct tcp_flow *f, struct iovec *iov, int count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)count };

	if (count == 1)
		return recv(f->watch.fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT);
	return recvmsg(f->watch.fd, &msg, MSG_DONTWAIT);
}

/* One read from upstream. True if another may follow. */
static bool relay_read(struct tcp_flow *f)
{
	struct iovec iov[CONN_RESERVE_MAX];
	int count = conn_reserve(&f->conn, iov, f->bulk ? CONN_RESERVE_MAX : 1);
	size_t size = relay_length(iov, count);
	ssize_t n;

	if (!count) { /* no memory: nothing would ever wake this flow again */
		f->failed = END_LIMIT;
		return false;
	}
	n = relay_recv(f, iov, count);
	if (n > 0) {
		f->bulk = (size_t)n == size;
		if (!f->bulk && !f->hangup)
			f->readable = false;
		if (conn_commit(&f->conn, (size_t)n) < 0)
			f->failed = END_LIMIT;
		return f->readable && f->failed == END_NONE;
	}
	f->readable = false;
	if (n == 0) {
		f->upstream_eof = true;
		if (f->failed == END_NONE) {
			conn_finish(&f->conn);
			tcp_keepalive_half_closed(f);
		}
	} else if (errno != EAGAIN && f->failed == END_NONE) {
		f->failed = (uint8_t)relay_end_of(errno);
	}
	return f->readable;
}

static void relay_down(struct tcp_flow *f)
{
	while (f->readable && !f->upstream_eof && conn_room(&f->conn)) {
		if (!relay_read(f))
			break;
	}
}

static void relay_up(struct tcp_flow *f)
{
	if (f->writable && conn_is_pending(&f->conn))
		conn_resume(&f->conn);
	if (conn_is_eof(&f->conn) && !f->shut) {
		f->shut = true;
		shutdown(f->watch.fd, SHUT_WR);
	}
}

/* The connection is closed: is there anything left to do for upstream? */
static void relay_closed(struct tcp_flow *f)
{
	switch ((enum conn_end)f->conn.end) {
	case CONN_END_ORDERLY:
		if (conn_is_pending(&f->conn))
			return; /* the last bytes wait for upstream */
		if (f->conn.state == CONN_TIME_WAIT)
			tcp_flow_time_wait(f);
		else
			tcp_flow_free(f, END_FINISHED);
		return;
	case CONN_END_RESET:
		tcp_flow_reset(f, END_APP_RESET);
		return;
	case CONN_END_TIMEOUT:
		tcp_flow_reset(f, END_TIMEOUT);
		return;
	case CONN_END_ABORTED:
	case CONN_END_NONE:
		worker_drop(f->engine->worker, DROP_BUFFERS);
		tcp_flow_reset(f, END_LIMIT); /* no memory for its data */
		return;
	}
}

void tcp_relay_update(struct tcp_flow *f)
{
	relay_up(f);
	relay_down(f);
	/* What does not fit now is lost, as a RST means, rather than kept for nobody knows how long. */
	if (f->broken && f->failed == END_NONE && f->conn.state != CONN_OPENING)
		f->failed = END_UPSTREAM_RESET;
	if (f->failed != END_NONE)
		tcp_flow_reset(f, f->failed);
	else if (!f->conn.pcb)
		relay_closed(f);
}

void tcp_relay_gone(struct conn *c)
{
	relay_closed(container_of(c, struct tcp_flow, conn));
}

void tcp_relay_ready(struct watch *w, uint32_t events)
{
	struct tcp_flow *f = container_of(w, struct tcp_flow, watch);

	if (f->state == TCP_FLOW_CONNECTING) {
		tcp_connect_ready(f, events);
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		f->hangup = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		f->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		f->writable = true;
	if (events & EPOLLERR)
		f->broken = true;
	tcp_relay_update(f);
}
