// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The section `capture.route`: one word that says how, or a mapping with all of it. Defaults are
 * such that `route: table` alone does what most want.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "base/limits.h"
#include "conf/reader.h"
#include "conf/route.h"

#define WORD(name, text) [name] = text,
#define FIELD(member)                                                                              \
	.offset = offsetof(struct conf_route, member),                                             \
	.size = sizeof(((struct conf_route *)0)->member)
#define SOME(member, members)                                                                      \
	.offset = offsetof(struct conf_route, member),                                             \
	.size = sizeof(((struct conf_route *)0)->member[0]), .fixed = true,                        \
	.count = offsetof(struct conf_route, members),                                             \
	.count_size = sizeof(((struct conf_route *)0)->members)

const char *const conf_route_ways[] = { CONF_ROUTE_WAYS(WORD) };
const char *const conf_route_modes[] = { CONF_ROUTE_MODES(WORD) };

/* --- kinds -------------------------------------------------------------------------------- */

/* ADDRESS/BITS. `host`: bits behind the prefix say something; else they have to be 0. */
static bool range_parse(const char *text, bool host, struct conf_range *ret_range)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char addr[ADDR_TEXT_MAX], *end = "";
	unsigned long bits, max;
	struct conf_range range;

	if (len >= sizeof(addr) || (!slash && host))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (addr_parse(addr, &range.addr))
		return false;
	max = addr_is_v4(&range.addr) ? 32 : 128;
	bits = max;
	if (slash && (slash[1] < '0' || slash[1] > '9'))
		return false;
	if (slash)
		bits = strtoul(slash + 1, &end, 10);
	if (*end || bits > max)
		return false;
	range.bits = (unsigned int)bits;
	for (unsigned long bit = bits + 128 - max; !host && bit < 128; bit++)
		if (range.addr.b[bit / 8] & 0x80 >> bit % 8)
			return false;
	*ret_range = range;
	return true;
}

static bool take_range(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (n->kind != NODE_SCALAR || !range_parse(n->text, false, to))
		return reader_refuse(r, n, k, "is no network");
	return true;
}

static const struct kind kind_range = {
	.take = take_range,
	.expected = "ADDRESS/BITS without bits set behind its prefix length, or an address alone"
};

/* The stack's address has to leave room for the device's. */
static bool take_stack(struct reader *r, struct node *n, const struct key *k, void *to, bool v4)
{
	struct conf_range range;
	unsigned int max = v4 ? 32 : 128;

	if (n->kind != NODE_SCALAR || !range_parse(n->text, true, &range) ||
	    addr_is_v4(&range.addr) != v4)
		return reader_refuse(r, n, k, "is no address with a prefix length");
	if (range.bits < 8 || range.bits > max - 2 || addr_is_loopback(&range.addr) ||
	    addr_is_multicast(&range.addr) || addr_is_link_local(&range.addr) ||
	    addr_is_this_host(&range.addr))
		return reader_refuse(r, n, k, "cannot be the TUN's");
	*(struct conf_range *)to = range;
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
	  .offset = offsetof(struct conf_vip, at),
	  .size = sizeof(struct endpoint),
	  .help = "the address, and port, that is asked for" },
	{ .name = "to",
	  .kind = &kind_server,
	  .offset = offsetof(struct conf_vip, to),
	  .size = sizeof(struct endpoint),
	  .help = "where it goes" },
};

static void vip_done(struct reader *r, struct node *n, void *to);

const struct section section_vip = { .what = "an address of capture.route.vips",
				     .keys = vip_keys,
				     .num = sizeof(vip_keys) / sizeof(vip_keys[0]),
				     .done = vip_done };

static const struct key route_keys[] = {
	{ .name = "way",
	  .kind = &kind_word,
	  FIELD(way),
	  .words = conf_route_ways,
	  .words_num = CONF_ROUTE_WAY_NUM,
	  .standard = "none",
	  .help = "how routes lead to the TUN" },
	{ .name = "mode",
	  .kind = &kind_word,
	  FIELD(mode),
	  .words = conf_route_modes,
	  .words_num = CONF_ROUTE_MODE_NUM,
	  .standard = "firewall",
	  .help = "everything, or the stack's address alone" },
	{ .name = "tun", .kind = &kind_device, FIELD(tun), .help = "the device's name" },
	{ .name = "address",
	  .kind = &kind_stack4,
	  FIELD(address),
	  .help = "where the stack answers; the device has the next one" },
	{ .name = "address6", .kind = &kind_stack6, FIELD(address6), .help = "the same in IPv6" },
	{ .name = "table",
	  .kind = &kind_number,
	  FIELD(table),
	  .min = 1,
	  .max = UINT32_MAX,
	  .standard = "26738",
	  .help = "table: number of the routing table" },
	{ .name = "priority",
	  .kind = &kind_number,
	  FIELD(priority),
	  .min = 1,
	  .max = 32766 - ROUTE_RULES,
	  .standard = "9100",
	  .help = "table: of the first rule" },
	{ .name = "fwmark",
	  .kind = &kind_mark,
	  FIELD(fwmark),
	  .help = "table: what has this mark is captured, nothing else" },
	{ .name = "ranges",
	  .kind = &kind_list,
	  .of = &kind_range,
	  SOME(range, ranges),
	  .max = CONF_RANGES_MAX,
	  .help = "destinations that are captured; without: all" },
	{ .name = "direct",
	  .kind = &kind_list,
	  .of = &kind_range,
	  SOME(direct, directs),
	  .max = CONF_RANGES_MAX,
	  .help = "destinations that keep their way" },
	{ .name = "vips",
	  .kind = &kind_list,
	  .section = &section_vip,
	  SOME(vip, vips),
	  .max = CONF_VIPS_MAX,
	  .lined = true,
	  .line = offsetof(struct conf_vip, line),
	  .help = "addresses that lead to servers of choice" },
	{ .name = "specific-routes",
	  .kind = &kind_bool,
	  FIELD(specific),
	  .standard = "true",
	  .help = "table: routes that are no default routes stay in force" },
};

static void route_done(struct reader *r, struct node *n, void *to);

const struct section section_route = { .what = "capture.route",
				       .keys = route_keys,
				       .num = sizeof(route_keys) / sizeof(route_keys[0]),
				       .done = route_done };

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

static bool ranges_differ(const struct conf_range *a, const struct conf_range *b, uint32_t num)
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
	       vips_differ(a->vip, b->vip, a->vips) || ranges_differ(&a->address, &b->address, 1) ||
	       ranges_differ(&a->address6, &b->address6, 1) ||
	       ranges_differ(a->range, b->range, a->ranges) ||
	       ranges_differ(a->direct, b->direct, a->directs);
}
