// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Devices, their addresses and default routes by rtnetlink. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <libmnl/libmnl.h>

#include "netdev/link.h"
#include "netdev/rtnl.h"

static struct ifinfomsg *link_request(struct rtnl_request *req, int ifindex)
{
	struct ifinfomsg *ifi = rtnl_start(req, RTM_NEWLINK, NLM_F_ACK, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	return ifi;
}

/* No fe80:: address, hence no router solicitations; harmless where the kernel has no IPv6. */
static int link_no_auto_address(int ifindex)
{
	struct nlattr *spec, *inet6;
	struct rtnl_request req;
	int r;

	link_request(&req, ifindex);
	spec = mnl_attr_nest_start(req.head, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(req.head, AF_INET6);
	mnl_attr_put_u8(req.head, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(req.head, inet6);
	mnl_attr_nest_end(req.head, spec);
	r = rtnl_run(&req, NULL, NULL);
	return r == -EAFNOSUPPORT ? 0 : r;
}

int link_configure(int ifindex, unsigned int mtu, unsigned int txqueuelen)
{
	struct rtnl_request req;
	int r;

	link_request(&req, ifindex);
	mnl_attr_put_u32(req.head, IFLA_MTU, mtu);
	mnl_attr_put_u32(req.head, IFLA_TXQLEN, txqueuelen);
	r = rtnl_run(&req, NULL, NULL);
	return r < 0 ? r : link_no_auto_address(ifindex);
}

int link_up(int ifindex)
{
	struct rtnl_request req;
	struct ifinfomsg *ifi = link_request(&req, ifindex);

	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	return rtnl_run(&req, NULL, NULL);
}

int link_add_address(int ifindex, const struct addr *addr, unsigned int bits)
{
	struct ifaddrmsg *ifa;
	struct rtnl_request req;

	ifa = rtnl_start(&req, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifa));
	ifa->ifa_family = addr_is_v4(addr) ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = (uint8_t)bits;
	ifa->ifa_flags = addr_is_v4(addr) ? 0 : IFA_F_NODAD;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	ifa->ifa_index = (uint32_t)ifindex;
	rtnl_put_addr(&req, IFA_LOCAL, addr);
	rtnl_put_addr(&req, IFA_ADDRESS, addr);
	return rtnl_run(&req, NULL, NULL);
}

int link_add_default_route(int ifindex, int family)
{
	struct rtmsg *rtm;
	struct rtnl_request req;

	rtm = rtnl_start(&req, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*rtm));
	rtm->rtm_family = (uint8_t)family;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(req.head, RTA_OIF, (uint32_t)ifindex);
	return rtnl_run(&req, NULL, NULL);
}

struct route_search {
	const struct addr *prefix;
	unsigned int bits;
	bool found;
};

/* The destination of a route; false if it has none or one of odd size. */
static bool route_destination(const struct nlmsghdr *head, struct addr *ret_dst)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, head, sizeof(struct rtmsg)) {
		if (mnl_attr_get_type(attr) == RTA_DST)
			return rtnl_get_addr(attr, ret_dst);
	}
	return false;
}

static int look_at_route(const struct nlmsghdr *head, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(head);
	struct route_search *s = arg;
	unsigned int shorter = rtm->rtm_dst_len < s->bits ? rtm->rtm_dst_len : s->bits;
	struct addr dst;

	/* /1 is a default route too: VPN clients write it as two halves. */
	if (head->nlmsg_type != RTM_NEWROUTE || rtm->rtm_dst_len <= 1)
		return MNL_CB_OK;
	if (route_destination(head, &dst) && addr_in_prefix(&dst, s->prefix, shorter))
		s->found = true;
	return MNL_CB_OK;
}

int link_is_routed(const struct addr *prefix, unsigned int bits, bool *ret_routed)
{
	struct route_search search = { .prefix = prefix, .bits = bits };
	struct rtnl_request req;
	struct rtmsg *rtm = rtnl_start(&req, RTM_GETROUTE, NLM_F_DUMP, sizeof(*rtm));
	int r;

	rtm->rtm_family = addr_is_v4(prefix) ? AF_INET : AF_INET6;
	r = rtnl_run(&req, look_at_route, &search);
	if (r == 0)
		*ret_routed = search.found;
	return r;
}

/* The attribute of that type inside another one, NULL if there is none. */
static const struct nlattr *nested(const struct nlattr *outer, uint16_t type)
{
	struct nlattr *attr;

	mnl_attr_for_each_nested(attr, outer) {
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

static int look_at_tun(const struct nlmsghdr *head, void *arg)
{
	const struct nlattr *data, *pi;
	struct nlattr *attr;
	int *ret_pi = arg;

	mnl_attr_for_each(attr, head, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_LINKINFO)
			continue;
		data = nested(attr, IFLA_INFO_DATA);
		pi = data ? nested(data, IFLA_TUN_PI) : NULL;
		if (pi && mnl_attr_get_payload_len(pi) == 1)
			*ret_pi = mnl_attr_get_u8(pi);
	}
	return MNL_CB_OK;
}

int link_tun_has_pi(int ifindex, bool *ret_pi)
{
	struct ifinfomsg *ifi;
	struct rtnl_request req;
	int pi = -1;
	int r;

	ifi = rtnl_start(&req, RTM_GETLINK, NLM_F_ACK, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	r = rtnl_run(&req, look_at_tun, &pi);
	if (r == 0 && pi < 0)
		r = -EOPNOTSUPP;
	if (r == 0)
		*ret_pi = pi;
	return r;
}
