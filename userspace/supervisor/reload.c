// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reading the configuration again while the instance runs. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "datapath/kernel.h"
#include "supervisor/control.h"
#include "supervisor/host.h"
#include "supervisor/instance.h"
#include "supervisor/reload.h"
#include "supervisor/role.h"

#define RELOAD_RETIRE_MS (2 * DNS_QUERY_TIMEOUT_MS) /* as the resolver keeps old sockets */
#define RELOAD_AWAY_MS 30000 /* for which main may read, compile and load, beating not once */
#define RELOAD "reload" /* the key of what the client is told */
#define OK "ok\n" /* how the answer of a resolver begins that has taken it */

static void retire_expired(struct timer *t)
{
	config_done(&container_of(t, struct reload, retire)->retired);
}

void reload_init(struct reload *r)
{
	memset(r, 0, sizeof(*r));
	config_init(&r->next);
	config_init(&r->retired);
	timer_init(&r->retire, retire_expired);
}

static void drop_next(struct reload *r)
{
	r->reset_flows = false;
	config_done(&r->next);
	r->tag = 0;
	r->client = NULL;
}

void reload_done(struct reload *r)
{
	drop_next(r);
	loop_disarm(&r->retire);
	config_done(&r->retired);
}

/* --- what the client is told --------------------------------------------------------------- */

static void send_change(void *arg, const char *what)
{
	control_tell(arg, RELOAD, what, false);
}

/* Of what rules name that is not there: `what` begins with the rule's line. */
static void send_warning(void *arg, const char *what)
{
	struct instance *in = arg;
	char line[PATH_MAX + 512];

	snprintf(line, sizeof(line), "%s: warning: %s", in->config.file, what);
	control_tell(in->reload.client, RELOAD, line, false);
}

/* --- main's part -------------------------------------------------------------------------- */

static void refuse_client(struct control_client *client, const char *why)
{
	if (client)
		control_refuse(client, "%s", why);
	else
		log_err("main", "reload: %s", why);
}

static void refuse(struct instance *in, const char *why)
{
	struct reload *r = &in->reload;
	char text[ERROR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s; nothing was changed", why);
	refuse_client(r->client, text);
	rules_cancel(&in->rules);
	drop_next(r);
}

static int prepare_rules(struct instance *in, struct conf_errors *errors)
{
	struct reload *r = &in->reload;
	char why[ERROR_TEXT_MAX];
	int err = rules_prepare(&in->rules, r->next.conf, send_warning, in, why);

	if (err)
		conf_errors_add(errors, "%s: %s", in->config.file, why);
	return err;
}

/* 0, or -EINVAL: a key has changed that cannot. One that is gone from the file has no line. */
static int check_fixed(const struct instance *in, struct conf_errors *errors)
{
	const struct config *next = &in->reload.next;
	const char *fixed = conf_fixed_difference(in->config.conf, next->conf);
	unsigned int line = fixed ? conf_line_of(&next->text, fixed) : 0;
	char at[16] = "";

	if (!fixed)
		return 0;
	if (line)
		snprintf(at, sizeof(at), ":%u", line);
	conf_errors_add(errors,
			"%s%s: %s: cannot change while the instance runs, expected the value it "
			"was started with",
			in->config.file, at, fixed);
	return -EINVAL;
}

static int prepare(struct instance *in)
{
	static struct conf_errors errors;
	struct reload *r = &in->reload;
	const struct config *const old[2] = { &in->config, &r->retired };
	int err;

	err = config_read(&r->next, in->config.file, &errors);
	if (!err)
		err = check_fixed(in, &errors);
	if (!err)
		err = config_check_kernel(&r->next, in->options.host, kernel_why_no_bpf(in->kernel),
					  &errors);
	if (!err)
		err = config_open(&r->next, old, &errors);
	if (!err)
		err = prepare_rules(in, &errors);
	control_tell(r->client, RELOAD, errors.text, err);
	return err;
}

static int ask(struct instance *in)
{
	struct role *resolver = crew_resolver(&in->crew);
	int err = config_send(&in->reload.next, resolver);

	if (!err)
		err = role_query(resolver, ++in->queries.last_tag, "reload");
	return err;
}

void reload_begin(struct instance *in, struct control_client *client, bool reset_flows)
{
	struct reload *r = &in->reload;
	int err;

	if (!in->config.file[0]) {
		refuse_client(client, "the instance was started without a configuration file");
		return;
	}
	if (r->tag) {
		refuse_client(client, "a reload is under way");
		return;
	}
	r->client = client;
	r->reset_flows = reset_flows;
	r->len = 0;
	kernel_heartbeat_ahead(in->kernel, RELOAD_AWAY_MS);
	err = prepare(in);
	kernel_heartbeat(in->kernel);
	if (err)
		refuse(in, "the configuration cannot be taken");
	else if (ask(in))
		refuse(in, "the resolver cannot be reached");
	else
		r->tag = in->queries.last_tag;
}

/* --- the resolver's answer ----------------------------------------------------------------- */

static void take_over(struct instance *in)
{
	struct reload *r = &in->reload;
	char err[ERROR_TEXT_MAX];
	int changes;

	config_done(&r->retired);
	r->retired = in->config;
	loop_arm(in->loop, &r->retire, RELOAD_RETIRE_MS);
	kernel_heartbeat_ahead(in->kernel, RELOAD_AWAY_MS);
	in->config = r->next;
	config_init(&r->next);
	rules_commit(&in->rules, r->reset_flows);
	if (devices_set(&in->devices, in->kernel, &in->config.conf->dns, err))
		send_change(r->client, err);
	if (instance_capture_again(in, err))
		send_change(r->client, err);
	host_tell_missing(in, r->client, RELOAD);
	kernel_heartbeat(in->kernel);
	control_tell(r->client, RELOAD, r->answer + strlen(OK), false);
	changes = conf_changes(&r->retired.text, &in->config.text, send_change, r->client);
	log_info("main", "configuration reloaded file=%s changes=%d", in->config.file, changes);
	if (!changes)
		send_change(r->client, "nothing has changed in the file; lists were read again");
	if (r->client)
		control_answered(r->client);
	drop_next(r);
}

static void finish(struct instance *in)
{
	struct reload *r = &in->reload;

	r->answer[r->len] = '\0';
	if (!strncmp(r->answer, OK, strlen(OK))) {
		take_over(in);
		return;
	}
	control_tell(r->client, RELOAD, r->answer, true);
	refuse(in, "the resolver cannot take the configuration");
}

bool reload_text(struct instance *in, uint64_t tag, const char *text, size_t len)
{
	struct reload *r = &in->reload;
	size_t room = RELOAD_ANSWER_MAX - r->len;

	if (!r->tag || tag != r->tag)
		return false;
	if (!len) {
		finish(in);
		return true;
	}
	len = len < room ? len : room;
	memcpy(r->answer + r->len, text, len);
	r->len += len;
	return true;
}

void reload_role_died(struct instance *in, const struct role *role)
{
	if (in->reload.tag && role == crew_resolver(&in->crew))
		refuse(in, "the resolver ended before it had taken the configuration");
}

void reload_forget(struct instance *in, const struct control_client *client)
{
	if (in->reload.client == client)
		in->reload.client = NULL;
}
