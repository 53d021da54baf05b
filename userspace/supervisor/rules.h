/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules about flows in force: compiled when the instance starts and at a reload, and kept
 * true while cgroups, devices and executables come, go and are replaced.
 */
#ifndef SUPERVISOR_RULES_H
#define SUPERVISOR_RULES_H

#include <stdbool.h>

#include "base/error.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "policy/tables.h"

struct cgroup_tree;
struct kernel;
struct rule_living;

#define RULES_GONE_MAX 4096 /* cgroups that are gone, of which there may still be sockets */

struct rules_prepared {
	struct conf *conf; /* a reference; NULL = none */
	struct policy_tables tables;
};

struct rules {
	struct loop *loop;
	struct kernel *kernel;
	bool host; /* what no rule decides is direct, else forward, unless `default` says */
	struct rules_prepared now, next;
	uint32_t sets; /* of now.tables that the kernel half has */
	struct rule_living *living; /* executables and devices as they were last */
	size_t livings;
	struct cgroup_tree *tree; /* NULL = no rule asks for cgroups */
	struct watch cgroups;
	struct watch devices; /* changes of devices */
	struct timer devices_delay; /* they come in crowds */
	struct timer files; /* executables are looked at */
	struct timer again; /* no room was left: all is loaded anew */
	uint64_t gone[RULES_GONE_MAX]; /* a ring */
	unsigned int gone_at;
};

/* One line about something that has no effect now: "rules: work: user 'x' does not exist". */
typedef void (*rules_warn_cb)(void *arg, const char *line);

void rules_init(struct rules *r, struct loop *loop);
/*
 * Compiles the rules of `c` and writes them where they take no effect yet. 0; -errno with the
 * reason in err: what was in force is in force.
 */
int rules_prepare(struct rules *r, struct conf *c, rules_warn_cb warn, void *arg,
		  char err[ERROR_TEXT_MAX]);
/* Puts them in force; `reset`: flows that were decided before are decided anew. */
void rules_commit(struct rules *r, bool reset);
void rules_cancel(struct rules *r);
/* All of it. `host`: see struct rules. 0 or -errno with err filled. */
int rules_start(struct rules *r, struct kernel *kernel, struct conf *c, bool host,
		char err[ERROR_TEXT_MAX]);
void rules_done(struct rules *r);

#endif
