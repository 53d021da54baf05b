// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One monotonic clock; the reader can be replaced so that tests turn time by hand. */
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

static uint64_t (*injected)(void);

uint64_t clock_ns(void)
{
	struct timespec ts;

	if (injected)
		return injected();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_ms(void)
{
	return clock_ns() / NSEC_PER_MSEC;
}

void clock_inject(uint64_t (*read_ns)(void))
{
	injected = read_ns;
}
