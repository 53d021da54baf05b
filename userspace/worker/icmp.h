/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the files of the ICMP engine: icmp.c owns sessions and answers for the stack,
 * icmp_up.c sends requests upstream, icmp_down.c takes replies and errors back.
 */
#ifndef WORKER_ICMP_H
#define WORKER_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/loop.h"
#include "flow/sessions.h"
#include "worker/worker.h"

#define ICMP_HEADER_MAX (48 + 8) /* IPv6, fragment header, echo header */

/*
 * Echo of one (source, destination, identifier). Upstream it has an identifier of our own,
 * on the raw socket that all share, or a ping socket whose identifier the kernel chose.
 */
struct icmp_session {
	struct session session; /* first: sessions.h */
	struct watch watch; /* its ping socket; fd -1 with the raw socket */
	struct icmp_engine *engine;
	uint16_t index; /* identifier upstream is config.icmp_id_base + index */
	bool has_index;
	uint8_t descriptors; /* booked: 1 with a ping socket */
	uint8_t end; /* enum flow_end if it ended now */
};

struct icmp_engine {
	struct worker *worker;
	struct sessions sessions;
	struct timer sweep;
	struct watch raw[2]; /* v4, v6; fd -1 = not available */
	bool dont_fragment; /* as raw[0] has it */
	/* Identifiers: those free wait in a ring, so that one is not used again at once. */
	struct icmp_session *by_index[ICMP_SESSIONS_MAX];
	uint16_t free_index[ICMP_SESSIONS_MAX];
	unsigned int free_first;
	unsigned int free_count;
	uint8_t data[PACKET_MAX]; /* one packet from a socket */
};

/* The 8 bytes of an echo header. */
struct icmp_echo {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	__be16 id;
	__be16 seq;
};

static inline struct icmp_session *icmp_session_of(struct session *s)
{
	return (struct icmp_session *)s; /* first member */
}

static inline bool icmp_is_v4(const struct icmp_session *s)
{
	return addr_is_v4(&s->session.key.daddr);
}

/* icmp.c: writes an echo reply with the application's identifier; ttl 0: our own. */
void icmp_write_reply(struct icmp_session *s, __be16 seq, uint8_t ttl, const struct iovec *payload);

/* icmp_up.c */
/* Gives a new session its way upstream. 0 or -errno. */
int icmp_upstream_open(struct icmp_session *s);
void icmp_upstream_close(struct icmp_session *s);
/* Sends the request on; a failure is counted and told to the application. */
void icmp_send(struct icmp_session *s, const struct worker_packet *p);

/* icmp_down.c: watch callbacks. */
void icmp_raw4_ready(struct watch *watch, uint32_t events);
void icmp_raw6_ready(struct watch *watch, uint32_t events);
void icmp_ping_ready(struct watch *watch, uint32_t events);

#endif
