/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text tables: collected row by row, printed aligned once the widths are known. */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 24
#define TABLE_CELL_MAX 512 /* longer text is cut */

struct table_column {
	const char *head;
	bool right; /* numbers stand on the right */
	int width; /* at least; for rows that are printed as they come */
};

/* How a row is meant; shown by colour on a terminal only. */
enum table_tone { TABLE_PLAIN, TABLE_GOOD, TABLE_BAD, TABLE_FAINT };

struct table;

/* `columns` must outlive the table. 0 or -errno. */
int table_new(const struct table_column *columns, size_t count, struct table **ret_table);
void table_free(struct table *t); /* accepts NULL */

/* Copies the cells (NULL = "-"), made safe for a terminal. 0 or -errno. */
int table_add(struct table *t, const char *const *cells, enum table_tone tone);
size_t table_rows(const struct table *t);

/* Head line and rows; nothing at all without rows. */
void table_print(const struct table *t, FILE *out);

/* For tables without an end: the head, and one row at the columns' own widths, flushed. */
void table_stream_head(const struct table_column *columns, size_t count, FILE *out);
void table_stream_row(const struct table_column *columns, size_t count, const char *const *cells,
		      enum table_tone tone, FILE *out);

/* Is `out` a terminal that wants colour (TERM is not dumb, NO_COLOR is not set)? */
bool table_colour(FILE *out);

#endif
