/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capture points of a host, as main sees them: the programs on a device, and what they have to
 * know of devices and of the host's own addresses. All in the network namespace of the caller.
 */
#ifndef DATAPATH_HOOKS_H
#define DATAPATH_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "datapath/kernel.h"

struct hooks;

/*
 * Attaches the programs of a capture point (CAPTURE_EGRESS, CAPTURE_LAN, CAPTURE_LOOPBACK) to a
 * device whose packets have `l2` bytes (14 or 0) in front of IP, before those of others. Tell
 * kernel_capture_device_set(), kernel_host_addrs_set() and kernel_host_prefixes_set() first. 0 and
 * *ret_hooks, the caller's to detach; or -errno with a line in err, and nothing is left.
 */
int kernel_attach_capture(struct kernel *k, int ifindex, enum capture_point point, unsigned int l2,
			  struct hooks **ret_hooks, char err[256]);
/*
 * With settings.closed the programs are to outlive this process, else to go with it: to be called
 * again when that changes. 0, or -errno: they will not.
 */
int kernel_pin_capture(struct kernel *k, struct hooks *h);
/*
 * Programs that somebody has removed are put back, where they are filters of clsact. 0: they were
 * all there; 1: they are again; -errno: they are not, and the caller has to detach.
 */
int kernel_repair_capture(struct hooks *h);
/* The same for the programs on the TUN, if it is in the caller's network namespace. */
int kernel_repair_tun(struct kernel *k);
/* Also from a device that has vanished. Accepts NULL. */
void kernel_detach_capture(struct hooks *h);
const char *hooks_how(const struct hooks *h); /* "tcx" | "clsact" */

/* Entry of `capture_devices`; NULL: none any more. 0 or -errno. */
int kernel_capture_device_set(struct kernel *k, uint32_t ifindex, const struct capture_device *d);
/* `host_addrs` has these, and no others: new ones come before old ones go. 0 or -errno. */
int kernel_host_addrs_set(struct kernel *k, const struct addr *addr, size_t num);
/* The same of `host_prefixes`. */
int kernel_host_prefixes_set(struct kernel *k, const struct prefix *prefix, size_t num);
/* Packets that each of settings.pass_mark let pass so far. */
void kernel_read_pass_marks(struct kernel *k, uint64_t ret_sum[PASS_MARKS_MAX]);

#endif
