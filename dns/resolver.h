/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The resolver role: all of DNS in one unprivileged process. */
#ifndef DNS_RESOLVER_H
#define DNS_RESOLVER_H

/* The role's main function: runs until main says STOP or is gone. Exit status. */
int resolver_main(void);

#endif
