/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ethernet devices on which the kernel half answers DNS: dns_eth or dns_xdp on one device. In
 * the network namespace of the caller, which is the same for all of them.
 */
#ifndef DATAPATH_DEVICE_H
#define DATAPATH_DEVICE_H

#include <stddef.h>

#include "base/addr.h"
#include "datapath/kernel.h"

enum device_mode { DEVICE_AUTO, DEVICE_TC, DEVICE_XDP };

struct device;

/*
 * Attaches to a device. DEVICE_AUTO: XDP in the driver where there is a real one that can, else
 * traffic control. 0 and *ret_device; or -errno and a line in err, nothing is left then.
 */
int device_attach(struct kernel *k, const char *name, int ifindex, enum device_mode mode,
		  struct device **ret_device, char err[256]);
/* "xdp", "xdp, alone" (no other XDP program can join), "tcx", "clsact" */
const char *device_how(const struct device *d);
/* Detaches, also from a device that has vanished. Accepts NULL. */
void device_detach(struct device *d);

/* What is sent to these is answered on devices, and nothing else. 0 or -errno. */
int kernel_local_set(struct kernel *k, const struct endpoint *local, size_t num);

#endif
