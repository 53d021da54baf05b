// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Upstreams. One that appears in a new configuration as it was in the old one is the same
 * object: figures, health, addresses and connections stay.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dns/upstream.h"

#define LATENCY_WEIGHT 8 /* a new value counts for an eighth, as TCP's RTT (RFC 6298) */

static void timeout_due(struct timer *t);
static void looked_up(struct lookup *l, int status, const struct endpoint *found, unsigned int num,
		      uint32_t ttl);

/* --- settings ----------------------------------------------------------------------------- */

static bool text_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool addresses_eq(const struct conf_upstream *a, const struct conf_upstream *b)
{
	if (a->addresses != b->addresses || a->port != b->port)
		return false;
	for (unsigned int i = 0; i < a->addresses; i++) {
		if (a->address[i].port != b->address[i].port ||
		    !addr_eq(&a->address[i].addr, &b->address[i].addr))
			return false;
	}
	return true;
}

static bool settings_eq(const struct conf_upstream *a, const struct conf_upstream *b)
{
	return a->type == b->type && a->get == b->get && a->family == b->family &&
	       a->timeout_ms == b->timeout_ms && strcmp(a->name, b->name) == 0 &&
	       text_eq(a->host, b->host) && text_eq(a->path, b->path) &&
	       text_eq(a->ca_file, b->ca_file) && addresses_eq(a, b) && a->pins == b->pins &&
	       memcmp(a->pin, b->pin, a->pins * sizeof(a->pin[0])) == 0;
}

static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

int upstream_conf_copy(const struct conf_upstream *from, struct conf_upstream *to)
{
	*to = *from;
	to->host = to->path = to->ca_file = NULL;
	if (copy_text(from->host, &to->host) < 0 || copy_text(from->path, &to->path) < 0 ||
	    copy_text(from->ca_file, &to->ca_file) < 0)
		return -ENOMEM;
	return 0;
}

void upstream_conf_done(struct conf_upstream *c)
{
	free(c->host);
	free(c->path);
	free(c->ca_file);
}

/* --- connections -------------------------------------------------------------------------- */

static unsigned int path_addresses(void *arg, struct endpoint ret_to[CONF_ADDRESSES_MAX])
{
	struct upstream_path *path = arg;

	return upstream_addresses(path->upstream, path->family, ret_to);
}

static void path_connected(void *arg, const struct endpoint *to, int status)
{
	struct upstream_path *path = arg;

	upstream_reached(path->upstream, to, status);
}

static int open_path(struct upstream *u, struct upstream_path *path, enum conf_family family,
		     char error[TRANSPORT_ERROR_MAX])
{
	struct transport_options options = {
		.loop = u->env->loop,
		.datapath = u->env->datapath,
		.upstream = &u->conf,
		.addresses = path_addresses,
		.connected = path_connected,
		.arg = path,
	};

	path->upstream = u;
	path->family = family;
	return transport_new(&options, &path->transport, error);
}

static int open_paths(struct upstream *u, char error[TRANSPORT_ERROR_MAX])
{
	int r;

	u->path[1].family = CONF_FAMILY_NUM;
	if (upstream_is_plain(u))
		return 0;
	if (u->conf.family != CONF_SPLIT)
		return open_path(u, &u->path[0], u->conf.family, error);
	r = open_path(u, &u->path[0], CONF_V4, error);
	return r < 0 ? r : open_path(u, &u->path[1], CONF_V6, error);
}

int upstream_reread(struct upstream *u, char error[TRANSPORT_ERROR_MAX])
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < 2; i++) {
		if (u->path[i].transport)
			r = transport_reread(u->path[i].transport, error);
	}
	return r;
}

void upstream_renew(struct upstream *u, bool take)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (u->path[i].transport)
			transport_renew(u->path[i].transport, take);
	}
}

/* --- life --------------------------------------------------------------------------------- */

static void free_upstream(struct upstream *u)
{
	probe_stop(u);
	lookup_cancel(&u->lookup);
	loop_disarm(&u->timeout);
	for (unsigned int i = 0; i < 2; i++)
		transport_free(u->path[i].transport);
	list_remove(&u->link);
	upstream_conf_done(&u->conf);
	free(u);
}

static void set_up(struct upstream *u, struct upstream_env *env, bool of_host)
{
	u->env = env;
	u->refs = 1;
	u->of_host = of_host;
	u->lookup.done = looked_up;
	list_init(&u->link);
	list_init(&u->attempts);
	timer_init(&u->timeout, timeout_due);
	probe_init(u);
}

static int new_upstream(struct upstream_env *env, const struct conf_upstream *conf, bool of_host,
			struct upstream **ret_upstream, char error[TRANSPORT_ERROR_MAX])
{
	struct upstream *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	set_up(u, env, of_host);
	r = upstream_conf_copy(conf, &u->conf);
	if (r == 0)
		r = open_paths(u, error);
	if (r < 0) {
		free_upstream(u);
		return r;
	}
	memcpy(u->address, conf->address, sizeof(u->address));
	u->addresses = conf->addresses;
	list_append(&env->all, &u->link);
	*ret_upstream = u;
	return 0;
}

int upstream_get(struct upstream_env *env, const struct conf_upstream *conf, bool of_host,
		 struct upstream **ret_upstream, char error[TRANSPORT_ERROR_MAX])
{
	error[0] = '\0';
	for (struct list *pos = env->all.next; pos != &env->all; pos = pos->next) {
		struct upstream *u = container_of(pos, struct upstream, link);

		if (u->of_host != of_host || !settings_eq(&u->conf, conf))
			continue;
		u->refs++;
		*ret_upstream = u;
		return 0;
	}
	return new_upstream(env, conf, of_host, ret_upstream, error);
}

/* Not freed at once: it may be one of its own callbacks that leads here. */
void upstream_put(struct upstream *u)
{
	if (u && --u->refs == 0)
		list_touch(&u->env->dead, &u->link);
}

void upstream_reap(struct upstream_env *env)
{
	list_for_each_safe(pos, next, &env->dead)
		free_upstream(container_of(pos, struct upstream, link));
}

/* --- addresses ---------------------------------------------------------------------------- */

static int lookup_family(const struct upstream *u)
{
	switch (u->conf.family) {
	case CONF_V4:
		return AF_INET;
	case CONF_V6:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

static void lookup_failed(struct upstream *u)
{
	u->lookup_wait_ms = u->lookup_wait_ms ? u->lookup_wait_ms * 2 : UPSTREAM_LOOKUP_MIN_MS;
	if (u->lookup_wait_ms > UPSTREAM_LOOKUP_MAX_MS)
		u->lookup_wait_ms = UPSTREAM_LOOKUP_MAX_MS;
	u->lookup_ms = clock_ms() + u->lookup_wait_ms;
}

/* Looks for its name, if it has one and that is allowed now. */
static void look_up(struct upstream *u)
{
	int r;

	if (u->conf.addresses || !u->conf.host || u->lookup.query || clock_ms() < u->lookup_ms)
		return;
	r = lookup_start(u->env->lookups, &u->lookup, u->conf.host, lookup_family(u));
	if (r == 0)
		return;
	log_warn("dns", "address of upstream %s: %s name=%s", u->conf.name, strerror(-r),
		 u->conf.host);
	lookup_failed(u);
}

/* Those that wait go out, or fail. */
static void resume(struct upstream *u, int status)
{
	struct list waiting = LIST_INIT(waiting);

	list_for_each_safe(pos, next, &u->attempts) {
		struct attempt *a = container_of(pos, struct attempt, link);

		if (a->state == ATTEMPT_LOOKUP)
			list_touch(&waiting, &a->link);
	}
	while (!list_is_empty(&waiting)) {
		struct attempt *a = list_first(&waiting, struct attempt, link);

		list_touch(&u->attempts, &a->link);
		attempt_resume(a, status);
	}
}

static void take_addresses(struct upstream *u, const struct endpoint *found, unsigned int num,
			   uint32_t ttl)
{
	u->addresses = num < CONF_ADDRESSES_MAX ? num : CONF_ADDRESSES_MAX;
	u->first = 0;
	for (unsigned int i = 0; i < u->addresses; i++) {
		u->address[i] = found[i];
		u->address[i].port = htons(u->conf.port);
	}
	if (ttl < UPSTREAM_TTL_MIN)
		ttl = UPSTREAM_TTL_MIN;
	if (ttl > UPSTREAM_TTL_MAX)
		ttl = UPSTREAM_TTL_MAX;
	u->expires_ms = clock_ms() + ttl * 1000ULL;
	u->lookup_wait_ms = 0;
	u->lookup_ms = clock_ms() + UPSTREAM_LOOKUP_AGAIN_MS;
}

static void looked_up(struct lookup *l, int status, const struct endpoint *found, unsigned int num,
		      uint32_t ttl)
{
	struct upstream *u = container_of(l, struct upstream, lookup);

	if (status == 0) {
		take_addresses(u, found, num, ttl);
	} else {
		log_warn("dns", "address of upstream %s: %s name=%s", u->conf.name,
			 strerror(-status), u->conf.host);
		lookup_failed(u);
	}
	resume(u, u->addresses ? 0 : status);
}

bool upstream_is_waiting(const struct upstream *u)
{
	struct upstream *w = (struct upstream *)u;

	if (u->addresses)
		return false;
	look_up(w);
	return u->lookup.query;
}

static bool family_takes(const struct upstream *u, enum conf_family family,
			 const struct addr *address)
{
	bool v4 = addr_is_v4(address);

	if (u->conf.family == CONF_V4 || family == CONF_V4)
		return v4;
	if (u->conf.family == CONF_V6 || family == CONF_V6)
		return !v4;
	return true;
}

/* Appends those of the family that are IPv6, or are not; the one that worked last first. */
static unsigned int add_addresses(const struct upstream *u, enum conf_family family, bool v6,
				  struct endpoint *ret_to, unsigned int num)
{
	for (unsigned int i = 0; i < u->addresses; i++) {
		const struct endpoint *ep = &u->address[(u->first + i) % u->addresses];

		if (addr_is_v4(&ep->addr) != v6 && family_takes(u, family, &ep->addr))
			ret_to[num++] = *ep;
	}
	return num;
}

unsigned int upstream_addresses(struct upstream *u, enum conf_family family,
				struct endpoint ret_to[CONF_ADDRESSES_MAX])
{
	bool first_is_v6 = u->addresses && !addr_is_v4(&u->address[u->first].addr);
	unsigned int num = 0;

	if (!u->addresses || (u->expires_ms && clock_ms() >= u->expires_ms))
		look_up(u);
	if (ipv6_usable(&u->env->ipv6) && first_is_v6)
		num = add_addresses(u, family, true, ret_to, num);
	num = add_addresses(u, family, false, ret_to, num);
	/* Without any other, one that will hardly work is better than none. */
	if (num == 0 || (ipv6_usable(&u->env->ipv6) && !first_is_v6))
		num = add_addresses(u, family, true, ret_to, num);
	return num;
}

static bool has_address(const struct upstream *u, bool v6)
{
	for (unsigned int i = 0; i < u->addresses; i++) {
		if (addr_is_v4(&u->address[i].addr) != v6)
			return true;
	}
	return false;
}

enum conf_family upstream_family(const struct upstream *u, const struct plain_question *question)
{
	uint16_t type = msg_get16(question->message + question->question_end - 4);

	if (u->conf.family != CONF_SPLIT)
		return u->conf.family;
	if (!has_address(u, false))
		return CONF_V6;
	return type != TYPE_A && has_address(u, true) && ipv6_usable(&u->env->ipv6) ? CONF_V6 :
										      CONF_V4;
}

bool upstream_is_near(const struct upstream *u)
{
	for (unsigned int i = 0; i < u->addresses; i++) {
		const struct addr *a = &u->address[i].addr;

		if (addr_is_private(a) || addr_is_loopback(a) || addr_is_link_local(a))
			return true;
	}
	return false;
}

struct endpoint upstream_endpoint(const struct upstream *u)
{
	return u->addresses ? u->address[u->first] : (struct endpoint){ 0 };
}

void upstream_reached(struct upstream *u, const struct endpoint *to, int status)
{
	ipv6_note(&u->env->ipv6, to, status);
	for (unsigned int i = 0; status == 0 && i < u->addresses; i++) {
		if (addr_eq(&u->address[i].addr, &to->addr))
			u->first = i;
	}
}

/* --- how it behaves ----------------------------------------------------------------------- */

void upstream_alive(struct upstream *u)
{
	if (health_success(&u->health))
		log_info("dns", "upstream %s is back", u->conf.name);
	probe_health(u);
}

void upstream_answered(struct upstream *u, uint64_t latency_us)
{
	u->answers++;
	if (u->latency_us)
		latency_us = (u->latency_us * (LATENCY_WEIGHT - 1) + latency_us) / LATENCY_WEIGHT;
	u->latency_us = latency_us ? latency_us : 1;
	upstream_alive(u);
}

static void say_down(const struct upstream *u)
{
	log_warn("dns", "upstream %s is down failures=%u", u->conf.name, u->health.streak);
}

void upstream_bad(struct upstream *u)
{
	if (health_failure(&u->health))
		say_down(u);
	probe_health(u);
	look_up(u); /* it may have moved */
}

void upstream_look(struct upstream *u)
{
	if (health_look(&u->health))
		say_down(u);
	probe_health(u);
}

void upstream_failed(struct upstream *u)
{
	u->failures++;
	upstream_bad(u);
}

void upstream_timed_out(struct upstream *u)
{
	u->timeouts++;
	if (u->addresses)
		u->first = (u->first + 1) % u->addresses; /* that one may answer */
	upstream_bad(u);
}

/* The oldest that this timer is for, NULL = none. */
static struct attempt *oldest_timed(struct upstream *u)
{
	for (struct list *pos = u->attempts.next; pos != &u->attempts; pos = pos->next) {
		struct attempt *a = container_of(pos, struct attempt, link);

		if (!a->probe)
			return a;
	}
	return NULL;
}

static void timeout_due(struct timer *t)
{
	struct upstream *u = container_of(t, struct upstream, timeout);
	uint64_t limit = u->conf.timeout_ms * NSEC_PER_MSEC;
	struct attempt *a;

	while ((a = oldest_timed(u))) {
		uint64_t waited = clock_ns() - a->started_ns;

		if (waited < limit) {
			loop_arm(u->env->loop, t, (limit - waited) / NSEC_PER_MSEC + 1);
			break;
		}
		attempt_expire(a);
	}
}
