// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Addresses: 16 bytes, IPv4 as ::ffff:a.b.c.d, which no packet on a wire carries as IPv6. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

#define V4_AT 12 /* where the IPv4 address lies in the mapped form */

static const uint8_t mapped_prefix[V4_AT] = { [10] = 0xff, [11] = 0xff };

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, mapped_prefix, V4_AT) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool addr_is_zero(const struct addr *a)
{
	static const struct addr zero;

	if (addr_is_v4(a))
		return addr_to_v4(a) == 0;
	return addr_eq(a, &zero);
}

bool addr_is_loopback(const struct addr *a)
{
	static const struct addr one = { .b = { [15] = 1 } };

	return addr_is_v4(a) ? a->b[V4_AT] == 127 : addr_eq(a, &one);
}

bool addr_is_private(const struct addr *a)
{
	const uint8_t *v4 = a->b + V4_AT;

	if (!addr_is_v4(a))
		return (a->b[0] & 0xfe) == 0xfc || (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0xc0);
	return v4[0] == 10 || (v4[0] == 172 && (v4[1] & 0xf0) == 16) ||
	       (v4[0] == 192 && v4[1] == 168) || (v4[0] == 100 && (v4[1] & 0xc0) == 64);
}

bool addr_is_this_host(const struct addr *a)
{
	return addr_is_v4(a) ? a->b[V4_AT] == 0 : addr_is_zero(a);
}

bool addr_is_multicast(const struct addr *a)
{
	if (!addr_is_v4(a))
		return a->b[0] == 0xff;
	return a->b[V4_AT] >> 4 == 0xe || addr_to_v4(a) == htonl(INADDR_BROADCAST);
}

bool addr_is_link_local(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[V4_AT] == 169 && a->b[V4_AT + 1] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int bytes = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	if (memcmp(a, b, bytes) != 0)
		return false;
	return bits % 8 == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0;
}

bool addr_in_prefix(const struct addr *a, const struct addr *prefix, unsigned int bits)
{
	bool v4 = addr_is_v4(a);

	if (v4 != addr_is_v4(prefix) || bits > (v4 ? 32 : 128))
		return false;
	return v4 ? bits_equal(a->b + V4_AT, prefix->b + V4_AT, bits) :
		    bits_equal(a->b, prefix->b, bits);
}

struct addr addr_from_v4(__be32 v4)
{
	struct addr a;

	memcpy(a.b, mapped_prefix, V4_AT);
	memcpy(a.b + V4_AT, &v4, sizeof(v4));
	return a;
}

struct addr addr_from_v6(const void *bytes16)
{
	struct addr a;

	memcpy(a.b, bytes16, sizeof(a.b));
	return a;
}

__be32 addr_to_v4(const struct addr *a)
{
	__be32 v4;

	memcpy(&v4, a->b + V4_AT, sizeof(v4));
	return v4;
}

int addr_parse(const char *text, struct addr *ret_addr)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1)
		*ret_addr = addr_from_v4(v4.s_addr);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		*ret_addr = addr_from_v6(&v6);
	else
		return -EINVAL;
	return 0;
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
	size_t len = strcspn(text, "/");
	unsigned long bits, most;
	char addr[ADDR_TEXT_MAX];
	struct prefix p;
	char *end;

	if (len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (addr_parse(addr, &p.addr))
		return -EINVAL;
	bits = most = addr_is_v4(&p.addr) ? 32 : 128;
	if (text[len]) {
		bits = strtoul(text + len + 1, &end, 10);
		if (text[len + 1] < '0' || text[len + 1] > '9' || *end || bits > most)
			return -ERANGE;
	}
	p.bits = (unsigned int)bits;
	*ret_prefix = p;
	return 0;
}

const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, a->b + V4_AT, buf, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->b, buf, ADDR_TEXT_MAX);
	return buf;
}

/* Decimal digits alone, 1..65535: strtoul would take signs and blanks. */
static int port_parse(const char *text, __be16 *ret_port)
{
	unsigned int port = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		port = port * 10 + (unsigned int)(*p - '0');
		if (port > UINT16_MAX)
			return -EINVAL;
	}
	if (port == 0)
		return -EINVAL;
	*ret_port = htons((uint16_t)port);
	return 0;
}

/* Where "ADDRESS:PORT" or "[ADDRESS]:PORT" splits. */
struct endpoint_text {
	const char *addr;
	size_t addr_len;
	const char *port; /* NULL = none */
};

static int endpoint_split(const char *text, struct endpoint_text *ret)
{
	const char *colon = strchr(text, ':');
	const char *bracket = strchr(text, ']');

	if (text[0] == '[') {
		if (!bracket || (bracket[1] != ':' && bracket[1] != '\0'))
			return -EINVAL;
		ret->addr = text + 1;
		ret->addr_len = (size_t)(bracket - ret->addr);
		ret->port = bracket[1] ? bracket + 2 : NULL;
		return 0;
	}
	/* More than one colon is an IPv6 address, whose port needs brackets. */
	if (colon && strchr(colon + 1, ':'))
		colon = NULL;
	ret->addr = text;
	ret->addr_len = colon ? (size_t)(colon - text) : strlen(text);
	ret->port = colon ? colon + 1 : NULL;
	return 0;
}

int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret_ep)
{
	struct endpoint ep = { .port = htons(default_port) };
	struct endpoint_text parts;
	char addr[ADDR_TEXT_MAX];

	if (endpoint_split(text, &parts) < 0 || parts.addr_len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, parts.addr, parts.addr_len);
	addr[parts.addr_len] = '\0';
	if (addr_parse(addr, &ep.addr) < 0)
		return -EINVAL;
	if (parts.port && port_parse(parts.port, &ep.port) < 0)
		return -EINVAL;
	*ret_ep = ep;
	return 0;
}

const char *endpoint_format(const struct endpoint *ep, char buf[ENDPOINT_TEXT_MAX])
{
	const char *format = addr_is_v4(&ep->addr) ? "%s:%u" : "[%s]:%u";
	char addr[ADDR_TEXT_MAX];

	snprintf(buf, ENDPOINT_TEXT_MAX, format, addr_format(&ep->addr, addr), ntohs(ep->port));
	return buf;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_ss)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_ss;
	struct sockaddr_in *in = (struct sockaddr_in *)ret_ss;

	memset(ret_ss, 0, sizeof(*ret_ss));
	if (addr_is_v4(&ep->addr)) {
		in->sin_family = AF_INET;
		in->sin_port = ep->port;
		in->sin_addr.s_addr = addr_to_v4(&ep->addr);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = ep->port;
	memcpy(&in6->sin6_addr, ep->addr.b, sizeof(ep->addr.b));
	return sizeof(*in6);
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_ep)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

	if (sa->sa_family == AF_INET) {
		ret_ep->addr = addr_from_v4(in->sin_addr.s_addr);
		ret_ep->port = in->sin_port;
	} else if (sa->sa_family == AF_INET6) {
		ret_ep->addr = addr_from_v6(&in6->sin6_addr);
		ret_ep->port = in6->sin6_port;
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}
