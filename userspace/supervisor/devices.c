// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Netlink tells that something has changed; what is there then is compared with what is attached
 * as a whole. A device of the same name with another index is another device.
 *
 * A listener of all addresses has those of these devices: queries that come in there for other
 * addresses of the host reach the resolver as ever. What is for the loopback never comes in.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/log.h"
#include "datapath/device.h"
#include "netdev/monitor.h"
#include "supervisor/devices.h"

#define DELAY_MS 100

_Static_assert((int)DEVICE_AUTO == CONF_DEVICE_AUTO && (int)DEVICE_TC == CONF_DEVICE_TC &&
		       (int)DEVICE_XDP == CONF_DEVICE_XDP,
	       "the same modes");

/* --- addresses ----------------------------------------------------------------------------- */

struct locals {
	struct endpoint local[DNS_LOCAL_MAX];
	size_t num;
};

static void add_local(struct locals *l, const struct addr *addr, __be16 port)
{
	if (addr_is_loopback(addr) || l->num == DNS_LOCAL_MAX)
		return;
	l->local[l->num++] = (struct endpoint){ .addr = *addr, .port = port };
}

static const struct device_entry *entry_of(const struct devices *d, const char *name)
{
	for (size_t i = 0; i < d->entries; i++)
		if (!strcmp(d->entry[i].name, name))
			return &d->entry[i];
	return NULL;
}

/* The devices' own addresses of the listener's family. */
static void add_all(const struct devices *d, const struct ifaddrs *all, const struct endpoint *any,
		    struct locals *l)
{
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		struct endpoint ep;

		if (a->ifa_addr && entry_of(d, a->ifa_name) &&
		    !endpoint_from_sockaddr(a->ifa_addr, &ep) &&
		    addr_is_v4(&ep.addr) == addr_is_v4(&any->addr))
			add_local(l, &ep.addr, any->port);
	}
}

static void set_locals(struct devices *d)
{
	static struct locals l;
	struct ifaddrs *all = NULL;
	int err;

	l.num = 0;
	if (getifaddrs(&all))
		all = NULL;
	for (size_t i = 0; i < d->listeners; i++) {
		const struct endpoint *ep = &d->listener[i].endpoint;

		if (addr_is_zero(&ep->addr))
			add_all(d, all, ep, &l);
		else
			add_local(&l, &ep->addr, ep->port);
	}
	if (all)
		freeifaddrs(all);
	err = kernel_local_set(d->kernel, l.local, d->entries ? l.num : 0);
	if (err)
		log_warn("device", "addresses for the kernel half: %s", strerror(-err));
}

/* --- devices ------------------------------------------------------------------------------- */

static void detach(struct device_entry *e)
{
	device_detach(e->device);
	e->device = NULL;
	e->ifindex = 0;
}

/* 0, also for a device that does not exist; -errno: e->error. */
static int look(struct devices *d, struct device_entry *e)
{
	int ifindex = (int)if_nametoindex(e->name), err;

	if (ifindex == e->ifindex && (ifindex || e->error[0]))
		return 0;
	if (e->device)
		log_warn("device", "%s has vanished", e->name);
	detach(e);
	e->ifindex = ifindex;
	if (!ifindex) {
		snprintf(e->error, sizeof(e->error), "%s: no such device", e->name);
		log_warn("device", "%s, attached when it appears", e->error);
		return 0;
	}
	e->error[0] = '\0';
	err = device_attach(d->kernel, e->name, ifindex, (enum device_mode)e->mode, &e->device,
			    e->error);
	if (err)
		log_warn("device", "not attached: %s", e->error);
	else
		log_info("device", "DNS is answered on %s mode=%s", e->name, device_how(e->device));
	return err;
}

static void delay_expired(struct timer *t)
{
	struct devices *d = container_of(t, struct devices, delay);

	for (size_t i = 0; i < d->entries; i++)
		look(d, &d->entry[i]);
	set_locals(d);
}

static void changed(struct watch *w, uint32_t events)
{
	struct devices *d = container_of(w, struct devices, watch);

	monitor_drain(w->fd);
	if (!timer_is_armed(&d->delay))
		loop_arm(d->loop, &d->delay, DELAY_MS);
}

/* --- configuration ------------------------------------------------------------------------- */

static bool is_wanted(const struct device_entry *e, const struct conf_dns *dns)
{
	for (size_t i = 0; i < dns->devices; i++)
		if (!strcmp(dns->device[i].name, e->name))
			return dns->device[i].mode == e->mode;
	return false;
}

/* Those that stay keep their place before the others. */
static void drop_unwanted(struct devices *d, const struct conf_dns *dns)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->entries; i++) {
		if (is_wanted(&d->entry[i], dns))
			d->entry[kept++] = d->entry[i];
		else
			detach(&d->entry[i]);
	}
	d->entries = kept;
}

static int add_wanted(struct devices *d, const struct conf_dns *dns, char err[ERROR_TEXT_MAX])
{
	int ret = 0;

	for (size_t i = 0; i < dns->devices; i++) {
		struct device_entry *e = &d->entry[d->entries];
		int r;

		if (entry_of(d, dns->device[i].name))
			continue;
		if (d->entries == DEVICES_MAX)
			return error_text(err, -E2BIG, "more than %d devices", DEVICES_MAX);
		*e = (struct device_entry){ .mode = dns->device[i].mode };
		memcpy(e->name, dns->device[i].name, sizeof(e->name));
		d->entries++;
		r = look(d, e);
		if (r && !ret && e->mode != CONF_DEVICE_AUTO)
			ret = error_text(err, r, "%s", e->error);
	}
	return ret;
}

static int watch_changes(struct devices *d)
{
	int err;

	if (d->watch.fd >= 0 || !d->entries)
		return 0;
	err = monitor_open(&d->watch.fd);
	if (err)
		return err;
	err = loop_add(d->loop, &d->watch, EPOLLIN);
	if (err)
		d->watch.fd = fd_close(d->watch.fd);
	return err;
}

void devices_init(struct devices *d, struct loop *loop)
{
	*d = (struct devices){ .loop = loop, .watch = { .ready = changed, .fd = -1 } };
	timer_init(&d->delay, delay_expired);
}

int devices_set(struct devices *d, struct kernel *kernel, const struct conf_dns *dns,
		char err[ERROR_TEXT_MAX])
{
	int ret;

	d->kernel = kernel;
	d->listeners = dns->listeners;
	if (dns->listeners)
		memcpy(d->listener, dns->listener, dns->listeners * sizeof(d->listener[0]));
	drop_unwanted(d, dns);
	ret = add_wanted(d, dns, err);
	if (d->entries)
		set_locals(d);
	if (!ret && watch_changes(d))
		ret = error_text(err, -ENOBUFS, "changes of devices cannot be watched");
	return ret;
}

json_t *devices_show(const struct devices *d)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < d->entries; i++) {
		const struct device_entry *e = &d->entry[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "device", e->name,
						e->device ? "mode" : "error",
						e->device ? device_how(e->device) : e->error));
	}
	return list;
}

void devices_done(struct devices *d)
{
	int fd = d->watch.fd;

	loop_disarm(&d->delay);
	if (fd >= 0) {
		loop_remove(d->loop, &d->watch);
		fd_close(fd);
	}
	for (size_t i = 0; i < d->entries; i++)
		detach(&d->entry[i]);
	d->entries = 0;
}
