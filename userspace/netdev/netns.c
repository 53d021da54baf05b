// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Network namespaces by descriptor. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/limits.h"
#include "netdev/netns.h"

static int netns_current(int *ret_fd)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int netns_cookie(uint64_t *ret_cookie)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret_cookie);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &len) < 0)
		r = -errno;
	fd_close(fd);
	return r;
}

int netns_enter(int ns_fd, int *ret_home)
{
	int home = -1;
	int r = netns_current(&home);

	if (r < 0)
		return r;
	if (setns(ns_fd, CLONE_NEWNET) < 0) {
		r = -errno;
		fd_close(home);
		return r;
	}
	*ret_home = home;
	return 0;
}

int netns_leave(int home)
{
	int r = setns(home, CLONE_NEWNET) < 0 ? -errno : 0;

	fd_close(home);
	return r;
}

int netns_new(int *ret_fd, char err[ERROR_TEXT_MAX])
{
	int home = -1, fd = -1;
	int r = netns_current(&home);
	int back;

	if (r < 0)
		return error_at(err, r, "cannot open this process's network namespace");
	if (unshare(CLONE_NEWNET) < 0) {
		r = -errno;
		fd_close(home);
		return error_at(err, r, "cannot make a network namespace");
	}
	r = netns_current(&fd);
	back = netns_leave(home);
	if (back < 0) {
		if (r == 0)
			fd_close(fd);
		return error_at(err, back, "cannot return to the network namespace of the host");
	}
	if (r < 0)
		return error_at(err, r, "cannot open the new network namespace");
	*ret_fd = fd;
	return 0;
}

/* --- all there are ------------------------------------------------------------------------ */

#define NAMED "/run/netns" /* where `ip netns` binds those that have a name */

struct tour {
	void (*fn)(void *arg);
	void *arg;
	ino_t seen[NETNS_MAX];
	size_t num;
};

static bool seen_before(struct tour *t, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return true;
	for (size_t i = 0; i < t->num; i++)
		if (t->seen[i] == st.st_ino)
			return true;
	if (t->num == NETNS_MAX)
		return true;
	t->seen[t->num++] = st.st_ino;
	return false;
}

static void visit(struct tour *t, int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC), home;

	if (fd < 0)
		return;
	if (!seen_before(t, fd) && !netns_enter(fd, &home)) {
		t->fn(t->arg);
		if (netns_leave(home))
			abort(); /* to go on in the wrong namespace would be worse */
	}
	fd_close(fd);
}

/* Those of the directory's entries, or of what lies at `below` in each of them. */
static void visit_all(struct tour *t, const char *directory, const char *below)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[NAME_MAX + 16];

		if (below ? !isdigit((unsigned char)entry->d_name[0]) : entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s%s", entry->d_name, below ? below : "");
		visit(t, dirfd(dir), path);
	}
	if (dir)
		closedir(dir);
}

int netns_each_other(void (*fn)(void *arg), void *arg)
{
	struct tour *t = calloc(1, sizeof(*t));
	int here = -1, r = t ? netns_current(&here) : -ENOMEM;

	if (!r) {
		t->fn = fn;
		t->arg = arg;
		seen_before(t, here);
		visit_all(t, "/proc", "/ns/net");
		visit_all(t, NAMED, NULL);
	}
	fd_close(here);
	free(t);
	return r;
}
