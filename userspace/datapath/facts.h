/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The map `domain_facts`, of which the resolver is the only writer (bpf/contract_rules.h). */
#ifndef DATAPATH_FACTS_H
#define DATAPATH_FACTS_H

#include <stdbool.h>

#include "bpf/contract.h"
#include "datapath/batch.h"
#include "datapath/role.h"

/* Is there such a map? Without it nothing is kept. */
bool datapath_facts(const struct datapath *dp);
/*
 * `client` came to `addr` by this name, and so does whoever has asked for none that leads there.
 * 0 or -errno.
 */
int datapath_fact_put(struct datapath *dp, const struct addr *client, const struct addr *addr,
		      const struct domain_fact *fact);

/* A pass over all facts, in parts. Zeroed = none is under way. */
struct facts_pass {
	struct batch batch;
};

/* 0 or -ENOMEM. */
int datapath_facts_begin(struct facts_pass *pass);
/*
 * Calls fn for some of them; what it changes is written back if it returns true. 1 = there are
 * more, 0 = these were the last, or -errno.
 */
int datapath_facts_next(struct datapath *dp, struct facts_pass *pass,
			bool (*fn)(void *arg, struct domain_fact *fact), void *arg);
/* Harmless if none is under way. */
void datapath_facts_end(struct facts_pass *pass);

#endif
