// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The resolver's work: check the query, make room for it, have it resolved (resolve.c), see to it
 * that it gets one answer, in time.
 *
 *  - A client's repetition of what is in flight is absorbed.
 *  - Nobody holds more than its share of the queries in flight.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "dns/domains.h"
#include "dns/generation.h"
#include "dns/intake.h"
#include "dns/resolve.h"
#include "dns/service.h"

#define SWEEP_MS 1000

static void expire(struct timer *t);
static void sweep(struct timer *t);

static int make_upstreams(struct service *s)
{
	struct upstreams_options options = {
		.loop = s->loop,
		.datapath = s->datapath,
		.resolv_conf = s->options.resolv_conf,
		.host_capture = s->options.host_capture,
	};

	return upstreams_new(&options, &s->upstreams);
}

static int make_parts(struct service *s)
{
	const struct cache_options cache = {
		.entries_max = s->options.conf->dns.cache.entries,
		.bytes_max = s->options.conf->dns.cache.bytes,
	};
	struct exchange_limits limits = { .exchanges_max = s->options.queries_max,
					  .sockets_max = s->options.sockets_max };
	int r = query_table_new(s->options.queries_max, &s->queries);

	if (r == 0)
		r = cache_new(&cache, &s->cache);
	if (r == 0)
		r = kcache_new(s->datapath, &s->kcache);
	if (r == 0)
		r = facts_new(s->loop, s->datapath, s->kcache, &s->facts);
	if (r == 0)
		r = flows_new(s->datapath, s->options.flows_max, &s->flows);
	if (r == 0)
		r = make_upstreams(s);
	if (r == 0)
		r = exchanges_new(s->loop, s->datapath, s->upstreams, &limits, resolve_done, s,
				  &s->exchanges);
	return r;
}

/* Takes a reference to the configuration that there is, or makes the default one. */
static int take_conf(struct service *s)
{
	struct conf_errors errors = { 0 };

	if (!s->options.conf)
		return conf_read("", 0, "default", &s->options.conf, &errors);
	conf_get(s->options.conf);
	return 0;
}

static void set_defaults(struct service_options *o)
{
	if (!o->queries_max)
		o->queries_max = DNS_QUERIES_MAX;
	if (!o->client_queries_max)
		o->client_queries_max = o->queries_max;
	if (!o->flows_max)
		o->flows_max = DNS_FLOWS_MAX;
}

static void first_ready(void *arg, int status, const struct conf_errors *errors)
{
	struct service *s = arg;

	change_log(status, errors);
	if (s->options.ready)
		s->options.ready(s->options.arg, status, errors);
}

int service_new(struct loop *loop, struct datapath *dp, const struct service_options *options,
		struct service **ret_service)
{
	struct service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	set_defaults(&s->options);
	s->loop = loop;
	s->datapath = dp;
	timer_init(&s->expiry, expire);
	timer_init(&s->sweep, sweep);
	timer_init(&s->stale_due, resolve_stale_due);
	list_init(&s->stale);
	change_init(&s->change, s);
	budget_setup(datapath_budget(dp, BUDGET_DNS_QUERIES), s->options.queries_max,
		     s->options.client_queries_max, 1);
	r = take_conf(s);
	if (r == 0)
		r = make_parts(s);
	*ret_service = s;
	if (r == 0)
		r = change_begin(&s->change, s->options.conf, s->options.list_fds, true,
				 first_ready, s);
	if (r < 0)
		service_free(s);
	return r;
}

/* --- generations ------------------------------------------------------------------------- */

int service_reload(struct service *s, struct conf *conf, const int *list_fds, change_done_fn done,
		   void *arg)
{
	return change_begin(&s->change, conf, list_fds, false, done, arg);
}

/* Other bounds need another cache: what is in this one is lost. */
static int resize_cache(struct service *s, const struct generation *g)
{
	const struct conf_cache *now = &g->dns->cache;
	const struct cache_options options = { .entries_max = now->entries,
					       .bytes_max = now->bytes };
	struct cache *c;
	int r;

	if (!s->generation || (s->generation->dns->cache.entries == now->entries &&
			       s->generation->dns->cache.bytes == now->bytes))
		return 0;
	r = cache_new(&options, &c);
	if (r < 0)
		return r;
	cache_free(s->cache);
	s->cache = c;
	return 0;
}

int service_take_generation(struct service *s, struct generation *g)
{
	int r = resize_cache(s, g);

	if (r < 0)
		return r;
	cache_set(s->cache, &g->ttl, g->dns->cache.stale);
	kcache_enable(s->kcache, g->dns->cache.kernel);
	generation_put(s->generation);
	s->generation = g;
	return 0;
}

/*
 * What began before a change of the host's servers ends with those that it began with; what the
 * kernel half has of the former ones is not asked for here again.
 */
static void refresh_upstreams(struct service *s)
{
	struct generation *g = NULL;
	int r;

	if (!upstreams_refresh(s->upstreams))
		return;
	r = generation_new(policies_get(s->generation->policies), s->upstreams, s->generation,
			   &s->scopes, &g);
	if (r == 0)
		r = service_take_generation(s, g);
	if (r == 0) {
		kcache_flush(s->kcache);
		return;
	}
	generation_put(g);
	log_err("dns", "name servers of the host stay as they were: %s", strerror(-r));
}

/* --- room -------------------------------------------------------------------------------- */

static void count_pending(struct service *s, int by)
{
	datapath_count(s->datapath, RSTAT_DNS_PENDING, by);
	datapath_budget(s->datapath, BUDGET_DNS_QUERIES)->used += (uint64_t)by;
}

/* Of a query that began with `g`, over all upstreams. */
static uint32_t timeout_ms(const struct service *s, const struct generation *g)
{
	return s->options.timeout_ms ? s->options.timeout_ms : g->dns->timeout_ms;
}

static void expire_at(struct service *s, uint64_t at_ns, uint64_t now)
{
	if (timer_is_armed(&s->expiry) && s->expiry_ns <= at_ns)
		return;
	s->expiry_ns = at_ns;
	loop_arm(s->loop, &s->expiry, at_ns > now ? (at_ns - now) / NSEC_PER_MSEC + 1 : 0);
}

static uint64_t expiry_of(const struct service *s, const struct query *q)
{
	return q->started_ns + timeout_ms(s, q->generation) * NSEC_PER_MSEC;
}

void service_drop(struct service *s, struct query *q)
{
	list_remove(&q->waiting);
	generation_put(q->generation);
	query_remove(s->queries, q);
	count_pending(s, -1);
}

struct query *service_add(struct service *s, const struct query *from)
{
	struct query *q = query_add(s->queries, from);

	if (!q)
		return NULL;
	generation_get(q->generation);
	count_pending(s, 1);
	expire_at(s, expiry_of(s, q), q->started_ns);
	return q;
}

/* It gets SERVFAIL; what was asked for it alone is stopped. */
static void give_up(struct service *s, struct query *q, enum drop_reason why)
{
	struct exchange *x = q->exchange;

	resolve_failed(s, q, why);
	service_drop(s, q);
	if (x && list_is_empty(&x->queries))
		exchange_abandon(x);
}

/*
 * Room for one more query of this client. With all places taken, the oldest of who has most
 * makes way if that is more than twice as many. False: *ret_why.
 */
static bool make_room(struct service *s, const struct client *client, enum drop_reason *ret_why)
{
	struct budget_use *b = datapath_budget(s->datapath, BUDGET_DNS_QUERIES);
	uint32_t own = query_count_of(s->queries, &client->flow.saddr);
	struct query *oldest;

	if (own < b->source_limit && b->used < b->limit)
		return true;
	b->hits++;
	*ret_why = DROP_DNS_SOURCE;
	if (own >= b->source_limit && b->source_limit < b->limit)
		return false;
	*ret_why = DROP_DNS_LIMIT;
	oldest = query_oldest_of_most(s->queries);
	if (!oldest || oldest->source->kind[0].count / 2 <= own)
		return false;
	give_up(s, oldest, DROP_DNS_SOURCE);
	b->evicted++;
	return true;
}

/* --- queries in -------------------------------------------------------------------------- */

/* For a header whose question was not read: that header turned round. */
static void send_header(struct service *s, const struct client *client, const struct intake *in,
			enum msg_rcode rcode)
{
	size_t len = msg_reply(s->answer, in->msg, MSG_HEADER_BYTES, rcode);

	s->options.reply(s->options.arg, client, s->answer, len);
}

/*
 * A query in the shape of the table's, under the generation in force. Its reference is the
 * service's as long as it is not in the table.
 */
static struct query query_of(struct service *s, const struct client *client,
			     const struct intake *in)
{
	return (struct query){
		.client = *client,
		.question = in->question,
		.edns = in->edns,
		.id = in->header.id,
		.flags = in->header.flags,
		.started_ns = clock_ns(),
		.number = ++s->taken,
		.generation = s->generation,
		.verdict = { .action = DNS_PASS, .rule = CONF_NONE },
	};
}

/*
 * What its client's policy says. Rules are of class IN; of others they know nothing, but who asks
 * for all classes asks for that one, too.
 */
static void decide(struct query *q)
{
	const struct generation *g = q->generation;
	uint32_t policy = policies_client(g->policies, &q->client.flow.saddr);
	struct name lower = q->question.name;

	name_lower(lower.wire, lower.len);
	if (q->question.class == CLASS_IN || q->question.class == CLASS_ANY) {
		policies_decide(g->policies, policy, &lower, q->question.type, &q->verdict);
		return;
	}
	q->verdict.policy = policy;
	q->verdict.group = g->dns->policy[policy].group;
	if (g->dns->policy[policy].restricted)
		q->verdict.action = DNS_REFUSED;
}

static void arm_sweep(struct service *s)
{
	if (!timer_is_armed(&s->sweep))
		loop_arm(s->loop, &s->sweep, SWEEP_MS);
}

void service_flow_seen(struct service *s, const struct flow_key *key)
{
	flows_seen(s->flows, key);
	arm_sweep(s);
}

void service_adopt(struct service *s)
{
	flows_adopt(s->flows);
	arm_sweep(s);
}

/* Books a query that will be answered. */
static void take_query(struct service *s, const struct client *client, const struct intake *in)
{
	char text[DOMAIN_TEXT_MAX];

	datapath_count(s->datapath, RSTAT_DNS_QUERIES, 1);
	arm_sweep(s);
	if (!query_has_flow(client))
		return;
	domains_text(&in->question.name, text);
	flows_asked(s->flows, &client->flow, text);
}

static void refuse(struct service *s, const struct client *client, const struct intake *in,
		   enum msg_rcode rcode)
{
	struct query q;

	if (!in->question.end) {
		datapath_count(s->datapath, RSTAT_DNS_QUERIES, 1);
		send_header(s, client, in, rcode);
		return;
	}
	take_query(s, client, in);
	q = query_of(s, client, in);
	reply_rcode(s, &q, rcode);
}

/* A line for the log; reply.c has the other half. */
static void log_query(const struct query *q)
{
	char client[ADDR_TEXT_MAX], name[DOMAIN_TEXT_MAX], type[MSG_TEXT_MAX];

	if (log_level() < LOG_LEVEL_DEBUG)
		return;
	log_debug("dns", "QUERY number=%llu client=%s name=%s type=%s policy=%s",
		  (unsigned long long)q->number, addr_format(&q->client.flow.saddr, client),
		  name_format(&q->question.name, name, sizeof(name)),
		  msg_type_text(q->question.type, type),
		  q->generation->dns->policy[q->verdict.policy].name);
}

/* Some names are asked for to say that what is known of all is old. */
static void flush_if_asked(struct service *s, const struct query *q)
{
	if (domain_set_has(&q->generation->flush_domains, &q->question.name))
		service_flush(s, NULL);
}

static void answer(struct service *s, struct query *q, const struct intake *in)
{
	enum drop_reason why;

	decide(q);
	log_query(q);
	flush_if_asked(s, q);
	if (resolve_here(s, q, in->msg) || resolve_at_once(s, q, in))
		return;
	if (make_room(s, &q->client, &why))
		resolve_ask(s, q, in);
	else
		resolve_failed(s, q, why);
}

int service_query(struct service *s, const struct client *client, const uint8_t *msg, size_t len)
{
	bool udp = client->flow.proto == IPPROTO_UDP;
	struct intake in;
	struct query q;
	int r;

	if (!s->generation)
		return -EAGAIN;
	r = intake_read(&in, msg, len, s->generation->keep_options);
	if (query_has_flow(client))
		service_flow_seen(s, &client->flow);
	if (r < 0) {
		datapath_drop(s->datapath, DROP_DNS_MALFORMED);
		return r;
	}
	if (!generation_allows(s->generation, &client->flow.saddr)) {
		datapath_drop(s->datapath, DROP_DNS_FOREIGN);
		r = RCODE_REFUSED;
	}
	if (r > 0) {
		refuse(s, client, &in, (enum msg_rcode)r);
		return 0;
	}
	if (udp && query_find(s->queries, client, in.header.id, &in.question))
		return 0;
	take_query(s, client, &in);
	refresh_upstreams(s);
	q = query_of(s, client, &in);
	answer(s, &q, &in);
	return 0;
}

int service_lookup(struct service *s, const struct addr *client, const struct name *name,
		   uint16_t type,
		   void (*done)(void *arg, const struct query *q, const struct answer *a,
				size_t len),
		   void *arg)
{
	struct msg_question question = { .name = *name, .type = type, .class = CLASS_IN };
	uint8_t message[PLAIN_QUESTION_MAX];
	struct client from = { 0 };
	struct intake in;
	struct query q;
	size_t len = intake_question(message, &question, MSG_RD, &(struct edns){ 0 });

	if (!s->generation)
		return -EAGAIN;
	if (intake_read(&in, message, len, s->generation->keep_options) != 0)
		return -EINVAL;
	if (client)
		from.flow.saddr = *client;
	q = query_of(s, &from, &in);
	q.kind = QUERY_LOOKUP;
	q.done = done;
	q.arg = arg;
	refresh_upstreams(s);
	decide(&q);
	if (resolve_here(s, &q, message) || resolve_at_once(s, &q, &in))
		return 0;
	if (query_count(s->queries) >= s->options.queries_max)
		return -ENOBUFS;
	resolve_ask(s, &q, &in);
	return 0;
}

size_t service_flush(struct service *s, const struct name *name)
{
	size_t num = cache_flush(s->cache, name, true);

	if (name)
		kcache_remove(s->kcache, name, true);
	else
		kcache_flush(s->kcache);
	resolve_show_cache(s);
	return num;
}

/* --- time -------------------------------------------------------------------------------- */

/*
 * The oldest first. Behind one that has time left come those that have no less, unless a reload
 * has made the time shorter since: then the younger ones are looked at, too.
 */
static void expire(struct timer *t)
{
	struct service *s = container_of(t, struct service, expiry);
	uint32_t limit = timeout_ms(s, s->generation);
	uint64_t now = clock_ns(), at;
	struct query *q = query_oldest(s->queries), *younger;

	for (; q; q = younger) {
		younger = query_younger(s->queries, q);
		at = expiry_of(s, q);
		if (at <= now) {
			give_up(s, q, DROP_DNS_TIMEOUT);
			continue;
		}
		expire_at(s, at, now);
		if (timeout_ms(s, q->generation) <= limit)
			return;
	}
}

static void sweep(struct timer *t)
{
	struct service *s = container_of(t, struct service, sweep);

	flows_sweep(s->flows);
	cache_sweep(s->cache);
	if (flows_count(s->flows) || resolve_show_cache(s))
		arm_sweep(s);
}

void service_free(struct service *s)
{
	struct query *q;

	if (!s)
		return;
	while (s->queries && (q = query_oldest(s->queries)))
		give_up(s, q, DROP_DNS_TIMEOUT);
	loop_disarm(&s->expiry);
	loop_disarm(&s->sweep);
	loop_disarm(&s->stale_due);
	change_cancel(&s->change);
	exchanges_free(s->exchanges);
	if (s->flows)
		flows_end_all(s->flows);
	flows_free(s->flows);
	facts_free(s->facts);
	kcache_free(s->kcache);
	cache_free(s->cache);
	query_table_free(s->queries);
	generation_put(s->generation);
	upstreams_free(s->upstreams);
	conf_free(s->options.conf);
	free(s);
}
