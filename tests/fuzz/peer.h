/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between peer.c, the sockets, and peer_act.c, what an input has their peers do. */
#ifndef TESTS_FUZZ_PEER_H
#define TESTS_FUZZ_PEER_H

#include "tests/fuzz/fake.h"
#include "tests/fuzz/world.h"

#define PEERS 128
#define WAITING_MAX 32 /* datagrams in a socket */
#define RAW_BYTES 2048
#define SEGMENTS_MAX 64

enum peer_kind { PEER_FREE, PEER_TCP, PEER_UDP, PEER_PING, PEER_RAW4, PEER_RAW6, PEER_RELAY };

struct datagram {
	uint16_t len; /* in all */
	uint16_t segment; /* of a batch, 0 = one datagram */
};

struct peer {
	enum peer_kind kind;
	int fd;
	struct fake *fake;
	int family;
	struct app *app; /* TCP, NULL = none that is modelled */
	struct peer *other; /* of the end of a pair that is passed on: the end that stays */
	bool connected;
	bool shut; /* the worker has said all */
	bool fin; /* and so has the peer */
	bool broken; /* its error was told: it will never work again */
	int error; /* SO_ERROR */
	uint32_t give, room; /* bytes that it has and takes; UDP: datagrams that it takes */
	uint32_t seq; /* of the application's next byte */
	int udp; /* index of the application, -1 = none that is modelled */
	struct datagram waiting[WAITING_MAX];
	unsigned int waiting_first, waiting_count;
	unsigned int errors; /* in the error queue */
	uint8_t error_type;
	uint8_t raw[RAW_BYTES]; /* a message that waits, and what was sent last */
	size_t raw_len, sent_len;
	uint8_t sent[64];
};

extern struct peer peer_table[PEERS];

/* What the next call of a kind fails with, 0 = it does not. */
struct peer_faults {
	int socket_error, connect_error, send_error, option_error;
};
extern struct peer_faults peer_faults;

#endif
