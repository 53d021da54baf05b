/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections to one upstream of type tcp, tls or https: requests in, answers out. How many
 * connections there are, which of them carries a request, when they are opened, given up and
 * opened again is this module's; where to connect to is the owner's.
 *
 * A request whose connection is lost is sent once more over another one. Nothing is sent before
 * the handshake has proved who the other side is, and never anything in plaintext but to an
 * upstream of type tcp.
 */
#ifndef DNS_TRANSPORT_H
#define DNS_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/list.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "datapath/role.h"
#include "dns/upstream_plain.h"

#define TRANSPORT_ERROR_MAX 192 /* of a text for people, with its NUL */

struct transport;
struct connection;

/* One question on its way; embedded in its owner, who sets `done` and `question`. */
struct transport_request {
	/*
	 * Called once per transport_ask() that returned 0, never from within it: 0 and the answer
	 * (valid during the call, may be written to; its ID is of no meaning, its question
	 * section is the asked one byte by byte), or -errno: transport_figures() has the text.
	 * It may give and cancel requests, not reset or free the transport.
	 */
	void (*done)(struct transport_request *r, int status, uint8_t *answer, size_t len);
	const struct plain_question *question; /* stays the owner's, outlives the request */
	/* The transport's own from here: zero before the first use. */
	struct transport *transport; /* that it was given to, NULL = idle */
	struct connection *connection; /* that carries it, NULL = waits for one */
	struct list link; /* of those waiting, or of its connection's */
	void *own; /* the protocol's */
	uint64_t sent_ms; /* clock_ms() */
	uint32_t id; /* of its message or stream, on its connection */
	bool again; /* the second connection that it is on */
};

struct transport_options {
	struct loop *loop;
	struct datapath *datapath; /* for its descriptors and drops */
	const struct conf_upstream *upstream; /* outlives the transport */
	/*
	 * Where to connect to, best first; asked for each time a connection is opened. 0 = nowhere
	 * at present: requests end with -EDESTADDRREQ.
	 */
	unsigned int (*addresses)(void *arg, struct endpoint ret_to[CONF_ADDRESSES_MAX]);
	/*
	 * NULL, or told how each attempt to connect has ended: 0 = open, -errno. It may not give
	 * or cancel requests.
	 */
	void (*connected)(void *arg, const struct endpoint *to, int status);
	void *arg;
};

struct transport_figures {
	uint32_t open; /* connections that carry or could carry requests */
	uint64_t connects; /* attempts, by address */
	uint64_t handshakes; /* of TLS that were finished */
	uint64_t resumed; /* of these: by a ticket of an earlier one */
	uint64_t failures; /* attempts that failed and connections that broke */
	char error[TRANSPORT_ERROR_MAX]; /* of the latest failure; "" = works since */
};

/*
 * 0 or -errno; then *ret_error says what is wrong with the upstream's settings (a `ca` that
 * cannot be read...). Connects to nobody yet.
 */
int transport_new(const struct transport_options *options, struct transport **ret_transport,
		  char ret_error[TRANSPORT_ERROR_MAX]);
/* Accepts NULL. Requests that it still has are forgotten without a report. */
void transport_free(struct transport *t);

/*
 * Takes a request that is idle. 0, or -errno and it was not taken (done is not called then):
 * it cannot be reached, and an attempt to connect failed a moment ago.
 */
int transport_ask(struct transport *t, struct transport_request *r);
/* Forgets it; harmless if it is idle. What comes for it later is thrown away. */
void transport_cancel(struct transport_request *r);
static inline bool transport_is_idle(const struct transport_request *r)
{
	return !r->transport;
}

/* All connections are closed, requests go over new ones. */
void transport_reset(struct transport *t);
/*
 * Makes its TLS layer anew if the file of its authorities has changed, for transport_renew(). 0, or
 * -errno and a text; nothing else changes.
 */
int transport_reread(struct transport *t, char ret_error[TRANSPORT_ERROR_MAX]);
/* With `take` what transport_reread() made, if it did, is in force and connections are new ones. */
void transport_renew(struct transport *t, bool take);
void transport_figures(const struct transport *t, struct transport_figures *ret_figures);

#endif
