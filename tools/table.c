// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Text tables (see table.h): two spaces between columns, each as wide as its widest cell,
 * nothing padded behind the last. Cells are ASCII after format_text(), so bytes are columns.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/format.h"
#include "tools/table.h"

#define COLOUR_OFF "\033[0m"
#define COLOUR_HEAD "\033[1m"

struct table_row {
	enum table_tone tone;
	char *cells[]; /* one block behind them, freed with the row */
};

struct table {
	const struct table_column *columns;
	size_t count;
	struct table_row **rows;
	size_t used;
	size_t size;
};

static const char *const tone_colours[] = {
	[TABLE_PLAIN] = "",
	[TABLE_GOOD] = "\033[32m",
	[TABLE_BAD] = "\033[31m",
	[TABLE_FAINT] = "\033[2m",
};

int table_new(const struct table_column *columns, size_t count, struct table **ret_table)
{
	if (count > TABLE_COLUMNS_MAX)
		return -EINVAL;

	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->columns = columns;
	t->count = count;
	*ret_table = t;
	return 0;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->used; i++)
		free(t->rows[i]);
	free(t->rows);
	free(t);
}

size_t table_rows(const struct table *t)
{
	return t->used;
}

static int table_grow(struct table *t)
{
	if (t->used < t->size)
		return 0;

	size_t size = t->size ? 2 * t->size : 32;
	struct table_row **rows = realloc(t->rows, size * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	t->size = size;
	return 0;
}

int table_add(struct table *t, const char *const *cells, enum table_tone tone)
{
	char text[TABLE_COLUMNS_MAX][TABLE_CELL_MAX];
	size_t bytes = 0;

	if (table_grow(t))
		return -ENOMEM;
	for (size_t i = 0; i < t->count; i++) {
		format_text(cells[i] ? cells[i] : "-", text[i], sizeof(text[i]));
		bytes += strlen(text[i]) + 1;
	}

	struct table_row *row = malloc(sizeof(*row) + t->count * sizeof(char *) + bytes);

	if (!row)
		return -ENOMEM;

	char *at = (char *)&row->cells[t->count];

	row->tone = tone;
	for (size_t i = 0; i < t->count; i++) {
		row->cells[i] = at;
		at = stpcpy(at, text[i]) + 1;
	}
	t->rows[t->used++] = row;
	return 0;
}

static void print_line(const struct table_column *columns, size_t count, const int *widths,
		       const char *const *cells, const char *colour, FILE *out)
{
	bool coloured = *colour && table_colour(out);

	if (coloured)
		fputs(colour, out);
	for (size_t i = 0; i < count; i++) {
		bool last = i + 1 == count;

		if (columns[i].right)
			fprintf(out, "%*s", widths[i], cells[i]);
		else
			fprintf(out, "%-*s", last ? 0 : widths[i], cells[i]);
		fputs(last ? "" : "  ", out);
	}
	fputs(coloured ? COLOUR_OFF "\n" : "\n", out);
}

static void print_head(const struct table_column *columns, size_t count, const int *widths,
		       FILE *out)
{
	const char *heads[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < count; i++)
		heads[i] = columns[i].head;
	print_line(columns, count, widths, heads, COLOUR_HEAD, out);
}

static int column_width(const struct table *t, size_t column)
{
	size_t width = strlen(t->columns[column].head);

	for (size_t i = 0; i < t->used; i++) {
		size_t len = strlen(t->rows[i]->cells[column]);

		width = len > width ? len : width;
	}
	return (int)width;
}

void table_print(const struct table *t, FILE *out)
{
	int widths[TABLE_COLUMNS_MAX];

	if (!t->used)
		return;
	for (size_t i = 0; i < t->count; i++)
		widths[i] = column_width(t, i);
	print_head(t->columns, t->count, widths, out);
	for (size_t i = 0; i < t->used; i++)
		print_line(t->columns, t->count, widths, (const char *const *)t->rows[i]->cells,
			   tone_colours[t->rows[i]->tone], out);
}

static void stream_widths(const struct table_column *columns, size_t count, int *ret_widths)
{
	for (size_t i = 0; i < count; i++)
		ret_widths[i] = columns[i].width;
}

void table_stream_head(const struct table_column *columns, size_t count, FILE *out)
{
	int widths[TABLE_COLUMNS_MAX];

	stream_widths(columns, count, widths);
	print_head(columns, count, widths, out);
	fflush(out);
}

void table_stream_row(const struct table_column *columns, size_t count, const char *const *cells,
		      enum table_tone tone, FILE *out)
{
	char text[TABLE_COLUMNS_MAX][TABLE_CELL_MAX];
	const char *safe[TABLE_COLUMNS_MAX];
	int widths[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < count; i++)
		safe[i] = format_text(cells[i] ? cells[i] : "-", text[i], sizeof(text[i]));
	stream_widths(columns, count, widths);
	print_line(columns, count, widths, safe, tone_colours[tone], out);
	fflush(out);
}

bool table_colour(FILE *out)
{
	const char *term = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR");

	return (!no_colour || !*no_colour) && term && strcmp(term, "dumb") != 0 &&
	       isatty(fileno(out));
}
