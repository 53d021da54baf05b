// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who COMMAND runs as (see user.h). Look-ups (passwd, groups) happen in the parent, in the
 * host's network and mount namespaces, since they may go to a directory server; the child
 * only makes system calls.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "tools/user.h"

/* An id in decimal from the environment. False if unset or not one. */
static bool id_from_environment(const char *name, id_t *ret_id)
{
	const char *text = getenv(name);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;

	unsigned long n = strtoul(text, &end, 10);

	if (errno || *end || n >= UINT_MAX)
		return false;
	*ret_id = (id_t)n;
	return true;
}

static int user_copy(struct user *u, const struct passwd *pw)
{
	u->name = strdup(pw->pw_name);
	u->home = strdup(pw->pw_dir);
	u->shell = strdup(*pw->pw_shell ? pw->pw_shell : "/bin/sh");
	return u->name && u->home && u->shell ? 0 : -ENOMEM;
}

static int user_groups(struct user *u)
{
	int count = USER_GROUPS_MAX;

	if (!u->name) {
		u->groups[0] = u->gid;
		u->groups_count = 1;
		return 0;
	}
	if (getgrouplist(u->name, u->gid, u->groups, &count) < 0)
		return -E2BIG;
	u->groups_count = (size_t)count;
	return 0;
}

static int user_by_name(struct user *u, const char *name, char err[USER_ERROR_MAX])
{
	errno = 0;

	const struct passwd *pw = getpwnam(name);

	if (!pw) {
		snprintf(err, USER_ERROR_MAX, "--user '%.64s': no such user", name);
		return -ENOENT;
	}
	u->change = true;
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return user_copy(u, pw);
}

/* The user who called sudo; stays without a name if passwd does not know the uid. */
static int user_by_sudo(struct user *u)
{
	id_t uid;
	id_t gid;

	if (geteuid() || !id_from_environment("SUDO_UID", &uid) ||
	    !id_from_environment("SUDO_GID", &gid))
		return 0;
	u->change = true;
	u->uid = uid;
	u->gid = gid;

	const struct passwd *pw = getpwuid(uid);

	return pw ? user_copy(u, pw) : 0;
}

int user_choose(struct user *u, const char *name, char err[USER_ERROR_MAX])
{
	int ret;

	memset(u, 0, sizeof(*u));
	u->uid = geteuid();
	u->gid = getegid();
	ret = name ? user_by_name(u, name, err) : user_by_sudo(u);
	if (!ret && u->change)
		ret = user_groups(u);
	if (ret && ret != -ENOENT)
		snprintf(err, USER_ERROR_MAX, "cannot look up the user to run as: %s",
			 strerror(-ret));
	return ret;
}

void user_done(struct user *u)
{
	free(u->name);
	free(u->home);
	free(u->shell);
	memset(u, 0, sizeof(*u));
}

static int user_environment(const struct user *u)
{
	if (!u->name)
		return 0;
	if (setenv("HOME", u->home, 1) || setenv("USER", u->name, 1) ||
	    setenv("LOGNAME", u->name, 1) || setenv("SHELL", u->shell, 1))
		return -ENOMEM;
	return 0;
}

/*
 * Leaving uid 0 empties the permitted set, but not the inheritable one, and neither if the
 * securebits say so: all three are emptied, and the ambient set. The bounding set stays, so
 * that sudo works inside.
 */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof(data));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int user_become(const struct user *u)
{
	int err;

	if (!u->change)
		return 0;
	err = user_environment(u);
	if (err)
		return err;
	if (setgroups(u->groups_count, u->groups) || setresgid(u->gid, u->gid, u->gid) ||
	    setresuid(u->uid, u->uid, u->uid))
		return -errno;
	return u->uid ? drop_capabilities() : 0;
}
