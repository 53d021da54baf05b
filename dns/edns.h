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
#define EDNS_OPTIONS_MAX 64 /* bytes of the options that we hand on */

/*
 * Options that say more than "ignore me" to us. Options are between neighbours (RFC 6891
 * section 6.1.1): all others, cookies and padding among them, are not handed on.
 */
#define EDNS_NSID 1U /* RFC 5001: who is it that answers? Handed on */
#define EDNS_SUBNET 2U /* RFC 7871: part of the client's address. Handed on only if asked to */
#define EDNS_IDENTITY 4U /* the client's MAC address and the like, as dnsmasq adds it */

/* What the rest of a message holds, behind its question. */
struct edns {
	bool present;
	bool dnssec_ok;
	uint8_t options; /* EDNS_NSID... */
	bool extra; /* other additional records; of a query: it is signed (TSIG, SIG(0)) */
	uint8_t version;
	uint8_t rcode_high; /* upper 8 bits of the extended RCODE */
	uint16_t payload; /* as announced */
	size_t offset; /* of the record */
	size_t end; /* behind it */
	size_t message_end; /* behind the last record; what follows is no part of the message */
};

/*
 * Walks all records behind the question. 0; -EBADMSG = malformed, or more records than
 * MSG_RECORDS_MAX; -EEXIST = two OPT records, or one outside of the additional section (RFC 6891
 * section 6.1.1), or a client subnet of wrong length (RFC 7871 section 7.1.1): FORMERR.
 */
int edns_find(const uint8_t *msg, size_t len, size_t question_end, struct edns *ret_edns);

/* Bytes of UDP payload that the sender of `e` takes: 512 without EDNS, and at least that. */
uint16_t edns_limit(const struct edns *e);

/*
 * Appends an OPT without options to a message of `len` bytes (buf has EDNS_OPT_BYTES more)
 * and counts it in the header. Returns the new length.
 */
size_t edns_append(uint8_t *buf, size_t len, bool dnssec_ok);
/* Sets the upper bits of the RCODE in the OPT without options that ends at `len`. */
void edns_set_rcode(uint8_t *buf, size_t len, uint8_t rcode_high);
/*
 * Appends those of the options in `keep` that `e` of `msg` has to the OPT without options that
 * ends at `len`, EDNS_OPTIONS_MAX bytes at most. Returns the new length.
 */
size_t edns_copy_options(uint8_t *buf, size_t len, const uint8_t *msg, const struct edns *e,
			 uint8_t keep);
/* Takes the OPT out of a message in which it is the last record. Returns the new length. */
size_t edns_strip(uint8_t *msg, const struct edns *e);

#endif
