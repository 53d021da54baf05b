/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines from the resolver, told apart by their "type", as one table per type; the columns are
 * the keys of the type's first line.
 */
#ifndef TOOLS_DNS_VIEW_H
#define TOOLS_DNS_VIEW_H

#include <stddef.h>

#include <jansson.h>

#include "tools/object.h"
#include "tools/table.h"

#define DNS_TYPES_MAX 8

struct dns_section {
	json_t *first; /* keeps the keys, which are the heads */
	struct table *table;
	struct table_column columns[TABLE_COLUMNS_MAX];
	const char *keys[TABLE_COLUMNS_MAX]; /* of `first` */
	char heads[TABLE_COLUMNS_MAX][OBJECT_LABEL_MAX];
	size_t count;
};

/* Zero is an empty one. */
struct dns_view {
	bool failed; /* the resolver refused */
	struct dns_section sections[DNS_TYPES_MAX];
	size_t used;
};

/* To be a struct client_show's: arg is the view. Errors of the resolver go to stderr. */
void dns_view_object(void *arg, const char *kind, json_t *object);
/* Prints all tables on stdout. */
void dns_view_end(void *arg);
/* Frees what it holds. */
void dns_view_done(struct dns_view *v);

/* An "error" line of the resolver, said on stderr: true. */
bool dns_view_error(const json_t *object);

#endif
