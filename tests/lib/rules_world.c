// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Random rules and flows: see the header. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "dns/facts.h"
#include "dns/name.h"
#include "tests/lib/rules_world.h"

#define NUM(array) (sizeof(array) / sizeof((array)[0]))

const struct dns_state rules_world_dns = { .seed = { 0x9ae16a3b2f90404fULL,
						     0xc3a5c85c97cb3127ULL } };

#define USERS 6
#define EXES 5
#define DEVICES 6
#define CGROUPS 9

const struct policy_name rules_world_names[] = {
	{ RULE_UID, "root", 0, 0 },
	{ RULE_UID, "alice", 1000, 0 },
	{ RULE_UID, "bob", 1001, 0 },
	{ RULE_UID, "7", 7, 0 },
	{ RULE_UID, "65534", 65534, 0 },
	{ RULE_UID, "4294967294", 4294967294U, 0 },
	{ RULE_EXE, "/usr/bin/curl", 100, 7 },
	{ RULE_EXE, "/usr/bin/wget", 101, 7 },
	{ RULE_EXE, "/opt/x", 100, 8 },
	{ RULE_EXE, "/usr/lib/firefox/firefox", 1ULL << 40, 0xfffff },
	{ RULE_EXE, "/bin/sh", 5, 0 },
	{ RULE_DEVICE, "eth0", 2, 0 },
	{ RULE_DEVICE, "docker0", 3, 0 },
	{ RULE_DEVICE, "br-1", 4, 0 },
	{ RULE_DEVICE, "br-22", 5, 0 },
	{ RULE_DEVICE, "wg0", 600, 0 },
	{ RULE_DEVICE, "lo", 1, 0 },
	{ RULE_CGROUP, "/", 1, 0 },
	{ RULE_CGROUP, "/system.slice", 20, 0 },
	{ RULE_CGROUP, "/system.slice/a.service", 21, 0 },
	{ RULE_CGROUP, "/system.slice/a.service/sub", 22, 0 },
	{ RULE_CGROUP, "/system.slice/ab.service", 23, 0 },
	{ RULE_CGROUP, "/user.slice", 30, 0 },
	{ RULE_CGROUP, "/user.slice/u/a.service", 31, 0 },
	{ RULE_CGROUP, "/machine.slice/c1", 1ULL << 33, 0 },
	{ RULE_CGROUP, "/a", 40, 0 },
};
const size_t rules_world_names_num = NUM(rules_world_names);
_Static_assert(NUM(rules_world_names) == USERS + EXES + DEVICES + CGROUPS, "as drawn from");

static const char *const units[] = { "a.service", "ab.service", "c1", "gone.service" };
static const char *const cgroups[] = { "/",	      "/system.slice",	"/system.slice/a.service",
				       "/user.slice", "/machine.slice", "/gone" };
static const char *const users[] = { "root", "alice", "bob", "7", "65534", "nobody-there" };
static const char *const exes[] = {
	"/usr/bin/curl", "/usr/bin/wget", "/opt/x", "/bin/sh", "/usr/lib/firefox/firefox", "/gone"
};
static const char *const devices[] = { "eth0", "docker0", "br-*", "wg0", "*", "gone0" };
static const char *const comms[] = { "curl", "wget", "Web Content", "123456789012345", "c", "cur" };
static const char *const domains[] = { "example",	    "a.example",	  "b.a.example",
				       "c.b.a.example",	    "d.c.b.a.test",	  "test",
				       "longlabel.example", "x.longlabel.example" };
static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6,
				     IPPROTO_SCTP };
static const uint16_t ports[] = { 1, 53, 80, 443, 8000, 8050, 8100, 65535 };
static const struct pass_mark marks[] = {
	{ 0x10, 0xff }, { 0, 0xff }, { 0x7, 0xffffffff }, { 0, 1 }, { 0x100, 0x700 }
};

/* --- chance ------------------------------------------------------------------------------- */

static uint64_t chance = 1;

void rules_world_seed(uint64_t seed)
{
	chance = seed * 0x9e3779b97f4a7c15ULL | 1;
}

uint32_t rules_random(uint32_t below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)((chance * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

#define PICK(list) ((list)[rules_random(NUM(list))])

static void *some(size_t size, size_t *ret_num)
{
	*ret_num = 1 + rules_random(3);
	return calloc(*ret_num, size);
}

static char **texts(const char *const *list, size_t num, size_t *ret_num)
{
	char **text = some(sizeof(*text), ret_num);

	for (size_t i = 0; i < *ret_num; i++)
		text[i] = strdup(list[rules_random((uint32_t)num)]);
	return text;
}

#define TEXTS(list, ret_num) texts(list, NUM(list), ret_num)

/* --- rules -------------------------------------------------------------------------------- */

static char **patterns(size_t *ret_num)
{
	char **text = some(sizeof(*text), ret_num), buf[128];

	for (size_t i = 0; i < *ret_num; i++) {
		static const char *const heads[] = { "", ".", "*." };

		snprintf(buf, sizeof(buf), "%s%s", PICK(heads), PICK(domains));
		text[i] = strdup(buf);
	}
	return text;
}

static struct addr cut(struct addr a, unsigned int bits)
{
	for (unsigned int i = bits; i < 128; i++)
		a.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return a;
}

/* Few addresses, so that prefixes of all lengths have each other. */
static struct addr address(void)
{
	struct addr a = { { 0 } };

	if (rules_random(2)) {
		a = addr_from_v4(htonl(rules_random(4) << 30 | rules_random(4) << 16 |
				       rules_random(4) << 8 | rules_random(4)));
		return a;
	}
	a.b[0] = (uint8_t)(rules_random(3) * 0x20);
	a.b[7] = (uint8_t)rules_random(3);
	a.b[15] = (uint8_t)rules_random(4);
	return a;
}

static struct prefix prefix(void)
{
	struct addr a = address();
	bool v4 = addr_is_v4(&a);
	struct prefix p = { .bits = rules_random(v4 ? 33 : 129) };

	p.addr = cut(a, p.bits + (v4 ? 96 : 0));
	return p;
}

static struct prefix *prefixes(size_t *ret_num)
{
	struct prefix *p = some(sizeof(*p), ret_num);

	for (size_t i = 0; i < *ret_num; i++)
		p[i] = prefix();
	return p;
}

static void fill_ports(struct conf_conditions *c)
{
	c->port = some(sizeof(*c->port), &c->ports);
	for (size_t i = 0; i < c->ports; i++) {
		uint16_t a = PICK(ports), b = rules_random(2) ? a : PICK(ports);

		c->port[i] = (struct conf_ports){ a < b ? a : b, a < b ? b : a };
	}
}

static void fill_domain(struct conf_conditions *c)
{
	uint32_t which = rules_random(3);

	if (which != 1)
		c->domain = patterns(&c->domains);
	if (which)
		c->lists = 1ULL << rules_random(3) | 1ULL << (60 + rules_random(3));
}

static void fill_cgroup(struct conf_conditions *c)
{
	uint32_t which = rules_random(3);

	if (which != 1)
		c->cgroup = TEXTS(cgroups, &c->cgroups);
	if (which)
		c->unit = TEXTS(units, &c->units);
}

static void fill_numbers(struct conf_conditions *c, enum rule_dim dim)
{
	if (dim == RULE_PROTO) {
		c->protocol = some(1, &c->protocols);
		for (size_t i = 0; i < c->protocols; i++)
			c->protocol[i] = PICK(protocols);
	} else if (dim == RULE_DSCP) {
		c->dscp = some(1, &c->dscps);
		for (size_t i = 0; i < c->dscps; i++)
			c->dscp[i] = (uint8_t)rules_random(3);
	} else if (dim == RULE_MAC) {
		c->mac = some(sizeof(*c->mac), &c->macs);
		for (size_t i = 0; i < c->macs; i++)
			c->mac[i] =
				(struct conf_mac){ { 2, 0, 0, 0, 0, (uint8_t)rules_random(4) } };
	} else {
		c->fwmark = some(sizeof(*c->fwmark), &c->fwmarks);
		for (size_t i = 0; i < c->fwmarks; i++)
			c->fwmark[i] = PICK(marks);
	}
}

static void fill(struct conf_conditions *c, enum rule_dim dim)
{
	switch (dim) {
	case RULE_DOMAIN:
		fill_domain(c);
		break;
	case RULE_CGROUP:
		fill_cgroup(c);
		break;
	case RULE_UID:
		c->user = TEXTS(users, &c->users);
		break;
	case RULE_COMM:
		c->process = TEXTS(comms, &c->processes);
		break;
	case RULE_EXE:
		c->executable = TEXTS(exes, &c->executables);
		break;
	case RULE_DEVICE:
		c->interface = TEXTS(devices, &c->interfaces);
		break;
	case RULE_SADDR:
		c->source = prefixes(&c->sources);
		break;
	case RULE_DADDR:
		c->destination = prefixes(&c->destinations);
		break;
	case RULE_PORT:
		fill_ports(c);
		break;
	default:
		fill_numbers(c, dim);
		break;
	}
}

struct conf *rules_world_conf(unsigned int rules, unsigned int conditions)
{
	static const uint8_t actions[] = { VERDICT_DIRECT, VERDICT_FORWARD, VERDICT_REJECT,
					   VERDICT_DROP };
	struct conf *c = calloc(1, sizeof(*c));

	c->references = 1;
	c->rule = calloc(rules ? rules : 1, sizeof(*c->rule));
	c->rules = rules;
	for (unsigned int i = 0; i < rules; i++) {
		struct conf_flow_rule *rule = &c->rule[i];
		uint32_t num = 1 + rules_random(conditions), done = 0;

		snprintf(rule->name, sizeof(rule->name), "rule-%u", i + 1);
		rule->action = PICK(actions);
		while (num--) {
			enum rule_dim dim = rules_random(RULE_DIM_NUM);

			if (!(done >> dim & 1))
				fill(rules_random(3) ? &rule->is : &rule->isnt, dim);
			done |= 1U << dim;
		}
	}
	return c;
}

struct conf *rules_world_conf_networks(unsigned int rules, unsigned int networks)
{
	struct conf *c = rules_world_conf(rules, 1);

	for (unsigned int i = 0; i < rules; i++) {
		struct conf_conditions *is = &c->rule[i].is;
		size_t num = networks / rules + (i < networks % rules);

		free(is->destination);
		free(c->rule[i].isnt.destination);
		c->rule[i].isnt.destination = NULL;
		c->rule[i].isnt.destinations = 0;
		is->destination = calloc(num, sizeof(*is->destination));
		is->destinations = num;
		for (size_t j = 0; j < num; j++) {
			struct prefix *p = &is->destination[j];
			unsigned int v4 = rules_random(4) != 0;

			p->bits = v4 ? 12 + rules_random(21) : 20 + rules_random(45);
			p->addr = addr_from_v4((__be32)chance);
			if (!v4)
				p->addr = (struct addr){ { 0x20, 1, (uint8_t)chance } };
			rules_random(2);
			if (!v4)
				memcpy(p->addr.b + 3, &chance, 8);
			p->addr = cut(p->addr, p->bits + (v4 ? 96 : 0));
		}
	}
	return c;
}

/* --- flows -------------------------------------------------------------------------------- */

static void take_domain(struct rules_flow *f)
{
	const uint64_t seed[2] = { rules_world_dns.seed[0], rules_world_dns.seed[1] };
	uint64_t hash[RULE_NAMES_MAX];
	struct name name;
	char text[128];

	snprintf(text, sizeof(text), "%s%s", rules_random(3) ? "" : "w.", PICK(domains));
	for (size_t i = 0; i < NUM(domains); i++)
		if (!strcmp(text, domains[i]))
			f->domain = domains[i];
	if (!f->domain)
		f->domain = "w.longlabel.example";
	if (name_from_text(f->domain, &name))
		abort();
	f->facts.domain.names = facts_hashes(seed, &name, hash);
	for (unsigned int i = 0; i < f->facts.domain.names; i++)
		f->facts.domain.name[i] = hash[i];
	f->facts.domain.lists = rules_random(8) | (uint64_t)rules_random(8) << 60;
}

/* Of the names in the world, one of this dimension. */
static const struct policy_name *take_name(enum rule_dim dim)
{
	const struct policy_name *n;

	do
		n = &rules_world_names[rules_random((uint32_t)rules_world_names_num)];
	while (n->dim != dim);
	return n;
}

static void take_owner(struct rules_flow *f)
{
	const struct policy_name *user = take_name(RULE_UID), *exe = take_name(RULE_EXE);
	const struct policy_name *cgroup = take_name(RULE_CGROUP);

	f->user = user->name;
	f->facts.uid = (uint32_t)user->a;
	f->executable = exe->name;
	f->facts.exe_inode = exe->a;
	f->facts.exe_device = (uint32_t)exe->b;
	f->cgroup = rules_random(8) ? cgroup->name : NULL;
	f->facts.cgroup = f->cgroup ? cgroup->a : 999999;
	strncpy((char *)f->facts.comm, PICK(comms), sizeof(f->facts.comm) - 1);
}

void rules_world_flow(struct rules_flow *f)
{
	static const uint16_t more_ports[] = { 2, 52, 54, 7999, 8001, 8099, 8101, 65534 };
	const struct policy_name *device = take_name(RULE_DEVICE);

	*f = (struct rules_flow){ 0 };
	f->facts.saddr = address();
	f->facts.daddr = address();
	f->facts.proto = PICK(protocols);
	f->facts.dport = rules_random(3) ? PICK(ports) : PICK(more_ports);
	f->facts.dscp = (uint8_t)rules_random(4);
	f->facts.mark = rules_random(2) ? rules_random(0x1000) : PICK(marks).value;
	f->facts.ifindex = (uint32_t)device->a;
	f->device = device->name;
	f->facts.mac[0] = 2;
	f->facts.mac[5] = (uint8_t)rules_random(5);
	take_owner(f);
	take_domain(f);
	for (unsigned int dim = 0; dim < RULE_DIM_NUM; dim++)
		f->facts.known |= (rules_random(8) ? 1U : 0) << dim;
	/* what any packet tells is known of every flow */
	f->facts.known |= 1U << RULE_PROTO | 1U << RULE_DSCP | 1U << RULE_MARK | 1U << RULE_SADDR |
			  1U << RULE_DADDR | 1U << RULE_PORT | 1U << RULE_DEVICE;
	if (!rules_random(8)) { /* a later fragment, of a datagram whose first was not seen */
		f->facts.known &= ~(1U << RULE_PORT);
		f->facts.dport = 0;
	}
	if (!(f->facts.known >> RULE_DOMAIN & 1)) {
		f->domain = NULL;
		memset(&f->facts.domain, 0, sizeof(f->facts.domain));
	}
}

void rules_world_flow_near(struct rules_flow *f, const struct conf *c)
{
	const struct conf_conditions *is = &c->rule[rules_random((uint32_t)c->rules)].is;
	uint32_t bit;

	rules_world_flow(f);
	if (!is->destinations)
		return;
	f->facts.daddr = is->destination[rules_random((uint32_t)is->destinations)].addr;
	bit = 64 + rules_random(64);
	f->facts.daddr.b[15] |= (uint8_t)rules_random(256);
	if (rules_random(2))
		f->facts.daddr.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
}

/* --- what is right ------------------------------------------------------------------------ */

static bool text_in(char *const *list, size_t num, const char *text)
{
	for (size_t i = 0; i < num; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static bool domain_in(const struct conf_conditions *c, const struct rules_flow *f)
{
	if (c->lists & f->facts.domain.lists)
		return true;
	for (size_t i = 0; i < c->domains; i++) {
		const char *p = c->domain[i];

		if (p[0] == '*' ? ends_with(f->domain, p + 1) :
		    p[0] == '.' ? ends_with(f->domain, p) || !strcmp(f->domain, p + 1) :
				  !strcmp(f->domain, p))
			return true;
	}
	return false;
}

static bool device_in(const struct conf_conditions *c, const char *name)
{
	for (size_t i = 0; i < c->interfaces; i++) {
		const char *p = c->interface[i];
		size_t star = strcspn(p, "*");

		if (p[star] ? !strncmp(p, name, star) : !strcmp(p, name))
			return true;
	}
	return false;
}

/* The cgroup and all above it, by cutting its path shorter and shorter. */
static bool cgroup_in(const struct conf_conditions *c, const char *path)
{
	char at[256];

	snprintf(at, sizeof(at), "%s", path);
	for (;;) {
		char *slash = strrchr(at, '/');

		if (text_in(c->cgroup, c->cgroups, at[0] ? at : "/") ||
		    (slash && text_in(c->unit, c->units, slash + 1)))
			return true;
		if (!at[0] || !strcmp(at, "/"))
			return false;
		*slash = '\0';
	}
}

static bool prefix_in(const struct prefix *p, size_t num, const struct addr *a)
{
	for (size_t i = 0; i < num; i++)
		if (addr_in_prefix(a, &p[i].addr, p[i].bits))
			return true;
	return false;
}

static bool number_in(const struct conf_conditions *c, const struct rule_facts *f,
		      enum rule_dim dim)
{
	for (size_t i = 0; dim == RULE_PROTO && i < c->protocols; i++)
		if (c->protocol[i] == f->proto ||
		    (c->protocol[i] == IPPROTO_ICMP && f->proto == IPPROTO_ICMPV6))
			return true;
	for (size_t i = 0; dim == RULE_DSCP && i < c->dscps; i++)
		if (c->dscp[i] == f->dscp)
			return true;
	for (size_t i = 0; dim == RULE_MAC && i < c->macs; i++)
		if (!memcmp(c->mac[i].b, f->mac, 6))
			return true;
	for (size_t i = 0; dim == RULE_MARK && i < c->fwmarks; i++)
		if ((f->mark & c->fwmark[i].mask) == c->fwmark[i].value)
			return true;
	for (size_t i = 0; dim == RULE_PORT && i < c->ports; i++)
		if ((f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) &&
		    f->dport >= c->port[i].first && f->dport <= c->port[i].last)
			return true;
	return false;
}

/* Does one of the values hold? What is asked about is known. */
static bool holds(const struct conf_conditions *c, const struct rules_flow *f, enum rule_dim dim)
{
	switch (dim) {
	case RULE_DOMAIN:
		return domain_in(c, f);
	case RULE_CGROUP:
		return f->cgroup && cgroup_in(c, f->cgroup);
	case RULE_UID:
		return text_in(c->user, c->users, f->user);
	case RULE_COMM:
		return text_in(c->process, c->processes, (const char *)f->facts.comm);
	case RULE_EXE:
		return text_in(c->executable, c->executables, f->executable);
	case RULE_DEVICE:
		return device_in(c, f->device);
	case RULE_SADDR:
		return prefix_in(c->source, c->sources, &f->facts.saddr);
	case RULE_DADDR:
		return prefix_in(c->destination, c->destinations, &f->facts.daddr);
	default:
		return number_in(c, &f->facts, dim);
	}
}

static bool has(const struct conf_conditions *c, enum rule_dim dim)
{
	const size_t num[RULE_DIM_NUM] = { c->protocols,
					   c->dscps,
					   c->users,
					   c->cgroups + c->units,
					   c->processes,
					   c->executables,
					   c->macs,
					   c->interfaces,
					   c->domains + (c->lists != 0),
					   c->fwmarks,
					   c->sources,
					   c->destinations,
					   c->ports };

	return num[dim];
}

bool rules_world_satisfies(const struct conf *c, const struct rules_flow *f, uint32_t rule,
			   enum rule_dim dim)
{
	const struct conf_conditions *is = &c->rule[rule - 1].is, *isnt = &c->rule[rule - 1].isnt;

	if (!has(is, dim) && !has(isnt, dim))
		return true;
	if (!(f->facts.known >> dim & 1))
		return false;
	return (!has(is, dim) || holds(is, f, dim)) && !(has(isnt, dim) && holds(isnt, f, dim));
}

struct rules_answer rules_world_decide(const struct conf *c, const struct rules_flow *f)
{
	bool cgroup_missing = f->facts.known >> RULE_CGROUP & 1 && !f->cgroup;

	for (uint32_t i = 0; i < c->rules; i++) {
		bool all = true;

		for (unsigned int dim = 0; all && dim < RULE_DIM_NUM; dim++)
			all = (dim == RULE_CGROUP && cgroup_missing) ||
			      rules_world_satisfies(c, f, i + 1, dim);
		if (!all)
			continue;
		if (cgroup_missing &&
		    (has(&c->rule[i].is, RULE_CGROUP) || has(&c->rule[i].isnt, RULE_CGROUP)))
			return (struct rules_answer){ VERDICT_NONE, 0 };
		return (struct rules_answer){ c->rule[i].action, i + 1 };
	}
	return (struct rules_answer){ c->fallback ? c->fallback : VERDICT_FORWARD, 0 };
}
