// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the client does with text that is not its own: a line of the control protocol shown as
 * each of its tables (what comes out is safe on a terminal: printable ASCII and newlines), and
 * an nsswitch.conf (what comes out has one hosts line and every other line of the input).
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/client.c"
#include "tools/event_line.c"
#include "tools/explain.c"
#include "tools/flow_list.c"
#include "tools/flow_row.c"
#include "tools/format.c"
#include "tools/names.c"
#include "tools/object.c"
#include "tools/option.c"
#include "tools/table.c"

static void show(json_t *object, FILE *out)
{
	struct flow_row row;
	struct table *table;

	object_print(object, out);
	event_line_print(object, out);
	flow_row_fill(&row, object);
	require(!table_new(flow_columns, FLOW_CELL_NUM, &table));
	require(!table_add(table, row.cells, row.tone));
	table_print(table, out);
	table_free(table);
}

/* As all that "explain" and "flows" can be sent. */
static void show_as_kinds(json_t *object, FILE *out)
{
	static const char *const kinds[] = { "facts", "before", "tried", "explained" };
	struct flow_list list = { 0 };

	require(!flow_list_add(&list, object));
	flow_list_rates(&list, &list, 1000);
	flow_list_sort(&list, "name");
	require(!flow_list_print(&list, 0, out));
	flow_list_clear(&list);
	object_clean(object);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		explain_print(kinds[i], object, out);
}

static void fuzz_line(const char *line)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	const char *kind = NULL;
	json_t *root;
	json_t *object;

	require(out);
	if (client_parse(line, &root, &kind, &object) == ANSWER_OBJECT) {
		show(object, out);
		show_as_kinds(object, out);
	}
	json_decref(root);
	fclose(out);
	for (size_t i = 0; i < size; i++)
		require(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~'));
	free(text);
}

static size_t count_lines(const char *text, bool hosts)
{
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		n += is_hosts_line(text, len) == hosts;
		text += len + (text[len] == '\n');
	}
	return n;
}

static void replace_hosts(const char *host)
{
	char *text = names_nsswitch(host);

	require(text);
	require(count_lines(text, true) == 1);
	require(count_lines(text, false) == count_lines(host, false));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text);
	memcpy(text, data, size);
	text[size] = 0;
	fuzz_line(text);
	replace_hosts(text);
	free(text);
	return 0;
}
