/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Intrusive doubly linked list; an item that is in no list points to itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* clang-format off */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define LIST_INIT(name) { &(name), &(name) }
/* clang-format on */

struct list {
	struct list *next;
	struct list *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts `item` (in no list) at the end of `head`. */
static inline void list_append(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

/* Takes `item` out of whatever list it is in; harmless if it is in none. */
static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* Makes `item` the last of `head`: the youngest in an age-ordered list. */
static inline void list_touch(struct list *head, struct list *item)
{
	list_remove(item);
	list_append(head, item);
}

/* Moves all of `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
	struct list *first = from->next, *last = from->prev;

	if (list_is_empty(from))
		return;
	first->prev = to->prev;
	to->prev->next = first;
	last->next = to;
	to->prev = last;
	list_init(from);
}

#define list_first(head, type, member) container_of((head)->next, type, member)

/* `next` allows the body to remove `pos`, and nothing else. */
#define list_for_each_safe(pos, next_, head)                                                       \
	for (struct list *pos = (head)->next, *next_ = pos->next; pos != (head);                   \
	     pos = next_, next_ = pos->next)

#endif
