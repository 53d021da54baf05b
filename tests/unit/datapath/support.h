/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel half loaded for a test, and roles of it as main makes them. */
#ifndef UNIT_DATAPATH_SUPPORT_H
#define UNIT_DATAPATH_SUPPORT_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "datapath/kernel.h"
#include "datapath/role.h"

static char instance[32];

static inline void support_instance(void)
{
	snprintf(instance, sizeof(instance), "test-%d", getpid());
}

static inline struct kernel *load(bool pin)
{
	struct kernel_options opt = { .instance = instance, .flows_max = 512, .pin = pin };
	struct kernel *k = NULL;
	char err[256] = "";

	assert_int_equal(kernel_load(&opt, &k, err), 0);
	assert_non_null(k);
	return k;
}

static inline struct kernel *load_bpf(bool pin)
{
	struct kernel *k = load(pin);

	if (!kernel_features(k)->bpf)
		fail_msg("no BPF: %s", kernel_features(k)->bpf_error);
	return k;
}

/* A role as main starts it: every descriptor is its own. */
static inline void role_of(struct kernel *k, struct datapath *dp, unsigned int slot)
{
	datapath_init(dp, slot);
	for (int kind = ROLE_FD_FLOWS; kind <= ROLE_FD_FLOW_END; kind++) {
		int fd = kernel_role_fd(k, slot, kind);

		if (fd >= 0)
			assert_int_equal(datapath_take(dp, kind, slot, dup(fd)), 0);
	}
}

#endif
