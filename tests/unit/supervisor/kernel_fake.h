/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A kernel half in memory, for tests of main: it keeps what it is told and shows what the
 * test put in. A test program that includes this defines all of datapath/kernel.h, so the
 * real one is not linked.
 */
#ifndef TESTS_KERNEL_FAKE_H
#define TESTS_KERNEL_FAKE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device.h"
#include "datapath/hooks.h"
#include "datapath/kernel.h"
#include "datapath/look.h"
#include "datapath/rules.h"
#include "datapath/view.h"
#include "policy/tables.h"

#define FAKE_FLOWS_MAX 64

struct kernel {
	struct kernel_features features;
	struct role_counters counters[ROLES_MAX];
	struct settings settings;
	struct kernel_flow flow[FAKE_FLOWS_MAX];
	size_t flows;
	unsigned int beats;
	unsigned int adopted;
	int attached_ifindex;
	int ended_slot; /* of the last kernel_flow_end_all(), -2 = none */
	enum flow_end ended_with;
	int forgotten_slot; /* of the last kernel_flow_notes_forget(), -2 = none */
	int captured; /* capture points attached now */
	size_t host_addrs, host_prefixes;
	int devices; /* attached now */
	int device_result; /* of attaching */
	struct endpoint local[FAKE_FLOWS_MAX];
	size_t locals;
	struct rule_table rules; /* as prepared last */
	unsigned int rules_prepared, rules_committed, rules_reset;
	int rules_result; /* of preparing */
	void (*cgroup_fn)(void *arg, uint64_t cgroup);
	void *cgroup_arg;
	struct rule_value rule_value[FAKE_FLOWS_MAX]; /* put since the last commit */
	uint32_t rule_value_set[FAKE_FLOWS_MAX];
	size_t rule_values;
	unsigned int rule_values_removed;
	int rule_value_result; /* of putting one */
};

struct hooks {
	int ifindex;
	bool pinned;
};

static struct kernel fake_kernel;
static int fake_capture_result; /* of attaching a capture point */
static char fake_load_error[64]; /* kernel_load() fails with it */
static int fake_loaded; /* kernel_load() minus kernel_unload() */
static int fake_attach_result;

static void fake_kernel_reset(void)
{
	memset(&fake_kernel, 0, sizeof(fake_kernel));
	fake_kernel.features = (struct kernel_features){
		.attach = "none", .dns = "resolver", .protect = "SO_MARK", .bpffs = "none"
	};
	fake_kernel.ended_slot = -2;
	fake_kernel.forgotten_slot = -2;
	fake_load_error[0] = '\0';
	fake_loaded = 0;
	fake_attach_result = 0;
}

int kernel_load(const struct kernel_options *opt, struct kernel **ret_kernel, char err[256])
{
	if (fake_load_error[0]) {
		snprintf(err, 256, "%s", fake_load_error);
		return -1;
	}
	fake_loaded++;
	*ret_kernel = &fake_kernel;
	return 0;
}

void kernel_unload(struct kernel *k)
{
	fake_loaded--;
}

int kernel_attach_tun(struct kernel *k, int ifindex)
{
	k->attached_ifindex = ifindex;
	return fake_attach_result;
}

int kernel_attach_route(struct kernel *k)
{
	return fake_attach_result;
}

int kernel_steer_fd(const struct kernel *k)
{
	return -1;
}

int kernel_settings(struct kernel *k, const struct settings *s)
{
	k->settings = *s;
	return 0;
}

void kernel_heartbeat_ahead(struct kernel *k, uint64_t ms)
{
}

void kernel_heartbeat(struct kernel *k)
{
	k->beats++;
}

int kernel_role_fd(const struct kernel *k, unsigned int slot, enum role_descriptor_kind kind)
{
	return -1;
}

int kernel_names_make(struct kernel *k, uint32_t buckets, int *ret_fd)
{
	return -EOPNOTSUPP;
}

int kernel_enter(struct kernel *k)
{
	(void)k;
	return 0;
}

int kernel_leave(struct kernel *k)
{
	(void)k;
	return 0;
}

int kernel_adopt(struct kernel *k, int pid)
{
	k->adopted++;
	return 0;
}

int kernel_flow_each(struct kernel *k, int (*fn)(void *arg, const struct kernel_flow *f), void *arg)
{
	int r = 0;

	for (size_t i = 0; !r && i < k->flows; i++)
		r = fn(arg, &k->flow[i]);
	return r;
}

void kernel_direct_look(struct kernel *k)
{
}

int kernel_view_begin(struct kernel_view *v)
{
	return 0;
}

/* Two flows a part. */
int kernel_view_next(struct kernel *k, struct kernel_view *v,
		     int (*fn)(void *arg, const struct kernel_flow *f), void *arg, bool *ret_more)
{
	int r = 0;

	for (int i = 0; !r && i < 2 && v->policy < k->flows; i++)
		r = fn(arg, &k->flow[v->policy++]);
	*ret_more = v->policy < k->flows;
	return r;
}

void kernel_view_end(struct kernel_view *v)
{
	*v = (struct kernel_view){ 0 };
}

void kernel_tell_direct(struct kernel *k, bool on)
{
	k->settings.tell_direct = on;
}

const char *kernel_cgroup_path(uint64_t id)
{
	return id == 77 ? "/system.slice/test.service" : "";
}

/* --- rules: the first that is asked for fails by its port, the second one decides ----------- */

static struct rule_facts fake_facts; /* that were asked about last */

int kernel_rules_try(struct kernel *k, struct rule_try_args *args)
{
	fake_facts = args->facts;
	args->facts.known |= 1U << RULE_PORT; /* as of every packet */
	args->verdict = VERDICT_DIRECT;
	args->rule = 2;
	args->epoch = 7;
	args->conditions = 1U << RULE_PORT | 1U << RULE_DOMAIN;
	args->satisfied = args->asked == 1 ? 0 : ~0U;
	return 0;
}

uint32_t kernel_rules_epoch(const struct kernel *k)
{
	return 7;
}

int kernel_rules_hits(const struct kernel *k, uint64_t ret_hits[RULES_MAX + 1])
{
	for (uint64_t i = 0; i <= RULES_MAX; i++)
		ret_hits[i] = 100 + i;
	return 0;
}

void kernel_rules_look(const struct kernel *k, struct kernel_rules *ret_rules)
{
	*ret_rules = (struct kernel_rules){
		.epoch = 7, .valid_from = 5, .since_ms = 1, .fallback = VERDICT_DIRECT
	};
}

const struct settings *kernel_settings_now(const struct kernel *k)
{
	return &k->settings;
}

bool kernel_capture_look(const struct kernel *k, uint32_t ifindex,
			 struct capture_device *ret_device)
{
	*ret_device = (struct capture_device){ .capture = CAPTURE_EGRESS };
	return true;
}

bool kernel_is_host_addr(const struct kernel *k, const struct addr *addr)
{
	return addr->b[15] == 99;
}

enum kernel_fact kernel_fact_look(const struct kernel *k, const struct addr *client,
				  const struct addr *addr, struct domain_fact *ret_fact)
{
	return FACT_NONE;
}

const char *kernel_name_look(const struct kernel *k, const struct addr *client,
			     const struct addr *addr, char buf[DOMAIN_TEXT_MAX])
{
	buf[0] = '\0';
	return buf;
}

unsigned int kernel_addresses_look(const struct kernel *k, const char *name, struct addr *ret_addr,
				   unsigned int max)
{
	if (strcmp(name, "known.test") != 0)
		return 0;
	memset(ret_addr, 0, 2 * sizeof(*ret_addr));
	ret_addr[0].b[0] = ret_addr[1].b[0] = 0x20;
	ret_addr[1].b[15] = 1;
	return 2;
}

uint64_t kernel_cgroup_id(const char *path)
{
	return strcmp(path, "/none") ? 77 : 0;
}

bool kernel_cgroup_find(const char *unit, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "/system.slice/%s", unit);
	return strcmp(unit, "none.service") != 0;
}

bool kernel_flow_end_strays(struct kernel *k, uint64_t idle_ns, uint64_t idle_tcp_ns)
{
	return false;
}

void kernel_flow_strays_wanted(struct kernel *k)
{
}

void kernel_flow_notes_forget(struct kernel *k, unsigned int slot)
{
	k->forgotten_slot = (int)slot;
}

void kernel_flow_end_all(struct kernel *k, int slot, enum flow_end end)
{
	k->ended_slot = slot;
	k->ended_with = end;
}

void kernel_read_drops(struct kernel *k, struct drop_counters *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	ret_sum->malformed = 7;
}

void kernel_read_stats(struct kernel *k, struct kernel_stats *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	ret_sum->flows_new = k->flows;
}

struct role_counters *kernel_role_counters(struct kernel *k, unsigned int slot)
{
	return &k->counters[slot];
}

int kernel_events_fd(const struct kernel *k)
{
	return -1;
}

int kernel_events_read(struct kernel *k, void (*fn)(void *arg, const struct flow_event *e),
		       void *arg)
{
	return 0;
}

const struct kernel_features *kernel_features(const struct kernel *k)
{
	return &k->features;
}

const char *kernel_why_no_bpf(const struct kernel *k)
{
	return NULL;
}

int device_attach(struct kernel *k, const char *name, int ifindex, enum device_mode mode,
		  struct device **ret_device, char err[256])
{
	snprintf(err, 256, "%s: not here", name);
	if (k->device_result)
		return k->device_result;
	k->devices++;
	*ret_device = (struct device *)k;
	return 0;
}

const char *device_how(const struct device *d)
{
	return "fake";
}

void device_detach(struct device *d)
{
	if (d)
		((struct kernel *)d)->devices--;
}

int kernel_local_set(struct kernel *k, const struct endpoint *local, size_t num)
{
	k->locals = num < FAKE_FLOWS_MAX ? num : FAKE_FLOWS_MAX;
	if (k->locals)
		memcpy(k->local, local, k->locals * sizeof(*local));
	return 0;
}

int kernel_attach_capture(struct kernel *k, int ifindex, enum capture_point point, unsigned int l2,
			  struct hooks **ret_hooks, char err[256])
{
	if (fake_capture_result) {
		snprintf(err, 256, "as the test wants it");
		return fake_capture_result;
	}
	*ret_hooks = calloc(1, sizeof(**ret_hooks));
	assert_non_null(*ret_hooks);
	(*ret_hooks)->ifindex = ifindex;
	k->captured++;
	return 0;
}

int kernel_dns_load(struct kernel *k, int *ret_fd)
{
	return -EOPNOTSUPP;
}

int kernel_dns_attach(struct kernel *k)
{
	return 0;
}

int kernel_repair_capture(struct hooks *h)
{
	return 0;
}

int kernel_repair_tun(struct kernel *k)
{
	return 0;
}

int kernel_pin_capture(struct kernel *k, struct hooks *h)
{
	h->pinned = k->settings.closed;
	return 0;
}

void kernel_detach_capture(struct hooks *h)
{
	if (h)
		fake_kernel.captured--;
	free(h);
}

const char *hooks_how(const struct hooks *h)
{
	return "tcx";
}

int kernel_capture_device_set(struct kernel *k, uint32_t ifindex, const struct capture_device *d)
{
	return 0;
}

int kernel_host_addrs_set(struct kernel *k, const struct addr *addr, size_t num)
{
	k->host_addrs = num;
	return 0;
}

int kernel_host_prefixes_set(struct kernel *k, const struct prefix *prefix, size_t num)
{
	k->host_prefixes = num;
	return 0;
}

int kernel_rules_prepare(struct kernel *k, const struct policy_tables *t)
{
	if (k->rules_result)
		return k->rules_result;
	k->rules = t->table;
	k->rules_prepared++;
	return 0;
}

void kernel_rules_commit(struct kernel *k, bool reset)
{
	k->rules_committed++;
	k->rules_reset += reset;
	k->rule_values = 0;
}

void kernel_rules_cancel(struct kernel *k)
{
}

void kernel_rules_on_cgroup(struct kernel *k, void (*fn)(void *arg, uint64_t cgroup), void *arg)
{
	k->cgroup_fn = fn;
	k->cgroup_arg = arg;
}

int kernel_rules_seeds(const struct kernel *k, struct dns_state *ret_dns)
{
	*ret_dns = (struct dns_state){ 0 };
	return 0;
}

int kernel_rules_set_put(struct kernel *k, uint32_t place, const struct rule_set *set)
{
	return 0;
}

int kernel_rules_value_put(struct kernel *k, enum rule_dim dim, uint64_t a, uint64_t b,
			   uint32_t set)
{
	size_t at = 0;

	if (k->rule_value_result)
		return k->rule_value_result;
	while (at < k->rule_values && (k->rule_value[at].dim != dim || k->rule_value[at].a != a ||
				       k->rule_value[at].b != b))
		at++;
	if (at == FAKE_FLOWS_MAX)
		return 0;
	k->rule_values += at == k->rule_values;
	k->rule_value[at] = (struct rule_value){ .dim = dim, .a = a, .b = b };
	k->rule_value_set[at] = set;
	return 0;
}

int kernel_rules_value_remove(struct kernel *k, enum rule_dim dim, uint64_t a, uint64_t b)
{
	k->rule_values_removed++;
	return 0;
}

void kernel_clean_old(struct kernel *k)
{
}

void kernel_clean_instance(const char *instance)
{
}

void kernel_clean_stale(const char *starting)
{
}

int kernel_check_version(char err[256])
{
	return 0;
}

#endif
