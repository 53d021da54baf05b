// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace dns`: what the resolver says of itself. Lines are told apart by their "type" and
 * shown as one table per type; the columns are the keys of the type's first line.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/object.h"
#include "tools/table.h"

#define DNS_TYPES_MAX 8

struct dns_section {
	json_t *first; /* keeps the keys, which are the heads */
	struct table *table;
	struct table_column columns[TABLE_COLUMNS_MAX];
	const char *keys[TABLE_COLUMNS_MAX]; /* of `first` */
	char heads[TABLE_COLUMNS_MAX][OBJECT_LABEL_MAX];
	size_t count;
};

struct dns_view {
	struct dns_section sections[DNS_TYPES_MAX];
	size_t used;
};

static const struct option_spec dns_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static const char *dns_type(const json_t *object)
{
	const char *type = json_string_value(json_object_get(object, "type"));

	return type ? type : "";
}

/* The heads of all our tables are capital letters. */
static const char *section_head(const char *key, char head[OBJECT_LABEL_MAX])
{
	object_label(key, head);
	for (char *c = head; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return head;
}

static int section_init(struct dns_section *s, json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		if (!strcmp(key, "type") || s->count == TABLE_COLUMNS_MAX)
			continue;
		s->keys[s->count] = key;
		s->columns[s->count] = (struct table_column){
			.head = section_head(key, s->heads[s->count]),
			.right = json_is_number(value),
		};
		s->count++;
	}
	if (table_new(s->columns, s->count, &s->table))
		return -1;
	s->first = json_incref(object);
	return 0;
}

static struct dns_section *section_of(struct dns_view *v, json_t *object)
{
	for (size_t i = 0; i < v->used; i++) {
		if (!strcmp(dns_type(v->sections[i].first), dns_type(object)))
			return &v->sections[i];
	}
	if (v->used == DNS_TYPES_MAX || section_init(&v->sections[v->used], object))
		return NULL;
	return &v->sections[v->used++];
}

static void dns_object(void *arg, const char *kind, json_t *object)
{
	char texts[TABLE_COLUMNS_MAX][OBJECT_VALUE_MAX];
	const char *cells[TABLE_COLUMNS_MAX];
	struct dns_section *s = strcmp(kind, "dns") ? NULL : section_of(arg, object);

	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		json_t *value = json_object_get(object, s->keys[i]);

		cells[i] = value ? object_value(s->keys[i], value, texts[i]) : NULL;
	}
	if (table_add(s->table, cells, TABLE_PLAIN))
		fprintf(stderr, "headrace: out of memory: a line is missing\n");
}

static void dns_end(void *arg)
{
	struct dns_view *v = arg;

	for (size_t i = 0; i < v->used; i++) {
		printf("%s%s\n", i ? "\n" : "", dns_type(v->sections[i].first));
		table_print(v->sections[i].table, stdout);
	}
}

static int dns_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	struct dns_view view = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&dns_command, argc, argv, &opts, &status))
		return status;

	const struct client_show show = {
		.object = dns_object, .end = dns_end, .arg = &view, .json = opts.json
	};

	status = client_command(opts.instance, "dns", 0, &show);
	for (size_t i = 0; i < view.used; i++) {
		table_free(view.sections[i].table);
		json_decref(view.sections[i].first);
	}
	return status;
}

const struct command dns_command = {
	.name = "dns",
	.operands = "",
	.summary = "show upstream servers, cache and latest queries of the resolver",
	.details = "Shows what the resolver says of itself: upstream servers, the cache, and the\n"
		   "latest queries.",
	.options = dns_options,
	.run = dns_main,
};
