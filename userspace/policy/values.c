// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Dimensions that are looked up by one value: keys, and the set of the rules that name each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/dns_names.h"
#include "policy/internal.h"

#define VALUES_FIRST 256

void values_add(struct value_list *l, enum rule_dim dim, uint64_t a, uint64_t b, uint32_t rule)
{
	if (l->num == l->room) {
		size_t room = l->room ? 2 * l->room : VALUES_FIRST;
		struct value_entry *more = NULL;

		if (l->num < (size_t)RULES_MAX * CONF_DOMAINS_MAX)
			more = realloc(l->entry, room * sizeof(*more));
		if (!more) {
			l->failed = true;
			return;
		}
		l->entry = more;
		l->room = room;
	}
	l->entry[l->num++] = (struct value_entry){
		.key = { .dim = dim, .a = a, .b = b },
		.rule = rule,
	};
}

/* Hash of a name in lower case: label by label from its end on. */
static uint64_t name_hash(const struct dns_state *dns, const char *name)
{
	uint64_t hash = dns_hash_root(dns);
	size_t end = strlen(name);

	while (end) {
		size_t start = end;

		while (start && name[start - 1] != '.')
			start--;
		hash = dns_hash_label(dns, hash, (const uint8_t *)name + start,
				      (uint32_t)(end - start));
		end = start ? start - 1 : 0;
	}
	return hash;
}

void values_add_domain(struct value_list *l, const struct dns_state *dns, const char *pattern,
		       uint32_t rule)
{
	bool below = !strncmp(pattern, "*.", 2), both = pattern[0] == '.';
	uint64_t hash = name_hash(dns, pattern + (below ? 2 : both));

	if (!below)
		values_add(l, RULE_DOMAIN, hash, RULE_SELF, rule);
	if (below || both)
		values_add(l, RULE_DOMAIN, hash, RULE_BELOW, rule);
}

void values_done(struct value_list *l)
{
	free(l->entry);
	*l = (struct value_list){ 0 };
}

static int compare(const void *x, const void *y)
{
	const struct value_entry *a = x, *b = y;

	return rule_value_order(&a->key, &b->key);
}

int values_compile(const struct value_list *l, struct policy_tables *t)
{
	if (l->failed)
		return -ENOMEM;
	if (!l->num)
		return 0;
	qsort(l->entry, l->num, sizeof(*l->entry), compare);
	t->value = calloc(l->num, sizeof(*t->value));
	t->value_set = calloc(l->num, sizeof(*t->value_set));
	if (!t->value || !t->value_set)
		return -ENOMEM;
	for (size_t i = 0; i < l->num;) {
		const struct value_entry *first = &l->entry[i];
		struct rule_set set = { 0 };
		int err;

		for (; i < l->num && !compare(first, &l->entry[i]); i++)
			if (l->entry[i].rule != RULE_NONE)
				rule_set_put(&set, l->entry[i].rule);
		if (t->values >= RULE_VALUES_MAX)
			return -E2BIG;
		t->value[t->values] = first->key;
		err = policy_set_place(t, &set, &t->value_set[t->values]);
		if (err)
			return err;
		t->values++;
	}
	return 0;
}
