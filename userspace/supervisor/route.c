// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Route capture's life. Everything happens in the network namespace that main is in, the
 * host's. What others do to routes and rules meanwhile is heard of by netlink; a crowd of
 * changes is looked at once, a little later.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "netdev/link.h"
#include "netdev/monitor.h"
#include "supervisor/route.h"

#define SYSCTL_RP_FILTER "/proc/sys/net/ipv4/conf/%s/rp_filter"

/* --- items -------------------------------------------------------------------------------- */

static int item_make(struct routing *r, struct routing_family *f, unsigned int i)
{
	const struct route_item *item = &f->plan.item[i];
	struct rtnl_request req;

	if (item->kind == ROUTE_ITEM_ROUTE) {
		route_build(&req, &item->route);
	} else if (item->kind == ROUTE_ITEM_RULE) {
		rule_build(&req, &item->rule);
	} else {
		memcpy(req.buf, f->used.found.buf, sizeof(req.buf));
		req.head = (struct nlmsghdr *)req.buf;
		req.head->nlmsg_type = RTM_DELROUTE;
		req.head->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	}
	return undo_request(&r->undo, req.head, &f->change[i]);
}

static const char *item_text(const struct route_item *item)
{
	if (item->kind == ROUTE_ITEM_RULE)
		return "rule";
	return item->kind == ROUTE_ITEM_ROUTE ? "route" : "removal of the default route";
}

/* Those of one mode, or of both. */
static int make_items(struct routing *r, struct routing_family *f, bool firewall,
		      char err[ERROR_TEXT_MAX])
{
	for (unsigned int i = 0; i < f->plan.items; i++) {
		int e;

		if (f->plan.item[i].firewall != firewall || f->change[i])
			continue;
		e = item_make(r, f, i);
		/* IPv6 that is switched off on the TUN, as on all devices: nothing can leak */
		if (e == -EACCES && f->family == AF_INET6 && !r->wish.v6->bits)
			continue;
		if (e)
			return error_at(err, e, "capture.route: %s %u of IPv%d",
					item_text(&f->plan.item[i]), i,
					f->family == AF_INET ? 4 : 6);
	}
	return 0;
}

static void take_items_back(struct routing *r, struct routing_family *f, bool firewall)
{
	for (unsigned int i = f->plan.items; i-- > 0;) {
		if (firewall && !f->plan.item[i].firewall)
			continue;
		undo_take_back(&r->undo, f->change[i]);
		f->change[i] = NULL;
	}
}

/* --- the uplink --------------------------------------------------------------------------- */

static int rp_filter_of(const char *device)
{
	char path[128];
	FILE *file;
	int n = 0;

	snprintf(path, sizeof(path), SYSCTL_RP_FILTER, device);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &n) != 1)
		n = 0;
	fclose(file);
	return n;
}

/*
 * Answers to sockets that are bound to the uplink come in where the routes do not lead: with
 * strict filtering (the greater of "all" and the device's own counts) they would be dropped.
 */
static int loosen_filter(struct routing *r, int ifindex)
{
	char name[IF_NAMESIZE], path[128];
	int all = rp_filter_of("all"), own;

	if (!if_indextoname((unsigned int)ifindex, name))
		return -errno;
	own = rp_filter_of(name);
	if ((all > own ? all : own) != 1)
		return 0;
	snprintf(path, sizeof(path), SYSCTL_RP_FILTER, name);
	return undo_write(&r->undo, path, "2", &r->loosened);
}

static bool binds(const struct routing *r)
{
	return route_way_binds(r->wish.conf->way);
}

static int find_uplink(const struct routing *r, int family, struct route_uplink *ret_uplink)
{
	*ret_uplink = (struct route_uplink){ 0 };
	return binds(r) ? route_find_uplink(family, r->wish.tun_ifindex, ret_uplink) : 0;
}

static bool same_uplink(const struct route_uplink *a, const struct route_uplink *b)
{
	return a->ifindex == b->ifindex && addr_eq(&a->gateway, &b->gateway) &&
	       a->metric == b->metric;
}

/* Where the host's default route leads, before anything is changed. On error: nowhere. */
static int family_look(struct routing *r, struct routing_family *f, char err[ERROR_TEXT_MAX])
{
	int e = find_uplink(r, f->family, &f->used);

	f->unseen = e;
	return e ? error_at(err, e, "capture.route: the default route of IPv%d",
			    f->family == AF_INET ? 4 : 6) :
		   0;
}

static int family_make(struct routing *r, struct routing_family *f, char err[ERROR_TEXT_MAX])
{
	struct route_facts facts = { .conf = r->wish.conf,
				     .family = f->family,
				     .tun_ifindex = r->wish.tun_ifindex,
				     .subnet = f->family == AF_INET ? r->wish.v4 : r->wish.v6,
				     .uplink = &f->used,
				     .dns = r->wish.dns };
	int e;

	memset(f->change, 0, sizeof(f->change));
	route_plan_make(&facts, &f->plan);
	e = make_items(r, f, false, err);
	if (!e && r->mode == CONF_ROUTE_FIREWALL)
		e = make_items(r, f, true, err);
	if (e)
		return e;
	if (f->family == AF_INET && f->used.ifindex)
		e = loosen_filter(r, f->used.ifindex);
	if (e)
		return error_at(err, e, "capture.route: the device of the default route");
	f->unseen |= find_uplink(r, f->family, &f->uplink) != 0;
	return 0;
}

/* A kernel without IPv6 has nothing that could leak. */
static bool family_is_there(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	fd_close(fd);
	return true;
}

static unsigned int families_there(void)
{
	return family_is_there(AF_INET6) ? 2 : 1;
}

/* All families are looked at, whatever one says. */
static int look_for_uplinks(struct routing *r, char err[ERROR_TEXT_MAX])
{
	unsigned int families = families_there();
	int e = 0;

	for (unsigned int i = 0; i < families; i++) {
		int looked = family_look(r, &r->family[i], err);

		if (looked)
			e = looked;
	}
	if (!e && binds(r) && !r->family[0].used.ifindex && !r->family[1].used.ifindex)
		e = error_text(
			err, -ENETUNREACH,
			"capture.route: '%s' needs a default route of the host: there is none",
			conf_route_ways[r->wish.conf->way]);
	return e;
}

/*
 * Who is connected while the routes come must be bound already: our own sockets would come back
 * to us, and what rules send direct would be carried.
 */
static int make_all(struct routing *r, char err[ERROR_TEXT_MAX])
{
	unsigned int families = families_there();
	int e = 0;

	r->family[1].plan.items = 0;
	r->ops->uplink_changed(r);
	for (unsigned int i = 0; !e && i < families; i++)
		e = family_make(r, &r->family[i], err);
	return e;
}

static void unmake_all(struct routing *r)
{
	take_items_back(r, &r->family[1], false);
	undo_take_back(&r->undo, r->loosened);
	r->loosened = NULL;
	take_items_back(r, &r->family[0], false);
}

/* --- what others do ----------------------------------------------------------------------- */

static bool uplink_moved(struct routing *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct routing_family *f = &r->family[i];
		struct route_uplink now;

		if (f->plan.items && !find_uplink(r, f->family, &now) &&
		    (f->unseen || !same_uplink(&now, &f->uplink)))
			return true;
	}
	return false;
}

/*
 * The host has another default route: everything is made anew, from it. A family without one, or
 * with one that cannot be used, leads to the TUN all the same: nothing leaks while it is missing.
 */
static void start_anew(struct routing *r)
{
	int looked;

	unmake_all(r);
	looked = look_for_uplinks(r, r->error);
	r->failed = make_all(r, r->error);
	if (r->failed) /* what we have done ourselves is no reason to try again, for ever */
		monitor_drain(r->watch.fd);
	if (looked || r->failed) {
		log_warn("route", "%s", r->error);
		return;
	}
	r->error[0] = '\0';
	log_info("route", "the host has another default route: capture follows it");
}

static void repair_expired(struct timer *t)
{
	struct routing *r = container_of(t, struct routing, repair);
	int missing;

	if (r->failed || uplink_moved(r)) {
		start_anew(r);
		return;
	}
	missing = undo_repair(&r->undo);
	if (missing < 0) {
		error_at(r->error, missing, "capture.route: cannot put back what was removed");
		log_warn("route", "%s", r->error);
	} else if (missing) {
		r->error[0] = '\0';
		r->repaired += (uint64_t)missing;
		log_warn("route", "%d routes or rules were removed by somebody: put back", missing);
	}
}

static void changes_ready(struct watch *w, uint32_t events)
{
	struct routing *r = container_of(w, struct routing, watch);

	monitor_drain(w->fd);
	if (!timer_is_armed(&r->repair))
		loop_arm(r->loop, &r->repair, ROUTE_REPAIR_MS);
}

static int watch_changes(struct routing *r)
{
	int e = monitor_open_routes(&r->watch.fd);

	return e ? e : loop_add(r->loop, &r->watch, EPOLLIN);
}

/* --- life --------------------------------------------------------------------------------- */

void routing_init(struct routing *r, struct loop *loop, const struct routing_ops *ops)
{
	memset(r, 0, sizeof(*r));
	r->loop = loop;
	r->ops = ops;
	r->watch = (struct watch){ .ready = changes_ready, .fd = -1 };
	r->family[0].family = AF_INET;
	r->family[1].family = AF_INET6;
	undo_init(&r->undo);
	timer_init(&r->repair, repair_expired);
}

int routing_start(struct routing *r, const struct routing_wish *wish, char err[ERROR_TEXT_MAX])
{
	int e;

	if (wish->conf->way == CONF_ROUTE_NONE)
		return 0;
	r->wish = *wish;
	r->mode = wish->conf->mode;
	e = undo_open(&r->undo, wish->directory, wish->instance);
	if (e)
		return error_at(err, e, "capture.route: cannot keep a record of changes in %s",
				wish->directory);
	r->active = true;
	e = watch_changes(r);
	if (e)
		error_at(err, e, "capture.route: cannot watch routes and rules");
	else
		e = look_for_uplinks(r, err);
	if (!e)
		e = make_all(r, err);
	if (e)
		routing_stop(r);
	return e;
}

void routing_stop(struct routing *r)
{
	if (!r->active)
		return;
	loop_disarm(&r->repair);
	if (r->watch.fd >= 0) {
		loop_remove(r->loop, &r->watch);
		r->watch.fd = fd_close(r->watch.fd);
	}
	undo_close(&r->undo);
	r->loosened = NULL;
	r->active = false;
}

int routing_set_mode(struct routing *r, enum conf_route_mode mode, char err[ERROR_TEXT_MAX])
{
	int e = 0;

	if (!r->active)
		return error_text(err, -ENOTCONN, "there is no route capture (capture.route)");
	if (mode == r->mode)
		return 0;
	for (unsigned int i = 0; !e && mode == CONF_ROUTE_FIREWALL && i < 2; i++)
		e = make_items(r, &r->family[i], true, err);
	for (unsigned int i = 0; (e || mode == CONF_ROUTE_DNS) && i < 2; i++)
		take_items_back(r, &r->family[i], true);
	if (e)
		return e;
	r->mode = mode;
	/* what was moved is there again, or has gone: no change of the host's own */
	for (unsigned int i = 0; i < 2; i++)
		find_uplink(r, r->family[i].family, &r->family[i].uplink);
	log_info("route", "mode %s", conf_route_modes[mode]);
	return 0;
}

int routing_bound_to(const struct routing *r, int family)
{
	if (!r->active || !binds(r))
		return 0;
	return r->family[family == AF_INET6].used.ifindex;
}

json_t *routing_show(const struct routing *r)
{
	const struct conf_route *c = r->wish.conf;
	char device[IF_NAMESIZE];
	json_t *o;

	if (!r->active)
		return json_null();
	o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s*}", "way", conf_route_ways[c->way], "mode",
		      conf_route_modes[r->mode], "tun", r->wish.tun, "table", (json_int_t)c->table,
		      "repaired", (json_int_t)r->repaired, "error", r->error[0] ? r->error : NULL);
	for (unsigned int i = 0; o && i < 2; i++)
		if (r->family[i].used.ifindex &&
		    if_indextoname((unsigned int)r->family[i].used.ifindex, device))
			json_object_set_new(o, i ? "uplink6" : "uplink4", json_string(device));
	return o;
}
