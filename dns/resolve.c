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
#include "dns/facts.h"
#include "dns/generation.h"
#include "dns/kcache.h"
#include "dns/reply.h"
#include "dns/resolve.h"
#include "dns/scrub.h"
#include "dns/service.h"
#include "dns/synth.h"

/* --- what is asked ------------------------------------------------------------------------- */

/* Another name is asked in the place of this one, whose answer goes behind a CNAME to it. */
static bool is_renamed(const struct query *q)
{
	return q->verdict.action == DNS_REWRITE && q->verdict.conf->cname;
}

/* What the upstream and the cache are asked. */
static struct msg_question asked_of(const struct query *q)
{
	struct msg_question asked = q->question;

	/* The configuration's names were checked when it was read. */
	if (is_renamed(q))
		name_from_text(q->verdict.conf->cname, &asked.name);
	asked.end = MSG_HEADER_BYTES + asked.name.len + 4U;
	return asked;
}

static const struct generation_group *group_of(const struct query *q)
{
	return &q->generation->group[q->verdict.group];
}

static struct cache_key key_of(const struct query *q)
{
	struct msg_question asked = asked_of(q);
	struct cache_key key = intake_cache_key(&asked, q->flags, &q->edns);

	key.scope = group_of(q)->scope;
	return key;
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

/* What goes upstream for it. */
static struct plain_question question_of(const struct query *q, const struct intake *in,
					 uint8_t buf[PLAIN_QUESTION_MAX])
{
	struct msg_question asked;

	if (!is_renamed(q))
		return intake_normalize(in, buf);
	asked = asked_of(q);
	return (struct plain_question){
		.message = buf,
		.len = intake_question(buf, &asked, q->flags, &q->edns),
		.question_end = asked.end,
	};
}

/* The exchange that asks the same, begun if there is none. 0 or -errno. */
static int find_exchange(struct service *s, const struct query *q, const struct intake *in,
			 struct exchange **ret_x)
{
	uint8_t buf[PLAIN_QUESTION_MAX];
	struct plain_question question = question_of(q, in, buf);
	struct upstream_group *group = group_of(q)->upstreams;

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
	if (find_exchange(s, q, in, &x) < 0) {
		service_drop(s, refresh);
		return;
	}
	wait_for(refresh, x);
	cache_asked(s->cache, &key);
	datapath_count(s->datapath, RSTAT_DNS_PREFETCH, 1);
}

/* --- answers made here --------------------------------------------------------------------- */

/* As whom the rules will know who asked (struct domain_fact_key). */
static struct addr fact_client(const struct service *s, const struct client *c)
{
	bool captured = !c->socket && datapath_flow_of_host(s->datapath, &c->flow);

	if (captured || addr_is_loopback(&c->flow.saddr))
		return (struct addr){ .b[sizeof(c->flow.saddr.b) - 1] = FACT_HOST_BYTE };
	return c->flow.saddr;
}

/* True: the kernel half must not give this answer. */
static bool note_domains(struct service *s, const struct query *q, const uint8_t *msg, size_t len)
{
	struct addr client;

	domains_note(s->datapath, q->verdict.policy, &q->question, msg, len);
	if (q->kind != QUERY_CLIENT)
		return false;
	client = fact_client(s, &q->client);
	return facts_note(s->facts, q->generation->policies, &client, &q->question, msg, len);
}

/* Puts an answer to what was asked behind a CNAME from what the client asked. */
static void rename_answer(struct service *s, const struct query *q, struct answer *a)
{
	struct msg_question asked = asked_of(q);
	uint8_t query[MSG_HEADER_BYTES + MSG_QUESTION_MAX];
	size_t len;

	intake_question(query, &q->question, q->flags, &(struct edns){ 0 });
	len = synth_cname(s->answer, MSG_MAX, query, &q->question, &asked.name,
			  q->generation->dns->block_ttl, a->msg, a->len);
	if (!len)
		len = msg_reply(s->answer, query, q->question.end, RCODE_SERVFAIL);
	a->msg = s->answer;
	a->len = len;
}

/* The last step of every answer that came from elsewhere. As note_domains(). */
static bool send_found(struct service *s, const struct query *q, const struct answer *a)
{
	struct answer own = *a;
	bool only_here;

	if (is_renamed(q))
		rename_answer(s, q, &own);
	only_here = note_domains(s, q, own.msg, own.len);
	reply_send(s, q, &own);
	return only_here;
}

static void send_made(struct service *s, const struct query *q, size_t len, const char *why)
{
	struct answer a = { .msg = s->answer, .len = len, .source = SOURCE_POLICY, .why = why };

	datapath_count(s->datapath, RSTAT_DNS_BLOCKED, 1);
	if (q->verdict.action == DNS_REWRITE)
		note_domains(s, q, a.msg, len);
	reply_send(s, q, &a);
}

/* To addresses, or where only the CNAME itself was asked for. 0 = another name must be asked. */
static size_t rewrite(struct service *s, const struct query *q, const uint8_t *msg)
{
	uint32_t ttl = q->generation->dns->block_ttl;
	const struct conf_rule *rule = q->verdict.conf;
	struct msg_question asked;

	if (!rule->cname)
		return synth_addresses(s->answer, msg, &q->question, rule->address, rule->addresses,
				       ttl);
	if (q->question.type != TYPE_CNAME && q->question.type != TYPE_ANY)
		return 0;
	asked = asked_of(q);
	return synth_cname(s->answer, MSG_MAX, msg, &q->question, &asked.name, ttl, NULL, 0);
}

bool resolve_here(struct service *s, const struct query *q, const uint8_t *msg)
{
	uint32_t ttl = q->generation->dns->block_ttl;
	enum dns_action action = q->verdict.action;
	size_t len;

	/* a rule decides about it as about any name, as it does in the kernel half */
	if (action == DNS_PASS && synth_is_self_check(&q->question.name)) {
		len = synth_block(s->answer, msg, &q->question, DNS_ZERO, ttl);
		send_made(s, q, len, "self-check");
		return true;
	}
	if (upstreams_is_loop(s->upstreams, &q->question)) {
		datapath_drop(s->datapath, DROP_DNS_LOOP);
		reply_rcode(s, q, RCODE_REFUSED);
		return true;
	}
	if (action == DNS_PASS)
		return false;
	if (action == DNS_REFUSED)
		datapath_drop(s->datapath, DROP_DNS_POLICY);
	if (action == DNS_REWRITE)
		len = rewrite(s, q, msg);
	else
		len = synth_block(s->answer, msg, &q->question, action, ttl);
	if (len)
		send_made(s, q, len, NULL);
	return len != 0;
}

/* --- the cache --------------------------------------------------------------------------- */

/*
 * The kernel half answers it from now on: it has to give what would be given here. What a query
 * of an earlier generation got is none of the policies' that are in force, and a name whose
 * queries empty the cache has to be asked for here.
 */
static void give_to_kernel(struct service *s, const struct query *q, const struct answer *a,
			   uint32_t seconds)
{
	struct cache_key key;

	if (!seconds || q->verdict.action != DNS_PASS || q->kind != QUERY_CLIENT ||
	    q->generation != s->generation ||
	    domain_set_has(&q->generation->flush_domains, &q->question.name))
		return;
	key = key_of(q);
	kcache_put(s->kcache, q->verdict.policy, &key, a->msg, a->len, q->question.end, seconds);
}

static bool is_hot(struct service *s, const struct query *q, const struct cache_key *key,
		   const struct cache_hit *hit)
{
	return hit->hits + kcache_hits(s->kcache, q->verdict.policy, key) >= RESOLVE_HOT;
}

bool resolve_at_once(struct service *s, const struct query *q, const struct intake *in)
{
	struct answer a = { .msg = s->target_answer, .source = SOURCE_CACHE };
	struct cache_key key = key_of(q);
	struct cache_hit hit;
	bool only_here;

	if (!is_cacheable(q))
		return false;
	a.len = cache_get(s->cache, &key, a.msg, &hit);
	if (!a.len)
		return false;
	datapath_count(s->datapath, RSTAT_DNS_CACHED, 1);
	only_here = send_found(s, q, &a);
	if (hit.late) {
		if (q->generation->dns->cache.prefetch && !hit.asked && is_hot(s, q, &key, &hit))
			prefetch(s, q, in);
	} else if (!only_here) {
		give_to_kernel(s, q, &a, hit.left);
	}
	return true;
}

/* True: it got a stale answer. */
static bool send_stale(struct service *s, const struct query *q)
{
	struct answer a = { .msg = s->target_answer, .source = SOURCE_STALE };
	struct cache_key key = key_of(q);

	a.len = is_cacheable(q) ? cache_get_stale(s->cache, &key, a.msg) : 0;
	if (!a.len)
		return false;
	datapath_count(s->datapath, RSTAT_DNS_STALE, 1);
	send_found(s, q, &a);
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
	struct query *refresh;

	list_remove(&q->stale);
	if (!send_stale(s, q))
		return;
	list_remove(&q->waiting);
	if (list_is_empty(&x->queries)) {
		refresh = add_refresh(s, q);
		if (refresh)
			wait_for(refresh, x);
		else
			exchange_abandon(x);
	}
	service_drop(s, q);
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
	if (find_exchange(s, q, in, &x) < 0) {
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

/* Returns the seconds that it is kept. */
static uint32_t keep(struct service *s, const struct query *q, const struct msg_question *asked,
		     struct answer *a)
{
	struct edns bare = { .message_end = a->len };
	struct cache_key key = key_of(q);
	uint32_t seconds;

	if (!is_cacheable(q))
		return 0;
	ttl_clamp(a->msg, a->len, asked->end, asked->type, &q->generation->ttl);
	seconds = cache_put(s->cache, &key, a->msg, asked->end, &bare);
	resolve_show_cache(s);
	return seconds;
}

/*
 * What of an upstream's answer is let through, into *a. 0; -errno = nothing of it can be used.
 * A signed answer can only be let through whole.
 */
static int let_through(struct service *s, const struct query *q, const struct msg_question *asked,
		       const struct exchange_result *result, struct answer *a)
{
	unsigned int dropped = 0;
	ssize_t len;

	a->verbatim = q->edns.extra && !is_renamed(q);
	if (a->verbatim) {
		a->msg = result->msg;
		a->len = result->len;
		return 0;
	}
	if (result->edns.rcode_high)
		return -EBADMSG;
	len = scrub(result->msg, &result->edns, asked, a->msg, &dropped);
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
		send_found(s, q, a);
	else
		reply_rcode(s, q, rcode);
}

static bool is_near_address(const struct addr *a)
{
	return addr_is_private(a) || addr_is_loopback(a) || addr_is_link_local(a);
}

/*
 * An upstream of the host, or one that is near, may know private names. Of one with connections
 * all addresses have to be near: which of them one has is not known here, and who forges the
 * look-up of its name could add one that is.
 */
static bool is_near(const struct exchange_result *result)
{
	const struct upstream *u = result->upstream;

	if (u->of_host || upstream_is_plain(u))
		return u->of_host || is_near_address(&result->from.addr);
	for (unsigned int i = 0; i < u->addresses; i++) {
		if (!is_near_address(&u->address[i].addr))
			return false;
	}
	return u->addresses > 0;
}

static bool is_rebinding(const struct service *s, const struct query *q,
			 const struct msg_question *asked, const struct exchange_result *result,
			 const struct answer *a)
{
	return !generation_may_be_private(q->generation, &asked->name, is_near(result)) &&
	       scrub_is_rebinding(a->msg, a->len, asked->end, &s->options.host_loopback);
}

static void refuse_rebinding(struct service *s, const struct query *q)
{
	uint8_t query[MSG_HEADER_BYTES + MSG_QUESTION_MAX];
	size_t len;

	datapath_drop(s->datapath, DROP_DNS_REBIND);
	if (q->kind == QUERY_REFRESH)
		return;
	intake_question(query, &q->question, q->flags, &(struct edns){ 0 });
	len = synth_block(s->answer, query, &q->question, DNS_NODATA,
			  q->generation->dns->block_ttl);
	send_made(s, q, len, "rebinding protection");
}

/* What became of an exchange, for all who wait for it. */
struct outcome {
	const struct exchange_result *result;
	int status; /* of the result, or of what was made of it */
	bool rebinding;
	uint32_t kept; /* seconds */
	struct answer answer;
};

static void hand_out(struct service *s, const struct query *q, const struct outcome *o)
{
	const struct answer *a = &o->answer;

	if (o->status < 0) {
		resolve_failed(s, q, reason_of(o->status));
	} else if (!o->result->msg) {
		pass_refusal(s, q, NULL, o->result->rcode);
	} else if (o->rebinding) {
		refuse_rebinding(s, q);
	} else if (is_failure(a->msg)) {
		pass_refusal(s, q, a, RCODE_SERVFAIL);
	} else if (!send_found(s, q, a)) {
		give_to_kernel(s, q, a, o->kept);
	}
}

/* Those who wait ask the same of the same upstreams: the first one speaks for all. */
static void judge(struct service *s, const struct query *first,
		  const struct exchange_result *result, struct outcome *o)
{
	struct msg_question asked = asked_of(first);

	o->status = result->status;
	if (o->status < 0 || !result->msg)
		return;
	o->status = let_through(s, first, &asked, result, &o->answer);
	if (o->status < 0)
		return;
	o->rebinding = is_rebinding(s, first, &asked, result, &o->answer);
	if (!o->rebinding)
		o->kept = keep(s, first, &asked, &o->answer);
}

void resolve_done(void *arg, struct exchange *x, struct exchange_result *result)
{
	struct service *s = arg;
	struct outcome o = { .result = result };

	o.answer.msg = s->upstream_answer;
	o.answer.source = SOURCE_UPSTREAM;
	o.answer.upstream = result->from;
	judge(s, list_first(&x->queries, struct query, waiting), result, &o);
	list_for_each_safe(pos, next, &x->queries) {
		struct query *q = container_of(pos, struct query, waiting);

		hand_out(s, q, &o);
		service_drop(s, q);
	}
}
