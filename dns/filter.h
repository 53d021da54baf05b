/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between IP packets and DNS messages: what an application sent to port 53 of whatever
 * address, and the packet that answers it as if it came from there.
 */
#ifndef DNS_FILTER_H
#define DNS_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "netdev/queue.h"

/* A UDP datagram to port 53; `payload` points into the packet. */
struct filter_datagram {
	struct flow_key key;
	const uint8_t *payload;
	size_t len; /* > 0 */
	size_t segment; /* payload bytes per message; smaller than len for UDP GSO only */
};

/*
 * 0, or a negative enum drop_reason: not IP, not UDP to port 53, a fragment (workers
 * reassemble, this queue gets none), wrong checksum, or an empty payload. ret_datagram->key
 * is set (proto is not 0) even then, if the packet belongs to a flow that the kernel half
 * has opened for DNS.
 */
int filter_read(const struct queue_packet *pkt, struct filter_datagram *ret_datagram);

/* Bytes of DNS message that one packet of `mtu` carries to the client of this flow. */
size_t filter_room(const struct flow_key *key, uint32_t mtu);

/*
 * Writes the answer to a datagram of flow `key`: addresses and ports swapped, complete
 * checksums. `len` is at most filter_room(): a packet is never fragmented. 0 or -errno.
 */
int filter_write(struct queue *q, const struct flow_key *key, const void *message, size_t len);

#endif
