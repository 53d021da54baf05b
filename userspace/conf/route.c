// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The section `capture.route`: one word that says how, or a mapping with all of it. Defaults are
 * such that `route: table` alone does what most want.
 */
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "base/limits.h"
#include "conf/reader.h"
#include "conf/route.h"
#include "conf/schema.h"

const char *const conf_route_ways[] = { CONF_ROUTE_WAYS(WORD) };
const char *const conf_route_modes[] = { CONF_ROUTE_MODES(WORD) };

/* --- kinds -------------------------------------------------------------------------------- */

/* The stack's address has to leave room for the device's. */
static bool take_stack(struct reader *r, struct node *n, const struct key *k, void *to, bool v4)
{
	unsigned int max = v4 ? 32 : 128;
	struct prefix range;

	if (n->kind != NODE_SCALAR || !strchr(n->text, '/') || prefix_parse(n->text, &range) ||
	    addr_is_v4(&range.addr) != v4)
		return reader_refuse(r, n, k, "is no address with a prefix length");
	if (range.bits < 8 || range.bits > max - 2 || addr_is_loopback(&range.addr) ||
	    addr_is_multicast(&range.addr) || addr_is_link_local(&range.addr) ||
	    addr_is_this_host(&range.addr))
		return reader_refuse(r, n, k, "cannot be the TUN's");
	*(struct prefix *)to = range;
	return true;
}

static bool take_stack4(struct reader *r, struct node *n, const struct key *k, void *to)
{
	return take_stack(r, n, k, to, true);
}

static bool take_stack6(struct reader *r, struct node *n, const struct key *k, void *to)
{
	return take_stack(r, n, k, to, false);
}

static const struct kind kind_stack4 = { .take = take_stack4,
					 .expected = "ADDRESS/BITS, such as 10.0.0.1/24" };
static const struct kind kind_stack6 = { .take = take_stack6,
					 .expected = "ADDRESS/BITS, such as fd00::1/64" };

static const struct key vip_keys[] = {
	{ .name = "at",
	  .kind = &kind_server,
	  FIELD(struct conf_vip, at),
	  .help = "the address, and port, that is asked for" },
	{ .name = "to", .kind = &kind_server, FIELD(struct conf_vip, to), .help = "where it goes" },
};

static void vip_done(struct reader *r, struct node *n, void *to);

const struct section section_vip = { "an address of capture.route.vips", KEYS(vip_keys), vip_done };

static const struct key route_keys[] = {
	{ .name = "way",
	  .kind = &kind_word,
	  FIELD(struct conf_route, way),
	  WORDS(conf_route_ways),
	  .standard = "none",
	  .help = "how routes lead to the TUN" },
	{ .name = "mode",
	  .kind = &kind_word,
	  FIELD(struct conf_route, mode),
	  WORDS(conf_route_modes),
	  .standard = "firewall",
	  .help = "everything, or the stack's address alone" },
	{ .name = "tun",
	  .kind = &kind_device,
	  FIELD(struct conf_route, tun),
	  .help = "the device's name" },
	{ .name = "address",
	  .kind = &kind_stack4,
	  FIELD(struct conf_route, address),
	  .help = "where the stack answers; the device has the next one" },
	{ .name = "address6",
	  .kind = &kind_stack6,
	  FIELD(struct conf_route, address6),
	  .help = "the same in IPv6" },
	{ .name = "table",
	  .kind = &kind_number,
	  FIELD(struct conf_route, table),
	  .min = 1,
	  .max = UINT32_MAX,
	  .standard = "26738",
	  .help = "table: number of the routing table" },
	{ .name = "priority",
	  .kind = &kind_number,
	  FIELD(struct conf_route, priority),
	  .min = 1,
	  .max = 32766 - ROUTE_RULES,
	  .standard = "9100",
	  .help = "table: of the first rule" },
	{ .name = "fwmark",
	  .kind = &kind_mark,
	  FIELD(struct conf_route, fwmark),
	  .help = "table: what has this mark is captured, nothing else" },
	{ .name = "ranges",
	  .kind = &kind_list,
	  .of = &kind_prefix,
	  SOME(struct conf_route, range, ranges),
	  .max = CONF_RANGES_MAX,
	  .help = "destinations that are captured; without: all" },
	{ .name = "direct",
	  .kind = &kind_list,
	  .of = &kind_prefix,
	  SOME(struct conf_route, direct, directs),
	  .max = CONF_RANGES_MAX,
	  .help = "destinations that keep their way" },
	{ .name = "vips",
	  .kind = &kind_list,
	  .section = &section_vip,
	  SOME(struct conf_route, vip, vips),
	  .max = CONF_VIPS_MAX,
	  LINE(struct conf_vip),
	  .help = "addresses that lead to servers of choice" },
	{ .name = "specific-routes",
	  .kind = &kind_bool,
	  FIELD(struct conf_route, specific),
	  .standard = "true",
	  .help = "table: routes that are no default routes stay in force" },
};

static void route_done(struct reader *r, struct node *n, void *to);

const struct section section_route = { "capture.route", KEYS(route_keys), route_done };

/* --- together ----------------------------------------------------------------------------- */

static void vip_done(struct reader *r, struct node *n, void *to)
{
	const struct conf_vip *v = to;

	if (!node_find(n, "at") || !node_find(n, "to"))
		reader_error(r, n, "expected {at: ADDRESS[:PORT], to: ADDRESS[:PORT]}");
	else if (addr_is_v4(&v->at.addr) != addr_is_v4(&v->to.addr))
		reader_error(r, n, "at and to are not of one family");
	else
		return;
	n->kind = NODE_BAD;
}

static void refuse_elsewhere(struct reader *r, struct node *n, const char *key)
{
	struct node *there = node_find(n, key);

	if (there && there->kind != NODE_BAD)
		reader_error(r, there, "is for `way: table` only");
}

static void route_done(struct reader *r, struct node *n, void *to)
{
	const struct conf_route *c = to;

	if (!n || c->way == CONF_ROUTE_NONE)
		return;
	if (c->way != CONF_ROUTE_TABLE) {
		refuse_elsewhere(r, n, "table");
		refuse_elsewhere(r, n, "priority");
		refuse_elsewhere(r, n, "fwmark");
		refuse_elsewhere(r, n, "specific-routes");
	}
	if (c->table >= RT_TABLE_DEFAULT && c->table <= RT_TABLE_LOCAL)
		reader_error(r, n, "table %u is one of the kernel's own", c->table);
}

static bool take_route(struct reader *r, struct node *n, const struct key *k, void *to)
{
	unsigned int errors = r->errors_num;

	if (n->kind == NODE_MAP) {
		section_read(r, n, &section_route, to);
		return r->errors_num == errors;
	}
	section_read(r, NULL, &section_route, to);
	return kind_word.take(r, n, &route_keys[0], &((struct conf_route *)to)->way);
}

const struct kind kind_route = { .take = take_route,
				 .expected =
					 "a word (none, table, bind, host-routes, halves) or the "
					 "keys of capture.route" };

static bool prefixes_differ(const struct prefix *a, const struct prefix *b, uint32_t num)
{
	for (uint32_t i = 0; i < num; i++)
		if (!addr_eq(&a[i].addr, &b[i].addr) || a[i].bits != b[i].bits)
			return true;
	return false;
}

static bool vips_differ(const struct conf_vip *a, const struct conf_vip *b, uint32_t num)
{
	for (uint32_t i = 0; i < num; i++)
		if (!addr_eq(&a[i].at.addr, &b[i].at.addr) || a[i].at.port != b[i].at.port ||
		    !addr_eq(&a[i].to.addr, &b[i].to.addr) || a[i].to.port != b[i].to.port)
			return true;
	return false;
}

bool conf_route_differs(const struct conf_route *a, const struct conf_route *b)
{
	return a->way != b->way || strcmp(a->tun, b->tun) != 0 || a->table != b->table ||
	       a->priority != b->priority || a->fwmark.value != b->fwmark.value ||
	       a->fwmark.mask != b->fwmark.mask || a->specific != b->specific ||
	       a->ranges != b->ranges || a->directs != b->directs || a->vips != b->vips ||
	       vips_differ(a->vip, b->vip, a->vips) ||
	       prefixes_differ(&a->address, &b->address, 1) ||
	       prefixes_differ(&a->address6, &b->address6, 1) ||
	       prefixes_differ(a->range, b->range, a->ranges) ||
	       prefixes_differ(a->direct, b->direct, a->directs);
}
