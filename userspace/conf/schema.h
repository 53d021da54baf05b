/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the tables of keys are written: where a value goes and how large it is, told once. */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <stddef.h>

#define WORD(name, text) [name] = text,
#define WORDS(list) .words = list, .words_num = sizeof(list) / sizeof((list)[0])
#define KEYS(list) .keys = list, .num = sizeof(list) / sizeof((list)[0])

#define FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define COUNT(type, member)                                                                        \
	.count = offsetof(type, member), .count_size = sizeof(((type *)0)->member)
/* Allocated: a pointer and how many. */
#define MANY(type, member, members)                                                                \
	.offset = offsetof(type, member), .size = sizeof(*((type *)0)->member), COUNT(type, members)
/* Room for `max` in the structure itself. */
#define SOME(type, member, members)                                                                \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member[0]), .fixed = true,   \
	COUNT(type, members)

#define LINE(type) .lined = true, .line = offsetof(type, line)

#endif
