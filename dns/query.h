/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of queries in flight: who asked what, until it is answered. Two queries are the
 * same only if client address and port, destination, transport, ID and question all are:
 * equal IDs of different clients, ports or names never meet.
 */
#ifndef DNS_QUERY_H
#define DNS_QUERY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/sources.h"
#include "bpf/contract.h"
#include "dns/edns.h"
#include "dns/msg.h"
#include "dns/policy.h"

/* Who asked; enough to answer when the packet or the stream's buffer is long gone. */
struct client {
	struct flow_key flow; /* proto: IPPROTO_UDP or IPPROTO_TCP */
	uint32_t stream; /* TCP: place and */
	uint32_t generation; /* age of the stream, see stream.h; UDP: of the socket, or 0 */
	uint32_t socket; /* 0 = came by the TUN; else see sockets.h: no flow of the kernel's map */
	uint32_t ifindex; /* device it came by, where a link-local client needs it; else 0 */
};

struct exchange;
struct generation;
struct answer;

/* Who waits for it. */
enum query_kind {
	QUERY_CLIENT,
	QUERY_REFRESH, /* the cache alone: an answer that is stale, or late and hot */
	QUERY_LOOKUP /* somebody in this process: done() */
};

struct query {
	struct list age; /* query_table.in_flight, oldest first; else .unused */
	struct list waiting; /* exchange.queries */
	struct query *chain; /* of its bucket */
	struct client client;
	struct list of_source; /* source->kind[0].items, oldest first */
	struct source *source; /* its client address's account */
	struct msg_question question; /* with the client's case */
	struct edns edns; /* what the client said; its offsets are of no use any more */
	uint16_t id;
	uint16_t flags; /* of its header */
	uint64_t started_ns; /* clock_ns() */
	uint64_t number; /* of the queries taken, for the log */
	struct exchange *exchange; /* that it waits for, NULL = none yet */
	struct list stale; /* service.stale, if there is a stale answer for it; else none */
	enum query_kind kind;
	struct generation *generation; /* that it began with; of one in the table a reference */
	struct policy_verdict verdict; /* what its policy says; of the generation's memory */
	/* QUERY_LOOKUP: its answer, `len` with the OPT. */
	void (*done)(void *arg, const struct query *q, const struct answer *a, size_t len);
	void *arg;
};

struct query_table;

/* Has the kernel half an entry for this client in its flows? */
static inline bool query_has_flow(const struct client *client)
{
	return client->flow.proto == IPPROTO_UDP && !client->socket;
}

/* 0 or -ENOMEM. `max` queries; memory is touched only as far as it was ever needed. */
int query_table_new(uint32_t max, struct query_table **ret_table);
/* Accepts NULL. */
void query_table_free(struct query_table *t);

/* The query in flight that this one repeats, NULL if there is none. */
struct query *query_find(struct query_table *t, const struct client *client, uint16_t id,
			 const struct msg_question *question);
/*
 * Takes an entry, hashes it, and fills it from `from` but for its links, which are in no list, and
 * started_ns. NULL = full.
 */
struct query *query_add(struct query_table *t, const struct query *from);
/* Forgets it; it must be in no exchange's list any more. */
void query_remove(struct query_table *t, struct query *q);

uint32_t query_count(const struct query_table *t);
/* The oldest of the client address that has most in flight. NULL = none has any. */
struct query *query_oldest_of_most(const struct query_table *t);
/* Those of one client address. */
uint32_t query_count_of(const struct query_table *t, const struct addr *from);
/* The one that is in flight longest, NULL = none. */
struct query *query_oldest(struct query_table *t);
/* The next one that is in flight for less long, NULL = none. */
struct query *query_younger(struct query_table *t, struct query *q);

#endif
