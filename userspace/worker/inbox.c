// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The inbox: what other workers hand over is treated like what comes from the TUN. It is
 * parsed, classified and its checksums are verified, so a worker that was taken over can do
 * no more by it than by its own queue; and it is not handed on, so nothing goes round.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/message.h"
#include "worker/inbox.h"

#define MESSAGES_PER_TURN 32

struct inbox {
	struct worker *worker;
	struct input *input;
	struct watch watch; /* own, receiving end; fd -1 = not there yet */
	int peer[ROLES_MAX]; /* sending ends by slot, -1 = none */
	uint8_t packet[PACKET_MAX];
};

static struct inbox *inbox_new(struct worker *w)
{
	struct inbox *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->worker = w;
	b->input = NULL;
	b->watch = (struct watch){ .fd = -1 };
	for (int slot = 0; slot < ROLES_MAX; slot++)
		b->peer[slot] = -1;
	return b;
}

int inbox_take(struct worker *w, const struct role_descriptor *d, int fd)
{
	int *place;

	if (d->kind != ROLE_FD_INBOX && d->kind != ROLE_FD_PEER)
		return -ENOENT;
	if (!w->inbox)
		w->inbox = inbox_new(w);
	if (!w->inbox || d->index >= ROLES_MAX) {
		fd_close(fd);
		return w->inbox ? -EINVAL : -ENOMEM;
	}
	place = d->kind == ROLE_FD_INBOX ? &w->inbox->watch.fd : &w->inbox->peer[d->index];
	if (*place >= 0) {
		fd_close(fd);
		return -EINVAL;
	}
	*place = fd;
	return 0;
}

/* The next message into b->packet: its length, 0 = one that was none, or -errno. */
static ssize_t receive(struct inbox *b)
{
	int passed;
	ssize_t len = message_recv(b->watch.fd, b->packet, sizeof(b->packet), &passed);

	if (passed >= 0) { /* workers have nothing to give each other but packets */
		fd_close(passed);
		return 0;
	}
	return len == -EMSGSIZE || len == -EMFILE ? 0 : len;
}

static void inbox_ready(struct watch *watch, uint32_t events)
{
	struct inbox *b = container_of(watch, struct inbox, watch);
	struct worker *w = b->worker;

	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		struct worker_packet p = { .raw.data = b->packet,
					   .reassembled = true,
					   .handed = true };
		ssize_t len = receive(b);

		if (len < 0)
			break;
		p.raw.len = (size_t)len;
		datapath_count(&w->datapath, RSTAT_HANDED_IN, 1);
		input_packet(b->input, &p);
		udp_engine_flush(w->udp); /* it may hold what the next one overwrites */
	}
}

int inbox_open(struct worker *w, struct input *in)
{
	struct inbox *b = w->inbox;
	int fd = b ? b->watch.fd : -1;

	if (fd < 0)
		return 0;
	b->input = in;
	b->watch = (struct watch){ .ready = inbox_ready, .fd = fd };
	return loop_add(w->loop, &b->watch, EPOLLIN);
}

void inbox_free(struct inbox *b)
{
	int fd;

	if (!b)
		return;
	fd = b->watch.fd;
	if (b->input)
		loop_remove(b->worker->loop, &b->watch);
	fd_close(fd);
	for (int slot = 0; slot < ROLES_MAX; slot++)
		fd_close(b->peer[slot]);
	free(b);
}

int inbox_send(struct inbox *b, unsigned int slot, const void *packet, size_t len)
{
	if (slot >= ROLES_MAX || b->peer[slot] < 0)
		return -ENOTCONN;
	return message_send(b->peer[slot], packet, len, -1);
}

void inbox_drain(struct worker *w)
{
	struct inbox *b = w->inbox;

	if (!b || b->watch.fd < 0)
		return;
	/* what it can hold at most is gone by then; others may go on sending meanwhile */
	for (int i = 0; i < INBOX_BYTES / IP4_HEADER_BYTES && receive(b) >= 0; i++)
		worker_drop(w, DROP_ROLE_RESTART);
}
