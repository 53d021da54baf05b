// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An "event" object as a line: the local time, what happened, and the flow's own columns. */
#include <string.h>

#include "tools/event_line.h"
#include "tools/flow_row.h"
#include "tools/format.h"
#include "tools/object.h"

enum { EVENT_CELL_TIME, EVENT_CELL_TYPE, EVENT_CELL_FLOW, EVENT_CELL_NUM = 2 + FLOW_CELL_NUM };

static void event_columns(struct table_column columns[EVENT_CELL_NUM])
{
	columns[EVENT_CELL_TIME] = (struct table_column){ .head = "WHEN", .width = 12 };
	columns[EVENT_CELL_TYPE] = (struct table_column){ .head = "WHAT", .width = 4 };
	memcpy(columns + EVENT_CELL_FLOW, flow_columns, sizeof(flow_columns));
}

static const char *event_time(const json_t *event, char buf[FORMAT_MAX])
{
	const json_t *value = json_object_get(event, "time_ms");

	return json_is_integer(value) ? format_clock((uint64_t)json_integer_value(value), buf) :
					NULL;
}

void event_head_print(FILE *out)
{
	struct table_column columns[EVENT_CELL_NUM];

	event_columns(columns);
	table_stream_head(columns, EVENT_CELL_NUM, out);
}

void event_line_print(const json_t *event, FILE *out)
{
	struct table_column columns[EVENT_CELL_NUM];
	const char *cells[EVENT_CELL_NUM];
	char when[FORMAT_MAX];
	struct flow_row row;

	event_columns(columns);
	flow_row_fill(&row, event);
	cells[EVENT_CELL_TIME] = event_time(event, when);
	cells[EVENT_CELL_TYPE] = object_text(event, "type", NULL);
	memcpy(cells + EVENT_CELL_FLOW, row.cells, sizeof(row.cells));
	table_stream_row(columns, EVENT_CELL_NUM, cells, row.tone, out);
}
