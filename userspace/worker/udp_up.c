// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * UDP from applications to upstream sockets.
 *
 * Datagrams are not copied: a run of them of one session and one size stays where it was
 * read, and leaves by one sendmsg() with UDP_SEGMENT when the run breaks or the queue is
 * empty. A batch that the kernel's segmentation made in the application (USO) leaves the same
 * way as it is. Where a batch is refused (a path MTU below the segments, a device that cannot
 * sum) its datagrams are sent one by one, and each tells of its own failure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "worker/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define RUN_BYTES_MAX 65507 /* payload of the largest IPv4 datagram, which a batch must be */

struct udp_options udp_options_of(const struct worker_packet *p)
{
	const struct packet *h = &p->head;

	return (struct udp_options){
		.ttl = h->ttl - 1,
		.tos = h->tos,
		.whole = h->version == 4 ? h->dont_fragment : !p->reassembled,
	};
}

static bool options_eq(const struct udp_options *a, const struct udp_options *b)
{
	return a->ttl == b->ttl && a->tos == b->tos && a->whole == b->whole;
}

static void set_int(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

static void apply4(int fd, const struct udp_options *have, const struct udp_options *want, bool all)
{
	if (all || have->ttl != want->ttl)
		set_int(fd, IPPROTO_IP, IP_TTL, want->ttl);
	if (have->tos != want->tos)
		set_int(fd, IPPROTO_IP, IP_TOS, want->tos);
	if (all || have->whole != want->whole)
		set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER,
			want->whole ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
}

static void apply6(int fd, const struct udp_options *have, const struct udp_options *want, bool all)
{
	if (all || have->ttl != want->ttl)
		set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, want->ttl);
	if (have->tos != want->tos)
		set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, want->tos);
	if (all || have->whole != want->whole)
		set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			want->whole ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT);
}

void udp_options_apply(struct udp_session *s, const struct udp_options *want, bool all)
{
	if (udp_family(s) == AF_INET)
		apply4(s->watch.fd, &s->options, want, all);
	else
		apply6(s->watch.fd, &s->options, want, all);
	s->options = *want;
}

/* 0 or -errno; segment 0 = one datagram. */
static int send_message(struct udp_session *s, struct iovec *iov, size_t n, uint16_t segment)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };

	if (segment) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	}
	return sendmsg(s->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/*
 * An ICMP error about an earlier datagram fails the next send, which then was not made: once
 * that error is relayed, it is tried again.
 */
static void send_one(struct udp_session *s, struct iovec *payload, const struct iovec *packet)
{
	int err = send_message(s, payload, 1, 0);

	if (err && err != -EAGAIN && udp_errors_read(s))
		err = send_message(s, payload, 1, 0);
	if (err)
		udp_send_failed(s, -err, packet);
	else
		s->sent_bytes = payload->iov_len;
}

/* True if the batch is on its way; false: to be sent one by one. */
static bool send_batch(struct udp_session *s, struct iovec *iov, size_t n, uint16_t segment)
{
	int err;

	if (s->no_segments)
		return false;
	err = send_message(s, iov, n, segment);
	if (err == -EINVAL || err == -EMSGSIZE || err == -EIO)
		s->no_segments = true;
	if (!err)
		s->sent_bytes = segment;
	return !err;
}

bool udp_engine_holds(const struct udp_engine *e)
{
	return e->run.session;
}

void udp_engine_flush(struct udp_engine *e)
{
	struct udp_run *run = &e->run;
	struct udp_session *s = run->session;

	if (!s)
		return;
	run->session = NULL;
	if (run->count > 1 && send_batch(s, run->payload, run->count, run->payload[0].iov_len))
		return;
	for (unsigned int i = 0; i < run->count; i++)
		send_one(s, &run->payload[i], &run->packet[i]);
}

/* May `len` more bytes be the next segment of the run? */
static bool run_takes(const struct udp_run *run, const struct udp_session *s, size_t len)
{
	size_t segment = run->payload[0].iov_len;

	if (run->session != s || run->count == UDP_RUN_MAX || s->no_segments)
		return false;
	if (!len || len > segment || run->bytes + len > RUN_BYTES_MAX)
		return false;
	return run->payload[run->count - 1].iov_len == segment;
}

static void run_add(struct udp_run *run, struct udp_session *s, const struct iovec *payload,
		    const struct iovec *packet)
{
	if (!run->session) {
		run->session = s;
		run->count = 0;
		run->bytes = 0;
	}
	run->payload[run->count] = *payload;
	run->packet[run->count] = *packet;
	run->count++;
	run->bytes += payload->iov_len;
}

/* A batch as the application's kernel made it. */
static void send_segments(struct udp_session *s, struct iovec *payload, const struct iovec *packet,
			  uint16_t segment)
{
	struct iovec piece;

	if (send_batch(s, payload, 1, segment))
		return;
	for (size_t at = 0; at < payload->iov_len; at += segment) {
		size_t rest = payload->iov_len - at;

		piece.iov_base = (uint8_t *)payload->iov_base + at;
		piece.iov_len = rest < segment ? rest : segment;
		send_one(s, &piece, packet);
	}
}

/* Behind the UDP length there may be more bytes (RFC 768 says nothing of them): not data. */
static struct iovec payload_of(const struct worker_packet *p)
{
	const uint8_t *udp = p->raw.data + p->head.l4_offset;
	size_t len = p->raw.len - p->head.payload_offset;
	uint16_t said;

	memcpy(&said, udp + 4, sizeof(said));
	said = ntohs(said);
	if (p->raw.gso_type == GSO_NONE && said >= UDP_HEADER_BYTES &&
	    said - UDP_HEADER_BYTES < (int)len)
		len = said - UDP_HEADER_BYTES;
	return (struct iovec){ p->raw.data + p->head.payload_offset, len };
}

void udp_engine_input(struct udp_engine *e, struct worker_packet *p)
{
	struct session *found = sessions_find(&e->sessions, &p->key);
	struct udp_session *s = found ? udp_session_of(found) : NULL;
	struct udp_options want = udp_options_of(p);
	struct iovec packet = { p->raw.data, p->raw.len };
	struct iovec payload = payload_of(p);
	bool batch = p->raw.gso_type == GSO_UDP && payload.iov_len > p->raw.gso_size;

	if (!s)
		s = udp_session_open(e, p, &want);
	if (!s)
		return;
	sessions_touch(&e->sessions, &s->session);
	if (batch || !options_eq(&s->options, &want) || !run_takes(&e->run, s, payload.iov_len))
		udp_engine_flush(e);
	if (!options_eq(&s->options, &want))
		udp_options_apply(s, &want, false);
	if (batch)
		send_segments(s, &payload, &packet, p->raw.gso_size);
	else
		run_add(&e->run, s, &payload, &packet);
}
