/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The devices of the configuration on which the kernel half answers DNS: attached while they
 * exist, whenever they come and go, with the addresses that queries may be sent to.
 */
#ifndef SUPERVISOR_DEVICES_H
#define SUPERVISOR_DEVICES_H

#include <jansson.h>

#include "base/error.h"
#include "base/loop.h"
#include "conf/conf.h"

#define DEVICES_MAX CONF_DEVICES_MAX

struct device;
struct kernel;

struct device_entry {
	char name[16];
	enum conf_device_mode mode;
	int ifindex; /* 0 = it is not there */
	struct device *device; /* NULL = not attached */
	char error[256]; /* why not */
};

struct devices {
	struct loop *loop;
	struct kernel *kernel;
	struct conf_listener listener[CONF_LISTENERS_MAX];
	size_t listeners;
	struct device_entry entry[DEVICES_MAX];
	size_t entries;
	struct watch watch; /* of changes; not watched without devices */
	struct timer delay; /* changes come in crowds */
};

/* Nothing is attached yet. */
void devices_init(struct devices *d, struct loop *loop);
/*
 * Attaches what the configuration names and detaches what it names no more. A device that does
 * not exist is attached when it appears. 0; -errno with the first that could not be attached
 * as it was asked for (not CONF_DEVICE_AUTO) in err, the others are.
 */
int devices_set(struct devices *d, struct kernel *kernel, const struct conf_dns *dns,
		char err[ERROR_TEXT_MAX]);
/* [{"device", "mode" or "error"}]; NULL = out of memory. */
json_t *devices_show(const struct devices *d);
/* Detaches all. Harmless if there are none. */
void devices_done(struct devices *d);

#endif
