/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `explain` reads and writes, apart from asking. */
#ifndef TOOLS_EXPLAIN_H
#define TOOLS_EXPLAIN_H

#include <stdio.h>

#include <jansson.h>

#define EXPLAIN_DEST_MAX 256

/*
 * "192.0.2.1", "www.example.org:443", "[2001:db8::1]:53": *ret_port is 0 without one. NULL, or
 * what is wrong.
 */
const char *explain_split(const char *operand, char dest[EXPLAIN_DEST_MAX], long *ret_port);
/* One object of the answer, which is clean (object_clean()), in words. */
void explain_print(const char *kind, const json_t *object, FILE *out);

#endif
