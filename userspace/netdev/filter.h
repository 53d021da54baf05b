/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Filters of traffic control that are BPF programs, as they are now in this network namespace. */
#ifndef NETDEV_FILTER_H
#define NETDEV_FILTER_H

#include <stdbool.h>
#include <stdint.h>

struct filter {
	int ifindex;
	bool egress; /* of clsact, else its ingress */
	uint32_t handle;
	uint32_t priority;
	uint32_t program; /* its id; 0 = it is no BPF program */
};

/* Calls fn for each filter of the device's clsact qdisc. 0, also without one, or -errno. */
int filter_each(int ifindex, void (*fn)(void *arg, const struct filter *f), void *arg);

#endif
