// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the values say together: what cannot work is an error; what has no effect, or an effect
 * that may surprise, a warning.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "conf/reader.h"

void group_done(struct reader *r, struct node *n, void *to)
{
	const struct node *key = node_find(n, "upstreams");
	const struct conf_group *g = to;

	if (!n)
		return;
	if (!g->upstreams && (!key || key->kind != NODE_BAD))
		reader_error(r, n, "a group without upstreams, expected upstreams: [NAME, ...]");
	for (uint32_t i = 0; i < g->upstreams; i++)
		for (uint32_t j = 0; j < i; j++)
			if (g->upstream[i] == g->upstream[j])
				reader_error(r, n, "the upstream '%s' is there twice",
					     r->conf->dns.upstream[g->upstream[i]].name);
}

void list_done(struct reader *r, struct node *n, void *to)
{
	if (!node_find(n, "file"))
		reader_error(r, n, "a list without file, expected file: NAME");
}

void cache_done(struct reader *r, struct node *n, void *to)
{
	const struct conf_cache *c = to;

	if (n && c->ttl_min > c->ttl_max)
		reader_error(r, n, "ttl-min is more than ttl-max (%us)", c->ttl_max);
}

/* --- groups and upstreams ----------------------------------------------------------------- */

static bool is_plaintext(const struct conf_upstream *u)
{
	return u->type == CONF_PLAIN || u->type == CONF_TCP || u->type == CONF_HOST;
}

/* An encrypted upstream that fails would be replaced by a plaintext one. */
static void warn_plaintext(struct reader *r, const struct conf_dns *d)
{
	for (size_t i = 0; i < d->groups; i++) {
		const struct conf_group *g = &d->group[i];
		const struct conf_upstream *plain = NULL;
		uint32_t plains = 0;

		for (uint32_t j = 0; j < g->upstreams; j++)
			if (is_plaintext(&d->upstream[g->upstream[j]])) {
				plain = &d->upstream[g->upstream[j]];
				plains++;
			}
		if (plain && plains < g->upstreams)
			reader_warn_line(r, g->line ? g->line : plain->line,
					 "dns.groups.%s: queries go out in plaintext (%s) when the "
					 "encrypted upstreams fail",
					 g->name, plain->name);
	}
}

static void warn_unused_upstreams(struct reader *r, const struct conf_dns *d)
{
	uint64_t used = 0;

	for (size_t i = 0; i < d->groups; i++)
		for (uint32_t j = 0; j < d->group[i].upstreams; j++)
			used |= 1ULL << d->group[i].upstream[j];
	for (size_t i = 0; i < d->upstreams; i++)
		if (!(used >> i & 1))
			reader_warn_line(r, d->upstream[i].line,
					 "dns.upstreams.%s: in no group, it is never asked",
					 d->upstream[i].name);
}

static void warn_unused_groups(struct reader *r, const struct conf_dns *d)
{
	uint64_t groups = 1;

	for (size_t i = 0; i < d->policies; i++) {
		const struct conf_policy *p = &d->policy[i];

		groups |= 1ULL << p->group;
		for (size_t j = 0; j < p->rules; j++)
			if (p->rule[j].group != CONF_NONE)
				groups |= 1ULL << p->rule[j].group;
	}
	for (size_t i = 0; i < d->groups; i++)
		if (!(groups >> i & 1))
			reader_warn_line(r, d->group[i].line,
					 "dns.groups.%s: no policy and no rule uses it",
					 d->group[i].name);
}

void warn_unused_lists(struct reader *r, const struct conf_dns *d)
{
	uint64_t lists = d->rule_lists;

	if (r->errors_num || r->no_memory)
		return;
	for (size_t i = 0; i < d->policies; i++)
		for (size_t j = 0; j < d->policy[i].rules; j++)
			lists |= d->policy[i].rule[j].lists;
	for (size_t i = 0; i < d->lists; i++)
		if (!(lists >> i & 1))
			reader_warn_line(r, d->list[i].line, "dns.lists.%s: no rule uses it",
					 d->list[i].name);
}

/* --- rules -------------------------------------------------------------------------------- */

/* Is `name` what `pattern` says? Both are in lower case without the last dot. */
static bool pattern_has(const char *pattern, const char *name)
{
	size_t skip = !strncmp(pattern, "*.", 2) ? 2 : pattern[0] == '.';
	size_t len = strlen(pattern + skip), name_len = strlen(name);

	if (skip != 2 && !strcmp(pattern + skip, name))
		return true;
	return skip && name_len > len + 1 && name[name_len - len - 1] == '.' &&
	       !strcmp(name + name_len - len, pattern + skip);
}

static bool rule_has(const struct conf_rule *rule, const char *name)
{
	for (size_t i = 0; i < rule->domains; i++)
		if (pattern_has(rule->domain[i], name))
			return true;
	return false;
}

/* The CNAME rule that names `name`, by its domains alone. NULL: none. */
static const struct conf_rule *cname_rule(const struct conf_policy *p, const char *name)
{
	for (size_t i = 0; i < p->rules; i++)
		if (rule_has(&p->rule[i], name))
			return p->rule[i].cname ? &p->rule[i] : NULL;
	return NULL;
}

/* Follows the names from each CNAME rule; a chain is no longer than there are rules. */
static void warn_cycles(struct reader *r, const struct conf_policy *p)
{
	for (size_t i = 0; i < p->rules; i++) {
		const struct conf_rule *rule = &p->rule[i];

		for (size_t steps = 0; rule && rule->cname && steps < CONF_CNAME_CHAIN; steps++) {
			rule = cname_rule(p, rule->cname);
			if (rule != &p->rule[i])
				continue;
			reader_warn_line(r, rule->line,
					 "policy %s: cname %s leads back to this rule", p->name,
					 rule->cname);
			break;
		}
	}
}

static bool is_unconditional(const struct conf_rule *rule)
{
	return !rule->domains && !rule->lists && !rule->types;
}

static void warn_policies(struct reader *r, const struct conf_dns *d)
{
	for (size_t i = 0; i < d->policies; i++) {
		const struct conf_policy *p = &d->policy[i];

		if (i && !d->policy[i - 1].clients)
			reader_warn_line(
				r, p->line,
				"policy %s: never used, the one before it is for everybody",
				p->name);
		for (size_t j = 1; j < p->rules; j++)
			if (is_unconditional(&p->rule[j - 1]))
				reader_warn_line(r, p->rule[j].line,
						 "policy %s: rule never used, the one before it "
						 "matches everything",
						 p->name);
		warn_cycles(r, p);
	}
}

/* --- the whole ---------------------------------------------------------------------------- */

static void check_listeners(struct reader *r, const struct node *n, const struct conf_dns *d)
{
	const struct node *list = node_find(n, "listen");

	for (size_t i = 0; list && i < d->listeners; i++)
		for (size_t j = 0; j < i; j++)
			if (addr_eq(&d->listener[i].endpoint.addr, &d->listener[j].endpoint.addr) &&
			    d->listener[i].endpoint.port == d->listener[j].endpoint.port)
				reader_error_line(r, d->listener[i].line,
						  "dns.listen: the same address and port as on "
						  "line %u",
						  d->listener[j].line);
}

static void set_bootstrap_ports(struct conf_dns *d)
{
	for (size_t i = 0; i < d->bootstraps; i++)
		if (!d->bootstrap[i].port)
			d->bootstrap[i].port = htons(DNS_PORT);
}

void dns_done(struct reader *r, struct node *n, void *to)
{
	struct conf_dns *d = to;

	set_bootstrap_ports(d);
	check_listeners(r, n, d);
	if (r->errors_num || r->no_memory)
		return; /* what names what may be half of it */
	warn_plaintext(r, d);
	warn_unused_upstreams(r, d);
	warn_unused_groups(r, d);
	warn_policies(r, d);
}
