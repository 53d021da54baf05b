// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What rules name is looked up when they are compiled, and followed afterwards: cgroups by
 * inotify, and by their ids where the kernel half meets one that it does not know; devices by
 * netlink; executables by a look every few seconds. What has changed is put into the generation
 * in force, value by value; only where that has no room left, all of it is loaded anew.
 *
 * The value of a cgroup stays for a while after it is gone: its sockets may be in use yet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/log.h"
#include "datapath/cgroup_tree.h"
#include "datapath/kernel.h"
#include "datapath/rules.h"
#include "datapath/view.h"
#include "netdev/monitor.h"
#include "policy/compile.h"
#include "supervisor/rule_names.h"
#include "supervisor/rules.h"

#define DEVICES_DELAY_MS 100
#define FILES_MS 5000
#define AGAIN_MS 100
#define AGAIN_AWAY_MS 10000 /* for which main may compile and load, beating not once */

/* A value of RULE_EXE or RULE_DEVICE, and the rules that name it. */
struct rule_living {
	enum rule_dim dim;
	uint64_t a, b;
	struct rule_set set;
};

/* --- preparing ---------------------------------------------------------------------------- */

static void prepared_done(struct rules_prepared *p)
{
	policy_tables_done(&p->tables);
	conf_free(p->conf);
	*p = (struct rules_prepared){ 0 };
}

static void add_cgroup(void *arg, uint64_t id, const char *path, bool gone)
{
	rule_names_add(arg, RULE_CGROUP, path, id, 0);
}

struct warning {
	rules_warn_cb warn;
	void *arg;
};

static void tell_missing(void *arg, const struct conf_flow_rule *rule, const char *what)
{
	const struct warning *w = arg;
	char line[CONF_TEXT_MAX + 256];

	snprintf(line, sizeof(line), "line %u: rule %s: %s", rule->line, rule->name, what);
	w->warn(w->arg, line);
}

/* Everything that there is now of what rules of `c` name. 0 or -ENOMEM. */
static int find_names(const struct rules *r, const struct conf *c, struct rule_names *n)
{
	rule_names_find(n, c, RULE_UID);
	rule_names_find(n, c, RULE_EXE);
	rule_names_find(n, c, RULE_DEVICE);
	if (r->tree)
		cgroup_tree_each(r->tree, add_cgroup, n);
	return n->failed ? -ENOMEM : 0;
}

static enum verdict fallback_of(const struct rules *r, const struct conf *c)
{
	if (c->fallback)
		return c->fallback;
	return r->host ? VERDICT_DIRECT : VERDICT_FORWARD;
}

static int compile(struct rules *r, struct conf *c, const struct warning *w)
{
	struct policy_source source = { .conf = c, .fallback = fallback_of(r, c) };
	struct rule_names names = { 0 };
	int err = find_names(r, c, &names);

	if (!err)
		err = kernel_rules_seeds(r->kernel, &source.dns);
	if (!err) {
		source.name = names.name;
		source.names = names.num;
		err = policy_compile(&source, &r->next.tables);
	}
	if (!err)
		rule_names_missing(&names, c, tell_missing, (void *)w);
	rule_names_done(&names);
	return err;
}

static void tree_changed(void *arg, uint64_t id, const char *path, bool gone);

static void tree_ready(struct watch *w, uint32_t events)
{
	cgroup_tree_read(container_of(w, struct rules, cgroups)->tree);
}

/* Follows cgroups from now on, if rules of `c` ask for them. */
static int follow_cgroups(struct rules *r, const struct conf *c)
{
	int err;

	if (r->tree || !policy_has(c, RULE_CGROUP))
		return 0;
	err = cgroup_tree_open(NULL, tree_changed, r, &r->tree);
	if (err)
		return err;
	r->cgroups.fd = cgroup_tree_fd(r->tree);
	return loop_add(r->loop, &r->cgroups, EPOLLIN);
}

int rules_prepare(struct rules *r, struct conf *c, rules_warn_cb warn, void *arg,
		  char err[ERROR_TEXT_MAX])
{
	const struct warning w = { .warn = warn, .arg = arg };
	int ret;

	rules_cancel(r);
	ret = follow_cgroups(r, c);
	if (ret)
		return error_at(err, ret, "rules: cgroups cannot be followed");
	ret = compile(r, c, &w);
	if (ret == -E2BIG)
		return error_text(err, ret, "rules: more values than the kernel half has room for");
	if (ret)
		return error_at(err, ret, "rules: cannot be compiled");
	ret = kernel_rules_prepare(r->kernel, &r->next.tables);
	if (ret) {
		policy_tables_done(&r->next.tables);
		return error_at(err, ret, "rules: cannot be loaded into the kernel");
	}
	r->next.conf = conf_get(c);
	return 0;
}

void rules_cancel(struct rules *r)
{
	if (!r->next.conf)
		return;
	kernel_rules_cancel(r->kernel);
	prepared_done(&r->next);
}

/* --- what appears ------------------------------------------------------------------------- */

/* What the kernel half has no room for waits for a generation that has. */
static void took(struct rules *r, int err)
{
	if (err == -ENOSPC || err == -E2BIG)
		loop_arm(r->loop, &r->again, AGAIN_MS);
	else if (err)
		log_warn("rules", "a value was not written: %s", strerror(-err));
}

static int put_value(struct rules *r, enum rule_dim dim, uint64_t a, uint64_t b,
		     const struct rule_set *set)
{
	struct policy_tables *t = &r->now.tables;
	uint32_t place;
	int err = policy_set_place(t, set, &place);

	for (; !err && r->sets < t->sets; r->sets++) {
		err = kernel_rules_set_put(r->kernel, r->sets, &t->set[r->sets]);
		if (err)
			return err;
	}
	return err ? err : kernel_rules_value_put(r->kernel, dim, a, b, place);
}

static void put_cgroup(struct rules *r, uint64_t id, const char *path)
{
	struct rule_set set;

	policy_rules_of(r->now.conf, RULE_CGROUP, path, &set);
	took(r, put_value(r, RULE_CGROUP, id, 0, &set));
}

static void cgroup_gone(struct rules *r, uint64_t id)
{
	uint64_t *oldest = &r->gone[r->gone_at++ % RULES_GONE_MAX];

	if (*oldest)
		kernel_rules_value_remove(r->kernel, RULE_CGROUP, *oldest, 0);
	*oldest = id;
}

static void tree_changed(void *arg, uint64_t id, const char *path, bool gone)
{
	struct rules *r = arg;

	if (!r->now.conf || !policy_has(r->now.conf, RULE_CGROUP))
		return; /* they are all looked at when rules ask for them */
	if (gone)
		cgroup_gone(r, id);
	else
		put_cgroup(r, id, path);
}

/* A packet of a cgroup that nothing was known of waits. One that is gone is in no rule. */
static void cgroup_asked(void *arg, uint64_t id)
{
	struct rules *r = arg;
	const char *path;

	if (!r->now.conf || !policy_has(r->now.conf, RULE_CGROUP))
		return;
	path = kernel_cgroup_path(id);
	put_cgroup(r, id, path);
	if (!path[0])
		cgroup_gone(r, id);
}

/* --- executables and devices -------------------------------------------------------------- */

/* The values of `dim` now, behind those of `list`. False: no memory. */
static bool add_living(const struct rules *r, enum rule_dim dim, struct rule_living **list,
		       size_t *num)
{
	struct rule_names names = { 0 };
	struct rule_living *more;
	bool good;

	rule_names_find(&names, r->now.conf, dim);
	more = realloc(*list, (*num + names.num + 1) * sizeof(*more));
	good = more && !names.failed;
	if (more)
		*list = more;
	for (size_t i = 0; good && i < names.num; i++) {
		const struct policy_name *n = &names.name[i];
		struct rule_set set;
		size_t at = 0;

		while (at < *num &&
		       (more[at].dim != dim || more[at].a != n->a || more[at].b != n->b))
			at++;
		if (at == *num)
			more[(*num)++] = (struct rule_living){ .dim = dim, .a = n->a, .b = n->b };
		policy_rules_of(r->now.conf, dim, n->name, &set);
		for (unsigned int word = 0; word < RULE_WORDS; word++)
			more[at].set.bits[word] |= set.bits[word];
	}
	rule_names_done(&names);
	return good;
}

static const struct rule_living *find_living(const struct rule_living *list, size_t num,
					     const struct rule_living *like)
{
	for (size_t i = 0; i < num; i++)
		if (list[i].dim == like->dim && list[i].a == like->a && list[i].b == like->b)
			return &list[i];
	return NULL;
}

/* Puts what is new or different; removes what is no more. */
static void write_living(struct rules *r, const struct rule_living *list, size_t num)
{
	for (size_t i = 0; i < num; i++) {
		const struct rule_living *old = find_living(r->living, r->livings, &list[i]);

		if (!old || memcmp(&old->set, &list[i].set, sizeof(old->set)) != 0)
			took(r, put_value(r, list[i].dim, list[i].a, list[i].b, &list[i].set));
	}
	for (size_t i = 0; i < r->livings; i++) {
		const struct rule_living *old = &r->living[i];

		if (!find_living(list, num, old))
			kernel_rules_value_remove(r->kernel, old->dim, old->a, old->b);
	}
}

static void look_for_living(struct rules *r)
{
	struct rule_living *list = NULL;
	size_t num = 0;

	if (!add_living(r, RULE_EXE, &list, &num) || !add_living(r, RULE_DEVICE, &list, &num)) {
		free(list);
		return; /* there is another look later */
	}
	write_living(r, list, num);
	free(r->living);
	r->living = list;
	r->livings = num;
}

static void files_expired(struct timer *t)
{
	struct rules *r = container_of(t, struct rules, files);

	look_for_living(r);
	loop_arm(r->loop, t, FILES_MS);
}

static void devices_changed(struct watch *w, uint32_t events)
{
	struct rules *r = container_of(w, struct rules, devices);

	monitor_drain(w->fd);
	if (!timer_is_armed(&r->devices_delay))
		loop_arm(r->loop, &r->devices_delay, DEVICES_DELAY_MS);
}

static void devices_delay_expired(struct timer *t)
{
	look_for_living(container_of(t, struct rules, devices_delay));
}

static void follow_devices(struct rules *r)
{
	int fd, err;

	if (r->devices.fd >= 0 || !policy_has(r->now.conf, RULE_DEVICE))
		return;
	err = monitor_open(&fd);
	if (!err) {
		r->devices.fd = fd;
		err = loop_add(r->loop, &r->devices, EPOLLIN);
	}
	if (err)
		log_warn("rules", "changes of devices are not told: %s", strerror(-err));
}

/* --- in force ----------------------------------------------------------------------------- */

static void put_if_new(void *arg, uint64_t id, const char *path, bool gone)
{
	put_cgroup(arg, id, path);
}

/* What has come and gone since it was compiled. */
static void catch_up(struct rules *r)
{
	free(r->living);
	r->living = NULL;
	r->livings = 0;
	if (r->tree && policy_has(r->now.conf, RULE_CGROUP)) {
		cgroup_tree_read(r->tree);
		cgroup_tree_each(r->tree, put_if_new, r);
	}
	look_for_living(r);
}

void rules_commit(struct rules *r, bool reset)
{
	if (!r->next.conf)
		return;
	kernel_rules_commit(r->kernel, reset);
	prepared_done(&r->now);
	r->now = r->next;
	r->next = (struct rules_prepared){ 0 };
	r->sets = r->now.tables.sets;
	memset(r->gone, 0, sizeof(r->gone));
	catch_up(r);
	follow_devices(r);
	if (policy_has(r->now.conf, RULE_EXE))
		loop_arm(r->loop, &r->files, FILES_MS);
	else
		loop_disarm(&r->files);
}

static void say_nothing(void *arg, const char *line)
{
}

static void again_expired(struct timer *t)
{
	struct rules *r = container_of(t, struct rules, again);
	char err[ERROR_TEXT_MAX];

	if (!r->now.conf || r->next.conf)
		return; /* a reload is under way, which does it */
	kernel_heartbeat_ahead(r->kernel, AGAIN_AWAY_MS);
	if (rules_prepare(r, r->now.conf, say_nothing, NULL, err))
		log_err("rules", "%s", err);
	else
		rules_commit(r, false);
	kernel_heartbeat(r->kernel);
}

static void warn(void *arg, const char *line)
{
	log_warn("rules", "%s", line);
}

void rules_init(struct rules *r, struct loop *loop)
{
	*r = (struct rules){ .loop = loop,
			     .cgroups = { .ready = tree_ready, .fd = -1 },
			     .devices = { .ready = devices_changed, .fd = -1 } };
	timer_init(&r->devices_delay, devices_delay_expired);
	timer_init(&r->files, files_expired);
	timer_init(&r->again, again_expired);
}

/* What the kernel half does as it was loaded: nothing has to be written. */
static int start_without(struct rules *r, struct conf *c, char err[ERROR_TEXT_MAX])
{
	int ret = policy_tables_init(&r->now.tables, VERDICT_FORWARD);

	if (ret)
		return error_at(err, ret, "rules");
	r->now.conf = conf_get(c);
	return 0;
}

int rules_start(struct rules *r, struct kernel *kernel, struct conf *c, bool host,
		char err[ERROR_TEXT_MAX])
{
	int ret;

	r->kernel = kernel;
	r->host = host;
	kernel_rules_on_cgroup(kernel, cgroup_asked, r);
	if (!c->rules && fallback_of(r, c) == VERDICT_FORWARD)
		return start_without(r, c, err);
	ret = rules_prepare(r, c, warn, NULL, err);
	if (!ret)
		rules_commit(r, false);
	return ret;
}

void rules_done(struct rules *r)
{
	int fd = r->devices.fd;

	if (!r->kernel)
		return;
	rules_cancel(r);
	kernel_rules_on_cgroup(r->kernel, NULL, NULL);
	loop_disarm(&r->devices_delay);
	loop_disarm(&r->files);
	loop_disarm(&r->again);
	loop_remove(r->loop, &r->devices);
	fd_close(fd);
	loop_remove(r->loop, &r->cgroups);
	cgroup_tree_close(r->tree);
	prepared_done(&r->now);
	free(r->living);
	rules_init(r, r->loop);
}
