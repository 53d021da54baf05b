// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A netlink socket of which only the readiness counts: what it says may be lost when its buffer
 * is full, and has to be looked up anyway.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "netdev/monitor.h"

#define DRAIN_MAX 1024 /* messages; there is a next time */

static int open_groups(int protocol, uint32_t groups_bits, int *ret_fd)
{
	const struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = groups_bits };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&groups, sizeof(groups))) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int monitor_open(int *ret_fd)
{
	return open_groups(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			   ret_fd);
}

#define ROUTES                                                                                     \
	(RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |                  \
	 1U << (RTNLGRP_IPV6_RULE - 1))

int monitor_open_routes(int *ret_fd)
{
	return open_groups(NETLINK_ROUTE, ROUTES, ret_fd);
}

int monitor_open_capture(int *ret_fd)
{
	return open_groups(NETLINK_ROUTE, ROUTES | RTMGRP_TC, ret_fd);
}

int monitor_open_nftables(int *ret_fd)
{
	return open_groups(NETLINK_NETFILTER, 1U << (NFNLGRP_NFTABLES - 1), ret_fd);
}

void monitor_drain(int fd)
{
	char byte;

	for (int i = 0; i < DRAIN_MAX; i++)
		if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) < 0 && errno != ENOBUFS)
			return;
}
