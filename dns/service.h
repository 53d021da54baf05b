/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The resolver's work without its transports: takes queries, answers them from the cache or
 * from upstream, or says why not. Every well-formed query gets exactly one answer.
 */
#ifndef DNS_SERVICE_H
#define DNS_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "conf/conf.h"
#include "datapath/role.h"
#include "dns/cache.h"
#include "dns/change.h"
#include "dns/exchange.h"
#include "dns/facts.h"
#include "dns/flows.h"
#include "dns/history.h"
#include "dns/kcache.h"
#include "dns/query.h"
#include "dns/reply.h"
#include "dns/upstreams.h"

struct service_options {
	uint32_t queries_max; /* 0 = DNS_QUERIES_MAX */
	uint32_t client_queries_max; /* of one address, 0 = all */
	uint32_t sockets_max; /* open at a time; further questions wait */
	uint32_t flows_max; /* 0 = DNS_FLOWS_MAX */
	uint32_t timeout_ms; /* 0 = the configuration's */
	uint32_t mtu;
	struct addr host_loopback; /* leads to the host's own services; zero = none does */
	uint32_t upstreams; /* not 0: in the place of the group "default" */
	struct endpoint upstream[DNS_UPSTREAMS_MAX];
	const char *resolv_conf; /* NULL = BOOTSTRAP_FILE */
	bool host_capture; /* the host's own queries come to us: its stub may lead back here */
	struct conf *conf; /* the caller's, NULL = all as by default */
	const int *list_fds; /* the caller's, by place in conf->dns.list; until ready() is called */
	/*
	 * NULL, or told that the first configuration is in force, perhaps before service_new() has
	 * returned: 0, or -errno. Until then queries get no answer.
	 */
	change_done_fn ready;
	/* Sends `msg` to a client; never more than it can take. */
	void (*reply)(void *arg, const struct client *client, const uint8_t *msg, size_t len);
	void *arg;
};

struct service {
	struct service_options options;
	struct loop *loop;
	struct datapath *datapath;
	struct query_table *queries;
	struct exchanges *exchanges;
	struct cache *cache;
	struct flows *flows;
	struct upstreams *upstreams;
	struct kcache *kcache;
	struct facts *facts;
	struct generation *generation; /* in force, NULL = none yet */
	struct change change;
	uint32_t scopes; /* of the cache, given so far */
	uint64_t taken; /* queries and lookups, so far */
	struct timer expiry; /* of the query whose time is over first, */
	uint64_t expiry_ns; /* at this clock_ns() */
	struct timer sweep; /* of flows and of the cache, each second while there is anything */
	struct list stale; /* queries that may get a stale answer, the oldest first */
	struct timer stale_due; /* of the oldest of them */
	struct history history;
	uint8_t answer[MSG_MAX + REPLY_ROOM]; /* one that is made here, or cached */
	uint8_t upstream_answer[MSG_MAX + REPLY_ROOM]; /* what is let through of an upstream's */
	uint8_t target_answer[MSG_MAX + REPLY_ROOM]; /* a cached one, to be put behind a CNAME */
	uint8_t short_answer[MSG_HEADER_BYTES + MSG_QUESTION_MAX + EDNS_OPT_BYTES];
};

/* 0 or -errno. `loop` and `dp` outlive it. */
int service_new(struct loop *loop, struct datapath *dp, const struct service_options *options,
		struct service **ret_service);
/* Accepts NULL. Queries in flight get SERVFAIL, DNS flows are ended. */
void service_free(struct service *s);

/*
 * What a client sent: anything, of any length. 0; -EBADMSG = dropped, there is no answer;
 * -EAGAIN = there is no configuration yet.
 */
int service_query(struct service *s, const struct client *client, const uint8_t *msg, size_t len);

/* After a restart: takes over the DNS flows that the predecessor left open. */
void service_adopt(struct service *s);

/* Forgets what is kept for `name` (lower case) and all below it, NULL = everything. Returns how
 * many answers that were. */
size_t service_flush(struct service *s, const struct name *name);

/* A packet of this flow came that held no query. */
void service_flow_seen(struct service *s, const struct flow_key *key);

/*
 * Asks as a client of this address would (NULL = an address that no policy names) and tells the
 * answer by `done`, once, perhaps before this returns: `a` says where it comes from, a->msg has
 * `len` bytes. -ENOBUFS = there is no room for one more query; done is not called then.
 */
int service_lookup(struct service *s, const struct addr *client, const struct name *name,
		   uint16_t type,
		   void (*done)(void *arg, const struct query *q, const struct answer *a,
				size_t len),
		   void *arg);

/*
 * Another configuration, in the place of the one in force, all or nothing; queries in flight end
 * under the one that they began with. `conf` and `list_fds` are the caller's; the latter until
 * `done` is called. -EBUSY = one is under way; -errno, done is not called.
 */
int service_reload(struct service *s, struct conf *conf, const int *list_fds, change_done_fn done,
		   void *arg);
/* For change.c: in the place of the generation in force, takes over its reference. 0 or -errno. */
int service_take_generation(struct service *s, struct generation *g);

/* For resolve.c: one more query in flight, NULL = no room; and one that is done. */
struct query *service_add(struct service *s, const struct query *from);
void service_drop(struct service *s, struct query *q);

#endif
