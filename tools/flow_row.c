// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A "flow" object as a row of text (see flow_row.h); a key that is missing shows as "-". */
#include <string.h>

#include "base/addr.h"
#include "bpf/contract.h"
#include "tools/flow_row.h"
#include "tools/format.h"
#include "tools/object.h"

const struct table_column flow_columns[FLOW_CELL_NUM] = {
	[FLOW_CELL_NAME] = { .head = "NAME", .width = 28 },
	[FLOW_CELL_ADDRESS] = { .head = "ADDRESS", .width = 22 },
	[FLOW_CELL_PROTO] = { .head = "PROTO", .width = 6 },
	[FLOW_CELL_VERDICT] = { .head = "VERDICT", .width = 7 },
	[FLOW_CELL_UP] = { .head = "UP", .right = true, .width = 7 },
	[FLOW_CELL_DOWN] = { .head = "DOWN", .right = true, .width = 7 },
	[FLOW_CELL_DURATION] = { .head = "TIME", .right = true, .width = 7 },
	[FLOW_CELL_END] = { .head = "END" },
};

#define CONTRACT_TEXT(name, text) [name] = text,

static const char *const end_texts[] = { FLOW_ENDS(CONTRACT_TEXT) };

/* The name, or its last FLOW_NAME_WIDTH bytes behind "...". NULL if there is none. */
static const char *name_cell(const json_t *flow, char text[FLOW_TEXT_MAX])
{
	const char *name = object_text(flow, "domain", NULL);

	if (!name || !*name)
		return NULL;

	size_t len = strlen(name);

	if (len <= FLOW_NAME_WIDTH)
		return name;
	snprintf(text, FLOW_TEXT_MAX, "...%s", name + len - (FLOW_NAME_WIDTH - 3));
	return text;
}

/* "192.0.2.1:80", "[2001:db8::1]:80"; echo has no port, so just the address. */
static const char *address_cell(const json_t *flow, char text[FLOW_TEXT_MAX])
{
	const char *addr = object_text(flow, "daddr", NULL);
	json_int_t port = json_integer_value(json_object_get(flow, "dport"));

	if (!addr)
		return NULL;
	if (!port)
		return addr;
	snprintf(text, FLOW_TEXT_MAX, strchr(addr, ':') ? "[%s]:%lld" : "%s:%lld", addr,
		 (long long)port);
	return text;
}

/* Is the end one that the application will not have liked? */
static bool end_is_bad(const char *end)
{
	static const enum flow_end bad[] = { END_UPSTREAM_RESET, END_REFUSED,	 END_UNREACHABLE,
					     END_TIMEOUT,	 END_UNANSWERED, END_REJECTED,
					     END_UNRESOLVED,	 END_QUIC,	 END_LIMIT,
					     END_PROTECT,	 END_ROLE_DIED };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!strcmp(end, end_texts[bad[i]]))
			return true;
	}
	return false;
}

static void end_cell(struct flow_row *row, const json_t *flow)
{
	const char *end = object_text(flow, "end", NULL);

	row->tone = TABLE_PLAIN;
	if (!end || !*end)
		row->cells[FLOW_CELL_END] = object_text(flow, "state", NULL);
	else
		row->cells[FLOW_CELL_END] = end;
	if (end && end_is_bad(end))
		row->tone = TABLE_BAD;
}

void flow_row_fill(struct flow_row *row, const json_t *flow)
{
	row->cells[FLOW_CELL_NAME] = name_cell(flow, row->text[FLOW_CELL_NAME]);
	row->cells[FLOW_CELL_ADDRESS] = address_cell(flow, row->text[FLOW_CELL_ADDRESS]);
	row->cells[FLOW_CELL_PROTO] = object_text(flow, "proto", NULL);
	row->cells[FLOW_CELL_VERDICT] = object_text(flow, "verdict", NULL);
	row->cells[FLOW_CELL_UP] =
		format_bytes(object_number(flow, "bytes_up"), row->text[FLOW_CELL_UP]);
	row->cells[FLOW_CELL_DOWN] =
		format_bytes(object_number(flow, "bytes_down"), row->text[FLOW_CELL_DOWN]);
	row->cells[FLOW_CELL_DURATION] =
		format_ms(object_number(flow, "duration_ms"), row->text[FLOW_CELL_DURATION]);
	end_cell(row, flow);
}

uint64_t flow_row_bytes(const json_t *flow)
{
	return object_number(flow, "bytes_up") + object_number(flow, "bytes_down");
}
