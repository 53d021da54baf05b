/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A configuration file as commands look at it before they begin. */
#ifndef TOOLS_CONFIG_H
#define TOOLS_CONFIG_H

struct conf;

/*
 * Reads it and writes errors and warnings on stderr, among them files of authorities that cannot
 * be read. NULL: it is no good. The caller gives the result to conf_free().
 */
struct conf *config_check(const char *file);
/* Warns of lists that cannot be read here; a daemon that is started says so itself. */
void config_check_lists(const char *file, const struct conf *conf);

#endif
