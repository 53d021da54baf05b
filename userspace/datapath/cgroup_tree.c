// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tree of cgroups. Each directory is watched first and then looked into: what is made there
 * meanwhile is found by the look, or told, or both. The id of a cgroup is its inode's number.
 * Removals are told by the directory above (a removed one has no say here).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "datapath/cgroup_tree.h"
#include "datapath/mountinfo.h"

#define BUCKETS 4096 /* a power of two */
#define MASK (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)

struct node {
	struct list by_watch;
	struct list by_path;
	int watch; /* -1 = not watched: no more may be */
	uint64_t id;
	char path[]; /* below the root */
};

struct cgroup_tree {
	cgroup_tree_cb fn;
	void *arg;
	int fd;
	size_t num;
	struct list by_watch[BUCKETS];
	struct list by_path[BUCKETS];
	char root[PATH_MAX];
};

static struct list *watch_bucket(struct cgroup_tree *t, int watch)
{
	return &t->by_watch[(unsigned int)watch % BUCKETS];
}

static struct list *path_bucket(struct cgroup_tree *t, const char *path)
{
	uint32_t hash = 2166136261U;

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * 16777619U;
	return &t->by_path[(hash ^ hash >> 15) % BUCKETS];
}

static struct node *find_watch(struct cgroup_tree *t, int watch)
{
	list_for_each_safe(l, next, watch_bucket(t, watch)) {
		struct node *n = container_of(l, struct node, by_watch);

		if (n->watch == watch)
			return n;
	}
	return NULL;
}

static struct node *find_path(struct cgroup_tree *t, const char *path)
{
	list_for_each_safe(l, next, path_bucket(t, path)) {
		struct node *n = container_of(l, struct node, by_path);

		if (!strcmp(n->path, path))
			return n;
	}
	return NULL;
}

static void node_free(struct cgroup_tree *t, struct node *n)
{
	list_remove(&n->by_path);
	list_remove(&n->by_watch);
	if (n->watch >= 0)
		inotify_rm_watch(t->fd, n->watch);
	t->num--;
	free(n);
}

/* The directory of a path; false: it is too long. */
static bool full_path(const struct cgroup_tree *t, const char *path, char ret_full[PATH_MAX])
{
	return snprintf(ret_full, PATH_MAX, "%s%s", t->root, path) < PATH_MAX;
}

static bool child_path(const char *path, const char *name, char ret_path[PATH_MAX])
{
	const char *above = path[1] ? path : "";

	return snprintf(ret_path, PATH_MAX, "%s/%s", above, name) < PATH_MAX;
}

/* Enters a directory, unless it is known. NULL: it is gone, or one too many. */
static struct node *enter(struct cgroup_tree *t, const char *path)
{
	char full[PATH_MAX];
	struct stat st;
	struct node *n;

	if (find_path(t, path) || t->num >= CGROUP_TREE_MAX || !full_path(t, path, full))
		return NULL;
	n = calloc(1, sizeof(*n) + strlen(path) + 1);
	if (!n)
		return NULL;
	n->watch = inotify_add_watch(t->fd, full, MASK);
	if (stat(full, &st)) {
		if (n->watch >= 0)
			inotify_rm_watch(t->fd, n->watch);
		free(n);
		return NULL;
	}
	n->id = st.st_ino;
	memcpy(n->path, path, strlen(path) + 1);
	list_append(path_bucket(t, path), &n->by_path);
	if (n->watch >= 0)
		list_append(watch_bucket(t, n->watch), &n->by_watch);
	else
		list_init(&n->by_watch);
	t->num++;
	t->fn(t->arg, n->id, n->path, false);
	return n;
}

static void enter_all(struct cgroup_tree *t, const char *path, unsigned int depth)
{
	char full[PATH_MAX], child[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	if (depth > CGROUP_TREE_DEPTH_MAX || !full_path(t, path, full))
		return;
	enter(t, path);
	dir = opendir(full);
	while (dir && (e = readdir(dir)))
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 && child_path(path, e->d_name, child))
			enter_all(t, child, depth + 1);
	if (dir)
		closedir(dir);
}

static void leave(struct cgroup_tree *t, const char *path)
{
	struct node *n = find_path(t, path);

	if (!n)
		return;
	t->fn(t->arg, n->id, n->path, true);
	node_free(t, n);
}

/* Everything that is known and no more there, then everything that is there. */
static void look_anew(struct cgroup_tree *t)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		list_for_each_safe(l, next, &t->by_path[i]) {
			struct node *n = container_of(l, struct node, by_path);
			char full[PATH_MAX];
			struct stat st;

			if (full_path(t, n->path, full) && !stat(full, &st) && st.st_ino == n->id)
				continue;
			t->fn(t->arg, n->id, n->path, true);
			node_free(t, n);
		}
	enter_all(t, "/", 0);
}

static void take(struct cgroup_tree *t, const struct inotify_event *e)
{
	const struct node *above = find_watch(t, e->wd);
	char path[PATH_MAX];

	if (e->mask & IN_Q_OVERFLOW) {
		look_anew(t);
		return;
	}
	if (!above || !(e->mask & IN_ISDIR) || !e->len || !child_path(above->path, e->name, path))
		return;
	if (e->mask & (IN_DELETE | IN_MOVED_FROM))
		leave(t, path);
	else
		enter_all(t, path, 0);
}

void cgroup_tree_read(struct cgroup_tree *t)
{
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len;

	while ((len = read(t->fd, buf, sizeof(buf))) > 0)
		for (char *at = buf; at < buf + len;) {
			const struct inotify_event *e = (const struct inotify_event *)at;

			take(t, e);
			at += sizeof(*e) + e->len;
		}
}

int cgroup_tree_open(const char *root, cgroup_tree_cb fn, void *arg, struct cgroup_tree **ret_tree)
{
	struct cgroup_tree *t = calloc(1, sizeof(*t));
	int err = 0;

	if (!t)
		return -ENOMEM;
	t->fn = fn;
	t->arg = arg;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		list_init(&t->by_watch[i]);
		list_init(&t->by_path[i]);
	}
	if (!root)
		err = mountinfo_find("/proc/self/mountinfo", "cgroup2", t->root, sizeof(t->root));
	else if (snprintf(t->root, sizeof(t->root), "%s", root) >= (int)sizeof(t->root))
		err = -ENAMETOOLONG;
	t->fd = err ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (!err && t->fd < 0)
		err = -errno;
	if (err) {
		free(t);
		return err;
	}
	enter_all(t, "/", 0);
	*ret_tree = t;
	return 0;
}

void cgroup_tree_close(struct cgroup_tree *t)
{
	if (!t)
		return;
	for (unsigned int i = 0; i < BUCKETS; i++)
		list_for_each_safe(l, next, &t->by_path[i])
			free(container_of(l, struct node, by_path));
	fd_close(t->fd);
	free(t);
}

int cgroup_tree_fd(const struct cgroup_tree *t)
{
	return t->fd;
}

void cgroup_tree_each(const struct cgroup_tree *t, cgroup_tree_cb fn, void *arg)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		list_for_each_safe(l, next, &t->by_path[i]) {
			const struct node *n = container_of(l, struct node, by_path);

			fn(arg, n->id, n->path, false);
		}
}

size_t cgroup_tree_num(const struct cgroup_tree *t)
{
	return t->num;
}
