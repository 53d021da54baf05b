/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Room for flows: what a worker's budgets say to a new one, and what makes way for it. Every
 * TCP connection, UDP and echo session is one flow and belongs to its source, the address of
 * the application; nearly all have a descriptor.
 *
 *   at the limit of              | makes way                             | else
 *   UDP, echo sessions of one    | its own longest idle                  | -
 *   UDP, echo sessions of all    | the longest idle of who has most,     | -
 *                                | or of all where nobody has many       |
 *   flows, descriptors of one    | its own: idle UDP, echo, TCP that is  | refused
 *                                | not open yet, TCP without data        |
 *   flows, descriptors of all    | TCP not open yet of anybody; of who   | refused
 *                                | has most: UDP, echo, TCP as above     |
 *   connects in flight           | one without an answer: tcp_yield.c    | SYN dropped, its
 *                                |                                       | sender tries again
 *
 * Connections in TIME_WAIT hold neither descriptor nor budget: the oldest is forgotten where
 * the table needs the place. A TCP connection is idle if it is open and no data passed for
 * tcp_idle_ms; one that is not is never ended for want of room.
 */
#ifndef WORKER_ROOM_H
#define WORKER_ROOM_H

#include <stdbool.h>

#include "base/sources.h"
#include "worker/worker.h"

/* Kinds of worker->sources. */
enum source_thing {
	SOURCE_FLOWS, /* all; not kept in order */
	SOURCE_CONNECTS, /* TCP without an answer, oldest first */
	SOURCE_TCP, /* open; a ring that the search for an idle one turns */
	SOURCE_UDP, /* longest unused first */
	SOURCE_ICMP,
};

/*
 * Sets up worker->sources and the budgets in its counters from worker->config, of whose
 * limits it makes this worker's part. 0 or -errno. To be called once all descriptors that the
 * role keeps are open.
 */
int room_init(struct worker *w);
/* Harmless on a zeroed worker. */
void room_done(struct worker *w);

/*
 * Is there room for a flow of this protocol from `from`? Makes some if that can be. False:
 * *ret_why says what stands in the way; counted as a hit, not yet as a drop.
 */
bool room_for_flow(struct worker *w, const struct addr *from, uint8_t proto,
		   enum drop_reason *ret_why);
/* Counts that `b` stood in the way, and whether something made way: returns that. */
bool room_hit(struct budget_use *b, bool made_room);
/* Books a flow of a source that is known; `descriptors` that it has. */
void room_take(struct worker *w, struct source *s, unsigned int descriptors);
/* The same for one that may be new. NULL without memory. */
struct source *room_take_new(struct worker *w, const struct addr *from, unsigned int descriptors);
/* The flow is over. May free the source. */
void room_give(struct worker *w, struct source *s, unsigned int descriptors);

#endif
