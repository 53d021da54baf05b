// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rules. Sets are numbered: the domains of each rule that has some, in order; then of each list
 * that some rule uses its names, and its exceptions if it has any.
 *
 * Deciding: the name and its parents are looked up from the root on, as the kernel half does.
 * If every group that was met has a number the kernel knows, its bit vectors decide. Else, or if
 * they only tell that a rule behind the 63rd may match, vectors of full length are made from the
 * groups' sets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/dns_names.h"
#include "dns/rules.h"

#define LABELS_MAX (NAME_WIRE_MAX / 2 + 1) /* the root included */
#define TAIL (DNS_RULES_MAX - 1) /* bit of all rules that have none of their own */

struct rules_policy {
	uint32_t *domain_set; /* by rule */
	uint64_t *any_domain; /* bits of rules without a condition on domains */
	uint64_t *any_list;
};

struct rules {
	const struct conf_dns *dns;
	const struct groups *groups;
	const struct names *names;
	struct groups_set *set;
	struct groups_use *use;
	uint32_t *set_list; /* by set: its list, CONF_NONE = a rule's own domains */
	size_t sets;
	size_t uses;
	uint32_t list_set[CONF_LISTS_MAX][2]; /* [1]: exceptions */
	struct rules_policy *policy;
	struct dns_policy *kernel; /* by policy */
	uint64_t *vector[3]; /* by groups_kind: while a query is decided exactly */
	uint64_t *words; /* memory of all vectors */
	size_t words_num;
	uint32_t *domain_sets; /* memory of all domain_set */
	size_t rules_num;
	size_t vector_words; /* of the policy with the most rules */
};

/* The groups that a name and its parents are in. */
struct trail {
	unsigned int num;
	unsigned int labels; /* of the name */
	bool known; /* the kernel half knows all of them, too */
	struct {
		uint32_t group;
		unsigned int depth; /* labels of the name that is in it */
	} step[LABELS_MAX];
};

/* --- sets --------------------------------------------------------------------------------- */

static size_t words_of(size_t rules)
{
	return rules / 64 + 1;
}

bool rules_list_is_used(const struct conf_dns *dns, uint32_t list)
{
	if (dns->rule_lists >> list & 1)
		return true;
	for (size_t i = 0; i < dns->policies; i++) {
		for (size_t j = 0; j < dns->policy[i].rules; j++) {
			if (dns->policy[i].rule[j].lists >> list & 1)
				return true;
		}
	}
	return false;
}

/* How much room sets, uses and vectors take. */
static void measure(struct rules *r)
{
	for (size_t i = 0; i < r->dns->policies; i++) {
		const struct conf_policy *p = &r->dns->policy[i];

		r->rules_num += p->rules;
		r->words_num += 2 * words_of(p->rules);
		if (words_of(p->rules) > r->vector_words)
			r->vector_words = words_of(p->rules);
		for (size_t j = 0; j < p->rules; j++)
			r->uses += 1 + 2 * (size_t)__builtin_popcountll(p->rule[j].lists);
	}
	r->uses += 2 * (size_t)__builtin_popcountll(r->dns->rule_lists);
	r->words_num += 3 * r->vector_words + 1;
	r->sets = r->rules_num + 2 * r->dns->lists;
}

/* Nothing but the name's being in the set decides whether the rule matches. */
static bool is_final(const struct conf_rule *rule, const bool *has_exceptions)
{
	if (rule->types || (rule->domains && rule->lists))
		return false;
	for (uint32_t list = 0; list < CONF_LISTS_MAX; list++) {
		if (rule->lists >> list & 1 && has_exceptions[list])
			return false;
	}
	return true;
}

static void add_use(struct rules *r, uint32_t policy, uint32_t rule, enum groups_kind kind,
		    const bool *has_exceptions)
{
	const struct conf_rule *conf = &r->dns->policy[policy].rule[rule];
	struct groups_set *set = &r->set[r->sets];

	((struct groups_use *)set->use)[set->uses++] = (struct groups_use){
		.policy = policy,
		.rule = rule,
		.kind = kind,
		.final = kind != GROUPS_EXCEPT && is_final(conf, has_exceptions),
	};
	r->uses++;
}

/* Whether a name is in the list has to be known beside every decision: rules_lists(). */
static void add_fact_use(struct rules *r, uint32_t list, enum groups_kind kind)
{
	struct groups_set *set = &r->set[r->sets];

	((struct groups_use *)set->use)[set->uses++] =
		(struct groups_use){ .policy = CONF_NONE, .rule = list, .kind = kind };
	r->uses++;
}

/* The set that uses are added to from now on. Returns its number. */
static uint32_t begin_set(struct rules *r, uint32_t list)
{
	r->set[r->sets].use = r->use + r->uses;
	r->set_list[r->sets] = list;
	return (uint32_t)r->sets;
}

static void make_domain_sets(struct rules *r, const bool *has_exceptions)
{
	uint32_t *place = r->domain_sets;

	for (uint32_t i = 0; i < r->dns->policies; i++) {
		const struct conf_policy *p = &r->dns->policy[i];

		r->policy[i].domain_set = place;
		for (uint32_t j = 0; j < p->rules; j++, place++) {
			*place = CONF_NONE;
			if (!p->rule[j].domains)
				continue;
			*place = begin_set(r, CONF_NONE);
			add_use(r, i, j, GROUPS_DOMAINS, has_exceptions);
			r->sets++;
		}
	}
}

static uint32_t make_list_set(struct rules *r, uint32_t list, enum groups_kind kind,
			      const bool *has_exceptions)
{
	uint32_t set = begin_set(r, list);

	if (r->dns->rule_lists >> list & 1)
		add_fact_use(r, list, kind);
	for (uint32_t i = 0; i < r->dns->policies; i++) {
		for (uint32_t j = 0; j < r->dns->policy[i].rules; j++) {
			if (r->dns->policy[i].rule[j].lists >> list & 1)
				add_use(r, i, j, kind, has_exceptions);
		}
	}
	r->sets++;
	return set;
}

static void make_list_sets(struct rules *r, const bool *has_exceptions)
{
	for (uint32_t list = 0; list < r->dns->lists; list++) {
		r->list_set[list][0] = r->list_set[list][1] = CONF_NONE;
		if (!rules_list_is_used(r->dns, list))
			continue;
		r->list_set[list][0] = make_list_set(r, list, GROUPS_LISTS, has_exceptions);
		if (has_exceptions[list])
			r->list_set[list][1] =
				make_list_set(r, list, GROUPS_EXCEPT, has_exceptions);
	}
}

static void make_vectors(struct rules *r)
{
	uint64_t *word = r->words;

	for (size_t i = 0; i < r->dns->policies; i++) {
		const struct conf_policy *p = &r->dns->policy[i];

		r->policy[i].any_domain = word;
		r->policy[i].any_list = word + words_of(p->rules);
		word += 2 * words_of(p->rules);
		for (size_t j = 0; j < p->rules; j++) {
			if (!p->rule[j].domains)
				r->policy[i].any_domain[j / 64] |= 1ULL << j % 64;
			if (!p->rule[j].lists)
				r->policy[i].any_list[j / 64] |= 1ULL << j % 64;
		}
	}
	for (unsigned int i = 0; i < 3; i++, word += r->vector_words)
		r->vector[i] = word;
}

int rules_new(const struct conf *c, const bool *has_exceptions, struct rules **ret_rules)
{
	struct rules *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->dns = &c->dns;
	measure(r);
	r->set = calloc(r->sets + 1, sizeof(*r->set));
	r->set_list = calloc(r->sets + 1, sizeof(*r->set_list));
	r->use = calloc(r->uses + 1, sizeof(*r->use));
	r->policy = calloc(c->dns.policies, sizeof(*r->policy));
	r->kernel = calloc(c->dns.policies, sizeof(*r->kernel));
	r->words = calloc(r->words_num, sizeof(*r->words));
	r->domain_sets = calloc(r->rules_num + 1, sizeof(*r->domain_sets));
	if (!r->set || !r->set_list || !r->use || !r->policy || !r->kernel || !r->words ||
	    !r->domain_sets) {
		rules_free(r);
		return -ENOMEM;
	}
	r->sets = r->uses = 0;
	make_domain_sets(r, has_exceptions);
	make_list_sets(r, has_exceptions);
	make_vectors(r);
	*ret_rules = r;
	return 0;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	free(r->set);
	free(r->set_list);
	free(r->use);
	free(r->policy);
	free(r->kernel);
	free(r->words);
	free(r->domain_sets);
	free(r);
}

const struct groups_set *rules_sets(const struct rules *r, size_t *ret_sets)
{
	*ret_sets = r->sets;
	return r->set;
}

uint32_t rules_domain_set(const struct rules *r, uint32_t policy, uint32_t rule)
{
	return r->policy[policy].domain_set[rule];
}

uint32_t rules_list_set(const struct rules *r, uint32_t list, bool exceptions)
{
	return r->list_set[list][exceptions];
}

/* --- the kernel half's form --------------------------------------------------------------- */

static uint64_t bit_of(uint32_t rule)
{
	return 1ULL << (rule < TAIL ? rule : TAIL);
}

static void compile_types(struct dns_policy *k, const struct conf_rule *rule, uint64_t bit)
{
	if (!rule->types) {
		for (unsigned int t = 0; t < DNS_TYPE_NUM; t++)
			k->type_rules[t] |= bit;
	}
	for (size_t i = 0; i < rule->types; i++) {
		uint32_t type = dns_type_of(rule->type[i]);

		k->type_rules[type] |= bit;
		if (type == DNS_TYPE_OTHER)
			k->ask_other |= bit;
	}
}

/* Rules behind the last that has a bit of its own share it, and there it means "ask". */
static void compile_policy(struct dns_policy *k, const struct conf_policy *p)
{
	for (uint32_t i = 0; i < p->rules; i++) {
		const struct conf_rule *rule = &p->rule[i];
		uint64_t bit = bit_of(i);

		if (!rule->domains)
			k->any_domain |= bit;
		if (!rule->lists)
			k->any_list |= bit;
		compile_types(k, rule, bit);
		if (i < TAIL || p->rules == DNS_RULES_MAX)
			k->action[i] = rule->action == DNS_REWRITE ? DNS_PASS :
								     (uint8_t)rule->action;
	}
	if (p->rules > DNS_RULES_MAX)
		k->action[TAIL] = DNS_ASK;
	k->no_match = p->restricted ? DNS_REFUSED : DNS_PASS;
	k->flags = (p->only_resolved ? DNS_ONLY_RESOLVED : 0) |
		   (p->block_quic ? DNS_BLOCK_QUIC : 0);
}

static void compile_use(struct rules *r, uint32_t group, const struct groups_use *use)
{
	struct dns_group *g = &r->kernel[use->policy].group[group];
	bool shared = r->dns->policy[use->policy].rules > DNS_RULES_MAX && use->rule >= TAIL;
	uint64_t bit = bit_of(use->rule);

	if (use->kind == GROUPS_DOMAINS)
		g->domains |= bit;
	else if (use->kind == GROUPS_LISTS)
		g->lists |= bit;
	else if (!shared)
		g->except |= bit; /* of a shared bit it would be one of other rules, too */
}

void rules_compile(struct rules *r, const struct groups *groups, const struct names *names)
{
	uint32_t last = groups_last(groups);

	r->groups = groups;
	r->names = names;
	for (size_t i = 0; i < r->dns->policies; i++)
		compile_policy(&r->kernel[i], &r->dns->policy[i]);
	for (uint32_t group = 1; group <= last && group < DNS_GROUP_ASK; group++) {
		size_t num;
		const uint32_t *set = groups_sets(groups, group, &num);

		for (size_t i = 0; i < num; i++) {
			for (size_t j = 0; j < r->set[set[i]].uses; j++) {
				if (r->set[set[i]].use[j].policy != CONF_NONE)
					compile_use(r, group, &r->set[set[i]].use[j]);
			}
		}
	}
}

const struct dns_policy *rules_kernel(const struct rules *r, uint32_t policy)
{
	return &r->kernel[policy];
}

size_t rules_bytes(const struct rules *r)
{
	return sizeof(*r) + r->sets * (sizeof(*r->set) + sizeof(*r->set_list)) +
	       r->uses * sizeof(*r->use) + r->words_num * sizeof(*r->words) +
	       r->dns->policies * (sizeof(*r->policy) + sizeof(*r->kernel)) +
	       r->rules_num * sizeof(*r->domain_sets);
}

/* --- deciding ----------------------------------------------------------------------------- */

static void trail_add(struct trail *t, uint32_t group, unsigned int depth)
{
	if (!group)
		return;
	t->step[t->num].group = group;
	t->step[t->num++].depth = depth;
	t->known &= group < DNS_GROUP_ASK;
}

static void follow(const struct names *n, const struct name *name, struct trail *t)
{
	uint8_t start[LABELS_MAX];
	uint64_t hash = dns_hash_root(&n->hash);
	unsigned int labels = 0;

	for (unsigned int pos = 0; name->wire[pos]; pos += 1U + name->wire[pos])
		start[labels++] = (uint8_t)pos;
	t->num = 0;
	t->known = true;
	t->labels = labels;
	trail_add(t, names_group(n, hash, labels ? DNS_NAME_BELOW : DNS_NAME_SELF), 0);
	for (unsigned int depth = 1; depth <= labels; depth++) {
		const uint8_t *label = name->wire + start[labels - depth];

		hash = dns_hash_label(&n->hash, hash, label + 1, label[0]);
		trail_add(t, names_group(n, hash, depth < labels ? DNS_NAME_BELOW : DNS_NAME_SELF),
			  depth);
	}
}

/* As the kernel half decides. CONF_NONE = no rule matches; false = that cannot tell. */
static bool decide_known(const struct rules *r, uint32_t policy, const struct trail *t,
			 uint16_t type, uint32_t *ret_rule)
{
	struct dns_match match = { 0 };
	struct dns_decision d;

	if (!t->known)
		return false;
	for (unsigned int i = 0; i < t->num; i++)
		dns_match_group(&r->kernel[policy], t->step[i].group, &match);
	d = dns_decide(&r->kernel[policy], &match, dns_type_of(type));
	*ret_rule = d.rule == DNS_RULES_MAX ? CONF_NONE : d.rule;
	return d.action != DNS_ASK;
}

static bool type_matches(const struct conf_rule *rule, uint16_t type)
{
	for (size_t i = 0; i < rule->types; i++) {
		if (rule->type[i] == type)
			return true;
	}
	return !rule->types;
}

/* A walk over what being in a group means to one policy. */
struct uses {
	const struct rules *rules;
	const uint32_t *set;
	size_t sets;
	uint32_t policy;
	size_t at; /* set[at] is looked at */
	size_t next; /* use of it */
};

static struct uses uses_of(const struct rules *r, uint32_t policy, uint32_t group)
{
	struct uses u = { .rules = r, .policy = policy };

	u.set = groups_sets(r->groups, group, &u.sets);
	return u;
}

/* NULL = there is no further one. */
static const struct groups_use *next_use(struct uses *u)
{
	for (; u->at < u->sets; u->at++, u->next = 0) {
		const struct groups_set *set = &u->rules->set[u->set[u->at]];

		while (u->next < set->uses) {
			const struct groups_use *use = &set->use[u->next++];

			if (use->policy == u->policy)
				return use;
		}
	}
	return NULL;
}

/* Vectors of full length: which rules' conditions on names hold. */
static void gather(const struct rules *r, uint32_t policy, const struct trail *t)
{
	size_t bytes = words_of(r->dns->policy[policy].rules) * sizeof(uint64_t);
	const struct groups_use *use;

	for (unsigned int i = 0; i < 3; i++)
		memset(r->vector[i], 0, bytes);
	for (unsigned int i = 0; i < t->num; i++) {
		struct uses u = uses_of(r, policy, t->step[i].group);

		while ((use = next_use(&u)))
			r->vector[use->kind][use->rule / 64] |= 1ULL << use->rule % 64;
	}
}

static uint32_t decide_exactly(const struct rules *r, uint32_t policy, const struct trail *t,
			       uint16_t type)
{
	const struct conf_policy *p = &r->dns->policy[policy];

	gather(r, policy, t);
	for (size_t word = 0; word < words_of(p->rules); word++) {
		uint64_t lists = r->vector[GROUPS_LISTS][word] & ~r->vector[GROUPS_EXCEPT][word];
		uint64_t rules =
			(r->vector[GROUPS_DOMAINS][word] | r->policy[policy].any_domain[word]) &
			(lists | r->policy[policy].any_list[word]);

		for (; rules; rules &= rules - 1) {
			uint32_t rule = (uint32_t)word * 64 + dns_lowest(rules);

			if (type_matches(&p->rule[rule], type))
				return rule;
		}
	}
	return CONF_NONE;
}

/* Does this group, and through which list, meet a condition of the verdict's rule? */
static bool explains(const struct rules *r, uint32_t group, struct policy_verdict *v)
{
	struct uses u = uses_of(r, v->policy, group);
	const struct groups_use *use;
	bool found = false;

	while ((use = next_use(&u))) {
		if (use->rule != v->rule || use->kind == GROUPS_EXCEPT)
			continue;
		found = true;
		if (!v->list && use->kind == GROUPS_LISTS)
			v->list = r->dns->list[r->set_list[u.set[u.at]]].name;
	}
	return found;
}

/* Through which name and list the rule matched: the longest name that it names. */
static void explain(const struct rules *r, const struct trail *t, struct policy_verdict *v)
{
	bool found = false;

	for (unsigned int i = t->num; i--;) {
		if (!explains(r, t->step[i].group, v))
			continue;
		if (!found)
			v->label = t->labels - t->step[i].depth;
		found = true;
	}
}

void rules_decide(const struct rules *r, uint32_t policy, const struct name *lower_name,
		  uint16_t type, struct policy_verdict *ret_verdict)
{
	const struct conf_policy *p = &r->dns->policy[policy];
	struct policy_verdict v = { .policy = policy, .group = p->group };
	struct trail t;

	follow(r->names, lower_name, &t);
	if (!decide_known(r, policy, &t, type, &v.rule))
		v.rule = decide_exactly(r, policy, &t, type);
	if (v.rule == CONF_NONE) {
		v.action = p->restricted ? DNS_REFUSED : DNS_PASS;
	} else {
		v.conf = &p->rule[v.rule];
		v.action = v.conf->action;
		if (v.conf->group != CONF_NONE)
			v.group = v.conf->group;
		explain(r, &t, &v);
	}
	*ret_verdict = v;
}

/* --- lists alone ---------------------------------------------------------------------------- */

uint64_t rules_lists(const struct rules *r, const uint64_t *hash, unsigned int hashes)
{
	uint64_t lists = 0, except = 0;
	const struct groups_use *use;

	for (unsigned int i = 0; i < hashes; i++) {
		uint32_t group = names_group(r->names, hash[i], i ? DNS_NAME_BELOW : DNS_NAME_SELF);
		struct uses u = uses_of(r, CONF_NONE, group);

		while (group && (use = next_use(&u)))
			*(use->kind == GROUPS_EXCEPT ? &except : &lists) |= 1ULL << use->rule;
	}
	return lists & ~except;
}
