/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies made of a configuration's text and of lists that lie in memory. */
#ifndef POLICY_WORLD_H
#define POLICY_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "bpf/dns_names.h"
#include "dns/policy.h"

#define UNUSED __attribute__((unused))
#define LISTS 8
#define YAML_MAX 65536

static const uint64_t seed[2] = { 0x9ddfea08eb382d69ULL, 0x7fb5d329728ea185ULL };

/* A configuration and its lists in the making. */
struct world {
	char yaml[YAML_MAX];
	size_t yaml_len;
	int list[LISTS];
	struct dns_bucket *table; /* of the policies made last */
	uint32_t buckets;
};

static __attribute__((unused, format(printf, 2, 3))) void say(struct world *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	w->yaml_len += (size_t)vsnprintf(w->yaml + w->yaml_len, YAML_MAX - w->yaml_len, fmt, ap);
	va_end(ap);
	assert_true(w->yaml_len < YAML_MAX);
}

static UNUSED int list_of(const char *text)
{
	int fd = memfd_create("list", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static UNUSED struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	for (unsigned int i = 0; i < LISTS; i++)
		w->list[i] = -1;
	return w;
}

static UNUSED void world_free(struct world *w)
{
	for (unsigned int i = 0; i < LISTS; i++) {
		if (w->list[i] >= 0)
			close(w->list[i]);
	}
	free(w->table);
	free(w);
}

static UNUSED struct conf *conf_of(struct world *w)
{
	static UNUSED struct conf_errors errors;
	struct conf *c = NULL;

	if (conf_read(w->yaml, w->yaml_len, "test.yaml", &c, &errors) < 0)
		fail_msg("%s\n%s", w->yaml, errors.text);
	return c;
}

/* Steps to the end, with a table of the test's own. Returns what the last step did. */
static UNUSED int finish(struct world *w, struct policies *p)
{
	int r = POLICIES_MORE;

	for (unsigned int i = 0; i < 10000 && r != POLICIES_DONE && r >= 0; i++) {
		r = policies_step(p);
		if (r != POLICIES_TABLE)
			continue;
		w->buckets = policies_buckets(p);
		free(w->table);
		w->table = calloc(w->buckets + DNS_BUCKETS_LOOKED, sizeof(*w->table));
		assert_non_null(w->table);
		policies_give_table(p, w->table, -1);
	}
	return r;
}

static UNUSED struct policies *compile(struct world *w)
{
	struct policies *p;

	assert_int_equal(policies_begin(conf_of(w), w->list, seed, &p), 0);
	if (finish(w, p) != POLICIES_DONE)
		fail_msg("%s", policies_errors(p)->text);
	return p;
}

static UNUSED struct name name_of(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text, &name), 0);
	return name;
}

#endif
