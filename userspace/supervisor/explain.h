/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* "explain": what becomes of a flow, and why, by running the kernel half's own classifier. */
#ifndef SUPERVISOR_EXPLAIN_H
#define SUPERVISOR_EXPLAIN_H

#include <jansson.h>

struct control_client;
struct instance;

/* Answers or refuses `client`. */
void explain_send(const struct instance *in, struct control_client *client, const json_t *request);

#endif
