// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The roles' own cgroup (v2), at the root of the tree that we see: what the protect hook is
 * attached to and what packets of our own are told by. Its id is its inode's number.
 *
 * The hook's link is held by this process alone, so it goes with it; the directory stays
 * behind after kill -9, empty and unlocked (claim.h), for cgroup_clean_stale().
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/fd.h"
#include "datapath/claim.h"
#include "datapath/kernel_internal.h"
#include "datapath/mountinfo.h"

#define CGROUP_PREFIX "headrace-"
#define REMOVE_TRIES 20 /* of REMOVE_WAIT_MS each, for the last process to leave */
#define REMOVE_WAIT_MS 50

void cgroup_init(struct cgroup *c)
{
	memset(c, 0, sizeof(*c));
	c->dir = -1;
	c->link = -1;
	c->home = -1;
}

static int find_root(char *ret_path, size_t size)
{
	return mountinfo_find("/proc/self/mountinfo", "cgroup2", ret_path, size);
}

static int open_directory(struct cgroup *c)
{
	struct stat st;
	int err;

	/* closed to others: whoever can open a directory can lock it */
	err = claim_make(c->path, 0700, &c->dir);
	if (err) {
		c->path[0] = '\0'; /* not ours to remove */
		return err;
	}
	if (fstat(c->dir, &st))
		return -errno;
	c->id = st.st_ino;
	return 0;
}

int cgroup_make(struct cgroup *c, const char *instance, int sock_protect_fd)
{
	char root[128];
	int err;

	err = find_root(root, sizeof(root));
	if (err)
		return err;
	if (snprintf(c->path, sizeof(c->path), "%s/" CGROUP_PREFIX "%s", root, instance) >=
	    (int)sizeof(c->path)) {
		c->path[0] = '\0';
		return -ENAMETOOLONG;
	}
	err = open_directory(c);
	if (err)
		goto err_remove;
	c->link = bpf_link_create(sock_protect_fd, c->dir, BPF_CGROUP_INET_SOCK_CREATE, NULL);
	if (c->link >= 0)
		return 0;
	err = c->link;
err_remove:
	cgroup_remove(c);
	return err;
}

int cgroup_adopt(const struct cgroup *c, int pid)
{
	int fd, err = 0;

	if (c->dir < 0)
		return -ENOENT;
	fd = openat(c->dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%d\n", pid) < 0)
		err = -errno;
	fd_close(fd);
	return err;
}

/* cgroup.procs of the cgroup that this process is in, or of the root. -1: none of them. */
static int open_home(void)
{
	char root[128], path[512], line[256] = "";
	FILE *f = fopen("/proc/self/cgroup", "re");
	int fd = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f) && strncmp(line, "0::", 3) != 0)
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	if (find_root(root, sizeof(root)))
		return -1;
	if (line[0] && snprintf(path, sizeof(path), "%s%s/cgroup.procs", root, line + 3) > 0)
		fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && snprintf(path, sizeof(path), "%s/cgroup.procs", root) > 0)
		fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd;
}

int cgroup_enter(struct cgroup *c)
{
	int err;

	if (c->dir < 0 || c->home >= 0)
		return 0;
	c->home = open_home();
	if (c->home < 0)
		return -errno;
	err = cgroup_adopt(c, getpid());
	if (err)
		c->home = fd_close(c->home);
	return err;
}

int cgroup_leave(struct cgroup *c)
{
	int err = 0;

	if (c->home < 0)
		return 0;
	if (dprintf(c->home, "%d\n", getpid()) < 0)
		err = -errno;
	c->home = fd_close(c->home);
	return err;
}

/* cgroup.events becomes readable with POLLPRI when the last process is gone. */
static void wait_for_change(int events_fd)
{
	struct pollfd p = { .fd = events_fd, .events = POLLPRI };
	char buf[64];

	(void)!pread(events_fd, buf, sizeof(buf), 0);
	(void)poll(&p, 1, REMOVE_WAIT_MS);
}

/* Its last processes may be about to end. */
static void remove_empty(int parent_fd, const char *path, int dir)
{
	int tries = 0,
	    events_fd = dir < 0 ? -1 : openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);

	while (unlinkat(parent_fd, path, AT_REMOVEDIR) && errno == EBUSY && ++tries < REMOVE_TRIES)
		wait_for_change(events_fd);
	fd_close(events_fd);
}

void cgroup_remove(struct cgroup *c)
{
	c->link = fd_close(c->link);
	if (c->path[0])
		remove_empty(AT_FDCWD, c->path, c->dir);
	c->dir = fd_close(c->dir);
	c->path[0] = '\0';
	c->id = 0;
}

void cgroup_clean_stale(void)
{
	char root[128];
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (find_root(root, sizeof(root)))
		return;
	dir = opendir(root);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) != 0 ||
		    claim_stale(dirfd(dir), entry->d_name, &fd))
			continue;
		remove_empty(dirfd(dir), entry->d_name, fd);
		fd_close(fd);
	}
	closedir(dir);
}
