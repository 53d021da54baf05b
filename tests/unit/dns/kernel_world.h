/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The real kernel's maps beside the service, as main gives them to it. */
#ifndef UNIT_DNS_KERNEL_WORLD_H
#define UNIT_DNS_KERNEL_WORLD_H

#include "service_world.h"

#include <stdlib.h>
#include <unistd.h>

#include "datapath/dns.h"
#include "lib/own_bpffs.h"
#include "unit/datapath/support.h"

#define UPSTREAM                                                                                   \
	"dns:\n  loop-check: false\n"                                                              \
	"  upstreams: {fake: {type: plain, address: '%s', port: %u, timeout: 10s}}\n"

static struct kernel *kernel;
static unsigned int changes;

static UNUSED int descriptor(enum role_descriptor_kind kind)
{
	int fd = dup(kernel_role_fd(kernel, RESOLVER_QUEUE, kind));

	assert_true(fd >= 0);
	return fd;
}

/* Beside them, flows and names of addresses are those of support.h, or taken by the test. */
static UNUSED void take_maps(void)
{
	datapath.dns_state = descriptor(ROLE_FD_DNS_STATE);
	datapath.dns_policies = descriptor(ROLE_FD_DNS_POLICIES);
	datapath.dns_clients[0] = descriptor(ROLE_FD_DNS_CLIENTS0);
	datapath.dns_clients[1] = descriptor(ROLE_FD_DNS_CLIENTS1);
	datapath.dns_names = descriptor(ROLE_FD_DNS_NAMES);
	datapath.dns_answers = descriptor(ROLE_FD_DNS_ANSWERS);
}

static UNUSED int close_kernel(void **state)
{
	teardown(state);
	datapath_dns_done(&datapath);
	kernel_unload(kernel);
	return 0;
}

static UNUSED void changed(void *arg, int status, const struct conf_errors *errors)
{
	if (status)
		fail_msg("%s", errors->text);
	changes++;
}

#endif
