/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What users ask the resolver by way of main: its state, its log, what is in its cache, and to
 * forget some of it. A question is a JSON object:
 *
 *   {"what": "all"}                    what `headrace dns` shows: stats, and the latest of the log
 *   {"what": "stats"}                  upstreams and cache
 *   {"what": "log", "follow": bool}    the latest queries, and then those that come
 *   {"what": "cache", "name": TEXT}    what is kept: of all names, or of this and those below it
 *   {"what": "flush", "name": TEXT}    forgets it, or without a name everything
 *   {"what": "lookup", "name": TEXT, "type": TEXT, "client": ADDRESS}   asks as that client would
 *
 * The answer is the lines of dns/show.h; what is wrong with a question is one of type "error".
 */
#ifndef DNS_CONSOLE_H
#define DNS_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "dns/service.h"

struct console;

struct console_options {
	struct loop *loop;
	struct service *service;
	/* Sends part of the answer to question `tag`; length 0 is its end. 0 or -errno. */
	int (*send)(uint64_t tag, const char *text, size_t len);
};

/* 0 or -ENOMEM. What is pointed to outlives it. */
int console_new(const struct console_options *options, struct console **ret_console);
/* Accepts NULL. */
void console_free(struct console *c);

/*
 * Answers: 0 = all but the end mark was sent, 1 = the end mark will follow, or
 * comes only with console_forget(); -ENOMEM.
 */
int console_ask(struct console *c, uint64_t tag, const char *text, size_t len);
void console_forget(struct console *c, uint64_t tag);

#endif
