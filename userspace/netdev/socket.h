/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one place that opens sockets towards the outside. Every one carries the fwmark before
 * it is bound, connected or used; one that cannot be marked is closed and the call fails. Where
 * nobody may set a mark they are bound to the uplink instead, which needs no privilege: that way
 * they cannot lead back to the TUN either.
 */
#ifndef NETDEV_SOCKET_H
#define NETDEV_SOCKET_H

#include <stdint.h>

#include "base/addr.h"
#include "base/role.h"

/* Says once per process how sockets are marked, and with what. Before it none is opened. */
void socket_protect_setup(enum protect_mode mode, uint32_t mark);
/* PROTECT_DEVICE: the devices that sockets are bound to from now on, 0 = there is none. */
void socket_protect_devices(uint32_t ifindex4, uint32_t ifindex6);

/*
 * Non-blocking, close-on-exec, marked socket. type: SOCK_STREAM or SOCK_DGRAM. 0 or -errno;
 * -EPERM = not protected (DROP_PROTECT), -EMFILE/-ENFILE (DROP_NO_DESCRIPTOR), ...
 */
int socket_open(int family, int type, int *ret_fd);

/*
 * To be called before connect(), where it is known where the socket goes: PROTECT_DEVICE binds it
 * by that, unless it stays on this host (loopback). 0 or -errno; -ENETUNREACH: there is no device.
 */
int socket_toward(int fd, const struct addr *to);

/* As above: an ICMP echo ("ping") socket. -EACCES = net.ipv4.ping_group_range leaves us out. */
int socket_open_ping(int family, int *ret_fd);

/* As socket_open() and connect() begun: 0 also while it is in progress (stream). The socket is
 * closed on error. */
int socket_connect(const struct endpoint *to, int type, int *ret_fd);

#endif
