/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Texts of the private resolv.conf and nsswitch.conf: pure, no files. */
#ifndef TOOLS_NAMES_H
#define TOOLS_NAMES_H

#include <stddef.h>

/* "nameserver ADDRESS" and edns0, nothing of the host's. Freed by the caller; NULL = no memory. */
char *names_resolv_conf(const char *nameserver);

/*
 * `host`, the host's nsswitch.conf, with its hosts line replaced by `hosts: files dns`
 * (appended if it has none). Freed by the caller; NULL = no memory.
 */
char *names_nsswitch(const char *host);

#endif
