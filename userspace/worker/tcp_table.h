/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections of a worker by their 5-tuple: a chained hash, keyed so that nobody can
 * choose addresses that collide. It doubles when it is full; it never holds more than
 * TCP_FLOWS_MAX.
 */
#ifndef WORKER_TCP_TABLE_H
#define WORKER_TCP_TABLE_H

#include <stdint.h>

#include "base/siphash.h"
#include "bpf/contract.h"

struct tcp_flow;

struct tcp_table {
	struct tcp_flow **buckets;
	uint32_t mask; /* buckets - 1 */
	uint32_t count;
	struct siphash_key key;
};

/* 0 or -ENOMEM. */
int tcp_table_init(struct tcp_table *t);
/* Frees the buckets; flows are the owner's. */
void tcp_table_done(struct tcp_table *t);

uint32_t tcp_table_hash(const struct tcp_table *t, const struct flow_key *key);
/* NULL if there is none. `hash` is the key's. */
struct tcp_flow *tcp_table_find(const struct tcp_table *t, const struct flow_key *key,
				uint32_t hash);
/* f->key is set and not in the table. 0 or -ENOBUFS (full). */
int tcp_table_add(struct tcp_table *t, struct tcp_flow *f);
void tcp_table_remove(struct tcp_table *t, struct tcp_flow *f);
/* Any flow, NULL if the table is empty: for emptying it. */
struct tcp_flow *tcp_table_any(const struct tcp_table *t);

#endif
