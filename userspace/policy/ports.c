// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ports: one sweep over all of them, at whose steps rules come in and go out. A rule may have
 * ranges that overlap, so it is counted how many of its ranges a port is in. Marks, too, which
 * are looked at one by one: there are few.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/internal.h"

struct step {
	uint32_t port; /* from which on */
	uint32_t rule;
	int by; /* 1: a range begins, -1: one has ended */
};

struct steps {
	struct step *step;
	size_t num;
};

static void add(struct steps *s, const struct conf_conditions *c, uint32_t rule)
{
	for (size_t i = 0; i < c->ports; i++) {
		s->step[s->num++] = (struct step){ c->port[i].first, rule, 1 };
		s->step[s->num++] = (struct step){ c->port[i].last + 1U, rule, -1 };
	}
}

static int compare(const void *x, const void *y)
{
	const struct step *a = x, *b = y;

	return a->port < b->port ? -1 : a->port > b->port;
}

static int sweep(const struct steps *s, struct policy_tables *t)
{
	static unsigned int ranges[RULES_MAX];
	struct rule_set set = { 0 };
	size_t next = 0;

	memset(ranges, 0, sizeof(ranges));
	for (uint32_t port = 0, place = 0; port < RULE_PORTS; port++) {
		bool changed = false;

		for (; next < s->num && s->step[next].port == port; next++, changed = true) {
			uint32_t rule = s->step[next].rule;
			uint64_t bit = 1ULL << rule % 64;

			ranges[rule] += (unsigned int)s->step[next].by;
			set.bits[rule / 64] = (set.bits[rule / 64] & ~bit) |
					      (ranges[rule] ? bit : 0);
		}
		if (changed) {
			int err = policy_set_place(t, &set, &place);

			if (err)
				return err;
		}
		t->port_set[port] = place;
	}
	return 0;
}

int ports_compile(const struct conf *c, struct policy_tables *t)
{
	struct steps s = { 0 };
	size_t num = 0;
	int err = -ENOMEM;

	for (size_t i = 0; i < c->rules; i++)
		num += c->rule[i].is.ports + c->rule[i].isnt.ports;
	if (!num)
		return 0;
	s.step = calloc(2 * num, sizeof(*s.step));
	t->port_set = calloc(RULE_PORTS, sizeof(*t->port_set));
	if (s.step && t->port_set) {
		for (uint32_t i = 0; i < c->rules; i++) {
			add(&s, &c->rule[i].is, i);
			add(&s, &c->rule[i].isnt, i);
		}
		qsort(s.step, s.num, sizeof(*s.step), compare);
		err = sweep(&s, t);
	}
	free(s.step);
	return err;
}

/* --- marks -------------------------------------------------------------------------------- */

struct marks {
	struct pass_mark mark[RULE_MARKS_MAX];
	struct rule_set set[RULE_MARKS_MAX];
	unsigned int num;
};

static int add_marks(struct marks *m, const struct conf_conditions *c, uint32_t rule)
{
	for (size_t i = 0; i < c->fwmarks; i++) {
		unsigned int at = 0;

		while (at < m->num && (m->mark[at].value != c->fwmark[i].value ||
				       m->mark[at].mask != c->fwmark[i].mask))
			at++;
		if (at == RULE_MARKS_MAX)
			return -E2BIG;
		if (at == m->num)
			m->mark[m->num++] = c->fwmark[i];
		rule_set_put(&m->set[at], rule);
	}
	return 0;
}

int marks_compile(const struct conf *c, struct policy_tables *t)
{
	struct marks m = { .num = 0 };
	int err = 0;

	for (uint32_t i = 0; !err && i < c->rules; i++) {
		err = add_marks(&m, &c->rule[i].is, i);
		if (!err)
			err = add_marks(&m, &c->rule[i].isnt, i);
	}
	for (unsigned int i = 0; !err && i < m.num; i++) {
		t->table.mark[i].value = m.mark[i].value;
		t->table.mark[i].mask = m.mark[i].mask;
		err = policy_set_place(t, &m.set[i], &t->table.mark[i].set);
	}
	return err;
}
