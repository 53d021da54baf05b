/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The drop counters of the kernel half and of all roles. */
#ifndef SUPERVISOR_DROPS_H
#define SUPERVISOR_DROPS_H

#include "bpf/contract.h"

struct control_client;
struct kernel;

/* Kernel half and every role together. */
void drops_sum(struct kernel *k, struct drop_counters *ret_sum);
/* One "drop" object per counter that is not zero. */
void drops_send(struct kernel *k, unsigned int roles, struct control_client *client);

#endif
