// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS client flows. A flow whose queries all have their answers says so at once (nobody
 * knows whether there will be another), and ends when it has been idle.
 *
 * They are ordered by their last packet or answer, so that the sweep looks at the head of
 * one list; a flow with queries in flight at the head has been there for less than a query
 * may take, and is passed by moving it to the end.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/random.h"
#include "base/siphash.h"
#include "dns/flows.h"

#define OUTBOUND "resolver"

struct client_flow {
	struct list link; /* flows.active, longest untouched first; else .unused */
	struct client_flow *chain;
	struct flow_key key;
	uint64_t touched_ms;
	uint32_t in_flight;
	bool asked; /* at least one query was taken */
	bool unanswered; /* at least one got no answer */
	struct flow_info info; /* upstream: of the last answer */
};

struct flows {
	struct datapath *datapath;
	struct client_flow *items;
	struct client_flow **buckets;
	uint32_t bucket_mask;
	uint32_t max;
	uint32_t touched; /* items[0..touched) were in use at least once */
	uint32_t count;
	struct list active;
	struct list unused;
	struct siphash_key hash_key;
};

int flows_new(struct datapath *dp, uint32_t max, struct flows **ret_flows)
{
	struct flows *f = calloc(1, sizeof(*f));
	uint32_t buckets = 16;

	if (!f)
		return -ENOMEM;
	while (buckets < max)
		buckets *= 2;
	f->items = calloc(max, sizeof(*f->items));
	f->buckets = calloc(buckets, sizeof(struct client_flow *));
	if (!f->items || !f->buckets) {
		flows_free(f);
		return -ENOMEM;
	}
	f->datapath = dp;
	f->bucket_mask = buckets - 1;
	list_init(&f->active);
	list_init(&f->unused);
	f->max = max;
	random_bytes(&f->hash_key, sizeof(f->hash_key));
	*ret_flows = f;
	return 0;
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	free(f->items);
	free(f->buckets);
	free(f);
}

static struct client_flow **bucket_of(struct flows *f, const struct flow_key *key)
{
	return &f->buckets[siphash(&f->hash_key, key, sizeof(*key)) & f->bucket_mask];
}

static struct client_flow *find(struct flows *f, const struct flow_key *key)
{
	struct client_flow *c = *bucket_of(f, key);

	while (c && memcmp(&c->key, key, sizeof(*key)) != 0)
		c = c->chain;
	return c;
}

static enum flow_end end_reason(const struct client_flow *c)
{
	return c->asked && !c->unanswered && !c->in_flight ? END_ANSWERED : END_UNANSWERED;
}

static void end(struct flows *f, struct client_flow *c)
{
	struct client_flow **link = bucket_of(f, &c->key);

	while (*link != c)
		link = &(*link)->chain;
	*link = c->chain;
	c->info.end = (uint8_t)end_reason(c);
	datapath_flow_end(f->datapath, &c->key, clock_ns(), &c->info);
	f->count--;
	list_touch(&f->unused, &c->link);
}

static struct client_flow *oldest(struct flows *f)
{
	return list_first(&f->active, struct client_flow, link);
}

static struct client_flow *add(struct flows *f, const struct flow_key *key)
{
	struct client_flow **bucket = bucket_of(f, key);
	struct client_flow *c;

	if (list_is_empty(&f->unused) && f->touched < f->max) {
		c = &f->items[f->touched++];
	} else {
		if (list_is_empty(&f->unused))
			end(f, oldest(f));
		c = list_first(&f->unused, struct client_flow, link);
		list_remove(&c->link);
	}
	memset(c, 0, sizeof(*c));
	c->key = *key;
	snprintf(c->info.outbound, sizeof(c->info.outbound), OUTBOUND);
	list_init(&c->link);
	list_append(&f->active, &c->link);
	c->chain = *bucket;
	*bucket = c;
	f->count++;
	return c;
}

static struct client_flow *touch(struct flows *f, const struct flow_key *key)
{
	struct client_flow *c = find(f, key);

	if (!c)
		c = add(f, key);
	c->touched_ms = clock_ms();
	list_touch(&f->active, &c->link);
	return c;
}

void flows_seen(struct flows *f, const struct flow_key *key)
{
	touch(f, key);
}

void flows_asked(struct flows *f, const struct flow_key *key, const char *name)
{
	struct client_flow *c = touch(f, key);

	c->asked = true;
	c->in_flight++;
	if (strcmp(c->info.domain, name) == 0)
		return;
	snprintf(c->info.domain, sizeof(c->info.domain), "%s", name);
	c->info.end = END_NONE;
	datapath_flow_note(f->datapath, &c->key, &c->info);
}

void flows_answered(struct flows *f, const struct flow_key *key, bool answered,
		    const struct endpoint *upstream)
{
	struct client_flow *c = find(f, key);

	if (!c) /* ended for want of room */
		return;
	if (c->in_flight)
		c->in_flight--;
	if (!answered)
		c->unanswered = true;
	if (upstream->port) {
		c->info.upstream = upstream->addr;
		c->info.upstream_port = upstream->port;
	}
	if (!c->in_flight && c->info.end != end_reason(c)) {
		c->info.end = (uint8_t)end_reason(c);
		datapath_flow_note(f->datapath, &c->key, &c->info);
	}
	c->touched_ms = clock_ms();
	list_touch(&f->active, &c->link);
}

static void adopt_one(void *arg, const struct flow_key *key, const struct flow *flow)
{
	struct flows *f = arg;

	/* What was in flight in the one that died has no answer; later queries decide. */
	if (key->proto == IPPROTO_UDP)
		flows_seen(f, key);
}

void flows_adopt(struct flows *f)
{
	datapath_flow_each(f->datapath, RESOLVER_QUEUE, adopt_one, f);
}

void flows_sweep(struct flows *f)
{
	uint64_t now = clock_ms();

	for (uint32_t left = f->count; left; left--) {
		struct client_flow *c = oldest(f);

		if (now - c->touched_ms < DNS_FLOW_IDLE_MS)
			break;
		if (c->in_flight)
			touch(f, &c->key);
		else
			end(f, c);
	}
}

void flows_end_all(struct flows *f)
{
	while (f->count)
		end(f, oldest(f));
}

uint32_t flows_count(const struct flows *f)
{
	return f->count;
}
