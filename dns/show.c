// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The resolver's state as JSON lines. Runs when someone asks, so it may allocate. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "dns/show.h"

struct sink {
	void (*line)(void *arg, const char *text);
	void *arg;
};

/* Wraps `o` (which may be NULL: out of memory) into {"dns": o} and gives it out. */
static void emit(const struct sink *sink, json_t *o)
{
	json_t *wrapped = json_pack("{s:o*}", "dns", o);
	char *text = wrapped ? json_dumps(wrapped, JSON_COMPACT) : NULL;

	if (o && text) {
		sink->line(sink->arg, text);
		sink->line(sink->arg, "\n");
	}
	free(text);
	json_decref(wrapped);
}

static void show_upstream(const struct sink *sink, const struct upstream *u)
{
	char address[ENDPOINT_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "upstream",
			      "address", endpoint_format(&u->endpoint, address), "state",
			      upstream_state_text(u->state), "queries", (json_int_t)u->asked,
			      "answers", (json_int_t)u->answers, "failures",
			      (json_int_t)u->failures, "timeouts", (json_int_t)u->timeouts,
			      "spoofed", (json_int_t)u->spoofs, "tcp", (json_int_t)u->streams);

	if (o && u->latency_us)
		json_object_set_new(o, "latency_us", json_integer((json_int_t)u->latency_us));
	emit(sink, o);
}

static void show_cache(const struct sink *sink, const struct service *s)
{
	struct cache_figures f;

	cache_figures(s->cache, &f);
	emit(sink, json_pack("{s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "cache",
			     "entries", (json_int_t)f.entries, "entries_max", DNS_CACHE_ENTRIES,
			     "bytes", (json_int_t)f.bytes, "hits", (json_int_t)f.hits, "misses",
			     (json_int_t)f.misses, "evicted", (json_int_t)f.evicted, "in_flight",
			     (json_int_t)query_count(s->queries), "sockets_max",
			     (json_int_t)s->options.sockets_max));
}

static const char *source_text(const struct history_entry *h, char address[ENDPOINT_TEXT_MAX])
{
	switch (h->source) {
	case SOURCE_CACHE:
		return "cache";
	case SOURCE_UPSTREAM:
		return endpoint_format(&h->upstream, address);
	default:
		return "resolver";
	}
}

static void show_query(const struct sink *sink, const struct history_entry *h)
{
	char client[ENDPOINT_TEXT_MAX], source[ENDPOINT_TEXT_MAX];
	char type[MSG_TEXT_MAX], rcode[MSG_TEXT_MAX];

	emit(sink,
	     json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "type", "query", "time_ms",
		       (json_int_t)h->time_ms, "client", endpoint_format(&h->client, client),
		       "proto", h->proto == IPPROTO_TCP ? "tcp" : "udp", "name", h->name, "qtype",
		       msg_type_text(h->type, type), "rcode", msg_rcode_text(h->rcode, rcode),
		       "source", source_text(h, source), "duration_us",
		       (json_int_t)h->duration_us));
}

void dns_show(struct service *s, void (*line)(void *arg, const char *text), void *arg)
{
	struct sink sink = { .line = line, .arg = arg };

	for (unsigned int i = 0; i < s->upstreams.num; i++)
		show_upstream(&sink, &s->upstreams.item[i]);
	show_cache(&sink, s);
	for (uint64_t age = HISTORY_ENTRIES; age-- > 0;) {
		const struct history_entry *h = history_get(&s->history, age);

		if (h)
			show_query(&sink, h);
	}
}
