// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The listener. Packets are read until the queue is empty or PACKETS_MAX are done, so that
 * answers from upstream get their turn under a flood of queries. Nothing is kept of a
 * packet: the flow's key is all that an answer needs.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/message.h"
#include "base/role.h"
#include "bpf/parse.h"
#include "dns/filter.h"
#include "dns/listener.h"
#include "dns/sockets.h"
#include "dns/stream.h"

#define PACKETS_MAX 64 /* per turn and source */
#define VNET_HDR_MAX 12
#define PACKET_BYTES (PACKET_MAX + VNET_HDR_MAX)

struct relay {
	struct watch watch;
	struct listener *listener;
};

struct listener {
	struct loop *loop;
	struct datapath *datapath;
	struct listener_options options;
	struct queue queue;
	struct watch watch; /* of the queue */
	struct timer retry; /* after a failed read */
	bool failing; /* the last read failed, and it was said */
	struct relay relay[ROLES_MAX];
	struct streams *streams;
	struct sockets *sockets;
	uint8_t packet[sizeof(struct relay_message) + PACKET_BYTES];
};

static void queue_ready(struct watch *w, uint32_t events);
static void queue_retry(struct timer *t);

static int new_sockets(struct listener *l)
{
	struct sockets_options sockets = {
		.streams = l->streams,
		.query = l->options.query,
		.arg = l->options.arg,
	};

	return sockets_new(l->loop, l->datapath, &sockets, &l->sockets);
}

int listener_new(struct loop *loop, struct datapath *dp, const struct listener_options *options,
		 struct listener **ret_listener)
{
	struct stream_options streams = {
		.max = options->streams_max ? options->streams_max : DNS_STREAMS_MAX,
		.client_max = options->client_streams_max,
		.query = options->query,
		.arg = options->arg,
	};
	struct listener *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->loop = loop;
	l->datapath = dp;
	l->options = *options;
	l->queue = options->queue;
	l->watch.fd = -1;
	l->watch.ready = queue_ready;
	timer_init(&l->retry, queue_retry);
	for (unsigned int i = 0; i < ROLES_MAX; i++) {
		l->relay[i].listener = l;
		l->relay[i].watch.fd = -1;
	}
	r = streams_new(loop, dp, &streams, &l->streams);
	if (r == 0)
		r = new_sockets(l);
	if (r == 0 && options->read_queue) {
		l->watch.fd = l->queue.fd;
		r = loop_add(loop, &l->watch, EPOLLIN);
		if (r < 0)
			l->watch.fd = -1;
	}
	if (r < 0)
		listener_free(l);
	else
		*ret_listener = l;
	return r;
}

static void close_relay(struct relay *relay)
{
	int fd = relay->watch.fd;

	loop_remove(relay->listener->loop, &relay->watch);
	fd_close(fd);
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	for (unsigned int i = 0; i < ROLES_MAX; i++)
		close_relay(&l->relay[i]);
	loop_remove(l->loop, &l->watch);
	loop_disarm(&l->retry);
	sockets_free(l->sockets);
	streams_free(l->streams);
	free(l);
}

/* --- packets ----------------------------------------------------------------------------- */

/* A GSO packet holds several messages of `segment` bytes, the last one shorter. */
static void take_datagram(struct listener *l, const struct filter_datagram *d)
{
	struct client client = { .flow = d->key };

	for (size_t at = 0; at < d->len; at += d->segment) {
		size_t len = d->len - at < d->segment ? d->len - at : d->segment;

		l->options.query(l->options.arg, &client, d->payload + at, len);
	}
}

static void take_packet(struct listener *l, const struct queue_packet *pkt)
{
	struct filter_datagram d;
	int r = filter_read(pkt, &d);

	if (r == 0) {
		take_datagram(l, &d);
		return;
	}
	datapath_drop(l->datapath, (enum drop_reason) - r);
	if (d.key.proto)
		l->options.flow_seen(l->options.arg, &d.key);
}

/* 0, or -errno if the queue gives nothing more now. */
static int read_packet(struct listener *l)
{
	struct queue_packet pkt;
	int r = queue_read(&l->queue, l->packet, sizeof(l->packet), &pkt);

	if (r == -EBADMSG) {
		datapath_count(l->datapath, RSTAT_TUN_RX, 1);
		datapath_drop(l->datapath, DROP_VNET_HDR);
		return 0;
	}
	if (r < 0)
		return r;
	l->failing = false;
	datapath_count(l->datapath, RSTAT_TUN_RX, 1);
	datapath_count(l->datapath, RSTAT_TUN_RX_BYTES, (int64_t)pkt.len);
	take_packet(l, &pkt);
	return 0;
}

static void queue_ready(struct watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);
	int r = 0;

	for (int i = 0; i < PACKETS_MAX && r == 0; i++)
		r = read_packet(l);
	if (r == 0 || r == -EAGAIN || r == -EINTR)
		return;
	datapath_count(l->datapath, RSTAT_TUN_ERRORS, 1);
	if (!l->failing)
		log_warn("dns", "reading the TUN failed, trying again: %s", strerror(-r));
	l->failing = true;
	loop_remove(l->loop, w);
	loop_arm(l->loop, &l->retry, TUN_RETRY_MS);
}

static void queue_retry(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, retry);

	l->watch.fd = l->queue.fd;
	if (loop_add(l->loop, &l->watch, EPOLLIN) == 0)
		return;
	l->watch.fd = -1;
	loop_arm(l->loop, &l->retry, TUN_RETRY_MS);
}

/* --- relays ------------------------------------------------------------------------------ */

/* The worker has verified the checksum of what it relays, or did not need to. */
static void take_relayed(struct listener *l, size_t len)
{
	struct queue_packet pkt = {
		.data = l->packet + sizeof(struct relay_message),
		.len = len - sizeof(struct relay_message),
		.csum_trusted = true,
	};

	take_packet(l, &pkt);
}

static void take_relay_message(struct listener *l, size_t len, int fd)
{
	struct relay_message m;

	if (len >= sizeof(m)) {
		memcpy(&m, l->packet, sizeof(m));
		if (m.type == RELAY_PACKET) {
			take_relayed(l, len);
		} else if (m.type == RELAY_STREAM && fd >= 0) {
			struct client client = { .flow = m.key };

			stream_open(l->streams, fd, &client);
			return;
		}
	}
	fd_close(fd);
}

static void relay_ready(struct watch *w, uint32_t events)
{
	struct relay *relay = container_of(w, struct relay, watch);
	struct listener *l = relay->listener;

	for (int i = 0; i < PACKETS_MAX; i++) {
		int fd = -1;
		ssize_t len = message_recv(w->fd, l->packet, sizeof(l->packet), &fd);

		if (len == -EAGAIN || len == -EINTR)
			return;
		if (len == -EMSGSIZE) {
			datapath_drop(l->datapath, DROP_DNS_MALFORMED);
			fd_close(fd);
			continue;
		}
		if (len <= 0) { /* the worker has ended; main brings its successor's */
			close_relay(relay);
			return;
		}
		take_relay_message(l, (size_t)len, fd);
	}
}

void listener_relay(struct listener *l, unsigned int slot, int fd)
{
	struct relay *relay;
	int r;

	if (slot >= ROLES_MAX) {
		fd_close(fd);
		return;
	}
	relay = &l->relay[slot];
	close_relay(relay);
	relay->watch.fd = fd;
	relay->watch.ready = relay_ready;
	r = loop_add(l->loop, &relay->watch, EPOLLIN);
	if (r == 0)
		return;
	log_err("dns", "cannot watch the relay of a worker slot=%u: %s", slot, strerror(-r));
	relay->watch.fd = -1;
	fd_close(fd);
}

int listener_sockets(struct listener *l, const int *fds, size_t num)
{
	return sockets_assign(l->sockets, fds, num);
}

/* --- answers ----------------------------------------------------------------------------- */

void listener_reply(struct listener *l, const struct client *client, const uint8_t *msg, size_t len)
{
	if (client->flow.proto == IPPROTO_TCP) {
		stream_reply(l->streams, client, msg, len);
		return;
	}
	if (client->socket) {
		sockets_reply(l->sockets, client, msg, len);
		return;
	}
	if (filter_write(&l->queue, &client->flow, msg, len) < 0) {
		datapath_drop(l->datapath, DROP_TUN_FULL);
		return;
	}
	len += UDP_HEADER_BYTES;
	len += addr_is_v4(&client->flow.saddr) ? IP4_HEADER_BYTES : IP6_HEADER_BYTES;
	datapath_count(l->datapath, RSTAT_TUN_TX, 1);
	datapath_count(l->datapath, RSTAT_TUN_TX_BYTES, (int64_t)len);
}
