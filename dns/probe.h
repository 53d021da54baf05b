/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions of our own to an upstream. While it is down: `. NS` every PROBE_HEALTH_MS, over
 * its own transport, until it answers. If it is near: now and then a TXT question for a
 * name nobody else knows; one that reaches us as a client's query has gone in a circle, and the
 * upstream is not asked until the next check does not come back.
 */
#ifndef DNS_PROBE_H
#define DNS_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "dns/attempt.h"
#include "dns/msg.h"

#define PROBE_HEALTH_MS 2000 /* from one to the next */
#define PROBE_HEALTH_TIMEOUT_MS 1000
#define PROBE_HEALTH_PAYLOAD 4096
#define PROBE_LOOP_FIRST_MS 1000 /* after a configuration came into force */
#define PROBE_LOOP_MS 60000
#define PROBE_LOOP_TIMEOUT_MS 5000
#define PROBE_LOOP_SUFFIX "loop.headrace.test"
#define PROBE_LABEL_BYTES 32 /* of hexadecimal digits: 128 random bits */

#define PROBE_MESSAGE_MAX 96

struct probe {
	struct attempt attempt;
	struct timer timer; /* to its end, or to the next one */
	struct plain_question question;
	uint8_t message[PROBE_MESSAGE_MAX];
	bool came_back; /* of a loop check */
};

/* For upstream.c. */
void probe_init(struct upstream *u);
void probe_stop(struct upstream *u);

/* The upstream is down: probes it until it answers. */
void probe_health(struct upstream *u);
/* Asks once whether questions to it come back; harmless while one is under way. */
void probe_loop(struct upstream *u);
/* Is this a loop check's name at all (of any Headrace)? */
bool probe_is_loop_name(const struct name *name);
/* Did `u` get this name for its check? Then it loops. */
bool probe_came_back(struct upstream *u, const struct name *name);

#endif
