/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A query as it was understood: the checks that every message from a client goes through. */
#ifndef DNS_INTAKE_H
#define DNS_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/cache.h"
#include "dns/edns.h"
#include "dns/msg.h"
#include "dns/upstream_plain.h"

struct intake {
	const uint8_t *msg; /* the caller's */
	struct msg_header header;
	struct msg_question question; /* .end 0 = it was not read */
	struct edns edns; /* its options: those that are handed on */
};

/*
 * Reads a query; options not in `keep` (EDNS_NSID...) are as if they were not there. 0 = it can
 * be answered; -EBADMSG = drop it; a positive enum msg_rcode = it is one that we refuse with
 * this: header, and question if its end is set, are then valid.
 */
int intake_read(struct intake *in, const uint8_t *msg, size_t len, uint8_t keep);

/* May an answer to such a query come out of the cache, or go there? */
bool intake_cacheable(uint16_t flags, const struct edns *edns);
struct cache_key intake_cache_key(const struct msg_question *question, uint16_t flags,
				  const struct edns *edns);

/*
 * The query as it is asked upstream and as exchanges compare it, written to `buf`: a header
 * with its RD, AD and CD, the question in lower case and, if it had one, an OPT of ours. A
 * signed one stays as it came.
 */
struct plain_question intake_normalize(const struct intake *in, uint8_t buf[PLAIN_QUESTION_MAX]);

/* The same for a question of our own. Returns its length; buf has PLAIN_QUESTION_MAX bytes. */
size_t intake_question(uint8_t *buf, const struct msg_question *question, uint16_t flags,
		       const struct edns *edns);

#endif
