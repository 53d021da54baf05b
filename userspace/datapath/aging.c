// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Entries of `direct_flows` that are over: closed some time ago, or idle for longer than such a
 * flow is remembered by anybody. Nothing depends on it, as the kernel half enters a flow again
 * that goes on; but what is shown should be there.
 *
 * A pass is made in parts, so that main is never away for longer than one of them takes, and
 * none is begun while the table was empty and no flow has come since.
 *
 * Limit: look-up and removal are two steps. A flow whose first packet after all that time
 * comes exactly between them is entered again by its next one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "datapath/kernel_internal.h"

#define IDLE_NS (180 * NSEC_PER_SEC) /* longer than RFC 4787, 4.3, has it */
#define TCP_HALF_NS (240 * NSEC_PER_SEC) /* RFC 5382, 5: not open, or half closed */
#define TCP_OPEN_NS (7440 * NSEC_PER_SEC) /* likewise: open */

static uint64_t idle_allowed(const struct flow_key *key, const struct flow *f)
{
	if (f->state == FLOW_CLOSED)
		return DIRECT_CLOSED_NS;
	if (key->proto != IPPROTO_TCP)
		return IDLE_NS;
	return f->state == FLOW_OPEN ? TCP_OPEN_NS : TCP_HALF_NS;
}

static void tell_end(const struct aging *a, const struct flow_key *key, const struct flow *f)
{
	struct flow_event e = { .time_ns = clock_ns(), .type = EVENT_FLOW_END, .key = *key };

	if (f->state == FLOW_CLOSED || !a->fn)
		return;
	e.flow = *f;
	e.info.end = END_IDLE;
	a->fn(a->arg, &e);
}

static int look_at(void *arg, const struct flow_key *key, const struct flow *flow)
{
	struct kernel *k = arg;
	struct aging *a = &k->aging;
	struct flow now;

	a->left++;
	if (flow->last_seen_ns + idle_allowed(key, flow) >= a->now_ns)
		return 0;
	/* what was read with many others may be old by now */
	if (bpf_map_lookup_elem(k->maps.direct_flows, key, &now) ||
	    now.last_seen_ns != flow->last_seen_ns ||
	    bpf_map_delete_elem(k->maps.direct_flows, key))
		return 0;
	a->left--;
	tell_end(a, key, &now);
	return 0;
}

static bool pass_begin(struct kernel *k)
{
	struct aging *a = &k->aging;
	struct kernel_stats stats;

	kernel_read_stats(k, &stats);
	if ((!a->left && stats.direct_flows == a->seen) || walk_start(&a->walk))
		return false;
	a->walking = true;
	a->seen = stats.direct_flows;
	a->left = 0;
	return true;
}

bool kernel_direct_age(struct kernel *k, void (*fn)(void *arg, const struct flow_event *e),
		       void *arg)
{
	struct aging *a = &k->aging;
	bool more;

	if (k->maps.direct_flows < 0 || (!a->walking && !pass_begin(k)))
		return false;
	a->fn = fn;
	a->arg = arg;
	a->now_ns = clock_ns();
	if (walk_next(&a->walk, k->maps.direct_flows, look_at, k, &more))
		a->left++; /* not seen to its end: another one is due */
	if (!more) {
		walk_end(&a->walk);
		a->walking = false;
	}
	return more;
}
