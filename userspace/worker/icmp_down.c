// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What comes back of echo requests: replies, with the application's identifier put in, and
 * ICMP errors about them, quoting the request as the application sent it. Nothing is
 * believed because a filter passed it: identifier, session and peer must fit each other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h>

#include "netdev/packet.h"
#include "worker/failure.h"
#include "worker/icmp.h"

#define MESSAGES_PER_TURN 32
#define ERROR_BYTES 8 /* ICMP header of an error; the quoted packet follows */
#define QUOTE_MAX 1232 /* more is not quoted anyway */
#define CONTROL_BYTES 256

#define IP4_BYTES 20
#define IP6_BYTES 40
#define IP6_FRAGMENT_BYTES 8

#define ICMP4_REPLY 0
#define ICMP4_UNREACH 3
#define ICMP4_FRAG_NEEDED 4
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12
#define ICMP4_REQUEST 8
#define ICMP6_TOO_BIG 2
#define ICMP6_PARAMETER 4
#define ICMP6_REQUEST 128
#define ICMP6_REPLY 129

/* An ICMP message as it came from upstream. */
struct message {
	struct addr from;
	uint8_t ttl; /* 0 = not known */
	const uint8_t *icmp;
	size_t len;
};

static struct icmp_session *find_id(struct icmp_engine *e, __be16 id, const struct addr *peer)
{
	unsigned int index = (uint16_t)(ntohs(id) - e->worker->config.icmp_id_base);
	struct icmp_session *s = index < ICMP_SESSIONS_MAX ? e->by_index[index] : NULL;
	struct endpoint to;

	if (!s)
		return NULL;
	to = worker_upstream_of(e->worker, &s->session.key);
	return addr_eq(&to.addr, peer) ? s : NULL;
}

static void take_reply(struct icmp_engine *e, const struct message *m)
{
	struct iovec payload = { (void *)(m->icmp + sizeof(struct icmp_echo)),
				 m->len - sizeof(struct icmp_echo) };
	struct icmp_session *s;
	struct icmp_echo h;

	memcpy(&h, m->icmp, sizeof(h));
	s = find_id(e, h.id, &m->from);
	if (!s)
		return;
	s->end = END_IDLE;
	sessions_touch(&e->sessions, &s->session);
	icmp_write_reply(s, h.seq, m->ttl > 1 ? m->ttl - 1 : m->ttl, &payload);
}

static enum drop_reason reason_of(bool v4, uint8_t type, uint8_t code)
{
	if (v4 ? type == ICMP4_UNREACH && code == ICMP4_FRAG_NEEDED : type == ICMP6_TOO_BIG)
		return DROP_TOO_BIG;
	return DROP_UPSTREAM_UNREACH;
}

/* Who sent an error, in the application's terms (config.host_loopback). */
static const struct addr *offender_of(const struct icmp_session *s, const struct addr *from)
{
	return addr_is_loopback(from) ? &s->session.key.daddr : from;
}

/* The error goes on, about `quoted`. */
static void relay(struct icmp_session *s, const uint8_t *icmp, const struct addr *from,
		  const uint8_t *quoted, size_t len)
{
	struct worker *w = s->engine->worker;
	enum drop_reason why = reason_of(icmp_is_v4(s), icmp[0], icmp[1]);
	uint8_t buf[PACKET_ICMP_MAX];
	uint32_t rest;

	memcpy(&rest, icmp + 4, sizeof(rest));
	worker_drop(w, why);
	if (why == DROP_UPSTREAM_UNREACH)
		s->end = END_UNREACHABLE;
	len = packet_icmp_raw(buf, icmp[0], icmp[1], rest, offender_of(s, from), quoted, len);
	if (len)
		worker_write(w, buf, len);
}

/*
 * The quoted request with the application's address and identifier again: IP header, echo
 * header and what of its data was quoted. Its checksum is summed anew over what there is; it
 * cannot be right where the data was cut, and nobody looks at it.
 */
static size_t quote_build(const struct icmp_session *s, const uint8_t *echo, size_t echo_len,
			  size_t l4_len, uint8_t *buf)
{
	const struct flow_key *k = &s->session.key;
	struct packet_path path = { .src = k->saddr, .dst = k->daddr };
	uint8_t proto = icmp_is_v4(s) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint32_t sum = icmp_is_v4(s) ? 0 : csum_pseudo(&path.src, &path.dst, proto, l4_len);
	size_t at = packet_ip_header(buf, &path, proto, l4_len);
	struct icmp_echo h;

	memcpy(buf + at, echo, echo_len);
	memcpy(&h, echo, sizeof(h));
	h.id = k->sport;
	h.checksum = 0;
	memcpy(buf + at, &h, sizeof(h));
	h.checksum = csum_fold(csum_add(sum, buf + at, echo_len));
	memcpy(buf + at, &h, sizeof(h));
	return at + echo_len;
}

/* Where a quoted packet's echo header is; 0 if it is none of ours. */
static size_t locate4(const uint8_t *p, size_t len)
{
	size_t header = 4 * (p[0] & 0xf);

	if (len < IP4_BYTES || header < IP4_BYTES || header + sizeof(struct icmp_echo) > len)
		return 0;
	return p[9] == IPPROTO_ICMP && p[header] == ICMP4_REQUEST ? header : 0;
}

static size_t locate6(const uint8_t *p, size_t len)
{
	size_t at = IP6_BYTES;
	uint8_t proto;

	if (len < at + IP6_FRAGMENT_BYTES + sizeof(struct icmp_echo))
		return 0;
	proto = p[6];
	if (proto == IPPROTO_FRAGMENT) {
		proto = p[at];
		at += IP6_FRAGMENT_BYTES;
	}
	return proto == IPPROTO_ICMPV6 && p[at] == ICMP6_REQUEST ? at : 0;
}

static struct addr quoted_peer(const uint8_t *p, bool v4)
{
	__be32 a;

	if (!v4)
		return addr_from_v6(p + 24);
	memcpy(&a, p + 16, sizeof(a));
	return addr_from_v4(a);
}

/* L4 bytes that the quoted packet's header speaks of, before it was cut. */
static size_t quoted_l4(const uint8_t *p, bool v4, size_t at)
{
	size_t total = v4 ? p[2] << 8 | p[3] : IP6_BYTES + (p[4] << 8 | p[5]);

	return total > at + sizeof(struct icmp_echo) ? total - at : sizeof(struct icmp_echo);
}

static void take_error(struct icmp_engine *e, const struct message *m, bool v4)
{
	const uint8_t *quoted = m->icmp + ERROR_BYTES;
	size_t len = m->len - ERROR_BYTES;
	uint8_t buf[IP6_BYTES + QUOTE_MAX];
	struct icmp_session *s;
	struct icmp_echo h;
	struct addr peer;
	size_t at;

	if (!len)
		return;
	at = v4 ? locate4(quoted, len) : locate6(quoted, len);
	if (!at)
		return;
	memcpy(&h, quoted + at, sizeof(h));
	peer = quoted_peer(quoted, v4);
	s = find_id(e, h.id, &peer);
	if (!s)
		return;
	len = len - at < QUOTE_MAX ? len - at : QUOTE_MAX;
	len = quote_build(s, quoted + at, len, quoted_l4(quoted, v4, at), buf);
	relay(s, m->icmp, &m->from, buf, len);
}

/* Padding of short frames is cut off by the kernel; lengths are those of the packet. */
static void take_raw4(struct icmp_engine *e, const uint8_t *p, size_t len)
{
	size_t header = len ? 4 * (p[0] & 0xf) : 0;
	struct message m = { .icmp = p + header, .len = len - header };
	__be32 from;

	if (header < IP4_BYTES || len < header + sizeof(struct icmp_echo))
		return;
	memcpy(&from, p + 12, sizeof(from));
	m.from = addr_from_v4(from);
	m.ttl = p[8];
	if (m.icmp[0] == ICMP4_REPLY)
		take_reply(e, &m);
	else if (m.icmp[0] == ICMP4_UNREACH || m.icmp[0] == ICMP4_TIME_EXCEEDED ||
		 m.icmp[0] == ICMP4_PARAMETER)
		take_error(e, &m, true);
}

static void take_raw6(struct icmp_engine *e, const uint8_t *p, size_t len,
		      const struct sockaddr_in6 *from, uint8_t hop_limit)
{
	struct message m = {
		.from = addr_from_v6(&from->sin6_addr), .ttl = hop_limit, .icmp = p, .len = len
	};

	if (len < sizeof(struct icmp_echo))
		return;
	if (p[0] == ICMP6_REPLY)
		take_reply(e, &m);
	else if (p[0] && p[0] <= ICMP6_PARAMETER)
		take_error(e, &m, false);
}

/* An error pending on the shared socket is about nobody in particular: taken off it. */
static void clear_error(int fd, uint32_t events)
{
	socklen_t len = sizeof(int);
	int err;

	if (events & (EPOLLERR | EPOLLHUP))
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
}

void icmp_raw4_ready(struct watch *watch, uint32_t events)
{
	struct icmp_engine *e = container_of(watch, struct icmp_engine, raw[0]);

	clear_error(watch->fd, events);
	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		ssize_t n = recv(watch->fd, e->data, sizeof(e->data), MSG_DONTWAIT);

		if (n < 0)
			break;
		take_raw4(e, e->data, n);
	}
}

static uint8_t hop_limit_of(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int value = 0;

	if (c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
		memcpy(&value, CMSG_DATA(c), sizeof(value));
	return value;
}

static bool read_raw6(struct icmp_engine *e, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct sockaddr_in6 from = { 0 };
	struct iovec iov = { e->data, sizeof(e->data) };
	struct msghdr msg = { .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return false;
	take_raw6(e, e->data, n, &from, hop_limit_of(&msg));
	return true;
}

void icmp_raw6_ready(struct watch *watch, uint32_t events)
{
	struct icmp_engine *e = container_of(watch, struct icmp_engine, raw[1]);

	clear_error(watch->fd, events);
	for (int i = 0; i < MESSAGES_PER_TURN && read_raw6(e, watch->fd); i++)
		;
}

/* An error about a request of a ping socket; what is read is its echo header and data. */
static void take_ping_error(struct icmp_session *s, const struct sock_extended_err *ee, size_t len)
{
	bool v4 = ee->ee_origin == SO_EE_ORIGIN_ICMP;
	uint32_t info = v4 && ee->ee_type == ICMP4_PARAMETER ? ee->ee_info << 24 : ee->ee_info;
	uint8_t icmp[ERROR_BYTES] = { ee->ee_type, ee->ee_code };
	uint8_t buf[IP6_BYTES + QUOTE_MAX];
	struct endpoint from;

	if ((!v4 && ee->ee_origin != SO_EE_ORIGIN_ICMP6) || len < sizeof(struct icmp_echo) ||
	    endpoint_from_sockaddr(SO_EE_OFFENDER(ee), &from))
		return;
	info = htonl(info);
	memcpy(icmp + 4, &info, sizeof(info));
	len = quote_build(s, s->engine->data, len < QUOTE_MAX ? len : QUOTE_MAX, len, buf);
	relay(s, icmp, &from.addr, buf, len);
}

static bool read_ping_error(struct icmp_session *s)
{
	union {
		struct cmsghdr align;
		char space[CONTROL_BYTES];
	} control;
	struct iovec iov = { s->engine->data, sizeof(s->engine->data) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(s->watch.fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;

		if ((v4 || v6) && c->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err) +
							  sizeof(struct sockaddr_in)))
			take_ping_error(s, (const struct sock_extended_err *)CMSG_DATA(c), n);
	}
	return true;
}

void icmp_ping_ready(struct watch *watch, uint32_t events)
{
	struct icmp_session *s = container_of(watch, struct icmp_session, watch);
	struct icmp_engine *e = s->engine;
	int errors = 0;

	while (events & EPOLLERR && errors < MESSAGES_PER_TURN && read_ping_error(s))
		errors++;
	if (!errors)
		clear_error(watch->fd, events);
	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		ssize_t n = recv(watch->fd, e->data, sizeof(e->data), MSG_DONTWAIT);
		struct iovec payload = { e->data + sizeof(struct icmp_echo),
					 n - sizeof(struct icmp_echo) };
		struct icmp_echo h;

		if (n < (ssize_t)sizeof(h))
			break;
		memcpy(&h, e->data, sizeof(h));
		s->end = END_IDLE;
		sessions_touch(&e->sessions, &s->session);
		icmp_write_reply(s, h.seq, 0, &payload);
	}
}
