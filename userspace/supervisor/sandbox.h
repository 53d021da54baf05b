/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls that a role may make. */
#ifndef SUPERVISOR_SANDBOX_H
#define SUPERVISOR_SANDBOX_H

#include "base/role.h"

/*
 * Loads the allow-list of `kind`; every other call fails with EPERM from now on. Nothing is
 * done under AddressSanitizer. 0 or -errno.
 */
int sandbox_enter(enum role_kind kind);

#endif
