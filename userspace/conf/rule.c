// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rules about flows: what the values of one say together, and what all of them do. What cannot
 * be looked up the way the kernel half does it (bpf/contract_rules.h), is an error here.
 */
#include <stdio.h>
#include <string.h>

#include "conf/reader.h"

/* --- one rule ----------------------------------------------------------------------------- */

static bool has_values(const struct key *k, const void *conditions)
{
	const char *at = conditions;

	if (k->count_size)
		return *(const size_t *)(at + k->count);
	return *(const uint64_t *)(at + k->offset);
}

/* Keys that are one condition: none may be asked for while the other is excluded. */
static const char *partner_of(const char *name)
{
	static const char *const pairs[][2] = { { "domain", "lists" }, { "cgroup", "unit" } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		for (int side = 0; side < 2; side++)
			if (!strcmp(name, pairs[i][side]))
				return pairs[i][!side];
	return NULL;
}

/*
 * A condition that is there but names nothing would hold for all flows, or for none: what was
 * meant, nobody knows.
 */
static void check_empty(struct reader *r, const struct node *map, const struct key *k,
			const struct conf_conditions *c)
{
	const struct node *n = node_find(map, k->name);

	if (n && n->kind != NODE_BAD && !has_values(k, c))
		reader_error(r, n, "no value, expected one or more");
}

static void check_conditions(struct reader *r, const struct node *n,
			     const struct conf_flow_rule *rule)
{
	const struct node *not = node_find(n, "not");

	for (size_t i = 0; i < section_not.num; i++) {
		const struct key *k = &section_not.keys[i];
		const char *partner = partner_of(k->name);
		const struct node *excluded = node_find(not, k->name);

		check_empty(r, n, k, &rule->is);
		check_empty(r, not, k, &rule->isnt);
		if (excluded && node_find(n, k->name))
			reader_error(r, excluded,
				     "the rule asks for '%s' already, expected it once", k->name);
		if (excluded && partner && node_find(n, partner))
			reader_error(r, excluded,
				     "is one condition with '%s', expected both in 'not', or "
				     "neither",
				     partner);
	}
}

void flow_rule_done(struct reader *r, struct node *n, void *to)
{
	struct conf_flow_rule *rule = to;

	if (!rule->name[0])
		snprintf(rule->name, sizeof(rule->name), "rule-%u", n->index + 1);
	if (!node_find(n, "action"))
		reader_error(r, n,
			     "a rule without action, expected one of direct, forward, reject, "
			     "drop");
	check_conditions(r, n, rule);
}

/* --- all of them -------------------------------------------------------------------------- */

static bool is_unconditional(const struct conf_flow_rule *rule)
{
	for (size_t i = 0; i < section_not.num; i++)
		if (has_values(&section_not.keys[i], &rule->is) ||
		    has_values(&section_not.keys[i], &rule->isnt))
			return false;
	return true;
}

static void check_names(struct reader *r, const struct conf *c)
{
	for (size_t i = 0; i < c->rules; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(c->rule[i].name, c->rule[j].name))
				reader_error_line(r, c->rule[i].line,
						  "rules: two rules have the name '%s'",
						  c->rule[i].name);
}

static void add_marks(struct pass_mark *marks, size_t *num, const struct conf_conditions *c)
{
	for (size_t i = 0; i < c->fwmarks; i++) {
		size_t at = 0;

		while (at < *num && at <= RULE_MARKS_MAX &&
		       (marks[at].value != c->fwmark[i].value ||
			marks[at].mask != c->fwmark[i].mask))
			at++;
		if (at == *num && at <= RULE_MARKS_MAX)
			marks[(*num)++] = c->fwmark[i];
	}
}

/* What the tables have no room for. */
static void check_room(struct reader *r, const struct conf *c, unsigned int line)
{
	struct pass_mark marks[RULE_MARKS_MAX + 1];
	size_t prefixes = 0, num = 0;

	for (size_t i = 0; i < c->rules; i++) {
		const struct conf_flow_rule *rule = &c->rule[i];

		prefixes += rule->is.destinations + rule->is.sources + rule->isnt.destinations +
			    rule->isnt.sources;
		add_marks(marks, &num, &rule->is);
		add_marks(marks, &num, &rule->isnt);
	}
	if (prefixes > RULE_PREFIXES_MAX)
		reader_error_line(r, line, "rules: %zu networks in all, expected %d at most",
				  prefixes, RULE_PREFIXES_MAX);
	if (num > RULE_MARKS_MAX)
		reader_error_line(r, line, "rules: more than %d different marks", RULE_MARKS_MAX);
}

/* What the resolver has to find out of the names of addresses. */
static void note_names(struct conf_dns *d, const struct conf_conditions *c)
{
	d->rule_lists |= c->lists;
	d->rule_names |= c->lists || c->domains;
}

void flow_rules_after(struct reader *r, struct node *n, void *to)
{
	struct conf *c = to;

	for (size_t i = 0; i < c->rules; i++) {
		note_names(&c->dns, &c->rule[i].is);
		note_names(&c->dns, &c->rule[i].isnt);
	}
	warn_unused_lists(r, &c->dns);
	if (!n)
		return;
	check_names(r, c);
	check_room(r, c, n->line);
	for (size_t i = 1; i < c->rules; i++)
		if (is_unconditional(&c->rule[i - 1]) && !r->errors_num)
			reader_warn_line(r, c->rule[i].line,
					 "rules: %s is never used, the one before it matches "
					 "everything",
					 c->rule[i].name);
}
