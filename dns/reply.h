/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An answer on its way to who asked: made one to this query (ID, RD, CD, the question's case, an
 * OPT for those who sent one), cut to what its way carries, noted, sent.
 */
#ifndef DNS_REPLY_H
#define DNS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/edns.h"
#include "dns/history.h"
#include "dns/query.h"

#define REPLY_ROOM (EDNS_OPT_BYTES + EDNS_OPTIONS_MAX) /* behind the records of an answer */

struct service;

struct answer {
	uint8_t *msg; /* without OPT, REPLY_ROOM behind it; written to, but good for another query */
	size_t len;
	uint8_t rcode_high; /* of an extended RCODE, for clients that have sent an OPT */
	bool verbatim; /* to a signed query: complete as it is, and stays so */
	const uint8_t *from; /* whose options are handed on; NULL = nobody's */
	const struct edns *from_edns;
	enum history_source source;
	struct endpoint upstream; /* of SOURCE_UPSTREAM */
	const char *why; /* what else than a rule made it what it is, for people; NULL */
	bool failed; /* it is not what was asked for */
};

/* To the client, or whoever else waits for this query. */
void reply_send(struct service *s, const struct query *q, const struct answer *a);
/* Fills in what is told of it, an entry that is all zero. */
void reply_describe(const struct query *q, const struct answer *a, struct history_entry *ret_entry);
/* Notes what the kernel half has answered by itself. */
void reply_note_kernel(struct service *s, const struct dns_log_entry *e);
/* An answer without records, made here. */
void reply_rcode(struct service *s, const struct query *q, enum msg_rcode rcode);
/* The same with SERVFAIL, counted. */
void reply_servfail(struct service *s, const struct query *q, enum drop_reason why);

#endif
