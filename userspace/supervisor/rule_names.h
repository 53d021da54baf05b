/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the names in rules stand for on this host now: users, executables, devices. Cgroups are
 * added by who follows them.
 */
#ifndef SUPERVISOR_RULE_NAMES_H
#define SUPERVISOR_RULE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/compile.h"

struct rule_names {
	struct policy_name *name; /* their texts are owned */
	size_t num, room;
	bool failed; /* no memory */
};

void rule_names_done(struct rule_names *n);
void rule_names_add(struct rule_names *n, enum rule_dim dim, const char *name, uint64_t a,
		    uint64_t b);
/* Of the dimension what there is and rules of `c` name: RULE_UID, RULE_EXE, RULE_DEVICE. */
void rule_names_find(struct rule_names *n, const struct conf *c, enum rule_dim dim);

/* What a rule names and is not among them: "user 'x' does not exist". */
typedef void (*rule_names_cb)(void *arg, const struct conf_flow_rule *rule, const char *what);
void rule_names_missing(const struct rule_names *n, const struct conf *c, rule_names_cb fn,
			void *arg);

/*
 * The kernel half's number of a file: its inode and the device of its filesystem, or, where no
 * mountinfo that is looked at has that, the device that stat() tells. 0 or -errno.
 */
int rule_file_identify(const char *path, uint64_t *ret_inode, uint32_t *ret_device);
/* The same of what a process executes, in whatever mount namespace. -ENOENT: a kernel thread. */
int rule_process_identify(uint32_t pid, uint64_t *ret_inode, uint32_t *ret_device);

#endif
