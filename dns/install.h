/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A generation of policies into the kernel half. Without it nothing is done, and 0 returned. */
#ifndef DNS_INSTALL_H
#define DNS_INSTALL_H

#include "datapath/role.h"
#include "dns/policy.h"

/*
 * After POLICIES_TABLE: asks main for a table (install_want()), and gives it to the policies once
 * it is there (install_take(): 0, or -EAGAIN = not yet). Without one they have their own memory,
 * and the kernel half then sends every query to the resolver.
 */
void install_want(struct policies *p, struct datapath *dp);
int install_take(struct policies *p, struct datapath *dp);

/*
 * Puts compiled policies into the idle places of all maps, then in force. The maps' places of
 * the generation before stay as they are, but its names are let go of: a program that still
 * looks there is told to ask. 0 or -errno; then the old generation stays in force.
 */
int install_policies(struct policies *p, struct datapath *dp);

#endif
