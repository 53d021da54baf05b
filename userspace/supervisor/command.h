/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the requests of the control protocol do. */
#ifndef SUPERVISOR_COMMAND_H
#define SUPERVISOR_COMMAND_H

#include <jansson.h>

struct control_client;
struct flow_event;
struct instance;

/* Carries out one request and answers it, now or later. */
void command_handle(struct instance *in, struct control_client *client, const json_t *request);
/* Tells the followers. */
void command_flow_event(struct instance *in, const struct flow_event *e);
/* After a batch of events: sends a report that was waiting for the last ends. */
void command_events_read(struct instance *in);
/* The client is gone. */
void command_forget(struct instance *in, struct control_client *client);
/* The instance has ended: answers those who asked for it, or tells the error. */
void command_ended(struct instance *in);
void command_init(struct instance *in);

#endif
