// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The rules as a whole: which of them ask for what, and the tables, part by part. */
#include <errno.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/internal.h"

/* --- which dimensions a rule has ---------------------------------------------------------- */

static uint32_t dims_of(const struct conf_conditions *c)
{
	const size_t num[RULE_DIM_NUM] = {
		[RULE_PROTO] = c->protocols,
		[RULE_DSCP] = c->dscps,
		[RULE_UID] = c->users,
		[RULE_CGROUP] = c->cgroups + c->units,
		[RULE_COMM] = c->processes,
		[RULE_EXE] = c->executables,
		[RULE_MAC] = c->macs,
		[RULE_DEVICE] = c->interfaces,
		[RULE_DOMAIN] = c->domains + (c->lists != 0),
		[RULE_MARK] = c->fwmarks,
		[RULE_SADDR] = c->sources,
		[RULE_DADDR] = c->destinations,
		[RULE_PORT] = c->ports,
	};
	uint32_t dims = 0;

	for (unsigned int i = 0; i < RULE_DIM_NUM; i++)
		dims |= (num[i] ? 1U : 0) << i;
	return dims;
}

bool policy_has(const struct conf *c, enum rule_dim dim)
{
	for (size_t i = 0; i < c->rules; i++)
		if ((dims_of(&c->rule[i].is) | dims_of(&c->rule[i].isnt)) >> dim & 1)
			return true;
	return false;
}

/* What a dimension is where nothing is found, or where nothing is known. */
static void fill_table(const struct conf *c, struct rule_table *t)
{
	t->rules = (uint16_t)c->rules;
	t->words = (uint32_t)(c->rules + 63) / 64;
	for (uint32_t i = 0; i < c->rules; i++) {
		uint32_t is = dims_of(&c->rule[i].is), isnt = dims_of(&c->rule[i].isnt);

		t->verdict[i] = c->rule[i].action;
		t->dims |= is | isnt;
		for (unsigned int dim = 0; dim < RULE_DIM_NUM; dim++) {
			if (!(is >> dim & 1))
				rule_set_put(&t->missed[dim], i);
			if (!((is | isnt) >> dim & 1))
				rule_set_put(&t->unknown[dim], i);
		}
	}
}

/* --- names -------------------------------------------------------------------------------- */

bool policy_path_has(const char *above, const char *path)
{
	size_t len = strlen(above);

	if (len == 1)
		return true;
	return !strncmp(path, above, len) && (!path[len] || path[len] == '/');
}

bool policy_unit_has(const char *unit, const char *path)
{
	size_t len = strlen(unit);

	for (const char *at = path; *at; at += 1 + strcspn(at + 1, "/"))
		if (!strncmp(at + 1, unit, len) && (!at[1 + len] || at[1 + len] == '/'))
			return true;
	return false;
}

static bool device_has(const char *pattern, const char *name)
{
	return !fnmatch(pattern, name, 0);
}

static bool same(const char *a, const char *b)
{
	return !strcmp(a, b);
}

static bool any(char *const *text, size_t num, const char *name,
		bool (*has)(const char *text, const char *name))
{
	for (size_t i = 0; i < num; i++)
		if (has(text[i], name))
			return true;
	return false;
}

static bool names(const struct conf_conditions *c, enum rule_dim dim, const char *name)
{
	switch (dim) {
	case RULE_UID:
		return any(c->user, c->users, name, same);
	case RULE_EXE:
		return any(c->executable, c->executables, name, same);
	case RULE_DEVICE:
		return any(c->interface, c->interfaces, name, device_has);
	case RULE_CGROUP:
		return any(c->cgroup, c->cgroups, name, policy_path_has) ||
		       any(c->unit, c->units, name, policy_unit_has);
	default:
		return false;
	}
}

void policy_rules_of(const struct conf *c, enum rule_dim dim, const char *name,
		     struct rule_set *ret_set)
{
	*ret_set = (struct rule_set){ 0 };
	for (uint32_t i = 0; i < c->rules; i++)
		if (names(&c->rule[i].is, dim, name) || names(&c->rule[i].isnt, dim, name))
			rule_set_put(ret_set, i);
}

/* A cgroup has an entry also if no rule names it: it is known, then. */
static void add_name(struct value_list *l, const struct conf *c, const struct policy_name *n)
{
	struct rule_set set;

	policy_rules_of(c, n->dim, n->name, &set);
	if (n->dim == RULE_CGROUP)
		values_add(l, n->dim, n->a, n->b, RULE_NONE);
	for (uint32_t i = 0; i < c->rules; i++)
		if (set.bits[i / 64] >> i % 64 & 1)
			values_add(l, n->dim, n->a, n->b, i);
}

/* --- values ------------------------------------------------------------------------------- */

static void add_text(struct value_list *l, enum rule_dim dim, const void *text, size_t len,
		     uint32_t rule)
{
	uint64_t words[2] = { 0 };

	memcpy(words, text, len < sizeof(words) ? len : sizeof(words));
	values_add(l, dim, words[0], words[1], rule);
}

static void add_conditions(struct value_list *l, const struct dns_state *dns,
			   const struct conf_conditions *c, uint32_t rule)
{
	for (size_t i = 0; i < c->domains; i++)
		values_add_domain(l, dns, c->domain[i], rule);
	for (uint32_t i = 0; i < 64; i++)
		if (c->lists >> i & 1)
			values_add(l, RULE_DOMAIN, i, RULE_LIST, rule);
	for (size_t i = 0; i < c->protocols; i++) {
		values_add(l, RULE_PROTO, c->protocol[i], 0, rule);
		if (c->protocol[i] == IPPROTO_ICMP)
			values_add(l, RULE_PROTO, IPPROTO_ICMPV6, 0, rule);
	}
	for (size_t i = 0; i < c->dscps; i++)
		values_add(l, RULE_DSCP, c->dscp[i], 0, rule);
	for (size_t i = 0; i < c->processes; i++)
		add_text(l, RULE_COMM, c->process[i], strlen(c->process[i]), rule);
	for (size_t i = 0; i < c->macs; i++)
		add_text(l, RULE_MAC, c->mac[i].b, sizeof(c->mac[i].b), rule);
}

static int compile_values(const struct policy_source *s, struct policy_tables *t)
{
	struct value_list l = { 0 };
	int err;

	for (uint32_t i = 0; i < s->conf->rules; i++) {
		add_conditions(&l, &s->dns, &s->conf->rule[i].is, i);
		add_conditions(&l, &s->dns, &s->conf->rule[i].isnt, i);
	}
	for (size_t i = 0; i < s->names; i++)
		add_name(&l, s->conf, &s->name[i]);
	err = values_compile(&l, t);
	values_done(&l);
	return err;
}

int policy_compile(const struct policy_source *s, struct policy_tables *ret_tables)
{
	struct policy_tables t;
	int err = policy_tables_init(&t, s->fallback);

	if (err)
		return err;
	fill_table(s->conf, &t.table);
	err = compile_values(s, &t);
	if (!err)
		err = prefixes_compile(s->conf, &t);
	if (!err)
		err = ports_compile(s->conf, &t);
	if (!err)
		err = marks_compile(s->conf, &t);
	if (err) {
		policy_tables_done(&t);
		return err;
	}
	*ret_tables = t;
	return 0;
}
