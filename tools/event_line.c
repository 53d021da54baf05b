// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An "event" object as a line: the local time, what happened, and the flow's own columns. */
#include <string.h>
#include <time.h>

#include "tools/event_line.h"
#include "tools/flow_row.h"

enum { EVENT_CELL_TIME, EVENT_CELL_TYPE, EVENT_CELL_FLOW, EVENT_CELL_NUM = 2 + FLOW_CELL_NUM };

#define TIME_TEXT_MAX 32

static void event_columns(struct table_column columns[EVENT_CELL_NUM])
{
	columns[EVENT_CELL_TIME] = (struct table_column){ .head = "WHEN", .width = 12 };
	columns[EVENT_CELL_TYPE] = (struct table_column){ .head = "WHAT", .width = 4 };
	memcpy(columns + EVENT_CELL_FLOW, flow_columns, sizeof(flow_columns));
}

/* "13:05:59.120" in local time. */
static const char *event_time(const json_t *event, char buf[TIME_TEXT_MAX])
{
	const json_t *value = json_object_get(event, "time_ms");
	json_int_t ms = json_integer_value(value);
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (!json_is_integer(value) || ms < 0 || !localtime_r(&seconds, &tm))
		return NULL;
	snprintf(buf, TIME_TEXT_MAX, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(ms % 1000));
	return buf;
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
	char when[TIME_TEXT_MAX];
	struct flow_row row;

	event_columns(columns);
	flow_row_fill(&row, event);
	cells[EVENT_CELL_TIME] = event_time(event, when);
	cells[EVENT_CELL_TYPE] = json_string_value(json_object_get(event, "type"));
	memcpy(cells + EVENT_CELL_FLOW, row.cells, sizeof(row.cells));
	table_stream_row(columns, EVENT_CELL_NUM, cells, row.tone, out);
}
