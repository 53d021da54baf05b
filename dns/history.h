/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The last queries, for `headrace dns log`. */
#ifndef DNS_HISTORY_H
#define DNS_HISTORY_H

#include <stdint.h>

#include "base/addr.h"
#include "datapath/role.h"
#include "dns/msg.h"

#define HISTORY_ENTRIES 512
#define HISTORY_RULE_MAX 96

/* Who gave the answer. */
#define HISTORY_SOURCES(X)                                                                         \
	X(SOURCE_RESOLVER, "resolver") /* made here: a refusal, or no upstream answered */         \
	X(SOURCE_CACHE, "cache")                                                                   \
	X(SOURCE_UPSTREAM, "upstream")                                                             \
	X(SOURCE_STALE, "stale") /* from the cache, after its time */                              \
	X(SOURCE_POLICY, "policy") /* blocked or rewritten */                                      \
	X(SOURCE_KERNEL, "kernel")

enum history_source { HISTORY_SOURCES(CONTRACT_ENUM) SOURCE_NUM };

struct history_entry {
	int64_t time_ms; /* Unix time of the answer */
	struct endpoint client;
	uint8_t proto; /* IPPROTO_UDP or IPPROTO_TCP */
	uint8_t source; /* enum history_source */
	uint8_t action; /* enum dns_action: what the policy said */
	uint16_t type;
	uint16_t rcode;
	struct endpoint upstream; /* of SOURCE_UPSTREAM */
	uint64_t duration_us;
	struct flow_owner owner; /* the client's process, where it is one of this host */
	char rule[HISTORY_RULE_MAX]; /* that decided, for people; "" = none did */
	char name[DOMAIN_TEXT_MAX];
};

/* A ring; zero is an empty one. */
struct history {
	uint64_t total; /* entries since the start */
	struct history_entry ring[HISTORY_ENTRIES];
};

const char *history_source_text(enum history_source source);

/* The entry to be filled next, all zero; it replaces the oldest. */
struct history_entry *history_add(struct history *h);
/* Number of the oldest entry that is still there; `total` if there is none. */
uint64_t history_first(const struct history *h);
/* `age` 0 is the latest. NULL = there is none. */
const struct history_entry *history_get(const struct history *h, uint64_t age);

#endif
