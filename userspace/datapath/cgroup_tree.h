/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All cgroups (v2) that are seen here, with their paths, and word of those that come and go
 * (inotify). Where there are more than may be watched, the rest is found when asked for.
 */
#ifndef DATAPATH_CGROUP_TREE_H
#define DATAPATH_CGROUP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_TREE_MAX 16384 /* cgroups */
#define CGROUP_TREE_DEPTH_MAX 64

struct cgroup_tree;

/* `path` is seen from the mount: "/" or "/a/b". gone: its directory was removed. */
typedef void (*cgroup_tree_cb)(void *arg, uint64_t id, const char *path, bool gone);

/*
 * `root`: NULL = where cgroup2 is mounted. `fn` is called for each that is there, now, and then
 * from cgroup_tree_read(). 0 or -errno; -ENOENT: no cgroup2.
 */
int cgroup_tree_open(const char *root, cgroup_tree_cb fn, void *arg, struct cgroup_tree **ret_tree);
/* Accepts NULL. */
void cgroup_tree_close(struct cgroup_tree *t);
/* Readable when something has changed. */
int cgroup_tree_fd(const struct cgroup_tree *t);
void cgroup_tree_read(struct cgroup_tree *t);
/* fn for each that is there. */
void cgroup_tree_each(const struct cgroup_tree *t, cgroup_tree_cb fn, void *arg);
size_t cgroup_tree_num(const struct cgroup_tree *t);

#endif
