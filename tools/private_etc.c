// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Private versions of files in /etc (see private_etc.h).
 *
 * The files are made in a tmpfs mounted over /etc for a moment; open_tree() takes a handle
 * of each, the tmpfs is detached again, and move_mount() puts the handles over the names in
 * the real /etc. The name itself is what is covered, not what it points to: move_mount()
 * does not follow a symbolic link at the end, so a link into a hidden or missing directory
 * (systemd-resolved's) works like a plain file.
 *
 * A name that does not exist cannot be covered, and making it would change the host. Then
 * (and on a kernel that refuses to cover a link) /etc is rebuilt: a tmpfs with our files, the
 * host's symbolic links copied and everything else bound into it. There, files made directly
 * in /etc by COMMAND are gone with it; those in its directories are the host's as always.
 *
 * Limit: when the host replaces a covered file by rename(), the kernel drops the cover.
 * Look-ups go on working where the host's nameserver is not a loopback address, because port
 * 53 of every address leads to the resolver.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/private_etc.h"

#define ETC "/etc"
#define TMPFS_OPTIONS "mode=0755,size=4m"

static int write_file(const struct private_file *file)
{
	char path[300];
	size_t len = strlen(file->text);
	int err = 0;
	int fd;

	snprintf(path, sizeof(path), ETC "/%s", file->name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0644)) /* whatever the umask says: every user must read it */
		err = -errno;
	else if (write(fd, file->text, len) != (ssize_t)len)
		err = -EIO;
	close(fd);
	return err;
}

static int write_files(const struct private_file *files, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		int err = write_file(&files[i]);

		if (err)
			return err;
	}
	return 0;
}

static int cover_tmpfs(void)
{
	return mount("headrace", ETC, "tmpfs", MS_NOSUID | MS_NODEV, TMPFS_OPTIONS) ? -errno : 0;
}

static void close_all(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
}

/* Detached mounts of the files, made in a tmpfs that is gone again afterwards. */
static int make_handles(const struct private_file *files, unsigned int count, int *ret_fds)
{
	unsigned int made = 0;
	int err = cover_tmpfs();

	if (err)
		return err;
	err = write_files(files, count);
	while (!err && made < count) {
		char path[300];

		snprintf(path, sizeof(path), ETC "/%s", files[made].name);
		ret_fds[made] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (ret_fds[made] < 0)
			err = -errno;
		else
			made++;
	}
	if (umount2(ETC, MNT_DETACH) && !err)
		err = -errno;
	if (err)
		close_all(ret_fds, made);
	return err;
}

static int cover_names(const struct private_file *files, unsigned int count)
{
	int fds[PRIVATE_FILES_MAX];
	int err = make_handles(files, count, fds);

	if (err)
		return err;
	for (unsigned int i = 0; i < count && !err; i++) {
		char path[300];

		snprintf(path, sizeof(path), ETC "/%s", files[i].name);
		if (move_mount(fds[i], "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH))
			err = -errno;
	}
	close_all(fds, count);
	return err;
}

static bool is_private(const struct private_file *files, unsigned int count, const char *name)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!strcmp(files[i].name, name))
			return true;
	}
	return false;
}

static int copy_link(int old, const char *name, int new)
{
	char target[4096];
	ssize_t n = readlinkat(old, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, new, name) ? -errno : 0;
}

/* Binds `name` of the directory `old`, with all that is mounted below it, into `new`. */
static int bind_entry(int old, const char *name, bool directory, int new)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
	int err = 0;
	int place = -1;
	int tree;

	if (directory)
		err = mkdirat(new, name, 0755) ? -errno : 0;
	else if ((place = openat(new, name, O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		err = -errno;
	if (place >= 0)
		close(place);
	if (err)
		return err;
	tree = open_tree(old, name, flags | (directory ? AT_RECURSIVE : 0));
	if (tree < 0)
		return -errno;
	if (move_mount(tree, "", new, name, MOVE_MOUNT_F_EMPTY_PATH))
		err = -errno;
	close(tree);
	return err;
}

static int carry_entry(int old, const char *name, int new)
{
	struct stat st;

	if (fstatat(old, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno; /* removed meanwhile */
	if (S_ISLNK(st.st_mode))
		return copy_link(old, name, new);
	return bind_entry(old, name, S_ISDIR(st.st_mode), new);
}

static int carry_entries(DIR *dir, int new, const struct private_file *files, unsigned int count)
{
	struct dirent *entry;
	int err = 0;

	while (!err && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    !is_private(files, count, name))
			err = carry_entry(dirfd(dir), name, new);
	}
	return err;
}

/* /etc as a tmpfs: ours, and everything of the host's bound into it. */
static int rebuild(const struct private_file *files, unsigned int count)
{
	DIR *dir = opendir(ETC);
	int err;
	int new;

	if (!dir)
		return -errno;
	err = cover_tmpfs();
	if (err)
		goto out;
	new = open(ETC, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (new < 0) {
		err = -errno;
		goto err_tmpfs;
	}
	err = write_files(files, count);
	if (!err)
		err = carry_entries(dir, new, files, count);
	close(new);
err_tmpfs:
	if (err)
		umount2(ETC, MNT_DETACH);
out:
	closedir(dir);
	return err;
}

/* Can every name be covered, that is, is it there (if only as a dangling link)? */
static bool all_present(const struct private_file *files, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		char path[300];
		struct stat st;

		snprintf(path, sizeof(path), ETC "/%s", files[i].name);
		if (lstat(path, &st))
			return false;
	}
	return true;
}

int private_etc_install(const struct private_file *files, unsigned int count)
{
	if (count > PRIVATE_FILES_MAX)
		return -E2BIG;
	/* a cover that was put before another failed lies below the rebuilt /etc, unseen */
	if (all_present(files, count) && !cover_names(files, count))
		return 0;
	return rebuild(files, count);
}
