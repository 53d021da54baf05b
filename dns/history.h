/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The last queries, for `headrace dns`. */
#ifndef DNS_HISTORY_H
#define DNS_HISTORY_H

#include <stdint.h>

#include "base/addr.h"
#include "dns/msg.h"

#define HISTORY_ENTRIES 100

enum history_source { SOURCE_RESOLVER, SOURCE_CACHE, SOURCE_UPSTREAM };

struct history_entry {
	int64_t time_ms; /* Unix time of the answer */
	struct endpoint client;
	uint8_t proto; /* IPPROTO_UDP or IPPROTO_TCP */
	uint8_t source; /* enum history_source: who gave the answer */
	uint16_t type;
	uint16_t rcode;
	struct endpoint upstream; /* of SOURCE_UPSTREAM */
	uint64_t duration_us;
	char name[DOMAIN_TEXT_MAX];
};

/* A ring; zero is an empty one. */
struct history {
	uint64_t total;
	struct history_entry ring[HISTORY_ENTRIES];
};

/* The entry to be filled next; it replaces the oldest. */
struct history_entry *history_add(struct history *h);
/* `age` 0 is the latest. NULL = there is none. */
const struct history_entry *history_get(const struct history *h, uint64_t age);

#endif
