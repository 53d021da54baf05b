// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel half as a role sees it. Everything goes by descriptors of maps and of the
 * flow_end program that main handed over: a role has no capability, and needs none, as
 * bpf(2) then asks only for the descriptor.
 *
 * Counters are a shared mapping of the whole `role_counters` map (or memfd), of which the
 * role writes its own entry; before it is handed over an anonymous mapping of the same size
 * stands in, so that `counters` always points into such a mapping and is never NULL.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/role.h"
#include "datapath/dns.h"
#include "datapath/role.h"
#include "datapath/walk.h"

#define OVERFLOW_UID 65534U /* what the kernel says where there is no socket */
#define COUNTERS_BYTES (ROLES_MAX * sizeof(struct role_counters))

void datapath_init(struct datapath *dp, unsigned int slot)
{
	struct role_counters *all;

	memset(dp, 0, sizeof(*dp));
	dp->flows = dp->flow_info = dp->domains = dp->flow_end = -1;
	dp->dns_state = dp->dns_policies = dp->dns_clients[0] = dp->dns_clients[1] = -1;
	dp->dns_names = dp->dns_answers = dp->dns_log = dp->domain_facts = dp->names = -1;
	dp->slot = slot;
	all = mmap(NULL, COUNTERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	if (all == MAP_FAILED)
		abort(); /* at start, for two pages: nothing can be done without memory */
	dp->counters = all + slot;
}

static void counters_unmap(struct datapath *dp)
{
	if (dp->counters)
		munmap(dp->counters - dp->slot, COUNTERS_BYTES);
	dp->counters = NULL;
}

int datapath_map_counters(struct datapath *dp, int counters_fd)
{
	struct role_counters *all;

	all = mmap(NULL, COUNTERS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, counters_fd, 0);
	if (all == MAP_FAILED)
		return -errno;
	counters_unmap(dp);
	dp->counters = all + dp->slot;
	return 0;
}

/* Each table that main makes takes the place of one that was not taken. */
static int take_names(struct datapath *dp, uint32_t buckets, int fd)
{
	fd_close(dp->names);
	dp->names = buckets ? fd : fd_close(fd);
	dp->names_buckets = buckets;
	dp->names_answered = true;
	return 0;
}

int datapath_take(struct datapath *dp, uint32_t kind, uint32_t index, int fd)
{
	int *places[ROLE_FD_NUM] = {
		[ROLE_FD_FLOWS] = &dp->flows,
		[ROLE_FD_FLOW_INFO] = &dp->flow_info,
		[ROLE_FD_DOMAINS] = &dp->domains,
		[ROLE_FD_FLOW_END] = &dp->flow_end,
		[ROLE_FD_DNS_STATE] = &dp->dns_state,
		[ROLE_FD_DNS_POLICIES] = &dp->dns_policies,
		[ROLE_FD_DNS_CLIENTS0] = &dp->dns_clients[0],
		[ROLE_FD_DNS_CLIENTS1] = &dp->dns_clients[1],
		[ROLE_FD_DNS_NAMES] = &dp->dns_names,
		[ROLE_FD_DNS_ANSWERS] = &dp->dns_answers,
		[ROLE_FD_DNS_LOG] = &dp->dns_log,
		[ROLE_FD_DOMAIN_FACTS] = &dp->domain_facts,
	};
	int err;

	if (kind == ROLE_FD_COUNTERS) {
		err = datapath_map_counters(dp, fd);
		fd_close(fd); /* the mapping stays */
		return err;
	}
	if (kind == ROLE_FD_NAMES)
		return take_names(dp, index, fd);
	if (kind >= ROLE_FD_NUM || !places[kind])
		return -ENOENT;
	if (*places[kind] >= 0) {
		fd_close(fd);
		return -EINVAL;
	}
	*places[kind] = fd;
	return 0;
}

void datapath_done(struct datapath *dp)
{
	counters_unmap(dp);
	dp->flows = fd_close(dp->flows);
	dp->flow_info = fd_close(dp->flow_info);
	dp->domains = fd_close(dp->domains);
	dp->flow_end = fd_close(dp->flow_end);
	datapath_dns_done(dp);
}

int datapath_flow_note(struct datapath *dp, const struct flow_key *key,
		       const struct flow_info *info)
{
	struct flow_info own = *info;

	if (dp->flow_info < 0)
		return 0;
	own.slot = dp->slot;
	return bpf_map_update_elem(dp->flow_info, key, &own, BPF_ANY);
}

int datapath_flow_noted(struct datapath *dp, const struct flow_key *key, struct flow_info *ret_info)
{
	if (dp->flow_info < 0)
		return -ENOENT;
	return bpf_map_lookup_elem(dp->flow_info, key, ret_info);
}

int datapath_flow_end(struct datapath *dp, const struct flow_key *key, uint64_t created_ns,
		      const struct flow_info *info)
{
	if (dp->flow_end < 0)
		return 0;
	return walk_flow_end(dp->flow_end, key, created_ns, info);
}

void flow_owner_set(struct flow_owner *o, uint32_t uid, uint32_t pid, const __u8 *comm)
{
	o->uid = uid == OVERFLOW_UID ? UINT32_MAX : uid;
	o->pid = pid;
	snprintf(o->comm, sizeof(o->comm), "%.*s", COMM_BYTES - 1, (const char *)comm);
	/* a process may call itself what it likes, and a terminal would do what it says */
	for (char *c = o->comm; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

void datapath_flow_owner(const struct datapath *dp, const struct flow_key *key,
			 struct flow_owner *ret_owner)
{
	struct flow flow = { .uid = OVERFLOW_UID };

	if (dp->flows >= 0)
		bpf_map_lookup_elem(dp->flows, key, &flow);
	flow_owner_set(ret_owner, flow.uid, flow.pid, flow.comm);
}

bool datapath_flow_of_host(const struct datapath *dp, const struct flow_key *key)
{
	struct flow flow;

	return dp->flows >= 0 && !bpf_map_lookup_elem(dp->flows, key, &flow) &&
	       flow.capture != CAPTURE_LAN;
}

bool datapath_flow_open(const struct datapath *dp, const struct flow_key *key)
{
	struct flow flow;

	return dp->flows >= 0 && !bpf_map_lookup_elem(dp->flows, key, &flow) &&
	       flow.state < FLOW_CLOSING;
}

struct each {
	unsigned int slot;
	void (*fn)(void *arg, const struct flow_key *key, const struct flow *flow);
	void *arg;
};

static int each_of_slot(void *arg, const struct flow_key *key, const struct flow *flow)
{
	struct each *each = arg;

	if (flow->queue == each->slot)
		each->fn(each->arg, key, flow);
	return 0;
}

int datapath_flow_each(struct datapath *dp, unsigned int slot,
		       void (*fn)(void *arg, const struct flow_key *key, const struct flow *flow),
		       void *arg)
{
	struct each each = { .slot = slot, .fn = fn, .arg = arg };

	return walk_flows(dp->flows, each_of_slot, &each);
}

const char *datapath_domain_get(struct datapath *dp, uint32_t policy, const struct addr *addr,
				char buf[DOMAIN_TEXT_MAX])
{
	struct domain_key key = { .addr = *addr, .policy = policy };
	struct domain_value value;

	buf[0] = '\0';
	if (dp->domains < 0 || bpf_map_lookup_elem(dp->domains, &key, &value))
		return buf;
	if (value.expires_ns <= clock_ns())
		return buf;
	memcpy(buf, value.name, DOMAIN_TEXT_MAX - 1);
	buf[DOMAIN_TEXT_MAX - 1] = '\0';
	return buf;
}

int datapath_domain_put(struct datapath *dp, uint32_t policy, const struct addr *addr,
			const char *name, uint64_t expires_ns)
{
	struct domain_key key = { .addr = *addr, .policy = policy };
	struct domain_value value = { .expires_ns = expires_ns };

	if (dp->domains < 0)
		return 0;
	memcpy(value.name, name, strnlen(name, DOMAIN_TEXT_MAX - 1));
	return bpf_map_update_elem(dp->domains, &key, &value, BPF_ANY);
}
