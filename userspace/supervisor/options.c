// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Options of an instance. Every value has one setter that checks it, used by the command
 * line and by the "run" request alike; the request's keys are a table of name, JSON type and
 * setter. Nothing here has effects beyond the structure.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/options.h"

void options_init(struct instance_options *opt)
{
	memset(opt, 0, sizeof(*opt));
	snprintf(opt->instance, sizeof(opt->instance), "run-%d", (int)getpid());
	opt->workers = 1;
	limits_init(&opt->limits);
	opt->uid = UID_NONE;
	opt->log_level = LOG_LEVEL_WARN;
	opt->ipv6 = true;
	opt->tun_fd = -1;
}

int options_set_instance(struct instance_options *opt, const char *text,
			 char err[OPTIONS_ERROR_MAX])
{
	if (!control_instance_valid(text)) {
		snprintf(err, OPTIONS_ERROR_MAX,
			 "instance name '%.40s': at most %d letters, digits, '.', '_' and '-'",
			 text, INSTANCE_NAME_MAX - 1);
		return -EINVAL;
	}
	snprintf(opt->instance, sizeof(opt->instance), "%s", text);
	return 0;
}

int options_add_dns(struct instance_options *opt, const char *text, char err[OPTIONS_ERROR_MAX])
{
	struct endpoint ep;

	if (opt->dns_count == DNS_UPSTREAMS_MAX) {
		snprintf(err, OPTIONS_ERROR_MAX, "more than %d DNS servers", DNS_UPSTREAMS_MAX);
		return -EINVAL;
	}
	if (endpoint_parse(text, DNS_PORT, &ep) || !ep.port || addr_is_zero(&ep.addr) ||
	    addr_is_multicast(&ep.addr)) {
		snprintf(err, OPTIONS_ERROR_MAX,
			 "DNS server '%.80s': expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT",
			 text);
		return -EINVAL;
	}
	opt->dns[opt->dns_count++] = ep;
	return 0;
}

int options_set_host_loopback(struct instance_options *opt, const char *text,
			      char err[OPTIONS_ERROR_MAX])
{
	struct addr a;

	if (addr_parse(text, &a) || addr_is_zero(&a) || addr_is_loopback(&a) ||
	    addr_is_multicast(&a) || addr_is_link_local(&a)) {
		snprintf(err, OPTIONS_ERROR_MAX,
			 "host loopback address '%.80s': expected a unicast IPv4 or IPv6 address "
			 "that is neither loopback nor link-local",
			 text);
		return -EINVAL;
	}
	opt->host_loopback = a;
	return 0;
}

int options_set_mtu(struct instance_options *opt, long long mtu, char err[OPTIONS_ERROR_MAX])
{
	if (mtu && (mtu < MTU_MIN || mtu > MTU_MAX)) {
		snprintf(err, OPTIONS_ERROR_MAX, "MTU %lld: expected %d to %d", mtu, MTU_MIN,
			 MTU_MAX);
		return -EINVAL;
	}
	opt->mtu = (uint32_t)mtu;
	return 0;
}

int options_set_log(struct instance_options *opt, const char *text, char err[OPTIONS_ERROR_MAX])
{
	if (log_level_parse(text, &opt->log_level)) {
		snprintf(err, OPTIONS_ERROR_MAX,
			 "log level '%.40s': expected error, warn, info or debug", text);
		return -EINVAL;
	}
	return 0;
}

/* One per CPU that we may run on. */
static uint32_t one_per_cpu(void)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return cpus < WORKERS_MAX ? (uint32_t)cpus : WORKERS_MAX;
}

void options_from_conf(struct instance_options *opt, const struct conf *c)
{
	if (c->given & CONF_GIVEN_LOG)
		opt->log_level = c->log_level;
	if (c->given & CONF_GIVEN_WORKERS)
		opt->workers = c->workers ? c->workers : one_per_cpu();
	opt->ipv6 = c->ipv6;
	opt->mtu = c->mtu;
	opt->host_loopback = c->host_loopback;
	opt->limits = c->limits;
}

static int set_instance(struct instance_options *opt, const json_t *v, char *err)
{
	return options_set_instance(opt, json_string_value(v), err);
}

static int set_dns(struct instance_options *opt, const json_t *v, char *err)
{
	size_t i;
	json_t *item;

	opt->dns_count = 0;
	json_array_foreach(v, i, item) {
		const char *text = json_string_value(item);

		if (!text) {
			snprintf(err, OPTIONS_ERROR_MAX, "'%s': expected an array of strings",
				 RUN_DNS);
			return -EINVAL;
		}
		if (options_add_dns(opt, text, err))
			return -EINVAL;
	}
	return 0;
}

static int set_ipv6(struct instance_options *opt, const json_t *v, char *err)
{
	opt->ipv6 = json_is_true(v);
	return 0;
}

static int set_mtu(struct instance_options *opt, const json_t *v, char *err)
{
	return options_set_mtu(opt, json_integer_value(v), err);
}

static int set_host_loopback(struct instance_options *opt, const json_t *v, char *err)
{
	return options_set_host_loopback(opt, json_string_value(v), err);
}

/* Read by who knows files, before the other keys. */
static int set_config(struct instance_options *opt, const json_t *v, char *err)
{
	const char *file = json_string_value(v);

	if (*file == '/' && strlen(file) < PATH_MAX)
		return 0;
	snprintf(err, OPTIONS_ERROR_MAX, "'%s': expected an absolute file name", RUN_CONFIG);
	return -EINVAL;
}

static int set_uid(struct instance_options *opt, const json_t *v, char *err)
{
	json_int_t uid = json_integer_value(v);

	if (uid < 0 || uid >= UID_NONE) {
		snprintf(err, OPTIONS_ERROR_MAX, "user id %lld is out of range", (long long)uid);
		return -EINVAL;
	}
	opt->uid = (uid_t)uid;
	return 0;
}

static int set_tun_handed(struct instance_options *opt, const json_t *v, char *err)
{
	opt->tun_handed = json_is_true(v);
	return 0;
}

static int set_host(struct instance_options *opt, const json_t *v, char *err)
{
	opt->host = json_is_true(v);
	return 0;
}

static int set_log(struct instance_options *opt, const json_t *v, char *err)
{
	return options_set_log(opt, json_string_value(v), err);
}

static int set_report_full(struct instance_options *opt, const json_t *v, char *err)
{
	opt->report_full = json_is_true(v);
	return 0;
}

static int set_workers(struct instance_options *opt, const json_t *v, char *err)
{
	json_int_t n = json_integer_value(v);

	if (n < 1 || n > WORKERS_MAX) {
		snprintf(err, OPTIONS_ERROR_MAX, "%lld workers: expected 1 to %d", (long long)n,
			 WORKERS_MAX);
		return -EINVAL;
	}
	opt->workers = (uint32_t)n;
	return 0;
}

static int set_limits(struct instance_options *opt, const json_t *v, char *err)
{
	const char *name;
	json_t *n;

	json_object_foreach((json_t *)v, name, n) {
		if (!json_is_integer(n)) {
			snprintf(err, OPTIONS_ERROR_MAX, "limit '%.40s': expected an integer",
				 name);
			return -EINVAL;
		}
		if (limits_set(&opt->limits, name, strlen(name), json_integer_value(n), err))
			return -EINVAL;
	}
	return 0;
}

/* What a key's value may be. */
enum value_kind { VALUE_STRING, VALUE_INTEGER, VALUE_BOOL, VALUE_ARRAY, VALUE_OBJECT };

static const char *const value_names[] = {
	[VALUE_STRING] = "a string",
	[VALUE_INTEGER] = "an integer",
	[VALUE_BOOL] = "true or false",
	[VALUE_ARRAY] = "an array of strings",
	[VALUE_OBJECT] = "an object of integers",
};

static const struct run_key {
	const char *name;
	enum value_kind kind;
	int (*set)(struct instance_options *opt, const json_t *v, char *err);
} run_keys[] = {
	{ RUN_CONFIG, VALUE_STRING, set_config },
	{ RUN_INSTANCE, VALUE_STRING, set_instance },
	{ RUN_DNS, VALUE_ARRAY, set_dns },
	{ RUN_IPV6, VALUE_BOOL, set_ipv6 },
	{ RUN_MTU, VALUE_INTEGER, set_mtu },
	{ RUN_HOST_LOOPBACK, VALUE_STRING, set_host_loopback },
	{ RUN_UID, VALUE_INTEGER, set_uid },
	{ RUN_TUN_FD, VALUE_BOOL, set_tun_handed },
	{ RUN_HOST, VALUE_BOOL, set_host },
	{ RUN_LOG, VALUE_STRING, set_log },
	{ RUN_WORKERS, VALUE_INTEGER, set_workers },
	{ RUN_LIMITS, VALUE_OBJECT, set_limits },
	{ RUN_REPORT_FULL, VALUE_BOOL, set_report_full },
};

static bool kind_matches(enum value_kind kind, const json_t *v)
{
	switch (kind) {
	case VALUE_STRING:
		return json_is_string(v);
	case VALUE_INTEGER:
		return json_is_integer(v);
	case VALUE_BOOL:
		return json_is_boolean(v);
	case VALUE_ARRAY:
		return json_is_array(v);
	case VALUE_OBJECT:
		return json_is_object(v);
	}
	return false;
}

static int set_key(struct instance_options *opt, const char *name, const json_t *v, char *err)
{
	for (size_t i = 0; i < sizeof(run_keys) / sizeof(run_keys[0]); i++) {
		const struct run_key *k = &run_keys[i];

		if (strcmp(name, k->name) != 0)
			continue;
		if (kind_matches(k->kind, v))
			return k->set(opt, v, err);
		snprintf(err, OPTIONS_ERROR_MAX, "'%s': expected %s", name, value_names[k->kind]);
		return -EINVAL;
	}
	snprintf(err, OPTIONS_ERROR_MAX, "'%.40s': no such key of a run request", name);
	return -EINVAL;
}

int options_from_json(struct instance_options *opt, const json_t *request,
		      char err[OPTIONS_ERROR_MAX])
{
	const char *name;
	json_t *v;

	/* jansson's macro wants a mutable object; nothing is changed. */
	json_object_foreach((json_t *)request, name, v) {
		if (!strcmp(name, "command"))
			continue;
		if (set_key(opt, name, v, err))
			return -EINVAL;
	}
	return 0;
}
