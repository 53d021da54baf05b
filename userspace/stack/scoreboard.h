/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What became of the bytes in flight: which the receiver has (SACK, RFC 2018), which are
 * lost, and which of those were sent again. Sequence numbers only; nothing of lwIP.
 *
 * A byte at or above `una` is in a span of those that arrived, in a span of those that were
 * sent again, or in neither: then it is lost if it lies below `lost_below`, else in flight.
 * What was sent again is lost again as soon as something that was sent after it has arrived.
 */
#ifndef STACK_SCOREBOARD_H
#define STACK_SCOREBOARD_H

#include <stdbool.h>
#include <stdint.h>

#define SCOREBOARD_SPANS 128 /* what does not fit is taken as not arrived */
#define SCOREBOARD_REORDER 3 /* segments: RFC 6675's DupThresh */

struct span {
	uint32_t start, end; /* [start, end) */
	uint32_t order; /* number of the retransmission, 0 = it arrived */
	uint32_t sent; /* highest byte that had been sent when it was sent again */
};

struct scoreboard {
	uint32_t una; /* acknowledged up to here */
	uint32_t lost_below;
	uint32_t highest; /* behind the last byte that arrived, or una */
	uint32_t order; /* of the last retransmission */
	uint32_t arrived; /* order of the latest of them that arrived */
	uint32_t sacked; /* bytes that arrived above una */
	uint32_t count;
	struct span spans[SCOREBOARD_SPANS]; /* disjoint, ascending, above una */
};

void scoreboard_init(struct scoreboard *b, uint32_t una);
/* Everything below `una` is acknowledged. */
void scoreboard_ack(struct scoreboard *b, uint32_t una);
/* [start, end), above una, has arrived. True if that was news. */
bool scoreboard_sack(struct scoreboard *b, uint32_t start, uint32_t end);
/* Takes as lost what `bytes` have overtaken that were sent later and arrived. */
void scoreboard_detect(struct scoreboard *b, uint32_t bytes);
/* Takes as lost all below the last byte that arrived, and all that was sent again. */
void scoreboard_lose(struct scoreboard *b);
/* Forgets what arrived, which a receiver may take back, and takes all below `end` as lost. */
void scoreboard_lose_all(struct scoreboard *b, uint32_t end);
/* The first range that is lost: true and [*ret_start, *ret_end). */
bool scoreboard_next_lost(const struct scoreboard *b, uint32_t *ret_start, uint32_t *ret_end);
/* Whether one more change can be noted. */
bool scoreboard_has_room(const struct scoreboard *b);
/* Part of what is lost is sent again, if there is room; `sent`: the highest byte sent so far. */
void scoreboard_resend(struct scoreboard *b, uint32_t start, uint32_t end, uint32_t sent);
/* Bytes below `end` that are on their way, as far as is known. */
uint32_t scoreboard_pipe(const struct scoreboard *b, uint32_t end);

#endif
