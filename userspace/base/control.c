// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where the control protocol's sockets come from. An abstract name can be taken by any user:
 * that denies the name to a daemon (it says so and ends), but never fools a client, which
 * speaks only to a server whose listening socket root made.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/control.h"
#include "base/fd.h"

#define BACKLOG 16
#define ACCEPTS_CONNECTIONS 0x10000 /* __SO_ACCEPTCON in the flags of /proc/net/unix */

int control_instance_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789._-");

	/* Names become directories: "." and ".." must not. */
	return name[len] == '\0' && len > 0 && len < INSTANCE_NAME_MAX && name[0] != '.';
}

static int control_address(const char *instance, struct sockaddr_un *ret_addr, socklen_t *ret_len)
{
	int n;

	if (!control_instance_valid(instance))
		return -EINVAL;
	*ret_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret_addr->sun_path + 1, sizeof(ret_addr->sun_path) - 1, "%s%s", CONTROL_PREFIX,
		     instance);
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return 0;
}

int control_listen(const char *instance, int *ret_fd)
{
	struct sockaddr_un addr;
	socklen_t len;
	int r = control_address(instance, &addr, &len);
	int fd;

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int control_peer_uid(int fd, uid_t *ret_uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*ret_uid = cred.uid;
	return 0;
}

static int connect_to_trusted(int fd, const struct sockaddr_un *addr, socklen_t len)
{
	uid_t uid = (uid_t)-1;
	int r;

	if (connect(fd, (const struct sockaddr *)addr, len) < 0)
		return -errno;
	r = control_peer_uid(fd, &uid);
	if (r < 0)
		return r;
	return uid == 0 || uid == geteuid() ? 0 : -EPERM;
}

int control_connect(const char *instance, int *ret_fd)
{
	struct sockaddr_un addr;
	socklen_t len;
	int r = control_address(instance, &addr, &len);
	int fd;

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect_to_trusted(fd, &addr, len);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* The instance that a line of /proc/net/unix shows as listening, NULL if it shows none. */
static const char *instance_of_line(char *line)
{
	unsigned int flags, type;
	int path_at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*[^:]: %*x %*x %x %x %*x %*u %n", &flags, &type, &path_at) < 2)
		return NULL;
	if (path_at == 0 || type != SOCK_STREAM || !(flags & ACCEPTS_CONNECTIONS))
		return NULL;
	if (strncmp(line + path_at, "@" CONTROL_PREFIX, 1 + strlen(CONTROL_PREFIX)) != 0)
		return NULL;
	line += (size_t)path_at + 1 + strlen(CONTROL_PREFIX);
	return control_instance_valid(line) ? line : NULL;
}

size_t control_instances(char names[][INSTANCE_NAME_MAX], size_t max)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	size_t num = 0;

	if (!f)
		return 0;
	while (num < max && fgets(line, sizeof(line), f)) {
		const char *name = instance_of_line(line);

		if (name)
			snprintf(names[num++], INSTANCE_NAME_MAX, "%s", name);
	}
	fclose(f);
	return num;
}
