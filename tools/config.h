/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A configuration file as commands look at it before they begin. */
#ifndef TOOLS_CONFIG_H
#define TOOLS_CONFIG_H

struct conf;

/*
 * Reads it and writes errors and warnings on stderr, among them what it names and cannot be
 * read. NULL: it is no good. The caller gives the result to conf_free().
 */
struct conf *config_check(const char *file);

#endif
