// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Flows as a table (see flow_list.h); a key that is missing shows as "-". */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "tools/flow_list.h"
#include "tools/flow_row.h"
#include "tools/format.h"
#include "tools/object.h"
#include "tools/table.h"

enum {
	CELL_PROCESS,
	CELL_USER,
	CELL_UNIT,
	CELL_NAME,
	CELL_ADDRESS,
	CELL_PROTO,
	CELL_VERDICT,
	CELL_RULE,
	CELL_CARRIER,
	CELL_STATE,
	CELL_RATE,
	CELL_UP,
	CELL_DOWN,
	CELL_TIME,
	CELL_NUM
};

static const struct table_column list_columns[CELL_NUM] = {
	[CELL_PROCESS] = { .head = "PROCESS" },
	[CELL_USER] = { .head = "USER" },
	[CELL_UNIT] = { .head = "UNIT" },
	[CELL_NAME] = { .head = "NAME" },
	[CELL_ADDRESS] = { .head = "ADDRESS" },
	[CELL_PROTO] = { .head = "PROTO" },
	[CELL_VERDICT] = { .head = "VERDICT" },
	[CELL_RULE] = { .head = "RULE" },
	[CELL_CARRIER] = { .head = "CARRIER" },
	[CELL_STATE] = { .head = "STATE" },
	[CELL_RATE] = { .head = "RATE", .right = true },
	[CELL_UP] = { .head = "UP", .right = true },
	[CELL_DOWN] = { .head = "DOWN", .right = true },
	[CELL_TIME] = { .head = "TIME", .right = true },
};

/* --- cells ---------------------------------------------------------------------------------- */

/* "curl/42"; of a client whose processes are not known here, its address. */
static const char *process_cell(const json_t *flow, char buf[FLOW_TEXT_MAX])
{
	const char *process = object_text(flow, "process", NULL);

	if (!json_object_get(flow, "pid"))
		return object_text(flow, "saddr", NULL);
	snprintf(buf, FLOW_TEXT_MAX, "%s/%llu", process ? process : "?",
		 object_number(flow, "pid"));
	return buf;
}

static const char *user_cell(const json_t *flow, char buf[FLOW_TEXT_MAX])
{
	const struct passwd *user;

	if (!json_object_get(flow, "uid"))
		return NULL;
	user = getpwuid((uid_t)object_number(flow, "uid"));
	if (user)
		snprintf(buf, FLOW_TEXT_MAX, "%s", user->pw_name);
	else
		snprintf(buf, FLOW_TEXT_MAX, "%llu", object_number(flow, "uid"));
	return buf;
}

/* The unit, else the end of the cgroup's path, else what a LAN client is told by. */
static const char *unit_cell(const json_t *flow)
{
	const char *unit = object_text(flow, "unit", NULL),
		   *path = object_text(flow, "cgroup", NULL);
	const char *last = path ? strrchr(path, '/') : NULL;

	if (unit)
		return unit;
	if (last)
		return last[1] ? last + 1 : path;
	return object_text(flow, "mac", NULL);
}

static const char *rule_cell(const json_t *flow, char buf[FLOW_TEXT_MAX])
{
	const char *name = object_text(flow, "rule_name", NULL),
		   *opened = object_text(flow, "opened", NULL);

	if (name || !json_object_get(flow, "rule"))
		return name;
	if (opened) /* never decided about: it was opened from outside, or before us */
		return opened;
	if (!object_number(flow, "rule"))
		return "default";
	snprintf(buf, FLOW_TEXT_MAX, "%llu", object_number(flow, "rule"));
	return buf;
}

static int list_add_row(struct table *t, const json_t *flow, uint64_t rate)
{
	char process[FLOW_TEXT_MAX], user[FLOW_TEXT_MAX], rule[FLOW_TEXT_MAX], per_s[FORMAT_MAX];
	const char *cells[CELL_NUM];
	struct flow_row row;

	flow_row_fill(&row, flow);
	cells[CELL_PROCESS] = process_cell(flow, process);
	cells[CELL_USER] = user_cell(flow, user);
	cells[CELL_UNIT] = unit_cell(flow);
	cells[CELL_NAME] = row.cells[FLOW_CELL_NAME];
	cells[CELL_ADDRESS] = row.cells[FLOW_CELL_ADDRESS];
	cells[CELL_PROTO] = row.cells[FLOW_CELL_PROTO];
	cells[CELL_VERDICT] = row.cells[FLOW_CELL_VERDICT];
	cells[CELL_RULE] = rule_cell(flow, rule);
	cells[CELL_CARRIER] = object_text(flow, "carrier", NULL);
	cells[CELL_STATE] = row.cells[FLOW_CELL_END];
	cells[CELL_RATE] = format_bytes(rate, per_s);
	cells[CELL_UP] = row.cells[FLOW_CELL_UP];
	cells[CELL_DOWN] = row.cells[FLOW_CELL_DOWN];
	cells[CELL_TIME] = row.cells[FLOW_CELL_DURATION];
	return table_add(t, cells, row.tone);
}

int flow_list_print(const struct flow_list *l, size_t rows, FILE *out)
{
	size_t num = rows && rows < l->count ? rows : l->count;
	struct table *t;
	int err = table_new(list_columns, CELL_NUM, &t);

	if (err)
		return err;
	for (size_t i = 0; !err && i < num; i++)
		err = list_add_row(t, l->flow[i], l->rate[i]);
	if (!err)
		table_print(t, out);
	table_free(t);
	return err;
}

/* --- the list ------------------------------------------------------------------------------- */

int flow_list_add(struct flow_list *l, json_t *flow)
{
	size_t size = l->size ? 2 * l->size : 64;
	json_t **flows;
	uint64_t *rates;

	if (l->count == FLOW_LIST_MAX)
		return -E2BIG;
	if (l->count == l->size) {
		flows = realloc(l->flow, size * sizeof(json_t *));
		if (!flows)
			return -ENOMEM;
		l->flow = flows;
		rates = realloc(l->rate, size * sizeof(*rates));
		if (!rates)
			return -ENOMEM;
		l->rate = rates;
		l->size = size;
	}
	l->rate[l->count] = 0;
	l->flow[l->count++] = json_incref(flow);
	return 0;
}

void flow_list_clear(struct flow_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		json_decref(l->flow[i]);
	free(l->flow);
	free(l->rate);
	*l = (struct flow_list){ 0 };
}

static void list_key(const json_t *flow, char buf[256])
{
	const char *proto = object_text(flow, "proto", NULL),
		   *saddr = object_text(flow, "saddr", NULL);
	const char *daddr = object_text(flow, "daddr", NULL);

	snprintf(buf, 256, "%s %s %llu %s %llu", proto ? proto : "", saddr ? saddr : "",
		 object_number(flow, "sport"), daddr ? daddr : "", object_number(flow, "dport"));
}

/* {key: bytes} */
static json_t *bytes_by_key(const struct flow_list *l)
{
	json_t *bytes = json_object();
	char key[256];

	for (size_t i = 0; bytes && l && i < l->count; i++) {
		list_key(l->flow[i], key);
		json_object_set_new_nocheck(bytes, key,
					    json_integer((json_int_t)flow_row_bytes(l->flow[i])));
	}
	return bytes;
}

static uint64_t per_second(uint64_t bytes, uint64_t ms)
{
	return ms ? (uint64_t)((double)bytes * 1000 / (double)ms) : 0;
}

void flow_list_rates(struct flow_list *l, const struct flow_list *before, uint64_t ms)
{
	json_t *known = bytes_by_key(before), *then;
	char key[256];

	for (size_t i = 0; i < l->count; i++) {
		uint64_t bytes = flow_row_bytes(l->flow[i]), life;

		list_key(l->flow[i], key);
		then = json_object_get(known, key);
		life = object_number(l->flow[i], "duration_ms");
		/* fewer bytes than before: another flow of the same key */
		if (then && (uint64_t)json_integer_value(then) <= bytes)
			l->rate[i] = per_second(bytes - (uint64_t)json_integer_value(then), ms);
		else
			l->rate[i] = per_second(bytes, life);
	}
	json_decref(known);
}

/* --- sorting -------------------------------------------------------------------------------- */

struct sorted {
	json_t *flow;
	uint64_t rate;
};

static int larger_first(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int by_text(const void *a, const void *b, const char *key)
{
	const char *x = object_text(((const struct sorted *)a)->flow, key, NULL);
	const char *y = object_text(((const struct sorted *)b)->flow, key, NULL);

	if (!x || !y)
		return (y != NULL) - (x != NULL);
	return strcmp(x, y);
}

static int by_number(const void *a, const void *b, const char *key)
{
	return larger_first(object_number(((const struct sorted *)a)->flow, key),
			    object_number(((const struct sorted *)b)->flow, key));
}

/* X(what people write, how two flows compare) */
#define SORTS(X)                                                                                   \
	X(bytes, larger_first(flow_row_bytes(((const struct sorted *)a)->flow),                    \
			      flow_row_bytes(((const struct sorted *)b)->flow)))                   \
	X(rate, larger_first(((const struct sorted *)a)->rate, ((const struct sorted *)b)->rate))  \
	X(up, by_number(a, b, "bytes_up"))                                                         \
	X(down, by_number(a, b, "bytes_down"))                                                     \
	X(time, by_number(a, b, "duration_ms"))                                                    \
	X(idle, by_number(a, b, "idle_ms"))                                                        \
	X(process, by_text(a, b, "process"))                                                       \
	X(name, by_text(a, b, "domain"))                                                           \
	X(rule, by_number(a, b, "rule"))

#define SORT_FN(name, compare)                                                                     \
	static int sort_by_##name(const void *a, const void *b)                                    \
	{                                                                                          \
		return compare;                                                                    \
	}
SORTS(SORT_FN)

#define SORT_ENTRY(name, compare) { #name, sort_by_##name },
static const struct {
	const char *name;
	int (*compare)(const void *a, const void *b);
} sorts[] = { SORTS(SORT_ENTRY) };

#define SORT_COUNT (sizeof(sorts) / sizeof(sorts[0]))

const char *flow_list_sort_wrong(const char *by)
{
	for (size_t i = 0; i < SORT_COUNT; i++)
		if (!strcmp(by, sorts[i].name))
			return NULL;
	return "expected bytes, rate, up, down, time, idle, process, name or rule";
}

void flow_list_sort(struct flow_list *l, const char *by)
{
	struct sorted *s = calloc(l->count + 1, sizeof(*s));
	size_t how = 0;

	if (!s)
		return;
	while (how < SORT_COUNT - 1 && strcmp(by, sorts[how].name) != 0)
		how++;
	for (size_t i = 0; i < l->count; i++)
		s[i] = (struct sorted){ l->flow[i], l->rate[i] };
	qsort(s, l->count, sizeof(*s), sorts[how].compare);
	for (size_t i = 0; i < l->count; i++) {
		l->flow[i] = s[i].flow;
		l->rate[i] = s[i].rate;
	}
	free(s);
}
