// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Routes and rules: building requests, turning them round, finding the uplink. */
#include <errno.h>
#include <string.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "netdev/route.h"

void route_build(struct rtnl_request *req, const struct route *r)
{
	struct rtmsg *rtm = rtnl_start(req, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, sizeof(*rtm));
	bool link = r->family == AF_INET && r->ifindex && addr_is_zero(&r->gateway);

	rtm->rtm_family = (uint8_t)r->family;
	rtm->rtm_dst_len = (uint8_t)r->bits;
	rtm->rtm_table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = ROUTE_PROTOCOL;
	rtm->rtm_scope = link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = r->type;
	mnl_attr_put_u32(req->head, RTA_TABLE, r->table);
	if (r->bits)
		rtnl_put_addr(req, RTA_DST, &r->dst);
	if (r->ifindex)
		mnl_attr_put_u32(req->head, RTA_OIF, (uint32_t)r->ifindex);
	if (!addr_is_zero(&r->gateway))
		rtnl_put_addr(req, RTA_GATEWAY, &r->gateway);
	if (!addr_is_zero(&r->source))
		rtnl_put_addr(req, RTA_PREFSRC, &r->source);
	if (r->metric)
		mnl_attr_put_u32(req->head, RTA_PRIORITY, r->metric);
}

static void put_mark(struct nlmsghdr *head, const struct rule *r)
{
	mnl_attr_put_u32(head, FRA_FWMARK, r->mark);
	mnl_attr_put_u32(head, FRA_FWMASK, r->mask);
}

void rule_build(struct rtnl_request *req, const struct rule *r)
{
	const struct fib_rule_port_range port = { .start = r->dport, .end = r->dport };
	struct fib_rule_hdr *frh;

	frh = rtnl_start(req, RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*frh));
	frh->family = (uint8_t)r->family;
	frh->action = r->action;
	frh->src_len = r->from ? (uint8_t)r->src_bits : 0;
	frh->table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(req->head, FRA_PRIORITY, r->priority);
	mnl_attr_put_u8(req->head, FRA_PROTOCOL, ROUTE_PROTOCOL);
	if (r->table)
		mnl_attr_put_u32(req->head, FRA_TABLE, r->table);
	if (r->from)
		rtnl_put_addr(req, FRA_SRC, &r->src);
	if (r->target)
		mnl_attr_put_u32(req->head, FRA_GOTO, r->target);
	if (r->mask)
		put_mark(req->head, r);
	if (r->suppress)
		mnl_attr_put_u32(req->head, FRA_SUPPRESS_PREFIXLEN, r->suppress_bits);
	if (r->proto)
		mnl_attr_put_u8(req->head, FRA_IP_PROTO, r->proto);
	if (r->dport)
		mnl_attr_put(req->head, FRA_DPORT_RANGE, sizeof(port), &port);
}

void route_inverse(struct rtnl_request *req, const struct nlmsghdr *head)
{
	bool makes = head->nlmsg_type == RTM_NEWROUTE || head->nlmsg_type == RTM_NEWRULE;

	/* each RTM_DEL* follows its RTM_NEW* */
	memcpy(req->buf, head, head->nlmsg_len);
	req->head = (struct nlmsghdr *)req->buf;
	req->head->nlmsg_type = (uint16_t)(head->nlmsg_type + (makes ? 1 : -1));
	req->head->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (!makes) /* unless there is another of its kind by now, whose maker knows better */
		req->head->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
}

/* --- the uplink --------------------------------------------------------------------------- */

struct uplink_search {
	struct route_uplink *best;
	int family;
	int except;
	int err;
};

struct found_route {
	uint32_t table, metric;
	int ifindex;
	bool multipath;
	struct addr gateway;
};

static void read_route(const struct nlmsghdr *head, struct found_route *f)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(head);
	struct nlattr *attr;

	*f = (struct found_route){ .table = rtm->rtm_table };
	mnl_attr_for_each(attr, head, sizeof(*rtm)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_TABLE:
			f->table = mnl_attr_get_u32(attr);
			break;
		case RTA_PRIORITY:
			f->metric = mnl_attr_get_u32(attr);
			break;
		case RTA_OIF:
			f->ifindex = (int)mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			rtnl_get_addr(attr, &f->gateway);
			break;
		case RTA_MULTIPATH:
			f->multipath = true;
			break;
		default:
			break;
		}
	}
}

/* Copies a dumped route as a request; what the kernel says of it beside is left out. */
static int keep_route(struct rtnl_request *req, const struct nlmsghdr *head)
{
	struct rtmsg *rtm = rtnl_start(req, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, sizeof(*rtm));
	struct nlattr *attr;

	*rtm = *(const struct rtmsg *)mnl_nlmsg_get_payload(head);
	rtm->rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
	mnl_attr_for_each(attr, head, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_CACHEINFO)
			continue;
		if (!mnl_attr_put_check(req->head, sizeof(req->buf), mnl_attr_get_type(attr),
					mnl_attr_get_payload_len(attr), mnl_attr_get_payload(attr)))
			return -EOVERFLOW;
	}
	return 0;
}

static int look_at_default(const struct nlmsghdr *head, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(head);
	struct uplink_search *s = arg;
	struct found_route f;

	if (head->nlmsg_type != RTM_NEWROUTE || rtm->rtm_family != s->family || rtm->rtm_dst_len ||
	    rtm->rtm_type != RTN_UNICAST || rtm->rtm_tos || rtm->rtm_protocol == ROUTE_PROTOCOL)
		return MNL_CB_OK;
	read_route(head, &f);
	if (f.table != RT_TABLE_MAIN || (s->except && f.ifindex == s->except))
		return MNL_CB_OK;
	if (s->best->ifindex && f.metric >= s->best->metric)
		return MNL_CB_OK;
	*s->best = (struct route_uplink){ .ifindex = f.ifindex,
					  .gateway = f.gateway,
					  .metric = f.metric,
					  .protocol = rtm->rtm_protocol };
	s->err = f.multipath || !f.ifindex ? -EOVERFLOW : keep_route(&s->best->found, head);
	return MNL_CB_OK;
}

int route_find_uplink(int family, int except, struct route_uplink *ret_uplink)
{
	struct route_uplink best = { 0 };
	struct uplink_search s = { .best = &best, .family = family, .except = except };
	struct rtnl_request req;
	struct rtmsg *rtm = rtnl_start(&req, RTM_GETROUTE, NLM_F_DUMP, sizeof(*rtm));
	int r;

	rtm->rtm_family = (uint8_t)family;
	r = rtnl_run(&req, look_at_default, &s);
	if (!r)
		r = s.err;
	if (!r) {
		*ret_uplink = best;
		ret_uplink->found.head = (struct nlmsghdr *)ret_uplink->found.buf;
	}
	return r;
}
