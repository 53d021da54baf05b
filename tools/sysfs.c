// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * /sys of the network namespace that the process is in (see sysfs.h). What is mounted below
 * /sys is taken by handles first, so that a failure up to the last step changes nothing; one
 * of them that cannot be put back is missing from the new /sys and nothing worse.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "tools/sysfs.h"

#define SYS "/sys"
#define BELOW_MAX 32
#define MOUNT_PATH_MAX 256

struct below {
	int fd; /* the mount and all below it, detached copy */
	char path[MOUNT_PATH_MAX];
};

/* Lies `path` in one of the trees taken already? */
static bool is_taken(const struct below *taken, unsigned int count, const char *path)
{
	for (unsigned int i = 0; i < count; i++) {
		size_t len = strlen(taken[i].path);

		if (!strncmp(path, taken[i].path, len) && (path[len] == '/' || !path[len]))
			return true;
	}
	return false;
}

/* Takes the mounts directly below /sys. mountinfo lists parents before children. */
static unsigned int take_below(struct below *taken)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	unsigned int count = 0;

	if (!f)
		return 0;
	while (count < BELOW_MAX && fgets(line, sizeof(line), f)) {
		struct below *b = &taken[count];

		if (sscanf(line, "%*d %*d %*s %*s %255s", b->path) != 1 ||
		    strncmp(b->path, SYS "/", strlen(SYS "/")) != 0 ||
		    is_taken(taken, count, b->path))
			continue;
		b->fd = open_tree(AT_FDCWD, b->path,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		count += b->fd >= 0;
	}
	fclose(f);
	return count;
}

static int new_sysfs(unsigned int attributes, int *ret_fd)
{
	int err = 0;
	int fs = fsopen("sysfs", FSOPEN_CLOEXEC);

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", "sysfs", 0) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ||
	    (*ret_fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes)) < 0)
		err = -errno;
	close(fs);
	return err;
}

int sysfs_renew(void)
{
	unsigned int attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	struct below below[BELOW_MAX];
	struct statvfs vfs;
	struct statfs fs;
	int fd = -1;
	int err;

	if (statfs(SYS, &fs) || fs.f_type != SYSFS_MAGIC || statvfs(SYS, &vfs))
		return 0;
	if (vfs.f_flag & ST_RDONLY)
		attributes |= MOUNT_ATTR_RDONLY;
	err = new_sysfs(attributes, &fd);
	if (err)
		return err;

	unsigned int count = take_below(below);

	if (move_mount(fd, "", AT_FDCWD, SYS, MOVE_MOUNT_F_EMPTY_PATH))
		err = -errno;
	close(fd);
	for (unsigned int i = 0; i < count; i++) {
		if (!err)
			move_mount(below[i].fd, "", AT_FDCWD, below[i].path,
				   MOVE_MOUNT_F_EMPTY_PATH);
		close(below[i].fd);
	}
	return err;
}
