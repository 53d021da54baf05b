/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The upstreams and groups of the configuration in force. A new configuration is built beside
 * the old one and takes its place at once: what stays as it was stays the same object; what
 * went away lives until the last exchange that knows it has ended.
 */
#ifndef DNS_UPSTREAMS_H
#define DNS_UPSTREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "conf/conf.h"
#include "datapath/role.h"
#include "dns/bootstrap.h"
#include "dns/upstream.h"

#define UPSTREAM_GROUP_MAX 16 /* members; an upstream of type host is one per server */
#define UPSTREAM_RCODES (1U << RCODE_SERVFAIL | 1U << RCODE_NOTIMP | 1U << RCODE_REFUSED)

/* Never changed once made; counted references. */
struct upstream_group {
	unsigned int refs;
	char name[CONF_NAME_MAX];
	bool race; /* all are asked at once */
	uint32_t failover_rcodes; /* bits by RCODE: answers that another one may better */
	unsigned int num;
	struct upstream *member[UPSTREAM_GROUP_MAX]; /* in order of preference */
};

struct upstreams_options {
	struct loop *loop; /* outlives it, as does */
	struct datapath *datapath;
	const char *resolv_conf; /* NULL = BOOTSTRAP_FILE */
	const char *resolved_conf; /* NULL = BOOTSTRAP_RESOLVED_FILE */
	bool host_capture; /* the host's own queries come to us: its stub may lead back here */
};

/* What is kept of a configuration (own copies), and the groups made of it. */
struct upstreams_plan {
	struct conf_upstream *upstream;
	size_t upstreams;
	struct conf_group *conf_group;
	size_t groups;
	struct endpoint *bootstrap;
	size_t bootstraps;
	struct endpoint *listener; /* our own: never an upstream */
	size_t listeners;
	bool loop_check;
	struct upstream_group **group; /* by place, `groups` of them */
};

struct upstreams {
	struct upstreams_options options;
	struct upstream_env env;
	struct bootstrap bootstrap;
	struct upstreams_plan plan; /* in force */
	struct endpoint host[DNS_UPSTREAMS_MAX];
	unsigned int hosts; /* the host's servers */
	struct timer check; /* for loops */
	struct loop_turn turn;
	uint8_t scratch[MSG_MAX];
};

/* Without any upstream at first. 0 or -errno. */
int upstreams_new(const struct upstreams_options *options, struct upstreams **ret_upstreams);
/* Accepts NULL. No exchange refers to a group any more. */
void upstreams_free(struct upstreams *us);

/*
 * Takes over upstreams, groups, bootstrap servers and listeners of `conf` (NULL: one group of
 * the host's own servers). With `dns_num` > 0 the group in place 0 has these plain ones as its
 * members instead. All or nothing: 0, or -errno and `error` for people.
 */
int upstreams_assign(struct upstreams *us, const struct conf_dns *conf, const struct endpoint *dns,
		     unsigned int dns_num, char error[TRANSPORT_ERROR_MAX]);
/*
 * What those in force were made from besides the configuration (authorities) is read again if it
 * has changed. All or nothing: 0, or -errno and `error` for people.
 */
int upstreams_reread(struct upstreams *us, char error[TRANSPORT_ERROR_MAX]);
/*
 * For every query: looks, cheaply, whether the host's servers have changed. True = the groups are
 * others now; those that are held go on with the servers that they know.
 */
bool upstreams_refresh(struct upstreams *us);

/* The group in this place, NULL = there is none. */
struct upstream_group *upstreams_group(struct upstreams *us, size_t place);
struct upstream_group *upstream_group_get(struct upstream_group *g);
void upstream_group_put(struct upstream_group *g);
/*
 * The next one to ask that is not in `tried` (bits by place): in order, those that fail after
 * the others, those that are down last, those that loop never. Its place, -1 = none, -EDEADLK =
 * none but such as loop.
 */
int upstream_group_pick(const struct upstream_group *g, uint32_t tried);

/*
 * Is this query of a client one of ours that went in a circle? Its upstream is then not asked
 * any more for a while.
 */
bool upstreams_is_loop(struct upstreams *us, const struct msg_question *question);

/* Those in force, in the order of the configuration. */
void upstreams_each(struct upstreams *us, void (*fn)(void *arg, const struct upstream *u),
		    void *arg);

#endif
