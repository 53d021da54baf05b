// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace flows [--follow]`: the open flows, and then what becomes of them. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/event_line.h"
#include "tools/flow_row.h"
#include "tools/table.h"

struct flows_view {
	struct table *table;
	bool printed; /* the table of open flows is out: only events follow */
	bool follow;
};

static const struct option_spec flow_options[] = {
	CLIENT_OPTION_FOLLOW,
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static void flows_print(struct flows_view *v)
{
	if (v->printed)
		return;
	v->printed = true;
	if (table_rows(v->table))
		table_print(v->table, stdout);
	else
		puts("no open flows");
	if (v->follow) {
		putchar('\n');
		event_head_print(stdout);
	}
	fflush(stdout);
}

static void flows_object(void *arg, const char *kind, json_t *object)
{
	struct flows_view *v = arg;
	struct flow_row row;

	if (!strcmp(kind, "event")) {
		flows_print(v);
		event_line_print(object, stdout);
		return;
	}
	if (strcmp(kind, "flow") != 0)
		return;
	flow_row_fill(&row, object);
	if (table_add(v->table, row.cells, row.tone))
		fprintf(stderr, "headrace: out of memory: a flow is missing\n");
}

static void flows_end(void *arg)
{
	flows_print(arg);
}

static int flows_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	struct flows_view view = { 0 };
	struct table_column columns[FLOW_CELL_NUM];
	int status = EXIT_TROUBLE;

	if (option_parse_only(&flows_command, argc, argv, &opts, &status))
		return status;
	memcpy(columns, flow_columns, sizeof(columns));
	columns[FLOW_CELL_END].head = "STATE";
	if (table_new(columns, FLOW_CELL_NUM, &view.table)) {
		fprintf(stderr, "headrace: out of memory\n");
		return EXIT_TROUBLE;
	}
	view.follow = opts.follow;

	const struct client_show show = {
		.object = flows_object, .end = flows_end, .arg = &view, .json = opts.json
	};

	status = client_command(opts.instance, "flows", opts.follow, &show);
	table_free(view.table);
	return status;
}

const struct command flows_command = {
	.name = "flows",
	.operands = "",
	.summary = "show the open flows with names and counters",
	.details =
		"Shows the open flows: name and address, protocol, verdict, bytes each way, age\n"
		"and state.",
	.options = flow_options,
	.run = flows_main,
};
