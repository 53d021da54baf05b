/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON objects as text without knowing their keys: a key that the daemon adds is shown. The
 * unit is the suffix of the key (_bytes, _ms, _us), as base/control.h promises; "time_ms" is
 * a time of day.
 */
#ifndef TOOLS_OBJECT_H
#define TOOLS_OBJECT_H

#include <stdio.h>

#include <jansson.h>

#define OBJECT_VALUE_MAX 320
#define OBJECT_LABEL_MAX 64

/* The text at `key`; `missing` if there is none. */
const char *object_text(const json_t *object, const char *key, const char *missing);
/* The number at `key`; 0 if there is none, or one below 0. */
unsigned long long object_number(const json_t *object, const char *key);

/* "tcp_open" -> "tcp open", "rtt_us" -> "rtt": the unit stands with the value. Returns buf. */
const char *object_label(const char *key, char buf[OBJECT_LABEL_MAX]);

/* `value` of `key` as text; NULL for objects, arrays and null. Returns buf or a string. */
const char *object_value(const char *key, const json_t *value, char buf[OBJECT_VALUE_MAX]);

/* Makes every text in it, at any depth, safe on a terminal: for those who print it themselves. */
void object_clean(json_t *value);

/*
 * Prints "label  value" lines, then nested objects and arrays as indented sections. Numbers
 * that are zero are left out in nested ones: counters of what did not happen.
 */
void object_print(const json_t *object, FILE *out);

#endif
