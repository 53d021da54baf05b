// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A configuration file of any bytes: what is refused has an error, what is taken is within its
 * bounds, every place that it names is there, and it is the same when it is read once more.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "conf/conf.h"

static void check_name(const char *name)
{
	require(name[0] && memchr(name, 0, CONF_NAME_MAX));
}

static void check_domain(const char *name)
{
	size_t len = strlen(name);

	require(len >= 1 && len <= 255);
	for (size_t i = 0; i < len; i++)
		require(name[i] > ' ' && name[i] <= '~' && !(name[i] >= 'A' && name[i] <= 'Z'));
}

static void check_prefix(const struct prefix *p)
{
	require(p->bits <= (addr_is_v4(&p->addr) ? 32U : 128U));
}

static void check_upstream(const struct conf_upstream *u)
{
	check_name(u->name);
	require(u->type < CONF_UPSTREAM_TYPE_NUM && u->family < CONF_FAMILY_NUM);
	require(u->addresses <= CONF_ADDRESSES_MAX && u->pins <= CONF_PINS_MAX);
	require(u->port && u->timeout_ms >= 50 && u->timeout_ms <= 60000);
	require(!u->host == !(u->type == CONF_TLS || u->type == CONF_HTTPS));
	require(!u->path == !(u->type == CONF_HTTPS));
	require(!u->path || u->path[0] == '/');
	require(u->addresses || (u->type != CONF_PLAIN && u->type != CONF_TCP));
	for (uint32_t i = 0; i < u->addresses; i++)
		require(u->address[i].port && !addr_is_zero(&u->address[i].addr));
}

static void check_group(const struct conf_dns *d, const struct conf_group *g)
{
	check_name(g->name);
	require(g->upstreams >= 1 && g->upstreams <= CONF_GROUP_UPSTREAMS_MAX);
	for (uint32_t i = 0; i < g->upstreams; i++)
		require(g->upstream[i] < d->upstreams);
	require(!(g->failover_rcodes & 1));
}

static void check_rule(const struct conf_dns *d, const struct conf_rule *rule)
{
	require(rule->action > DNS_ASK && rule->action < DNS_ACTION_NUM);
	require(rule->group == CONF_NONE || rule->group < d->groups);
	require(rule->domains <= CONF_DOMAINS_MAX && rule->types <= CONF_TYPES_MAX);
	require(rule->addresses <= CONF_ADDRESSES_MAX);
	require((rule->action == DNS_REWRITE) == (rule->addresses || rule->cname));
	require(!(rule->lists >> d->lists));
	for (size_t i = 0; i < rule->domains; i++)
		check_domain(rule->domain[i]);
	if (rule->cname)
		check_domain(rule->cname);
}

static void check_policies(const struct conf_dns *d)
{
	size_t clients = 0;

	require(d->policies >= 1 && d->policies <= DNS_POLICIES_MAX);
	require(!d->policy[d->policies - 1].clients);
	for (size_t i = 0; i < d->policies; i++) {
		const struct conf_policy *p = &d->policy[i];

		check_name(p->name);
		require(p->group < d->groups && p->rules <= CONF_RULES_MAX);
		clients += p->clients;
		for (size_t j = 0; j < p->clients; j++)
			check_prefix(&p->client[j]);
		for (size_t j = 0; j < p->rules; j++)
			check_rule(d, &p->rule[j]);
	}
	require(clients <= DNS_CLIENTS_MAX);
}

static void check_dns(const struct conf_dns *d)
{
	require(d->upstreams >= 1 && d->upstreams <= CONF_UPSTREAMS_MAX);
	require(d->groups >= 1 && d->groups <= CONF_GROUPS_MAX);
	require(!strcmp(d->group[0].name, "default"));
	require(d->lists <= CONF_LISTS_MAX && d->listeners <= CONF_LISTENERS_MAX);
	require(d->cache.ttl_min <= d->cache.ttl_max && d->timeout_ms >= 100);
	for (size_t i = 0; i < d->upstreams; i++)
		check_upstream(&d->upstream[i]);
	for (size_t i = 0; i < d->groups; i++)
		check_group(d, &d->group[i]);
	for (size_t i = 0; i < d->lists; i++)
		require(d->list[i].file && d->list[i].format < CONF_LIST_FORMAT_NUM);
	for (size_t i = 0; i < d->allows; i++)
		check_prefix(&d->allow[i]);
	for (size_t i = 0; i < d->listeners; i++)
		require(d->listener[i].endpoint.port && d->listener[i].line);
	for (size_t i = 0; i < d->devices; i++)
		require(d->device[i].name[0] && d->device[i].mode < CONF_DEVICE_MODE_NUM);
	check_policies(d);
}

static void check_texts(char *const *text, size_t num, size_t max)
{
	for (size_t i = 0; i < num; i++)
		require(text[i] && text[i][0] && strlen(text[i]) < max);
}

static void check_conditions(const struct conf *c, const struct conf_conditions *of)
{
	for (size_t i = 0; i < of->domains; i++)
		check_domain(of->domain[i]);
	require(!(of->lists >> c->dns.lists));
	for (size_t i = 0; i < of->destinations; i++)
		check_prefix(&of->destination[i]);
	for (size_t i = 0; i < of->sources; i++)
		check_prefix(&of->source[i]);
	for (size_t i = 0; i < of->ports; i++)
		require(of->port[i].first && of->port[i].first <= of->port[i].last);
	check_texts(of->user, of->users, 256);
	check_texts(of->cgroup, of->cgroups, CONF_TEXT_MAX);
	check_texts(of->unit, of->units, 300);
	check_texts(of->process, of->processes, COMM_BYTES);
	check_texts(of->executable, of->executables, CONF_TEXT_MAX);
	check_texts(of->interface, of->interfaces, 16);
	for (size_t i = 0; i < of->cgroups; i++)
		require(of->cgroup[i][0] == '/' && !strstr(of->cgroup[i], "//"));
	for (size_t i = 0; i < of->dscps; i++)
		require(of->dscp[i] < 64);
	for (size_t i = 0; i < of->fwmarks; i++)
		require(of->fwmark[i].mask && !(of->fwmark[i].value & ~of->fwmark[i].mask));
}

static void check_flow_rules(const struct conf *c)
{
	require(c->rules <= CONF_FLOW_RULES_MAX);
	require(!c->fallback || c->fallback == VERDICT_DIRECT || c->fallback == VERDICT_FORWARD);
	for (size_t i = 0; i < c->rules; i++) {
		const struct conf_flow_rule *rule = &c->rule[i];

		check_name(rule->name);
		require(rule->line);
		require(rule->action == VERDICT_DIRECT || rule->action == VERDICT_FORWARD ||
			rule->action == VERDICT_REJECT || rule->action == VERDICT_DROP);
		check_conditions(c, &rule->is);
		check_conditions(c, &rule->isnt);
		/* no condition is in both */
		require(!(rule->is.domains || rule->is.lists) ||
			!(rule->isnt.domains || rule->isnt.lists));
		require(!(rule->is.cgroups || rule->is.units) ||
			!(rule->isnt.cgroups || rule->isnt.units));
		require(!rule->is.ports || !rule->isnt.ports);
	}
}

static void check_errors(const struct conf_errors *e, int r)
{
	require(e->used < sizeof(e->text) && e->text[e->used] == '\0');
	require(strlen(e->text) == e->used);
	require(!e->used || e->text[e->used - 1] == '\n');
	require((r == -EINVAL) == (e->num > 0));
	require((e->num || e->warnings) == (e->used > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf_errors errors;
	struct conf *c;
	int r;

	r = conf_read((const char *)data, size, "dir/file", &c, &errors);
	require(r == 0 || r == -EINVAL);
	check_errors(&errors, r);
	if (r)
		return 0;
	require(c->workers <= WORKERS_MAX && c->log_level <= LOG_LEVEL_DEBUG);
	require(!c->mtu || (c->mtu >= MTU_MIN && c->mtu <= MTU_MAX));
	check_dns(&c->dns);
	check_flow_rules(c);
	conf_free(c);
	return 0;
}
