/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an error of a system call on an upstream socket means for its flow. */
#ifndef WORKER_FAILURE_H
#define WORKER_FAILURE_H

#include "bpf/contract.h"
#include "netdev/packet.h"

struct failure {
	enum drop_reason why;
	enum icmp_error icmp; /* what the application is told */
	enum flow_end end; /* how the flow ends if it ends by this */
};

/*
 * err: positive errno. Trouble of our own (descriptors, ports, marks) is told as
 * "prohibited": an error that a connected socket of the application sees at once, without
 * a lie about its peer.
 */
struct failure failure_of(int err);
/* The same for an error of opening the socket, where EPERM means that it was not marked. */
struct failure failure_of_open(int err);

#endif
