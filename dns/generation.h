/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One configuration in force: its policies, the groups of upstreams that they lead to, and what
 * else an answer depends on. A query holds the generation that it began with to its end, so
 * that none is answered by a mixture of two.
 */
#ifndef DNS_GENERATION_H
#define DNS_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/domain_set.h"
#include "dns/policy.h"
#include "dns/ttl.h"
#include "dns/upstreams.h"

struct generation {
	unsigned int refs;
	struct policies *policies; /* a reference */
	const struct conf_dns *dns; /* of the policies' configuration */
	size_t groups;
	struct generation_group {
		struct upstream_group *upstreams; /* a reference */
		/* Answers in the cache belong to a scope: equal ones were asked of the same. */
		uint32_t scope;
	} * group; /* by place in dns->group; owned */
	struct domain_set private_domains;
	struct domain_set flush_domains;
	bool trusts_near; /* the host's resolvers and near ones with private addresses */
	struct ttl_limits ttl;
	uint8_t keep_options; /* of clients, that are handed on: EDNS_NSID... */
};

/*
 * Of policies (whose reference it takes over, also when it fails) and the groups that are in
 * force in `us`. A group that was in `before` (NULL = there was none) keeps its scope, others
 * get one from *scopes, which counts them. 0 or -errno.
 */
int generation_new(struct policies *policies, struct upstreams *us, const struct generation *before,
		   uint32_t *scopes, struct generation **ret_generation);
struct generation *generation_get(struct generation *g); /* accepts NULL */
/* Accepts NULL. The last reference frees. */
void generation_put(struct generation *g);

/* May a client with this address ask? */
bool generation_allows(const struct generation *g, const struct addr *client);
/*
 * May `name` lead to private addresses? `near`: an upstream says so that is one of the host's
 * resolvers, or has a private address itself.
 */
bool generation_may_be_private(const struct generation *g, const struct name *name, bool near);

#endif
