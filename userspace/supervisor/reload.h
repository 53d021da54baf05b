/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A reload: main reads, checks and opens what the file says now, the resolver takes all of it
 * into force or nothing. Which of the two is in force is the same for both at any time: a
 * resolver that ends before it has answered is started anew with what was in force.
 *
 * state | event                      | action                                  | next
 * IDLE  | reload_begin(), good       | send all, ask the resolver              | ASKED
 * IDLE  | reload_begin(), bad        | refuse the client                       | IDLE
 * ASKED | the client is gone         | forget it, the reload goes on           | ASKED
 * ASKED | "ok" and the end mark      | take the new one, tell what has changed | IDLE
 * ASKED | other answer, resolver died | drop the new one, refuse the client    | IDLE
 */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "supervisor/config.h"

struct control_client;
struct instance;
struct role;

#define RELOAD_ANSWER_MAX 20480 /* errors of a configuration and a word */

struct reload {
	uint64_t tag; /* of the question to the resolver, 0 = IDLE */
	struct control_client *client; /* NULL = it is gone */
	bool reset_flows; /* flows are decided anew */
	struct config next;
	/*
	 * The one before the one in force: its sockets, which the resolver still answers by, can be
	 * listened at again at once. Until `retire`.
	 */
	struct config retired;
	struct timer retire;
	size_t len;
	char answer[RELOAD_ANSWER_MAX + 1];
};

void reload_init(struct reload *r);
void reload_done(struct reload *r);

/*
 * Answers or refuses `client`, now or later. reset_flows: flows that older rules have decided are
 * decided anew by their next packet.
 */
void reload_begin(struct instance *in, struct control_client *client, bool reset_flows);
/* Part of an answer of the resolver, length 0 is its end. False: it is not to a reload. */
bool reload_text(struct instance *in, uint64_t tag, const char *text, size_t len);
void reload_role_died(struct instance *in, const struct role *role);
void reload_forget(struct instance *in, const struct control_client *client);

#endif
