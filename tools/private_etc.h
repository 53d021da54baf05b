/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Private versions of files in /etc for the processes of this mount namespace, which must
 * not propagate its mounts (slave). The host's files are never opened for writing, renamed
 * or removed.
 */
#ifndef TOOLS_PRIVATE_ETC_H
#define TOOLS_PRIVATE_ETC_H

struct private_file {
	const char *name; /* in /etc, without a slash */
	const char *text;
};

#define PRIVATE_FILES_MAX 4

/* Puts each file in place of the host's. 0 or -errno. */
int private_etc_install(const struct private_file *files, unsigned int count);

#endif
