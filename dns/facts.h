/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the rules of a host know of an address: by which name a client came to it, and which
 * lists have that name (bpf/contract_rules.h, struct domain_fact).
 *
 * The latest answer that a client got counts, and the kernel half, which also gives answers,
 * cannot note it. So while rules ask for names it must give none that leads to an address of
 * several names: those of an address that turns out to be one are taken back.
 */
#ifndef DNS_FACTS_H
#define DNS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "datapath/role.h"
#include "dns/kcache.h"
#include "dns/msg.h"
#include "dns/policy.h"

struct facts;

/* Answers that are taken back are those of `kcache`. All of them outlive it. 0 or -ENOMEM. */
int facts_new(struct loop *loop, struct datapath *dp, struct kcache *kcache,
	      struct facts **ret_facts);
/* Accepts NULL. */
void facts_free(struct facts *f);

/*
 * Notes the addresses of an answer that `client` gets, under the name that was asked, by the
 * lists of `p`. `msg` is well-formed. True: the kernel half must not give this answer.
 */
bool facts_note(struct facts *f, const struct policies *p, const struct addr *client,
		const struct msg_question *question, const uint8_t *msg, size_t len);

/* The lists are other ones: what is known is brought up to date, in parts. */
void facts_renew(struct facts *f, struct policies *p);

/* Hashes of a name (lower case) and its parents, as a fact has them. Returns how many. */
unsigned int facts_hashes(const uint64_t seed[2], const struct name *lower_name,
			  uint64_t ret_hash[RULE_NAMES_MAX]);

#endif
