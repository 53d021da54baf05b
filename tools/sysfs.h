/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /sys of the network namespace that the process is in. */
#ifndef TOOLS_SYSFS_H
#define TOOLS_SYSFS_H

/*
 * A sysfs shows the devices of the network namespace it was mounted in. Covers /sys by a new
 * one and carries over what is mounted below it (cgroups, bpf, debugfs). Does nothing where
 * /sys is not a sysfs. 0 or -errno; after an error the old /sys stays.
 */
int sysfs_renew(void);

#endif
