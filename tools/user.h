/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who COMMAND runs as: --user NAME, else the user who called sudo, else the caller. */
#ifndef TOOLS_USER_H
#define TOOLS_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define USER_GROUPS_MAX 1024
#define USER_ERROR_MAX 160

struct user {
	bool change; /* false: the caller as it is, nothing below but uid and gid counts */
	uid_t uid;
	gid_t gid;
	size_t groups_count;
	gid_t groups[USER_GROUPS_MAX];
	char *name; /* NULL: the uid has no entry in passwd; the environment is left alone */
	char *home;
	char *shell;
};

/*
 * Looks everything up now, while the host's name services are reachable. 0, or -ENOENT and
 * other -errno with one line in err. Freed by user_done().
 */
int user_choose(struct user *u, const char *name, char err[USER_ERROR_MAX]);
void user_done(struct user *u);

/*
 * In the child: HOME, USER, LOGNAME and SHELL, groups, ids; no capabilities unless root. Only
 * for root. 0 or -errno.
 */
int user_become(const struct user *u);

#endif
