// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Directories with an owner that lives or not (see claim.h). Between making a directory and
 * locking it, a cleaner may have removed it: what was locked is compared with what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "datapath/claim.h"

#define CLAIM_TRIES 8
#define CLEANER_MS 10
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int lock(int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static bool is_still_there(const char *path, int fd)
{
	struct stat mine, there;

	return !fstat(fd, &mine) && !lstat(path, &there) && mine.st_ino == there.st_ino &&
	       mine.st_dev == there.st_dev;
}

/* -ESTALE: it was removed under us. */
static int claim_once(const char *path, mode_t mode, int *ret_fd)
{
	struct stat st;
	int fd, err;

	if (mkdir(path, mode) && errno != EEXIST)
		return -errno;
	fd = open(path, OPEN_FLAGS);
	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	err = lock(fd);
	if (!err && !is_still_there(path, fd))
		err = -ESTALE;
	if (!err && (fstat(fd, &st) || st.st_uid))
		err = -EPERM;
	if (err)
		fd_close(fd);
	else
		*ret_fd = fd;
	return err;
}

int claim_make(const char *path, mode_t mode, int *ret_fd)
{
	int err = -ESTALE;

	for (int i = 0; i < CLAIM_TRIES && (err == -ESTALE || err == -EBUSY); i++) {
		if (err == -EBUSY)
			poll(NULL, 0, CLEANER_MS); /* it may be a cleaner that is just looking */
		err = claim_once(path, mode, ret_fd);
	}
	return err;
}

int claim_left(int parent_fd, const char *name, int *ret_fd)
{
	int err = -EBUSY;

	for (int i = 0; i < CLAIM_TRIES && err == -EBUSY; i++) {
		if (i)
			poll(NULL, 0, CLEANER_MS);
		err = claim_stale(parent_fd, name, ret_fd);
	}
	return err;
}

int claim_stale(int parent_fd, const char *name, int *ret_fd)
{
	int fd = openat(parent_fd, name, OPEN_FLAGS), err;

	if (fd < 0)
		return -errno;
	err = lock(fd);
	if (err)
		fd_close(fd);
	else
		*ret_fd = fd;
	return err;
}
