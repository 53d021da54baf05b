/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the files of the UDP engine: udp.c owns sessions and their ends, udp_up.c sends
 * what applications wrote, udp_down.c writes what came back, udp_error.c relays errors.
 */
#ifndef WORKER_UDP_H
#define WORKER_UDP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/loop.h"
#include "flow/sessions.h"
#include "worker/worker.h"

#define UDP_RUN_MAX 64 /* segments of one UDP_SEGMENT send: UDP_MAX_SEGMENTS of Linux 6.1 */
#define UDP_PAYLOAD_MAX 65535 /* room for one datagram from a socket */

/* What of a datagram's IP header goes out as socket options. */
struct udp_options {
	uint8_t ttl; /* as it leaves us */
	uint8_t tos;
	bool whole; /* must not be fragmented: v4 DF; v6 unless its sender fragmented it */
};

/*
 * One (source, destination) pair. A session of 256 bytes is the budget, hash bucket
 * included; the upstream address is worker_upstream_of() of its key.
 */
struct udp_session {
	struct session session; /* first: sessions.h */
	struct watch watch; /* its connected socket */
	struct udp_engine *engine;
	struct udp_options options; /* as the socket has them */
	bool no_segments; /* UDP_SEGMENT does not work on its route */
	uint8_t end; /* enum flow_end if it ended now */
	uint16_t sent_bytes; /* payload of the last datagram, for quoting */
};

/* Datagrams read from the queue and not sent yet: one session, same options. */
struct udp_run {
	struct udp_session *session;
	unsigned int count;
	size_t bytes; /* payload in all */
	struct iovec payload[UDP_RUN_MAX]; /* all as long as the first, the last may be shorter */
	struct iovec packet[UDP_RUN_MAX]; /* from the IP header on, to be quoted */
};

struct udp_receiver; /* buffers of udp_down.c */

struct udp_engine {
	struct worker *worker;
	struct sessions sessions;
	struct timer sweep;
	struct udp_run run;
	struct udp_receiver *receiver;
	struct loop_turn turn;
	unsigned int crowd_opens; /* sessions begun in this turn by sources that have many */
};

static inline struct udp_session *udp_session_of(struct session *s)
{
	return (struct udp_session *)s; /* first member */
}

static inline int udp_family(const struct udp_session *s)
{
	return addr_is_v4(&s->session.key.daddr) ? AF_INET : AF_INET6;
}

/* From the stack's end to the application. */
static inline struct packet_path udp_path_down(const struct udp_session *s)
{
	const struct flow_key *k = &s->session.key;

	return (struct packet_path){
		.src = k->daddr, .dst = k->saddr, .sport = k->dport, .dport = k->sport
	};
}

/* The path of the application's own datagrams. */
static inline struct packet_path udp_path_up(const struct udp_session *s)
{
	const struct flow_key *k = &s->session.key;

	return (struct packet_path){
		.src = k->saddr, .dst = k->daddr, .sport = k->sport, .dport = k->dport
	};
}

/* udp.c. NULL: failed, counted, told to the application. */
struct udp_session *udp_session_open(struct udp_engine *e, const struct worker_packet *p,
				     const struct udp_options *options);
void udp_session_close(struct udp_session *s, enum flow_end end);

/* udp_up.c: socket options for what comes next; only those that differ are set. */
void udp_options_apply(struct udp_session *s, const struct udp_options *want, bool all);
struct udp_options udp_options_of(const struct worker_packet *p);

/* udp_down.c */
int udp_receiver_new(struct udp_receiver **ret_receiver);
void udp_receiver_free(struct udp_receiver *r);
void udp_receive(struct udp_session *s);

/* udp_error.c: reads and relays what waits in the socket's error queue. True if anything. */
bool udp_errors_read(struct udp_session *s);
/* Answers EPOLLERR: afterwards the socket has no error pending. */
void udp_errors_clear(struct udp_session *s);
/* A send of the quoted packet failed with `err` (positive): counts it, tells its sender. */
void udp_send_failed(struct udp_session *s, int err, const struct iovec *packet);

#endif
