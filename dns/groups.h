/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Groups: which sets (domains of a rule, a list, the exceptions of a list) a name is in, as one
 * number. Sets that make no difference to any decision beside the others are left out, so that
 * lists which overlap do not make a group for each combination of them.
 */
#ifndef DNS_GROUPS_H
#define DNS_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUPS_MAX 65536

enum groups_kind { GROUPS_DOMAINS, GROUPS_LISTS, GROUPS_EXCEPT };

/* A condition of a rule that a name of the set meets; GROUPS_EXCEPT: cannot meet. */
struct groups_use {
	uint32_t policy;
	uint32_t rule;
	enum groups_kind kind;
	bool final; /* the rule has no other condition: those behind it do not matter */
};

struct groups_set {
	const struct groups_use *use;
	size_t uses;
};

struct groups;

/*
 * 0 or -ENOMEM. The sets, which are numbered by their place, remain the caller's and must outlive
 * the groups. Group 0 is that of no set.
 */
int groups_new(const struct groups_set *set, size_t sets, struct groups **ret_groups);
/* Accepts NULL. */
void groups_free(struct groups *g);

/*
 * The group of what is in `group` and in `set` too; groups are numbered from 1 as they come up.
 * -ENOMEM, -E2BIG = GROUPS_MAX are there already.
 */
int groups_join(struct groups *g, uint32_t group, uint32_t set);
/* Its sets, in ascending order. */
const uint32_t *groups_sets(const struct groups *g, uint32_t group, size_t *ret_sets);
/* Highest number in use. */
uint32_t groups_last(const struct groups *g);
size_t groups_bytes(const struct groups *g);

#endif
