/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The resolver's side of `flows`: the kernel half opens an entry for each client 5-tuple
 * that sends a UDP query; this table knows when it is over and what was asked last. (DNS
 * over TCP is a flow of the worker that terminates it.)
 */
#ifndef DNS_FLOWS_H
#define DNS_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "datapath/role.h"

struct flows;

/* 0 or -ENOMEM. At most `max` flows: beyond it the one idle longest is ended. */
int flows_new(struct datapath *dp, uint32_t max, struct flows **ret_flows);
/* Accepts NULL. Ends no flow. */
void flows_free(struct flows *f);

/* A packet of the flow came. */
void flows_seen(struct flows *f, const struct flow_key *key);
/* A query of it was taken, for `name` (presentation form). */
void flows_asked(struct flows *f, const struct flow_key *key, const char *name);
/* A query of it is done: `answered` = with an answer, from `upstream` (zero = from here). */
void flows_answered(struct flows *f, const struct flow_key *key, bool answered,
		    const struct endpoint *upstream);

/* Takes over the flows that a resolver that died has left in the map. */
void flows_adopt(struct flows *f);
/* Ends the flows that had nothing in flight for DNS_FLOW_IDLE_MS. */
void flows_sweep(struct flows *f);
void flows_end_all(struct flows *f);
uint32_t flows_count(const struct flows *f);

#endif
