// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The report's flows: one small record per ended flow, in an array that grows to its bound
 * and no further. Then, where every flow is wanted, what comes after is in the sums alone;
 * where only the largest are, a larger one takes the place of the smallest. Flows that are
 * still open when the report is asked for are added to a copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/limits.h"
#include "datapath/kernel.h"
#include "supervisor/control.h"
#include "supervisor/drops.h"
#include "supervisor/report.h"
#include "supervisor/show.h"

struct report_flow {
	struct flow_key key;
	struct flow flow;
	uint64_t now_ns; /* of its end; the present for an open one */
	struct addr upstream;
	__be16 upstream_port;
	uint8_t end;
	char outbound[OUTBOUND_NAME_MAX];
	char *domain; /* owned; NULL = not known */
};

void report_init(struct report *r, size_t keep)
{
	*r = (struct report){ .keep = keep };
}

static uint64_t bytes_of(const struct flow *f)
{
	return f->bytes_up + f->bytes_down;
}

/* The smallest of a short report, emptied, if `f` is larger; else NULL. */
static struct report_flow *replace(struct report *r, const struct flow *f)
{
	struct report_flow *least = r->flow;

	if (r->keep != REPORT_SHORT)
		return NULL;
	for (size_t i = 1; i < r->count; i++)
		if (bytes_of(&r->flow[i].flow) < bytes_of(&least->flow))
			least = &r->flow[i];
	if (bytes_of(f) <= bytes_of(&least->flow))
		return NULL;
	free(least->domain);
	return least;
}

/* Where to keep `flow`; NULL = it is not kept. */
static struct report_flow *place(struct report *r, const struct flow *flow)
{
	struct report_flow *f;

	if (r->count == r->keep)
		return r->keep ? replace(r, flow) : NULL;
	if (r->count == r->size) {
		size_t size = r->size ? 2 * r->size : REPORT_SHORT;

		f = realloc(r->flow, size * sizeof(*f));
		if (!f)
			return NULL;
		r->flow = f;
		r->size = size;
	}
	return &r->flow[r->count++];
}

static void add(struct report *r, const struct show_flow *s)
{
	struct report_flow *f = place(r, s->flow);

	r->flows++;
	r->bytes_up += s->flow->bytes_up;
	r->bytes_down += s->flow->bytes_down;
	if (!f)
		return;
	*f = (struct report_flow){ .key = *s->key,
				   .flow = *s->flow,
				   .now_ns = s->now_ns,
				   .upstream = s->info->upstream,
				   .upstream_port = s->info->upstream_port,
				   .end = s->info->end };
	memcpy(f->outbound, s->info->outbound, sizeof(f->outbound));
	if (s->info->domain[0])
		f->domain = strndup(s->info->domain, sizeof(s->info->domain));
}

void report_add(struct report *r, const struct flow_event *e)
{
	struct show_flow s = {
		.key = &e->key, .flow = &e->flow, .info = &e->info, .now_ns = e->time_ns
	};

	add(r, &s);
}

static int add_open(void *arg, const struct kernel_flow *f)
{
	struct show_flow s = {
		.key = &f->key, .flow = &f->flow, .info = &f->info, .now_ns = clock_ns()
	};

	add(arg, &s);
	return 0;
}

static void send_flow(const struct report_flow *f, struct control_client *client)
{
	struct flow_info info = { .upstream = f->upstream,
				  .upstream_port = f->upstream_port,
				  .end = f->end };
	struct show_flow s = {
		.key = &f->key, .flow = &f->flow, .info = &info, .now_ns = f->now_ns
	};

	memcpy(info.outbound, f->outbound, sizeof(info.outbound));
	if (f->domain)
		strncpy(info.domain, f->domain, sizeof(info.domain) - 1);
	control_send(client, "flow", show_flow(&s));
}

static int by_start(const void *a, const void *b)
{
	const struct report_flow *x = *(const struct report_flow *const *)a;
	const struct report_flow *y = *(const struct report_flow *const *)b;

	return (x->flow.first_seen_ns > y->flow.first_seen_ns) -
	       (x->flow.first_seen_ns < y->flow.first_seen_ns);
}

static int by_bytes(const void *a, const void *b)
{
	const struct report_flow *x = *(const struct report_flow *const *)a;
	const struct report_flow *y = *(const struct report_flow *const *)b;

	uint64_t bytes_x = bytes_of(&x->flow), bytes_y = bytes_of(&y->flow);

	return (bytes_x < bytes_y) - (bytes_x > bytes_y);
}

static void send_flows(const struct report *r, bool full, struct control_client *client)
{
	const struct report_flow **order = calloc(r->count + 1, sizeof(*order));
	size_t n = r->count;

	if (!order)
		return;
	for (size_t i = 0; i < n; i++)
		order[i] = &r->flow[i];
	qsort(order, n, sizeof(*order), full ? by_start : by_bytes);
	if (!full && n > REPORT_SHORT)
		n = REPORT_SHORT;
	for (size_t i = 0; i < n; i++)
		send_flow(order[i], client);
	free(order);
}

static json_t *summary(const struct report *r, struct kernel *k)
{
	struct drop_counters drops;
	struct kernel_stats stats;

	drops_sum(k, &drops);
	kernel_read_stats(k, &stats);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "flows", (json_int_t)r->flows,
			 "bytes_up", (json_int_t)r->bytes_up, "bytes_down",
			 (json_int_t)r->bytes_down, "not_kept", (json_int_t)(r->flows - r->count),
			 "dns_queries",
			 (json_int_t)kernel_role_counters(k, RESOLVER_QUEUE)->stats.dns_queries,
			 "events_lost", (json_int_t)stats.events_lost, "drops",
			 show_drop_counters(&drops));
}

/* A copy of the flows to which the open ones are added. -ENOMEM leaves *ret_copy empty. */
static int copy_flows(const struct report *r, struct report *ret_copy)
{
	*ret_copy = *r;
	ret_copy->flow = calloc(r->size ? r->size : 1, sizeof(*r->flow));
	if (!ret_copy->flow) {
		*ret_copy = (struct report){ 0 };
		return -ENOMEM;
	}
	for (size_t i = 0; i < r->count; i++) {
		ret_copy->flow[i] = r->flow[i];
		if (r->flow[i].domain)
			ret_copy->flow[i].domain = strdup(r->flow[i].domain);
	}
	return 0;
}

void report_send(struct report *r, struct kernel *k, bool full, struct control_client *client)
{
	struct report now;

	if (copy_flows(r, &now)) {
		control_refuse(client, "out of memory");
		return;
	}
	kernel_flow_each(k, add_open, &now);
	send_flows(&now, full, client);
	control_send(client, "summary", summary(&now, k));
	report_done(&now);
}

void report_done(struct report *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->flow[i].domain);
	free(r->flow);
	*r = (struct report){ 0 };
}
