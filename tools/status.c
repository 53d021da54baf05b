// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace status`: what an instance is made of and what its roles count. */
#include <stdio.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/format.h"
#include "tools/object.h"
#include "tools/table.h"

static const struct option_spec status_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static void print_family(const json_t *status, const char *name, const char *device,
			 const char *bits, const char *stack)
{
	if (json_object_get(status, device))
		printf("%-10s%s/%llu, stack and DNS %s\n", name, object_text(status, device, "?"),
		       object_number(status, bits), object_text(status, stack, "?"));
}

/* What "ready" says too, in a few lines; the keys are then gone from the object. */
static void print_identity(json_t *status)
{
	static const char *const keys[] = { "instance", "version", "pid",     "uptime_ms",
					    "tun",	"mtu",	   "stack4",  "device4",
					    "bits4",	"stack6",  "device6", "bits6" };
	char uptime[FORMAT_MAX];

	printf("%-10s%s\n", "instance", object_text(status, "instance", "?"));
	printf("%-10sheadraced %s, pid %llu, up %s\n", "daemon",
	       object_text(status, "version", "?"), object_number(status, "pid"),
	       format_ms(object_number(status, "uptime_ms"), uptime));
	printf("%-10s%s, MTU %llu\n", "device", object_text(status, "tun", "?"),
	       object_number(status, "mtu"));
	print_family(status, "IPv4", "device4", "bits4", "stack4");
	print_family(status, "IPv6", "device6", "bits6", "stack6");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_del(status, keys[i]);
}

/* A column of a table of objects, one row each. */
struct status_column {
	const char *key;
	struct table_column column;
};

typedef int row_add(struct table *table, json_t *object);

static void print_rows(const struct status_column *columns, size_t n, json_t *objects, row_add *add,
		       FILE *out)
{
	struct table_column heads[TABLE_COLUMNS_MAX];
	struct table *table;
	json_t *object;
	size_t i;

	for (i = 0; i < n; i++)
		heads[i] = columns[i].column;
	if (table_new(heads, n, &table))
		return;
	json_array_foreach(objects, i, object) {
		if (add(table, object))
			break;
	}
	table_print(table, out);
	fputc('\n', out);
	table_free(table);
}

/* What each role has to do and how much that takes. */
static const struct status_column load[] = {
	{ "name", { .head = "ROLE" } },
	{ "state", { .head = "STATE" } },
	{ "pid", { .head = "PID", .right = true } },
	{ "cpu_ms", { .head = "CPU", .right = true } },
	{ "tcp_open", { .head = "TCP", .right = true } },
	{ "udp_open", { .head = "UDP", .right = true } },
	{ "icmp_open", { .head = "ICMP", .right = true } },
	{ "tun_rx", { .head = "PKTS UP", .right = true } },
	{ "tun_rx_bytes", { .head = "BYTES UP", .right = true } },
	{ "tun_tx", { .head = "PKTS DOWN", .right = true } },
	{ "tun_tx_bytes", { .head = "BYTES DOWN", .right = true } },
	{ "drops", { .head = "DROPS", .right = true } },
	{ "restarts", { .head = "RESTARTS", .right = true } },
};

#define LOAD_COLUMNS (sizeof(load) / sizeof(load[0]))
_Static_assert(LOAD_COLUMNS <= TABLE_COLUMNS_MAX, "columns of a table");

/* The keys in the row are then gone from the role, but for its name; one without others, too. */
static int add_role(struct table *table, json_t *role)
{
	char text[LOAD_COLUMNS][OBJECT_VALUE_MAX];
	const char *cells[LOAD_COLUMNS];
	int err;

	for (size_t i = 0; i < LOAD_COLUMNS; i++) {
		const json_t *value = json_object_get(role, load[i].key);

		cells[i] = value ? object_value(load[i].key, value, text[i]) : NULL;
	}
	err = table_add(table, cells, TABLE_PLAIN);
	for (size_t i = 1; i < LOAD_COLUMNS; i++)
		json_object_del(role, load[i].key);
	return err;
}

/* Has a role, which its name tells, nothing to say besides its row? Zeroes are not shown. */
static bool is_said(const json_t *role)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)role, key, value) {
		if (strcmp(key, load[0].key) != 0 &&
		    (!json_is_integer(value) || json_integer_value(value)))
			return false;
	}
	return true;
}

static void print_load(json_t *roles, FILE *out)
{
	fputc('\n', out);
	print_rows(load, LOAD_COLUMNS, roles, add_role, out);
	for (size_t i = json_array_size(roles); i--;) {
		json_t *role = json_array_get(roles, i);

		json_object_del(role, "slot");
		if (is_said(role))
			json_array_remove(roles, i);
	}
}

/* What each role may hold, how much it does, and how often that was not enough. */
static const struct status_column budgets[] = {
	{ "budget", { .head = "BUDGET" } },
	{ "where", { .head = "WHERE" } },
	{ "used", { .head = "USED", .right = true } },
	{ "limit", { .head = "LIMIT", .right = true } },
	{ "limit_per_source", { .head = "PER SOURCE", .right = true } },
	{ "hits", { .head = "HIT", .right = true } },
	{ "evicted", { .head = "EVICTED", .right = true } },
};

#define BUDGET_COLUMNS (sizeof(budgets) / sizeof(budgets[0]))
_Static_assert(BUDGET_COLUMNS <= TABLE_COLUMNS_MAX, "columns of a table");

static int add_budget(struct table *table, json_t *budget)
{
	const char *name = object_text(budget, "budget", "?");
	char text[BUDGET_COLUMNS][OBJECT_VALUE_MAX];
	const char *cells[BUDGET_COLUMNS];

	for (size_t i = 0; i < BUDGET_COLUMNS; i++) {
		const json_t *value = json_object_get(budget, budgets[i].key);
		/* bytes are shown as such where the budget's name says so */
		bool bytes = json_is_integer(value) && strstr(name, "_bytes") && i < 5;

		cells[i] = value ? object_value(bytes ? name : budgets[i].key, value, text[i]) :
				   NULL;
	}
	return table_add(table, cells, object_number(budget, "hits") ? TABLE_BAD : TABLE_PLAIN);
}

/* A limit that the table shows is not shown again. */
static void forget_limit(json_t *limits, const char *name)
{
	char per_source[64];

	json_object_del(limits, name);
	snprintf(per_source, sizeof(per_source), "%s_per_source", name);
	json_object_del(limits, per_source);
}

static void print_budgets(json_t *status, FILE *out)
{
	json_t *list = json_object_get(status, "budgets"), *budget;
	size_t i;

	print_rows(budgets, BUDGET_COLUMNS, list, add_budget, out);
	json_array_foreach(list, i, budget)
		forget_limit(json_object_get(status, "limits"), object_text(budget, "budget", "?"));
	json_object_del(status, "budgets");
}

/* The devices at which a host is captured. */
static const struct status_column captures[] = {
	{ "device", { .head = "CAPTURED" } },
	{ "point", { .head = "AS" } },
	{ "mode", { .head = "BY" } },
	{ "error", { .head = "WHY NOT" } },
};

#define CAPTURE_COLUMNS (sizeof(captures) / sizeof(captures[0]))

static int add_capture(struct table *table, json_t *capture)
{
	const char *cells[CAPTURE_COLUMNS];

	for (size_t i = 0; i < CAPTURE_COLUMNS; i++)
		cells[i] = object_text(capture, captures[i].key, NULL);
	return table_add(table, cells, cells[CAPTURE_COLUMNS - 1] ? TABLE_BAD : TABLE_PLAIN);
}

static void print_captures(json_t *status, FILE *out)
{
	json_t *list = json_object_get(status, "captures");

	if (json_array_size(list))
		print_rows(captures, CAPTURE_COLUMNS, list, add_capture, out);
	json_object_del(status, "captures");
}

static void status_object(void *arg, const char *kind, json_t *object)
{
	if (strcmp(kind, "status") != 0)
		return;
	print_identity(object);
	print_load(json_object_get(object, "roles"), stdout);
	print_captures(object, stdout);
	print_budgets(object, stdout);
	object_print(object, stdout);
}

static int status_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&status_command, argc, argv, &opts, &status))
		return status;

	const struct client_show show = { .object = status_object, .json = opts.json };

	return client_command(opts.instance, "status", 0, &show);
}

const struct command status_command = {
	.name = "status",
	.operands = "",
	.summary = "show addresses, features, roles and counters of an instance",
	.details = "Shows the addresses of an instance, what each of its processes has to do, how\n"
		   "it does its work on this kernel, what it counts, and advice where the host's\n"
		   "settings stand in the way.",
	.options = status_options,
	.run = status_main,
};
