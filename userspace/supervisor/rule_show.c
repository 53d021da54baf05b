// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rules in words, by the names that the configuration has them by. Of a condition with many
 * values the first are said, and how many more there are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "base/clock.h"
#include "datapath/look.h"
#include "datapath/rules.h"
#include "supervisor/control.h"
#include "supervisor/instance.h"
#include "supervisor/rule_show.h"

#define VALUES_SAID 6
#define VALUE_MAX 512
#define CONDITION_MAX 4096

#define TEXT(name, text) [name] = text,
static const char *const verdicts[] = { VERDICTS(TEXT) };

/* --- conditions ----------------------------------------------------------------------------- */

/* A text that grows to its end and no further. */
struct words {
	char text[CONDITION_MAX];
	size_t len;
};

static void say(struct words *w, const char *text)
{
	size_t len = strlen(text), room = sizeof(w->text) - 1 - w->len;

	len = len < room ? len : room;
	memcpy(w->text + w->len, text, len);
	w->len += len;
	w->text[w->len] = '\0';
}

static void prefix_text(const struct prefix *p, char buf[VALUE_MAX])
{
	char addr[ADDR_TEXT_MAX];

	snprintf(buf, VALUE_MAX, "%s/%u", addr_format(&p->addr, addr), p->bits);
}

static void port_text(const struct conf_ports *p, char buf[VALUE_MAX])
{
	if (p->first == p->last)
		snprintf(buf, VALUE_MAX, "%u", p->first);
	else
		snprintf(buf, VALUE_MAX, "%u-%u", p->first, p->last);
}

static void proto_text(const uint8_t *proto, char buf[VALUE_MAX])
{
	switch (*proto) {
	case IPPROTO_TCP:
		snprintf(buf, VALUE_MAX, "tcp");
		break;
	case IPPROTO_UDP:
		snprintf(buf, VALUE_MAX, "udp");
		break;
	case IPPROTO_ICMP:
		snprintf(buf, VALUE_MAX, "icmp");
		break;
	case IPPROTO_ICMPV6:
		snprintf(buf, VALUE_MAX, "icmpv6");
		break;
	default:
		snprintf(buf, VALUE_MAX, "%u", *proto);
	}
}

static void string_text(char *const *string, char buf[VALUE_MAX])
{
	snprintf(buf, VALUE_MAX, "%s", *string);
}

static void mac_text(const struct conf_mac *m, char buf[VALUE_MAX])
{
	snprintf(buf, VALUE_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2],
		 m->b[3], m->b[4], m->b[5]);
}

static void number_text(const uint8_t *number, char buf[VALUE_MAX])
{
	snprintf(buf, VALUE_MAX, "%u", *number);
}

static void mark_text(const struct pass_mark *m, char buf[VALUE_MAX])
{
	snprintf(buf, VALUE_MAX, m->mask == UINT32_MAX ? "0x%x" : "0x%x/0x%x", m->value, m->mask);
}

/* X(key of the configuration, field of the values, of their number, how one is written) */
#define CONDITIONS(X)                                                                              \
	X("domain", domain, domains, string_text)                                                  \
	X("destination", destination, destinations, prefix_text)                                   \
	X("source", source, sources, prefix_text)                                                  \
	X("port", port, ports, port_text)                                                          \
	X("protocol", protocol, protocols, proto_text)                                             \
	X("user", user, users, string_text)                                                        \
	X("cgroup", cgroup, cgroups, string_text)                                                  \
	X("unit", unit, units, string_text)                                                        \
	X("process", process, processes, string_text)                                              \
	X("executable", executable, executables, string_text)                                      \
	X("mac", mac, macs, mac_text)                                                              \
	X("interface", interface, interfaces, string_text)                                         \
	X("dscp", dscp, dscps, number_text)                                                        \
	X("fwmark", fwmark, fwmarks, mark_text)

static void
say_values(struct words *w, const struct conf_conditions *c, const char *key, size_t num,
	   void (*value)(const struct conf_conditions *c, size_t i, char buf[VALUE_MAX]))
{
	char buf[VALUE_MAX];

	say(w, key);
	for (size_t i = 0; i < num && i < VALUES_SAID; i++) {
		say(w, i ? ", " : " ");
		value(c, i, buf);
		say(w, buf);
	}
	if (num > VALUES_SAID) {
		snprintf(buf, sizeof(buf), " and %zu more", num - VALUES_SAID);
		say(w, buf);
	}
}

#define VALUE_FN(key, field, num, text)                                                            \
	static void value_of_##field(const struct conf_conditions *c, size_t i,                    \
				     char buf[VALUE_MAX])                                          \
	{                                                                                          \
		text(&c->field[i], buf);                                                           \
	}
CONDITIONS(VALUE_FN)

static void add(json_t *list, const struct words *w)
{
	json_array_append_new(list, json_string(w->text));
}

static void say_lists(struct words *w, const struct conf_dns *dns, uint64_t lists)
{
	const char *between = " ";

	say(w, "lists");
	for (size_t i = 0; i < dns->lists; i++) {
		if (!(lists >> i & 1))
			continue;
		say(w, between);
		say(w, dns->list[i].name);
		between = ", ";
	}
}

static void add_conditions(json_t *list, const struct conf *conf, const struct conf_conditions *c,
			   const char *before)
{
	struct words w;

#define CONDITION_ADD(key, field, num, text)                                                       \
	if (c->num) {                                                                              \
		w.len = 0;                                                                         \
		say(&w, before);                                                                   \
		say_values(&w, c, key, c->num, value_of_##field);                                  \
		add(list, &w);                                                                     \
	}
	CONDITIONS(CONDITION_ADD)
	if (!c->lists)
		return;
	w.len = 0;
	say(&w, before);
	say_lists(&w, &conf->dns, c->lists);
	add(list, &w);
}

json_t *rule_conditions(const struct conf *c, const struct conf_flow_rule *r)
{
	json_t *list = json_array();

	add_conditions(list, c, &r->is, "");
	add_conditions(list, c, &r->isnt, "not ");
	return list;
}

/* --- what is not there ---------------------------------------------------------------------- */

static void warn(json_t *list, const char *what, const char *name)
{
	struct words w = { .len = 0 };

	say(&w, what);
	say(&w, " ");
	say(&w, name);
	say(&w, " is not there: the condition is not met until it is");
	add(list, &w);
}

static bool user_exists(const char *name)
{
	char *end;

	strtoul(name, &end, 10);
	return !*end || getpwnam(name);
}

static void warn_conditions(json_t *list, const struct conf_conditions *c)
{
	struct stat st;

	for (size_t i = 0; i < c->users; i++)
		if (!user_exists(c->user[i]))
			warn(list, "user", c->user[i]);
	for (size_t i = 0; i < c->cgroups; i++)
		if (!kernel_cgroup_id(c->cgroup[i]))
			warn(list, "cgroup", c->cgroup[i]);
	for (size_t i = 0; i < c->executables; i++)
		if (stat(c->executable[i], &st))
			warn(list, "executable", c->executable[i]);
	for (size_t i = 0; i < c->interfaces; i++)
		if (!strchr(c->interface[i], '*') && !if_nametoindex(c->interface[i]))
			warn(list, "interface", c->interface[i]);
}

/* What it names and is not there now, one text each. */
static json_t *rule_warnings(const struct conf_flow_rule *r)
{
	json_t *list = json_array();

	warn_conditions(list, &r->is);
	warn_conditions(list, &r->isnt);
	return list;
}

/* --- the list ------------------------------------------------------------------------------- */

const char *rule_name(const struct instance *in, uint32_t epoch, uint32_t place)
{
	const struct conf *c = in->config.conf;

	if (!c || !place || place > c->rules || epoch != kernel_rules_epoch(in->kernel))
		return NULL;
	return c->rule[place - 1].name;
}

static json_t *show_rule(const struct conf *c, size_t i, uint64_t hits)
{
	const struct conf_flow_rule *r = &c->rule[i];
	json_t *o = json_pack("{s:I, s:s, s:i, s:s, s:I, s:o}", "rule", (json_int_t)i + 1, "name",
			      r->name, "line", (int)r->line, "action", verdicts[r->action], "hits",
			      (json_int_t)hits, "conditions", rule_conditions(c, r));
	json_t *warnings = rule_warnings(r);

	if (json_array_size(warnings))
		json_object_set_new(o, "warnings", warnings);
	else
		json_decref(warnings);
	return o;
}

void rules_send(const struct instance *in, struct control_client *client)
{
	static uint64_t hits[RULES_MAX + 1];
	const struct conf *c = in->config.conf;
	int err = kernel_rules_hits(in->kernel, hits);
	struct kernel_rules now;
	json_t *o;

	if (err) {
		control_refuse(client, "the rules' counters cannot be read: %s", strerror(-err));
		return;
	}
	kernel_rules_look(in->kernel, &now);
	o = json_pack("{s:I, s:I, s:I, s:s, s:I}", "epoch", (json_int_t)now.epoch, "valid_from",
		      (json_int_t)now.valid_from, "rules", (json_int_t)(c ? c->rules : 0),
		      "default", verdicts[now.fallback ? now.fallback : VERDICT_FORWARD],
		      "default_hits", (json_int_t)hits[0]);
	if (now.since_ms)
		json_object_set_new(o, "age_ms",
				    json_integer((json_int_t)(clock_ms() - now.since_ms)));
	control_send(client, "rules", o);
	for (size_t i = 0; c && i < c->rules; i++)
		control_send(client, "rule", show_rule(c, i, hits[i + 1]));
	control_answered(client);
}
