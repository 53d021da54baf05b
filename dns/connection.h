/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One connection of a transport: its marked socket, TLS over it unless it is plain TCP, the
 * bytes that are still to be sent, and the requests that it carries. What the bytes mean is the
 * protocol's. For transport.c and upstream_*.c.
 *
 * state      | event                             | action                          | next
 * CONNECTING | TCP connected, TLS                | begin the handshake             | HANDSHAKE
 * CONNECTING | TCP connected, no TLS             | protocol's open()               | OPEN
 * HANDSHAKE  | done, certificate verified        | protocol's open()               | OPEN
 * OPEN       | bytes                             | protocol's input()              | OPEN
 * any        | error, end, out of time           | transport_lost()                | (gone)
 */
#ifndef DNS_CONNECTION_H
#define DNS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/list.h"
#include "base/loop.h"
#include "dns/tls.h"
#include "dns/transport.h"

#define CONNECTION_OUT_MAX TLS_RECORD_MAX /* bytes that are still to be sent */

enum connection_state { CONNECTION_CONNECTING, CONNECTION_HANDSHAKE, CONNECTION_OPEN };

/* How requests and answers look on the wire: upstream_dot.c, upstream_doh.c. */
struct protocol {
	const char *alpn;
	bool alpn_must;
	uint32_t requests_more; /* with so many on each connection another one is opened */
	uint32_t requests_max; /* on a connection */
	int (*open)(struct connection *c); /* 0 or -errno: the connection fails */
	void (*close)(struct connection *c); /* also after open() has failed */
	/* 0; -EAGAIN = not on this connection; another -errno: the request ends with it. */
	int (*send)(struct connection *c, struct transport_request *r);
	void (*forget)(struct connection *c, struct transport_request *r);
	/* Bytes came; they may be written to. 0 or -errno: the connection fails. */
	int (*input)(struct connection *c, uint8_t *data, size_t len);
	/* There is room in the connection's output. NULL = send() writes there at once. */
	int (*output)(struct connection *c);
	/* The time is connection_due(). NULL = nothing is done by time. 0 or -errno. */
	int (*tick)(struct connection *c, uint64_t now_ms);
};

struct connection {
	struct list link; /* transport's */
	struct transport *transport;
	const struct protocol *protocol;
	void *own; /* the protocol's */
	enum connection_state state;
	bool draining; /* takes no more requests, and ends with those that it has */
	bool answered; /* at least once */
	bool early; /* requests_max is not known yet: no other one is opened meanwhile */
	struct watch watch;
	struct tls *tls; /* owned; NULL = plain TCP */
	struct endpoint to;
	struct list requests; /* that it carries, longest waiting first */
	uint32_t in_flight; /* their number */
	uint32_t requests_max; /* the protocol's, or less if the peer says so */
	uint64_t since_ms; /* of the state */
	uint64_t heard_ms; /* bytes came last */
	uint64_t used_ms; /* a request was sent or answered last */
	uint64_t wake_ms; /* tick() is called then, 0 = not */
	size_t out_len, out_sent;
	uint8_t out[CONNECTION_OUT_MAX];
};

/*
 * Begins to connect. tls NULL: plain TCP. 0 or -errno. What comes of it is told by
 * transport_connected() or transport_lost(), never from within.
 */
int connection_open(struct transport *t, const struct endpoint *to, struct connection **ret_c);
/* Ends it at once; it carries no requests any more. */
void connection_free(struct connection *c);

/* Sends what there is to be sent. 0 or -errno. */
int connection_flush(struct connection *c);
/* For protocols: queues bytes. -EAGAIN = no room for all of them, nothing was taken. */
int connection_put(struct connection *c, const void *data, size_t len);
size_t connection_room(const struct connection *c);
/* Has the peer's host acknowledged all that was sent? If not for long, the path is dark. */
bool connection_is_acknowledged(const struct connection *c);
/* Why it failed with -errno, for people: as TLS says it, or what it waited for. */
const char *connection_status_text(const struct connection *c, int status);

/* transport.c: */
struct loop *transport_loop(const struct transport *t);
struct datapath *transport_datapath(const struct transport *t);
const struct conf_upstream *transport_upstream(const struct transport *t);
struct tls_client *transport_tls(const struct transport *t); /* NULL = plain TCP */
const struct protocol *transport_protocol(const struct transport *t);
void transport_connected(struct connection *c);
/* It is freed, its requests go elsewhere or end. */
void transport_lost(struct connection *c, int status);
/* Bytes were read or sent: there may be room for more. */
void transport_turned(struct connection *c);
/* Is it an answer to what was asked? If not, that is counted. */
bool transport_matches(const struct transport_request *r, const uint8_t *answer, size_t len);
/* Reports such an answer; the protocol has forgotten the request. */
void transport_answer(struct transport_request *r, uint8_t *answer, size_t len);
/* The upstream refuses it: ends with `status`, for which `text` is the reason. */
void transport_refuse(struct transport_request *r, int status, const char *text);
/* It was not looked at: goes over another connection if it may. */
void transport_again(struct transport_request *r);

#endif
