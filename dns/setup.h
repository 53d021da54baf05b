/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What main hands over for a configuration: its text, the lists and the listeners that it
 * names. One is in force; the descriptors of a reload are gathered in a second one.
 */
#ifndef DNS_SETUP_H
#define DNS_SETUP_H

#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

struct role_config;

struct setup {
	int text_fd; /* all descriptors are owned, -1 = none */
	int list_fd[CONF_LISTS_MAX]; /* by place in conf->dns.list */
	int listener_fd[2 * CONF_LISTENERS_MAX]; /* UDP, TCP of each of conf->dns.listener */
	struct conf *conf; /* NULL until setup_read() */
};

void setup_init(struct setup *s);
void setup_done(struct setup *s); /* as setup_init(), what was there is closed and freed */

/* A descriptor, ours from here on if it is one of those: 0, else -ENOENT; -EPROTO. */
int setup_take(struct setup *s, uint32_t kind, uint32_t index, int fd);
/*
 * Reads the text, without one all is as by default; servers of the command line take the place of
 * the group "default". 0 or -errno with a line in `errors`: main has read the same text and found
 * it good.
 */
int setup_read(struct setup *s, const struct role_config *config, struct conf_errors *errors);
/* The sockets of all listeners, which are the caller's from here on. Returns how many. */
size_t setup_take_listeners(struct setup *s, int ret_fds[2 * CONF_LISTENERS_MAX]);

#endif
