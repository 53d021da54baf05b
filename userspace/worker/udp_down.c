// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * UDP from upstream sockets to applications.
 *
 * recvmmsg() takes what waits, with UDP_GRO what the kernel had put together. Datagrams of
 * one size that follow each other are written as one USO packet where the device takes those
 * (queue.uso), else one by one; one that is larger than the MTU as IP fragments. Boundaries
 * and empty datagrams stay as they were.
 *
 * The type of service with its ECN bits (RFC 3168) goes on with each; the TTL is our own.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "worker/udp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BATCH_MAX 64 /* datagrams (or GRO batches) of one call */
#define BATCH_MIN 4
#define BATCH_BYTES (4 * UDP_PAYLOAD_MAX) /* about what one call should bring: cache, not RAM */
#define UDP_CSUM_OFFSET 6

/* Datagrams of one size, to be written as one packet. */
struct down_run {
	struct iovec iov[1 + BATCH_MAX]; /* [0]: headers */
	unsigned int count;
	size_t bytes;
};

struct udp_receiver {
	unsigned int batch; /* messages of the next call, by the size of the last ones */
	struct mmsghdr messages[BATCH_MAX];
	struct iovec iov[BATCH_MAX];
	struct down_run run;
	uint8_t headers[PACKET_HEADERS_MAX]; /* of the packet being written */
	union {
		struct cmsghdr align;
		char space[2 * CMSG_SPACE(sizeof(int))]; /* GRO and type of service */
	} control[BATCH_MAX];
	uint8_t data[BATCH_MAX][UDP_PAYLOAD_MAX];
};

int udp_receiver_new(struct udp_receiver **ret_receiver)
{
	struct udp_receiver *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->batch = BATCH_MAX;
	for (int i = 0; i < BATCH_MAX; i++) {
		r->iov[i] = (struct iovec){ r->data[i], sizeof(r->data[i]) };
		r->messages[i].msg_hdr.msg_iov = &r->iov[i];
		r->messages[i].msg_hdr.msg_iovlen = 1;
	}
	*ret_receiver = r;
	return 0;
}

void udp_receiver_free(struct udp_receiver *r)
{
	free(r);
}

/* One datagram larger than the MTU: the checksum covers all of it, so it is made here. */
static void write_large(struct udp_session *s, const struct packet_path *path,
			struct iovec *payload)
{
	uint8_t headers[PACKET_HEADERS_MAX];
	size_t len = packet_udp_header(headers, path, payload->iov_base, payload->iov_len);
	struct iovec udp = { headers + len - UDP_HEADER_BYTES, UDP_HEADER_BYTES };

	worker_write_l4(s->engine->worker, path, IPPROTO_UDP, &udp, payload);
}

/* iov[0] is to be filled with headers; the rest is `bytes` of payload. */
static void write_packet(struct udp_session *s, const struct packet_path *path, struct iovec *iov,
			 int iovcnt, size_t bytes, uint16_t segment)
{
	uint8_t *headers = s->engine->receiver->headers;
	struct queue_offload off = {
		.csum_partial = true,
		.csum_start = packet_ip_bytes(path),
		.csum_offset = UDP_CSUM_OFFSET,
	};

	iov[0].iov_base = headers;
	iov[0].iov_len = packet_udp_header(headers, path, NULL, bytes);
	if (segment) {
		off.gso_type = GSO_UDP;
		off.gso_size = segment;
		off.hdr_len = iov[0].iov_len;
	}
	worker_writev(s->engine->worker, iov, iovcnt, &off);
	iov[0].iov_base = NULL; /* the headers end with this function */
}

/* Payload of one packet on the TUN. */
static size_t packet_room(const struct udp_session *s, const struct packet_path *path)
{
	return s->engine->worker->config.settings.mtu - packet_ip_bytes(path) - UDP_HEADER_BYTES;
}

/* Payload of one USO packet, 0 if there are none. */
static size_t batch_room(const struct udp_session *s, const struct packet_path *path)
{
	if (!s->engine->worker->queue.uso)
		return 0;
	return UDP_PAYLOAD_MAX - packet_ip_bytes(path) - UDP_HEADER_BYTES;
}

static void write_one(struct udp_session *s, const struct packet_path *path, struct iovec payload)
{
	struct iovec iov[2] = { [1] = payload };

	if (payload.iov_len > packet_room(s, path))
		write_large(s, path, &payload);
	else
		write_packet(s, path, iov, 2, payload.iov_len, 0);
}

/* What GRO had put together: one packet again, or cut to what it was. */
static void write_segments(struct udp_session *s, const struct packet_path *path,
			   struct iovec payload, uint16_t segment)
{
	struct iovec iov[2] = { [1] = payload };

	if (payload.iov_len <= batch_room(s, path) && segment <= packet_room(s, path)) {
		write_packet(s, path, iov, 2, payload.iov_len, segment);
		return;
	}
	for (size_t at = 0; at < payload.iov_len; at += segment) {
		size_t rest = payload.iov_len - at;

		write_one(s, path,
			  (struct iovec){ (uint8_t *)payload.iov_base + at,
					  rest < segment ? rest : segment });
	}
}

static void run_flush(struct udp_session *s, const struct packet_path *path, struct down_run *run)
{
	if (run->count == 1)
		write_one(s, path, run->iov[1]);
	else if (run->count)
		write_packet(s, path, run->iov, 1 + run->count, run->bytes, run->iov[1].iov_len);
	run->count = 0;
	run->bytes = 0;
}

static bool run_takes(const struct udp_session *s, const struct packet_path *path,
		      const struct down_run *run, size_t len)
{
	size_t segment = run->iov[1].iov_len;

	if (!run->count || run->count == BATCH_MAX || !len || len > segment)
		return false;
	return segment <= packet_room(s, path) && run->bytes + len <= batch_room(s, path) &&
	       run->iov[run->count].iov_len == segment;
}

/* What the kernel says of a message besides its bytes. */
struct note {
	int segment; /* of a GRO batch, else 0 */
	uint8_t tos;
};

static struct note note_of(struct msghdr *msg, size_t len)
{
	struct note note = { 0 };
	int tclass = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&note.segment, CMSG_DATA(c), sizeof(note.segment));
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			note.tos = *CMSG_DATA(c);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
	}
	note.tos |= tclass;
	if (note.segment < 0 || (size_t)note.segment >= len)
		note.segment = 0;
	return note;
}

/* `path` is that of the run so far: a message of another type of service begins a new one. */
static void write_message(struct udp_session *s, struct packet_path *path, struct mmsghdr *message)
{
	struct iovec payload = { message->msg_hdr.msg_iov->iov_base, message->msg_len };
	struct note note = note_of(&message->msg_hdr, message->msg_len);
	struct down_run *run = &s->engine->receiver->run;

	if (note.segment || note.tos != path->tos || !run_takes(s, path, run, payload.iov_len))
		run_flush(s, path, run);
	path->tos = note.tos;
	if (note.segment) {
		write_segments(s, path, payload, note.segment);
		return;
	}
	run->iov[1 + run->count++] = payload;
	run->bytes += payload.iov_len;
}

static int receive_batch(struct udp_receiver *r, int fd)
{
	for (unsigned int i = 0; i < r->batch; i++) {
		r->messages[i].msg_hdr.msg_control = r->control[i].space;
		r->messages[i].msg_hdr.msg_controllen = sizeof(r->control[i].space);
	}
	return recvmmsg(fd, r->messages, r->batch, MSG_DONTWAIT, NULL);
}

/* Many small ones at once, few large ones: a batch should fit the cache. */
static unsigned int next_batch(const struct udp_receiver *r, int n)
{
	unsigned int largest = 1;

	for (int i = 0; i < n; i++)
		if (largest < r->messages[i].msg_len)
			largest = r->messages[i].msg_len;
	if (BATCH_BYTES / largest > BATCH_MAX)
		return BATCH_MAX;
	return BATCH_BYTES / largest < BATCH_MIN ? BATCH_MIN : BATCH_BYTES / largest;
}

void udp_receive(struct udp_session *s)
{
	struct udp_receiver *r = s->engine->receiver;
	struct packet_path path = udp_path_down(s);
	int n = receive_batch(r, s->watch.fd);

	if (n <= 0)
		return; /* an error shows as EPOLLERR too */
	for (int i = 0; i < n; i++)
		write_message(s, &path, &r->messages[i]);
	run_flush(s, &path, &r->run);
	r->batch = next_batch(r, n);
	s->end = END_IDLE;
	sessions_touch(&s->engine->sessions, &s->session);
}
