/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration in force as main has it: the text, what it means, and what it names, opened
 * in the host's network namespace and with main's privilege, to be handed to the resolver.
 */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <limits.h>

#include "conf/conf.h"
#include "conf/file.h"

struct role;

struct config {
	char file[PATH_MAX]; /* absolute; "" = there is none, all is as by default */
	struct conf_text text;
	struct conf *conf; /* NULL = not read yet */
	int text_fd; /* sealed memfd, -1 = none */
	int list_fd[CONF_LISTS_MAX];
	int listener_fd[2 * CONF_LISTENERS_MAX]; /* UDP, TCP of each */
};

void config_init(struct config *c);
void config_done(struct config *c);

/* Reads and checks `file`, which may be "". 0, or -errno with lines in `errors`. */
int config_read(struct config *c, const char *file, struct conf_errors *errors);
/*
 * Opens lists and listeners. Where one of `old` (may be NULL or not read) listens at the same
 * address, its sockets are taken: nothing that waits in them is lost. 0, or -errno with lines in
 * `errors`.
 */
int config_open(struct config *c, const struct config *const old[2], struct conf_errors *errors);
/*
 * Capture points, rules and policies that refuse flows are the kernel half's: without it
 * (why_no_bpf is not NULL) they are an error, not a promise. 0, or -EOPNOTSUPP with lines in
 * `errors`.
 */
int config_check_kernel(const struct config *c, bool host, const char *why_no_bpf,
			struct conf_errors *errors);
/* Sends all to a resolver. 0 or -errno. */
int config_send(const struct config *c, struct role *r);

#endif
