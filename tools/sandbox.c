// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where COMMAND runs (see sandbox.h). A packet cannot leave except through the TUN; what a
 * network namespace does not stop is a question to another process over a unix socket, so
 * the sockets of systemd-resolved and nscd are hidden and nsswitch.conf keeps to files and
 * DNS. Limits: other unix sockets (D-Bus for one) are as reachable as ever, and a directory
 * that the host makes later is not hidden.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/names.h"
#include "tools/private_etc.h"
#include "tools/sandbox.h"
#include "tools/sysfs.h"

#define NSSWITCH_MAX 65536
#define GROUPS_ALL "0 2147483647" /* the kernel's largest range */

/* Directories of unix sockets that answer name look-ups for the host. */
static const char *const hidden[] = { "/run/systemd/resolve", "/run/nscd", "/var/run/nscd" };

__attribute__((format(printf, 3, 4))) static int sandbox_fail(char err[SANDBOX_ERROR_MAX],
							      int error, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(err, SANDBOX_ERROR_MAX, fmt, ap);
	va_end(ap);
	if (n >= 0 && n < SANDBOX_ERROR_MAX)
		snprintf(err + n, SANDBOX_ERROR_MAX - (size_t)n, ": %s", strerror(-error));
	return error;
}

/* Whole text of a small file; freed by the caller. 0 or -errno. */
static int read_text(const char *path, char **ret_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 1;
	char *text;

	if (fd < 0)
		return -errno;
	text = malloc(NSSWITCH_MAX);
	if (!text) {
		close(fd);
		return -ENOMEM;
	}
	while (n > 0 && used < NSSWITCH_MAX - 1) {
		n = read(fd, text + used, NSSWITCH_MAX - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	text[used] = 0;
	*ret_text = text;
	return 0;
}

/* 0 or -errno. A host without nsswitch.conf gets none: glibc's own default is files, dns. */
static int install_names(const char *nameserver)
{
	struct private_file files[2] = { { .name = "resolv.conf" }, { .name = "nsswitch.conf" } };
	char *resolv = names_resolv_conf(nameserver);
	char *nsswitch = NULL;
	char *host = NULL;
	int err = -ENOMEM;

	if (!resolv)
		return err;
	files[0].text = resolv;
	if (!read_text("/etc/nsswitch.conf", &host)) {
		nsswitch = names_nsswitch(host);
		if (!nsswitch)
			goto out;
		files[1].text = nsswitch;
	}
	err = private_etc_install(files, nsswitch ? 2 : 1);
out:
	free(nsswitch);
	free(host);
	free(resolv);
	return err;
}

static int hide_sockets(char err[SANDBOX_ERROR_MAX])
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		struct stat st;

		if (stat(hidden[i], &st) || !S_ISDIR(st.st_mode))
			continue;
		if (mount("headrace", hidden[i], "tmpfs",
			  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=4k"))
			return sandbox_fail(err, -errno, "cannot hide %s", hidden[i]);
	}
	return 0;
}

/* Everyone inside may ping with a datagram socket. Read-only in some containers: no matter. */
static void open_ping_range(void)
{
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, GROUPS_ALL, strlen(GROUPS_ALL)) < 0)
		errno = 0; /* ping then needs its usual privilege */
	close(fd);
}

int sandbox_enter(const struct sandbox *s, char err[SANDBOX_ERROR_MAX])
{
	int ret;

	if (setns(s->netns_fd, CLONE_NEWNET))
		return sandbox_fail(err, -errno, "cannot enter the network namespace");
	if (unshare(CLONE_NEWNS))
		return sandbox_fail(err, -errno, "cannot make a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL))
		return sandbox_fail(err, -errno, "cannot make the mounts private");
	open_ping_range();
	ret = install_names(s->nameserver);
	if (ret)
		return sandbox_fail(err, ret, "cannot put a private resolv.conf in place");
	ret = hide_sockets(err);
	if (!ret)
		sysfs_renew(); /* a comfort: without it /sys/class/net shows the host's devices */
	return ret;
}
