/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TUN of an instance: in a network namespace of its own whose only way out it is, or in the
 * host's, where capture points feed it, or handed in.
 */
#ifndef SUPERVISOR_CAPTURE_H
#define SUPERVISOR_CAPTURE_H

#include <stdbool.h>

#include "base/error.h"
#include "netdev/tun.h"
#include "supervisor/subnet.h"

struct conf_capture;
struct instance_options;
struct kernel;

struct capture {
	struct tun tun; /* its queues: main keeps them, roles get duplicates */
	unsigned int worker_mtu; /* of a host: what is written to the TUN is no larger; 0 = its MTU */
	int netns_fd; /* of the device; -1 = closed */
	struct subnet v4;
	struct subnet v6; /* bits 0 = IPv6 is off */
	bool host; /* the TUN is in the host's own namespace, capture points feed it */
	bool handed; /* the TUN was handed in: not ours to configure */
	bool single_queue; /* no steering: worker 1 reads everything and relays DNS */
	bool any_source; /* subnets of the device are not known */
};

/*
 * Makes (or adopts) the device, writes the kernel half's settings, attaches it and brings the
 * device up. What is not about the device must be in `settings` already; the rest is filled
 * in. `conf`: of a host, else not looked at. On -errno err says what to do, and nothing is left.
 */
int capture_open(struct capture *c, const struct instance_options *opt,
		 const struct conf_capture *conf, struct kernel *kernel, struct settings *settings,
		 char err[ERROR_TEXT_MAX]);
/* With the last descriptor device and namespace vanish. Harmless on a zeroed struct. */
void capture_close(struct capture *c);

/* Queue descriptor of a role; without steering the resolver shares worker 1's. */
int capture_queue(const struct capture *c, unsigned int slot);

#endif
