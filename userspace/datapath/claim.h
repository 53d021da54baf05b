/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose is a directory in bpffs or cgroupfs? A living instance holds a lock (flock) on each
 * of its own, which the kernel drops with the process. Unlike the control socket's name this
 * holds for the whole machine: those file systems are shared by network namespaces.
 */
#ifndef DATAPATH_CLAIM_H
#define DATAPATH_CLAIM_H

#include <sys/types.h>

/*
 * Makes the directory unless it is there, and locks it for as long as *ret_fd is open (it is
 * closed on exec). 0 or -errno: -EBUSY = a living instance has it, -EPERM = it is not root's.
 */
int claim_make(const char *path, mode_t mode, int *ret_fd);
/* Locks `name` below parent_fd if no living instance has it. 0 or -errno. */
int claim_stale(int parent_fd, const char *name, int *ret_fd);
/*
 * The same where the owner is known to be dead, or is not expected to live: somebody else who
 * is just looking, as every start does, is waited for.
 */
int claim_left(int parent_fd, const char *name, int *ret_fd);

#endif
