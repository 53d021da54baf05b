// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * queue_read() on what a TUN could hand over: the first byte chooses the header's size, the
 * rest is header and packet. What is let through must be true of the packet, and can then be
 * quoted in an ICMP error, written back and summed without touching a byte outside of it.
 */
#include <errno.h>

#include "base/limits.h"
#include "netdev/packet.h"
#include "netdev/queue.h"
#include "tests/fuzz/fuzz.h"

#define DATA_AT 12 /* where queue_read() puts the packet */

/* What the device has to give, once. */
struct device {
	const uint8_t *data;
	size_t size;
};

static uint8_t block[PACKET_MAX + DATA_AT + 8] __attribute__((aligned(8)));
static struct fence behind = { block, sizeof(block), sizeof(block) };

/* As a TUN does: what does not fit is cut off. Behind the packet nothing may be touched. */
static ssize_t device_read(void *arg, void *buf, size_t size)
{
	struct device *d = arg;
	size_t n = d->size < size ? d->size : size;

	if (!d->size)
		return -EAGAIN;
	fence_move(&behind, (uint8_t *)buf + n - block);
	memcpy(buf, d->data, n);
	d->size = 0;
	return (ssize_t)n;
}

/* Every byte that is written can be read. */
static ssize_t device_write(void *arg, const struct iovec *iov, int iovcnt)
{
	ssize_t sum = 0;

	require(iovcnt > 0);
	for (int i = 0; i < iovcnt; i++) {
		csum_add(0, iov[i].iov_base, iov[i].iov_len);
		sum += (ssize_t)iov[i].iov_len;
	}
	return sum;
}

static void device_close(void *arg)
{
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

static void quote(const struct queue_packet *p)
{
	const struct addr from[2] = { { .b = { [10] = 0xff, 0xff, 10, 0, 0, 1 } },
				      { .b = { 0xfd, [15] = 1 } } };
	uint8_t error[PACKET_ICMP_MAX];

	for (int what = ICMP_ERR_PORT; what <= ICMP_ERR_TOO_BIG; what++) {
		for (int v6 = 0; v6 < 2; v6++)
			require(packet_icmp_error(error, what, 1280, &from[v6], p->data, p->len) <=
				sizeof(error));
	}
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
	static const struct queue_io io = { device_read, device_write, device_close };
	static const unsigned int header_bytes[] = { 0, 10, 12 };
	struct device device;
	struct queue q = { .fd = -1, .io = &io, .io_arg = &device, .tso = true, .uso = true };
	struct queue_packet packet;

	if (size < 2)
		return 0;
	device = (struct device){ data + 1, size - 1 };
	q.vnet_hdr_bytes = header_bytes[data[0] % 3];
	if (queue_read(&q, block, PACKET_MAX + DATA_AT, &packet) == 0) {
		check_packet(&packet, size - 1);
		quote(&packet);
		write_back(&q, &packet);
	}
	require(queue_read(&q, block, PACKET_MAX + DATA_AT, &packet) == -EAGAIN);
	queue_close(&q);
	return 0;
}
