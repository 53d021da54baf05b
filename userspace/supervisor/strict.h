/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Strict mode: packets of packet sockets that go round traffic control (PACKET_QDISC_BYPASS) are
 * led back to it. A table of our own in nftables' family netdev has a chain on the egress of
 * each uplink; what comes from a packet socket is sent to the same device once more, by way of
 * traffic control, where the rules decide about it as about anything else. Nothing is dropped
 * here, and everybody else's packets pass.
 *
 * The table is put back when somebody flushes it. It needs root, Linux 5.17 with
 * CONFIG_NETFILTER_EGRESS, nf_tables, nft_fwd_netdev, and libnftables.
 */
#ifndef SUPERVISOR_STRICT_H
#define SUPERVISOR_STRICT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/control.h"
#include "base/error.h"
#include "base/loop.h"
#include "bpf/contract.h"

#define STRICT_TABLE_MAX (INSTANCE_NAME_MAX + 16)

struct strict {
	struct loop *loop;
	void *library; /* NULL = not in force */
	char table[STRICT_TABLE_MAX];
	struct settings *settings; /* marks, by which packets are told that have been led back */
	char (*device)[IF_NAMESIZE];
	size_t devices;
	char *listing; /* what the table looks like when it is whole */
	struct watch watch; /* of changes of nftables by anybody */
	struct timer repair;
	uint64_t repaired; /* times that it was put back */
	char error[ERROR_TEXT_MAX]; /* why it is not in force, "" = it is, or is not wanted */
};

void strict_init(struct strict *s, struct loop *loop);
/*
 * Chooses the marks in `settings`, which is written to the kernel half before the first device is
 * set, and finds the library. 0, or -errno with err (and error) filled: strict mode cannot be had.
 */
int strict_start(struct strict *s, const char *instance, struct settings *settings,
		 char err[ERROR_TEXT_MAX]);
/* The uplinks are these now. Harmless if not started. 0 or -errno with error filled. */
int strict_set_devices(struct strict *s, const char (*device)[IF_NAMESIZE], size_t devices);
/* Removes the table. Harmless if not started. */
void strict_stop(struct strict *s);
/* Removes what a crash has left of that instance, if nftables can be had at all. */
void strict_clean(const char *instance);
/* {"devices", "repaired"} or {"error"}; null: not wanted. NULL = out of memory. */
json_t *strict_show(const struct strict *s);

#endif
