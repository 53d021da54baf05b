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
	struct edns edns;
};

/*
 * Reads a query. 0 = it can be answered; -EBADMSG = drop it; a positive enum msg_rcode = it
 * is one that we refuse with this: header, and question if its end is set, are then valid.
 */
int intake_read(struct intake *in, const uint8_t *msg, size_t len);

/* May an answer to such a query come out of the cache, or go there? */
bool intake_cacheable(uint16_t flags, const struct edns *edns);
struct cache_key intake_cache_key(const struct msg_question *question, uint16_t flags,
				  const struct edns *edns);

/* The query as exchanges compare it, written to `buf`. */
struct plain_question intake_normalize(const struct intake *in, uint8_t buf[PLAIN_QUESTION_MAX]);

#endif
