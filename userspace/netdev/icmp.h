/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Raw sockets for echo, opened by main as root for a worker that may not. */
#ifndef NETDEV_ICMP_H
#define NETDEV_ICMP_H

#include <stdint.h>

/*
 * Non-blocking, close-on-exec raw socket of `family` with fwmark `mark`. Filters that its
 * holder cannot take off pass echo replies with an identifier of ours, and ICMP errors that
 * quote an echo request with one: id_base .. id_base + 2^id_bits - 1 (host order; id_base is
 * a multiple of 2^id_bits). 0 or -errno, -EINVAL for a range that is none.
 *
 * What is read: IPv4 the IP header and ICMP behind it, IPv6 ICMPv6 alone.
 */
int icmp_socket_open(int family, uint32_t mark, uint16_t id_base, uint16_t id_bits, int *ret_fd);

#endif
