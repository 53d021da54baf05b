// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The map `domain_facts` by the descriptor that main handed over. */
#include <bpf/bpf.h>

#include "datapath/facts.h"

bool datapath_facts(const struct datapath *dp)
{
	return dp->domain_facts >= 0;
}

int datapath_fact_put(struct datapath *dp, const struct addr *client, const struct addr *addr,
		      const struct domain_fact *fact)
{
	struct domain_fact_key key = { .client = *client, .addr = *addr };
	int err;

	if (dp->domain_facts < 0)
		return 0;
	err = bpf_map_update_elem(dp->domain_facts, &key, fact, BPF_ANY);
	key.client = (struct addr){ 0 };
	return err ? err : bpf_map_update_elem(dp->domain_facts, &key, fact, BPF_ANY);
}

int datapath_facts_begin(struct facts_pass *pass)
{
	return batch_start(&pass->batch, sizeof(struct domain_fact_key),
			   sizeof(struct domain_fact));
}

int datapath_facts_next(struct datapath *dp, struct facts_pass *pass,
			bool (*fn)(void *arg, struct domain_fact *fact), void *arg)
{
	const struct domain_fact_key *key;
	struct domain_fact *fact;
	__u32 count;
	int more;

	if (dp->domain_facts < 0)
		return 0;
	more = batch_read(&pass->batch, dp->domain_facts, &count);
	if (more < 0)
		return more;
	key = pass->batch.keys;
	fact = pass->batch.values;
	for (__u32 i = 0; i < count; i++) {
		/* one that the kernel half has put out meanwhile stays out */
		if (fn(arg, &fact[i]))
			bpf_map_update_elem(dp->domain_facts, &key[i], &fact[i], BPF_EXIST);
	}
	return more;
}

void datapath_facts_end(struct facts_pass *pass)
{
	batch_end(&pass->batch);
}
