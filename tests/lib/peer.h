/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An application's end of TCP connections, segment by segment, and the upstream that they
 * lead to: what the TCP checklist (lib/checklist.h) is written with. It does not know whether
 * the engine under test is in this process, fed by calls, or behind a real TUN.
 *
 *   struct peer (segments by hand) <-> link <-> engine <-> TCP <-> peer.up (a socket)
 *
 * Everything here fails the running cmocka test if what must happen does not.
 */
#ifndef LIB_PEER_H
#define LIB_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/segment.h"

#define PEER_WAIT_MS 10000
#define PEER_QUIET_MS 30 /* long enough for an answer, were there one */

/* The way to the engine; set before the tests run. */
struct peer_link {
	void (*put)(const uint8_t *packet, size_t len);
	/* The next packet to any application, -1 = none now; is its TCP checksum complete? */
	ssize_t (*take)(uint8_t *buf, size_t size, bool *ret_complete);
	/* Lets everybody work until `fd` (-1: the link) may be readable, at most so long. */
	void (*turn)(int fd, int ms);
	/* Lets so much time pass as the engine sees it. */
	void (*pass)(unsigned int ms);
	/* NULL, or: connections of the same addresses get numbers that much higher from now on. */
	void (*advance_isn)(uint32_t by);
	size_t segment_max; /* payload of a segment that can be put */
	struct addr app;
	struct addr server;
	struct addr silent; /* never answers */
	__be16 port; /* of the server */
	int listener; /* the server's, non-blocking */
};

extern struct peer_link peer_link;

struct peer {
	struct packet_path path; /* towards upstream */
	uint32_t isn; /* of our SYN */
	uint32_t seq; /* next byte to send */
	uint32_t ack; /* next byte expected */
	uint16_t window; /* as in the header */
	uint16_t mss; /* of our SYN */
	int scale; /* of our SYN, -1 = none */
	int up; /* upstream's socket, -1 = none */
};

/* A connection to be, of a port of its own. */
struct peer peer_new(void);
struct peer peer_new_silent(void);
/* The same, open: after the handshake, accepted upstream. */
struct peer peer_opened(void);

/* As described; nothing is kept of it. */
void peer_put(const struct peer *p, const struct segment *s);
/* At what is next, which it moves. */
void peer_send(struct peer *p, uint8_t flags, const void *data, size_t len);
void peer_ack(struct peer *p);
/* So far ahead of what is next in both numbers; nothing moves. */
void peer_send_at(const struct peer *p, uint8_t flags, int32_t ahead, int32_t ack_ahead,
		  const void *data, size_t len);

/* The next segment of this connection; false after `ms`. */
bool peer_wait(const struct peer *p, struct segment *ret_s, int ms);
/* The next with all of `flags`; those before it carry no data. */
struct segment peer_expect(const struct peer *p, uint8_t flags);
/* An ACK, bare and with the numbers as they are: the answer to what is wrong. */
void peer_expect_challenge(const struct peer *p);
/* Nothing comes. */
void peer_expect_silence(const struct peer *p);
/* The engine knows of no such connection: an ACK of it is answered by a RST. */
void peer_expect_gone(const struct peer *p);

/* SYN; SYN-ACK is awaited, its numbers taken; the ACK. */
void peer_syn(struct peer *p);
void peer_syn_again(const struct peer *p, uint32_t isn);
void peer_handshake(struct peer *p);
void peer_open(struct peer *p); /* all of it and upstream's accept */
void peer_accept(struct peer *p);
void peer_expect_no_upstream(void);

/* Upstream: reads exactly this; reads to the end, whose errno it returns (0 = FIN). */
void peer_upstream_reads(const struct peer *p, const void *data, size_t len);
int peer_upstream_ends(const struct peer *p);
void peer_upstream_writes(const struct peer *p, const void *data, size_t len);
void peer_upstream_closes(struct peer *p);

/* The application reads exactly this, acknowledging segment by segment. */
void peer_reads(struct peer *p, const void *data, size_t len);
/* Bytes both ways: the connection is alive and no byte came or went that should not have. */
void peer_works(struct peer *p);
/* `len` bytes of peer_bytes() through the connection. */
void peer_uploads(struct peer *p, size_t len);
void peer_downloads(struct peer *p, size_t len);
/* The same bytes each time: PEER_BYTES of them. */
#define PEER_BYTES (1 << 20)
const uint8_t *peer_bytes(void);

/* Ends it, whatever its state is. */
void peer_drop(struct peer *p);

#endif
