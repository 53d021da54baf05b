/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel half answers DNS by, as the resolver writes it and workers read it. Where
 * main handed no such maps over (no BPF), writing fails with -ENOENT and reading finds nothing.
 */
#ifndef DATAPATH_DNS_H
#define DATAPATH_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/role.h"

/* Were all the resolver's maps handed over? */
bool datapath_dns(const struct datapath *dp);

/* Closes what is kept here; datapath_done() calls it. */
void datapath_dns_done(struct datapath *dp);

/* --- policies and names: the resolver's -------------------------------------------------- */

/* 0 or -errno. */
int datapath_dns_state(const struct datapath *dp, struct dns_state *ret_state);
/* Whether the kernel half answers at all, in either generation. 0 or -errno. */
int datapath_dns_enable(struct datapath *dp, bool enabled);
/* TTL of what the idle generation blocks. 0 or -errno. */
int datapath_dns_block_ttl_put(struct datapath *dp, unsigned int which, uint32_t ttl);
/*
 * The idle generation's table: of `buckets`, 0 = without names (fd is not looked at). fd -1: it
 * is in no map, so that the kernel half asks for every name.
 */
int datapath_dns_names_put(struct datapath *dp, unsigned int which, int fd, uint32_t buckets);
/* Lets go of a generation's table, whose buckets stay named: who still looks there asks. */
int datapath_dns_names_forget(struct datapath *dp, unsigned int which);
int datapath_dns_policy_put(struct datapath *dp, unsigned int which, uint32_t place,
			    const struct dns_policy *policy);
/* Empties the idle trie: DNS_PREFIXES_MAX entries at most. */
int datapath_dns_clients_clear(struct datapath *dp, unsigned int which);
int datapath_dns_client_put(struct datapath *dp, unsigned int which,
			    const struct dns_client_key *key, uint32_t value);
/* epoch += by, after everything that it names: 1 = new policies, 2 = flush. 0 or -errno. */
int datapath_dns_epoch_add(struct datapath *dp, unsigned int by);

/*
 * Asks main for a table of so many buckets; datapath_dns_names_take() then finds it: 0 and
 * *ret_fd (the caller's, to be mapped), -EAGAIN = not there yet, -ENOMEM = there will be none.
 */
int datapath_dns_names_want(struct datapath *dp, uint32_t buckets);
int datapath_dns_names_take(struct datapath *dp, uint32_t buckets, int *ret_fd);

/* --- answers: the resolver's --------------------------------------------------------------- */

int datapath_dns_answer_put(struct datapath *dp, const struct dns_answer_key *key,
			    const struct dns_answer *answer);
int datapath_dns_answer_get(const struct datapath *dp, const struct dns_answer_key *key,
			    struct dns_answer *ret_answer);
int datapath_dns_answer_remove(struct datapath *dp, const struct dns_answer_key *key);
/* Removes all of them, also those of a resolver that died. */
int datapath_dns_answers_clear(struct datapath *dp);

/* --- who has which policy: every role ------------------------------------------------------ */

/* Policy of a client, 0 if that is not known. Remembers what it found for as long as it holds. */
uint32_t datapath_policy_of(struct datapath *dp, const struct addr *client);
/* Its flags: DNS_ONLY_RESOLVED, DNS_BLOCK_QUIC; 0 if there are none. */
uint32_t datapath_policy_flags(const struct datapath *dp, uint32_t policy);

#endif
