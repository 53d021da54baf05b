// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Room for flows. See the header. */
#include <netinet/in.h>

#include "base/budget.h"
#include "base/limits.h"
#include "worker/room.h"

#define SESSIONS_MANY 16 /* a part of all sessions: who holds so many holds many */

/* The budgets of a worker, and where its limits come from. */
static const struct {
	enum budget budget;
	enum limit all, of_source;
} shares[] = {
	{ BUDGET_FLOWS, LIMIT_FLOWS, LIMIT_SOURCE_FLOWS },
	{ BUDGET_CONNECTS, LIMIT_CONNECTS, LIMIT_SOURCE_CONNECTS },
	{ BUDGET_UDP, LIMIT_UDP, LIMIT_SOURCE_UDP },
	{ BUDGET_ICMP, LIMIT_ICMP, LIMIT_SOURCE_ICMP },
	{ BUDGET_BUFFERS, LIMIT_BUFFERS, LIMIT_SOURCE_BUFFERS },
};

static struct budget_use *use(struct worker *w, enum budget which)
{
	return datapath_budget(&w->datapath, which);
}

/* What the process may open, or less if less was asked for. */
static void setup_descriptors(struct worker *w)
{
	const struct limits *l = &w->config.limits;
	uint64_t limit = budget_descriptors(DESCRIPTORS_SPARE);

	if (l->n[LIMIT_DESCRIPTORS] && l->n[LIMIT_DESCRIPTORS] < limit)
		limit = l->n[LIMIT_DESCRIPTORS];
	budget_setup(use(w, BUDGET_DESCRIPTORS), limit, l->n[LIMIT_SOURCE_DESCRIPTORS], 1);
}

int room_init(struct worker *w)
{
	const struct limits *l = &w->config.limits;
	unsigned int workers = w->config.settings.workers ? w->config.settings.workers : 1;
	struct budget_use *icmp = use(w, BUDGET_ICMP);

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		budget_setup(use(w, shares[i].budget), l->n[shares[i].all],
			     l->n[shares[i].of_source], workers);
	if (icmp->limit > ICMP_SESSIONS_MAX) /* each has one of so many identifiers */
		budget_setup(icmp, ICMP_SESSIONS_MAX, icmp->source_limit, 1);
	setup_descriptors(w);
	w->config.limits.n[LIMIT_DESTINATION_CONNECTS] =
		budget_part(l->n[LIMIT_DESTINATION_CONNECTS], workers);
	return sources_init(&w->sources);
}

void room_done(struct worker *w)
{
	sources_done(&w->sources);
}

/* One idle flow of `s` ends, a UDP or echo session only if unused for idle_ms. */
static bool evict(struct worker *w, struct source *s, uint64_t idle_ms)
{
	if (w->udp && udp_engine_evict(w->udp, s, idle_ms))
		return true;
	if (w->icmp && icmp_engine_evict(w->icmp, s, idle_ms))
		return true;
	return w->tcp && tcp_engine_evict(w->tcp, s);
}

bool room_hit(struct budget_use *b, bool made_room)
{
	b->hits++;
	b->evicted += made_room;
	return made_room;
}

/*
 * Who gives a session up where all are taken: whoever holds most. Where nobody holds many they
 * are of many sources, which may not even exist, and having two or three is no reason: then
 * it is whoever has used none for longest.
 */
static struct source *session_victim(struct worker *w, const struct budget_use *b,
				     enum source_thing kind)
{
	struct source *largest = sources_largest(&w->sources, kind);

	if (!largest || largest->kind[kind].count >= b->limit / SESSIONS_MANY)
		return largest;
	return sources_idlest(&w->sources, kind);
}

/* UDP or echo sessions: there is always one that goes, and always one that has most. */
static void room_for_session(struct worker *w, const struct addr *from, enum source_thing kind)
{
	struct budget_use *b = use(w, kind == SOURCE_UDP ? BUDGET_UDP : BUDGET_ICMP);
	struct source *victim = NULL;

	if (sources_count(&w->sources, from, kind) >= b->source_limit)
		victim = sources_find(&w->sources, from);
	else if (b->used >= b->limit)
		victim = session_victim(w, b, kind);
	if (!victim)
		return;
	if (kind == SOURCE_UDP)
		room_hit(b, udp_engine_evict(w->udp, victim, 0));
	else
		room_hit(b, icmp_engine_evict(w->icmp, victim, 0));
}

/* Room in BUDGET_FLOWS or BUDGET_DESCRIPTORS for one more of `from`. */
static bool room_in(struct worker *w, const struct addr *from, struct budget_use *b,
		    enum drop_reason full, enum drop_reason *ret_why)
{
	uint32_t own = sources_count(&w->sources, from, SOURCE_FLOWS);
	struct source *largest;

	if (own >= b->source_limit) {
		*ret_why = DROP_SOURCE_FLOWS;
		return room_hit(b, evict(w, sources_find(&w->sources, from), UDP_EVICT_MS));
	}
	if (b->used < b->limit)
		return true;
	*ret_why = full;
	if (w->tcp && tcp_engine_evict(w->tcp, NULL))
		return room_hit(b, true);
	largest = sources_largest(&w->sources, SOURCE_FLOWS);
	if (!largest || largest->kind[SOURCE_FLOWS].count < own)
		return room_hit(b, false);
	/* Somebody who has less is served, whatever the session was used for. */
	return room_hit(b, evict(w, largest,
				 largest->kind[SOURCE_FLOWS].count / 2 > own ? 0 : UDP_EVICT_MS));
}

bool room_for_flow(struct worker *w, const struct addr *from, uint8_t proto,
		   enum drop_reason *ret_why)
{
	struct budget_use *flows = use(w, BUDGET_FLOWS);

	if (proto == IPPROTO_UDP)
		room_for_session(w, from, SOURCE_UDP);
	else if (proto != IPPROTO_TCP)
		room_for_session(w, from, SOURCE_ICMP);
	return room_in(w, from, flows, DROP_FLOW_CAP, ret_why) &&
	       room_in(w, from, use(w, BUDGET_DESCRIPTORS), DROP_NO_DESCRIPTOR, ret_why);
}

static void book(struct worker *w, unsigned int descriptors)
{
	use(w, BUDGET_FLOWS)->used++;
	use(w, BUDGET_DESCRIPTORS)->used += descriptors;
}

void room_take(struct worker *w, struct source *s, unsigned int descriptors)
{
	source_hold(&w->sources, s, SOURCE_FLOWS, NULL);
	book(w, descriptors);
}

struct source *room_take_new(struct worker *w, const struct addr *from, unsigned int descriptors)
{
	struct source *s = sources_enter(&w->sources, from, SOURCE_FLOWS, NULL);

	if (s)
		book(w, descriptors);
	return s;
}

void room_give(struct worker *w, struct source *s, unsigned int descriptors)
{
	use(w, BUDGET_FLOWS)->used--;
	use(w, BUDGET_DESCRIPTORS)->used -= descriptors;
	source_release(&w->sources, s, SOURCE_FLOWS, NULL);
}
