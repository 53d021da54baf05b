// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The DNS maps by the descriptors that main handed over. The resolver is the only writer, so
 * that reading an entry, changing a part of it and writing it back loses nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "base/fd.h"
#include "base/role.h"
#include "datapath/dns.h"

#define STATE_BYTES 4096 /* a page: what a map of one entry is mapped by */

bool datapath_dns(const struct datapath *dp)
{
	return dp->dns_state >= 0 && dp->dns_policies >= 0 && dp->dns_clients[0] >= 0 &&
	       dp->dns_clients[1] >= 0 && dp->dns_names >= 0 && dp->dns_answers >= 0;
}

static int put(int map_fd, const void *key, const void *value)
{
	return map_fd < 0 ? -ENOENT : bpf_map_update_elem(map_fd, key, value, BPF_ANY);
}

/*
 * The resolver writes the state through a mapping, as what the kernel half reads of it has to
 * be written in one piece. Workers cannot map what they may only read. NULL = not to be had.
 */
static struct dns_state *state_of(struct datapath *dp)
{
	void *at;

	if (!dp->dns_state_mapped && dp->dns_state >= 0) {
		at = mmap(NULL, STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, dp->dns_state, 0);
		if (at != MAP_FAILED)
			dp->dns_state_mapped = at;
	}
	return dp->dns_state_mapped;
}

int datapath_dns_state(const struct datapath *dp, struct dns_state *ret_state)
{
	__u32 zero = 0;

	return dp->dns_state < 0 ? -ENOENT : bpf_map_lookup_elem(dp->dns_state, &zero, ret_state);
}

int datapath_dns_enable(struct datapath *dp, bool enabled)
{
	struct dns_state *s = state_of(dp);

	if (!s)
		return -ENOENT;
	__atomic_store_n(&s->enabled, enabled, __ATOMIC_RELEASE);
	return 0;
}

int datapath_dns_block_ttl_put(struct datapath *dp, unsigned int which, uint32_t ttl)
{
	struct dns_state *s = state_of(dp);

	if (!s)
		return -ENOENT;
	__atomic_store_n(&s->block_ttl[which], ttl, __ATOMIC_RELAXED);
	return 0;
}

int datapath_dns_names_put(struct datapath *dp, unsigned int which, int fd, uint32_t buckets)
{
	struct dns_state *s = state_of(dp);
	__u32 key = which;
	int err = 0;

	if (!s)
		return -ENOENT;
	/* never a number of buckets beside a table that has fewer */
	__atomic_store_n(&s->buckets[which], 0, __ATOMIC_RELEASE);
	if (buckets && fd >= 0)
		err = put(dp->dns_names, &key, &fd);
	else
		datapath_dns_names_forget(dp, which);
	if (!err)
		__atomic_store_n(&s->buckets[which], buckets, __ATOMIC_RELEASE);
	return err;
}

int datapath_dns_names_forget(struct datapath *dp, unsigned int which)
{
	__u32 key = which;

	return dp->dns_names < 0 ? -ENOENT : bpf_map_delete_elem(dp->dns_names, &key);
}

int datapath_dns_epoch_add(struct datapath *dp, unsigned int by)
{
	struct dns_state *s = state_of(dp);

	if (!s)
		return -ENOENT;
	__atomic_store_n(&s->epoch, s->epoch + by, __ATOMIC_RELEASE);
	return 0;
}

int datapath_dns_policy_put(struct datapath *dp, unsigned int which, uint32_t place,
			    const struct dns_policy *policy)
{
	__u32 key = which * DNS_POLICIES_MAX + place;

	return place < DNS_POLICIES_MAX ? put(dp->dns_policies, &key, policy) : -EINVAL;
}

int datapath_dns_clients_clear(struct datapath *dp, unsigned int which)
{
	int fd = dp->dns_clients[which];
	struct dns_client_key key;

	if (fd < 0)
		return -ENOENT;
	for (int i = 0; i < DNS_PREFIXES_MAX && !bpf_map_get_next_key(fd, NULL, &key); i++) {
		int err = bpf_map_delete_elem(fd, &key);

		if (err)
			return err;
	}
	return 0;
}

int datapath_dns_client_put(struct datapath *dp, unsigned int which,
			    const struct dns_client_key *key, uint32_t value)
{
	return put(dp->dns_clients[which], key, &value);
}

/* --- tables of names ----------------------------------------------------------------------- */

int datapath_dns_names_want(struct datapath *dp, uint32_t buckets)
{
	if (!datapath_dns(dp))
		return -ENOENT;
	dp->names = fd_close(dp->names);
	dp->names_answered = false;
	return role_send_want_names(buckets);
}

int datapath_dns_names_take(struct datapath *dp, uint32_t buckets, int *ret_fd)
{
	if (!dp->names_answered)
		return -EAGAIN;
	if (dp->names_buckets != buckets || dp->names < 0)
		return -ENOMEM;
	*ret_fd = dp->names;
	dp->names = -1;
	return 0;
}

/* --- answers ------------------------------------------------------------------------------- */

int datapath_dns_answer_put(struct datapath *dp, const struct dns_answer_key *key,
			    const struct dns_answer *answer)
{
	return put(dp->dns_answers, key, answer);
}

int datapath_dns_answer_get(const struct datapath *dp, const struct dns_answer_key *key,
			    struct dns_answer *ret_answer)
{
	return dp->dns_answers < 0 ? -ENOENT :
				     bpf_map_lookup_elem(dp->dns_answers, key, ret_answer);
}

int datapath_dns_answer_remove(struct datapath *dp, const struct dns_answer_key *key)
{
	return dp->dns_answers < 0 ? -ENOENT : bpf_map_delete_elem(dp->dns_answers, key);
}

int datapath_dns_answers_clear(struct datapath *dp)
{
	struct dns_answer_key key;

	if (dp->dns_answers < 0)
		return -ENOENT;
	for (int i = 0; i < DNS_ANSWERS_MAX; i++) {
		if (bpf_map_get_next_key(dp->dns_answers, NULL, &key))
			break;
		bpf_map_delete_elem(dp->dns_answers, &key);
	}
	return 0;
}

/* --- policies of clients: what was found is remembered while its epoch lasts ------------------ */

void datapath_dns_done(struct datapath *dp)
{
	if (dp->dns_state_mapped)
		munmap(dp->dns_state_mapped, STATE_BYTES);
	dp->dns_state_mapped = NULL;
	dp->dns_state = fd_close(dp->dns_state);
	dp->dns_policies = fd_close(dp->dns_policies);
	dp->dns_clients[0] = fd_close(dp->dns_clients[0]);
	dp->dns_clients[1] = fd_close(dp->dns_clients[1]);
	dp->dns_names = fd_close(dp->dns_names);
	dp->dns_answers = fd_close(dp->dns_answers);
	dp->dns_log = fd_close(dp->dns_log);
	dp->domain_facts = fd_close(dp->domain_facts);
	dp->names = fd_close(dp->names);
}

static struct datapath_client *client_place(struct datapath *dp, const struct addr *client)
{
	uint32_t words[4], hash;

	memcpy(words, client->b, sizeof(words));
	hash = (words[0] ^ words[1] ^ words[2] ^ words[3]) * 0x9e3779b1U;
	return &dp->clients[hash >> (32 - DATAPATH_CLIENT_BITS)];
}

uint32_t datapath_policy_of(struct datapath *dp, const struct addr *client)
{
	struct datapath_client *known = client_place(dp, client);
	struct dns_client_key key = { .bits = 128 };
	struct dns_state s;
	__u32 value;

	if (datapath_dns_state(dp, &s))
		return 0;
	if (known->known && known->epoch == s.epoch &&
	    !memcmp(&known->addr, client, sizeof(*client)))
		return known->policy;
	memcpy(key.addr, client->b, sizeof(key.addr));
	if (dp->dns_clients[s.epoch & 1] < 0 ||
	    bpf_map_lookup_elem(dp->dns_clients[s.epoch & 1], &key, &value))
		return 0;
	*known = (struct datapath_client){
		.addr = *client,
		.epoch = s.epoch,
		.policy = value & DNS_CLIENT_POLICY,
		.known = true,
	};
	return known->policy;
}

uint32_t datapath_policy_flags(const struct datapath *dp, uint32_t policy)
{
	struct dns_state s;
	struct dns_policy p;
	__u32 key;

	if (dp->dns_policies < 0 || policy >= DNS_POLICIES_MAX || datapath_dns_state(dp, &s))
		return 0;
	key = (s.epoch & 1) * DNS_POLICIES_MAX + policy;
	return bpf_map_lookup_elem(dp->dns_policies, &key, &p) ? 0 : p.flags;
}
