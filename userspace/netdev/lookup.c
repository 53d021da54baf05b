// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RTM_GETROUTE and RTM_GETNEIGH. */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netdev/lookup.h"
#include "netdev/rtnl.h"

static int take(const struct nlmsghdr *head, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(head);
	struct route_lookup *found = arg;
	const struct nlattr *attr;

	if (head->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	found->type = rtm->rtm_type;
	found->table = rtm->rtm_table;
	mnl_attr_for_each(attr, head, sizeof(*rtm)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			found->ifindex = (int)mnl_attr_get_u32(attr);
			break;
		case RTA_TABLE:
			found->table = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			rtnl_get_addr(attr, &found->gateway);
			break;
		case RTA_PREFSRC:
			rtnl_get_addr(attr, &found->source);
			break;
		default:
			break;
		}
	}
	return MNL_CB_OK;
}

int route_lookup(const struct addr *dst, const struct addr *src, uint32_t mark,
		 struct route_lookup *ret_lookup)
{
	struct rtnl_request req;
	struct rtmsg *rtm = rtnl_start(&req, RTM_GETROUTE, NLM_F_ACK, sizeof(*rtm));

	memset(ret_lookup, 0, sizeof(*ret_lookup));
	rtm->rtm_family = addr_is_v4(dst) ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = addr_is_v4(dst) ? 32 : 128;
	rtm->rtm_flags = RTM_F_LOOKUP_TABLE;
	rtnl_put_addr(&req, RTA_DST, dst);
	if (!addr_is_zero(src) && addr_is_v4(src) == addr_is_v4(dst)) {
		rtm->rtm_src_len = addr_is_v4(dst) ? 32 : 128;
		rtnl_put_addr(&req, RTA_SRC, src);
	}
	if (mark)
		mnl_attr_put_u32(req.head, RTA_MARK, mark);
	return rtnl_run(&req, take, ret_lookup);
}

struct neighbour {
	uint8_t mac[MAC_BYTES];
	bool found;
};

static int take_neighbour(const struct nlmsghdr *head, void *arg)
{
	struct neighbour *n = arg;
	const struct nlattr *attr;

	if (head->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, head, sizeof(struct ndmsg)) {
		if (mnl_attr_get_type(attr) != NDA_LLADDR ||
		    mnl_attr_get_payload_len(attr) != MAC_BYTES)
			continue;
		memcpy(n->mac, mnl_attr_get_payload(attr), MAC_BYTES);
		n->found = true;
	}
	return MNL_CB_OK;
}

int neighbour_lookup(const struct addr *addr, int ifindex, uint8_t ret_mac[MAC_BYTES])
{
	struct neighbour n = { .found = false };
	struct rtnl_request req;
	struct ndmsg *ndm = rtnl_start(&req, RTM_GETNEIGH, NLM_F_ACK, sizeof(*ndm));
	int err;

	ndm->ndm_family = addr_is_v4(addr) ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = ifindex;
	rtnl_put_addr(&req, NDA_DST, addr);
	err = rtnl_run(&req, take_neighbour, &n);
	if (err || !n.found)
		return err ? err : -ENOENT;
	memcpy(ret_mac, n.mac, MAC_BYTES);
	return 0;
}
