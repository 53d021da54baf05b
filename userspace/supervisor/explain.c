// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Explaining. The rules are asked in the kernel, by `rules_try`: once for what they decide, and
 * once for each rule up to the one that does, for which of its conditions the flow fails. What
 * comes before the rules is told by the settings and maps that the programs go by, in their order.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "base/control.h"
#include "datapath/look.h"
#include "datapath/rules.h"
#include "supervisor/control.h"
#include "supervisor/explain.h"
#include "supervisor/instance.h"
#include "supervisor/rule_show.h"
#include "supervisor/subject.h"

#define WHY_MAX 128 /* a reason in words */

#define TEXT(name, text) [name] = text,
static const char *const verdicts[] = { VERDICTS(TEXT) };
static const char *const dims[] = { RULE_DIMS(TEXT) };

/* --- before the rules ----------------------------------------------------------------------- */

/* What a client sends through the host is nothing that its link needs. */
static bool is_essential(const struct subject *s, const struct rule_facts *f)
{
	bool dhcp = f->proto == IPPROTO_UDP && s->capture != CAPTURE_LAN &&
		    (f->dport == 67 || f->dport == 68 || f->dport == 546 || f->dport == 547);

	return dhcp || addr_is_multicast(&f->daddr) || addr_is_link_local(&f->daddr);
}

static const struct pass_mark *pass_mark_of(const struct settings *s, uint32_t mark)
{
	for (int i = 0; i < PASS_MARKS_MAX && s->pass_mark[i].mask; i++)
		if ((mark & s->pass_mark[i].mask) == s->pass_mark[i].value)
			return &s->pass_mark[i];
	return NULL;
}

/* Of a host, what passes whatever the rules say. NULL = nothing of it holds. */
static const char *passes(const struct instance *in, const struct subject *subject,
			  const struct rule_facts *f, char buf[WHY_MAX])
{
	const struct settings *s = kernel_settings_now(in->kernel);
	const struct pass_mark *mark = pass_mark_of(s, f->mark);

	if (mark) {
		snprintf(buf, WHY_MAX, "fwmark 0x%x is of capture.pass-marks 0x%x/0x%x", f->mark,
			 mark->value, mark->mask);
		return buf;
	}
	if (s->mark && f->mark == s->mark && f->cgroup && f->cgroup == s->own_cgroup)
		return "it is a socket of our own: our mark, in our cgroup";
	if (is_essential(subject, f))
		return "DHCP, multicast, broadcast or link-local traffic is never captured";
	/* at lo those of loopback are captured, and no others (bpf/lan.bpf.c) */
	if (subject->capture != CAPTURE_LOOPBACK && kernel_is_host_addr(in->kernel, &f->daddr))
		return "it is one of the host's own addresses";
	return NULL;
}

/* Of a host: is anything there to decide? NULL = yes. */
static const char *not_captured(const struct instance *in, const struct subject *s,
				const struct rule_facts *f, char buf[WHY_MAX])
{
	struct capture_device d;
	char device[IF_NAMESIZE];

	if (!f->ifindex || !if_indextoname(f->ifindex, device))
		return NULL;
	if (!kernel_capture_look(in->kernel, f->ifindex, &d)) {
		snprintf(buf, WHY_MAX, "%s is no capture point%s", device,
			 s->capture == CAPTURE_LOOPBACK ?
				 " (capture: loopback: true makes it one)" :
				 "");
		return buf;
	}
	if (d.flags & CAPTURE_DNS_ONLY && f->dport != DNS_PORT) {
		snprintf(buf, WHY_MAX, "of %s only DNS is captured", device);
		return buf;
	}
	return NULL;
}

static bool is_dns(const struct instance *in, const struct subject *s, const struct rule_facts *f)
{
	const struct settings *now = kernel_settings_now(in->kernel);

	if (f->dport != DNS_PORT || (f->proto != IPPROTO_UDP && f->proto != IPPROTO_TCP))
		return false;
	return (s->capture == CAPTURE_TUN && !now->route) || now->dns_intercept;
}

static void tell_before(struct control_client *client, const char *verdict, const char *why)
{
	control_send(client, "before", json_pack("{s:s, s:s}", "verdict", verdict, "why", why));
}

/* True: something before the rules decides. */
static bool send_before(const struct instance *in, struct control_client *client,
			const struct subject *s, const struct rule_facts *f)
{
	const char *why = NULL;
	char buf[WHY_MAX];

	if (s->capture != CAPTURE_TUN) {
		why = passes(in, s, f, buf);
		if (!why)
			why = not_captured(in, s, f, buf);
	}
	if (why) {
		tell_before(client, verdicts[VERDICT_DIRECT], why);
		return true;
	}
	if (!is_dns(in, s, f))
		return false;
	tell_before(client, verdicts[VERDICT_DNS],
		    "DNS is answered by the kernel half or the resolver, by the client's policy");
	return true;
}

/* --- names and routes ----------------------------------------------------------------------- */

static const char *const fact_texts[] = {
	[FACT_NONE] = "nobody resolved it here, or too long ago: rules by name do not match",
	[FACT_CLIENT] = "by this client's own latest answer",
	[FACT_ANYBODY] = "by the latest answer to anybody",
};

static void add_name(const struct instance *in, json_t *o, const struct rule_facts *f)
{
	struct addr client = f->saddr;
	enum kernel_fact how;
	struct domain_fact fact;
	char name[DOMAIN_TEXT_MAX];

	if (f->known & 1U << RULE_UID)
		client = (struct addr){ .b[sizeof(client.b) - 1] = FACT_HOST_BYTE };
	how = kernel_fact_look(in->kernel, &client, &f->daddr, &fact);
	json_object_set_new(o, "name_known", json_string(fact_texts[how]));
	if (how == FACT_NONE)
		return;
	kernel_name_look(in->kernel, &f->saddr, &f->daddr, name);
	if (name[0])
		json_object_set_new(o, "name", json_string(name));
}

static json_t *show_route(const struct route_lookup *r, int err)
{
	char device[IF_NAMESIZE], addr[ADDR_TEXT_MAX];
	json_t *o = json_object();

	if (err) {
		json_object_set_new(o, "error", json_string(strerror(-err)));
		return o;
	}
	if (r->ifindex && if_indextoname((unsigned int)r->ifindex, device))
		json_object_set_new(o, "device", json_string(device));
	if (!addr_is_zero(&r->gateway))
		json_object_set_new(o, "gateway", json_string(addr_format(&r->gateway, addr)));
	if (!addr_is_zero(&r->source))
		json_object_set_new(o, "source", json_string(addr_format(&r->source, addr)));
	json_object_set_new(o, "table", json_integer(r->table));
	return o;
}

/* --- the rules ------------------------------------------------------------------------------ */

static json_t *dims_of(uint32_t bits)
{
	json_t *list = json_array();

	for (int dim = 0; dim < RULE_DIM_NUM; dim++)
		if (bits >> dim & 1)
			json_array_append_new(list, json_string(dims[dim]));
	return list;
}

static int send_rule(const struct instance *in, struct control_client *client,
		     const struct rule_facts *facts, uint32_t place)
{
	const struct conf *c = in->config.conf;
	const struct conf_flow_rule *r = c && place <= c->rules ? &c->rule[place - 1] : NULL;
	struct rule_try_args args = { .facts = *facts, .asked = place };
	int err = kernel_rules_try(in->kernel, &args);
	uint32_t failed;
	json_t *o;

	if (err)
		return err;
	failed = args.conditions & ~args.satisfied;
	o = json_pack("{s:I, s:b, s:o, s:o}", "rule", (json_int_t)place, "matches", !failed,
		      "failed", dims_of(failed), "unknown", dims_of(failed & ~args.facts.known));
	if (r) {
		json_object_set_new(o, "rule_name", json_string(r->name));
		json_object_set_new(o, "line", json_integer(r->line));
		json_object_set_new(o, "action", json_string(verdicts[r->action]));
		json_object_set_new(o, "conditions", rule_conditions(c, r));
	}
	control_send(client, "tried", o);
	return 0;
}

static int send_rules(const struct instance *in, struct control_client *client,
		      const struct rule_facts *facts, bool decided_before)
{
	const struct conf *c = in->config.conf;
	struct rule_try_args args = { .facts = *facts };
	int err = kernel_rules_try(in->kernel, &args);
	const char *name;
	uint32_t last;
	json_t *o;

	if (err)
		return err;
	last = args.rule ? args.rule : (uint32_t)(c ? c->rules : 0);
	for (uint32_t place = 1; !err && place <= last && !client->finished; place++)
		err = send_rule(in, client, facts, place);
	o = json_pack("{s:s, s:I, s:I, s:b}", "verdict", verdicts[args.verdict % VERDICT_NUM],
		      "rule", (json_int_t)args.rule, "epoch", (json_int_t)args.epoch, "decides",
		      !decided_before);
	name = rule_name(in, args.epoch, args.rule);
	if (name)
		json_object_set_new(o, "rule_name", json_string(name));
	control_send(client, "explained", o);
	return err;
}

static int explain_address(const struct instance *in, struct control_client *client,
			   const struct subject *asked, const struct addr *to)
{
	struct route_lookup route;
	struct subject s = *asked;
	int no_route = subject_aim(&s, in, to, &route);
	json_t *o;

	s.facts.daddr = *to;
	o = subject_show(&s, &s.facts);
	add_name(in, o, &s.facts);
	if (no_route || route.ifindex)
		json_object_set_new(o, "route", show_route(&route, no_route));
	control_send(client, "facts", o);
	return send_rules(in, client, &s.facts, send_before(in, client, &s, &s.facts));
}

/* What a process is made of is told to root and to whose it is. */
static bool may_ask(const struct control_client *client, const json_t *request)
{
	const json_t *pid = json_object_get(request, "pid");
	struct stat st;
	char path[64];
	uid_t uid;

	if (!pid)
		return true;
	if (control_peer_uid(client->watch.fd, &uid))
		return false;
	snprintf(path, sizeof(path), "/proc/%lld", (long long)json_integer_value(pid));
	return !uid || stat(path, &st) || st.st_uid == uid;
}

void explain_send(const struct instance *in, struct control_client *client, const json_t *request)
{
	char err[ERROR_TEXT_MAX];
	struct subject s;
	int r;

	if (!may_ask(client, request)) {
		control_refuse(client, "only root can ask about the processes of others: use sudo");
		return;
	}
	if (subject_read(&s, in, request, err)) {
		control_refuse(client, "%s", err);
		return;
	}
	if (!s.addrs) {
		control_refuse(client,
			       "no address of '%s' is known: nobody resolved it here, or too long "
			       "ago; ask for an address",
			       s.name);
		return;
	}
	for (unsigned int i = 0; i < s.addrs && !client->finished; i++) {
		r = explain_address(in, client, &s, &s.addr[i]);
		if (!r)
			continue;
		control_refuse(client, "the kernel half cannot be asked: %s", strerror(-r));
		return;
	}
	control_answered(client);
}
