// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Upstream resolvers: order and health. One that failed several times in a row is asked
 * after the others for a while, so that a dead first server costs its delay now and then
 * and not on every query. With one server alone its health changes nothing.
 */
#include <string.h>

#include "base/clock.h"
#include "dns/upstream.h"

#define LATENCY_WEIGHT 8 /* a new value counts for an eighth, as TCP's RTT (RFC 6298) */

#define STATE_TEXT(name, text) [name] = text,

const char *upstream_state_text(enum upstream_state state)
{
	static const char *const texts[] = { UPSTREAM_STATES(STATE_TEXT) };

	return texts[state];
}

static bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

struct upstream *upstream_find(struct upstream_set *s, const struct endpoint *endpoint)
{
	for (unsigned int i = 0; i < s->num; i++) {
		if (endpoint_eq(&s->item[i].endpoint, endpoint))
			return &s->item[i];
	}
	return NULL;
}

void upstream_set_assign(struct upstream_set *s, const struct endpoint *endpoints, unsigned int num)
{
	struct upstream_set next = { 0 };

	for (unsigned int i = 0; i < num && next.num < DNS_UPSTREAMS_MAX; i++) {
		const struct upstream *old = upstream_find(s, &endpoints[i]);

		if (upstream_find(&next, &endpoints[i]))
			continue;
		if (old)
			next.item[next.num] = *old;
		next.item[next.num++].endpoint = endpoints[i];
	}
	*s = next;
}

static bool avoided(const struct upstream *u)
{
	return u->state == UPSTREAM_DOWN && clock_ms() - u->failed_ms < UPSTREAM_DOWN_MS;
}

int upstream_pick(const struct upstream_set *s, uint32_t tried)
{
	int second_choice = -1;

	for (unsigned int i = 0; i < s->num; i++) {
		if (tried & 1U << i)
			continue;
		if (!avoided(&s->item[i]))
			return (int)i;
		if (second_choice < 0)
			second_choice = (int)i;
	}
	return second_choice;
}

void upstream_answered(struct upstream *u, uint64_t latency_us)
{
	if (!u)
		return;
	u->answers++;
	u->streak = 0;
	u->state = UPSTREAM_UP;
	if (u->latency_us)
		latency_us = (u->latency_us * (LATENCY_WEIGHT - 1) + latency_us) / LATENCY_WEIGHT;
	u->latency_us = latency_us ? latency_us : 1;
}

static void bad(struct upstream *u)
{
	u->failed_ms = clock_ms();
	if (++u->streak >= UPSTREAM_DOWN_STREAK)
		u->state = UPSTREAM_DOWN;
}

void upstream_failed(struct upstream *u)
{
	if (!u)
		return;
	u->failures++;
	bad(u);
}

void upstream_timed_out(struct upstream *u)
{
	if (!u)
		return;
	u->timeouts++;
	bad(u);
}
