/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The resolver's own sockets: UDP and TCP, bound by main where the configuration says. An
 * answer leaves by the socket that its query came to, from the address that was asked, also
 * where the socket is bound to all addresses.
 *
 * A set of sockets takes the place of another without loss: one for the same address goes on as
 * it is, and one that is no longer wanted takes no query more, but sends the answers to those
 * that it took, until the next set comes.
 */
#ifndef DNS_SOCKETS_H
#define DNS_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "datapath/role.h"
#include "dns/query.h"
#include "dns/stream.h"

#define SOCKETS_MAX 64 /* in force */

struct sockets;

struct sockets_options {
	struct streams *streams; /* that accepted connections become */
	int (*query)(void *arg, const struct client *client, const uint8_t *msg, size_t len);
	void *arg;
};

/* 0 or -errno. What is pointed to outlives it. */
int sockets_new(struct loop *loop, struct datapath *dp, const struct sockets_options *options,
		struct sockets **ret_sockets);
/* Accepts NULL. Closes all. */
void sockets_free(struct sockets *ss);

/*
 * Bound sockets, those of SOCK_STREAM listening, in place of those before. They are its own from
 * here on, whatever is returned: 0, or -errno and those before are still in force.
 */
int sockets_assign(struct sockets *ss, const int *fds, size_t num);

/* Sends an answer to a client of IPPROTO_UDP whose client->socket is not 0. */
void sockets_reply(struct sockets *ss, const struct client *client, const uint8_t *msg, size_t len);

#endif
