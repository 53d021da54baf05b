/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the user may want to change on the host. Headrace only says so. */
#ifndef SUPERVISOR_ADVICE_H
#define SUPERVISOR_ADVICE_H

#include <jansson.h>

/* What is looked at, as the host has it; 0 in a field = could not be read. */
struct advice_facts {
	long tw_reuse_known; /* net.ipv4.tcp_tw_reuse could be read */
	long tw_reuse;
	long ports_first; /* net.ipv4.ip_local_port_range */
	long ports_last;
	unsigned long long descriptors; /* hard limit per process */
	unsigned long long flows_max; /* that are tracked */
};

void advice_read(struct advice_facts *ret_facts, unsigned long long flows_max);
/* Array of {text, fix}, empty if all is well. NULL = out of memory. */
json_t *advice_show(const struct advice_facts *f);

#endif
