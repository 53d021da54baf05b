// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* IPv6, off after a network error until it is seen again. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "dns/ipv6.h"

bool ipv6_is_network_error(int status)
{
	return status == -ENETUNREACH || status == -EHOSTUNREACH || status == -EADDRNOTAVAIL ||
	       status == -ENETDOWN || status == -EAFNOSUPPORT;
}

bool ipv6_usable(const struct ipv6 *v6)
{
	return !v6->off || clock_ms() >= v6->retry_ms;
}

static void turn_off(struct ipv6 *v6)
{
	if (!v6->off)
		log_info("dns", "IPv6 to upstreams is off: the network cannot be reached");
	v6->wait_ms = v6->off ? v6->wait_ms * 2 : IPV6_RETRY_MIN_MS;
	if (v6->wait_ms > IPV6_RETRY_MAX_MS)
		v6->wait_ms = IPV6_RETRY_MAX_MS;
	v6->off = true;
	v6->retry_ms = clock_ms() + v6->wait_ms;
}

void ipv6_note(struct ipv6 *v6, const struct endpoint *to, int status)
{
	if (addr_is_v4(&to->addr))
		return;
	if (status == 0 && v6->off) {
		v6->off = false;
		log_info("dns", "IPv6 to upstreams is on again");
	} else if (ipv6_is_network_error(status) && ipv6_usable(v6)) {
		turn_off(v6);
	}
}
