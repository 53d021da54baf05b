// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The resolver's work: check the query, look into the cache, join or start an exchange,
 * hand out its answer.
 *
 *  - A client's repetition of what is in flight is absorbed.
 *  - Queries are joined only if they are the same bytes but for ID and case. Their options
 *    (cookies!) are among those bytes, so no answer to one client's options reaches another.
 *  - The cache serves queries with RD and without options that change the answer; signed
 *    ones (TSIG) pass as they are, and unshared.
 *  - An answer that does not fit is replaced by an empty one with TC (N-16): the client
 *    comes back by TCP and gets it whole from the cache.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "dns/domains.h"
#include "dns/filter.h"
#include "dns/intake.h"
#include "dns/service.h"

#define SWEEP_MS 1000

static void exchange_done(void *arg, struct exchange *x, struct exchange_result *result);
static void expire(struct timer *t);
static void sweep(struct timer *t);

/* The host's servers, if they are to be used and have changed. */
static void refresh_upstreams(struct service *s)
{
	struct endpoint servers[DNS_UPSTREAMS_MAX];
	char text[ENDPOINT_TEXT_MAX];
	int num;

	if (s->options.upstreams || !bootstrap_changed(&s->bootstrap))
		return;
	num = bootstrap_read(s->bootstrap.path, servers);
	if (num < 0) {
		log_err("dns", "cannot read %s, name servers stay as they were: %s",
			s->bootstrap.path, strerror(-num));
		return;
	}
	upstream_set_assign(&s->upstreams, servers, (unsigned int)num);
	if (num == 0)
		log_err("dns", "%s names no name server: every query gets SERVFAIL; use --dns",
			s->bootstrap.path);
	for (int i = 0; i < num; i++)
		log_info("dns", "name server of the host address=%s",
			 endpoint_format(&servers[i], text));
}

int service_new(struct loop *loop, struct datapath *dp, const struct service_options *options,
		struct service **ret_service)
{
	struct service *s = calloc(1, sizeof(*s));
	const struct cache_options cache = {
		.entries_max = DNS_CACHE_ENTRIES,
		.bytes_max = DNS_CACHE_BYTES,
		.ttl = { .max = TTL_MAX, .negative_max = TTL_NEGATIVE_MAX },
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
	bootstrap_init(&s->bootstrap, options->resolv_conf ? options->resolv_conf : BOOTSTRAP_FILE);
	upstream_set_assign(&s->upstreams, options->upstream, options->upstreams);
	timer_init(&s->expiry, expire);
	timer_init(&s->sweep, sweep);
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
		r = exchanges_new(loop, dp, &s->upstreams, &limits, exchange_done, s,
				  &s->exchanges);
	if (r < 0) {
		service_free(s);
		return r;
	}
	refresh_upstreams(s);
	*ret_service = s;
	return 0;
}

/* --- answers ----------------------------------------------------------------------------- */

static struct endpoint client_endpoint(const struct client *client)
{
	return (struct endpoint){ .addr = client->flow.saddr, .port = client->flow.sport };
}

static int64_t unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Who gave an answer. */
struct answer_source {
	enum history_source kind;
	struct endpoint upstream;
};

static void remember(struct service *s, const struct query *q, const uint8_t *answer,
		     const struct answer_source *source)
{
	struct history_entry *h = history_add(&s->history);

	h->time_ms = unix_ms();
	h->client = client_endpoint(&q->client);
	h->proto = q->client.flow.proto;
	h->source = (uint8_t)source->kind;
	h->upstream = source->upstream;
	h->type = q->question.type;
	h->rcode = msg_get16(answer + 2) & MSG_RCODE;
	h->duration_us = (clock_ns() - q->started_ns) / 1000;
	name_format(&q->question.name, h->name, sizeof(h->name));
}

/* Has the kernel half an entry for this client in its flows? */
static bool has_flow(const struct client *client)
{
	return client->flow.proto == IPPROTO_UDP && !client->socket;
}

/* Bytes of message that this client can take in one piece. */
static size_t client_limit(const struct service *s, const struct query *q)
{
	size_t room, limit = edns_limit(&q->edns);

	if (q->client.flow.proto != IPPROTO_UDP)
		return MSG_MAX;
	if (q->client.socket && addr_is_loopback(&q->client.flow.saddr))
		return limit;
	room = filter_room(&q->client.flow, q->client.socket ? MTU_MIN : s->options.mtu);
	return limit < room ? limit : room;
}

/* The header and the question of `answer` with TC. */
static size_t cut(struct service *s, const struct query *q, const uint8_t *answer)
{
	size_t len = q->question.end;
	uint8_t *out = s->short_answer;

	memcpy(out, answer, len);
	msg_put16(out + 2, (uint16_t)(msg_get16(out + 2) | MSG_TC));
	memset(out + 6, 0, 6);
	return q->edns.present ? edns_append(out, len, q->edns.dnssec_ok) : len;
}

/*
 * Makes `answer` one to this query (ID, RD, CD, and the question's case) and sends it,
 * cut if need be. It is written to, but stays good for the next query of the same question.
 */
static void send_answer(struct service *s, const struct query *q, uint8_t *answer, size_t len,
			const struct answer_source *source, bool answered)
{
	uint16_t flags = msg_get16(answer + 2) & (uint16_t) ~(MSG_RD | MSG_CD);

	msg_put16(answer, q->id);
	msg_put16(answer + 2, flags | (q->flags & (MSG_RD | MSG_CD)));
	memcpy(answer + MSG_HEADER_BYTES, q->question.name.wire, q->question.name.len);
	remember(s, q, answer, source);
	if (has_flow(&q->client))
		flows_answered(s->flows, &q->client.flow, answered, &source->upstream);
	if (len > client_limit(s, q)) {
		len = cut(s, q, answer);
		answer = s->short_answer;
	}
	s->options.reply(s->options.arg, &q->client, answer, len);
}

/* An answer without records, made here. */
static void send_rcode(struct service *s, const struct query *q, enum msg_rcode rcode)
{
	static const struct answer_source source = { .kind = SOURCE_RESOLVER };
	uint8_t *out = s->answer;
	size_t len = q->question.end;

	memset(out, 0, MSG_HEADER_BYTES);
	msg_put16(out + 2, q->flags);
	msg_put16(out + 4, 1);
	memcpy(out + MSG_HEADER_BYTES, q->question.name.wire, q->question.name.len);
	msg_put16(out + len - 4, q->question.type);
	msg_put16(out + len - 2, q->question.class);
	len = msg_reply(out, out, len, rcode);
	if (q->edns.present)
		len = edns_append(out, len, q->edns.dnssec_ok);
	send_answer(s, q, out, len, &source, rcode != RCODE_SERVFAIL);
}

static void send_servfail(struct service *s, const struct query *q, enum drop_reason why)
{
	datapath_drop(s->datapath, why);
	datapath_count(s->datapath, RSTAT_DNS_SERVFAIL, 1);
	send_rcode(s, q, RCODE_SERVFAIL);
}

/* A query in the shape of the table's, for answers given at once. */
static struct query passing_query(const struct client *client, const struct intake *in)
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

/* --- cache ------------------------------------------------------------------------------- */

static bool answer_from_cache(struct service *s, const struct client *client,
			      const struct intake *in)
{
	static const struct answer_source source = { .kind = SOURCE_CACHE };
	struct cache_key key = intake_cache_key(&in->question, in->header.flags, &in->edns);
	struct query q;
	size_t len;

	if (!intake_cacheable(in->header.flags, &in->edns))
		return false;
	len = cache_get(s->cache, &key, s->answer, NULL);
	if (!len)
		return false;
	q = passing_query(client, in);
	domains_note(s->datapath, 0, &q.question, s->answer, len);
	if (q.edns.present)
		len = edns_append(s->answer, len, q.edns.dnssec_ok);
	datapath_count(s->datapath, RSTAT_DNS_CACHED, 1);
	send_answer(s, &q, s->answer, len, &source, true);
	return true;
}

/* --- queries in ------------------------------------------------------------------------- */

/* For a header whose question was not read: that header turned round. */
static void send_header(struct service *s, const struct client *client, const struct intake *in,
			enum msg_rcode rcode)
{
	size_t len = msg_reply(s->answer, in->msg, MSG_HEADER_BYTES, rcode);

	s->options.reply(s->options.arg, client, s->answer, len);
}

static int join_exchange(struct service *s, const struct intake *in, struct query *q)
{
	uint8_t buf[PLAIN_QUESTION_MAX];
	struct plain_question question = intake_normalize(in, buf);
	struct exchange *x = exchange_find(s->exchanges, question.message, question.len);
	int r;

	if (!x) {
		r = exchange_start(s->exchanges, &question, &x);
		if (r < 0)
			return r;
	}
	q->exchange = x;
	list_append(&x->queries, &q->waiting);
	return 0;
}

static void count_pending(struct service *s, int by)
{
	datapath_count(s->datapath, RSTAT_DNS_PENDING, by);
	datapath_budget(s->datapath, BUDGET_DNS_QUERIES)->used += (uint64_t)by;
}

static void drop_query(struct service *s, struct query *q)
{
	list_remove(&q->waiting);
	query_remove(s->queries, q);
	count_pending(s, -1);
}

static void refuse_for_room(struct service *s, const struct client *client, const struct intake *in,
			    enum drop_reason why)
{
	struct query q = passing_query(client, in);

	send_servfail(s, &q, why);
}

/* It gets SERVFAIL; what was asked for it alone is stopped. */
static void give_up(struct service *s, struct query *q, enum drop_reason why)
{
	struct exchange *x = q->exchange;

	send_servfail(s, q, why);
	drop_query(s, q);
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

static void ask_upstream(struct service *s, const struct client *client, const struct intake *in)
{
	enum drop_reason why;
	struct query *q;

	if (!make_room(s, client, &why)) {
		refuse_for_room(s, client, in, why);
		return;
	}
	q = query_add(s->queries, client, in->header.id, &in->question);
	if (!q) {
		refuse_for_room(s, client, in, DROP_NO_MEMORY);
		return;
	}
	q->flags = in->header.flags;
	q->edns = in->edns;
	count_pending(s, 1);
	if (join_exchange(s, in, q) < 0) {
		send_servfail(s, q, DROP_DNS_LIMIT);
		drop_query(s, q);
		return;
	}
	if (!timer_is_armed(&s->expiry))
		loop_arm(s->loop, &s->expiry, s->options.timeout_ms);
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
	if (!has_flow(client))
		return;
	domains_text(&in->question.name, text);
	flows_asked(s->flows, &client->flow, text);
	arm_sweep(s);
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
	q = passing_query(client, in);
	send_rcode(s, &q, rcode);
}

int service_query(struct service *s, const struct client *client, const uint8_t *msg, size_t len)
{
	struct intake in;
	int r = intake_read(&in, msg, len);
	bool udp = client->flow.proto == IPPROTO_UDP;

	if (has_flow(client))
		service_flow_seen(s, &client->flow);
	if (r < 0) {
		datapath_drop(s->datapath, DROP_DNS_MALFORMED);
		return r;
	}
	if (r > 0) {
		refuse(s, client, &in, (enum msg_rcode)r);
		return 0;
	}
	if (udp && query_find(s->queries, client, in.header.id, &in.question))
		return 0;
	take_query(s, client, &in);
	refresh_upstreams(s);
	if (!answer_from_cache(s, client, &in))
		ask_upstream(s, client, &in);
	return 0;
}

/* --- answers in -------------------------------------------------------------------------- */

static enum drop_reason reason_of(int status)
{
	switch (status) {
	case -EMFILE:
	case -ENFILE:
		return DROP_NO_DESCRIPTOR;
	case -ENOMEM:
	case -ENOBUFS:
		return DROP_NO_MEMORY;
	case -EPERM:
		return DROP_PROTECT;
	case -ECONNREFUSED:
	case -ECONNRESET:
		return DROP_UPSTREAM_REFUSED;
	case -EADDRNOTAVAIL:
		return DROP_NO_PORT;
	case -EBADMSG:
		return DROP_DNS_MALFORMED;
	default:
		return DROP_UPSTREAM_UNREACH;
	}
}

static void show_entries(struct service *s)
{
	struct cache_figures figures;

	cache_figures(s->cache, &figures);
	s->datapath->counters->stats.dns_cache_entries = figures.entries;
}

size_t service_flush(struct service *s, const struct name *name)
{
	size_t count = cache_flush(s->cache, name, true);

	show_entries(s);
	return count;
}

static void keep_answer(struct service *s, const struct query *q,
			const struct exchange_result *result)
{
	struct cache_key key = intake_cache_key(&q->question, q->flags, &q->edns);

	cache_put(s->cache, &key, result->msg, q->question.end, &result->edns);
	show_entries(s);
}

static void exchange_done(void *arg, struct exchange *x, struct exchange_result *result)
{
	struct service *s = arg;
	struct answer_source source = { .kind = SOURCE_UPSTREAM, .upstream = result->from };
	struct query *first = list_first(&x->queries, struct query, waiting);

	if (result->msg) {
		if (intake_cacheable(first->flags, &first->edns))
			keep_answer(s, first, result);
		domains_note(s->datapath, 0, &first->question, result->msg, result->len);
	}
	list_for_each_safe(pos, next, &x->queries) {
		struct query *q = container_of(pos, struct query, waiting);

		if (result->status < 0)
			send_servfail(s, q, reason_of(result->status));
		else if (!result->msg)
			send_rcode(s, q, result->rcode);
		else
			send_answer(s, q, result->msg, result->len, &source, true);
		drop_query(s, q);
	}
}

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
	if (flows_count(s->flows))
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
	exchanges_free(s->exchanges);
	if (s->flows)
		flows_end_all(s->flows);
	flows_free(s->flows);
	cache_free(s->cache);
	query_table_free(s->queries);
	free(s);
}
