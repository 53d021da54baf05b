// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Generations. What is cached outlives a reload as far as it can: a group with the same
 * upstreams, and the same rules for what it may answer, keeps its scope.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "dns/edns.h"
#include "dns/generation.h"

static int make_sets(struct generation *g)
{
	const struct conf_dns *dns = g->dns;
	int r = domain_set_init(&g->private_domains, dns->private_domain, dns->private_domains);

	if (r == 0)
		r = domain_set_init(&g->flush_domains, dns->cache.flush_domain,
				    dns->cache.flush_domains);
	return r;
}

static void read_settings(struct generation *g)
{
	const struct conf_cache *c = &g->dns->cache;

	g->trusts_near = !(policies_conf(g->policies)->given & CONF_GIVEN_REBIND);
	g->ttl = (struct ttl_limits){ c->ttl_min, c->ttl_max, c->negative_max };
	g->keep_options = EDNS_NSID | (g->dns->keep_ecs ? EDNS_SUBNET : 0);
}

static bool same_strings(char *const *a, size_t a_num, char *const *b, size_t b_num)
{
	for (size_t i = 0; a_num == b_num && i < a_num; i++) {
		if (strcmp(a[i], b[i]) != 0)
			return false;
	}
	return a_num == b_num;
}

/* Are answers let through and kept by the same rules? */
static bool same_rules(const struct generation *a, const struct generation *b)
{
	return a->dns->rebind_protection == b->dns->rebind_protection &&
	       a->trusts_near == b->trusts_near && memcmp(&a->ttl, &b->ttl, sizeof(a->ttl)) == 0 &&
	       same_strings(a->dns->private_domain, a->dns->private_domains, b->dns->private_domain,
			    b->dns->private_domains);
}

/*
 * Would both give the same answers? Upstreams that stay as they were stay the same objects
 * (upstreams.h); an answer with an RCODE by which one group goes on is none of that group's.
 */
static bool same_answers(const struct upstream_group *a, const struct upstream_group *b)
{
	return a->failover_rcodes == b->failover_rcodes && a->num == b->num &&
	       memcmp(a->member, b->member, a->num * sizeof(a->member[0])) == 0;
}

static uint32_t find_scope(const struct generation *g, const struct upstream_group *upstreams,
			   const struct generation *before, uint32_t *scopes)
{
	if (before && same_rules(g, before)) {
		for (size_t i = 0; i < before->groups; i++) {
			if (same_answers(before->group[i].upstreams, upstreams))
				return before->group[i].scope;
		}
	}
	return (*scopes)++;
}

static int take_groups(struct generation *g, struct upstreams *us, const struct generation *before,
		       uint32_t *scopes)
{
	g->group = calloc(g->dns->groups, sizeof(*g->group));
	if (!g->group)
		return -ENOMEM;
	for (; g->groups < g->dns->groups; g->groups++) {
		struct generation_group *to = &g->group[g->groups];
		struct upstream_group *from = upstreams_group(us, g->groups);

		if (!from)
			return -EINVAL;
		to->upstreams = upstream_group_get(from);
		to->scope = find_scope(g, from, before, scopes);
	}
	return 0;
}

int generation_new(struct policies *policies, struct upstreams *us, const struct generation *before,
		   uint32_t *scopes, struct generation **ret_generation)
{
	struct generation *g = calloc(1, sizeof(*g));
	int r;

	if (!g) {
		policies_put(policies);
		return -ENOMEM;
	}
	g->refs = 1;
	g->policies = policies;
	g->dns = &policies_conf(policies)->dns;
	read_settings(g);
	r = make_sets(g);
	if (r == 0)
		r = take_groups(g, us, before, scopes);
	if (r < 0) {
		generation_put(g);
		return r;
	}
	*ret_generation = g;
	return 0;
}

struct generation *generation_get(struct generation *g)
{
	if (g)
		g->refs++;
	return g;
}

void generation_put(struct generation *g)
{
	if (!g || --g->refs)
		return;
	for (size_t i = 0; i < g->groups; i++)
		upstream_group_put(g->group[i].upstreams);
	free(g->group);
	domain_set_done(&g->private_domains);
	domain_set_done(&g->flush_domains);
	policies_put(g->policies);
	free(g);
}

bool generation_allows(const struct generation *g, const struct addr *client)
{
	if (addr_is_loopback(client) || addr_is_private(client) || addr_is_link_local(client))
		return true;
	for (size_t i = 0; i < g->dns->allows; i++) {
		if (addr_in_prefix(client, &g->dns->allow[i].addr, g->dns->allow[i].bits))
			return true;
	}
	return false;
}

bool generation_may_be_private(const struct generation *g, const struct name *name, bool near)
{
	return !g->dns->rebind_protection || (near && g->trusts_near) ||
	       domain_set_has(&g->private_domains, name);
}
