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
#include "datapath/kernel_internal.h"

#define BPFFS "/sys/fs/bpf"
#define PIN_ROOT BPFFS "/headrace"
#define MKDIR_TRIES 4 /* another instance may remove an empty parent meanwhile */

static bool is_bpffs(void)
{
	struct statfs fs;

	return !statfs(BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* Is our mount namespace another one than that of process 1? */
static bool mounts_are_private(void)
{
	struct stat own, first;

	return !stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &first) &&
	       (own.st_ino != first.st_ino || own.st_dev != first.st_dev);
}

int pins_find(const char **ret_how)
{
	if (is_bpffs()) {
		*ret_how = "mounted";
		return 0;
	}
	*ret_how = "none";
	if (!mounts_are_private())
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

static int make_directories(const char *instance)
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
		snprintf(path, sizeof(path), PIN_ROOT "/%d/%s", CONTRACT_VERSION, instance);
		err = make_directory(path);
	}
	return err;
}

/* Removes what is in the directory open as dir_fd (closed); one level. */
static void empty_directory(int dir_fd)
{
	struct dirent *entry;
	DIR *dir = fdopendir(dir_fd);

	if (!dir) {
		fd_close(dir_fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

/* Removes an instance's directory below the open directory of its version. */
static void remove_instance(int version_fd, const char *instance)
{
	int fd = openat(version_fd, instance, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	empty_directory(fd);
	unlinkat(version_fd, instance, AT_REMOVEDIR);
}

static int open_version(void)
{
	char path[64];

	snprintf(path, sizeof(path), PIN_ROOT "/%d", CONTRACT_VERSION);
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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
	int version_fd, err;
	size_t i;

	version_fd = open_version();
	if (version_fd >= 0) /* of a dead instance of this name */
		remove_instance(version_fd, instance);
	fd_close(version_fd);
	err = make_directories(instance);
	if (err)
		return err;
	snprintf(p->directory, sizeof(p->directory), PIN_ROOT "/%d/%s", CONTRACT_VERSION, instance);
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
	int version_fd;

	if (!p->directory[0])
		return;
	version_fd = open_version();
	if (version_fd >= 0)
		remove_instance(version_fd, strrchr(p->directory, '/') + 1);
	fd_close(version_fd);
	remove_parents();
	p->directory[0] = '\0';
}

static void clean_version(int version_fd, bool (*alive)(const char *instance))
{
	struct dirent *entry;
	DIR *dir = fdopendir(version_fd);

	if (!dir) {
		fd_close(version_fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !alive(entry->d_name))
			remove_instance(dirfd(dir), entry->d_name);
	closedir(dir);
}

void pins_clean_stale(bool (*alive)(const char *instance))
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
			clean_version(fd, alive);
	}
	closedir(dir);
	remove_parents();
}
