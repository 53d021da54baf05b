// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace rules`: the rules in force, in their order, and how many flows each has decided. */
#include <stdio.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/format.h"
#include "tools/object.h"
#include "tools/table.h"

#define RULES_TEXT_MAX 480

struct rules_view {
	struct table *table;
	json_t *head; /* of the list; owned */
	json_t *warnings; /* texts; owned */
};

static const struct option_spec rules_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static const struct table_column rules_columns[] = {
	{ .head = "RULE", .right = true },  { .head = "NAME" },	      { .head = "ACTION" },
	{ .head = "FLOWS", .right = true }, { .head = "CONDITIONS" },
};

/* "port 443, destination 192.0.2.0/24"; a rule without any is for every flow. */
static const char *rules_conditions(const json_t *rule, char buf[RULES_TEXT_MAX])
{
	const json_t *list = json_object_get(rule, "conditions"), *text;
	size_t i, len = 0;

	snprintf(buf, RULES_TEXT_MAX, "every flow");
	json_array_foreach(list, i, text) {
		int n = snprintf(buf + len, RULES_TEXT_MAX - len, "%s%s", i ? "; " : "",
				 json_string_value(text));

		if (n < 0 || (size_t)n >= RULES_TEXT_MAX - len)
			break;
		len += (size_t)n;
	}
	return buf;
}

static void rules_warn(struct rules_view *v, const json_t *rule)
{
	const json_t *text;
	char line[RULES_TEXT_MAX];
	size_t i;

	json_array_foreach(json_object_get(rule, "warnings"), i, text) {
		snprintf(line, sizeof(line), "rule %llu (%s): %s", object_number(rule, "rule"),
			 object_text(rule, "name", "?"), json_string_value(text));
		json_array_append_new(v->warnings, json_string(line));
	}
}

static void rules_row(struct rules_view *v, const char *place, const char *name, const char *action,
		      unsigned long long flows, const char *conditions)
{
	char number[FORMAT_MAX];
	const char *cells[] = { place, name, action, number, conditions };

	snprintf(number, sizeof(number), "%llu", flows);
	if (table_add(v->table, cells, TABLE_PLAIN))
		fprintf(stderr, "headrace: out of memory: a rule is missing\n");
}

static void rules_object(void *arg, const char *kind, json_t *object)
{
	char place[FORMAT_MAX], conditions[RULES_TEXT_MAX];
	struct rules_view *v = arg;

	object_clean(object);
	if (!strcmp(kind, "rules")) {
		json_decref(v->head);
		v->head = json_incref(object);
	}
	if (strcmp(kind, "rule") != 0)
		return;
	snprintf(place, sizeof(place), "%llu", object_number(object, "rule"));
	rules_row(v, place, object_text(object, "name", "?"), object_text(object, "action", "?"),
		  object_number(object, "hits"), rules_conditions(object, conditions));
	rules_warn(v, object);
}

static void rules_end(void *arg)
{
	struct rules_view *v = arg;
	const json_t *age = json_object_get(v->head, "age_ms"), *text;
	char since[FORMAT_MAX];
	size_t i;

	if (!v->head)
		return;
	rules_row(v, NULL, "default", object_text(v->head, "default", "?"),
		  object_number(v->head, "default_hits"), "what no rule decides");
	table_print(v->table, stdout);
	if (age)
		printf("\ngeneration %llu, in force for %s; flows decided since then\n",
		       object_number(v->head, "epoch"),
		       format_ms((uint64_t)json_integer_value(age), since));
	json_array_foreach(v->warnings, i, text)
		printf("%swarning: %s\n", i ? "" : "\n", json_string_value(text));
}

static int rules_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	struct rules_view view = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&rules_command, argc, argv, &opts, &status))
		return status;
	view.warnings = json_array();
	if (table_new(rules_columns, sizeof(rules_columns) / sizeof(rules_columns[0]),
		      &view.table)) {
		json_decref(view.warnings);
		fprintf(stderr, "headrace: out of memory\n");
		return EXIT_TROUBLE;
	}

	const struct client_show show = {
		.object = rules_object, .end = rules_end, .arg = &view, .json = opts.json
	};

	status = client_command(opts.instance, "rules", 0, &show);
	table_free(view.table);
	json_decref(view.warnings);
	json_decref(view.head);
	return status;
}

const struct command rules_command = {
	.name = "rules",
	.operands = "",
	.summary = "show the rules in force and how many flows each has decided",
	.details = "Shows the rules in force in their order: name, action, flows that each has\n"
		   "decided since they are in force, conditions; and what they name that is not\n"
		   "there.",
	.options = rules_options,
	.run = rules_main,
};
