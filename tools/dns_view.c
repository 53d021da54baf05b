// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The columns of a table are what its first line has; later lines may have less. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/dns_view.h"
#include "tools/format.h"

static const char *dns_type(const json_t *object)
{
	return object_text(object, "type", "");
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

bool dns_view_error(const json_t *object)
{
	const char *text = object_text(object, "text", "refused");
	char safe[TABLE_CELL_MAX];

	if (strcmp(dns_type(object), "error") != 0)
		return false;
	fprintf(stderr, "headrace: %s\n", format_text(text, safe, sizeof(safe)));
	return true;
}

void dns_view_object(void *arg, const char *kind, json_t *object)
{
	char texts[TABLE_COLUMNS_MAX][OBJECT_VALUE_MAX];
	const char *cells[TABLE_COLUMNS_MAX];
	struct dns_view *v = arg;
	struct dns_section *s;

	if (strcmp(kind, "dns") != 0)
		return;
	if (dns_view_error(object)) {
		v->failed = true;
		return;
	}
	s = section_of(v, object);
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		json_t *value = json_object_get(object, s->keys[i]);

		cells[i] = value ? object_value(s->keys[i], value, texts[i]) : NULL;
	}
	if (table_add(s->table, cells, TABLE_PLAIN))
		fprintf(stderr, "headrace: out of memory: a line is missing\n");
}

void dns_view_end(void *arg)
{
	struct dns_view *v = arg;

	for (size_t i = 0; i < v->used; i++) {
		printf("%s%s\n", i ? "\n" : "", dns_type(v->sections[i].first));
		table_print(v->sections[i].table, stdout);
	}
}

void dns_view_done(struct dns_view *v)
{
	for (size_t i = 0; i < v->used; i++) {
		table_free(v->sections[i].table);
		json_decref(v->sections[i].first);
	}
	memset(v, 0, sizeof(*v));
}
