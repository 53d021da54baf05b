/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an instance is asked to be: from a "run" request or from the command line. */
#ifndef SUPERVISOR_OPTIONS_H
#define SUPERVISOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/addr.h"
#include "base/budget.h"
#include "base/control.h"
#include "base/limits.h"
#include "base/log.h"
#include "conf/conf.h"

#define OPTIONS_ERROR_MAX 256
#define UID_NONE ((uid_t)-1)

struct instance_options {
	char instance[INSTANCE_NAME_MAX]; /* names control socket, pins and cgroup */
	struct endpoint dns[DNS_UPSTREAMS_MAX];
	uint32_t dns_count; /* 0 = the host's own resolvers */
	struct addr host_loopback; /* zero = off */
	uint32_t mtu; /* 0 = MTU_DEFAULT, or what a TUN that was handed in has */
	uint32_t workers; /* 1..WORKERS_MAX */
	struct limits limits;
	uid_t uid; /* who may use the control socket besides root; UID_NONE = nobody */
	enum log_level log_level;
	bool ipv6;
	bool report_full; /* every ended flow is kept for the report, not just the largest */
	bool host; /* the daemon: captures what the configuration says */
	bool tun_handed; /* a TUN comes as a descriptor */
	bool unprivileged; /* of one that was opened by its owner, who is not root */
	int tun_fd; /* that descriptor, -1 = none; owned by whoever filled it in */
};

/* The defaults; the instance is named after this process ("run-PID"). */
void options_init(struct instance_options *opt);

/* One value as text. 0, or -EINVAL with a line for the user in err. */
int options_set_instance(struct instance_options *opt, const char *text,
			 char err[OPTIONS_ERROR_MAX]);
int options_add_dns(struct instance_options *opt, const char *text, char err[OPTIONS_ERROR_MAX]);
int options_set_host_loopback(struct instance_options *opt, const char *text,
			      char err[OPTIONS_ERROR_MAX]);
int options_set_mtu(struct instance_options *opt, long long mtu, char err[OPTIONS_ERROR_MAX]);
int options_set_log(struct instance_options *opt, const char *text, char err[OPTIONS_ERROR_MAX]);

/* What the file itself says: to be overruled by the command line, so called before it is read. */
void options_from_conf(struct instance_options *opt, const struct conf *c);

/*
 * Fills in the keys of a "run" request (RUN_*). A key that is not known or of the wrong type
 * is an error: an option is never ignored in silence. 0, or -EINVAL with a line in err.
 */
int options_from_json(struct instance_options *opt, const json_t *request,
		      char err[OPTIONS_ERROR_MAX]);

#endif
