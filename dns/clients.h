/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a client's address to its policy: of all prefixes that policies name, each with the first
 * policy in order that covers it, so that the longest one that has an address tells its policy.
 */
#ifndef DNS_CLIENTS_H
#define DNS_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "conf/conf.h"

struct clients;

/* 0 or -ENOMEM. `dns` need not outlive it. */
int clients_new(const struct conf_dns *dns, struct clients **ret_clients);
/* Accepts NULL. */
void clients_free(struct clients *c);

/* The policy, with DNS_CLIENT_ALLOWED for who is let in by the configuration. */
uint32_t clients_find(const struct clients *c, const struct addr *addr);
/* Each prefix with its value, until fn returns less than 0, which is then returned. */
int clients_each(const struct clients *c,
		 int (*fn)(void *arg, const struct dns_client_key *key, uint32_t value), void *arg);

#endif
