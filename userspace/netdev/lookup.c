// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RTM_GETROUTE. */
#include <netinet/in.h>
#include <string.h>

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
