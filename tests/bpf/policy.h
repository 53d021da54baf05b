/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clients with policies for the programs under test, as main and the resolver make them. */
#ifndef BPF_POLICY_H
#define BPF_POLICY_H

#include <unistd.h>

#include "base/addr.h"
#include "bpf/harness.h"
#include "datapath/role.h"

/* Makes the trie of clients of the generation in force, unless it is there. */
static inline int harness_clients(struct harness *h)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int outer = bpf_map__fd(h->skel->maps.dns_clients), fd;
	uint32_t which = 0, id;

	if (!bpf_map_lookup_elem(outer, &which, &id))
		return bpf_map_get_fd_by_id(id);
	fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "dns_client_map", sizeof(struct dns_client_key),
			    sizeof(uint32_t), DNS_PREFIXES_MAX, &opts);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(outer, &which, &fd, 0), 0);
	return fd;
}

/* Clients of the prefix (bits of 128) have the policy, whose flags are those. */
static inline void harness_policy(struct harness *h, const char *prefix, uint32_t bits,
				  uint32_t policy, uint32_t flags)
{
	struct dns_policy p = { .flags = flags, .no_match = DNS_PASS };
	struct dns_client_key key = { .bits = bits };
	int fd = harness_clients(h);
	struct addr a;

	assert_int_equal(addr_parse(prefix, &a), 0);
	memcpy(key.addr, a.b, sizeof(key.addr));
	assert_int_equal(bpf_map_update_elem(fd, &key, &policy, 0), 0);
	close(fd);
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(h->skel->maps.dns_policies), &policy, &p, 0), 0);
}

/* A role's end of the programs' maps, once there are clients. Its counters are its own. */
static inline void harness_role(struct harness *h, struct datapath *dp)
{
	datapath_init(dp, 1);
	dp->flows = dup(bpf_map__fd(h->skel->maps.flows));
	dp->domains = dup(bpf_map__fd(h->skel->maps.domains));
	dp->dns_state = dup(bpf_map__fd(h->skel->maps.dns_state));
	dp->dns_policies = dup(bpf_map__fd(h->skel->maps.dns_policies));
	dp->dns_clients[0] = harness_clients(h);
}

/* As if so many seconds had passed since names were resolved. */
static inline void harness_domains_age(struct harness *h, uint64_t seconds)
{
	int fd = bpf_map__fd(h->skel->maps.domains);
	struct domain_key key, *at = NULL;
	struct domain_value value;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &value), 0);
		/* a machine that has just been started is younger than that */
		value.expires_ns -= value.expires_ns < seconds * 1000000000ULL ?
					    value.expires_ns :
					    seconds * 1000000000ULL;
		assert_int_equal(bpf_map_update_elem(fd, &key, &value, 0), 0);
		at = &key;
	}
}

#endif
