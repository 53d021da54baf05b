/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The "flow" objects of one answer as a table: who, where to, by which rule, how much. */
#ifndef TOOLS_FLOW_LIST_H
#define TOOLS_FLOW_LIST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#define FLOW_LIST_MAX 200000 /* more than both tables of an instance hold by default */

struct flow_list {
	json_t **flow; /* owned */
	uint64_t *rate; /* of each, bytes per second both ways */
	size_t count, size;
};

/* Keeps the object. 0 or -errno. */
int flow_list_add(struct flow_list *l, json_t *flow);
/*
 * Rates: of what came since `before` (NULL = there is none), `ms` ago; of a flow that is not in
 * it over its life.
 */
void flow_list_rates(struct flow_list *l, const struct flow_list *before, uint64_t ms);
/* By one of flow_list_sorts. */
void flow_list_sort(struct flow_list *l, const char *by);
/* At most `rows` of them, 0 = all. 0 or -errno. */
int flow_list_print(const struct flow_list *l, size_t rows, FILE *out);
void flow_list_clear(struct flow_list *l);

/* NULL, or what can be sorted by. */
const char *flow_list_sort_wrong(const char *by);

#endif
