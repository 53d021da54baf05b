/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The subnets of a TUN: which addresses the stack and the device have. */
#ifndef SUPERVISOR_SUBNET_H
#define SUPERVISOR_SUBNET_H

#include <stdbool.h>

#include "base/addr.h"

struct subnet {
	struct addr prefix; /* v6-mapped */
	struct addr stack; /* where DNS and ping are answered */
	struct addr device;
	unsigned int bits; /* in 32 or 128; 0 = the family is off */
};

/* Is the prefix in use here? Like link_is_routed(), which is what it is outside tests. */
typedef int (*subnet_routed_fn)(const struct addr *prefix, unsigned int bits, bool *ret_routed);

/*
 * 10.0.0.0/24, or another 10.x.y.0/24 where the host has a route into that one; ::1 and ::2 of
 * fd68:6561:6472:6163::/64 likewise, with another ULA prefix. 0; -EADDRNOTAVAIL = none found.
 */
int subnet_choose4(subnet_routed_fn routed, struct subnet *ret_subnet);
int subnet_choose6(subnet_routed_fn routed, struct subnet *ret_subnet);

/*
 * Of a device that is there already, from its address: the stack is the first other host of
 * its subnet, or the usual one where there is none.
 */
void subnet_from_device(const struct addr *device, unsigned int bits, struct subnet *ret_subnet);

/* Of the stack's own address, as configured: the device has the next one, or the one before. */
void subnet_from_stack(const struct addr *stack, unsigned int bits, struct subnet *ret_subnet);

#endif
