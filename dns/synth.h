/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers that are made here. All begin with the query's header and question as msg_reply()
 * makes them; `buf` may be `query`. None has an OPT: that is the caller's (edns_append()).
 */
#ifndef DNS_SYNTH_H
#define DNS_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "dns/msg.h"

/* Of what synth_block() and synth_addresses() write: with 8 addresses (CONF_ADDRESSES_MAX). */
#define SYNTH_BYTES_MAX (MSG_HEADER_BYTES + MSG_QUESTION_MAX + 8 * 28)

/* The name that is answered with zero addresses, so that a client can see whom it asks. */
#define SYNTH_SELF_CHECK "headrace.test"
bool synth_is_self_check(const struct name *name);

/*
 * A block: DNS_NXDOMAIN, DNS_NODATA, DNS_ZERO, DNS_REFUSED (bpf/dns_block.h has the layout, and
 * the kernel half gives the same bytes). Returns the length.
 */
size_t synth_block(uint8_t *buf, const uint8_t *query, const struct msg_question *question,
		   enum dns_action action, uint32_t ttl);

/*
 * A rewrite to addresses: those of the question's type (A, AAAA), 8 at most; for other types,
 * or if there is none, NODATA. Returns the length.
 */
size_t synth_addresses(uint8_t *buf, const uint8_t *query, const struct msg_question *question,
		       const struct addr *address, size_t addresses, uint32_t ttl);

/*
 * A rewrite to another name. The caller asks for `target`, without looking at policies again,
 * with the type of the client's question, and gives the answer to that: it becomes the answer
 * to the client, behind a CNAME record from the question's name to the target. Of the answer
 * its RCODE, its answers and authorities count; `answer` NULL: the CNAME alone (what a question
 * for CNAME or ANY is answered with, without asking). Returns the length, 0 if the answer is
 * malformed or the result exceeds `size`; `buf` is none of the others.
 */
size_t synth_cname(uint8_t *buf, size_t size, const uint8_t *query,
		   const struct msg_question *question, const struct name *target, uint32_t ttl,
		   const uint8_t *answer, size_t answer_len);

#endif
