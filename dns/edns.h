/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The OPT record (RFC 6891): finding it, what it says, and writing one of our own. */
#ifndef DNS_EDNS_H
#define DNS_EDNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What we announce and ask for: no fragments on any path of IPv6's minimum MTU. */
#define EDNS_PAYLOAD 1232
#define EDNS_OPT_BYTES 11 /* an OPT without options */

/* What the rest of a message holds, behind its question. */
struct edns {
	bool present;
	bool dnssec_ok;
	bool plain; /* no options but those an answer does not depend on: COOKIE, PADDING */
	bool extra; /* other additional records; of a query: it is signed (TSIG, SIG(0)) */
	uint8_t version;
	uint8_t rcode_high; /* upper 8 bits of the extended RCODE */
	uint16_t payload; /* as announced */
	size_t offset; /* of the record */
	size_t end; /* behind it */
	size_t message_end; /* behind the last record; what follows is no part of the message */
};

/*
 * Walks all records behind the question. 0; -EBADMSG = malformed; -EEXIST = two OPT
 * records, or one outside of the additional section (FORMERR, RFC 6891 section 6.1.1).
 */
int edns_find(const uint8_t *msg, size_t len, size_t question_end, struct edns *ret_edns);

/* Bytes of UDP payload that the sender of `e` takes: 512 without EDNS, and at least that. */
uint16_t edns_limit(const struct edns *e);

/* Lowers the announced payload in place to EDNS_PAYLOAD; everything else stays as sent. */
void edns_lower_payload(uint8_t *msg, const struct edns *e);

/*
 * Appends an OPT without options to a message of `len` bytes (buf has EDNS_OPT_BYTES more)
 * and counts it in the header. Returns the new length.
 */
size_t edns_append(uint8_t *buf, size_t len, bool dnssec_ok);
/* Takes the OPT out of a message in which it is the last record. Returns the new length. */
size_t edns_strip(uint8_t *msg, const struct edns *e);

#endif
