/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What route capture wants of the host's tables, by way and family: a list, in the order in
 * which it is put there. Nothing of it is done here.
 */
#ifndef SUPERVISOR_ROUTE_PLAN_H
#define SUPERVISOR_ROUTE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/route.h"
#include "netdev/route.h"
#include "supervisor/subnet.h"

#define ROUTE_ITEMS_MAX (2 * CONF_RANGES_MAX + 32)

struct route_facts {
	const struct conf_route *conf;
	int family;
	int tun_ifindex;
	const struct subnet *subnet; /* of the TUN; bits 0: the family is off, so it is refused */
	const struct route_uplink *uplink;
	bool dns; /* queries are intercepted, whomever they ask */
};

struct route_item {
	enum { ROUTE_ITEM_ROUTE, ROUTE_ITEM_RULE, ROUTE_ITEM_REMOVE } kind;
	bool firewall; /* not in mode dns */
	union {
		struct route route;
		struct rule rule; /* ROUTE_ITEM_REMOVE: neither, it is the uplink's route */
	};
};

struct route_plan {
	struct route_item item[ROUTE_ITEMS_MAX];
	unsigned int items;
};

/* The way needs the uplink's device and gateway. */
bool route_way_binds(enum conf_route_way way);
void route_plan_make(const struct route_facts *f, struct route_plan *ret_plan);

#endif
