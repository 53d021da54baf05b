// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Dropping privilege in a role.
 *
 * The order matters: the descriptor limit and the bounding set need root; a change of user
 * clears PDEATHSIG and the dumpable flag, so both come after it; the system call filter is
 * last, because everything before it is not on its list. A parent that died before PDEATHSIG
 * was set shows as a hung-up socket.
 *
 * Under AddressSanitizer the process stays dumpable and without a filter: its leak check
 * attaches to itself with ptrace.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cap-ng.h>

#include "base/budget.h"
#include "base/role.h"
#include "supervisor/privilege.h"
#include "supervisor/sandbox.h"

const char *const privilege_protect_names[PROTECT_NUM] = {
	[PROTECT_CGROUP] = "cgroup",
	[PROTECT_SO_MARK] = "so-mark",
	[PROTECT_DEVICE] = "device",
};

static const struct passwd *role_user(void)
{
	const struct passwd *pw = getpwnam(PRIVILEGE_USER);

	return pw ? pw : getpwnam(PRIVILEGE_FALLBACK_USER);
}

static int change_user(enum protect_mode protect)
{
	const struct passwd *pw = role_user();
	uid_t uid;
	gid_t gid;

	if (!pw)
		return -ENOENT;
	uid = pw->pw_uid;
	gid = pw->pw_gid;
	if (!uid || !gid)
		return -EPERM; /* a user that is root would make all of this a farce */
	if (setgroups(0, NULL))
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	if (protect == PROTECT_SO_MARK &&
	    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN))
		return -EPERM;
	if (capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING))
		return -EPERM;
	if (getuid() != uid || geteuid() != uid || getgid() != gid || !setuid(0))
		return -EPERM;
	return 0;
}

/* Main is nobody in particular: there is no other user to become, and nothing to give up. */
static int keep_user(void)
{
	if (!getuid() || !geteuid() || !setuid(0))
		return -EPERM;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

static int die_with_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -errno;
	return role_is_orphan() ? -EPIPE : 0;
}

static int hide(void)
{
#ifdef __SANITIZE_ADDRESS__
	return prctl(PR_SET_DUMPABLE, 1) ? -errno : 0;
#else
	return prctl(PR_SET_DUMPABLE, 0) ? -errno : 0;
#endif
}

int privilege_drop(enum role_kind kind, enum protect_mode protect, const char **ret_what)
{
	int err;

	*ret_what = "RLIMIT_NOFILE";
	err = budget_raise_descriptors();
	if (err)
		return err;
	*ret_what = "user " PRIVILEGE_USER " or " PRIVILEGE_FALLBACK_USER;
	err = protect == PROTECT_DEVICE ? keep_user() : change_user(protect);
	if (err)
		return err;
	*ret_what = "PDEATHSIG";
	err = die_with_parent();
	if (err)
		return err;
	*ret_what = "not dumpable";
	err = hide();
	if (err)
		return err;
	*ret_what = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	*ret_what = "seccomp";
	return sandbox_enter(kind);
}
