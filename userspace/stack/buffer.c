// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Buffers for bytes in transit. Full ones are used last in, first out, so that the one that
 * is filled next is the one that the CPU's caches still hold.
 */
#include <stdlib.h>

#include "stack/internal.h"

struct buffer *buffer_get(struct stack *s, uint32_t size)
{
	struct buffer *b = NULL;

	if (size == BUFFER_BYTES && s->pool) {
		b = s->pool;
		s->pool = b->next;
		s->pooled--;
	} else {
		b = malloc(sizeof(*b) + size);
	}
	if (!b)
		return NULL;
	b->next = NULL;
	b->size = size;
	b->start = 0;
	b->end = 0;
	s->buffer_bytes += size;
	return b;
}

void buffer_put(struct stack *s, struct buffer *b)
{
	if (!b)
		return;
	s->buffer_bytes -= b->size;
	if (b->size != BUFFER_BYTES || s->pooled >= BUFFERS_POOLED) {
		free(b);
		return;
	}
	b->next = s->pool;
	s->pool = b;
	s->pooled++;
}

void buffer_put_all(struct stack *s, struct buffer **head, struct buffer **tail)
{
	while (*head) {
		struct buffer *b = *head;

		*head = b->next;
		buffer_put(s, b);
	}
	*tail = NULL;
}

void buffers_trim(struct stack *s, unsigned int keep)
{
	while (s->pooled > keep) {
		struct buffer *b = s->pool;

		s->pool = b->next;
		s->pooled--;
		free(b);
	}
}
