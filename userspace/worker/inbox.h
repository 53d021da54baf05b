/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets from worker to worker. The queue of a packet is chosen by its flow, but a fragment
 * has no ports and of an ICMP error only who reads what it quotes knows the flow: whoever
 * reads such a packet hands it, whole, to the worker that carries its flow.
 *
 * Every worker has one inbox, a SOCK_SEQPACKET pair of main's making: it has the receiving
 * end, all others the sending end. One message is one IP packet. What the inbox holds is
 * bounded by the kernel (INBOX_BYTES); main keeps both ends, so that it outlives its worker.
 */
#ifndef WORKER_INBOX_H
#define WORKER_INBOX_H

#include "worker/input.h"
#include "worker/worker.h"

struct inbox;

/*
 * Takes a descriptor that main hands over, which is then the inbox's; the first one makes
 * w->inbox. 0 or -errno; -ENOENT = it is not one of an inbox, and is left alone.
 */
int inbox_take(struct worker *w, const struct role_descriptor *d, int fd);

/* Begins to give `in` what comes. 0 or -errno; nothing to do without an inbox. */
int inbox_open(struct worker *w, struct input *in);
/* Accepts NULL. Before its input is freed. */
void inbox_free(struct inbox *b);

/* Hands a packet to the worker in `slot`. 0 or -errno, -EAGAIN = its inbox is full. */
int inbox_send(struct inbox *b, unsigned int slot, const void *packet, size_t len);

/* Throws away what waits: it was meant for a role that died. */
void inbox_drain(struct worker *w);

#endif
