// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packet sockets that only listen. Made without a protocol, they get nothing until bound. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "base/fd.h"
#include "netdev/sniff.h"

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int prepare(int fd, int ifindex, int bytes)
{
	const struct sockaddr_ll all = { .sll_family = AF_PACKET,
					 .sll_protocol = htons(ETH_P_ALL),
					 .sll_ifindex = ifindex };
	int err = set(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);

	if (!err)
		err = set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	if (!err)
		err = set(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	if (!err && bind(fd, (const struct sockaddr *)&all, sizeof(all)))
		err = -errno;
	return err;
}

int sniff_open(int ifindex, int bytes, int *ret_fd)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = prepare(fd, ifindex, bytes);
	if (err) {
		fd_close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}
