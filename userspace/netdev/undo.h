/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of the host that are taken back exactly. How each is undone is written to a file
 * before it is made, so that after a crash the next start, or `headrace down`, finds what is to
 * be done; a file whose writer lives is locked.
 *
 * A line is: NUMBER "request" HEX (a netlink message that undoes it), NUMBER "file" PATH OLD NEW
 * (what was written to PATH, and what was there), or NUMBER "done". A line without its end was
 * never acted upon. A file that has grown long is written anew, without what is done.
 */
#ifndef NETDEV_UNDO_H
#define NETDEV_UNDO_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "netdev/rtnl.h"

#define UNDO_MAX 512 /* changes at a time */
#define UNDO_VALUE_MAX 32 /* of a file, with its NUL */

struct undo_change;

struct undo {
	int fd; /* -1 = not open */
	char path[PATH_MAX];
	struct undo_change *change[UNDO_MAX]; /* in the order they were made; NULL = taken back */
	uint32_t changes;
	uint32_t number; /* of the latest */
	size_t bytes; /* of the file */
};

void undo_init(struct undo *u);
/*
 * Begins to keep record in DIR/NAME.NETNS.undo, of this network namespace; what an earlier one of
 * that name left is undone first. The directory is made if it is not there. 0; -EBUSY: its writer
 * lives; -errno.
 */
int undo_open(struct undo *u, const char *dir, const char *name);
/*
 * Makes a change that `head` asks for: RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE or RTM_DELRULE.
 * *ret_change: for undo_take_back() and may be NULL. 0, also if it is so already (and then it
 * will not be undone); -errno, and nothing has changed.
 */
int undo_request(struct undo *u, const struct nlmsghdr *head, struct undo_change **ret_change);
/* The same for what a file of /proc/sys says. */
int undo_write(struct undo *u, const char *path, const char *value,
	       struct undo_change **ret_change);
/* Undoes one change. Accepts NULL. */
void undo_take_back(struct undo *u, struct undo_change *change);
/* Makes again what somebody has taken away of routes and rules. How many were missing; -errno. */
int undo_repair(struct undo *u);
/* Undoes all in reverse order and removes the file. Harmless if it is not open. */
void undo_close(struct undo *u);

/* Undoes what dead writers of this network namespace have left in `dir`. How many there were. */
int undo_clean_stale(const char *dir);

#endif
