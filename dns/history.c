// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A ring of what was answered. It is written on every answer and read when someone asks. */
#include <stddef.h>
#include <string.h>

#include "dns/history.h"

#define SOURCE_TEXT(name, text) text,

static const char *const sources[] = { HISTORY_SOURCES(SOURCE_TEXT) };

const char *history_source_text(enum history_source source)
{
	return source < SOURCE_NUM ? sources[source] : "?";
}

struct history_entry *history_add(struct history *h)
{
	struct history_entry *e = &h->ring[h->total++ % HISTORY_ENTRIES];

	memset(e, 0, sizeof(*e));
	e->owner.uid = UINT32_MAX;
	return e;
}

uint64_t history_first(const struct history *h)
{
	return h->total > HISTORY_ENTRIES ? h->total - HISTORY_ENTRIES : 0;
}

const struct history_entry *history_get(const struct history *h, uint64_t age)
{
	if (age >= h->total || age >= HISTORY_ENTRIES)
		return NULL;
	return &h->ring[(h->total - 1 - age) % HISTORY_ENTRIES];
}
