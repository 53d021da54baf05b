/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The devices, and the addresses of the host, as they are now: what is told by rtnetlink in the
 * network namespace that the calling process is in.
 */
#ifndef NETDEV_TABLE_H
#define NETDEV_TABLE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct net_link {
	int ifindex;
	char name[IF_NAMESIZE];
	uint16_t type; /* ARPHRD_* */
	bool up;
	bool bridge;
	bool has_mac; /* of 6 bytes */
	bool routed; /* by a unicast route of some table that does not end at the link */
	uint8_t mac[6];
	int master; /* ifindex, 0 = none */
	unsigned int mtu;
};

struct net_table {
	struct net_link *link; /* in the order of their indices */
	size_t links;
	struct addr *local; /* unicast, broadcast and anycast addresses of the host itself */
	size_t locals;
	struct prefix *local_prefix; /* what is local as a whole, but for loopback */
	size_t local_prefixes;
};

/* 0, the caller's to net_table_done(); -EAGAIN: it changed meanwhile, again; -errno. */
int net_table_read(struct net_table *t);
void net_table_done(struct net_table *t);
/* NULL = there is none. */
struct net_link *net_table_find(const struct net_table *t, int ifindex);

#endif
