/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether IPv6 leads anywhere: a network error turns it off for all upstreams, so that
 * no question pays for it again; now and then it is tried, and an answer turns it on.
 *
 * state | event                                | next
 * ON    | ENETUNREACH, EHOSTUNREACH...         | OFF, to be tried after IPV6_RETRY_MIN_MS
 * OFF   | its time has come: IPv6 may be tried | OFF
 * OFF   | network error when tried             | OFF for twice as long, IPV6_RETRY_MAX_MS at most
 * OFF   | connected, or an answer              | ON
 */
#ifndef DNS_IPV6_H
#define DNS_IPV6_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define IPV6_RETRY_MIN_MS 10000
#define IPV6_RETRY_MAX_MS 300000

/* Zero is ON. */
struct ipv6 {
	bool off;
	uint32_t wait_ms;
	uint64_t retry_ms; /* clock_ms() from which it may be tried */
};

bool ipv6_usable(const struct ipv6 *v6);
/* What became of a try to reach `to`: 0 or -errno. Of no effect if that is IPv4. */
void ipv6_note(struct ipv6 *v6, const struct endpoint *to, int status);
/* An error that says that the network, not the server, is in the way? */
bool ipv6_is_network_error(int status);

#endif
