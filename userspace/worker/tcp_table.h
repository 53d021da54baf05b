/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections of a worker by their 5-tuple: a chained hash, keyed so that nobody can
 * choose addresses that collide. It grows by one bucket with one connection, so that no packet
 * ever waits for all the others to be moved; room.h bounds what it holds.
 */
#ifndef WORKER_TCP_TABLE_H
#define WORKER_TCP_TABLE_H

#include <stdint.h>

#include "base/siphash.h"
#include "bpf/contract.h"

#define TCP_TABLE_SEGMENTS 13

struct tcp_flow;

/*
 * Linear hashing (Litwin 1980): of the buckets 0..mask those below `split` have been divided,
 * their flows lie in two buckets by one bit of the hash more. Buckets lie in segments: the
 * first has 256, each further one as many as all before it.
 */
struct tcp_table {
	struct tcp_flow **segments[TCP_TABLE_SEGMENTS];
	uint32_t mask; /* the last power of two that was filled, minus 1 */
	uint32_t split; /* mask + 1 + split buckets are in use */
	uint32_t count;
	uint32_t empty; /* buckets below it are empty: for tcp_table_any() */
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
/* f->key is set and not in the table. */
void tcp_table_add(struct tcp_table *t, struct tcp_flow *f);
void tcp_table_remove(struct tcp_table *t, struct tcp_flow *f);
/* Any flow, NULL if the table is empty: for emptying it. */
struct tcp_flow *tcp_table_any(struct tcp_table *t);

#endif
