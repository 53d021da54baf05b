// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The facts are looked up by system calls: for the few packets that are not judged already. */
#include "bpf/classify.h"
#include "datapath/dns.h"
#include "worker/admit.h"

int admit_packet(struct datapath *dp, const struct packet *p)
{
	uint32_t policy = datapath_policy_of(dp, &p->saddr);
	uint32_t flags = datapath_policy_flags(dp, policy);
	char name[DOMAIN_TEXT_MAX];
	struct flow_key key;

	if (!flags)
		return 0;
	packet_key_up(p, &key);
	if (datapath_flow_open(dp, &key))
		return 0;
	return packet_admit(p, flags, datapath_domain_get(dp, policy, &p->daddr, name)[0] != 0);
}
