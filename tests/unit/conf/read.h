/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A text read as a configuration: taken, or refused for exactly one reason. */
#ifndef UNIT_CONF_READ_H
#define UNIT_CONF_READ_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

#define NUM(array) (sizeof(array) / sizeof((array)[0]))
#define PATH "/etc/x/f.yaml"

/* The latest text's. */
static struct conf_errors errors;
static struct conf *conf;

static inline int teardown(void **state)
{
	conf_free(conf);
	conf = NULL;
	return 0;
}

static inline int read_text(const char *text)
{
	conf_free(conf);
	conf = NULL;
	return conf_read(text, strlen(text), PATH, &conf, &errors);
}

static inline void takes(const char *text)
{
	if (read_text(text))
		fail_msg("refused: %s", errors.text);
	assert_int_equal(errors.num, 0);
}

/* Exactly one error, and it says `says` after `head`. */
static inline void refuses_from(const char *text, const char *head, const char *says)
{
	if (!read_text(text))
		fail_msg("taken: %s", text);
	if (errors.num != 1 || strncmp(errors.text, head, strlen(head)) != 0 ||
	    !strstr(errors.text, says))
		fail_msg("of:\n%s\nit says (%u):\n%sexpected one error from %s with: %s", text,
			 errors.num, errors.text, head, says);
}

static inline void refuses(const char *text, const char *says)
{
	refuses_from(text, PATH, says);
}

static inline void refuses_at(const char *text, unsigned int line, const char *says)
{
	char head[32];

	snprintf(head, sizeof(head), PATH ":%u: ", line);
	refuses_from(text, head, says);
}

#endif
