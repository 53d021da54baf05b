/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What concerns one hop of a message alone: its ID, and the EDNS options for padding (RFC 7830,
 * RFC 8467) and for keeping a connection (RFC 7828), which are never passed on.
 */
#ifndef DNS_HOP_H
#define DNS_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/upstream_plain.h"

#define HOP_BLOCK 128 /* queries are padded to a multiple of it (RFC 8467 section 4.1) */
#define HOP_MESSAGE_MAX (PLAIN_QUESTION_MAX + 4 + HOP_BLOCK)

/*
 * The question as it goes to the next hop: with this ID, without the options of the last hop,
 * and padded if that is asked for and can be done (it has an OPT as its last record and is not
 * signed). Returns its length.
 */
size_t hop_message(uint8_t buf[HOP_MESSAGE_MAX], const struct plain_question *q, uint16_t id,
		   bool pad);

/* Takes these options out of a message whose OPT is its last record. Returns its length. */
size_t hop_strip(uint8_t *msg, size_t len, size_t question_end);

/* Is this an answer to the question, whatever its ID and the case of its name? */
bool hop_answers(const struct plain_question *q, const uint8_t *answer, size_t len);

#endif
