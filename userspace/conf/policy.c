// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Policies and rules: what they name, and that each rule does one thing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dns_words.h"
#include "conf/reader.h"

#define RCODES 32 /* that have a bit */

/* --- names of other things ----------------------------------------------------------------- */

/* Things that begin with their name. */
struct names {
	const char *what;
	const char *first;
	size_t num;
	size_t size; /* of each */
};

static const char *name_of(const struct names *names, size_t place)
{
	return names->first + place * names->size;
}

static bool take_ref(struct reader *r, const struct node *n, const struct names *names,
		     uint32_t *ret_place)
{
	char near[NEAR_TEXT_MAX], shown[TREE_SHOWN_MAX];
	const char *words[CONF_UPSTREAMS_MAX];
	const char *text = n->kind == NODE_SCALAR ? n->text : "";
	size_t num = names->num < CONF_UPSTREAMS_MAX ? names->num : CONF_UPSTREAMS_MAX;

	for (size_t i = 0; i < num; i++) {
		words[i] = name_of(names, i);
		if (!strcmp(text, words[i])) {
			*ret_place = (uint32_t)i;
			return true;
		}
	}
	if (!n->parent)
		return false; /* a standard; that it is missing has been told */
	reader_error(r, n, "'%s': there is no such %s%s", text_shown(text, shown), names->what,
		     near_text(text, words, num, near));
	return false;
}

static bool take_upstream_ref(struct reader *r, struct node *n, const struct key *k, void *to)
{
	const struct conf_dns *d = &r->conf->dns;
	const struct names names = { "upstream", (const char *)d->upstream, d->upstreams,
				     sizeof(*d->upstream) };

	return take_ref(r, n, &names, to);
}

static bool take_group_ref(struct reader *r, struct node *n, const struct key *k, void *to)
{
	const struct conf_dns *d = &r->conf->dns;
	const struct names names = { "group", (const char *)d->group, d->groups,
				     sizeof(*d->group) };

	return take_ref(r, n, &names, to);
}

static bool take_list_ref(struct reader *r, struct node *n, const struct key *k, void *to)
{
	const struct conf_dns *d = &r->conf->dns;
	const struct names names = { "list", (const char *)d->list, d->lists, sizeof(*d->list) };

	return take_ref(r, n, &names, to);
}

const struct kind kind_upstream_ref = { .take = take_upstream_ref,
					.expected = "the name of an upstream" };
const struct kind kind_group_ref = { .take = take_group_ref, .expected = "the name of a group" };
const struct kind kind_list_ref = { .take = take_list_ref, .expected = "the name of a list" };

/* --- words of DNS ------------------------------------------------------------------------- */

static bool take_rcode(struct reader *r, struct node *n, const struct key *k, void *to)
{
	uint16_t rcode;

	if (n->kind != NODE_SCALAR || dns_rcode_parse(n->text, &rcode))
		return reader_refuse(r, n, k, "is no response code");
	if (!rcode || rcode >= RCODES)
		return reader_refuse(r, n, k, "cannot be one of them");
	*(uint32_t *)to = rcode;
	return true;
}

const struct kind kind_rcode = { .take = take_rcode,
				 .expected = "response codes such as SERVFAIL, REFUSED, NXDOMAIN" };

static bool take_type(struct reader *r, struct node *n, const struct key *k, void *to)
{
	uint16_t type;

	if (n->kind != NODE_SCALAR || dns_type_parse(n->text, &type) || !type)
		return reader_refuse(r, n, k, "is no query type");
	*(uint16_t *)to = type;
	return true;
}

const struct kind kind_type = { .take = take_type,
				.expected = "query types such as A, AAAA, HTTPS, TYPE65280" };

/* `pass: false` would say nothing: no other action follows from it. */
static bool take_pass(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (n->kind != NODE_SCALAR || strcmp(n->text, "true") != 0)
		return reader_refuse(r, n, k, "says nothing");
	*(uint32_t *)to = DNS_PASS;
	return true;
}

const struct kind kind_pass = { .take = take_pass, .expected = "true" };

/* --- rules -------------------------------------------------------------------------------- */

static const char *const action_keys[] = { "block", "pass", "group", "address", "cname" };
#define ACTIONS "block, pass, group, address, cname"

/* The action that a rule names, and how many it names. */
static const struct node *rule_action(const struct node *n, unsigned int *ret_num)
{
	const struct node *found = NULL;

	*ret_num = 0;
	for (size_t i = 0; i < sizeof(action_keys) / sizeof(action_keys[0]); i++) {
		const struct node *key = node_find(n, action_keys[i]);

		if (key) {
			found = key;
			++*ret_num;
		}
	}
	return found;
}

void rule_done(struct reader *r, struct node *n, void *to)
{
	struct conf_rule *rule = to;
	const struct node *action;
	unsigned int num;

	if (!node_find(n, "group"))
		rule->group = CONF_NONE;
	action = rule_action(n, &num);
	if (num != 1) {
		reader_error(r, n, "a rule with %s, expected one of " ACTIONS,
			     num ? "more than one action" : "no action");
		return;
	}
	if (rule->addresses || rule->cname)
		rule->action = DNS_REWRITE;
	else if (!strcmp(action->key, "group"))
		rule->action = DNS_PASS;
	else if (!strcmp(action->key, "address") && action->kind != NODE_BAD)
		reader_error(r, action, "no address, expected one or more");
}

/* A policy that refuses what no rule decides needs a rule that lets something through. */
static void check_restricted(struct reader *r, const struct node *n, const struct conf_policy *p)
{
	const struct node *key = node_find(n, "restricted");

	if (!p->restricted)
		return;
	for (size_t i = 0; i < p->rules; i++)
		if (p->rule[i].action == DNS_PASS || p->rule[i].action == DNS_REWRITE)
			return;
	if (key)
		reader_error(r, key,
			     "refuses every query, expected a rule with pass, group, "
			     "address or cname");
}

void policy_done(struct reader *r, struct node *n, void *to)
{
	struct conf_policy *p = to;

	if (!p->name[0])
		snprintf(p->name, sizeof(p->name), "policy-%u", n ? n->index + 1 : 1);
	if (n)
		check_restricted(r, n, p);
}

static bool has_policy(const struct conf_dns *d, const char *name)
{
	for (size_t i = 0; i < d->policies; i++)
		if (!strcmp(d->policy[i].name, name))
			return true;
	return false;
}

/* What no policy is for goes by the last, which is made if need be. */
static void add_last(struct reader *r, struct conf_dns *d)
{
	struct conf_policy *more;

	if (d->policies && !d->policy[d->policies - 1].clients)
		return;
	more = realloc(d->policy, (d->policies + 1) * sizeof(*more));
	if (!more) {
		r->no_memory = true;
		return;
	}
	d->policy = more;
	memset(&more[d->policies], 0, sizeof(*more));
	section_read(r, NULL, &section_policy, &more[d->policies]);
	snprintf(more[d->policies].name, sizeof(more->name),
		 has_policy(d, "default") ? "(default)" : "default");
	d->policies++;
}

static void check_names(struct reader *r, const struct conf_dns *d)
{
	size_t clients = 0;

	for (size_t i = 0; i < d->policies; i++) {
		clients += d->policy[i].clients;
		for (size_t j = 0; j < i; j++)
			if (!strcmp(d->policy[i].name, d->policy[j].name))
				reader_error_line(r, d->policy[i].line,
						  "dns.policies: two policies have the name '%s'",
						  d->policy[i].name);
	}
	if (clients > DNS_CLIENTS_MAX)
		reader_error_line(r, d->policy[0].line,
				  "dns.policies: %zu clients in all, expected %d at most", clients,
				  DNS_CLIENTS_MAX);
}

void policies_after(struct reader *r, struct node *n, void *to)
{
	struct conf_dns *d = to;

	add_last(r, d);
	check_names(r, d);
	if (d->policies > DNS_POLICIES_MAX && n)
		reader_error(r, n,
			     "%zu policies with the one for all other clients, expected %d "
			     "at most",
			     d->policies, DNS_POLICIES_MAX);
}
