/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An "event" object as a line of text, printed as it comes: `events`, `flows --follow`. */
#ifndef TOOLS_EVENT_LINE_H
#define TOOLS_EVENT_LINE_H

#include <stdio.h>

#include <jansson.h>

void event_head_print(FILE *out);
void event_line_print(const json_t *event, FILE *out);

#endif
