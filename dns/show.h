/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `headrace dns` shows: JSON lines of upstreams, cache and last queries. */
#ifndef DNS_SHOW_H
#define DNS_SHOW_H

#include "dns/service.h"

/*
 * Calls `line` with each line (ending in \n, NUL-terminated): {"dns": {"type": ...}} with
 *  upstream: address, state (UPSTREAM_STATES), queries, answers, failures, timeouts, spoofed,
 *            tcp, latency_us (left out until known)
 *  cache:    entries, entries_max, bytes, hits, misses, evicted, in_flight, sockets_max
 *  query:    time_ms (Unix), client, proto, name, qtype, rcode, source ("cache", "resolver"
 *            or the upstream's address), duration_us; the oldest first
 */
void dns_show(struct service *s, void (*line)(void *arg, const char *text), void *arg);

#endif
