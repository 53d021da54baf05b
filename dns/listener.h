/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where queries come from and answers go to: the resolver's TUN queue, what workers relay
 * (packets that had to be reassembled or came in by a single queue; TCP streams), and sockets.
 */
#ifndef DNS_LISTENER_H
#define DNS_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "datapath/role.h"
#include "dns/query.h"
#include "dns/service.h"
#include "netdev/queue.h"

struct listener;

struct listener_options {
	struct queue queue; /* answers are written to it */
	uint32_t streams_max;
	uint32_t client_streams_max; /* of one address, 0 = its default share */
	bool read_queue; /* false: a worker reads it and relays (single queue) */
	/* Takes a query (0, or -errno = it gets no answer), and a packet that held none. */
	int (*query)(void *arg, const struct client *client, const uint8_t *msg, size_t len);
	void (*flow_seen)(void *arg, const struct flow_key *key);
	void *arg;
};

/* 0 or -errno. `loop` and `dp` outlive it; the queue's descriptor stays the caller's. */
int listener_new(struct loop *loop, struct datapath *dp, const struct listener_options *options,
		 struct listener **ret_listener);
/* Accepts NULL. */
void listener_free(struct listener *l);

/* Takes a worker's relay socket, in place of the one it had before. Owns fd. */
void listener_relay(struct listener *l, unsigned int slot, int fd);

/*
 * The sockets that main has bound, in place of those before; see sockets_assign(), which owns
 * them from here on. 0 or -errno.
 */
int listener_sockets(struct listener *l, const int *fds, size_t num);

/* Sends an answer to whoever asked. */
void listener_reply(struct listener *l, const struct client *client, const uint8_t *msg,
		    size_t len);

#endif
