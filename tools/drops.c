// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace drops`: why packets and queries were dropped, with counts. */
#include <stdio.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/object.h"
#include "tools/table.h"

enum drop_cell {
	DROP_CELL_WHERE,
	DROP_CELL_REASON,
	DROP_CELL_COUNT,
	DROP_CELL_TEXT,
	DROP_CELL_NUM
};

static const struct table_column drop_columns[DROP_CELL_NUM] = {
	[DROP_CELL_WHERE] = { .head = "WHERE" },
	[DROP_CELL_REASON] = { .head = "REASON" },
	[DROP_CELL_COUNT] = { .head = "COUNT", .right = true },
	[DROP_CELL_TEXT] = { .head = "WHAT IT MEANS" },
};

static const struct option_spec drop_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static void drop_object(void *arg, const char *kind, json_t *object)
{
	char count[OBJECT_VALUE_MAX];
	const char *cells[DROP_CELL_NUM];
	json_t *number = json_object_get(object, "count");

	if (strcmp(kind, "drop") != 0)
		return;
	cells[DROP_CELL_WHERE] = object_text(object, "where", NULL);
	cells[DROP_CELL_REASON] = object_text(object, "reason", NULL);
	cells[DROP_CELL_COUNT] = number ? object_value("count", number, count) : NULL;
	cells[DROP_CELL_TEXT] = object_text(object, "text", NULL);
	if (table_add(arg, cells, TABLE_PLAIN))
		fprintf(stderr, "headrace: out of memory: a line is missing\n");
}

static void drop_end(void *arg)
{
	if (table_rows(arg))
		table_print(arg, stdout);
	else
		puts("nothing was dropped");
}

static int drops_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	struct table *table;
	int status = EXIT_TROUBLE;

	if (option_parse_only(&drops_command, argc, argv, &opts, &status))
		return status;
	if (table_new(drop_columns, DROP_CELL_NUM, &table)) {
		fprintf(stderr, "headrace: out of memory\n");
		return EXIT_TROUBLE;
	}

	const struct client_show show = {
		.object = drop_object, .end = drop_end, .arg = table, .json = opts.json
	};

	status = client_command(opts.instance, "drops", 0, &show);
	table_free(table);
	return status;
}

const struct command drops_command = {
	.name = "drops",
	.operands = "",
	.summary = "show what was dropped or refused, by reason",
	.details =
		"Shows every reason for which a packet or a query was dropped or refused, where\n"
		"that was decided, and how often.",
	.options = drop_options,
	.run = drops_main,
};
