/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Route capture: routes and rules that lead the host's traffic to the TUN, kept there while
 * the instance runs, and taken back exactly when it ends - by it, by the next start, or by
 * whoever cleans what a crash left (undo_clean_stale()).
 *
 * state   | event                       | action                                     | next
 * OFF     | routing_start(), way none   |                                            | OFF
 * OFF     | routing_start()             | what is common, then mode's                | ACTIVE
 * ACTIVE  | routing_set_mode()          | mode firewall: its items; dns: they go     | ACTIVE
 * ACTIVE  | routes or rules change      | after ROUTE_REPAIR_MS: what is missing is  | ACTIVE
 *         |                             | put back; another uplink, or none: all     |
 *         |                             | anew; what failed is tried again           |
 * ACTIVE  | routing_stop()              | everything is taken back                   | OFF
 */
#ifndef SUPERVISOR_ROUTE_H
#define SUPERVISOR_ROUTE_H

#include <jansson.h>

#include "base/error.h"
#include "base/loop.h"
#include "conf/route.h"
#include "netdev/undo.h"
#include "supervisor/route_plan.h"

struct routing;

struct routing_ops {
	/* Sockets have to be bound to these devices from now on: before there are routes. */
	void (*uplink_changed)(struct routing *r);
};

/* What it is to do; all of it outlives it. */
struct routing_wish {
	const char *instance;
	const char *directory; /* of the record of changes */
	const struct conf_route *conf;
	const struct subnet *v4, *v6; /* of the TUN; bits 0: the family is off */
	const char *tun;
	int tun_ifindex;
	bool dns; /* queries are intercepted, whomever they ask */
};

struct routing_family {
	int family;
	struct route_uplink uplink; /* as it is while we are in force: what moved back is ours */
	struct route_uplink used; /* as it was when we came */
	bool unseen; /* it could not be looked at: once it can be, it has moved */
	struct route_plan plan;
	struct undo_change *change[ROUTE_ITEMS_MAX]; /* by item; NULL = not made */
};

struct routing {
	struct loop *loop;
	const struct routing_ops *ops;
	struct routing_wish wish;
	bool active;
	bool failed; /* not all could be made anew: the next change of routes is reason to try */
	enum conf_route_mode mode;
	struct undo undo;
	struct routing_family family[2]; /* IPv4, IPv6 */
	struct undo_change *loosened; /* rp_filter of the uplink; NULL = it was loose */
	struct watch watch; /* of routes and rules */
	struct timer repair;
	uint64_t repaired; /* routes and rules that somebody else had removed */
	char error[ERROR_TEXT_MAX]; /* of the last repair, "" = none */
};

void routing_init(struct routing *r, struct loop *loop, const struct routing_ops *ops);
/* The device is there, and up. 0, or -errno with err filled and nothing changed. */
int routing_start(struct routing *r, const struct routing_wish *wish, char err[ERROR_TEXT_MAX]);
/* Harmless if it is not active. */
void routing_stop(struct routing *r);
/* 0; -ENOTCONN: there is no route capture; -errno with err filled. */
int routing_set_mode(struct routing *r, enum conf_route_mode mode, char err[ERROR_TEXT_MAX]);
/* Device that own sockets of that family have to be bound to, 0 = none: their mark will do. */
int routing_bound_to(const struct routing *r, int family);
/* {"way", "mode", ...}; NULL = out of memory. Null if there is no route capture. */
json_t *routing_show(const struct routing *r);

#endif
