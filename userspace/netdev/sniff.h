/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A socket that is given a copy of each packet that passes a device. */
#ifndef NETDEV_SNIFF_H
#define NETDEV_SNIFF_H

/*
 * Of the device `ifindex` of the caller's network namespace, both directions, from the IP header
 * on: sll_pkttype is PACKET_OUTGOING for what the host sends. Each message comes with the kernel's
 * time (SCM_TIMESTAMPNS) and PACKET_AUXDATA. At most `bytes` wait to be read; what does not fit
 * is counted by PACKET_STATISTICS, and traffic waits for nobody. Needs CAP_NET_RAW and
 * CAP_NET_ADMIN. 0 or -errno.
 */
int sniff_open(int ifindex, int bytes, int *ret_fd);

#endif
