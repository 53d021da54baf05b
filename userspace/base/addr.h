/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* struct addr (16 bytes, v6-mapped IPv4) to and from text and sockaddr. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bpf/contract.h"

#define ADDR_TEXT_MAX 48 /* with NUL */
#define ENDPOINT_TEXT_MAX 64 /* "[v6]:port" with NUL */

/* An address and a port: the key of upstream sockets and of DNS clients. */
struct endpoint {
	struct addr addr;
	__be16 port;
};

struct prefix {
	struct addr addr;
	unsigned int bits; /* of 32 for v4, of 128 for v6 */
};

bool addr_is_v4(const struct addr *a); /* v6-mapped */
bool addr_is_zero(const struct addr *a); /* :: or 0.0.0.0 */
bool addr_is_loopback(const struct addr *a); /* 127/8, ::1 */
/* 10/8, 172.16/12, 192.168/16, the shared 100.64/10 (RFC 6598), fc00::/7 and old fec0::/10 */
bool addr_is_private(const struct addr *a);
bool addr_is_this_host(const struct addr *a); /* 0/8, ::: a connect to it goes to the host itself */
bool addr_is_multicast(const struct addr *a); /* 224/4, 255.255.255.255, ff00::/8 */
bool addr_is_link_local(const struct addr *a); /* 169.254/16, fe80::/10 */
bool addr_eq(const struct addr *a, const struct addr *b);
/* `bits` counts in 32 for v4 and 128 for v6; families must match. */
bool addr_in_prefix(const struct addr *a, const struct addr *prefix, unsigned int bits);

struct addr addr_from_v4(__be32 v4);
struct addr addr_from_v6(const void *bytes16);
__be32 addr_to_v4(const struct addr *a); /* of an addr_is_v4() address */

/* "192.0.2.1" or "2001:db8::1". -EINVAL if it is neither. */
int addr_parse(const char *text, struct addr *ret_addr);
/*
 * "192.0.2.0/24", or an address alone, which is all bits of it; what is behind the prefix stays.
 * 0; -EINVAL: no address; -ERANGE: no good number of bits.
 */
int prefix_parse(const char *text, struct prefix *ret_prefix);
/* Returns buf. */
const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX]);

/* ADDRESS, ADDRESS:PORT (v4) or [ADDRESS]:PORT; default_port (host order) if none. -EINVAL. */
int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret_ep);
const char *endpoint_format(const struct endpoint *ep, char buf[ENDPOINT_TEXT_MAX]);

/* sockaddr_in for v4, sockaddr_in6 else; returns its length. */
socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_ss);
/* AF_INET or AF_INET6 (a mapped v6 becomes v4). -EAFNOSUPPORT otherwise. */
int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_ep);

#endif
