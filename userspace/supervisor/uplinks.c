// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Netlink tells that something has changed; what is there then is compared as a whole with what
 * is attached. A device of the same index is the same one, whatever its name is by now.
 *
 * The kernel half learns of addresses and of a device before its programs run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "datapath/hooks.h"
#include "netdev/link.h"
#include "netdev/monitor.h"
#include "netdev/tun.h"
#include "supervisor/uplinks.h"

#define READ_TRIES 5 /* of what changes while it is read */

static const char *const point_names[] = {
	[CAPTURE_EGRESS] = "uplink", [CAPTURE_LAN] = "lan", [CAPTURE_LOOPBACK] = "loopback"
};

/* --- one device --------------------------------------------------------------------------- */

/* Whether the programs outlive us is the kernel half's setting (when-down). */
static void pin(struct uplinks *u, struct uplink *e)
{
	int err = kernel_pin_capture(u->kernel, e->hooks);

	if (err)
		log_warn("capture",
			 "%s is open when headrace is killed: programs cannot be pinned: %s",
			 e->plan.name, strerror(-err));
}

/* Without it captured services of 127.0.0.1 get no answer; ::1 does. */
static void allow_answers(struct uplinks *u)
{
	int err = loopback_prepare(&u->loopback, u->instance);

	if (err)
		log_warn("capture", "lo takes no answers of captured services by IPv4: %s",
			 strerror(-err));
}

static void attach(struct uplinks *u, struct uplink *e)
{
	const struct uplink_plan *p = &e->plan;
	char error[sizeof(e->error)] = "";
	int err;

	if (p->device.capture == CAPTURE_LOOPBACK)
		allow_answers(u);
	err = kernel_capture_device_set(u->kernel, (uint32_t)p->ifindex, &p->device);
	if (err)
		snprintf(error, sizeof(error), "%s", strerror(-err));
	else
		err = kernel_attach_capture(u->kernel, p->ifindex,
					    (enum capture_point)p->device.capture, p->device.l2,
					    &e->hooks, error);
	if (!err)
		pin(u, e);
	else /* as many come and go as there are containers: none may keep a place */
		kernel_capture_device_set(u->kernel, (uint32_t)p->ifindex, NULL);
	if (err && strcmp(error, e->error) != 0)
		log_warn("capture", "%s is not captured: %s", p->name, error);
	if (!err)
		log_info("capture", "captured device=%s point=%s attach=%s", p->name,
			 point_names[p->device.capture], hooks_how(e->hooks));
	memcpy(e->error, error, sizeof(e->error));
}

static void detach(struct uplinks *u, struct uplink *e)
{
	if (!e->hooks)
		return;
	kernel_detach_capture(e->hooks);
	e->hooks = NULL;
	kernel_capture_device_set(u->kernel, (uint32_t)e->plan.ifindex, NULL);
	if (e->plan.device.capture == CAPTURE_LOOPBACK)
		loopback_restore(&u->loopback);
	log_info("capture", "captured no more device=%s", e->plan.name);
}

/* Would other programs be attached? Those that are take over another address or flag. */
static bool is_same_kind(const struct capture_device *a, const struct capture_device *b)
{
	return a->capture == b->capture && a->l2 == b->l2;
}

/* From what was to be to what is to be now. */
static void replan(struct uplinks *u, struct uplink *e, const struct uplink_plan *next)
{
	bool same = is_same_kind(&e->plan.device, &next->device);

	if (e->hooks && (next->why_not[0] || !same))
		detach(u, e);
	if (e->hooks && memcmp(&e->plan.device, &next->device, sizeof(next->device)) != 0)
		kernel_capture_device_set(u->kernel, (uint32_t)next->ifindex, &next->device);
	e->plan = *next;
	if (!e->hooks && !next->why_not[0])
		attach(u, e);
}

/* --- all of them -------------------------------------------------------------------------- */

static const struct uplink_plan *find_plan(const struct uplink_plan *plan, size_t num, int ifindex)
{
	for (size_t i = 0; i < num; i++)
		if (ifindex && plan[i].ifindex == ifindex)
			return &plan[i];
	return NULL;
}

static struct uplink *find_uplink(struct uplinks *u, int ifindex)
{
	for (size_t i = 0; i < u->uplinks; i++)
		if (ifindex && u->uplink[i].plan.ifindex == ifindex)
			return &u->uplink[i];
	return NULL;
}

/*
 * An uplink that was found to be one stays so while it is down or without routes: when they are
 * back, its first packets are not to be missed.
 */
static bool is_kept(const struct uplinks *u, const struct uplink *e, const struct net_table *t)
{
	const struct net_link *l = net_table_find(t, e->plan.ifindex);

	return l && !l->master && e->hooks && e->plan.device.capture == CAPTURE_EGRESS &&
	       u->conf->uplinks_mode == CONF_UPLINKS_AUTO;
}

static void drop_unplanned(struct uplinks *u, const struct net_table *t,
			   const struct uplink_plan *plan, size_t num)
{
	size_t kept = 0;

	for (size_t i = 0; i < u->uplinks; i++) {
		struct uplink *e = &u->uplink[i];

		if (find_plan(plan, num, e->plan.ifindex) || is_kept(u, e, t))
			u->uplink[kept++] = *e;
		else
			detach(u, e);
	}
	u->uplinks = kept;
}

static void add_planned(struct uplinks *u, const struct uplink_plan *plan, size_t num)
{
	for (size_t i = 0; i < num; i++) {
		struct uplink *e = find_uplink(u, plan[i].ifindex);

		if (!e && u->uplinks == CAPTURE_DEVICES_MAX)
			continue;
		if (!e) {
			e = &u->uplink[u->uplinks++];
			*e = (struct uplink){ .plan = plan[i] };
		}
		replan(u, e, &plan[i]);
	}
}

/* What somebody else has detached is attached again; what cannot be is no more. */
static void repair(struct uplinks *u)
{
	int r = kernel_repair_tun(u->kernel);

	if (r < 0)
		log_err("capture", "the programs of %s cannot be put back: %s", u->tun->name,
			strerror(-r));
	else if (r)
		log_warn("capture", "put back what was removed device=%s", u->tun->name);
	for (size_t i = 0; i < u->uplinks; i++) {
		struct uplink *e = &u->uplink[i];

		r = e->hooks ? kernel_repair_capture(e->hooks) : 0;
		if (r < 0)
			detach(u, e); /* and as a device that is not captured it is tried again */
		else if (r)
			log_warn("capture", "put back what was removed device=%s", e->plan.name);
	}
}

/* A packet that is larger than the TUN takes would be lost on its way there. */
static void grow_tun(struct uplinks *u, const struct uplink_plan *plan, size_t num)
{
	unsigned int mtu = uplinks_mtu(plan, num, u->tun->mtu);
	int err;

	if (mtu == u->tun->mtu)
		return;
	err = link_configure(u->tun->ifindex, mtu, TUN_TXQUEUELEN);
	if (err)
		log_warn("capture", "cannot set an MTU of %u on %s: %s", mtu, u->tun->name,
			 strerror(-err));
	else
		u->tun->mtu = mtu;
}

static int read_table(struct net_table *t)
{
	int err = -EAGAIN;

	for (int i = 0; i < READ_TRIES && err == -EAGAIN; i++)
		err = net_table_read(t);
	return err;
}

/* What is the host's own; of a few too many, rather the first than none. */
static int tell_addresses(struct uplinks *u, const struct net_table *t)
{
	size_t addrs = t->locals, prefixes = t->local_prefixes;
	int err;

	if (addrs > HOST_ADDRS_MAX) {
		log_warn("capture", "more than %d addresses: the rest is taken for foreign",
			 HOST_ADDRS_MAX);
		addrs = HOST_ADDRS_MAX;
	}
	if (prefixes > HOST_PREFIXES_MAX) {
		log_warn("capture", "more than %d local prefixes: the rest is taken for foreign",
			 HOST_PREFIXES_MAX);
		prefixes = HOST_PREFIXES_MAX;
	}
	err = kernel_host_addrs_set(u->kernel, t->local, addrs);
	return err ? err : kernel_host_prefixes_set(u->kernel, t->local_prefix, prefixes);
}

static int look(struct uplinks *u)
{
	static struct uplink_plan plan[CAPTURE_DEVICES_MAX];
	uint64_t began_ms = clock_ms();
	struct net_table t;
	size_t num;
	int err;

	err = read_table(&t);
	if (err)
		return err;
	num = uplinks_plan(u->conf, &t, u->tun->ifindex, plan, CAPTURE_DEVICES_MAX);
	if (num == CAPTURE_DEVICES_MAX && u->uplinks < num)
		log_warn("capture", "no more than %d devices are captured: the rest passes",
			 CAPTURE_DEVICES_MAX);
	err = tell_addresses(u, &t);
	u->look_ms = (uint32_t)(clock_ms() - began_ms); /* without loading: that is once */
	if (!err) {
		grow_tun(u, plan, num);
		drop_unplanned(u, &t, plan, num);
		repair(u);
		add_planned(u, plan, num);
	}
	net_table_done(&t);
	return err;
}

static void delay_expired(struct timer *t)
{
	struct uplinks *u = container_of(t, struct uplinks, delay);
	int err = look(u);

	if (!err) {
		if (u->looked)
			u->looked(u);
		return;
	}
	log_warn("capture", "devices and addresses cannot be read: %s", strerror(-err));
	loop_arm(u->loop, &u->delay, UPLINKS_RETRY_MS);
}

/*
 * Where routes change all the time, and there are many, no more than a part of it is for them;
 * but what is sent by a new uplink meanwhile is not captured.
 */
static void changed(struct watch *w, uint32_t events)
{
	struct uplinks *u = container_of(w, struct uplinks, watch);
	uint64_t delay_ms = UPLINKS_DELAY_MS + UPLINKS_SHARE * (uint64_t)u->look_ms;

	monitor_drain(w->fd);
	if (!timer_is_armed(&u->delay))
		loop_arm(u->loop, &u->delay,
			 delay_ms < UPLINKS_DELAY_MAX_MS ? delay_ms : UPLINKS_DELAY_MAX_MS);
}

/* --- life --------------------------------------------------------------------------------- */

void uplinks_init(struct uplinks *u, struct loop *loop, const char *instance)
{
	*u = (struct uplinks){ .loop = loop,
			       .instance = instance,
			       .watch = { .ready = changed, .fd = -1 } };
	loopback_init(&u->loopback);
	timer_init(&u->delay, delay_expired);
}

int uplinks_needed_mtu(const struct conf_capture *conf, unsigned int *tun_mtu,
		       unsigned int *worker_mtu, char err[ERROR_TEXT_MAX])
{
	struct uplink_plan *plan = calloc(CAPTURE_DEVICES_MAX, sizeof(*plan));
	struct net_table t;
	size_t num;
	int r;

	r = plan ? read_table(&t) : -ENOMEM;
	if (!r) {
		num = uplinks_plan(conf, &t, 0, plan, CAPTURE_DEVICES_MAX);
		*tun_mtu = uplinks_mtu(plan, num, *tun_mtu);
		*worker_mtu = uplinks_worker_mtu(conf, plan, num, *tun_mtu);
		net_table_done(&t);
	}
	free(plan);
	return r ? error_at(err, r, "cannot read the host's devices") : 0;
}

static int watch_changes(struct uplinks *u)
{
	int err;

	if (u->watch.fd >= 0)
		return 0;
	err = monitor_open_capture(&u->watch.fd);
	if (err)
		return err;
	err = loop_add(u->loop, &u->watch, EPOLLIN);
	if (err)
		u->watch.fd = fd_close(u->watch.fd);
	return err;
}

int uplinks_start(struct uplinks *u, struct kernel *kernel, struct tun *tun,
		  const struct conf_capture *conf, char err[ERROR_TEXT_MAX])
{
	int r = tun_forward(tun);

	if (r) /* then only answers of flows that are forgotten do not find their way */
		log_warn("capture", "the TUN cannot look for routes error=%s", strerror(-r));
	r = 0;
	u->kernel = kernel;
	u->tun = tun;
	u->conf = conf;
	if (!u->uplink)
		u->uplink = calloc(CAPTURE_DEVICES_MAX, sizeof(*u->uplink));
	if (!u->uplink)
		r = -ENOMEM;
	if (!r)
		r = watch_changes(u);
	for (size_t i = 0; !r && i < u->uplinks; i++)
		if (u->uplink[i].hooks)
			pin(u, &u->uplink[i]);
	if (!r)
		r = look(u);
	if (r == -EAGAIN) { /* too much changes just now */
		loop_arm(u->loop, &u->delay, UPLINKS_RETRY_MS);
		r = 0;
	}
	return r ? error_at(err, r, "cannot follow the host's devices") : 0;
}

void uplinks_stop(struct uplinks *u)
{
	void (*looked)(struct uplinks * u) = u->looked;
	int fd = u->watch.fd;

	loop_disarm(&u->delay);
	if (fd >= 0) {
		loop_remove(u->loop, &u->watch);
		fd_close(fd);
	}
	for (size_t i = 0; i < u->uplinks; i++)
		detach(u, &u->uplink[i]);
	free(u->uplink);
	loopback_restore(&u->loopback);
	uplinks_init(u, u->loop, u->instance);
	u->looked = looked;
}

bool uplinks_any(const struct uplinks *u)
{
	for (size_t i = 0; i < u->uplinks; i++) {
		if (u->uplink[i].hooks)
			return true;
	}
	return false;
}

const char *uplink_why_not(const struct uplink *e)
{
	return e->plan.why_not[0] ? e->plan.why_not : e->error;
}

static json_t *show(const struct uplink *e)
{
	json_t *o = json_pack("{s:s, s:s}", "device", e->plan.name, "point",
			      point_names[e->plan.device.capture]);

	if (!o)
		return NULL;
	if (e->hooks)
		json_object_set_new(o, "mode", json_string(hooks_how(e->hooks)));
	else
		json_object_set_new(o, "error", json_string(uplink_why_not(e)));
	if (e->plan.device.flags & CAPTURE_DNS_ONLY)
		json_object_set_new(o, "dns_only", json_true());
	if (e->plan.device.flags & CAPTURE_BRIDGED)
		json_object_set_new(o, "bridged", json_true());
	return o;
}

json_t *uplinks_show(const struct uplinks *u)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < u->uplinks; i++)
		json_array_append_new(list, show(&u->uplink[i]));
	return list;
}
