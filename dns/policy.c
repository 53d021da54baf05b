// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A generation of policies in the making: lists are read twice, first to count their names (by
 * which the table is sized) and to see whether they are lists at all, then to fill the table.
 * So no more memory is needed at any time than what stays, and nothing is filled that a bad
 * list would make vain. A list that changes between the two is refused.
 *
 * Phases: COUNT (lists) -> TABLE (once) -> DOMAINS (of rules) -> FILL (lists) -> COMPILED.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "dns/blocklist.h"
#include "dns/clients.h"
#include "dns/policy.h"
#include "dns/rules.h"

#define DOMAINS_PER_STEP 2000

enum phase { PHASE_COUNT, PHASE_TABLE, PHASE_DOMAINS, PHASE_FILL, PHASE_COMPILED };

struct list_count {
	uint64_t names;
	uint64_t exceptions;
};

struct policies {
	unsigned int references;
	struct conf *conf;
	struct clients *clients;
	struct rules *rules;
	struct groups *groups;
	struct names names;
	uint64_t seed[2];
	uint32_t buckets;
	struct dns_bucket *table; /* that was given, NULL = none */
	int table_fd;
	uint64_t entries; /* names of lists and rules, counted as often as they are there */
	/* while it is made */
	enum phase phase;
	uint32_t list; /* that is being read */
	bool reading;
	uint32_t policy, rule; /* whose domains are next */
	size_t domain;
	struct list_count count[CONF_LISTS_MAX];
	int list_fd[CONF_LISTS_MAX];
	struct blocklist *reader;
	struct conf_errors errors;
};

int policies_begin(struct conf *c, const int *list_fds, const uint64_t seed[2],
		   struct policies **ret_policies)
{
	struct policies *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->references = 1;
	p->table_fd = -1;
	memcpy(p->seed, seed, sizeof(p->seed));
	for (size_t i = 0; i < c->dns.lists; i++)
		p->list_fd[i] = list_fds[i];
	p->reader = malloc(sizeof(*p->reader));
	if (!p->reader)
		goto err_policies;
	r = c->dns.policies <= DNS_POLICIES_MAX ? clients_new(&c->dns, &p->clients) : -E2BIG;
	if (r < 0)
		goto err_policies;
	p->conf = c;
	*ret_policies = p;
	return 0;

err_policies:
	free(p->reader);
	free(p);
	return r;
}

struct policies *policies_get(struct policies *p)
{
	p->references++;
	return p;
}

void policies_put(struct policies *p)
{
	if (!p || --p->references)
		return;
	names_done(&p->names);
	if (p->table_fd >= 0)
		munmap(p->table, policies_table_bytes(p));
	fd_close(p->table_fd);
	groups_free(p->groups);
	rules_free(p->rules);
	clients_free(p->clients);
	free(p->reader);
	conf_free(p->conf);
	free(p);
}

/* --- reading lists ------------------------------------------------------------------------ */

static int count_entry(void *arg, const struct name *name, uint32_t kinds, bool exception)
{
	struct list_count *count = arg;

	count->names++;
	count->exceptions += exception;
	return 0;
}

static int fill_entry(void *arg, const struct name *name, uint32_t kinds, bool exception)
{
	struct policies *p = arg;
	struct list_count *left = &p->count[p->list];
	uint32_t set = rules_list_set(p->rules, p->list, exception);

	if (!left->names || (exception && !left->exceptions))
		return -EIO;
	left->names--;
	left->exceptions -= exception;
	return names_insert(&p->names, names_hash(&p->names, name), kinds, set);
}

static int begin_list(struct policies *p)
{
	const struct conf_list *list = &p->conf->dns.list[p->list];
	struct blocklist *b = p->reader;

	b->fd = p->list_fd[p->list];
	b->file = list->file;
	b->format = list->format;
	b->errors = p->phase == PHASE_COUNT ? &p->errors : NULL;
	b->entry = p->phase == PHASE_COUNT ? count_entry : fill_entry;
	b->arg = p->phase == PHASE_COUNT ? (void *)&p->count[p->list] : p;
	p->reading = true;
	return blocklist_begin(b);
}

static int end_list(struct policies *p)
{
	const struct list_count *count = &p->count[p->list];

	p->reading = false;
	if (p->phase == PHASE_COUNT)
		p->entries += count->names;
	else if (count->names || count->exceptions)
		return -EIO;
	p->list++;
	return 0;
}

/* The reader told nothing the second time. */
static int told(struct policies *p, int error)
{
	const char *file = p->conf->dns.list[p->list].file;

	if (error == -E2BIG)
		blocklist_tell(&p->errors, "%s: refused: lists overlap in too many ways", file);
	else if (p->phase == PHASE_FILL)
		blocklist_tell(&p->errors, "%s: refused: %s", file,
			       error == -ENOMEM ? strerror(ENOMEM) : "it changed meanwhile");
	return error;
}

/* A part of the lists. 1 = all are read, 0 = go on, -errno. */
static int read_lists(struct policies *p)
{
	int r = 0;

	while (!p->reading && p->list < p->conf->dns.lists &&
	       !rules_list_is_used(&p->conf->dns, p->list))
		p->list++;
	if (p->list == p->conf->dns.lists)
		return 1;
	if (!p->reading)
		r = begin_list(p);
	if (!r)
		r = blocklist_step(p->reader);
	if (r > 0)
		r = end_list(p);
	return r < 0 ? told(p, r) : 0;
}

/* --- phases ------------------------------------------------------------------------------- */

static int fail(struct policies *p, int error, const char *why)
{
	blocklist_tell(&p->errors, "dns: policies: %s", why);
	return error;
}

/* Is there anything that the kernel half could answer a query by? */
static bool decides(const struct conf_dns *dns)
{
	bool any = false;

	for (size_t i = 0; i < dns->policies; i++)
		any |= dns->policy[i].rules || dns->policy[i].restricted;
	return any;
}

static void count_domains(struct policies *p)
{
	for (size_t i = 0; i < p->conf->dns.policies; i++) {
		const struct conf_policy *policy = &p->conf->dns.policy[i];

		for (size_t j = 0; j < policy->rules; j++)
			p->entries += policy->rule[j].domains;
	}
}

/*
 * Lists have most of the names: they have the first numbers, those that slots have room for,
 * however many sets of their own rules bring along.
 */
static int number_lists(struct policies *p)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < 2 * p->conf->dns.lists; i++) {
		uint32_t set = rules_list_set(p->rules, i / 2, i % 2);

		if (set != CONF_NONE)
			r = groups_join(p->groups, 0, set);
	}
	return r < 0 ? r : 0;
}

/* All names are counted: what they are put into. */
static int make_room(struct policies *p)
{
	bool has_exceptions[CONF_LISTS_MAX] = { false };
	const struct groups_set *set;
	int64_t buckets;
	size_t sets;

	count_domains(p);
	if (decides(&p->conf->dns))
		p->entries += p->conf->dns.cache.flush_domains;
	buckets = names_buckets(p->entries);
	if (buckets < 0)
		return fail(p, (int)buckets, "more names than there is room for (5 million)");
	p->buckets = (uint32_t)buckets;
	for (size_t i = 0; i < p->conf->dns.lists; i++)
		has_exceptions[i] = p->count[i].exceptions > 0;
	if (rules_new(p->conf, has_exceptions, &p->rules) < 0)
		return fail(p, -ENOMEM, strerror(ENOMEM));
	set = rules_sets(p->rules, &sets);
	if (groups_new(set, sets, &p->groups) < 0 || number_lists(p) < 0)
		return fail(p, -ENOMEM, strerror(ENOMEM));
	names_init(&p->names, p->seed, p->groups);
	p->phase = PHASE_TABLE;
	return p->buckets ? POLICIES_TABLE : POLICIES_MORE;
}

/* "name", ".name" and "*.name"; "." is every name. */
static int insert_domain(struct policies *p, const char *text, uint32_t set)
{
	uint32_t kinds = DNS_NAME_SELF;
	struct name name;
	int r;

	if (text[0] == '*' && text[1] == '.') {
		kinds = DNS_NAME_BELOW;
		text += 2;
	} else if (text[0] == '.') {
		kinds = DNS_NAME_SELF | DNS_NAME_BELOW;
		text += text[1] != '\0';
	}
	r = name_from_text(text, &name);
	if (r < 0)
		return r;
	name_lower(name.wire, name.len);
	return names_insert(&p->names, names_hash(&p->names, &name), kinds, set);
}

/* The rule whose domain is next. NULL = there is none. */
static const struct conf_rule *next_rule(struct policies *p)
{
	const struct conf_dns *dns = &p->conf->dns;

	while (p->policy < dns->policies) {
		const struct conf_policy *policy = &dns->policy[p->policy];

		for (; p->rule < policy->rules; p->rule++, p->domain = 0) {
			if (p->domain < policy->rule[p->rule].domains)
				return &policy->rule[p->rule];
		}
		p->policy++;
		p->rule = 0;
	}
	return NULL;
}

static int insert_domains(struct policies *p)
{
	for (unsigned int i = 0; i < DOMAINS_PER_STEP; i++) {
		const struct conf_rule *rule = next_rule(p);
		const char *text;
		int r;

		if (!rule) {
			p->phase = PHASE_FILL;
			p->list = 0;
			return POLICIES_MORE;
		}
		text = rule->domain[p->domain++];
		r = insert_domain(p, text, rules_domain_set(p->rules, p->policy, p->rule));
		if (r < 0)
			return fail(p, r, r == -EINVAL ? text : strerror(-r));
	}
	return POLICIES_MORE;
}

/* A query for one of them has to be seen by the resolver, which flushes, also if it is blocked. */
static int hide_flush_domains(struct policies *p)
{
	const struct conf_cache *cache = &p->conf->dns.cache;
	struct name name;
	int r = 0;

	for (size_t i = 0; p->buckets && !r && i < cache->flush_domains; i++) {
		r = name_from_text(cache->flush_domain[i], &name);
		if (r < 0)
			break;
		name_lower(name.wire, name.len);
		r = names_hide(&p->names, names_hash(&p->names, &name));
	}
	return r;
}

static int finish(struct policies *p)
{
	int r = hide_flush_domains(p);

	if (r < 0)
		return fail(p, r, strerror(-r));
	rules_compile(p->rules, p->groups, &p->names);
	free(p->reader);
	p->reader = NULL;
	p->phase = PHASE_COMPILED;
	return POLICIES_DONE;
}

int policies_step(struct policies *p)
{
	int r;

	switch (p->phase) {
	case PHASE_COUNT:
		r = read_lists(p);
		return r > 0 ? make_room(p) : r;
	case PHASE_TABLE:
		r = names_set_table(&p->names, p->table, p->buckets);
		if (r < 0)
			return fail(p, r, strerror(-r));
		p->phase = PHASE_DOMAINS;
		return POLICIES_MORE;
	case PHASE_DOMAINS:
		return insert_domains(p);
	case PHASE_FILL:
		r = read_lists(p);
		return r > 0 ? finish(p) : r;
	default:
		return POLICIES_DONE;
	}
}

void policies_give_table(struct policies *p, struct dns_bucket *table, int fd)
{
	p->table = table;
	p->table_fd = fd;
}

/* --- asking ------------------------------------------------------------------------------- */

uint32_t policies_buckets(const struct policies *p)
{
	return p->buckets;
}

size_t policies_table_bytes(const struct policies *p)
{
	return names_table_bytes(p->buckets);
}

int policies_fd(const struct policies *p)
{
	return p->table_fd;
}

const struct conf_errors *policies_errors(const struct policies *p)
{
	return &p->errors;
}

const struct conf *policies_conf(const struct policies *p)
{
	return p->conf;
}

uint32_t policies_client(const struct policies *p, const struct addr *client)
{
	return clients_find(p->clients, client) & DNS_CLIENT_POLICY;
}

void policies_decide(const struct policies *p, uint32_t policy, const struct name *name,
		     uint16_t type, struct policy_verdict *ret_verdict)
{
	rules_decide(p->rules, policy, name, type, ret_verdict);
}

uint64_t policies_lists(const struct policies *p, const uint64_t *hash, unsigned int hashes)
{
	return p->conf->dns.rule_lists ? rules_lists(p->rules, hash, hashes) : 0;
}

const struct dns_policy *policies_kernel(const struct policies *p, uint32_t policy)
{
	return rules_kernel(p->rules, policy);
}

int policies_each_client(const struct policies *p,
			 int (*fn)(void *arg, const struct dns_client_key *key, uint32_t value),
			 void *arg)
{
	return clients_each(p->clients, fn, arg);
}

void policies_figures(const struct policies *p, struct policies_figures *ret_figures)
{
	*ret_figures = (struct policies_figures){
		.names = p->names.slots + p->names.spills,
		.spilled = p->names.spills,
		.groups = groups_last(p->groups),
		.bytes = sizeof(*p) + names_bytes(&p->names) + groups_bytes(p->groups) +
			 rules_bytes(p->rules),
	};
}
