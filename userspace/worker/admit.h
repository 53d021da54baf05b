/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether policies let new flows begin, asked where the kernel half has not seen the packet. */
#ifndef WORKER_ADMIT_H
#define WORKER_ADMIT_H

#include "bpf/parse.h"
#include "datapath/role.h"

/*
 * What the client's policy says to a packet that needs admission (packet_needs_admission()), by
 * the facts that the kernel half decides by: 0 or -drop_reason.
 */
int admit_packet(struct datapath *dp, const struct packet *p);

#endif
