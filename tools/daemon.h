/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The private headraced of one `headrace run`: start, request, readiness, end. */
#ifndef TOOLS_DAEMON_H
#define TOOLS_DAEMON_H

#include <net/if.h>
#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/addr.h"
#include "tools/client.h"

#define DAEMON_READY_MS 30000 /* from its start until it forwards */

struct daemon {
	struct client client;
	pid_t pid; /* 0 = not running, or reaped */
	int status; /* of waitpid(), once reaped */
	char stack4[ADDR_TEXT_MAX]; /* from "ready": where DNS is answered */
	char tun[IF_NAMESIZE]; /* likewise */
	int netns_fd; /* from "ready"; -1 = no namespace of its own */
};

/*
 * Starts it in a session of its own; it writes its log to `log_fd`, -1 = the caller's stderr.
 * 0, or -1 after one line on stderr.
 */
int daemon_start(struct daemon *d, int log_fd);

/* Sends the "run" request, with a TUN descriptor or -1. 0, or -1 after one line on stderr. */
int daemon_request(struct daemon *d, const json_t *request, int tun_fd);

/*
 * Takes what has come in while it gets ready: 1 = ready, 0 = not yet, -1 = failed and said.
 */
int daemon_progress(struct daemon *d);

/* Reaps it if it has ended. Is it gone? */
bool daemon_is_gone(struct daemon *d);

/* Lets go of it: it lives on, if it is one that does (RUN_HOST). */
void daemon_leave(struct daemon *d);

/* Lets headraced take away what a killed one of that name has left. 0, or -1 after a line. */
int daemon_clean(const char *instance);

/* Asks it to end and waits; kills what does not end in time. Closes everything. */
void daemon_stop(struct daemon *d);

/* NULL, or what is wrong with what its --log shall be. */
const char *daemon_log_wrong(const char *text);

#endif
