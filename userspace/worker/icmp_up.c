// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Echo requests upstream: by the raw socket that main opened, with an identifier of ours, or
 * by a ping socket of the session's own where there is no raw one (and the host's
 * ping_group_range lets us). TTL, type of service and DF are those of the application, TTL
 * one less.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netdev/socket.h"
#include "worker/failure.h"
#include "worker/icmp.h"

#define ICMP4_REQUEST 8
#define ICMP6_REQUEST 128
#define CONTROL_INTS 3 /* TTL, TOS, DF (v6) */

/* Room for the control messages of one send. */
union control {
	struct cmsghdr align;
	char space[CONTROL_INTS * CMSG_SPACE(sizeof(int))];
};

static int ping_open(struct icmp_session *s)
{
	struct endpoint to = worker_upstream_of(s->engine->worker, &s->session.key);
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&to, &ss);
	bool v4 = ss.ss_family == AF_INET;
	int on = 1;
	int err = socket_open_ping(ss.ss_family, &s->watch.fd);

	if (err)
		return err;
	setsockopt(s->watch.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
		   sizeof(on));
	err = socket_toward(s->watch.fd, &to.addr);
	if (!err && connect(s->watch.fd, (struct sockaddr *)&ss, len))
		err = -errno;
	if (!err)
		err = loop_add(s->engine->worker->loop, &s->watch, EPOLLIN);
	if (err) {
		close(s->watch.fd);
		s->watch.fd = -1;
	}
	return err;
}

int icmp_upstream_open(struct icmp_session *s)
{
	struct icmp_engine *e = s->engine;

	if (e->raw[icmp_is_v4(s) ? 0 : 1].fd < 0)
		return ping_open(s);
	if (!e->free_count)
		return -ENOBUFS;
	s->index = e->free_index[e->free_first];
	s->has_index = true;
	e->free_first = (e->free_first + 1) % ICMP_SESSIONS_MAX;
	e->free_count--;
	e->by_index[s->index] = s;
	return 0;
}

void icmp_upstream_close(struct icmp_session *s)
{
	struct icmp_engine *e = s->engine;

	loop_close(e->worker->loop, &s->watch);
	if (!s->has_index)
		return;
	e->by_index[s->index] = NULL;
	e->free_index[(e->free_first + e->free_count) % ICMP_SESSIONS_MAX] = s->index;
	e->free_count++;
	s->has_index = false;
}

static struct cmsghdr *control_put(struct msghdr *msg, struct cmsghdr *c, int level, int type,
				   int value)
{
	c = c ? CMSG_NXTHDR(msg, c) : CMSG_FIRSTHDR(msg);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(sizeof(value));
	memcpy(CMSG_DATA(c), &value, sizeof(value));
	return c;
}

/* What the kernel can be told with the packet; IPv4's DF is the socket's (set_fragmenting). */
static void control_fill(struct msghdr *msg, union control *control, const struct worker_packet *p)
{
	const struct packet *h = &p->head;
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control->space;
	msg->msg_controllen = sizeof(control->space);
	if (h->version == 4) {
		c = control_put(msg, NULL, IPPROTO_IP, IP_TTL, h->ttl - 1);
		control_put(msg, c, IPPROTO_IP, IP_TOS, h->tos);
		msg->msg_controllen = 2 * CMSG_SPACE(sizeof(int));
		return;
	}
	c = control_put(msg, NULL, IPPROTO_IPV6, IPV6_HOPLIMIT, h->ttl - 1);
	c = control_put(msg, c, IPPROTO_IPV6, IPV6_TCLASS, h->tos);
	control_put(msg, c, IPPROTO_IPV6, IPV6_DONTFRAG, !p->reassembled);
}

static void set_fragmenting(struct icmp_session *s, const struct worker_packet *p)
{
	struct icmp_engine *e = s->engine;
	bool shared = s->has_index;
	bool dont = p->head.dont_fragment;
	int value = dont ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;

	if (!icmp_is_v4(s) || (shared && e->dont_fragment == dont))
		return;
	setsockopt(shared ? e->raw[0].fd : s->watch.fd, IPPROTO_IP, IP_MTU_DISCOVER, &value,
		   sizeof(value));
	if (shared)
		e->dont_fragment = dont;
}

/* IPv4: ours to sum. Elsewhere the kernel does it. */
static void echo_fill(const struct icmp_session *s, struct icmp_echo *h,
		      const struct iovec *payload)
{
	h->type = icmp_is_v4(s) ? ICMP4_REQUEST : ICMP6_REQUEST;
	h->code = 0;
	h->checksum = 0;
	h->id = htons(s->engine->worker->config.icmp_id_base + s->index);
	if (icmp_is_v4(s))
		h->checksum = csum_fold(
			csum_add(csum_add(0, h, sizeof(*h)), payload->iov_base, payload->iov_len));
}

static int send_request(struct icmp_session *s, const struct worker_packet *p)
{
	struct endpoint to = worker_upstream_of(s->engine->worker, &s->session.key);
	uint8_t *at = p->raw.data + p->head.l4_offset;
	struct icmp_echo h;
	struct iovec iov[2] = { { &h, sizeof(h) },
				{ at + sizeof(h), p->raw.len - p->head.payload_offset } };
	struct sockaddr_storage ss;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union control control;
	int fd = s->watch.fd;

	memcpy(&h, at, sizeof(h));
	to.port = 0; /* a raw socket takes it for a protocol */
	if (s->has_index) {
		fd = s->engine->raw[icmp_is_v4(s) ? 0 : 1].fd;
		msg.msg_namelen = endpoint_to_sockaddr(&to, &ss);
		msg.msg_name = &ss;
	}
	echo_fill(s, &h, &iov[1]);
	set_fragmenting(s, p);
	control_fill(&msg, &control, p);
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The route's MTU, as a UDP socket knows that sends nothing. 0 if there is none. */
static int route_mtu(const struct icmp_session *s)
{
	struct endpoint to = worker_upstream_of(s->engine->worker, &s->session.key);
	bool v4 = icmp_is_v4(s);
	socklen_t len = sizeof(int);
	int fd, mtu = 0;

	to.port = htons(9); /* discard */
	if (socket_connect(&to, SOCK_DGRAM, &fd))
		return 0;
	if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &len))
		mtu = 0;
	close(fd);
	return mtu;
}

void icmp_send(struct icmp_session *s, const struct worker_packet *p)
{
	struct worker *w = s->engine->worker;
	int mtu = 0, err = send_request(s, p);
	struct failure f;

	if (!err)
		return;
	if (err == -EAGAIN) {
		worker_drop(w, DROP_UPSTREAM_FULL);
		return;
	}
	f = failure_of(-err);
	worker_drop(w, f.why);
	if (err == -EMSGSIZE) {
		mtu = route_mtu(s);
		if (mtu <= 0 || (size_t)mtu >= p->raw.len)
			f.icmp = ICMP_ERR_HOST;
	} else if (f.end == END_UNREACHABLE) {
		s->end = f.end;
	}
	worker_icmp_error(w, f.icmp, mtu, NULL, p->raw.data, p->raw.len);
}
