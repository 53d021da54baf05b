// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Pins, so that bpftool and a later start find our maps:
 *
 *   /sys/fs/bpf/headrace/CONTRACT_VERSION/INSTANCE/MAP      0700, files 0600, root
 *
 * Where bpffs is not mounted it is mounted there, but only in a mount namespace of our own,
 * so nobody else sees it (and bpftool finds the maps by name). A directory on the way that
 * is not root's or that others may write is not used: a pin there could be anyone's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include <bpf/bpf.h>

#include "base/fd.h"
#include "datapath/claim.h"
#include "datapath/kernel_internal.h"

#define BPFFS "/sys/fs/bpf"
#define PIN_ROOT BPFFS "/headrace"
#define MKDIR_TRIES 4 /* another instance may remove an empty parent meanwhile */

static bool is_bpffs(void)
{
	struct statfs fs;

	return !statfs(BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC;
}

int pins_find(bool mounts_private, const char **ret_how)
{
	if (is_bpffs()) {
		*ret_how = "mounted";
		return 0;
	}
	*ret_how = "none";
	if (!mounts_private)
		return -ENOENT;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return -errno;
	*ret_how = "private mount";
	return 0;
}

static int check_directory(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 0022))
		return -EPERM;
	return 0;
}

static int make_directory(const char *path)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	return check_directory(path);
}

/* The directories above and, claimed, p->directory. */
static int make_directories(struct pins *p)
{
	int err = -ENOENT, tries = 0;

	while (err == -ENOENT && tries++ < MKDIR_TRIES) {
		char path[128];

		err = make_directory(PIN_ROOT);
		if (err)
			continue;
		snprintf(path, sizeof(path), PIN_ROOT "/%d", CONTRACT_VERSION);
		err = make_directory(path);
		if (err)
			continue;
		err = claim_make(p->directory, 0700, &p->claim);
	}
	return err;
}

/* Removes what is in the directory; one level. */
static void empty_directory(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		fd_close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static int pin_one(const char *directory, const char *name, int fd)
{
	char path[256];
	int err;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	err = bpf_obj_pin(fd, path);
	if (err)
		return err;
	return chmod(path, 0600) ? -errno : 0;
}

#define PIN_NAME(map) #map,
#define PIN_FD(map) maps->map,

int pins_make(struct pins *p, const char *instance, const struct kernel_maps *maps)
{
	static const char *const names[] = { KERNEL_MAPS(PIN_NAME) };
	const int fds[] = { KERNEL_MAPS(PIN_FD) };
	size_t i;
	int err;

	snprintf(p->directory, sizeof(p->directory), PIN_ROOT "/%d/%s", CONTRACT_VERSION, instance);
	err = make_directories(p);
	if (err) {
		p->directory[0] = '\0'; /* not ours to remove */
		return err;
	}
	empty_directory(p->claim); /* of a dead instance of this name */
	for (i = 0; i < sizeof(fds) / sizeof(fds[0]) && !err; i++)
		err = pin_one(p->directory, names[i], fds[i]);
	if (err)
		pins_remove(p);
	return err;
}

/* Directories above the instances go with the last of them; rmdir refuses before. */
static void remove_parents(void)
{
	struct dirent *entry;
	DIR *dir = opendir(PIN_ROOT);

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	closedir(dir);
	rmdir(PIN_ROOT);
}

void pins_remove(struct pins *p)
{
	if (!p->directory[0])
		return;
	empty_directory(p->claim);
	rmdir(p->directory);
	p->claim = fd_close(p->claim);
	remove_parents();
	p->directory[0] = '\0';
}

static void clean_version(int version_fd)
{
	struct dirent *entry;
	DIR *dir = fdopendir(version_fd);
	int fd;

	if (!dir) {
		fd_close(version_fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || claim_stale(dirfd(dir), entry->d_name, &fd))
			continue;
		empty_directory(fd);
		unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
		fd_close(fd);
	}
	closedir(dir);
}

void pins_clean_stale(void)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (!is_bpffs() || check_directory(PIN_ROOT))
		return;
	dir = opendir(PIN_ROOT);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			clean_version(fd);
	}
	closedir(dir);
	remove_parents();
}
