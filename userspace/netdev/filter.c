// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RTM_GETTFILTER of both ends of a clsact qdisc. */
#include <errno.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "netdev/filter.h"
#include "netdev/rtnl.h"

struct filter_walk {
	void (*fn)(void *arg, const struct filter *f);
	void *arg;
	bool egress;
};

static uint32_t program_of(const struct nlattr *options)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, options) {
		if (mnl_attr_get_type(attr) == TCA_BPF_ID)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

static int take_filter(const struct nlmsghdr *head, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(head);
	const struct nlattr *options = NULL;
	struct filter_walk *walk = arg;
	struct nlattr *attr;
	bool bpf = false;

	if (head->nlmsg_type != RTM_NEWTFILTER)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, head, sizeof(*tc)) {
		if (mnl_attr_get_type(attr) == TCA_KIND)
			bpf = !strcmp(mnl_attr_get_str(attr), "bpf");
		if (mnl_attr_get_type(attr) == TCA_OPTIONS)
			options = attr;
	}
	if (tc->tcm_handle || !bpf) { /* without a handle: the head of a priority */
		const struct filter f = { .ifindex = tc->tcm_ifindex,
					  .egress = walk->egress,
					  .handle = tc->tcm_handle,
					  .priority = tc->tcm_info >> 16,
					  .program = bpf && options ? program_of(options) : 0 };

		walk->fn(walk->arg, &f);
	}
	return MNL_CB_OK;
}

static int dump(int ifindex, struct filter_walk *walk)
{
	struct rtnl_request req;
	struct tcmsg *tc = rtnl_start(&req, RTM_GETTFILTER, NLM_F_DUMP, sizeof(*tc));
	int err;

	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, walk->egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	err = rtnl_run(&req, take_filter, walk);
	return err == -EINVAL || err == -ENOENT || err == -EOPNOTSUPP ? 0 : err; /* no qdisc */
}

int filter_each(int ifindex, void (*fn)(void *arg, const struct filter *f), void *arg)
{
	struct filter_walk walk = { .fn = fn, .arg = arg };
	int err = dump(ifindex, &walk);

	walk.egress = true;
	return err ? err : dump(ifindex, &walk);
}
