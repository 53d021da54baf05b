/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `ip route get` says, in the network namespace that the calling process is in. */
#ifndef NETDEV_LOOKUP_H
#define NETDEV_LOOKUP_H

#include <stdint.h>

#include "base/addr.h"

struct route_lookup {
	int ifindex; /* by which packets leave, 0 = none */
	struct addr gateway; /* zero = none */
	struct addr source; /* that they get, zero = not said */
	uint32_t table;
	uint8_t type; /* RTN_UNICAST, RTN_LOCAL, ... */
};

/* To `dst`, from `src` (zero = not chosen yet), with this fwmark. 0 or -errno (-ENETUNREACH). */
int route_lookup(const struct addr *dst, const struct addr *src, uint32_t mark,
		 struct route_lookup *ret_lookup);

#define MAC_BYTES 6

/* The hardware address of a neighbour, if the kernel knows it now. 0 or -errno. */
int neighbour_lookup(const struct addr *addr, int ifindex, uint8_t ret_mac[MAC_BYTES]);

#endif
