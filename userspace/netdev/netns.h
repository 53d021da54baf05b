/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network namespaces without names: a descriptor is all there is, and it leaves nothing behind. */
#ifndef NETDEV_NETNS_H
#define NETDEV_NETNS_H

#include <stdint.h>

#include "base/error.h"

/*
 * Makes a network namespace; the caller stays where it is. 0 or -errno with err filled. The
 * calling thread's is the one that is changed and restored: single-threaded callers.
 */
int netns_new(int *ret_fd, char err[ERROR_TEXT_MAX]);

/* Enters `ns_fd`. *ret_home is the descriptor to come back with. 0 or -errno (nothing changed). */
int netns_enter(int ns_fd, int *ret_home);
/*
 * Calls fn within each network namespace but the caller's that a process or a name keeps, of the
 * first NETNS_MAX. Single-threaded callers. 0 or -errno.
 */
int netns_each_other(void (*fn)(void *arg), void *arg);
/* What the kernel half calls the calling thread's namespace. 0 or -errno. */
int netns_cookie(uint64_t *ret_cookie);
/* Goes back and closes `home`. On -errno the process is in the wrong namespace: it must end. */
int netns_leave(int home);

#endif
