/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the rules of a configuration to tables. What their names stand for (users, executables,
 * devices, cgroups) is found out by the caller, who says what there is; which rules that
 * concerns is told here, also of what appears later.
 */
#ifndef POLICY_COMPILE_H
#define POLICY_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "conf/conf.h"
#include "policy/tables.h"

/* Something that there is now: its name, and what a packet says of it. */
struct policy_name {
	enum rule_dim dim; /* RULE_UID, RULE_CGROUP, RULE_EXE or RULE_DEVICE */
	const char *name; /* user as it is written, path of a cgroup or file, device's name */
	uint64_t a, b; /* as in struct rule_value */
};

struct policy_source {
	const struct conf *conf;
	enum verdict fallback;
	struct dns_state dns; /* seeds of the names' hashes */
	const struct policy_name *name;
	size_t names;
};

/* 0, -ENOMEM or -E2BIG (more sets or values than the kernel half may hold). */
int policy_compile(const struct policy_source *s, struct policy_tables *ret_tables);

/* Does a rule ask for something of this dimension? */
bool policy_has(const struct conf *c, enum rule_dim dim);
/* Is the cgroup at `path` the one at `above`, or below it? ("/a", no slash at its end; "/": all) */
bool policy_path_has(const char *above, const char *path);
/* Is the cgroup at `path` this unit's of systemd, or below it? */
bool policy_unit_has(const char *unit, const char *path);
/* The rules that name `name`, asking for it or excluding it. */
void policy_rules_of(const struct conf *c, enum rule_dim dim, const char *name,
		     struct rule_set *ret_set);

#endif
