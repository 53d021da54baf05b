/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tells when devices or their addresses change, in the network namespace of the caller. */
#ifndef NETDEV_MONITOR_H
#define NETDEV_MONITOR_H

/* A descriptor that gets readable with each change. 0 or -errno. */
int monitor_open(int *ret_fd);
/* The same for routes and policy rules, and devices. */
int monitor_open_routes(int *ret_fd);
/* The same for all that, and for filters and qdiscs of traffic control. */
int monitor_open_capture(int *ret_fd);
/* The same for nftables, whoever changes it. */
int monitor_open_nftables(int *ret_fd);
/* Takes what is there; what has changed is for the caller to look up. */
void monitor_drain(int fd);

#endif
