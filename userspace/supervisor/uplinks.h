/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The capture points of a host: every device that is to be captured has its programs while it
 * exists, whenever it comes and goes, and the kernel half knows the host's own addresses.
 */
#ifndef SUPERVISOR_UPLINKS_H
#define SUPERVISOR_UPLINKS_H

#include <jansson.h>

#include "base/error.h"
#include "base/loop.h"
#include "supervisor/loopback.h"
#include "supervisor/uplinks_plan.h"

struct hooks;
struct kernel;
struct tun;

struct uplink {
	struct uplink_plan plan;
	struct hooks *hooks; /* NULL = not attached */
	char error[256]; /* why not, though it is to be */
};

struct uplinks {
	struct loop *loop;
	struct kernel *kernel;
	struct tun *tun;
	const struct conf_capture *conf; /* NULL = not started */
	struct uplink *uplink; /* CAPTURE_DEVICES_MAX */
	size_t uplinks;
	struct watch watch; /* of changes of devices, addresses, routes */
	struct timer delay; /* changes come in crowds */
	void (*looked)(struct uplinks *u); /* after a change was followed; NULL = nobody asks */
	uint32_t look_ms; /* what the last look took */
	const char *instance;
	struct loopback loopback;
};

/* Nothing is attached yet. The instance's name must live on. */
void uplinks_init(struct uplinks *u, struct loop *loop, const char *instance);
/*
 * The MTUs that are needed by what is there: of the TUN and of what workers write to it. 0 or
 * -errno with err filled.
 */
int uplinks_needed_mtu(const struct conf_capture *conf, unsigned int *tun_mtu,
		       unsigned int *worker_mtu, char err[ERROR_TEXT_MAX]);
/*
 * Attaches what the configuration says, which must live on, and follows changes. The TUN's MTU
 * grows with what is captured. Called again: the configuration has changed. 0, also if there is
 * nothing to attach to yet; or -errno with err filled.
 */
int uplinks_start(struct uplinks *u, struct kernel *kernel, struct tun *tun,
		  const struct conf_capture *conf, char err[ERROR_TEXT_MAX]);
/* Detaches all. Harmless if not started. */
void uplinks_stop(struct uplinks *u);
/* Is any device captured now? */
bool uplinks_any(const struct uplinks *u);
/* Why it is not attached (hooks is NULL). */
const char *uplink_why_not(const struct uplink *e);
/* [{"device", "point", "mode" or "error"}]; NULL = out of memory. */
json_t *uplinks_show(const struct uplinks *u);

#endif
