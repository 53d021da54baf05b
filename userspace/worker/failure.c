// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table from errno to drop reason, ICMP error and flow end. */
#include <errno.h>
#include <stddef.h>

#include "worker/failure.h"

static const struct {
	int err;
	struct failure failure;
} failures[] = {
	{ ECONNREFUSED, { DROP_UPSTREAM_REFUSED, ICMP_ERR_PORT, END_REFUSED } },
	{ ENETUNREACH, { DROP_UPSTREAM_UNREACH, ICMP_ERR_NET, END_UNREACHABLE } },
	{ EHOSTUNREACH, { DROP_UPSTREAM_UNREACH, ICMP_ERR_HOST, END_UNREACHABLE } },
	{ EPERM, { DROP_UPSTREAM_UNREACH, ICMP_ERR_PROHIBITED, END_UNREACHABLE } },
	{ EACCES, { DROP_UPSTREAM_UNREACH, ICMP_ERR_PROHIBITED, END_UNREACHABLE } },
	{ ETIMEDOUT, { DROP_UPSTREAM_TIMEOUT, ICMP_ERR_HOST, END_TIMEOUT } },
	{ EMSGSIZE, { DROP_TOO_BIG, ICMP_ERR_TOO_BIG, END_UNREACHABLE } },
	{ EMFILE, { DROP_NO_DESCRIPTOR, ICMP_ERR_PROHIBITED, END_LIMIT } },
	{ ENFILE, { DROP_NO_DESCRIPTOR, ICMP_ERR_PROHIBITED, END_LIMIT } },
	{ EADDRNOTAVAIL, { DROP_NO_PORT, ICMP_ERR_PROHIBITED, END_LIMIT } },
	{ ENOMEM, { DROP_NO_MEMORY, ICMP_ERR_HOST, END_LIMIT } },
	{ ENOBUFS, { DROP_NO_MEMORY, ICMP_ERR_HOST, END_LIMIT } },
	{ ENOSPC, { DROP_NO_MEMORY, ICMP_ERR_HOST, END_LIMIT } }, /* epoll watches */
};

struct failure failure_of(int err)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].err == err)
			return failures[i].failure;
	return (struct failure){ DROP_UPSTREAM_UNREACH, ICMP_ERR_HOST, END_UNREACHABLE };
}

struct failure failure_of_open(int err)
{
	if (err == EPERM)
		return (struct failure){ DROP_PROTECT, ICMP_ERR_PROHIBITED, END_PROTECT };
	if (err == EAGAIN) /* no free port for the automatic bind of connect() */
		err = EADDRNOTAVAIL;
	return failure_of(err);
}
