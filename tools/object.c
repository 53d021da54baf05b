// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* JSON objects as text without knowing their keys (see object.h). */
#include <stdbool.h>
#include <string.h>

#include "tools/format.h"
#include "tools/object.h"
#include "tools/table.h"

#define DEPTH_MAX 4 /* deeper nesting is not shown: the daemon sends two levels */

const char *object_text(const json_t *object, const char *key, const char *missing)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : missing;
}

unsigned long long object_number(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n < 0 ? 0 : (unsigned long long)n;
}

static bool has_suffix(const char *key, const char *suffix)
{
	size_t len = strlen(key);
	size_t cut = strlen(suffix);

	return len > cut && !strcmp(key + len - cut, suffix);
}

static const char *number_value(const char *key, json_int_t n, char buf[OBJECT_VALUE_MAX])
{
	uint64_t u = n < 0 ? 0 : (uint64_t)n;

	if (!strncmp(key, "bytes_", 6) || has_suffix(key, "_bytes"))
		return format_bytes(u, buf);
	if (!strcmp(key, "time_ms"))
		return format_clock(u, buf);
	if (has_suffix(key, "_ms"))
		return format_ms(u, buf);
	if (has_suffix(key, "_us"))
		return format_us(u, buf);
	snprintf(buf, OBJECT_VALUE_MAX, "%lld", (long long)n);
	return buf;
}

const char *object_value(const char *key, const json_t *value, char buf[OBJECT_VALUE_MAX])
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return format_text(json_string_value(value), buf, OBJECT_VALUE_MAX);
	case JSON_INTEGER:
		return number_value(key, json_integer_value(value), buf);
	case JSON_REAL:
		snprintf(buf, OBJECT_VALUE_MAX, "%.3g", json_real_value(value));
		return buf;
	case JSON_TRUE:
		return "yes";
	case JSON_FALSE:
		return "no";
	default:
		return NULL;
	}
}

const char *object_label(const char *key, char buf[OBJECT_LABEL_MAX])
{
	static const char *const units[] = { "_ms", "_us" };

	format_text(key, buf, OBJECT_LABEL_MAX);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (has_suffix(buf, units[i]))
			buf[strlen(buf) - strlen(units[i])] = 0;
	}
	for (char *c = buf; *c; c++) {
		if (*c == '_')
			*c = ' ';
	}
	return buf;
}

static bool is_zero(const json_t *value)
{
	return json_is_integer(value) && !json_integer_value(value);
}

static bool is_shown(const json_t *value, int depth)
{
	if (json_is_string(value) && !*json_string_value(value))
		return false;
	return !depth || !is_zero(value);
}

static int label_width(const json_t *object, int depth)
{
	char label[OBJECT_LABEL_MAX];
	char text[OBJECT_VALUE_MAX];
	const char *key;
	json_t *value;
	size_t width = 0;

	json_object_foreach((json_t *)object, key, value) {
		if (!is_shown(value, depth) || !object_value(key, value, text))
			continue;

		size_t len = strlen(object_label(key, label));

		width = len > width ? len : width;
	}
	return (int)width;
}

static void print_scalars(const json_t *object, int depth, FILE *out)
{
	int width = label_width(object, depth);
	char label[OBJECT_LABEL_MAX];
	char text[OBJECT_VALUE_MAX];
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		const char *shown = object_value(key, value, text);

		if (!shown || !is_shown(value, depth))
			continue;
		fprintf(out, "%*s%-*s  %s\n", 2 * depth, "", width, object_label(key, label),
			shown);
	}
}

static void print_heading(const char *text, int depth, FILE *out)
{
	bool colour = table_colour(out);

	fprintf(out, "%*s%s%s%s\n", 2 * depth, "", colour ? "\033[1m" : "", text,
		colour ? "\033[0m" : "");
}

static void print_object(const json_t *object, int depth, FILE *out);

static void print_array(const char *key, const json_t *array, int depth, FILE *out)
{
	char text[OBJECT_VALUE_MAX];
	char label[OBJECT_LABEL_MAX];
	json_t *item;
	size_t i;

	if (json_array_size(array))
		print_heading(object_label(key, label), depth, out);
	json_array_foreach(array, i, item) {
		if (json_is_object(item)) {
			if (i)
				fputc('\n', out);
			print_object(item, depth + 1, out);
			continue;
		}

		const char *shown = object_value(key, item, text);

		if (shown)
			fprintf(out, "%*s- %s\n", 2 * (depth + 1), "", shown);
	}
}

static void print_object(const json_t *object, int depth, FILE *out)
{
	char label[OBJECT_LABEL_MAX];
	const char *key;
	json_t *value;

	print_scalars(object, depth, out);
	if (depth == DEPTH_MAX)
		return;
	json_object_foreach((json_t *)object, key, value) {
		if (json_is_object(value)) {
			print_heading(object_label(key, label), depth, out);
			print_object(value, depth + 1, out);
		} else if (json_is_array(value)) {
			print_array(key, value, depth, out);
		}
	}
}

void object_print(const json_t *object, FILE *out)
{
	print_object(object, 0, out);
}

void object_clean(json_t *value)
{
	char text[OBJECT_VALUE_MAX];
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		json_string_set(value, format_text(json_string_value(value), text, sizeof(text)));
	json_array_foreach(value, i, item)
		object_clean(item);
	json_object_foreach(value, key, item)
		object_clean(item);
}
