/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A "flow" object as a row of text: shared by `flows`, `events` and the report of `run`. */
#ifndef TOOLS_FLOW_ROW_H
#define TOOLS_FLOW_ROW_H

#include <stdint.h>

#include <jansson.h>

#include "tools/table.h"

enum flow_cell {
	FLOW_CELL_NAME,
	FLOW_CELL_ADDRESS,
	FLOW_CELL_PROTO,
	FLOW_CELL_VERDICT,
	FLOW_CELL_UP,
	FLOW_CELL_DOWN,
	FLOW_CELL_DURATION,
	FLOW_CELL_END, /* why it ended, or the state it is in */
	FLOW_CELL_NUM
};

#define FLOW_NAME_WIDTH 40 /* longer names keep their end: that is where the owner is */
#define FLOW_TEXT_MAX 80

extern const struct table_column flow_columns[FLOW_CELL_NUM];

struct flow_row {
	const char *cells[FLOW_CELL_NUM];
	enum table_tone tone;
	char text[FLOW_CELL_NUM][FLOW_TEXT_MAX];
};

/* Fills `row` from the object; cells point into it and into `flow`. */
void flow_row_fill(struct flow_row *row, const json_t *flow);
/* Bytes both ways, what "largest" goes by. */
uint64_t flow_row_bytes(const json_t *flow);

#endif
