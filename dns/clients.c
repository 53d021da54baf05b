// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A sorted array of prefixes: by address, then by length, so that a prefix stands behind those
 * that contain it. Each knows the nearest of them (its parent). An address is looked for where
 * it would stand; the longest prefix that has it is the one in front of that place, or one of
 * that one's parents.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "dns/clients.h"

#define NO_PARENT UINT32_MAX

_Static_assert(DNS_CLIENTS_MAX + CONF_ALLOWS_MAX + 1 <= DNS_PREFIXES_MAX, "room for all prefixes");

struct client_prefix {
	struct addr addr;
	uint32_t bits; /* of 128 */
	uint32_t policy; /* the first that covers it, CONF_NONE = none */
	bool allowed;
	uint32_t parent; /* place */
};

struct clients {
	uint32_t num;
	struct client_prefix prefix[];
};

static bool covers(const struct client_prefix *p, const struct addr *a)
{
	unsigned int bytes = p->bits / 8, bits = p->bits % 8;

	if (memcmp(p->addr.b, a->b, bytes) != 0)
		return false;
	return !bits || !((p->addr.b[bytes] ^ a->b[bytes]) >> (8 - bits));
}

static int by_place(const void *a, const void *b)
{
	const struct client_prefix *x = a, *y = b;
	int r = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));

	return r ? r : (int)x->bits - (int)y->bits;
}

static void add(struct clients *c, const struct prefix *p, uint32_t policy, bool allowed)
{
	c->prefix[c->num++] = (struct client_prefix){
		.addr = p->addr,
		.bits = addr_is_v4(&p->addr) ? p->bits + 96 : p->bits,
		.policy = policy,
		.allowed = allowed,
	};
}

static size_t count(const struct conf_dns *dns)
{
	size_t num = dns->allows + 1;

	for (size_t i = 0; i < dns->policies; i++)
		num += dns->policy[i].clients;
	return num;
}

/* Everybody is covered by the first policy without clients, or by the last one of all. */
static void add_all(struct clients *c, const struct conf_dns *dns)
{
	struct client_prefix *all = &c->prefix[c->num++];
	size_t last = 0;

	for (size_t i = 0; i < dns->policies; i++) {
		for (size_t j = 0; j < dns->policy[i].clients; j++)
			add(c, &dns->policy[i].client[j], (uint32_t)i, false);
	}
	for (size_t i = 0; i < dns->allows; i++)
		add(c, &dns->allow[i], CONF_NONE, true);
	while (last + 1 < dns->policies && dns->policy[last].clients)
		last++;
	*all = (struct client_prefix){ .policy = (uint32_t)last };
}

/* Those that are there several times become one. */
static void merge(struct clients *c)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < c->num; i++) {
		struct client_prefix *to = &c->prefix[kept], *from = &c->prefix[i];

		if (by_place(to, from) != 0) {
			c->prefix[++kept] = *from;
			continue;
		}
		to->allowed |= from->allowed;
		if (from->policy < to->policy)
			to->policy = from->policy;
	}
	c->num = kept + 1;
}

/* Parents stand in front, so theirs is known already. */
static void inherit(struct clients *c)
{
	uint32_t parent = NO_PARENT;

	for (uint32_t i = 0; i < c->num; i++) {
		struct client_prefix *p = &c->prefix[i];

		while (parent != NO_PARENT && !covers(&c->prefix[parent], &p->addr))
			parent = c->prefix[parent].parent;
		p->parent = parent;
		if (parent != NO_PARENT) {
			p->allowed |= c->prefix[parent].allowed;
			if (c->prefix[parent].policy < p->policy)
				p->policy = c->prefix[parent].policy;
		}
		parent = i;
	}
}

int clients_new(const struct conf_dns *dns, struct clients **ret_clients)
{
	size_t num = count(dns);
	struct clients *c = malloc(sizeof(*c) + num * sizeof(c->prefix[0]));

	if (!c)
		return -ENOMEM;
	c->num = 0;
	add_all(c, dns);
	qsort(c->prefix, c->num, sizeof(c->prefix[0]), by_place);
	merge(c);
	inherit(c);
	*ret_clients = c;
	return 0;
}

void clients_free(struct clients *c)
{
	free(c);
}

static uint32_t value_of(const struct client_prefix *p)
{
	return p->policy | (p->allowed ? DNS_CLIENT_ALLOWED : 0);
}

/* The place of the last prefix whose address is not above `a`; the first one is ::/0. */
static uint32_t last_not_above(const struct clients *c, const struct addr *a)
{
	uint32_t low = 0, high = c->num;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (memcmp(c->prefix[mid].addr.b, a->b, sizeof(a->b)) <= 0)
			low = mid;
		else
			high = mid;
	}
	return low;
}

uint32_t clients_find(const struct clients *c, const struct addr *addr)
{
	uint32_t at = last_not_above(c, addr);

	while (!covers(&c->prefix[at], addr))
		at = c->prefix[at].parent;
	return value_of(&c->prefix[at]);
}

int clients_each(const struct clients *c,
		 int (*fn)(void *arg, const struct dns_client_key *key, uint32_t value), void *arg)
{
	for (uint32_t i = 0; i < c->num; i++) {
		struct dns_client_key key = { .bits = c->prefix[i].bits };
		int r;

		memcpy(key.addr, c->prefix[i].addr.b, sizeof(key.addr));
		r = fn(arg, &key, value_of(&c->prefix[i]));
		if (r < 0)
			return r;
	}
	return 0;
}
