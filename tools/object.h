/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON objects as text without knowing their keys: a key that the daemon adds is shown. The
 * unit is the suffix of the key (_bytes, _ms, _us), as base/control.h promises.
 */
#ifndef TOOLS_OBJECT_H
#define TOOLS_OBJECT_H

#include <stdio.h>

#include <jansson.h>

#define OBJECT_VALUE_MAX 320

/* `value` of `key` as text; NULL for objects, arrays and null. Returns buf or a string. */
const char *object_value(const char *key, const json_t *value, char buf[OBJECT_VALUE_MAX]);

/*
 * Prints "label  value" lines, then nested objects and arrays as indented sections. Numbers
 * that are zero are left out in nested ones: counters of what did not happen.
 */
void object_print(const json_t *object, FILE *out);

#endif
