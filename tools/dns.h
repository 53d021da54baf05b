/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Verbs of `headrace dns` that have a file of their own. */
#ifndef TOOLS_DNS_H
#define TOOLS_DNS_H

#include "tools/command.h"

extern const struct command dns_log_command; /* dns_log.c */

#endif
