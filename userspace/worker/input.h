/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The worker's end of the TUN queue: reads, checks and hands packets to the engines. */
#ifndef WORKER_INPUT_H
#define WORKER_INPUT_H

#include "worker/worker.h"

struct input;

/* Begins to read w->queue; the engines of `w` must exist. 0 or -errno. */
int input_new(struct worker *w, struct input **ret_input);
/* Accepts NULL. Before the engines are freed. */
void input_free(struct input *in);

/* Throws away what waits in the queue: it was meant for a role that died. */
void input_drain(struct worker *w);

/* One packet as it was read (or reassembled); what input does with each. For tests too. */
void input_packet(struct input *in, struct worker_packet *p);

#endif
