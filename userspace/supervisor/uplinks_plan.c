// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A device of `lan` is no uplink, whatever else names it: what its clients send is decided where
 * it comes in. The ports of a bridge that is captured, as LAN or as uplink, are left out: the
 * bridge has their traffic.
 */
#include <fnmatch.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "netdev/link.h"
#include "supervisor/uplinks_plan.h"

#define ETHERNET_BYTES 14
/* The kernel half puts an Ethernet header in front of no packet above 16 KiB but by GSO. */
#define WORKER_MTU_MAX 9000
#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519
#endif
#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823
#endif

static const struct conf_point *find_point(const struct conf_point *point, size_t points,
					   const char *name)
{
	for (size_t i = 0; i < points; i++)
		if (!fnmatch(point[i].name, name, 0))
			return &point[i];
	return NULL;
}

static const struct conf_point *lan_of(const struct conf_capture *conf, const struct net_link *l)
{
	return find_point(conf->lan, conf->lans, l->name);
}

static bool is_uplink(const struct conf_capture *conf, const struct net_link *l)
{
	switch (conf->uplinks_mode) {
	case CONF_UPLINKS_AUTO:
		return l->up && l->routed;
	case CONF_UPLINKS_NAMED:
		return find_point(conf->uplink, conf->uplinks, l->name);
	default:
		return false;
	}
}

/* Bytes in front of IP in what passes the device's hooks; -1: not known. */
static int l2_bytes(const struct net_link *l)
{
	switch (l->type) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return ETHERNET_BYTES;
	case ARPHRD_NONE:
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
		return 0;
	default:
		return -1;
	}
}

/* The bridge that `l` is a port of, NULL = of none. */
static const struct net_link *bridge_of(const struct net_table *t, const struct net_link *l)
{
	const struct net_link *master = l->master ? net_table_find(t, l->master) : NULL;

	return master && master->bridge ? master : NULL;
}

static bool is_captured(const struct conf_capture *conf, const struct net_link *l)
{
	return lan_of(conf, l) || is_uplink(conf, l);
}

static void plan_device(struct uplink_plan *p, const struct net_table *t, const struct net_link *l,
			enum capture_point point)
{
	const struct net_link *bridge = bridge_of(t, l), *owner = bridge ? bridge : l;
	int l2 = l2_bytes(l);

	*p = (struct uplink_plan){ .ifindex = l->ifindex, .mtu = l->mtu };
	memcpy(p->name, l->name, sizeof(p->name));
	p->device.capture = (uint8_t)point;
	p->device.l2 = (uint8_t)(l2 > 0 ? l2 : 0);
	if (l2 && owner->has_mac)
		memcpy(p->device.mac, owner->mac, sizeof(p->device.mac));
	if (l2 < 0)
		snprintf(p->why_not, sizeof(p->why_not),
			 "a device of type %u, whose headers are not known", l->type);
}

/* False: it is none of our business. */
static bool plan_link(const struct conf_capture *conf, const struct net_table *t,
		      const struct net_link *l, struct uplink_plan *ret_plan)
{
	const struct conf_point *lan = lan_of(conf, l);
	const struct net_link *bridge = bridge_of(t, l);

	if (!is_captured(conf, l))
		return false;
	plan_device(ret_plan, t, l, lan ? CAPTURE_LAN : CAPTURE_EGRESS);
	if (lan && lan->bridged)
		ret_plan->device.flags |= CAPTURE_BRIDGED;
	if (lan && lan->dns_only)
		ret_plan->device.flags |= CAPTURE_DNS_ONLY;
	if (bridge && is_captured(conf, bridge) && lan && lan->bridged)
		ret_plan->device.flags |= CAPTURE_PORT;
	else if (bridge && is_captured(conf, bridge))
		snprintf(ret_plan->why_not, sizeof(ret_plan->why_not),
			 "a port of %s, which is captured", bridge->name);
	return true;
}

static bool plan_loopback(const struct conf_capture *conf, const struct net_table *t,
			  const struct net_link *l, struct uplink_plan *ret_plan)
{
	if (conf->loopback == CONF_LOOPBACK_NO)
		return false;
	plan_device(ret_plan, t, l, CAPTURE_LOOPBACK);
	if (conf->loopback == CONF_LOOPBACK_DNS)
		ret_plan->device.flags |= CAPTURE_DNS_ONLY;
	return true;
}

static bool is_pattern(const char *name)
{
	return strpbrk(name, "*?[");
}

static bool is_there(const struct net_table *t, const char *name)
{
	for (size_t i = 0; i < t->links; i++)
		if (!strcmp(t->link[i].name, name))
			return true;
	return false;
}

static size_t plan_missing(const struct conf_point *point, size_t points, enum capture_point where,
			   const struct net_table *t, struct uplink_plan *plan, size_t max)
{
	size_t num = 0;

	for (size_t i = 0; i < points && num < max; i++) {
		struct uplink_plan *p = &plan[num];

		if (is_pattern(point[i].name) || is_there(t, point[i].name))
			continue;
		*p = (struct uplink_plan){ .device.capture = (uint8_t)where,
					   .why_not = "no such device, captured when it appears" };
		memcpy(p->name, point[i].name, sizeof(p->name));
		num++;
	}
	return num;
}

size_t uplinks_plan(const struct conf_capture *conf, const struct net_table *table, int tun_ifindex,
		    struct uplink_plan *plan, size_t max)
{
	size_t num = 0;

	for (size_t i = 0; i < table->links && num < max; i++) {
		const struct net_link *l = &table->link[i];
		bool wanted;

		if (l->ifindex == tun_ifindex)
			continue;
		if (l->ifindex == LINK_LOOPBACK)
			wanted = plan_loopback(conf, table, l, &plan[num]);
		else
			wanted = plan_link(conf, table, l, &plan[num]);
		num += wanted;
	}
	num += plan_missing(conf->uplink, conf->uplinks, CAPTURE_EGRESS, table, plan + num,
			    max - num);
	return num + plan_missing(conf->lan, conf->lans, CAPTURE_LAN, table, plan + num, max - num);
}

unsigned int uplinks_mtu(const struct uplink_plan *plan, size_t num, unsigned int least)
{
	unsigned int mtu = least;

	for (size_t i = 0; i < num; i++)
		if (!plan[i].why_not[0] && plan[i].mtu > mtu)
			mtu = plan[i].mtu;
	return mtu < MTU_MAX ? mtu : MTU_MAX;
}

unsigned int uplinks_worker_mtu(const struct conf_capture *conf, const struct uplink_plan *plan,
				size_t num, unsigned int tun_mtu)
{
	unsigned int mtu = tun_mtu < WORKER_MTU_MAX ? tun_mtu : WORKER_MTU_MAX;

	if (conf->lans && mtu > MTU_DEFAULT)
		mtu = MTU_DEFAULT; /* of clients that are not there yet */
	for (size_t i = 0; i < num; i++)
		if (plan[i].device.capture == CAPTURE_LAN && plan[i].mtu && plan[i].mtu < mtu)
			mtu = plan[i].mtu;
	return mtu > MTU_MIN ? mtu : MTU_MIN;
}
