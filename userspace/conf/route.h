/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The section `capture.route`: routes that lead the host's traffic to the TUN. */
#ifndef CONF_ROUTE_H
#define CONF_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "bpf/contract.h"

#define CONF_RANGES_MAX 64 /* captured, and direct ones */
#define CONF_VIPS_MAX 16

/* How routes lead to the TUN, and what keeps our own sockets from following them. */
#define CONF_ROUTE_WAYS(X)                                                                         \
	X(CONF_ROUTE_NONE, "none")                                                                 \
	X(CONF_ROUTE_TABLE, "table") /* a table of its own and rules; sockets by their mark */     \
	X(CONF_ROUTE_BIND, "bind") /* a better default route; sockets bound to the uplink */       \
	X(CONF_ROUTE_HOST,                                                                         \
	  "host-routes") /* in place of the default route; likewise, and routes */                 \
	/* of their own for direct destinations */                                                 \
	X(CONF_ROUTE_HALVES, "halves") /* two halves before the default route; likewise */

#define CONF_ROUTE_MODES(X)                                                                        \
	X(CONF_ROUTE_FIREWALL, "firewall") /* everything goes to the TUN */                        \
	X(CONF_ROUTE_DNS, "dns") /* the stack's own address alone */

enum conf_route_way { CONF_ROUTE_WAYS(CONTRACT_ENUM) CONF_ROUTE_WAY_NUM };
enum conf_route_mode { CONF_ROUTE_MODES(CONTRACT_ENUM) CONF_ROUTE_MODE_NUM };

/* An address of our own making: what is asked for there goes to a server of choice. */
struct conf_vip {
	struct endpoint at; /* port 0 = any */
	struct endpoint to; /* port 0 = the one that was asked for */
	unsigned int line;
};

struct conf_route {
	enum conf_route_way way;
	enum conf_route_mode mode;
	char tun[16]; /* "" = chosen */
	struct prefix address; /* of the stack, in its network; bits 0 = chosen */
	struct prefix address6;
	uint32_t table;
	uint32_t priority; /* of the first of ROUTE_RULES rules */
	struct pass_mark fwmark; /* mask 0: all traffic; else what has this mark alone */
	struct prefix range[CONF_RANGES_MAX]; /* none = everything */
	uint32_t ranges;
	struct prefix direct[CONF_RANGES_MAX]; /* go by the uplink's gateway */
	uint32_t directs;
	struct conf_vip vip[CONF_VIPS_MAX];
	uint32_t vips;
	bool specific; /* routes that are no default routes stay in force */
};

extern const char *const conf_route_ways[CONF_ROUTE_WAY_NUM];
extern const char *const conf_route_modes[CONF_ROUTE_MODE_NUM];

/* In more than the mode, which can change while an instance runs? */
bool conf_route_differs(const struct conf_route *a, const struct conf_route *b);

#endif
