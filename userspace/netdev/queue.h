/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One TUN queue: whole packets in and out, with the virtio_net_hdr that carries checksum
 * and segmentation offload. A device without the header works too: then nothing larger
 * than the MTU may be written and every checksum is complete.
 */
#ifndef NETDEV_QUEUE_H
#define NETDEV_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * A link that is not a descriptor of the kernel's: packets come and go by calls. Each does
 * what read(2) and writev(2) of a TUN do, the virtio_net_hdr included, without blocking;
 * they return bytes or -errno.
 */
struct queue_io {
	ssize_t (*read)(void *arg, void *buf, size_t size);
	ssize_t (*write)(void *arg, const struct iovec *iov, int iovcnt);
	void (*close)(void *arg);
};

struct queue {
	int fd; /* non-blocking, owned by whoever made it; with `io` only waited on (an eventfd) */
	const struct queue_io *io; /* NULL: the descriptor itself is the link */
	void *io_arg;
	bool closed;
	unsigned int vnet_hdr_bytes; /* 0, 10 or 12 */
	bool tso; /* TCP GSO in and out */
	bool uso; /* UDP GSO in and out */
};

/* What segmentation a packet carries. */
enum gso_type { GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP };

/* A packet read from a queue; valid until the next read into the same buffer. */
struct queue_packet {
	uint8_t *data; /* IP header */
	size_t len;
	enum gso_type gso_type;
	uint16_t gso_size; /* payload bytes per segment, 0 without GSO */
	uint16_t hdr_len; /* as the header says: a hint, not the headers' length; 0 without GSO */
	bool csum_trusted; /* NEEDS_CSUM or DATA_VALID: L4 checksum need not be verified */
	bool csum_partial; /* NEEDS_CSUM: the L4 checksum field is not complete */
};

/*
 * Reads one packet into buf (at least PACKET_MAX + 12 bytes; the packet starts at a multiple
 * of 4 from it). 0; -EAGAIN = none now;
 * -EBADMSG = virtio_net_hdr out of range or packet empty (the packet is lost: count
 * DROP_VNET_HDR and go on); other -errno = device trouble, try again in TUN_RETRY_MS.
 */
int queue_read(struct queue *q, void *buf, size_t size, struct queue_packet *ret_pkt);

/* How a packet is written. */
struct queue_offload {
	enum gso_type gso_type;
	uint16_t gso_size;
	uint16_t hdr_len; /* IP + L4 header bytes; with GSO */
	bool csum_partial; /* L4 field holds the pseudo header's sum only */
	uint16_t csum_start; /* offset of the L4 header */
	uint16_t csum_offset; /* of the checksum in the L4 header: 16 TCP, 6 UDP */
};

/*
 * Writes one packet gathered from iov (iovcnt <= QUEUE_IOV_MAX); off = NULL: complete as
 * it is. 0 or -errno; -EAGAIN/-ENOBUFS = the device is full, packet not written;
 * -EOPNOTSUPP = segmentation that this queue does not do. On a queue without
 * virtio_net_hdr a partial checksum is completed here; the headers must lie in iov[0].
 */
#define QUEUE_IOV_MAX 66
int queue_write(struct queue *q, const struct iovec *iov, int iovcnt,
		const struct queue_offload *off);

/*
 * Closes the link, whichever it is: from now on reads and writes fail with -ESHUTDOWN. A
 * loop that waits for q->fd must have removed its watch. Harmless if it is closed.
 */
void queue_close(struct queue *q);

#endif
