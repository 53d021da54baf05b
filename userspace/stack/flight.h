/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is in flight to an application: when it is overdue, what of it is lost, and sending
 * that again. In place of lwIP's own recovery, as long as both ends know SACK.
 */
#ifndef STACK_FLIGHT_H
#define STACK_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "netdev/packet.h"
#include "stack/stack.h"

#define FLIGHT_SACKS_MAX 4 /* blocks that fit into a TCP header */
#define FLIGHT_DELAYS 12 /* lists of flights, by how long they wait */

/* What a segment of the application says, read before lwIP consumes it. */
struct flight_input {
	uint32_t una; /* acknowledged before it */
	bool retried; /* something was sent again that is not acknowledged yet */
	unsigned int blocks;
	struct {
		uint32_t start, end;
	} block[FLIGHT_SACKS_MAX];
};

void flights_init(struct stack *s);

/* Reads a segment whose options are still there. */
void flight_read_input(const struct conn *c, const struct packet *head, const uint8_t *tcp,
		       struct flight_input *ret_in);
/* Around tcp_input(); the second only if the pcb has survived it. */
void flight_before_input(struct conn *c);
void flight_after_input(struct conn *c, const struct flight_input *in);
/* After each call that may have sent something. */
void flight_schedule(struct conn *c);
/* Whether something was lost lately, so that the receiver's window is not the only limit. */
bool flight_is_lossy(const struct conn *c);
/* The connection is over. */
void flight_end(struct conn *c);

/*
 * rexmit.c: sends [start, end) of what is unacknowledged again, as far as one segment of
 * lwIP reaches. Returns how many sequence numbers it covered, 0 = nothing was sent.
 */
uint32_t rexmit_send(struct conn *c, uint32_t start, uint32_t end);

#endif
