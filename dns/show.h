/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What people see of the resolver: JSON lines {"dns": {"type": ...}}, flat:
 *
 *  upstream: address, state (UPSTREAM_STATES), queries, answers, failures, timeouts, spoofed,
 *            tcp, latency_us (left out until known)
 *  cache:    entries, entries_max, bytes, hits, misses, stale, evicted, in_flight, sockets_max
 *  query:    time_ms (Unix), client, process, pid and uid (where known), proto, name, qtype, rcode,
 *            action (DNS_ACTIONS), rule (if one decided), source (HISTORY_SOURCES), upstream,
 *            duration_us; the oldest first
 *  lost:     count of queries that came too fast to be shown
 *  cached:   name, qtype, policy, rcode, ttl (seconds, 0 = stale), hits, bytes
 *  lookup:   name, qtype, rcode, action, rule, source, upstream, duration_us, as of a query
 *  record:   section ("answer", ...), name, ttl, rtype, data (as in a zone file)
 *  flushed:  count of answers that were forgotten
 *  error:    text
 */
#ifndef DNS_SHOW_H
#define DNS_SHOW_H

#include "dns/service.h"

/* Takes each line, which ends in \n and a NUL. */
struct show_sink {
	void (*line)(void *arg, const char *text);
	void *arg;
};

/* Upstreams and cache. */
void show_stats(struct show_sink sink, const struct service *s);
/* Queries from number `from` (since the start) on, as far as they are still there. */
void show_log(struct show_sink sink, const struct history *h, uint64_t from);
/* What is kept; `name` (lower case): for it and below it alone. */
void show_cached(struct show_sink sink, const struct service *s, const struct name *name);
/* An answer and what is told of it: one line of type "lookup", and one for each record. */
void show_lookup(struct show_sink sink, const struct history_entry *h, const uint8_t *msg,
		 size_t len);
void show_flushed(struct show_sink sink, size_t count);
void show_error(struct show_sink sink, const char *text);

#endif
