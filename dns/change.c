// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reloading. Everything that may fail comes before the swap, which is one step here; the kernel
 * half follows at once (install.h), and whichever of the two answers a query does it by one
 * generation. Queries in flight hold theirs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "datapath/dns.h"
#include "dns/change.h"
#include "dns/generation.h"
#include "dns/install.h"
#include "dns/service.h"

#define TABLE_LOOK_MS 2 /* between looks whether main has brought the table */
#define TABLE_WAIT_MS 3000 /* then without one: names are decided here alone */

static void proceed(struct timer *t);

void change_init(struct change *r, struct service *s)
{
	*r = (struct change){ .service = s };
	timer_init(&r->timer, proceed);
}

void change_log(int status, const struct conf_errors *errors)
{
	const char *line = errors->text;

	for (size_t len; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		if (status < 0)
			log_err("dns", "%.*s", (int)len, line);
		else
			log_warn("dns", "%.*s", (int)len, line);
	}
	if (status < 0)
		log_err("dns", "configuration not taken: %s", strerror(-status));
}

void change_cancel(struct change *r)
{
	loop_disarm(&r->timer);
	policies_put(r->policies);
	r->policies = NULL;
	r->state = CHANGE_IDLE;
}

static void finish(struct change *r, int status)
{
	const struct conf_errors *errors = r->errors.num ? &r->errors :
							   policies_errors(r->policies);
	struct policies *p = r->policies;

	loop_disarm(&r->timer);
	r->state = CHANGE_IDLE;
	r->policies = NULL;
	r->done(r->arg, status, errors);
	policies_put(p);
}

/* --- the swap ---------------------------------------------------------------------------- */

/* If the kernel half does not take them, it has to answer nothing by itself. */
static void install(struct datapath *dp, struct policies *p)
{
	int r = install_policies(p, dp);

	if (!datapath_dns(dp))
		return;
	if (r < 0)
		log_warn("dns", "the kernel half answers no DNS: %s", strerror(-r));
	datapath_dns_enable(dp, r == 0);
}

static void add_error(struct change *r, const char *what)
{
	int len = snprintf(r->errors.text, sizeof(r->errors.text), "%s\n", what);

	r->errors.num = 1;
	r->errors.used = (size_t)len < sizeof(r->errors.text) ? (size_t)len : 0;
}

/* The upstreams are again those of the generation in force. */
static void take_back(struct service *s)
{
	char error[TRANSPORT_ERROR_MAX];

	if (s->generation && upstreams_assign(s->upstreams, s->generation->dns, s->options.upstream,
					      s->options.upstreams, error) < 0)
		log_err("dns", "upstreams are not as they were: %s", error);
}

static void swap(struct change *r)
{
	struct service *s = r->service;
	char error[TRANSPORT_ERROR_MAX] = "";
	struct generation *g = NULL;
	int status = upstreams_assign(s->upstreams, &policies_conf(r->policies)->dns,
				      s->options.upstream, s->options.upstreams, error);

	if (status == 0)
		status = generation_new(policies_get(r->policies), s->upstreams, s->generation,
					&s->scopes, &g);
	if (status == 0)
		status = upstreams_reread(s->upstreams, error);
	if (status == 0)
		status = service_take_generation(s, g);
	if (status < 0) {
		generation_put(g);
		add_error(r, error[0] ? error : strerror(-status));
		take_back(s);
	} else {
		install(s->datapath, r->policies);
		facts_renew(s->facts, r->policies);
	}
	finish(r, status);
}

/* --- parts ------------------------------------------------------------------------------- */

/* Main brings it while the loop turns; without a kernel half nothing is waited for. */
static void take_table(struct change *r)
{
	bool waited = clock_ms() - r->table_ms >= TABLE_WAIT_MS;

	if (install_take(r->policies, r->service->datapath) != -EAGAIN || waited)
		r->state = CHANGE_COMPILING;
}

static void ask_for_table(struct change *r)
{
	install_want(r->policies, r->service->datapath);
	r->state = CHANGE_TABLE;
	r->table_ms = clock_ms();
	take_table(r);
}

/* One part. True: there is more to be done. */
static bool step(struct change *r)
{
	int status;

	if (r->state == CHANGE_TABLE) {
		take_table(r);
		return true;
	}
	status = policies_step(r->policies);
	if (status == POLICIES_TABLE)
		ask_for_table(r);
	else if (status == POLICIES_DONE)
		swap(r);
	else if (status < 0)
		finish(r, status);
	return status == POLICIES_MORE || status == POLICIES_TABLE;
}

static void proceed(struct timer *t)
{
	struct change *r = container_of(t, struct change, timer);

	if (step(r))
		loop_arm(r->service->loop, t, r->state == CHANGE_TABLE ? TABLE_LOOK_MS : 0);
}

int change_begin(struct change *r, struct conf *conf, const int *list_fds, bool at_once,
		 change_done_fn done, void *arg)
{
	struct dns_state state = { 0 };
	int status;

	if (r->state != CHANGE_IDLE)
		return -EBUSY;
	if (datapath_dns_state(r->service->datapath, &state) < 0)
		random_bytes(state.seed, sizeof(state.seed));
	status = policies_begin(conf_get(conf), list_fds, (const uint64_t *)state.seed,
				&r->policies);
	if (status < 0) {
		conf_free(conf);
		return status;
	}
	r->errors.num = 0;
	r->done = done;
	r->arg = arg;
	r->state = CHANGE_COMPILING;
	while (at_once && r->state == CHANGE_COMPILING && step(r))
		;
	if (r->state != CHANGE_IDLE)
		loop_arm(r->service->loop, &r->timer, 0);
	return 0;
}
