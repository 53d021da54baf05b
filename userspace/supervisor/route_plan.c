// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The four ways, as lists of routes and rules.
 *
 * All of them: packets that have a source of their own already (answers of servers, forwarded
 * ones, sockets that are bound to an address) keep their way; what has none yet, a new flow of
 * this host, is captured and gets the TUN's address. So flows opened from outside live on.
 *
 * table: priorities from conf.priority on
 *   +0  own and direct sockets, by their marks         -> +8
 *   +1  from the TUN's subnet (flows under way)        -> table
 *   +2  IPv6: from ::/1          (they have a source)  -> +8
 *   +3  IPv6: from 8000::/1                            -> +8
 *   +4  UDP to port 53           (firewall)            -> table
 *   +5  TCP to port 53           (firewall)            -> table
 *   +6  main, but not its default routes
 *   +7  everything               (firewall)            -> table
 *   +8  nothing: where those go that are not captured
 * With a fwmark only +0, +1, +7 (what has it) and +8.
 *
 * bind, host-routes, halves: routes of table main lead to the TUN; rules keep what has a source
 *   +0  from the TUN's subnet                          -> +8
 *   +1  IPv4: without a source                         -> +8
 *   +2  IPv4: main, but not its default routes; IPv6: the same from ::/1
 *   +3  IPv4: table (the uplink's default route); IPv6: the same from ::/1
 *   +4, +5  IPv6: the same from 8000::/1
 *   +8  nothing
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/limits.h"
#include "supervisor/route_plan.h"

#define END (ROUTE_RULES - 1)
#define DEFAULTS_BITS 1 /* a default route may come as two halves */

static struct addr parsed(const char *text)
{
	struct addr a = { 0 };

	addr_parse(text, &a);
	return a;
}

bool route_way_binds(enum conf_route_way way)
{
	return way == CONF_ROUTE_BIND || way == CONF_ROUTE_HOST || way == CONF_ROUTE_HALVES;
}

/* --- items -------------------------------------------------------------------------------- */

static struct route_item *add(struct route_plan *p, int kind, bool firewall)
{
	struct route_item *item = &p->item[p->items++];

	*item = (struct route_item){ .kind = kind, .firewall = firewall };
	return item;
}

static struct rule *add_rule(const struct route_facts *f, struct route_plan *p, unsigned int place,
			     bool firewall)
{
	struct rule *r = &add(p, ROUTE_ITEM_RULE, firewall)->rule;

	*r = (struct rule){ .family = f->family,
			    .priority = f->conf->priority + place,
			    .action = FR_ACT_TO_TBL,
			    .table = f->conf->table };
	return r;
}

static struct rule *add_goto_end(const struct route_facts *f, struct route_plan *p,
				 unsigned int place)
{
	struct rule *r = add_rule(f, p, place, false);

	r->action = FR_ACT_GOTO;
	r->table = 0;
	r->target = f->conf->priority + END;
	return r;
}

static void rule_from(struct rule *r, const char *addr, unsigned int bits)
{
	r->from = true;
	r->src = parsed(addr);
	r->src_bits = bits;
}

static void rule_from_tun(const struct route_facts *f, struct rule *r)
{
	r->from = true;
	r->src = f->subnet->prefix;
	r->src_bits = f->subnet->bits;
}

/* IPv4 only: +2 and +3 have sorted out those of IPv6 that have a source. */
static void rule_sourceless(const struct route_facts *f, struct rule *r)
{
	if (f->family == AF_INET)
		rule_from(r, "0.0.0.0", 32);
}

static void rule_but_defaults(struct rule *r)
{
	r->table = RT_TABLE_MAIN;
	r->suppress = true;
	r->suppress_bits = DEFAULTS_BITS;
}

static struct route *add_route(const struct route_facts *f, struct route_plan *p, uint32_t table,
			       const struct addr *dst, unsigned int bits, bool firewall)
{
	struct route *r = &add(p, ROUTE_ITEM_ROUTE, firewall)->route;

	*r = (struct route){
		.family = f->family, .table = table, .dst = *dst, .bits = bits, .type = RTN_UNICAST
	};
	return r;
}

/*
 * Without addresses of the family on the TUN it is led there all the same, and refused: it must
 * not leak, and of a route that refuses IPv6 asks again with a source, which has its way.
 */
static struct route *add_to_tun(const struct route_facts *f, struct route_plan *p, uint32_t table,
				const struct addr *dst, unsigned int bits, bool firewall)
{
	struct route *r = add_route(f, p, table, dst, bits, firewall);

	r->ifindex = f->tun_ifindex;
	if (f->family == AF_INET)
		r->source = f->subnet->device;
	return r;
}

static void add_to_uplink(const struct route_facts *f, struct route_plan *p, uint32_t table,
			  const struct addr *dst, unsigned int bits)
{
	struct route *r = add_route(f, p, table, dst, bits, false);

	r->ifindex = f->uplink->ifindex;
	r->gateway = f->uplink->gateway;
}

static bool in_family(const struct route_facts *f, const struct prefix *range)
{
	return addr_is_v4(&range->addr) == (f->family == AF_INET);
}

static bool has_ranges(const struct route_facts *f)
{
	return f->conf->ranges;
}

static struct addr any(const struct route_facts *f)
{
	return parsed(f->family == AF_INET ? "0.0.0.0" : "::");
}

/* --- table -------------------------------------------------------------------------------- */

static void add_throw(const struct route_facts *f, struct route_plan *p, const struct addr *dst,
		      unsigned int bits)
{
	add_route(f, p, f->conf->table, dst, bits, false)->type = RTN_THROW;
}

static void add_throw_text(const struct route_facts *f, struct route_plan *p, const char *dst,
			   unsigned int bits)
{
	struct addr a = parsed(dst);

	add_throw(f, p, &a, bits);
}

/* What ends at a link is not for the TUN, nor what was said to keep its way. */
static void fill_throws(const struct route_facts *f, struct route_plan *p)
{
	if (f->family == AF_INET) {
		add_throw_text(f, p, "169.254.0.0", 16);
		add_throw_text(f, p, "224.0.0.0", 4);
		add_throw_text(f, p, "255.255.255.255", 32);
	} else {
		add_throw_text(f, p, "fe80::", 10);
		add_throw_text(f, p, "ff00::", 8);
	}
	for (uint32_t i = 0; i < f->conf->directs; i++)
		if (in_family(f, &f->conf->direct[i]))
			add_throw(f, p, &f->conf->direct[i].addr, f->conf->direct[i].bits);
}

static void fill_captured(const struct route_facts *f, struct route_plan *p, uint32_t table,
			  bool firewall)
{
	for (uint32_t i = 0; i < f->conf->ranges; i++)
		if (in_family(f, &f->conf->range[i]))
			add_to_tun(f, p, table, &f->conf->range[i].addr, f->conf->range[i].bits,
				   firewall);
}

static void fill_dns(const struct route_facts *f, struct route_plan *p)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };

	for (unsigned int i = 0; i < 2; i++) {
		struct rule *r = add_rule(f, p, 4 + i, true);

		r->proto = protocols[i];
		r->dport = DNS_PORT;
		rule_sourceless(f, r);
	}
}

static void fill_has_source(const struct route_facts *f, struct route_plan *p)
{
	if (f->family == AF_INET)
		return;
	rule_from(add_goto_end(f, p, 2), "::", 1);
	rule_from(add_goto_end(f, p, 3), "8000::", 1);
}

static void fill_rules(const struct route_facts *f, struct route_plan *p)
{
	bool marked = f->conf->fwmark.mask;
	struct rule *r;

	add_goto_end(f, p, END)->action = FR_ACT_NOP;
	p->item[p->items - 1].rule.target = 0;
	r = add_goto_end(f, p, 0);
	r->mark = HEADRACE_MARK;
	r->mask = ~(HEADRACE_MARK ^ DIRECT_MARK);
	if (f->subnet->bits)
		rule_from_tun(f, add_rule(f, p, 1, false));
	if (marked) {
		r = add_rule(f, p, 7, true);
		r->mark = f->conf->fwmark.value;
		r->mask = f->conf->fwmark.mask;
		return;
	}
	fill_has_source(f, p);
	if (f->dns && !has_ranges(f))
		fill_dns(f, p);
	if (f->conf->specific)
		rule_but_defaults(add_rule(f, p, 6, false));
	rule_sourceless(f, add_rule(f, p, 7, true));
}

static void plan_table(const struct route_facts *f, struct route_plan *p)
{
	struct addr all = any(f);

	fill_throws(f, p);
	if (has_ranges(f))
		fill_captured(f, p, f->conf->table, false);
	else
		add_to_tun(f, p, f->conf->table, &all, 0, false);
	fill_rules(f, p);
}

/* --- bind, host-routes, halves ------------------------------------------------------------ */

static void fill_sources6(const struct route_facts *f, struct route_plan *p)
{
	static const char *const halves[] = { "::", "8000::" };

	for (unsigned int i = 0; i < 2; i++) {
		struct rule *r = add_rule(f, p, 2 + 2 * i, false);

		rule_from(r, halves[i], 1);
		rule_but_defaults(r);
		rule_from(add_rule(f, p, 3 + 2 * i, false), halves[i], 1);
	}
}

/* What has a source goes as before. */
static void fill_sources(const struct route_facts *f, struct route_plan *p)
{
	struct addr all = any(f);

	add_to_uplink(f, p, f->conf->table, &all, 0);
	add_goto_end(f, p, END)->action = FR_ACT_NOP;
	p->item[p->items - 1].rule.target = 0;
	if (f->subnet->bits)
		rule_from_tun(f, add_goto_end(f, p, 0));
	if (f->family == AF_INET6) {
		fill_sources6(f, p);
		return;
	}
	rule_from(add_goto_end(f, p, 1), "0.0.0.0", 32);
	rule_but_defaults(add_rule(f, p, 2, false));
	add_rule(f, p, 3, false);
}

/* A default route before the uplink's: in IPv4 first of those of its metric. */
static void fill_before(const struct route_facts *f, struct route_plan *p)
{
	struct addr all = any(f);

	add_to_tun(f, p, RT_TABLE_MAIN, &all, 0, true)->metric =
		f->family == AF_INET ? f->uplink->metric : 1;
}

/*
 * The uplink's default route goes to the back, where sockets that are bound to its device still
 * find it. One that a router advertises would come again by itself: it stays, behind.
 */
static void fill_instead(const struct route_facts *f, struct route_plan *p)
{
	struct addr all = any(f);
	struct route *r;

	if (f->uplink->ifindex && f->uplink->protocol != RTPROT_RA) {
		r = add_route(f, p, RT_TABLE_MAIN, &all, 0, true);
		r->ifindex = f->uplink->ifindex;
		r->gateway = f->uplink->gateway;
		r->metric = ROUTE_METRIC_LAST;
		add(p, ROUTE_ITEM_REMOVE, true);
	}
	fill_before(f, p);
}

static void fill_halves(const struct route_facts *f, struct route_plan *p)
{
	struct addr low = any(f), high = parsed(f->family == AF_INET ? "128.0.0.0" : "8000::");

	add_to_tun(f, p, RT_TABLE_MAIN, &low, 1, true);
	add_to_tun(f, p, RT_TABLE_MAIN, &high, 1, true);
}

/* Host routes for what keeps its way, and for multicast, which the halves would take. */
static void fill_direct(const struct route_facts *f, struct route_plan *p)
{
	struct addr multicast = parsed("224.0.0.0");

	if (f->family == AF_INET)
		add_route(f, p, RT_TABLE_MAIN, &multicast, 4, false)->ifindex = f->uplink->ifindex;
	for (uint32_t i = 0; i < f->conf->directs; i++)
		if (in_family(f, &f->conf->direct[i]))
			add_to_uplink(f, p, RT_TABLE_MAIN, &f->conf->direct[i].addr,
				      f->conf->direct[i].bits);
}

static void plan_main(const struct route_facts *f, struct route_plan *p)
{
	if (f->uplink->ifindex) {
		fill_sources(f, p);
		fill_direct(f, p);
	}
	if (has_ranges(f))
		fill_captured(f, p, RT_TABLE_MAIN, true);
	else if (f->conf->way == CONF_ROUTE_BIND)
		fill_before(f, p);
	else if (f->conf->way == CONF_ROUTE_HOST)
		fill_instead(f, p);
	else
		fill_halves(f, p);
}

/* In both modes: DNS is asked and pings are answered there. */
static void add_stack(const struct route_facts *f, struct route_plan *p)
{
	add_to_tun(f, p, RT_TABLE_MAIN, &f->subnet->stack, f->family == AF_INET ? 32 : 128, false);
}

void route_plan_make(const struct route_facts *f, struct route_plan *ret_plan)
{
	ret_plan->items = 0;
	if (f->subnet->bits)
		add_stack(f, ret_plan);
	/* a route of table main that refuses would refuse what has a source, too */
	if (f->conf->way == CONF_ROUTE_TABLE || !f->subnet->bits)
		plan_table(f, ret_plan);
	else if (route_way_binds(f->conf->way))
		plan_main(f, ret_plan);
}
