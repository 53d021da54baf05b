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
#include "netdev/netns.h"

#define BPFFS "/sys/fs/bpf"
#define PIN_ROOT BPFFS "/headrace"
#define OLD_SUFFIX "~" /* of a directory that was set aside; no instance's name has it */
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

/* --- what a killed main of this name has left ---------------------------------------------- */

/* What the pins in a directory say of their instance. */
struct left {
	__u32 settings; /* id of its map, 0 = it is not there */
	bool closed; /* when-down */
};

static void look_at_left(int dir_fd, struct left *ret_left)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), zero = 0;
	struct settings s;
	char path[PIN_PATH_MAX];
	int fd;

	*ret_left = (struct left){ 0 };
	snprintf(path, sizeof(path), "/proc/self/fd/%d/settings", dir_fd);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.value_size == sizeof(s)) {
		ret_left->settings = info.id;
		ret_left->closed = !bpf_map_lookup_elem(fd, &zero, &s) && s.closed;
	}
	fd_close(fd);
}

static void clean_there(void *arg)
{
	attachment_clean_stale(*(__u32 *)arg);
}

/* Is the map still somebody's? What has just been detached lets go of it a little later. */
static bool map_is_used(__u32 id)
{
	int fd = bpf_map_get_fd_by_id(id);

	fd_close(fd);
	return fd >= 0;
}

/* Filters may be in other namespaces, too, if it was another instance's or is another `down`. */
static void clean_left(int dir_fd, const struct left *left)
{
	__u32 settings = left->settings;

	if (settings)
		attachment_clean_stale(settings);
	empty_directory(dir_fd);
	if (settings && map_is_used(settings))
		netns_each_other(clean_there, &settings);
}

void pins_init(struct pins *p)
{
	*p = (struct pins){ .claim = -1, .old_claim = -1 };
}

void pins_clean_old(struct pins *p)
{
	struct left left;

	if (!p->old[0])
		return;
	look_at_left(p->old_claim, &left);
	clean_left(p->old_claim, &left);
	rmdir(p->old);
	p->old_claim = fd_close(p->old_claim);
	p->old[0] = '\0';
}

static int claim_path(const char *path, int *ret_fd)
{
	return claim_left(AT_FDCWD, path, ret_fd);
}

/* One that was set aside by a start which was killed in turn is older still: it goes. */
static void set_aside(struct pins *p, const char *instance)
{
	char path[sizeof(p->old)];
	int fd;

	snprintf(path, sizeof(path), PIN_ROOT "/%d/%s", CONTRACT_VERSION, instance);
	snprintf(p->old, sizeof(p->old), PIN_ROOT "/%d/%s" OLD_SUFFIX, CONTRACT_VERSION, instance);
	if (claim_path(p->old, &p->old_claim))
		p->old_claim = -1;
	if (!claim_path(path, &fd)) {
		if (p->old_claim >= 0) {
			char old[sizeof(p->old)];

			memcpy(old, p->old, sizeof(old));
			pins_clean_old(p);
			memcpy(p->old, old, sizeof(old));
		}
		p->old_claim = rename(path, p->old) ? fd_close(fd) : fd;
	}
	if (p->old_claim < 0)
		p->old[0] = '\0';
}

static void put_back(struct pins *p)
{
	char path[sizeof(p->old)];

	if (!p->old[0])
		return;
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(p->old, OLD_SUFFIX), p->old);
	(void)!rename(p->old, path);
	p->old_claim = fd_close(p->old_claim);
	p->old[0] = '\0';
}

#define PIN_NAME(map) #map,
#define PIN_FD(map) maps->map,

int pins_make(struct pins *p, const char *instance, const struct kernel_maps *maps)
{
	static const char *const names[] = { KERNEL_MAPS(PIN_NAME) };
	const int fds[] = { KERNEL_MAPS(PIN_FD) };
	size_t i;
	int err;

	set_aside(p, instance);
	snprintf(p->directory, sizeof(p->directory), PIN_ROOT "/%d/%s", CONTRACT_VERSION, instance);
	err = make_directories(p);
	if (err) {
		p->directory[0] = '\0'; /* not ours to remove */
		put_back(p);
		return err;
	}
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
	if (!p->directory[0] && !p->old[0])
		return;
	if (p->directory[0]) {
		empty_directory(p->claim);
		rmdir(p->directory);
		p->claim = fd_close(p->claim);
	}
	p->directory[0] = '\0';
	put_back(p);
	remove_parents();
}

/* --- links -------------------------------------------------------------------------------- */

int pins_add(const struct pins *p, const char *name, int fd, char ret_path[PIN_PATH_MAX])
{
	int err = p->directory[0] ? pin_one(p->directory, name, fd) : -ENOENT;

	if (!err)
		snprintf(ret_path, PIN_PATH_MAX, "%s/%s", p->directory, name);
	return err;
}

void pins_drop(char path[PIN_PATH_MAX])
{
	if (path[0])
		unlink(path);
	path[0] = '\0';
}

/* --- what killed instances have left ------------------------------------------------------- */

/* False: of `starting`, or of no concern. */
static bool is_concerned(const char *name, const char *starting, const char *only)
{
	size_t len = strcspn(name, OLD_SUFFIX);

	if (name[0] == '.')
		return false;
	if (only)
		return len == strlen(only) && !strncmp(name, only, len);
	return !starting || len != strlen(starting) || strncmp(name, starting, len) != 0;
}

/* Of `only`, whatever it is; else of all but `starting`, and what has to stay in force. */
static void clean_version(int version_fd, const char *starting, const char *only)
{
	struct dirent *entry;
	DIR *dir = fdopendir(version_fd);
	struct left left;
	int fd = -1;

	if (!dir) {
		fd_close(version_fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (!is_concerned(entry->d_name, starting, only) ||
		    (only ? claim_left : claim_stale)(dirfd(dir), entry->d_name, &fd))
			continue;
		look_at_left(fd, &left);
		if (only || !left.closed) {
			clean_left(fd, &left);
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
		}
		fd_close(fd);
	}
	closedir(dir);
}

static void clean_all(const char *starting, const char *only)
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
			clean_version(fd, starting, only);
	}
	closedir(dir);
	remove_parents();
}

void pins_clean_stale(const char *starting)
{
	clean_all(starting, NULL);
}

void pins_clean_instance(const char *instance)
{
	clean_all(NULL, instance);
}
