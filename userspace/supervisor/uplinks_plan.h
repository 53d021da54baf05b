/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which devices are captured and how: from what is configured and what is there. No effects. */
#ifndef SUPERVISOR_UPLINKS_PLAN_H
#define SUPERVISOR_UPLINKS_PLAN_H

#include <net/if.h>

#include "conf/conf.h"
#include "netdev/table.h"

/* A device that is to be captured, or that is named and cannot be. */
struct uplink_plan {
	char name[IF_NAMESIZE];
	int ifindex; /* 0 = it is not there */
	struct capture_device device;
	unsigned int mtu;
	char why_not[80]; /* "" = it is to be captured */
};

/*
 * Writes at most `max` plans and returns their number, in the order of indices, those of names
 * that are not there last. tun_ifindex: our own device.
 */
size_t uplinks_plan(const struct conf_capture *conf, const struct net_table *table, int tun_ifindex,
		    struct uplink_plan *plan, size_t max);

/* The largest MTU among those that are captured, at least `least`, at most MTU_MAX. */
unsigned int uplinks_mtu(const struct uplink_plan *plan, size_t num, unsigned int least);
/*
 * What workers may write: for clients behind LAN devices no more than the least MTU of those, as
 * nothing cuts it into pieces on the way; else what the TUN takes, up to 9000.
 */
unsigned int uplinks_worker_mtu(const struct conf_capture *conf, const struct uplink_plan *plan,
				size_t num, unsigned int tun_mtu);

#endif
