// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The health of upstreams. FAILING is quick and cheap to be wrong about (it only changes the
 * order); DOWN is slow, and what probes and the log are about.
 */
#include "base/clock.h"
#include "dns/health.h"

#define STATE_TEXT(name, text) [name] = text,

const char *health_text(enum health_state state)
{
	static const char *const texts[] = { HEALTH_STATES(STATE_TEXT) };

	return texts[state];
}

bool health_success(struct health *h)
{
	bool was_down = h->state == HEALTH_DOWN;

	if (was_down)
		h->recovered_ms = clock_ms();
	h->state = HEALTH_UP;
	h->streak = 0;
	return was_down;
}

static bool go_down(struct health *h)
{
	if (h->state == HEALTH_DOWN)
		return false;
	h->state = HEALTH_DOWN;
	return true;
}

bool health_failure(struct health *h)
{
	uint64_t now = clock_ms();

	if (h->recovered_ms && now - h->recovered_ms < HEALTH_GRACE_MS)
		return false;
	if (h->streak++ == 0)
		h->failing_ms = now;
	if (h->streak >= HEALTH_DOWN_STREAK)
		return go_down(h);
	if (h->state != HEALTH_DOWN && h->streak >= HEALTH_FAILING_STREAK)
		h->state = HEALTH_FAILING;
	return health_look(h);
}

bool health_look(struct health *h)
{
	return health_wait_ms(h) == 0 && go_down(h);
}

uint64_t health_wait_ms(const struct health *h)
{
	uint64_t waited = clock_ms() - h->failing_ms;

	if (!h->streak || h->state == HEALTH_DOWN)
		return UINT64_MAX;
	return waited < HEALTH_DOWN_MS ? HEALTH_DOWN_MS - waited : 0;
}
