/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers to "flows": a full table is walked in parts from the loop, and no faster than the
 * client takes what it is sent, so that neither forwarding nor other clients wait for it.
 */
#ifndef SUPERVISOR_FLOWS_H
#define SUPERVISOR_FLOWS_H

#include <jansson.h>

#include "base/limits.h"
#include "base/loop.h"

struct control_client;
struct flow_list;
struct instance;
struct flow_event;

/* One answer per client can be under way. */
struct flow_lists {
	struct instance *instance;
	struct flow_list *list[CONTROL_CLIENTS_MAX + 1];
};

void flow_lists_init(struct flow_lists *fl, struct instance *in);
/* Answers or refuses `client`, now or later. */
void flow_lists_ask(struct flow_lists *fl, struct control_client *client, const json_t *request);
/* The client is gone. */
void flow_lists_forget(struct flow_lists *fl, const struct control_client *client);
void flow_lists_done(struct flow_lists *fl);

/* Tells everybody who follows, and whose filter takes the flow. */
void flow_lists_event(struct flow_lists *fl, const struct flow_event *e);

#endif
