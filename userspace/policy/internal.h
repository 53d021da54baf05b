/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of policy/ that compile share. Only for them. */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H

#include "policy/compile.h"

#define RULE_NONE UINT32_MAX /* an entry that no rule names, but that has to be there */

/* A rule names a value. */
struct value_entry {
	struct rule_value key;
	uint32_t rule;
};

/* Entries, sorted and put together once they are all there. */
struct value_list {
	struct value_entry *entry;
	size_t num, room;
	bool failed; /* no memory, or too many */
};

void values_add(struct value_list *l, enum rule_dim dim, uint64_t a, uint64_t b, uint32_t rule);
void values_add_domain(struct value_list *l, const struct dns_state *dns, const char *pattern,
		       uint32_t rule);
void values_done(struct value_list *l);

/* Each fills its part of the tables. 0 or -errno. */
int values_compile(const struct value_list *l, struct policy_tables *t);
int prefixes_compile(const struct conf *c, struct policy_tables *t);
int ports_compile(const struct conf *c, struct policy_tables *t);
int marks_compile(const struct conf *c, struct policy_tables *t);

#endif
