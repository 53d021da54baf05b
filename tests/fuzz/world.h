/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The world around a worker, for fuzz_worker: applications in front of it (application.c)
 * and peers behind its sockets (peer.c, peer_act.c), with a model of what passes between them.
 *
 * The bytes of a connection follow from their place in it, those of a datagram from its
 * length and port, so each side can check all that reaches it without remembering it.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "bpf/parse.h"
#include "netdev/packet.h"
#include "tests/fuzz/fuzz.h"

#define WORLD_MTU 1500
#define WORLD_ICMP_ID 0x4800 /* identifiers of the worker, on the raw sockets */

/* TCP: application i sends from APP_PORT + i to PEER_PORT + i, the last one to DNS. */
#define APPS 6
#define APPS_V4 3 /* so many of the first */
#define APP_PORT 4000
#define PEER_PORT 1000
#define APP_FINS 8

/* UDP: from UDP_APP_PORT + i to UDP_PEER_PORT + i, the last one to DNS. */
#define UDP_APPS 5
#define UDP_APP_PORT 5000
#define UDP_PEER_PORT 2000

/* An application's TCP port. */
struct app {
	struct packet_path path;
	uint32_t salt; /* of its bytes */
	/* what its socket would know */
	uint32_t isn; /* of its last SYN */
	uint32_t next; /* byte to send */
	uint32_t acked; /* byte that the worker expects */
	uint32_t last_ack; /* what the last segment said of it */
	uint32_t got; /* byte to acknowledge */
	uint32_t told; /* behind the last byte of the worker that ever came */
	uint32_t peer_isn;
	bool greeted; /* the worker sent a SYN-ACK */
	bool answered; /* and it came */
	bool resets; /* the old connection, next time */
	/* of the connection that the worker dialled last */
	uint32_t dialled_isn;
	uint32_t top; /* behind the last byte that was ever sent */
	uint32_t fins[APP_FINS]; /* where it may end */
	unsigned int fin_count;
	uint32_t down_read; /* bytes that the worker took from upstream */
	bool down_end; /* and the end */
	bool up_end; /* it told upstream of the end */
};

extern struct app apps[APPS];
extern bool apps_wild; /* somebody else uses their ports: bytes mean nothing any more */

/* --- application.c ---------------------------------------------------------------------- */

void apps_reset(void);
/* Operations that make a packet are 0..APP_OPERATIONS-1. */
#define APP_OPERATIONS 8
/* A fragment of an earlier packet waits. */
bool apps_waiting(void);
/* Makes one packet (at most 65535 bytes) and its header; without `offload` it is complete. */
size_t apps_next(struct input *in, uint32_t operation, bool offload, uint8_t *packet,
		 struct virtio_net_hdr *ret_header);
/*
 * How many bytes it has sent behind the FIN that the worker took, against its own word. Until
 * it speaks from there again, what it says of its window is old (RFC 9293, SND.WL1).
 */
uint32_t app_behind_fin(const struct app *a);
/* The next segment of an application that wants to be done; 0 = nothing left to say. */
size_t apps_finish(unsigned int i, uint8_t *packet);
/*
 * Checks what the worker writes; `offload`: it came with a header; `left`: the device took it,
 * else the worker has not sent it, and applications know nothing of it.
 */
void apps_take(const uint8_t *packet, size_t len, const struct virtio_net_hdr *header, bool offload,
	       bool left);
/* The application whose connection goes to that port (host order), NULL = none. */
struct app *app_of_port(uint16_t port);
/* A connection of it is dialled, by this SYN. */
void app_dialled(struct app *a, uint32_t isn);

/* fuzz_worker.c: number of the SYN for which the worker dials now. */
uint32_t world_isn(const struct app *a);

/* --- peer.c, peer_act.c ---------------------------------------------------------------- */

struct peers {
	uint64_t sends; /* messages that the worker tried to send */
	int relay_fd, raw_fd[2];
};
extern struct peers peers;

/* The descriptors that are always there; `raw`: raw sockets among them. */
void peers_start(bool raw);
void peers_reset(void);
void peers_act_tcp(struct input *in);
void peers_act_udp(struct input *in);
void peers_act_icmp(struct input *in);
/* What the next calls fail with. */
void peers_act_fault(struct input *in);
/* All faults are over, and everything is taken; `end`: and peers say no more. */
void peers_calm(bool end);
/* The worker writes a datagram to the application of UDP port UDP_APP_PORT + i, -1 = none. */
void peer_datagram(int i, size_t len);
/* Datagrams that the worker has read and not written; forgets them. */
unsigned int peers_read(void);
/* Descriptors of the worker that are open, without those that are always there. */
unsigned int peers_open(void);

/* Bytes of datagrams of `len` bytes, up and down. */
const uint8_t *udp_bytes(unsigned int i, bool up, size_t len);

#include "tests/fuzz/pattern.h"

static inline const uint8_t *app_bytes_up(const struct app *a, uint32_t seq)
{
	return pattern(seq + a->salt);
}

/* `offset`: of the stream. */
static inline const uint8_t *app_bytes_down(const struct app *a, uint32_t offset)
{
	return pattern(offset + a->salt + PATTERN_MAX / 2);
}

#endif
