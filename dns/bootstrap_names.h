/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses of upstreams that are known by name, looked up by c-ares in our loop and over our
 * marked sockets. Certificates, not this, make sure that the right one is talked to.
 */
#ifndef DNS_BOOTSTRAP_NAMES_H
#define DNS_BOOTSTRAP_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/loop.h"
#include "conf/conf.h"

#define LOOKUP_TIMEOUT_MS 1500 /* for a server to answer, at first */
#define LOOKUP_TRIES 2 /* of each server */
#define LOOKUP_SOCKETS_MAX 32

struct lookups;
struct lookup_query;

/* Embedded in its owner; zero but for `done` is idle. */
struct lookup {
	/*
	 * Called once per lookup_start() that returned 0: 0, addresses without port (at least
	 * one) and seconds that they are good for; or -errno. Never from within lookup_start().
	 */
	void (*done)(struct lookup *l, int status, const struct endpoint *found, unsigned int num,
		     uint32_t ttl);
	struct lookup_query *query; /* NULL = idle */
};

/* 0 or -errno. */
int lookups_new(struct loop *loop, struct lookups **ret_lookups);
/* Accepts NULL. What is under way ends without a report. */
void lookups_free(struct lookups *ls);
/* Who is asked from now on. 0 or -errno. */
int lookups_assign(struct lookups *ls, const struct endpoint *servers, unsigned int num);

/* family: AF_UNSPEC, AF_INET or AF_INET6. 0 or -errno; -EDESTADDRREQ = there is no server. */
int lookup_start(struct lookups *ls, struct lookup *l, const char *name, int family);
void lookup_cancel(struct lookup *l);

#endif
