/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker without a device: its queue is one end of a socket pair, the test is the
 * application at the other. Upstream are real sockets on the loopback of a network namespace
 * of the test's own, reached by config.host_loopback.
 */
#ifndef TESTS_UNIT_WORKER_FAKE_WORKER_H
#define TESTS_UNIT_WORKER_FAKE_WORKER_H

#include <sys/types.h>

#include "worker/input.h"
#include "worker/worker.h"

#define FAKE_PACKET_MAX (12 + PACKET_MAX)

struct fake_worker {
	struct worker worker;
	struct input *input;
	int app; /* the application's end of the queue */
	struct addr app4; /* 10.0.0.2 */
	struct addr app6;
	struct addr server4; /* stands for the host's loopback */
	struct addr server6;
	struct limits limits; /* what fake_start_limited() starts with */
};

/* New network namespace with lo up. 77 (skip) if that is not allowed. For main(). */
int fake_namespace(void);
/* MTU of lo in it. */
void fake_set_mtu(int mtu);

/* family: which of server4, server6 config.host_loopback maps. Asserts that it works. */
void fake_start(struct fake_worker *f, int family, unsigned int vnet_hdr_bytes, bool uso);
/* The same with f->limits as they are, instead of the defaults. */
void fake_start_limited(struct fake_worker *f, int family, unsigned int vnet_hdr_bytes, bool uso);
void fake_stop(struct fake_worker *f);

struct packet_path fake_path(const struct fake_worker *f, int family, uint16_t sport,
			     uint16_t dport);

/* Puts a packet (behind a zeroed virtio_net_hdr if the queue has one) into the queue. */
void fake_write(struct fake_worker *f, const void *packet, size_t len);
/* A UDP datagram of the application, as fragments of 1500 bytes if it is larger. */
void fake_write_udp(struct fake_worker *f, const struct packet_path *path, const void *payload,
		    size_t len);
/* Changes a built packet: TTL or hop limit, TOS or traffic class, IPv4 DF. */
void fake_set_ip(void *packet, int ttl, int tos, bool dont_fragment);

/*
 * Runs the worker until it has written a packet; that packet, virtio_net_hdr first. At most
 * 2 s; returns its length, -1 if there was none.
 */
ssize_t fake_read(struct fake_worker *f, uint8_t buf[FAKE_PACKET_MAX]);
/* Runs the worker until it has nothing to do. */
void fake_settle(struct fake_worker *f);

/* UDP socket bound to loopback, any port; *ret_port in host order. */
int fake_server(int family, uint16_t *ret_port);

#endif
