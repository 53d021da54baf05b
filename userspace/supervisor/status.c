// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an instance says of itself. Everything that is done in different ways on different
 * kernels is named here, with the way that was taken.
 */
#include <unistd.h>

#include <sys/resource.h>

#include "base/clock.h"
#include "datapath/kernel.h"
#include "supervisor/advice.h"
#include "supervisor/dump.h"
#include "supervisor/instance.h"
#include "supervisor/show.h"
#include "supervisor/status.h"

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void set_subnet(json_t *o, const struct subnet *s, const char *stack, const char *device,
		       const char *bits)
{
	char text[ADDR_TEXT_MAX];

	if (!s->bits)
		return;
	set(o, stack, json_string(addr_format(&s->stack, text)));
	set(o, device, json_string(addr_format(&s->device, text)));
	set(o, bits, json_integer(s->bits));
}

json_t *status_ready(const struct instance *in)
{
	const struct capture *c = &in->capture;
	json_t *o = json_object();

	if (!o)
		return NULL;
	set(o, "instance", json_string(in->options.instance));
	set(o, "version", json_string(HEADRACE_VERSION));
	set(o, "pid", json_integer(getpid()));
	set(o, "tun", json_string(c->tun.name));
	set(o, "mtu", json_integer(c->tun.mtu));
	set_subnet(o, &c->v4, "stack4", "device4", "bits4");
	set_subnet(o, &c->v6, "stack6", "device6", "bits6");
	return o;
}

static json_t *features(const struct instance *in)
{
	const struct kernel_features *f = kernel_features(in->kernel);
	const struct tun *t = &in->capture.tun;
	json_t *o = json_pack(
		"{s:b, s:s, s:s, s:s, s:b, s:b, s:i, s:s, s:b}", "bpf", f->bpf, "attach", f->attach,
		"protect", f->protect, "bpffs", f->bpffs, "tso", t->tso, "uso", t->uso,
		"vnet_hdr_bytes", (int)t->vnet_hdr_bytes, "queues",
		in->capture.single_queue ? "one, DNS is relayed" : "one per role, steered",
		"source_check", !in->capture.any_source);

	if (!o)
		return NULL;
	set(o, "owners", json_string(f->owners));
	set(o, "dns", json_string(f->dns));
	if (in->routing.active)
		set(o, "direct", json_string(f->direct));
	if (f->bpf_error[0])
		set(o, "bpf_error", json_string(f->bpf_error));
	if (f->pin_directory[0])
		set(o, "pins", json_string(f->pin_directory));
	if (f->cgroup[0])
		set(o, "cgroup", json_string(f->cgroup));
	return o;
}

static json_t *limits(const struct instance *in)
{
	const struct role_config *cfg = &in->crew.config;
	struct rlimit lim = { 0 };
	json_t *o;

	getrlimit(RLIMIT_NOFILE, &lim);
	o = json_pack("{s:i, s:i, s:I}", "tcp_connect_timeout_ms", (int)cfg->connect_timeout_ms,
		      "udp_idle_ms", (int)cfg->udp_idle_ms, "descriptors_per_process",
		      (json_int_t)lim.rlim_max);
	/* those without a number follow another one, or the process */
	for (int i = 0; o && i < LIMIT_NUM; i++)
		if (cfg->limits.n[i])
			set(o, limit_name((enum limit)i), number(cfg->limits.n[i]));
	return o;
}

#define BUDGET_NAME(enumerator, field, text) [enumerator] = #field,
static const char *const budget_names[] = { BUDGETS(BUDGET_NAME) };

static void add_budget(json_t *list, const char *where, const char *name,
		       const struct budget_use *b)
{
	json_t *o;

	if (!b->limit) /* not one of this role's */
		return;
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "where", where, "budget", name, "used",
		      (json_int_t)b->used, "limit", (json_int_t)b->limit, "hits",
		      (json_int_t)b->hits, "evicted", (json_int_t)b->evicted);
	if (o && b->source_limit)
		set(o, "limit_per_source", number(b->source_limit));
	json_array_append_new(list, o);
}

static json_t *budgets(struct instance *in, const struct kernel_stats *stats)
{
	const struct limits *l = &in->options.limits;
	struct budget_use flows = {
		.used = stats->flows_new - stats->flows_closed,
		.limit = l->n[LIMIT_FLOWS] + limits_dns_flows(l),
		.hits = in->flow_cap_seen,
	};
	json_t *list = json_array();

	if (!list)
		return NULL;
	for (unsigned int slot = 0; slot < in->crew.roles; slot++) {
		const struct budget_use *b =
			(void *)&kernel_role_counters(in->kernel, slot)->budgets;

		for (int i = 0; i < BUDGET_NUM; i++)
			add_budget(list, in->crew.role[slot].name, budget_names[i], &b[i]);
	}
	if (kernel_features(in->kernel)->bpf)
		add_budget(list, "kernel", budget_names[BUDGET_FLOWS], &flows);
	return list;
}

static json_int_t sum_of(const struct drop_counters *d)
{
	const __u64 *count = (const __u64 *)d;
	__u64 sum = 0;

	for (unsigned int i = 0; i < DROP_NUM; i++)
		sum += count[i];
	return (json_int_t)sum;
}

static json_t *role(struct instance *in, unsigned int slot)
{
	const struct role_counters *c = kernel_role_counters(in->kernel, slot);
	const struct role *r = &in->crew.role[slot];
	json_t *o = json_pack("{s:s, s:i, s:s}", "name", r->name, "slot", (int)slot, "state",
			      role_state_name(r->state));

	if (!o)
		return NULL;
	if (r->pid > 0)
		set(o, "pid", json_integer(r->pid));
	set(o, "cpu_ms", json_integer((json_int_t)role_cpu_ms(r)));
	set(o, "drops", json_integer(sum_of(&c->drops)));
	show_role_stats(o, &c->stats);
	return o;
}

static json_t *roles(struct instance *in)
{
	json_t *list = json_array();

	for (unsigned int slot = 0; list && slot < in->crew.roles; slot++)
		json_array_append_new(list, role(in, slot));
	return list;
}

static json_t *listeners(const struct conf_dns *d)
{
	char text[ENDPOINT_TEXT_MAX];
	json_t *list = json_array();

	for (size_t i = 0; list && i < d->listeners; i++)
		json_array_append_new(list,
				      json_string(endpoint_format(&d->listener[i].endpoint, text)));
	return list;
}

json_t *status_show(struct instance *in)
{
	json_t *o = status_ready(in);
	struct kernel_stats stats;
	struct advice_facts facts;

	if (!o)
		return NULL;
	kernel_read_stats(in->kernel, &stats);
	advice_read(&facts, in->options.limits.n[LIMIT_FLOWS]);
	set(o, "uptime_ms", json_integer((json_int_t)(clock_ms() - in->started_ms)));
	set(o, "features", features(in));
	if (in->config.conf->dns.listeners)
		set(o, "listen", listeners(&in->config.conf->dns));
	if (in->devices.entries)
		set(o, "devices", devices_show(&in->devices));
	if (in->options.host)
		set(o, "captures", uplinks_show(&in->uplinks));
	if (in->routing.active)
		set(o, "route", routing_show(&in->routing));
	if (in->options.host && in->config.conf->capture.strict)
		set(o, "strict", strict_show(&in->strict));
	set(o, "dumps", json_integer(dump_count(in)));
	set(o, "limits", limits(in));
	set(o, "budgets", budgets(in, &stats));
	set(o, "kernel", show_kernel_stats(&stats));
	set(o, "roles", roles(in));
	set(o, "advice", advice_show(&facts));
	return o;
}
