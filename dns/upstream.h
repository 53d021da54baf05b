/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A resolver that may be asked: its settings, where it is, its connections, how it behaves.
 * Whoever may still ask it holds a reference (upstreams.h: the groups do).
 */
#ifndef DNS_UPSTREAM_H
#define DNS_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "dns/attempt.h"
#include "dns/bootstrap_names.h"
#include "dns/health.h"
#include "dns/ipv6.h"
#include "dns/probe.h"

#define UPSTREAM_LOOKUP_AGAIN_MS 5000 /* after one that succeeded, if nobody answers there */
#define UPSTREAM_LOOKUP_MIN_MS 1000 /* after one that failed; doubles while they do */
#define UPSTREAM_LOOKUP_MAX_MS 30000
#define UPSTREAM_TTL_MIN 30 /* seconds that a looked-up address is good for, at least */
#define UPSTREAM_TTL_MAX 86400

/* What all upstreams share; owned by struct upstreams. */
struct upstream_env {
	struct loop *loop;
	struct datapath *datapath;
	struct plain_env plain;
	struct lookups *lookups; /* of upstreams' names */
	struct ipv6 ipv6;
	uint32_t sockets; /* of plain attempts */
	struct list all; /* upstreams that somebody refers to */
	struct list dead; /* those that nobody does, for upstream_reap() */
};

struct upstream_path {
	struct upstream *upstream;
	enum conf_family family; /* of the connections: CONF_V4, CONF_V6 or CONF_BOTH */
	struct transport *transport;
};

struct upstream {
	struct list link; /* env->all */
	struct upstream_env *env;
	unsigned int refs;
	struct conf_upstream conf; /* own copy; type is never CONF_HOST */
	bool of_host; /* one of the host's own resolvers */
	bool current; /* of the configuration that is in force */
	struct health health;
	bool probing; /* it is down, and asked now and then whether it still is */
	bool looped; /* what it is asked comes back to us: it is not asked */
	struct probe health_probe;
	struct probe loop_probe;

	/* where it is */
	struct endpoint address[CONF_ADDRESSES_MAX];
	unsigned int addresses;
	unsigned int first; /* place that is tried first: the one that worked last */
	struct lookup lookup;
	bool looking;
	uint64_t expires_ms; /* of looked-up addresses; they stay in use until there are others */
	uint64_t lookup_ms; /* no other lookup before */
	uint32_t lookup_wait_ms;

	struct upstream_path path[2]; /* of tcp, tls, https; the second for CONF_SPLIT's IPv6 */
	struct list attempts; /* in flight, oldest first */
	struct timer timeout; /* of the oldest */

	/* figures */
	uint64_t asked; /* queries sent to it */
	uint64_t answers;
	uint64_t failures; /* refused, unreachable, broken off, unparsable */
	uint64_t timeouts;
	uint64_t spoofs; /* answers that did not match */
	uint64_t streams; /* asked over TCP because UDP was not enough */
	uint64_t latency_us; /* smoothed, 0 = not known yet */
};

/*
 * The one of env->all with these settings, or a new one; a reference for the caller. 0 or
 * -errno, then `error` says what is wrong with the settings if it is they.
 */
int upstream_get(struct upstream_env *env, const struct conf_upstream *conf, bool of_host,
		 struct upstream **ret_upstream, char error[TRANSPORT_ERROR_MAX]);
/* Accepts NULL. */
void upstream_put(struct upstream *u);
/* transport_reread() and transport_renew() of its connections. */
int upstream_reread(struct upstream *u, char error[TRANSPORT_ERROR_MAX]);
void upstream_renew(struct upstream *u, bool take);
/* Frees those that nobody refers to any more: not from within anything that they call. */
void upstream_reap(struct upstream_env *env);

/* A deep copy; upstream_conf_done() also of one that failed. 0 or -ENOMEM. */
int upstream_conf_copy(const struct conf_upstream *from, struct conf_upstream *to);
void upstream_conf_done(struct conf_upstream *c);

/* Is it asked over plain sockets of one question each? */
static inline bool upstream_is_plain(const struct upstream *u)
{
	return u->conf.type == CONF_PLAIN;
}

/*
 * Where it may be reached over `family`, best first; IPv6 only where it leads anywhere. May
 * begin a lookup. Returns the number.
 */
unsigned int upstream_addresses(struct upstream *u, enum conf_family family,
				struct endpoint ret_to[CONF_ADDRESSES_MAX]);
/* The family that a question goes over (CONF_SPLIT is told by its type). */
enum conf_family upstream_family(const struct upstream *u, const struct plain_question *question);
/* Is a lookup under way, without which nothing can be asked? */
bool upstream_is_waiting(const struct upstream *u);
/* Is one of its addresses private, loopback or link-local: can it be near? */
bool upstream_is_near(const struct upstream *u);
/* That answers are said to come from; zero while none is known. */
struct endpoint upstream_endpoint(const struct upstream *u);

/* What became of trying to reach it at `to`: 0 or -errno. */
void upstream_reached(struct upstream *u, const struct endpoint *to, int status);
void upstream_answered(struct upstream *u, uint64_t latency_us);
/* The same of questions of our own, which are not in the figures. */
void upstream_alive(struct upstream *u);
void upstream_bad(struct upstream *u);
void upstream_failed(struct upstream *u);
void upstream_timed_out(struct upstream *u);
/* Time has passed without a question. */
void upstream_look(struct upstream *u);

#endif
