// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Devices by RTM_GETLINK, then all routes of all tables: they tell which devices lead somewhere,
 * and those of type local, broadcast and anycast are the host's own addresses, all of them, and
 * longer than one address only in the table `local`: in others they are for packets that a rule
 * picks out (TPROXY), and may be the default route.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "netdev/rtnl.h"
#include "netdev/table.h"

#define GROW 64
#define MAC_BYTES 6

/* Room for one more at *array. NULL: no memory. */
static void *grow(void **array, size_t num, size_t size)
{
	void *more = *array;

	if (num % GROW == 0)
		more = realloc(more, (num + GROW) * size);
	if (!more)
		return NULL;
	*array = more;
	return (char *)more + num * size;
}

/* --- devices ------------------------------------------------------------------------------ */

static bool is_bridge(const struct nlattr *linkinfo)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			return !strncmp(mnl_attr_get_str(attr), "bridge",
					mnl_attr_get_payload_len(attr));
	}
	return false;
}

static void take_attribute(struct net_link *l, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		memcpy(l->name, mnl_attr_get_str(attr), len < sizeof(l->name) ? len : 0);
		l->name[sizeof(l->name) - 1] = '\0';
		break;
	case IFLA_MTU:
		l->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_MASTER:
		l->master = (int)mnl_attr_get_u32(attr);
		break;
	case IFLA_ADDRESS:
		l->has_mac = len == MAC_BYTES;
		if (l->has_mac)
			memcpy(l->mac, mnl_attr_get_payload(attr), MAC_BYTES);
		break;
	case IFLA_LINKINFO:
		l->bridge = is_bridge(attr);
		break;
	default:
		break;
	}
}

static int take_link(const struct nlmsghdr *head, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(head);
	struct net_table *t = arg;
	struct net_link *l;
	struct nlattr *attr;

	if (head->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	l = grow((void **)&t->link, t->links, sizeof(*l));
	if (!l) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	*l = (struct net_link){ .ifindex = ifi->ifi_index,
				.type = ifi->ifi_type,
				.up = ifi->ifi_flags & IFF_UP };
	mnl_attr_for_each(attr, head, sizeof(*ifi)) {
		take_attribute(l, attr);
	}
	t->links++;
	return MNL_CB_OK;
}

static int by_ifindex(const void *a, const void *b)
{
	return ((const struct net_link *)a)->ifindex - ((const struct net_link *)b)->ifindex;
}

struct net_link *net_table_find(const struct net_table *t, int ifindex)
{
	const struct net_link key = { .ifindex = ifindex };

	return t->links ? bsearch(&key, t->link, t->links, sizeof(key), by_ifindex) : NULL;
}

/* --- routes ------------------------------------------------------------------------------- */

static void mark_routed(struct net_table *t, int ifindex)
{
	struct net_link *l = net_table_find(t, ifindex);

	if (l)
		l->routed = true;
}

static void mark_hops(struct net_table *t, const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);

	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		size_t len = RTNH_ALIGN(hop->rtnh_len);

		mark_routed(t, hop->rtnh_ifindex);
		if (len >= left)
			break;
		left -= len;
		hop = (const void *)((const char *)hop + len);
	}
}

static bool is_own(const struct rtmsg *rtm)
{
	return rtm->rtm_type == RTN_LOCAL || rtm->rtm_type == RTN_BROADCAST ||
	       rtm->rtm_type == RTN_ANYCAST;
}

static int add_local(struct net_table *t, const struct addr *addr)
{
	struct addr *room = grow((void **)&t->local, t->locals, sizeof(*room));

	if (!room) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	*room = *addr;
	t->locals++;
	return MNL_CB_OK;
}

static int add_local_prefix(struct net_table *t, const struct addr *addr, unsigned int bits)
{
	struct prefix *room = grow((void **)&t->local_prefix, t->local_prefixes, sizeof(*room));

	if (!room) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	*room = (struct prefix){ .addr = *addr, .bits = bits };
	t->local_prefixes++;
	return MNL_CB_OK;
}

static int take_own(struct net_table *t, const struct rtmsg *rtm, const struct addr *dst)
{
	if (rtm->rtm_dst_len == (rtm->rtm_family == AF_INET ? 32 : 128))
		return add_local(t, dst);
	if (rtm->rtm_table != RT_TABLE_LOCAL || addr_is_loopback(dst))
		return MNL_CB_OK;
	return add_local_prefix(t, dst, rtm->rtm_dst_len);
}

/* The prefix that every device with IPv6 has leads nowhere; multicast likewise. */
static bool ends_at_link(const struct rtmsg *rtm, const struct addr *dst)
{
	return rtm->rtm_dst_len && (addr_is_link_local(dst) || addr_is_multicast(dst));
}

static int take_route(const struct nlmsghdr *head, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(head);
	const struct nlattr *oif = NULL, *multipath = NULL;
	struct net_table *t = arg;
	struct addr dst = rtm->rtm_family == AF_INET ? addr_from_v4(0) : (struct addr){ 0 };
	struct nlattr *attr;

	if (head->nlmsg_type != RTM_NEWROUTE || (rtm->rtm_flags & RTM_F_CLONED))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, head, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_DST && !rtnl_get_addr(attr, &dst))
			return MNL_CB_OK;
		if (mnl_attr_get_type(attr) == RTA_OIF)
			oif = attr;
		if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
			multipath = attr;
	}
	if (is_own(rtm))
		return take_own(t, rtm, &dst);
	if (rtm->rtm_type != RTN_UNICAST || ends_at_link(rtm, &dst))
		return MNL_CB_OK;
	if (oif)
		mark_routed(t, (int)mnl_attr_get_u32(oif));
	if (multipath)
		mark_hops(t, multipath);
	return MNL_CB_OK;
}

/* --- both --------------------------------------------------------------------------------- */

static int dump(struct net_table *t, uint16_t type, uint8_t family, size_t bytes, mnl_cb_t each)
{
	struct rtnl_request req;
	uint8_t *payload = rtnl_start(&req, type, NLM_F_DUMP, bytes);
	int err;

	*payload = family; /* the first field of both */
	err = rtnl_run(&req, each, t);
	return err == -EINTR ? -EAGAIN : err;
}

int net_table_read(struct net_table *t)
{
	int err;

	memset(t, 0, sizeof(*t));
	err = dump(t, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), take_link);
	if (!err && t->links)
		qsort(t->link, t->links, sizeof(*t->link), by_ifindex);
	if (!err)
		err = dump(t, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), take_route);
	if (!err)
		err = dump(t, RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg), take_route);
	if (err)
		net_table_done(t);
	return err;
}

void net_table_done(struct net_table *t)
{
	free(t->link);
	free(t->local);
	free(t->local_prefix);
	memset(t, 0, sizeof(*t));
}
