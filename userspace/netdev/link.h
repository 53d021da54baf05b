/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Devices, addresses and routes by rtnetlink. Everything acts on the network namespace that
 * the calling process is in; nothing is kept between calls. Each function is one step, so
 * that -errno and the function's name say what failed; 0 on success.
 */
#ifndef NETDEV_LINK_H
#define NETDEV_LINK_H

#include <stdbool.h>

#include "base/addr.h"

#define LINK_LOOPBACK 1 /* ifindex of lo in every network namespace */

/* MTU and queue length; no automatic IPv6 addresses, so nothing is sent unasked. */
int link_configure(int ifindex, unsigned int mtu, unsigned int txqueuelen);
int link_up(int ifindex);
/* `bits` counts in 32 for v4, 128 for v6; v6 without duplicate address detection. */
int link_add_address(int ifindex, const struct addr *addr, unsigned int bits);
/* Default route through the device itself, no gateway. family: AF_INET or AF_INET6. */
int link_add_default_route(int ifindex, int family);

/*
 * Is any address of the prefix routed by some table of this namespace, other than by a
 * default route? *ret_routed only on success.
 */
int link_is_routed(const struct addr *prefix, unsigned int bits, bool *ret_routed);

/* Does this TUN put packet information (IFF_NO_PI missing) before its packets? */
int link_tun_has_pi(int ifindex, bool *ret_pi);

#endif
