/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* "dump": a copy of what passes the TUN, to whoever may see it. */
#ifndef SUPERVISOR_DUMP_H
#define SUPERVISOR_DUMP_H

struct control_client;
struct instance;

/*
 * Answers with a packet socket of the TUN, which is the client's from then on: it reads and
 * writes files by itself, main has no part in it. Counted until the client hangs up.
 */
void dump_send(struct instance *in, struct control_client *client);
/* How many clients dump. */
unsigned int dump_count(const struct instance *in);

#endif
