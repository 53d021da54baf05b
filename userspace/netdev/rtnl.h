/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests of rtnetlink, in the network namespace that the calling process is in. */
#ifndef NETDEV_RTNL_H
#define NETDEV_RTNL_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

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
int rtnl_send(struct nlmsghdr *head, mnl_cb_t each, void *arg);
int rtnl_run(struct rtnl_request *req, mnl_cb_t each, void *arg);

#endif
