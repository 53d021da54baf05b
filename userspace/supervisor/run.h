/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two ways to be main: for `headrace run`, and in the foreground for a TUN handed in. */
#ifndef SUPERVISOR_RUN_H
#define SUPERVISOR_RUN_H

#include "supervisor/config.h"
#include "supervisor/options.h"

/* Serves the inherited pair until its other end hangs up. Exit status. */
int run_inherited(int fd);
/*
 * Serves opt->tun_fd until SIGTERM, SIGINT or "stop", by `config` (read, or still empty), which
 * is taken over. Exit status.
 */
int run_foreground(const struct instance_options *opt, struct config *config);

#endif
