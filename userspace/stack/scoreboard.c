// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One sorted array of spans; a flight is at most a send buffer long and holes are few, so
 * walking it costs less than anything cleverer. All comparisons are modulo 2^32.
 *
 * Loss is told by what arrived, as in RFC 6675: of first transmissions by the bytes that
 * arrived above them, of retransmissions, which nothing orders by sequence number, by the
 * order in which they were sent (the idea of RFC 8985).
 */
#include <string.h>

#include "stack/scoreboard.h"

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static uint32_t lower(uint32_t a, uint32_t b)
{
	return before(a, b) ? a : b;
}

static uint32_t higher(uint32_t a, uint32_t b)
{
	return before(a, b) ? b : a;
}

void scoreboard_init(struct scoreboard *b, uint32_t una)
{
	b->una = una;
	b->lost_below = una;
	b->highest = una;
	b->order = 0;
	b->arrived = 0;
	b->sacked = 0;
	b->count = 0;
}

static void span_remove(struct scoreboard *b, uint32_t i, uint32_t n)
{
	memmove(&b->spans[i], &b->spans[i + n], (b->count - i - n) * sizeof(*b->spans));
	b->count -= n;
}

static void span_insert(struct scoreboard *b, uint32_t i, struct span s)
{
	memmove(&b->spans[i + 1], &b->spans[i], (b->count - i) * sizeof(*b->spans));
	b->spans[i] = s;
	b->count++;
}

/* Part of a span has arrived or is forgotten: what that says of those sent before it. */
static void span_arrived(struct scoreboard *b, const struct span *s, uint32_t bytes)
{
	if (s->order == 0)
		b->sacked -= bytes;
	else if (before(b->arrived, s->order))
		b->arrived = s->order;
}

/* The first span that ends above seq. */
static uint32_t span_find(const struct scoreboard *b, uint32_t seq)
{
	uint32_t i = 0;

	while (i < b->count && !before(seq, b->spans[i].end))
		i++;
	return i;
}

void scoreboard_ack(struct scoreboard *b, uint32_t una)
{
	uint32_t gone = 0;

	if (!before(b->una, una))
		return;
	while (gone < b->count && before(b->spans[gone].start, una)) {
		struct span *s = &b->spans[gone];

		if (before(una, s->end)) {
			span_arrived(b, s, una - s->start);
			s->start = una;
			break;
		}
		span_arrived(b, s, s->end - s->start);
		gone++;
	}
	span_remove(b, 0, gone);
	b->una = una;
	b->lost_below = higher(b->lost_below, una);
	b->highest = higher(b->highest, una);
}

/*
 * Clears [start, end) of spans; returns where a span for it belongs. Cutting one in two takes
 * a place: the caller has seen that there is room.
 */
static uint32_t span_clear(struct scoreboard *b, uint32_t start, uint32_t end)
{
	uint32_t i = span_find(b, start);

	if (i < b->count && before(b->spans[i].start, start)) {
		struct span rest = b->spans[i];

		b->spans[i].end = start;
		rest.start = start;
		span_insert(b, ++i, rest);
	}
	while (i < b->count && before(b->spans[i].start, end)) {
		struct span *s = &b->spans[i];
		uint32_t cut = lower(s->end, end);

		span_arrived(b, s, cut - s->start);
		if (before(cut, s->end)) {
			s->start = cut;
			break;
		}
		span_remove(b, i, 1);
	}
	return i;
}

static bool span_joins(const struct span *a, const struct span *b)
{
	return a->end == b->start && a->order == b->order;
}

/* Puts a span into its cleared place, joined with its like. */
static void span_put(struct scoreboard *b, uint32_t i, struct span s)
{
	if (i > 0 && span_joins(&b->spans[i - 1], &s)) {
		s.start = b->spans[i - 1].start;
		span_remove(b, --i, 1);
	}
	if (i < b->count && span_joins(&s, &b->spans[i])) {
		s.end = b->spans[i].end;
		span_remove(b, i, 1);
	}
	span_insert(b, i, s);
}

bool scoreboard_has_room(const struct scoreboard *b)
{
	return b->count + 2 <= SCOREBOARD_SPANS;
}

bool scoreboard_sack(struct scoreboard *b, uint32_t start, uint32_t end)
{
	uint32_t before_sacked = b->sacked;
	uint32_t i = span_find(b, start);

	if (i < b->count && b->spans[i].order == 0 && !before(start, b->spans[i].start) &&
	    !before(b->spans[i].end, end))
		return false; /* told before: receivers repeat themselves */
	if (!scoreboard_has_room(b))
		return false;
	i = span_clear(b, start, end);
	span_put(b, i, (struct span){ .start = start, .end = end });
	b->sacked += end - start;
	b->highest = higher(b->highest, end);
	return b->sacked != before_sacked;
}

void scoreboard_detect(struct scoreboard *b, uint32_t bytes)
{
	uint32_t above = 0;

	for (uint32_t i = b->count; i > 0; i--) {
		const struct span *s = &b->spans[i - 1];

		if (s->order != 0)
			continue;
		above += s->end - s->start;
		if (above >= bytes) {
			b->lost_below = higher(b->lost_below, s->start);
			return;
		}
	}
}

void scoreboard_lose(struct scoreboard *b)
{
	b->lost_below = higher(b->lost_below, b->highest);
	b->arrived = b->order + SCOREBOARD_REORDER;
	b->order = b->arrived;
}

void scoreboard_lose_all(struct scoreboard *b, uint32_t end)
{
	b->count = 0;
	b->sacked = 0;
	b->highest = b->una;
	b->lost_below = end;
}

static bool span_is_lost(const struct scoreboard *b, const struct span *s)
{
	if (s->order == 0)
		return false;
	if ((int32_t)(b->arrived - s->order) >= SCOREBOARD_REORDER)
		return true;
	return before(s->sent, b->highest);
}

bool scoreboard_next_lost(const struct scoreboard *b, uint32_t *ret_start, uint32_t *ret_end)
{
	uint32_t at = b->una;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct span *s = &b->spans[i];

		*ret_start = at;
		*ret_end = lower(s->start, b->lost_below);
		if (before(at, *ret_end))
			return true;
		if (span_is_lost(b, s)) {
			*ret_start = s->start;
			*ret_end = s->end;
			return true;
		}
		at = s->end;
	}
	*ret_start = at;
	*ret_end = b->lost_below;
	return before(at, *ret_end);
}

void scoreboard_resend(struct scoreboard *b, uint32_t start, uint32_t end, uint32_t sent)
{
	uint32_t arrived = b->arrived;
	uint32_t i = span_clear(b, start, end);

	b->arrived = arrived; /* what was lost has not arrived */
	span_put(b, i,
		 (struct span){ .start = start, .end = end, .order = ++b->order, .sent = sent });
}

uint32_t scoreboard_pipe(const struct scoreboard *b, uint32_t end)
{
	uint32_t at = b->una, pipe = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct span *s = &b->spans[i];
		uint32_t hole = higher(at, b->lost_below);

		if (before(hole, s->start))
			pipe += s->start - hole;
		if (s->order != 0 && !span_is_lost(b, s))
			pipe += s->end - s->start;
		at = s->end;
	}
	at = higher(at, b->lost_below);
	return before(at, end) ? pipe + (end - at) : pipe;
}
