// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A ring of what was answered. It is written on every answer and read when someone asks. */
#include <stddef.h>

#include "dns/history.h"

struct history_entry *history_add(struct history *h)
{
	return &h->ring[h->total++ % HISTORY_ENTRIES];
}

const struct history_entry *history_get(const struct history *h, uint64_t age)
{
	if (age >= h->total || age >= HISTORY_ENTRIES)
		return NULL;
	return &h->ring[(h->total - 1 - age) % HISTORY_ENTRIES];
}
