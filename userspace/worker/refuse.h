/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refusals that the kernel half gives in place, for what it could not see or where it is not. */
#ifndef WORKER_REFUSE_H
#define WORKER_REFUSE_H

#include "worker/worker.h"

/* Answers a packet with VERDICT_REJECT as its protocol asks: RST or ICMP. */
void refuse_packet(struct worker *w, const struct worker_packet *p, enum drop_reason why);

#endif
