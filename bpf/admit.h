/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * May a new flow begin, by the policy of its client? Once per flow: what a policy does not
 * want is refused before it has an entry. Clients of no policy, and all of them until the
 * resolver has put one in force, may do as they like.
 */
#ifndef BPF_ADMIT_H
#define BPF_ADMIT_H

#include "bpf/maps.h"

/* Has a client of the policy resolved the flow's destination lately? */
static __always_inline int flow_is_resolved(const struct flow_key *flow, __u32 policy)
{
	struct domain_key key = { .addr = flow->daddr, .policy = policy };
	struct domain_value *value = bpf_map_lookup_elem(&domains, &key);

	return value && value->expires_ns > bpf_ktime_get_ns();
}

/* Flags of the policy that the flow's client has; *ret_policy is its place. */
static __always_inline __u32 flow_policy(const struct flow_key *flow, __u32 *ret_policy)
{
	struct dns_client_key key = { .bits = 128 };
	__u32 zero = 0, which, *value;
	struct dns_policy *policy;
	struct dns_state *state;
	void *clients;

	state = bpf_map_lookup_elem(&dns_state, &zero);
	if (!state)
		return 0;
	which = state->epoch & 1;
	clients = bpf_map_lookup_elem(&dns_clients, &which);
	if (!clients)
		return 0;
	__builtin_memcpy(key.addr, &flow->saddr, sizeof(key.addr));
	value = bpf_map_lookup_elem(clients, &key);
	if (!value)
		return 0;
	*ret_policy = *value & DNS_CLIENT_POLICY;
	which = which * DNS_POLICIES_MAX + (*ret_policy & (DNS_POLICIES_MAX - 1));
	policy = bpf_map_lookup_elem(&dns_policies, &which);
	return policy ? policy->flags : 0;
}

/* May x->key be entered? 0 or -drop_reason. */
static __always_inline int flow_admit(struct scratch *x)
{
	struct settings *s = settings_get();
	__u32 flags, policy = 0;

	if (!s || !packet_needs_admission(&x->packet, s, &x->decision))
		return 0;
	flags = flow_policy(&x->key, &policy);
	if (!flags)
		return 0;
	return packet_admit(&x->packet, flags, flow_is_resolved(&x->key, policy));
}

#endif
