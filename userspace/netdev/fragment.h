/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Headers of IP fragments that the stack's end of the TUN sends (RFC 791, RFC 8200 §4.5). */
#ifndef NETDEV_FRAGMENT_H
#define NETDEV_FRAGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netdev/packet.h"

#define FRAGMENT_HEADER_MAX 48 /* IPv6 and its fragment header */

/* Payload bytes of every fragment but the last on a link of `mtu`: a multiple of 8. */
size_t fragment_room(const struct packet_path *path, size_t mtu);

/*
 * Header of one fragment: `len` bytes from `offset` of a datagram of `proto`; IPv4 uses the
 * low 16 bits of `id`. Returns its length, 20 or 48.
 */
size_t fragment_header(void *buf, const struct packet_path *path, uint8_t proto, uint32_t id,
		       size_t offset, size_t len, bool more);

#endif
