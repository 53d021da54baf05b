/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a query that is understood to its answer: the cache, what is in flight already, an
 * upstream; and what of an upstream's answer is let through.
 */
#ifndef DNS_RESOLVE_H
#define DNS_RESOLVE_H

#include <stdbool.h>

#include "base/loop.h"
#include "dns/exchange.h"
#include "dns/intake.h"
#include "dns/query.h"

struct service;

#define RESOLVE_STALE_MS 1800 /* a client's patience, RFC 8767 section 5: then a stale answer */
#define RESOLVE_HOT 3 /* hits that make an answer worth to be asked for before its time is over */

/* True: it has its answer, made here, because of what its name is or its policy says. */
bool resolve_here(struct service *s, const struct query *q, const uint8_t *msg);
/* True: it has its answer, from the cache. */
bool resolve_at_once(struct service *s, const struct query *q, const struct intake *in);
/* Asks for it; it has its answer, or waits, in the table of queries. */
void resolve_ask(struct service *s, const struct query *q, const struct intake *in);
/* Nothing comes: a stale answer if there is one, else SERVFAIL. */
void resolve_failed(struct service *s, const struct query *q, enum drop_reason why);

/* For exchanges_new(), and service.stale_due. */
void resolve_done(void *arg, struct exchange *x, struct exchange_result *result);
void resolve_stale_due(struct timer *t);

/* Shows the number of entries in the counters, and returns it. */
uint64_t resolve_show_cache(struct service *s);

#endif
