/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a role stops being root: called once in the new process, before its main function. */
#ifndef SUPERVISOR_PRIVILEGE_H
#define SUPERVISOR_PRIVILEGE_H

#include <stdbool.h>

#include "base/role.h"

/* User that roles run as where it exists; otherwise PRIVILEGE_FALLBACK_USER. */
#define PRIVILEGE_USER "headrace"
#define PRIVILEGE_FALLBACK_USER "nobody"

/*
 * Drops everything for good: user and groups, capabilities (PROTECT_SO_MARK keeps
 * CAP_NET_ADMIN), no_new_privs, not dumpable, dies with its parent, seccomp allow-list of
 * `kind`; raises the soft limit of descriptors to the hard one first. 0 or -errno; *ret_what
 * then names the step that failed.
 */
extern const char *const privilege_protect_names[PROTECT_NUM]; /* as arguments of a role */

int privilege_drop(enum role_kind kind, enum protect_mode protect, const char **ret_what);

#endif
