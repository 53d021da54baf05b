// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The set of upstreams: what the configuration says, made into groups of those that exist. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dns/upstreams.h"

#define PLAIN_NAME "dns%u" /* of those given without a configuration */

static void check_due(struct timer *t);
static void turned(struct loop_turn *t);

/* --- groups ------------------------------------------------------------------------------- */

struct upstream_group *upstream_group_get(struct upstream_group *g)
{
	g->refs++;
	return g;
}

void upstream_group_put(struct upstream_group *g)
{
	if (!g || --g->refs)
		return;
	for (unsigned int i = 0; i < g->num; i++)
		upstream_put(g->member[i]);
	free(g);
}

struct upstream_group *upstreams_group(struct upstreams *us, size_t place)
{
	return place < us->plan.groups ? us->plan.group[place] : NULL;
}

/* Less is better. */
static unsigned int rank(const struct upstream *u)
{
	switch (u->health.state) {
	case HEALTH_DOWN:
		return 2;
	case HEALTH_FAILING:
		return 1;
	default:
		return 0;
	}
}

int upstream_group_pick(const struct upstream_group *g, uint32_t tried)
{
	unsigned int best = UINT32_MAX;
	int place = -1, looped = 0;

	for (unsigned int i = 0; i < g->num; i++) {
		const struct upstream *u = g->member[i];

		looped += u->looped;
		if (u->looped || tried & 1U << i || rank(u) >= best)
			continue;
		best = rank(u);
		place = (int)i;
	}
	return place < 0 && looped && !tried ? -EDEADLK : place;
}

/* Takes over the reference. */
static void add_member(struct upstream_group *g, struct upstream *u)
{
	bool known = g->num == UPSTREAM_GROUP_MAX;

	for (unsigned int i = 0; i < g->num; i++)
		known |= g->member[i] == u;
	if (known)
		upstream_put(u);
	else
		g->member[g->num++] = u;
}

/* The host's servers as upstreams of their own, plain ones. */
static int add_host(struct upstreams *us, struct upstream_group *g,
		    const struct conf_upstream *conf, char error[TRANSPORT_ERROR_MAX])
{
	struct conf_upstream server = *conf;
	struct upstream *u;
	int r;

	server.type = CONF_PLAIN;
	server.addresses = 1;
	for (unsigned int i = 0; i < us->hosts; i++) {
		server.address[0] = us->host[i];
		r = upstream_get(&us->env, &server, true, &u, error);
		if (r < 0)
			return r;
		add_member(g, u);
	}
	return 0;
}

static int make_group(struct upstreams *us, const struct upstreams_plan *plan,
		      const struct conf_group *conf, struct upstream_group **ret_group,
		      char error[TRANSPORT_ERROR_MAX])
{
	struct upstream_group *g = calloc(1, sizeof(*g));
	int r = 0;

	if (!g)
		return -ENOMEM;
	*ret_group = g;
	g->refs = 1;
	g->race = conf->race;
	g->failover_rcodes = conf->failover_rcodes;
	memcpy(g->name, conf->name, sizeof(g->name));
	for (unsigned int i = 0; r == 0 && i < conf->upstreams; i++) {
		const struct conf_upstream *c = &plan->upstream[conf->upstream[i]];
		struct upstream *u;

		if (c->type == CONF_HOST) {
			r = add_host(us, g, c, error);
			continue;
		}
		r = upstream_get(&us->env, c, false, &u, error);
		if (r == 0)
			add_member(g, u);
	}
	return r;
}

static void put_groups(struct upstream_group **group, size_t num)
{
	for (size_t i = 0; group && i < num; i++)
		upstream_group_put(group[i]);
	free(group);
}

/* All or nothing. */
static int make_groups(struct upstreams *us, const struct upstreams_plan *plan,
		       struct upstream_group ***ret_group, char error[TRANSPORT_ERROR_MAX])
{
	struct upstream_group **group = calloc(plan->groups + 1, sizeof(struct upstream_group *));
	int r = group ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < plan->groups; i++)
		r = make_group(us, plan, &plan->conf_group[i], &group[i], error);
	if (r < 0)
		put_groups(group, plan->groups);
	else
		*ret_group = group;
	return r;
}

/* Marks who is in force, and puts them into the configuration's order. */
static void mark_current(struct upstreams *us)
{
	list_for_each_safe(pos, next, &us->env.all)
		container_of(pos, struct upstream, link)->current = false;
	for (size_t i = 0; i < us->plan.groups; i++) {
		struct upstream_group *g = us->plan.group[i];

		for (unsigned int k = 0; k < g->num; k++) {
			if (!g->member[k]->current)
				list_touch(&us->env.all, &g->member[k]->link);
			g->member[k]->current = true;
		}
	}
}

/* --- plans -------------------------------------------------------------------------------- */

static void free_plan(struct upstreams_plan *p)
{
	put_groups(p->group, p->groups);
	for (size_t i = 0; i < p->upstreams; i++)
		upstream_conf_done(&p->upstream[i]);
	free(p->upstream);
	free(p->conf_group);
	free(p->bootstrap);
	free(p->listener);
}

static int copy_endpoints(struct upstreams_plan *p, const struct conf_dns *conf)
{
	p->bootstrap = calloc(conf->bootstraps + 1, sizeof(*p->bootstrap));
	p->listener = calloc(conf->listeners + 1, sizeof(*p->listener));
	if (!p->bootstrap || !p->listener)
		return -ENOMEM;
	p->bootstraps = conf->bootstraps;
	for (size_t i = 0; i < conf->bootstraps; i++)
		p->bootstrap[i] = conf->bootstrap[i];
	p->listeners = conf->listeners;
	for (size_t i = 0; i < conf->listeners; i++)
		p->listener[i] = conf->listener[i].endpoint;
	return 0;
}

/* Copies what is kept, with room for DNS_UPSTREAMS_MAX more upstreams. */
static int copy_conf(struct upstreams_plan *p, const struct conf_dns *conf)
{
	p->upstream = calloc(conf->upstreams + DNS_UPSTREAMS_MAX, sizeof(*p->upstream));
	p->conf_group = calloc(conf->groups, sizeof(*p->conf_group));
	if (!p->upstream || !p->conf_group)
		return -ENOMEM;
	for (size_t i = 0; i < conf->upstreams; i++) {
		p->upstreams++;
		if (upstream_conf_copy(&conf->upstream[i], &p->upstream[i]) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < conf->groups; i++)
		p->conf_group[i] = conf->group[i];
	p->groups = conf->groups;
	p->loop_check = conf->loop_check;
	return copy_endpoints(p, conf);
}

/* The first group has these members and no others. */
static void put_plain(struct upstreams_plan *p, const struct endpoint *dns, unsigned int num)
{
	struct conf_group *g = &p->conf_group[0];

	if (!num)
		return;
	g->upstreams = 0;
	for (unsigned int i = 0; i < num && i < DNS_UPSTREAMS_MAX; i++) {
		struct conf_upstream *c = &p->upstream[p->upstreams];

		snprintf(c->name, sizeof(c->name), PLAIN_NAME, i + 1);
		c->type = CONF_PLAIN;
		c->address[0] = dns[i];
		c->addresses = 1;
		g->upstream[g->upstreams++] = (uint32_t)p->upstreams++;
	}
}

static bool has_host(const struct upstreams_plan *p)
{
	for (size_t i = 0; i < p->groups; i++) {
		for (unsigned int k = 0; k < p->conf_group[i].upstreams; k++) {
			if (p->upstream[p->conf_group[i].upstream[k]].type == CONF_HOST)
				return true;
		}
	}
	return false;
}

/* Are names looked up through the host's servers? */
static bool has_name(const struct upstreams_plan *p)
{
	for (size_t i = 0; !p->bootstraps && i < p->upstreams; i++) {
		if (p->upstream[i].host && !p->upstream[i].addresses)
			return true;
	}
	return false;
}

/* --- the host's servers ------------------------------------------------------------------- */

/* One that leads back to us by its address alone. */
static bool is_own_listener(const struct upstreams_plan *p, const struct endpoint *ep)
{
	for (size_t i = 0; i < p->listeners; i++) {
		const struct endpoint *own = &p->listener[i];

		if (own->port != ep->port)
			continue;
		if (addr_is_zero(&own->addr) ? bootstrap_is_own(&ep->addr) :
					       addr_eq(&own->addr, &ep->addr))
			return true;
	}
	return false;
}

/* The host's servers as they are now. 0 or -errno, and they stay as they were. */
static int read_host(struct upstreams *us, const struct upstreams_plan *p)
{
	struct endpoint found[DNS_UPSTREAMS_MAX];
	char text[ENDPOINT_TEXT_MAX];
	int num = bootstrap_servers(&us->bootstrap, found);

	if (num < 0) {
		log_err("dns", "cannot read %s, name servers stay as they were: %s",
			us->bootstrap.path, strerror(-num));
		return num;
	}
	us->hosts = 0;
	for (int i = 0; i < num; i++) {
		endpoint_format(&found[i], text);
		if (is_own_listener(p, &found[i])) {
			log_warn("dns", "name server of the host is Headrace address=%s", text);
			continue;
		}
		us->host[us->hosts++] = found[i];
		log_info("dns", "name server of the host address=%s", text);
	}
	if (has_host(p) && !us->hosts)
		log_err("dns", "%s names no name server: every query gets SERVFAIL; use --dns",
			us->bootstrap.path);
	return 0;
}

static int assign_lookups(struct upstreams *us, const struct upstreams_plan *p)
{
	if (p->bootstraps)
		return lookups_assign(us->env.lookups, p->bootstrap, (unsigned int)p->bootstraps);
	return lookups_assign(us->env.lookups, us->host, us->hosts);
}

bool upstreams_refresh(struct upstreams *us)
{
	struct upstreams_plan *p = &us->plan;
	char error[TRANSPORT_ERROR_MAX];
	struct upstream_group **group = NULL;
	int r;

	if (!(has_host(p) || has_name(p)) || !bootstrap_changed(&us->bootstrap))
		return false;
	r = read_host(us, p);
	if (r == 0)
		r = make_groups(us, p, &group, error);
	if (r < 0)
		return false;
	put_groups(p->group, p->groups);
	p->group = group;
	mark_current(us);
	r = assign_lookups(us, p);
	if (r < 0)
		log_err("dns", "no lookups by the name servers of the host: %s", strerror(-r));
	return true;
}

/* --- loops -------------------------------------------------------------------------------- */

static void check_due(struct timer *t)
{
	struct upstreams *us = container_of(t, struct upstreams, check);

	loop_arm(us->env.loop, t, PROBE_LOOP_MS);
	list_for_each_safe(pos, next, &us->env.all) {
		struct upstream *u = container_of(pos, struct upstream, link);

		if (u->current)
			probe_loop(u);
	}
}

static void plan_checks(struct upstreams *us)
{
	if (us->plan.loop_check)
		loop_arm(us->env.loop, &us->check, PROBE_LOOP_FIRST_MS);
	else
		loop_disarm(&us->check);
}

bool upstreams_is_loop(struct upstreams *us, const struct msg_question *question)
{
	if (!probe_is_loop_name(&question->name))
		return false;
	list_for_each_safe(pos, next, &us->env.all) {
		if (probe_came_back(container_of(pos, struct upstream, link), &question->name))
			return true;
	}
	return false;
}

static void turned(struct loop_turn *t)
{
	upstream_reap(&container_of(t, struct upstreams, turn)->env);
}

/* --- life --------------------------------------------------------------------------------- */

int upstreams_new(const struct upstreams_options *options, struct upstreams **ret_upstreams)
{
	struct upstreams *us = calloc(1, sizeof(*us));
	int r;

	if (!us)
		return -ENOMEM;
	us->options = *options;
	us->env.loop = options->loop;
	us->env.datapath = options->datapath;
	us->env.plain = (struct plain_env){ .loop = options->loop,
					    .datapath = options->datapath,
					    .scratch = us->scratch };
	list_init(&us->env.all);
	list_init(&us->env.dead);
	us->turn.turn = turned;
	loop_add_turn(options->loop, &us->turn);
	timer_init(&us->check, check_due);
	bootstrap_init(&us->bootstrap, options->resolv_conf ? options->resolv_conf : BOOTSTRAP_FILE,
		       options->resolved_conf ? options->resolved_conf : BOOTSTRAP_RESOLVED_FILE,
		       options->host_capture);
	r = lookups_new(options->loop, &us->env.lookups);
	if (r < 0) {
		upstreams_free(us);
		return r;
	}
	*ret_upstreams = us;
	return 0;
}

void upstreams_free(struct upstreams *us)
{
	if (!us)
		return;
	loop_disarm(&us->check);
	loop_remove_turn(&us->turn);
	free_plan(&us->plan);
	upstream_reap(&us->env);
	lookups_free(us->env.lookups);
	free(us);
}

static int make_plan(struct upstreams *us, const struct conf_dns *conf, const struct endpoint *dns,
		     unsigned int dns_num, struct upstreams_plan *p,
		     char error[TRANSPORT_ERROR_MAX])
{
	int r = copy_conf(p, conf);

	if (r < 0)
		return r;
	put_plain(p, dns, dns_num);
	if (has_host(p) || has_name(p)) {
		(void)bootstrap_changed(&us->bootstrap); /* it is looked at now */
		(void)read_host(us, p);
	}
	r = assign_lookups(us, p);
	return r < 0 ? r : make_groups(us, p, &p->group, error);
}

int upstreams_assign(struct upstreams *us, const struct conf_dns *conf, const struct endpoint *dns,
		     unsigned int dns_num, char error[TRANSPORT_ERROR_MAX])
{
	struct conf_upstream host = { .name = "host", .type = CONF_HOST };
	struct conf_group group = { .name = "default",
				    .upstreams = 1,
				    .failover_rcodes = UPSTREAM_RCODES };
	struct conf_dns without = {
		.upstream = &host, .upstreams = 1, .group = &group, .groups = 1, .loop_check = true
	};
	struct upstreams_plan next = { 0 }, old = us->plan;
	int r;

	error[0] = '\0';
	r = make_plan(us, conf ? conf : &without, dns, dns_num, &next, error);
	if (r < 0) {
		if (old.groups)
			(void)assign_lookups(us, &old);
		free_plan(&next);
		return r;
	}
	us->plan = next;
	free_plan(&old);
	mark_current(us);
	plan_checks(us);
	return 0;
}

int upstreams_reread(struct upstreams *us, char error[TRANSPORT_ERROR_MAX])
{
	const struct upstreams_plan *p = &us->plan;
	int r = 0;

	for (size_t i = 0; i < p->groups; i++) {
		for (unsigned int k = 0; r == 0 && k < p->group[i]->num; k++)
			r = upstream_reread(p->group[i]->member[k], error);
	}
	for (size_t i = 0; i < p->groups; i++) {
		for (unsigned int k = 0; k < p->group[i]->num; k++)
			upstream_renew(p->group[i]->member[k], r == 0);
	}
	return r;
}

void upstreams_each(struct upstreams *us, void (*fn)(void *arg, const struct upstream *u),
		    void *arg)
{
	list_for_each_safe(pos, next, &us->env.all) {
		struct upstream *u = container_of(pos, struct upstream, link);

		if (u->current)
			fn(arg, u);
	}
}
