/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests of rtnetlink, in the network namespace that the calling process is in. */
#ifndef NETDEV_RTNL_H
#define NETDEV_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "base/addr.h"

#define RTNL_REQUEST_BYTES 512

/* A request under construction. */
struct rtnl_request {
	_Alignas(8) char buf[RTNL_REQUEST_BYTES];
	struct nlmsghdr *head; /* in buf */
};

/* Begins a request; returns the room of its fixed part, zeroed. */
void *rtnl_start(struct rtnl_request *req, uint16_t type, uint16_t flags, size_t extra_bytes);
/*
 * Sends a request and waits for its acknowledgement or the dump's end; `each` is called for
 * the other messages of the answer. 0 or -errno.
 */
int rtnl_run(struct rtnl_request *req, mnl_cb_t each, void *arg);

/* An address as an attribute: 4 bytes or 16. rtnl_get_addr(): false if it has another size. */
void rtnl_put_addr(struct rtnl_request *req, uint16_t type, const struct addr *a);
bool rtnl_get_addr(const struct nlattr *attr, struct addr *ret_addr);

#endif
