/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checksums of packets from the application. */
#ifndef WORKER_CHECKSUM_H
#define WORKER_CHECKSUM_H

#include <stdbool.h>

#include "worker/worker.h"

/* IPv4 header checksum; true for IPv6 and where the device vouches for the packet. */
bool checksum_ip_right(const struct worker_packet *p);
/* TCP, UDP or ICMP checksum of a whole packet; true where the device vouches for it. */
bool checksum_l4_right(const struct worker_packet *p);
/* Completes the checksum of a UDP packet that the device left partial. */
void checksum_udp_complete(struct worker_packet *p);

#endif
