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
#include "dns/intake.h"
#include "dns/resolve.h"
#include "dns/service.h"

#define SWEEP_MS 1000

static void expire(struct timer *t);
static void sweep(struct timer *t);

/* The upstreams: those that were given, or the host's. */
static int make_upstreams(struct service *s)
{
	struct upstreams_options options = {
		.loop = s->loop,
		.datapath = s->datapath,
		.resolv_conf = s->options.resolv_conf,
	};
	char error[TRANSPORT_ERROR_MAX];
	int r = upstreams_new(&options, &s->upstreams);

	if (r < 0)
		return r;
	r = upstreams_assign(s->upstreams, s->options.conf ? &s->options.conf->dns : NULL,
			     s->options.upstream, s->options.upstreams, error);
	if (r < 0)
		log_err("dns", "upstreams: %s", error[0] ? error : strerror(-r));
	return r;
}

int service_new(struct loop *loop, struct datapath *dp, const struct service_options *options,
		struct service **ret_service)
{
	struct service *s = calloc(1, sizeof(*s));
	const struct cache_options cache = {
		.entries_max = DNS_CACHE_ENTRIES,
		.bytes_max = DNS_CACHE_BYTES,
		.ttl = { .max = TTL_MAX, .negative_max = TTL_NEGATIVE_MAX },
		.stale = options->stale,
	};
	struct exchange_limits limits;
	int r;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	if (!s->options.queries_max)
		s->options.queries_max = DNS_QUERIES_MAX;
	if (!s->options.flows_max)
		s->options.flows_max = DNS_FLOWS_MAX;
	if (!s->options.timeout_ms)
		s->options.timeout_ms = DNS_QUERY_TIMEOUT_MS;
	s->loop = loop;
	s->datapath = dp;
	s->ttl = cache.ttl;
	s->keep_options = EDNS_NSID;
	timer_init(&s->expiry, expire);
	timer_init(&s->sweep, sweep);
	timer_init(&s->stale_due, resolve_stale_due);
	list_init(&s->stale);
	limits.exchanges_max = s->options.queries_max;
	limits.sockets_max = s->options.sockets_max;
	if (!s->options.client_queries_max)
		s->options.client_queries_max = s->options.queries_max;
	budget_setup(datapath_budget(dp, BUDGET_DNS_QUERIES), s->options.queries_max,
		     s->options.client_queries_max, 1);
	r = query_table_new(s->options.queries_max, &s->queries);
	if (r == 0)
		r = cache_new(&cache, &s->cache);
	if (r == 0)
		r = flows_new(dp, s->options.flows_max, &s->flows);
	if (r == 0)
		r = make_upstreams(s);
	if (r == 0)
		r = exchanges_new(loop, dp, s->upstreams, &limits, resolve_done, s, &s->exchanges);
	if (r < 0) {
		service_free(s);
		return r;
	}
	*ret_service = s;
	return 0;
}

/* --- room -------------------------------------------------------------------------------- */

static void count_pending(struct service *s, int by)
{
	datapath_count(s->datapath, RSTAT_DNS_PENDING, by);
	datapath_budget(s->datapath, BUDGET_DNS_QUERIES)->used += (uint64_t)by;
}

void service_drop(struct service *s, struct query *q)
{
	list_remove(&q->waiting);
	query_remove(s->queries, q);
	count_pending(s, -1);
}

struct query *service_add(struct service *s, const struct query *from)
{
	struct query *q = query_add(s->queries, from);

	if (!q)
		return NULL;
	count_pending(s, 1);
	if (!timer_is_armed(&s->expiry))
		loop_arm(s->loop, &s->expiry, s->options.timeout_ms);
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

/* A query in the shape of the table's. */
static struct query query_of(const struct client *client, const struct intake *in)
{
	return (struct query){
		.client = *client,
		.question = in->question,
		.edns = in->edns,
		.id = in->header.id,
		.flags = in->header.flags,
		.started_ns = clock_ns(),
	};
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
	q = query_of(client, in);
	reply_rcode(s, &q, rcode);
}

static void answer(struct service *s, const struct query *q, const struct intake *in)
{
	enum drop_reason why;

	if (resolve_at_once(s, q, in))
		return;
	if (make_room(s, &q->client, &why))
		resolve_ask(s, q, in);
	else
		resolve_failed(s, q, why);
}

int service_query(struct service *s, const struct client *client, const uint8_t *msg, size_t len)
{
	struct intake in;
	int r = intake_read(&in, msg, len, s->keep_options);
	bool udp = client->flow.proto == IPPROTO_UDP;
	struct query q;

	if (query_has_flow(client))
		service_flow_seen(s, &client->flow);
	if (r < 0) {
		datapath_drop(s->datapath, DROP_DNS_MALFORMED);
		return r;
	}
	if (r > 0) {
		refuse(s, client, &in, (enum msg_rcode)r);
		return 0;
	}
	if (upstreams_is_loop(s->upstreams, &in.question)) {
		datapath_drop(s->datapath, DROP_DNS_LOOP);
		refuse(s, client, &in, RCODE_REFUSED);
		return 0;
	}
	if (udp && query_find(s->queries, client, in.header.id, &in.question))
		return 0;
	take_query(s, client, &in);
	upstreams_refresh(s->upstreams);
	q = query_of(client, &in);
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

	if (intake_read(&in, message, len, s->keep_options) != 0)
		return -EINVAL;
	if (client)
		from.flow.saddr = *client;
	q = query_of(&from, &in);
	q.kind = QUERY_LOOKUP;
	q.done = done;
	q.arg = arg;
	upstreams_refresh(s->upstreams);
	if (resolve_at_once(s, &q, &in))
		return 0;
	if (query_count(s->queries) >= s->options.queries_max)
		return -ENOBUFS;
	resolve_ask(s, &q, &in);
	return 0;
}

size_t service_flush(struct service *s, const struct name *name)
{
	size_t num = cache_flush(s->cache, name, true);

	resolve_show_cache(s);
	return num;
}

/* --- time -------------------------------------------------------------------------------- */

static void expire(struct timer *t)
{
	struct service *s = container_of(t, struct service, expiry);
	uint64_t now = clock_ns(), limit = s->options.timeout_ms * NSEC_PER_MSEC;
	struct query *q;

	while ((q = query_oldest(s->queries))) {
		uint64_t waited = now - q->started_ns;

		if (waited < limit) {
			loop_arm(s->loop, &s->expiry, (limit - waited) / NSEC_PER_MSEC + 1);
			return;
		}
		give_up(s, q, DROP_DNS_TIMEOUT);
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
	exchanges_free(s->exchanges);
	upstreams_free(s->upstreams);
	if (s->flows)
		flows_end_all(s->flows);
	flows_free(s->flows);
	cache_free(s->cache);
	query_table_free(s->queries);
	free(s);
}
