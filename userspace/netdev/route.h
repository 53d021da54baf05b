/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes and policy rules as requests of rtnetlink, in the network namespace that the calling
 * process is in. All of them carry ROUTE_PROTOCOL, by which they are told from everybody else's.
 */
#ifndef NETDEV_ROUTE_H
#define NETDEV_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "netdev/rtnl.h"

#define ROUTE_PROTOCOL 104 /* of rt_protos: nobody's, as far as is known */
#define ROUTE_METRIC_LAST 0x7fff0000U /* of a default route that was moved back */

struct route {
	int family;
	struct addr dst;
	unsigned int bits; /* of 32 or 128 */
	uint32_t table;
	uint32_t metric; /* 0: IPv4 none, IPv6 the kernel's own */
	int ifindex; /* 0 = none */
	struct addr gateway; /* zero = none */
	struct addr source; /* preferred one, zero = none */
	uint8_t type; /* RTN_UNICAST, RTN_THROW, RTN_UNREACHABLE */
};

struct rule {
	int family;
	uint32_t priority;
	uint8_t action; /* FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP, ... */
	uint32_t table;
	uint32_t target; /* FR_ACT_GOTO: priority */
	uint32_t mark, mask; /* mask 0: any */
	bool from; /* only from this prefix; 0.0.0.0/32: only without a source yet (IPv4) */
	struct addr src;
	unsigned int src_bits;
	uint8_t proto; /* 0: any */
	uint16_t dport; /* host order; 0: any */
	bool suppress; /* a result with a prefix of `suppress_bits` or less does not count */
	uint32_t suppress_bits;
};

/* RTM_NEWROUTE: before those of the same destination and metric, if there are any (IPv4). */
void route_build(struct rtnl_request *req, const struct route *r);
/* RTM_NEWRULE */
void rule_build(struct rtnl_request *req, const struct rule *r);
/* The request that takes back what `head` makes or removes, in `req`. */
void route_inverse(struct rtnl_request *req, const struct nlmsghdr *head);

/* The default route of table main by which packets leave. */
struct route_uplink {
	int ifindex; /* 0 = there is none */
	struct addr gateway; /* zero = none: a point-to-point device */
	uint32_t metric;
	uint8_t protocol; /* RTPROT_* */
	struct rtnl_request found; /* RTM_NEWROUTE that would make it anew */
};

/*
 * The one with the lowest metric that leads neither to `except` (ifindex, 0: nothing) nor is ours.
 * 0, also if there is none; -EOVERFLOW: it has several next hops, or more to it than we keep.
 */
int route_find_uplink(int family, int except, struct route_uplink *ret_uplink);

#endif
