// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Facts about addresses. The map is an LRU that tells nobody what it forgets, so which name has
 * an address is kept here, too: by address, in sets of WAYS places, for as long as the facts
 * hold. An address that finds no place is taken for one of several names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "bpf/dns_names.h"
#include "datapath/dns.h"
#include "datapath/facts.h"
#include "dns/domains.h"
#include "dns/facts.h"

#define SET_BITS 11
#define WAYS 8
#define LABELS_MAX (NAME_WIRE_MAX / 2)
#define SLACK_NS (30 * NSEC_PER_SEC) /* of DNS_DOMAIN_GRACE_MS: facts may be so much too old */
#define PART_MS 1 /* between parts of a pass: queries come first */

struct address {
	struct addr addr;
	struct addr client; /* that the latest name was told */
	uint64_t hash; /* of the latest name, 0 = free */
	uint64_t expires_ns;
	uint64_t written_ns; /* what its facts in the map say of that */
	bool shared; /* several names had it at a time */
};

struct facts {
	struct loop *loop;
	struct datapath *dp;
	struct kcache *kcache;
	uint64_t seed[2];
	bool seeded;
	struct timer timer; /* of the pass */
	struct facts_pass pass;
	struct policies *renewing; /* a reference, NULL = no pass is under way */
	struct address address[1 << SET_BITS][WAYS];
};

/* --- names --------------------------------------------------------------------------------- */

unsigned int facts_hashes(const uint64_t seed[2], const struct name *name,
			  uint64_t ret_hash[RULE_NAMES_MAX])
{
	const struct dns_state seeds = { .seed = { seed[0], seed[1] } };
	uint64_t hash = dns_hash_root(&seeds);
	unsigned int labels = 0, used = 1;
	uint8_t at[LABELS_MAX];

	for (unsigned int pos = 0; name->wire[pos]; pos += 1U + name->wire[pos])
		at[labels++] = (uint8_t)pos;
	for (unsigned int i = labels; i--;) {
		if (used < RULE_NAMES_MAX)
			ret_hash[used++] = hash;
		hash = dns_hash_label(&seeds, hash, &name->wire[at[i] + 1], name->wire[at[i]]);
	}
	ret_hash[0] = hash;
	return used;
}

/* --- addresses ----------------------------------------------------------------------------- */

static struct address *set_of(struct facts *f, const struct addr *addr)
{
	uint64_t words[2], hash;

	memcpy(words, addr->b, sizeof(words));
	hash = dns_hash_word(&(struct dns_state){ .seed = { f->seed[0], f->seed[1] } }, words[0],
			     words[1]);
	return f->address[hash >> (64 - SET_BITS)];
}

/* Its place, or one that it may have; NULL = there is none. */
static struct address *find(struct facts *f, const struct addr *addr, uint64_t now)
{
	struct address *set = set_of(f, addr), *room = NULL;

	for (unsigned int i = 0; i < WAYS; i++) {
		if (set[i].expires_ns <= now)
			room = &set[i];
		else if (!memcmp(&set[i].addr, addr, sizeof(*addr)))
			return &set[i];
	}
	if (room)
		*room = (struct address){ .addr = *addr };
	return room;
}

/* Of the name that had it alone the kernel half forgets all. */
static void share(struct facts *f, struct address *a, bool withdraw)
{
	if (!a->shared && withdraw)
		kcache_withdraw(f->kcache, a->hash);
	a->shared = true;
}

static void write_facts(struct facts *f, const struct addr *client, const struct addr *addr,
			const struct domain_fact *fact)
{
	int err = datapath_fact_put(f->dp, client, addr, fact);

	if (err)
		log_warn("dns", "name of an address is not noted: %s", strerror(-err));
}

/* Who asks for the same again and again need not have it written each time. */
static bool is_written(const struct address *a, const struct addr *client,
		       const struct domain_fact *fact)
{
	return a->hash == fact->name[0] && !memcmp(&a->client, client, sizeof(*client)) &&
	       fact->expires_ns <= a->written_ns + SLACK_NS;
}

/* True: other names have it, too. */
static bool note_address(struct facts *f, const struct addr *client, const struct addr *addr,
			 const struct domain_fact *fact, bool withdraw)
{
	struct address *a = find(f, addr, clock_ns());

	if (!a) {
		write_facts(f, client, addr, fact);
		return true;
	}
	if (a->hash && a->hash != fact->name[0])
		share(f, a, withdraw);
	if (!is_written(a, client, fact)) {
		write_facts(f, client, addr, fact);
		a->written_ns = fact->expires_ns;
	}
	a->hash = fact->name[0];
	a->client = *client;
	if (a->expires_ns < fact->expires_ns)
		a->expires_ns = fact->expires_ns;
	return a->shared;
}

static bool seed(struct facts *f)
{
	struct dns_state s;

	if (!f->seeded && datapath_facts(f->dp) && !datapath_dns_state(f->dp, &s)) {
		memcpy(f->seed, s.seed, sizeof(f->seed));
		f->seeded = true;
	}
	return f->seeded;
}

bool facts_note(struct facts *f, const struct policies *p, const struct addr *client,
		const struct msg_question *question, const uint8_t *msg, size_t len)
{
	bool asked = policies_conf(p)->dns.rule_names, shared = false;
	struct domain_fact fact = { 0 };
	struct name lower = question->name;
	struct msg_record record;
	unsigned int noted = 0;
	struct msg_walk w;
	struct addr addr;

	if ((msg_get16(msg + 2) & MSG_RCODE) != RCODE_NOERROR || !msg_get16(msg + 6) || !seed(f))
		return false;
	name_lower(lower.wire, lower.len);
	fact.names = facts_hashes(f->seed, &lower, (uint64_t *)fact.name);
	fact.lists = policies_lists(p, (const uint64_t *)fact.name, fact.names);
	msg_walk_begin(&w, msg, len, question->end);
	while (noted < DOMAINS_ADDRESSES_MAX && msg_walk_next(&w, &record) > 0) {
		uint64_t ms = msg_ttl(&record) * 1000ULL + DNS_DOMAIN_GRACE_MS;

		if (!domains_address(msg, &record, &addr))
			continue;
		fact.expires_ns = clock_ns() + ms * NSEC_PER_MSEC;
		shared |= note_address(f, client, &addr, &fact, asked);
		noted++;
	}
	return shared && asked;
}

/* --- other lists --------------------------------------------------------------------------- */

static void end_pass(struct facts *f)
{
	loop_disarm(&f->timer);
	datapath_facts_end(&f->pass);
	policies_put(f->renewing);
	f->renewing = NULL;
}

/* Hashes are enough to tell: their seed stays the same as long as the maps do. */
static bool renew(void *arg, struct domain_fact *fact)
{
	const struct facts *f = arg;
	unsigned int names = fact->names < RULE_NAMES_MAX ? fact->names : RULE_NAMES_MAX;
	uint64_t lists = policies_lists(f->renewing, (const uint64_t *)fact->name, names);

	if (lists == fact->lists)
		return false;
	fact->lists = lists;
	return true;
}

static void renew_part(struct timer *t)
{
	struct facts *f = container_of(t, struct facts, timer);
	int more = datapath_facts_next(f->dp, &f->pass, renew, f);

	if (more < 0)
		log_warn("dns", "names of addresses keep their former lists: %s", strerror(-more));
	if (more > 0)
		loop_arm(f->loop, t, PART_MS);
	else
		end_pass(f);
}

void facts_renew(struct facts *f, struct policies *p)
{
	end_pass(f);
	if (!datapath_facts(f->dp))
		return;
	if (datapath_facts_begin(&f->pass)) {
		log_warn("dns", "names of addresses keep their former lists: out of memory");
		return;
	}
	f->renewing = policies_get(p);
	loop_arm(f->loop, &f->timer, 0);
}

/* --- life ---------------------------------------------------------------------------------- */

int facts_new(struct loop *loop, struct datapath *dp, struct kcache *kcache,
	      struct facts **ret_facts)
{
	struct facts *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->loop = loop;
	f->dp = dp;
	f->kcache = kcache;
	timer_init(&f->timer, renew_part);
	*ret_facts = f;
	return 0;
}

void facts_free(struct facts *f)
{
	if (!f)
		return;
	end_pass(f);
	free(f);
}
