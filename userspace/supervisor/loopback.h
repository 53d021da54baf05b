/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What capture on loopback needs of the kernel. An IPv4 packet that was sent over lo has its
 * route with it; an answer that is put onto lo's ingress has none, and its source, 127.0.0.1 or
 * one of the host's own addresses, would be called impossible ("martian"). For lo alone, where
 * nothing comes in from outside, both are allowed while it is captured. IPv6 does not ask.
 */
#ifndef SUPERVISOR_LOOPBACK_H
#define SUPERVISOR_LOOPBACK_H

#include "netdev/undo.h"

struct loopback {
	struct undo undo;
	bool ready;
};

void loopback_init(struct loopback *l);
/* 0, also if it is ready already; -errno, and nothing has changed. */
int loopback_prepare(struct loopback *l, const char *instance);
/* Takes it back. Harmless if it is not ready. */
void loopback_restore(struct loopback *l);

#endif
