/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Strict reassembly of IPv4 and IPv6 fragments (RFC 791, 8200, 5722, 6946).
 *
 * A datagram is dropped as a whole, and what still arrives of it until its time is up, when
 * its fragments overlap, run beyond 65535 bytes, contradict each other about its length, or
 * when its first one does not hold the whole L4 header. Nothing but whole datagrams comes out.
 */
#ifndef FLOW_REASSEMBLY_H
#define FLOW_REASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/parse.h"
#include "datapath/role.h"

struct reassembly;

/*
 * A whole datagram as one unfragmented IP packet: fragment fields, IPv6 fragment header,
 * lengths and IPv4 header checksum are put right. Valid until the next call.
 */
struct reassembled {
	uint8_t *data;
	size_t len;
};

/*
 * Called for a datagram that timed out although its first fragment was there: that
 * fragment, without its fragment fields, to be quoted by "reassembly time exceeded".
 */
typedef void (*reassembly_expired)(void *arg, const uint8_t *first, size_t len);

/*
 * Drops are counted in `dp` (one per fragment), as is the gauge RSTAT_FRAGMENTS_HELD; `dp`
 * must outlive the reassembler. expired may be NULL. 0 or -errno.
 */
int reassembly_new(struct datapath *dp, reassembly_expired expired, void *arg,
		   struct reassembly **ret_reassembly);
/* Accepts NULL. What is held is given up uncounted. */
void reassembly_free(struct reassembly *r);

/*
 * Takes one fragment: `head` as packet_parse() filled it (is_fragment), `packet` its IP
 * header, head->total_len bytes of it readable. True: *ret_whole is the datagram that it
 * completed. False: it is held, or dropped and counted.
 */
bool reassembly_add(struct reassembly *r, const struct packet *head, const uint8_t *packet,
		    uint64_t now_ms, struct reassembled *ret_whole);

/* Drops what was not completed within FRAGMENT_TIMEOUT_MS. True if something is still held. */
bool reassembly_expire(struct reassembly *r, uint64_t now_ms);

#endif
