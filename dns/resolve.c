// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Resolving.
 *
 *  - Queries share an exchange only if what is asked upstream is the same, byte for byte: names
 *    are in lower case there, and of a client's options only those are left that are handed on.
 *  - The cache serves queries with RD and without such options; signed ones (TSIG) pass as they
 *    are, and unshared.
 *  - Of an answer only what belongs to the question is let through (scrub.h).
 *  - While a stale answer is there, a query waits for a fresh one for RESOLVE_STALE_MS at most,
 *    and not at all if that was just tried in vain. What was asked goes on without it: a query
 *    of ours (QUERY_REFRESH) takes its place.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "dns/domains.h"
#include "dns/reply.h"
#include "dns/resolve.h"
#include "dns/scrub.h"
#include "dns/service.h"

static struct cache_key key_of(const struct query *q)
{
	return intake_cache_key(&q->question, q->flags, &q->edns);
}

static bool is_cacheable(const struct query *q)
{
	return intake_cacheable(q->flags, &q->edns);
}

uint64_t resolve_show_cache(struct service *s)
{
	struct cache_figures figures;

	cache_figures(s->cache, &figures);
	s->datapath->counters->stats.dns_cache_entries = figures.entries;
	return figures.entries;
}

/* --- waiting for an upstream ------------------------------------------------------------- */

/* The exchange of these bytes, begun if there is none. 0 or -errno. */
static int find_exchange(struct service *s, const struct intake *in, struct exchange **ret_x)
{
	uint8_t buf[PLAIN_QUESTION_MAX];
	struct plain_question question = intake_normalize(in, buf);
	struct upstream_group *group = upstreams_group(s->upstreams, 0);

	*ret_x = exchange_find(s->exchanges, group, question.message, question.len);
	return *ret_x ? 0 : exchange_start(s->exchanges, group, &question, ret_x);
}

static void wait_for(struct query *q, struct exchange *x)
{
	q->exchange = x;
	list_append(&x->queries, &q->waiting);
}

/* A query of ours in the place of `of`: for the cache alone. NULL = there is no room. */
static struct query *add_refresh(struct service *s, const struct query *of)
{
	struct query q = *of;

	if (query_count(s->queries) >= s->options.queries_max / 2)
		return NULL;
	memset(&q.client, 0, sizeof(q.client));
	q.kind = QUERY_REFRESH;
	return service_add(s, &q);
}

/* Asks for what is cached, and hot, before its time is over. */
static void prefetch(struct service *s, const struct query *q, const struct intake *in)
{
	struct cache_key key = key_of(q);
	struct query *refresh = add_refresh(s, q);
	struct exchange *x;

	if (!refresh)
		return;
	if (find_exchange(s, in, &x) < 0) {
		service_drop(s, refresh);
		return;
	}
	wait_for(refresh, x);
	cache_asked(s->cache, &key);
	datapath_count(s->datapath, RSTAT_DNS_PREFETCH, 1);
}

/* --- the cache --------------------------------------------------------------------------- */

static void note_domains(struct service *s, const struct query *q, const uint8_t *msg, size_t len)
{
	domains_note(s->datapath, q->policy, &q->question, msg, len);
}

bool resolve_at_once(struct service *s, const struct query *q, const struct intake *in)
{
	struct answer a = { .msg = s->answer, .source = SOURCE_CACHE };
	struct cache_key key = key_of(q);
	struct cache_hit hit;

	if (!is_cacheable(q))
		return false;
	a.len = cache_get(s->cache, &key, a.msg, &hit);
	if (!a.len)
		return false;
	note_domains(s, q, a.msg, a.len);
	datapath_count(s->datapath, RSTAT_DNS_CACHED, 1);
	reply_send(s, q, &a);
	if (s->options.prefetch && hit.late && hit.hits >= RESOLVE_HOT && !hit.asked)
		prefetch(s, q, in);
	return true;
}

/* True: it got a stale answer. */
static bool send_stale(struct service *s, const struct query *q)
{
	struct answer a = { .msg = s->answer, .source = SOURCE_STALE };
	struct cache_key key = key_of(q);

	a.len = is_cacheable(q) ? cache_get_stale(s->cache, &key, a.msg) : 0;
	if (!a.len)
		return false;
	note_domains(s, q, a.msg, a.len);
	datapath_count(s->datapath, RSTAT_DNS_STALE, 1);
	reply_send(s, q, &a);
	return true;
}

void resolve_failed(struct service *s, const struct query *q, enum drop_reason why)
{
	struct cache_key key = key_of(q);

	if (is_cacheable(q))
		cache_failed(s->cache, &key);
	if (q->kind != QUERY_REFRESH && !send_stale(s, q))
		reply_servfail(s, q, why);
}

static void arm_stale(struct service *s)
{
	struct query *oldest = list_first(&s->stale, struct query, stale);
	uint64_t waited;

	if (list_is_empty(&s->stale))
		return;
	waited = (clock_ns() - oldest->started_ns) / NSEC_PER_MSEC;
	loop_arm(s->loop, &s->stale_due, waited < RESOLVE_STALE_MS ? RESOLVE_STALE_MS - waited : 0);
}

/* Its client has waited long enough: it gets the stale answer, the exchange goes on. */
static void stop_waiting(struct service *s, struct query *q)
{
	struct exchange *x = q->exchange;
	struct query *refresh = add_refresh(s, q);

	list_remove(&q->stale);
	if (!send_stale(s, q)) {
		if (refresh)
			service_drop(s, refresh);
		return;
	}
	if (refresh)
		wait_for(refresh, x);
	service_drop(s, q);
	if (list_is_empty(&x->queries))
		exchange_abandon(x);
}

void resolve_stale_due(struct timer *t)
{
	struct service *s = container_of(t, struct service, stale_due);
	uint64_t limit = clock_ns() - RESOLVE_STALE_MS * NSEC_PER_MSEC;

	while (!list_is_empty(&s->stale)) {
		struct query *q = list_first(&s->stale, struct query, stale);

		if (q->started_ns > limit)
			break;
		stop_waiting(s, q);
	}
	arm_stale(s);
}

/* --- upstream ---------------------------------------------------------------------------- */

void resolve_ask(struct service *s, const struct query *from, const struct intake *in)
{
	struct cache_key key = key_of(from);
	bool hold = false, stale = is_cacheable(from) && cache_is_stale(s->cache, &key, &hold);
	struct exchange *x;
	struct query *q;

	if (stale && hold && send_stale(s, from))
		return;
	q = service_add(s, from);
	if (!q) {
		resolve_failed(s, from, DROP_NO_MEMORY);
		return;
	}
	if (find_exchange(s, in, &x) < 0) {
		resolve_failed(s, q, DROP_DNS_LIMIT);
		service_drop(s, q);
		return;
	}
	wait_for(q, x);
	if (!stale)
		return;
	list_append(&s->stale, &q->stale);
	if (!timer_is_armed(&s->stale_due))
		arm_stale(s);
}

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
	case -EMSGSIZE:
		return DROP_DNS_MALFORMED;
	case -ELOOP:
		return DROP_DNS_CHAIN;
	case -EDEADLK:
		return DROP_DNS_LOOP;
	case -ETIMEDOUT:
		return DROP_DNS_TIMEOUT;
	default:
		return DROP_UPSTREAM_UNREACH;
	}
}

static void keep(struct service *s, const struct query *q, struct answer *a)
{
	struct edns bare = { .message_end = a->len };
	struct cache_key key = key_of(q);

	if (!is_cacheable(q))
		return;
	ttl_clamp(a->msg, a->len, q->question.end, q->question.type, &s->ttl);
	cache_put(s->cache, &key, a->msg, q->question.end, &bare);
	resolve_show_cache(s);
}

/*
 * What of an upstream's answer is let through, into *a. 0; -errno = nothing of it can be used.
 * A signed answer can only be let through whole.
 */
static int let_through(struct service *s, const struct query *q,
		       const struct exchange_result *result, struct answer *a)
{
	unsigned int dropped = 0;
	ssize_t len;

	a->verbatim = q->edns.extra;
	if (a->verbatim) {
		a->msg = result->msg;
		a->len = result->len;
		return 0;
	}
	if (result->edns.rcode_high)
		return -EBADMSG;
	len = scrub(result->msg, &result->edns, &q->question, a->msg, &dropped);
	datapath_count(s->datapath, RSTAT_DNS_STRIPPED, dropped);
	if (len < 0)
		return (int)len;
	a->len = (size_t)len;
	a->from = result->msg;
	a->from_edns = &result->edns;
	return 0;
}

static bool is_failure(const uint8_t *msg)
{
	unsigned int rcode = msg_get16(msg + 2) & MSG_RCODE;

	return rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN;
}

/* An upstream's refusal: a stale answer is better. */
static void pass_refusal(struct service *s, const struct query *q, const struct answer *a,
			 enum msg_rcode rcode)
{
	struct cache_key key = key_of(q);

	cache_failed(s->cache, &key);
	if (q->kind == QUERY_REFRESH || send_stale(s, q))
		return;
	if (a)
		reply_send(s, q, a);
	else
		reply_rcode(s, q, rcode);
}

static void hand_out(struct service *s, const struct query *q, const struct answer *a, int status,
		     const struct exchange_result *result)
{
	if (status < 0)
		resolve_failed(s, q, reason_of(status));
	else if (!result->msg)
		pass_refusal(s, q, NULL, result->rcode);
	else if (is_failure(a->msg))
		pass_refusal(s, q, a, RCODE_SERVFAIL);
	else
		reply_send(s, q, a);
}

/* For each policy of those who wait; clients of one policy are mostly neighbours. */
static void note_for_all(struct service *s, struct exchange *x, const struct answer *a)
{
	const struct query *before = NULL;

	list_for_each_safe(pos, next, &x->queries) {
		const struct query *q = container_of(pos, struct query, waiting);

		if (!before || before->policy != q->policy)
			note_domains(s, q, a->msg, a->len);
		before = q;
	}
}

void resolve_done(void *arg, struct exchange *x, struct exchange_result *result)
{
	struct service *s = arg;
	struct query *first = list_first(&x->queries, struct query, waiting);
	struct answer a = { .msg = s->upstream_answer,
			    .source = SOURCE_UPSTREAM,
			    .upstream = result->from };
	int status = result->status;

	if (status == 0 && result->msg)
		status = let_through(s, first, result, &a);
	if (status == 0 && result->msg) {
		keep(s, first, &a);
		note_for_all(s, x, &a);
	}
	list_for_each_safe(pos, next, &x->queries) {
		struct query *q = container_of(pos, struct query, waiting);

		hand_out(s, q, &a, status, result);
		service_drop(s, q);
	}
}
