// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names in rules. A file's device is that of its mount (mountinfo), which is what the kernel half
 * sees: on filesystems of several volumes stat() tells another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "supervisor/rule_names.h"

#define NAMES_FIRST 32
#define PASSWD_BYTES 16384
#define MISSING_TEXT_MAX (CONF_TEXT_MAX + 64)

void rule_names_done(struct rule_names *n)
{
	for (size_t i = 0; i < n->num; i++)
		free((char *)n->name[i].name);
	free(n->name);
	*n = (struct rule_names){ 0 };
}

void rule_names_add(struct rule_names *n, enum rule_dim dim, const char *name, uint64_t a,
		    uint64_t b)
{
	char *copy = strdup(name);

	if (copy && n->num == n->room) {
		size_t room = n->room ? 2 * n->room : NAMES_FIRST;
		struct policy_name *more = realloc(n->name, room * sizeof(*more));

		if (more) {
			n->name = more;
			n->room = room;
		}
	}
	if (!copy || n->num == n->room) {
		free(copy);
		n->failed = true;
		return;
	}
	n->name[n->num++] = (struct policy_name){ .dim = dim, .name = copy, .a = a, .b = b };
}

/* --- one of each kind --------------------------------------------------------------------- */

/*
 * The device of the filesystem that is mounted there, as the kernel half counts it. Each mount
 * of the host has a number of its own, and is listed for the mount namespace that it is in.
 */
static bool mount_device(uint64_t mount_id, const char *mountinfo, uint32_t *ret_device)
{
	unsigned int id, parent, major, minor;
	FILE *f = fopen(mountinfo, "re");
	char *line = NULL;
	bool found = false;
	size_t room = 0;

	while (f && !found && getline(&line, &room, f) > 0) {
		if (sscanf(line, "%u %u %u:%u ", &id, &parent, &major, &minor) != 4 ||
		    id != mount_id)
			continue;
		*ret_device = major << 20 | minor;
		found = true;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* What stat() tells. *ret_mount: where the file's mount stands, 0 = not known. */
static int file_stat(const char *path, uint64_t *ret_inode, uint32_t *ret_device,
		     uint64_t *ret_mount)
{
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_TYPE | STATX_MNT_ID, &st))
		return -errno;
	if (!S_ISREG(st.stx_mode))
		return -EINVAL;
	*ret_inode = st.stx_ino;
	*ret_device = st.stx_dev_major << 20 | st.stx_dev_minor;
	*ret_mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
	return 0;
}

int rule_file_identify(const char *path, uint64_t *ret_inode, uint32_t *ret_device)
{
	uint64_t mount;
	int err = file_stat(path, ret_inode, ret_device, &mount);

	if (!err && mount)
		mount_device(mount, "/proc/self/mountinfo", ret_device);
	return err;
}

int rule_process_identify(uint32_t pid, uint64_t *ret_inode, uint32_t *ret_device)
{
	char exe[32], mountinfo[32];
	uint64_t mount;
	int err;

	snprintf(exe, sizeof(exe), "/proc/%u/exe", pid);
	snprintf(mountinfo, sizeof(mountinfo), "/proc/%u/mountinfo", pid);
	err = file_stat(exe, ret_inode, ret_device, &mount);
	/* who has left a mount namespace was started in another, mostly ours or the host's first */
	if (!err && mount && !mount_device(mount, mountinfo, ret_device) &&
	    !mount_device(mount, "/proc/self/mountinfo", ret_device))
		mount_device(mount, "/proc/1/mountinfo", ret_device);
	return err;
}

static void add_user(struct rule_names *n, const char *name)
{
	static char buf[PASSWD_BYTES];
	struct passwd entry, *found = NULL;

	if (name[0] >= '0' && name[0] <= '9')
		rule_names_add(n, RULE_UID, name, strtoul(name, NULL, 0), 0);
	else if (!getpwnam_r(name, &entry, buf, sizeof(buf), &found) && found)
		rule_names_add(n, RULE_UID, name, found->pw_uid, 0);
}

static void add_file(struct rule_names *n, const char *path)
{
	uint64_t inode;
	uint32_t device;

	if (!rule_file_identify(path, &inode, &device))
		rule_names_add(n, RULE_EXE, path, inode, device);
}

static void add_devices(struct rule_names *n)
{
	struct if_nameindex *all = if_nameindex();

	for (const struct if_nameindex *i = all; i && i->if_index; i++)
		rule_names_add(n, RULE_DEVICE, i->if_name, i->if_index, 0);
	if (all)
		if_freenameindex(all);
}

static bool has_name(const struct rule_names *n, enum rule_dim dim, const char *name)
{
	for (size_t i = 0; i < n->num; i++)
		if (n->name[i].dim == dim && !strcmp(n->name[i].name, name))
			return true;
	return false;
}

static void find_in(struct rule_names *n, const struct conf_conditions *c, enum rule_dim dim)
{
	char **text = dim == RULE_UID ? c->user : c->executable;
	size_t num = dim == RULE_UID ? c->users : c->executables;

	for (size_t i = 0; i < num; i++) {
		if (has_name(n, dim, text[i]))
			continue;
		if (dim == RULE_UID)
			add_user(n, text[i]);
		else
			add_file(n, text[i]);
	}
}

void rule_names_find(struct rule_names *n, const struct conf *c, enum rule_dim dim)
{
	if (!policy_has(c, dim))
		return;
	if (dim == RULE_DEVICE) {
		add_devices(n);
		return;
	}
	for (size_t i = 0; i < c->rules; i++) {
		find_in(n, &c->rule[i].is, dim);
		find_in(n, &c->rule[i].isnt, dim);
	}
}

/* --- what is not there -------------------------------------------------------------------- */

/* Is there any that the text of a rule stands for? */
static bool is_there(const struct rule_names *n, enum rule_dim dim, char *text, bool unit)
{
	struct conf_flow_rule rule = { .name = "" };
	struct conf one = { .rule = &rule, .rules = 1 };
	struct rule_set set;

	switch (dim) {
	case RULE_UID:
		rule.is.user = &text;
		rule.is.users = 1;
		break;
	case RULE_EXE:
		rule.is.executable = &text;
		rule.is.executables = 1;
		break;
	case RULE_DEVICE:
		rule.is.interface = &text;
		rule.is.interfaces = 1;
		break;
	default:
		*(unit ? &rule.is.unit : &rule.is.cgroup) = &text;
		*(unit ? &rule.is.units : &rule.is.cgroups) = 1;
		break;
	}
	for (size_t i = 0; i < n->num; i++) {
		if (n->name[i].dim != dim)
			continue;
		policy_rules_of(&one, dim, n->name[i].name, &set);
		if (set.bits[0])
			return true;
	}
	return false;
}

struct missing {
	const struct rule_names *names;
	const struct conf_flow_rule *rule;
	rule_names_cb fn;
	void *arg;
};

static void tell_missing(const struct missing *m, enum rule_dim dim, bool unit, const char *what,
			 char *const *text, size_t num)
{
	char line[MISSING_TEXT_MAX];

	for (size_t i = 0; i < num; i++) {
		if (is_there(m->names, dim, text[i], unit))
			continue;
		snprintf(line, sizeof(line), "%s '%s' does not exist%s", what, text[i],
			 dim == RULE_UID ? "" : " now");
		m->fn(m->arg, m->rule, line);
	}
}

static void tell_all_missing(const struct missing *m, const struct conf_conditions *c)
{
	tell_missing(m, RULE_UID, false, "user", c->user, c->users);
	tell_missing(m, RULE_EXE, false, "executable", c->executable, c->executables);
	tell_missing(m, RULE_DEVICE, false, "interface", c->interface, c->interfaces);
	tell_missing(m, RULE_CGROUP, false, "cgroup", c->cgroup, c->cgroups);
	tell_missing(m, RULE_CGROUP, true, "unit", c->unit, c->units);
}

void rule_names_missing(const struct rule_names *n, const struct conf *c, rule_names_cb fn,
			void *arg)
{
	struct missing m = { .names = n, .fn = fn, .arg = arg };

	for (size_t i = 0; i < c->rules; i++) {
		m.rule = &c->rule[i];
		tell_all_missing(&m, &c->rule[i].is);
		tell_all_missing(&m, &c->rule[i].isnt);
	}
}
