// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * queue_read() on what a TUN could hand over: the first byte chooses the header's size, the
 * rest is header and packet. What is let through must be true of the packet, and can then be
 * quoted in an ICMP error, written back and summed without touching a byte outside of it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "netdev/packet.h"
#include "netdev/queue.h"
#include "tests/fuzz/fuzz.h"

#define DATA_AT 12 /* where queue_read() puts the packet */

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_packet(const struct queue_packet *p, size_t size)
{
	require(p->len > 0 && p->len <= size);
	require((p->gso_type == GSO_NONE) == (p->gso_size == 0));
	require(p->hdr_len <= p->len);
	require(!p->csum_partial || p->csum_trusted);
	if (p->gso_type == GSO_TCP4)
		require(p->data[0] >> 4 == 4);
}

/* A copy of exactly the packet's size, so that reads beyond it are seen. */
static void quote(const struct queue_packet *p)
{
	const struct addr from[2] = { { .b = { [10] = 0xff, 0xff, 10, 0, 0, 1 } },
				      { .b = { 0xfd, [15] = 1 } } };
	uint8_t *exact = malloc(p->len);
	uint8_t error[PACKET_ICMP_MAX];

	require(exact);
	memcpy(exact, p->data, p->len);
	for (int what = ICMP_ERR_PORT; what <= ICMP_ERR_TOO_BIG; what++) {
		for (int v6 = 0; v6 < 2; v6++)
			require(packet_icmp_error(error, what, 1280, &from[v6], exact, p->len) <=
				sizeof(error));
	}
	free(exact);
}

static void write_back(struct queue *q, const struct queue_packet *p)
{
	struct iovec iov = { .iov_base = p->data, .iov_len = p->len };
	struct queue_offload off = { .gso_type = p->gso_type,
				     .gso_size = p->gso_size,
				     .hdr_len = p->hdr_len,
				     .csum_partial = p->csum_partial,
				     .csum_start = p->gso_size,
				     .csum_offset = p->hdr_len };

	queue_write(q, &iov, 1, &off);
	q->vnet_hdr_bytes = 0; /* sums in software, by offsets that mean nothing */
	off.gso_type = GSO_NONE;
	off.csum_partial = true;
	queue_write(q, &iov, 1, &off);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned int header_bytes[] = { 0, 10, 12 };
	static uint8_t buf[PACKET_MAX + DATA_AT];
	struct queue_packet packet;
	struct queue q = { .tso = true, .uso = true };
	int fds[2];

	if (size < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) < 0)
		return 0;
	q.fd = fds[0];
	q.vnet_hdr_bytes = header_bytes[data[0] % 3];
	if (write(fds[1], data + 1, size - 1) == (ssize_t)size - 1 &&
	    queue_read(&q, buf, sizeof(buf), &packet) == 0) {
		check_packet(&packet, size - 1);
		quote(&packet);
		write_back(&q, &packet);
	}
	close(fds[0]);
	close(fds[1]);
	return 0;
}
