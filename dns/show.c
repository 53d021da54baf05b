// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The resolver's state as JSON lines. Runs when someone asks, so it may allocate. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "dns/generation.h"
#include "dns/record.h"
#include "dns/show.h"

/* Wraps `o` (which may be NULL: out of memory) into {"dns": o} and gives it out. */
static void emit(struct show_sink sink, json_t *o)
{
	json_t *wrapped = json_pack("{s:o*}", "dns", o);
	char *text = wrapped ? json_dumps(wrapped, JSON_COMPACT) : NULL;

	if (o && text) {
		sink.line(sink.arg, text);
		sink.line(sink.arg, "\n");
	}
	free(text);
	json_decref(wrapped);
}

#define ACTION_TEXT(name, text) text,

static const char *action_text(unsigned int action)
{
	static const char *const texts[] = { DNS_ACTIONS(ACTION_TEXT) };

	return action < DNS_ACTION_NUM ? texts[action] : "?";
}

/* --- stats ------------------------------------------------------------------------------- */

#define TYPE_TEXT(name, text) [name] = text,

static void add_text(json_t *o, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(o, key, json_string(text));
}

/* Of both families, where they have connections of their own. */
static void add_connections(json_t *o, const struct upstream *u)
{
	struct transport_figures sum = { 0 };

	for (unsigned int i = 0; i < 2; i++) {
		struct transport_figures f;

		if (!u->path[i].transport)
			continue;
		transport_figures(u->path[i].transport, &f);
		sum.open += f.open;
		sum.connects += f.connects;
		sum.handshakes += f.handshakes;
		sum.resumed += f.resumed;
		if (f.error[0])
			memcpy(sum.error, f.error, sizeof(sum.error));
	}
	json_object_set_new(o, "connections", json_integer(sum.open));
	json_object_set_new(o, "connects", json_integer((json_int_t)sum.connects));
	json_object_set_new(o, "handshakes", json_integer((json_int_t)sum.handshakes));
	json_object_set_new(o, "resumed", json_integer((json_int_t)sum.resumed));
	add_text(o, "error", sum.error);
}

static void show_upstream(void *arg, const struct upstream *u)
{
	static const char *const types[] = { CONF_UPSTREAM_TYPES(TYPE_TEXT) };
	const struct show_sink *sink = arg;
	struct endpoint ep = upstream_endpoint(u);
	char address[ENDPOINT_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "type",
			      "upstream", "name", u->conf.name, "kind",
			      u->of_host ? "host" : types[u->conf.type], "state",
			      health_text(u->health.state), "looped", u->looped, "queries",
			      (json_int_t)u->asked, "answers", (json_int_t)u->answers, "failures",
			      (json_int_t)u->failures, "timeouts", (json_int_t)u->timeouts,
			      "spoofed", (json_int_t)u->spoofs, "tcp", (json_int_t)u->streams);

	if (o && ep.port)
		json_object_set_new(o, "address", json_string(endpoint_format(&ep, address)));
	if (o && u->latency_us)
		json_object_set_new(o, "latency_us", json_integer((json_int_t)u->latency_us));
	if (o && !upstream_is_plain(u))
		add_connections(o, u);
	emit(*sink, o);
}

static void show_cache(struct show_sink sink, const struct service *s)
{
	const struct conf *conf = s->generation ? policies_conf(s->generation->policies) :
						  s->options.conf;
	uint32_t entries_max = conf->dns.cache.entries;
	struct cache_figures f;

	cache_figures(s->cache, &f);
	emit(sink,
	     json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "cache",
		       "entries", (json_int_t)f.entries, "entries_max", (json_int_t)entries_max,
		       "bytes", (json_int_t)f.bytes, "hits", (json_int_t)f.hits, "misses",
		       (json_int_t)f.misses, "stale", (json_int_t)f.stale, "evicted",
		       (json_int_t)f.evicted, "in_flight", (json_int_t)query_count(s->queries),
		       "sockets_max", (json_int_t)s->options.sockets_max));
}

void show_stats(struct show_sink sink, const struct service *s)
{
	upstreams_each(s->upstreams, show_upstream, &sink);
	show_cache(sink, s);
}

/* --- the log ----------------------------------------------------------------------------- */

/* What is told of every answer. NULL = out of memory. */
static json_t *describe(const char *type_of_line, const struct history_entry *h)
{
	char upstream[ENDPOINT_TEXT_MAX], type[MSG_TEXT_MAX], rcode[MSG_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "type", type_of_line, "name",
			      h->name, "qtype", msg_type_text(h->type, type), "rcode",
			      msg_rcode_text(h->rcode, rcode), "action", action_text(h->action),
			      "source", history_source_text((enum history_source)h->source),
			      "duration_us", (json_int_t)h->duration_us);

	if (!o)
		return NULL;
	add_text(o, "rule", h->rule);
	if (h->source == SOURCE_UPSTREAM)
		add_text(o, "upstream", endpoint_format(&h->upstream, upstream));
	return o;
}

static void show_query(struct show_sink sink, const struct history_entry *h)
{
	char client[ENDPOINT_TEXT_MAX];
	json_t *o = describe("query", h);

	if (o) {
		json_object_set_new(o, "time_ms", json_integer(h->time_ms));
		add_text(o, "client", endpoint_format(&h->client, client));
		add_text(o, "proto", h->proto == IPPROTO_TCP ? "tcp" : "udp");
		add_text(o, "process", h->owner.comm);
		if (h->owner.pid)
			json_object_set_new(o, "pid", json_integer(h->owner.pid));
		if (h->owner.uid != UINT32_MAX)
			json_object_set_new(o, "uid", json_integer(h->owner.uid));
	}
	emit(sink, o);
}

static void show_record(struct show_sink sink, const uint8_t *msg, size_t len,
			const struct msg_record *r)
{
	static const char *const sections[] = { "answer", "authority", "additional" };
	char name_text[DOMAIN_TEXT_MAX], data[RECORD_TEXT_MAX], type[MSG_TEXT_MAX];
	struct name name;

	if (r->type == TYPE_OPT || name_parse(msg, len, r->offset, &name) < 0)
		return;
	emit(sink, json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "type", "record", "section",
			     sections[r->section], "name",
			     name_format(&name, name_text, sizeof(name_text)), "ttl",
			     (json_int_t)msg_ttl(r), "rtype", msg_type_text(r->type, type), "data",
			     record_text(msg, len, r, data)));
}

void show_lookup(struct show_sink sink, const struct history_entry *h, const uint8_t *msg,
		 size_t len)
{
	struct msg_question question;
	struct msg_record r;
	struct msg_walk w;

	emit(sink, describe("lookup", h));
	if (msg_question_get(msg, len, &question) < 0)
		return;
	msg_walk_begin(&w, msg, len, question.end);
	while (msg_walk_next(&w, &r) > 0)
		show_record(sink, msg, len, &r);
}

void show_log(struct show_sink sink, const struct history *h, uint64_t from)
{
	uint64_t first = history_first(h);

	if (from < first)
		emit(sink,
		     json_pack("{s:s, s:I}", "type", "lost", "count", (json_int_t)(first - from)));
	for (uint64_t at = from < first ? first : from; at < h->total; at++)
		show_query(sink, history_get(h, h->total - 1 - at));
}

/* --- the cache --------------------------------------------------------------------------- */

/* The group that it is an answer of; "" = of none in force, so nobody gets it. */
static const char *group_of(const struct service *s, const struct cache_view *v)
{
	for (size_t i = 0; s->generation && i < s->generation->groups; i++) {
		if (s->generation->group[i].scope == v->key->scope)
			return s->generation->group[i].upstreams->name;
	}
	return "";
}

static void show_entry(struct show_sink sink, const struct service *s, const struct cache_view *v)
{
	char type[MSG_TEXT_MAX], rcode[MSG_TEXT_MAX], text[DOMAIN_TEXT_MAX];

	emit(sink, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "type", "cached", "name",
			     name_format(&v->key->name, text, sizeof(text)), "qtype",
			     msg_type_text(v->key->type, type), "group", group_of(s, v), "rcode",
			     msg_rcode_text(v->rcode, rcode), "ttl", (json_int_t)v->ttl, "hits",
			     (json_int_t)v->hits, "bytes", (json_int_t)v->len));
}

void show_cached(struct show_sink sink, const struct service *s, const struct name *name)
{
	struct cache_view v;
	size_t place = 0;

	while (cache_next(s->cache, &place, &v)) {
		if (!name || name_eq(&v.key->name, name) || name_is_below(&v.key->name, name))
			show_entry(sink, s, &v);
	}
}

void show_flushed(struct show_sink sink, size_t count)
{
	emit(sink, json_pack("{s:s, s:I}", "type", "flushed", "count", (json_int_t)count));
}

void show_error(struct show_sink sink, const char *text)
{
	emit(sink, json_pack("{s:s, s:s}", "type", "error", "text", text));
}
