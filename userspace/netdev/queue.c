// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One TUN queue. In front of each packet the device may put a virtio_net_hdr (native byte
 * order: the device's vnet endianness is left at its default); nothing in it is believed
 * before it was checked against the packet. Packets start at a multiple of 4 in the buffer.
 *
 * hdr_len of a packet read is a hint of the kernel's (the bytes of the skb's linear part), so
 * it is only held inside the packet; users parse the headers themselves.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "base/fd.h"
#include "netdev/packet.h"
#include "netdev/queue.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define PACKET_AT 12 /* offset of the packet in the read buffer: room for the longer header */
#define HEADERS_ROOM 128 /* of headers that complete_checksum() copies */
#define V4_MIN 20
#define V6_MIN 40

static unsigned int ip_version(const uint8_t *packet)
{
	return packet[0] >> 4;
}

static int check_gso(const struct virtio_net_hdr *h, struct queue_packet *pkt)
{
	bool v4 = ip_version(pkt->data) == 4;

	switch (h->gso_type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return 0;
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN:
		if (!v4)
			return -EBADMSG;
		pkt->gso_type = GSO_TCP4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
	case VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN:
		if (v4)
			return -EBADMSG;
		pkt->gso_type = GSO_TCP6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		pkt->gso_type = GSO_UDP;
		break;
	default: /* UFO was never asked for; the rest does not exist */
		return -EBADMSG;
	}
	if (h->gso_size == 0 || h->hdr_len > pkt->len)
		return -EBADMSG;
	pkt->gso_size = h->gso_size;
	pkt->hdr_len = h->hdr_len;
	return 0;
}

static int check_csum(const struct virtio_net_hdr *h, struct queue_packet *pkt)
{
	unsigned int start_min = ip_version(pkt->data) == 4 ? V4_MIN : V6_MIN;

	if (h->flags & ~(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID))
		return -EBADMSG;
	pkt->csum_trusted = h->flags != 0;
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return 0;
	if (h->csum_start < start_min || (size_t)h->csum_start + h->csum_offset + 2 > pkt->len)
		return -EBADMSG;
	pkt->csum_partial = true;
	return 0;
}

static int check_header(const void *header, struct queue_packet *pkt)
{
	struct virtio_net_hdr h;
	int r;

	memcpy(&h, header, sizeof(h)); /* the 12-byte form begins with the 10-byte one */
	r = check_gso(&h, pkt);
	return r < 0 ? r : check_csum(&h, pkt);
}

/* Bytes read from whatever the link is, or -errno. */
static ssize_t link_read(const struct queue *q, void *buf, size_t size)
{
	ssize_t n;

	if (q->closed)
		return -ESHUTDOWN;
	if (q->io)
		return q->io->read(q->io_arg, buf, size);
	do
		n = read(q->fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int queue_read(struct queue *q, void *buf, size_t size, struct queue_packet *ret_pkt)
{
	uint8_t *header = (uint8_t *)buf + PACKET_AT - q->vnet_hdr_bytes;
	ssize_t n;

	n = link_read(q, header, size - PACKET_AT + q->vnet_hdr_bytes);
	if (n <= 0)
		return n < 0 ? (int)n : -EIO;
	if ((size_t)n <= q->vnet_hdr_bytes)
		return -EBADMSG;
	*ret_pkt = (struct queue_packet){
		.data = (uint8_t *)buf + PACKET_AT,
		.len = (size_t)n - q->vnet_hdr_bytes,
	};
	return q->vnet_hdr_bytes ? check_header(header, ret_pkt) : 0;
}

static int vnet_gso_type(const struct queue *q, enum gso_type type)
{
	switch (type) {
	case GSO_NONE:
		return VIRTIO_NET_HDR_GSO_NONE;
	case GSO_TCP4:
		return q->tso ? VIRTIO_NET_HDR_GSO_TCPV4 : -EOPNOTSUPP;
	case GSO_TCP6:
		return q->tso ? VIRTIO_NET_HDR_GSO_TCPV6 : -EOPNOTSUPP;
	case GSO_UDP:
		return q->uso ? VIRTIO_NET_HDR_GSO_UDP_L4 : -EOPNOTSUPP;
	}
	return -EINVAL;
}

static int fill_header(const struct queue *q, const struct queue_offload *off,
		       struct virtio_net_hdr_mrg_rxbuf *ret_h)
{
	int type = vnet_gso_type(q, off->gso_type);

	if (type < 0)
		return type;
	ret_h->hdr.gso_type = (uint8_t)type;
	if (type != VIRTIO_NET_HDR_GSO_NONE) {
		ret_h->hdr.gso_size = off->gso_size;
		ret_h->hdr.hdr_len = off->hdr_len;
	}
	if (off->csum_partial) {
		ret_h->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		ret_h->hdr.csum_start = off->csum_start;
		ret_h->hdr.csum_offset = off->csum_offset;
	}
	return 0;
}

static int link_write(const struct queue *q, const struct iovec *iov, int iovcnt)
{
	ssize_t n;

	if (q->closed)
		return -ESHUTDOWN;
	if (q->io) {
		n = q->io->write(q->io_arg, iov, iovcnt);
		return n < 0 ? (int)n : 0;
	}
	do
		n = writev(q->fd, iov, iovcnt);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Sum of what iov holds from byte `start` on. */
static uint32_t csum_iov(const struct iovec *iov, int iovcnt, size_t start)
{
	uint32_t sum = 0;
	bool odd = false; /* an odd number of bytes was summed: the next ones are swapped */

	for (int i = 0; i < iovcnt; i++) {
		size_t skip = start < iov[i].iov_len ? start : iov[i].iov_len;
		size_t len = iov[i].iov_len - skip;
		uint32_t part = csum_add(0, (const uint8_t *)iov[i].iov_base + skip, len);

		sum += odd ? (part & 0xff) << 8 | part >> 8 : part;
		odd ^= len & 1;
		start -= skip;
	}
	return sum;
}

/* Without a header to ask the kernel for it: sums here, in a copy of the packet's headers. */
static int write_completed(const struct queue *q, const struct iovec *iov, int iovcnt,
			   const struct queue_offload *off)
{
	size_t at = (size_t)off->csum_start + off->csum_offset;
	struct iovec out[QUEUE_IOV_MAX + 1];
	uint8_t headers[HEADERS_ROOM];
	uint16_t csum;

	if (at + sizeof(csum) > sizeof(headers) || at + sizeof(csum) > iov[0].iov_len)
		return -EINVAL;
	csum = csum_fold(csum_iov(iov, iovcnt, off->csum_start));
	if (csum == 0)
		csum = 0xffff; /* 0 means "none" in UDP (RFC 768) and is the same sum in TCP */
	memcpy(headers, iov[0].iov_base, at);
	memcpy(headers + at, &csum, sizeof(csum));
	at += sizeof(csum);
	out[0] = (struct iovec){ .iov_base = headers, .iov_len = at };
	out[1] = (struct iovec){ .iov_base = (uint8_t *)iov[0].iov_base + at,
				 .iov_len = iov[0].iov_len - at };
	memcpy(out + 2, iov + 1, (size_t)(iovcnt - 1) * sizeof(*iov));
	return link_write(q, out, iovcnt + 1);
}

static int write_plain(const struct queue *q, const struct iovec *iov, int iovcnt,
		       const struct queue_offload *off)
{
	if (off && off->gso_type != GSO_NONE)
		return -EOPNOTSUPP;
	if (off && off->csum_partial)
		return write_completed(q, iov, iovcnt, off);
	return link_write(q, iov, iovcnt);
}

int queue_write(struct queue *q, const struct iovec *iov, int iovcnt,
		const struct queue_offload *off)
{
	struct virtio_net_hdr_mrg_rxbuf h = { 0 };
	struct iovec out[QUEUE_IOV_MAX + 1];
	int r;

	if (iovcnt < 1 || iovcnt > QUEUE_IOV_MAX)
		return -EINVAL;
	if (q->vnet_hdr_bytes == 0)
		return write_plain(q, iov, iovcnt, off);
	r = off ? fill_header(q, off, &h) : 0;
	if (r < 0)
		return r;
	out[0] = (struct iovec){ .iov_base = &h, .iov_len = q->vnet_hdr_bytes };
	memcpy(out + 1, iov, (size_t)iovcnt * sizeof(*iov));
	return link_write(q, out, iovcnt + 1);
}

void queue_close(struct queue *q)
{
	if (q->closed)
		return;
	q->closed = true;
	if (q->io)
		q->io->close(q->io_arg);
	else
		fd_close(q->fd);
	q->fd = -1;
}
