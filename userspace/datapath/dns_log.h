/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel half answered by itself, as it tells the resolver by the ring `dns_log`. What
 * finds the ring full is lost, and counted by the kernel half (kernel_stats.dns_log_lost).
 */
#ifndef DATAPATH_DNS_LOG_H
#define DATAPATH_DNS_LOG_H

#include "base/loop.h"
#include "datapath/role.h"

struct ring_buffer;

struct dns_log {
	struct loop *loop;
	struct ring_buffer *ring; /* NULL = there is none: nothing is ever told */
	struct watch watch;
	struct timer delay;
	unsigned int left; /* entries that this read may still take */
	void (*fn)(void *arg, const struct dns_log_entry *e);
	void *arg;
};

/*
 * From now on fn is called for each entry, soon after it was written: many at a time, and
 * nothing is done while there are none. Without BPF it is never called. 0 or -errno.
 */
int dns_log_open(struct dns_log *l, struct loop *loop, const struct datapath *dp,
		 void (*fn)(void *arg, const struct dns_log_entry *e), void *arg);
/* Calls fn for what is there now: before the history is shown. */
void dns_log_read(struct dns_log *l);
/* Harmless if it is not open (zeroed). */
void dns_log_close(struct dns_log *l);

#endif
