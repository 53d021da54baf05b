// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Changes that are written down before they are made, and taken back in reverse order. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "base/fd.h"
#include "netdev/route.h"
#include "netdev/undo.h"

#define SUFFIX ".undo"
#define SUFFIX_NEW ".new" /* behind the name of one that is being written anew */
#define NEW_PATH_MAX (PATH_MAX + sizeof(SUFFIX_NEW))
#define RECORD_BYTES_MAX (1U << 20) /* then it is written anew */
#define FILE_BYTES_MAX (2 * RECORD_BYTES_MAX) /* that are read of one */
#define OPEN_TRIES 4 /* who ends removes the directory, where it is empty */

struct undo_change {
	uint32_t number;
	uint32_t place; /* in undo.change */
	struct rtnl_request made; /* made.head NULL: a file */
	char *path;
	char old[UNDO_VALUE_MAX];
	char value[UNDO_VALUE_MAX];
};

/* --- single changes ----------------------------------------------------------------------- */

/* It is so already, or what it is about has gone. */
static bool is_settled(const struct nlmsghdr *head, int err)
{
	if (head->nlmsg_type == RTM_NEWROUTE || head->nlmsg_type == RTM_NEWRULE)
		return err == -EEXIST;
	return err == -ESRCH || err == -ENOENT || err == -ENODEV;
}

static int value_read(const char *path, char value[UNDO_VALUE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, value, UNDO_VALUE_MAX - 1);
	fd_close(fd);
	if (n <= 0)
		return -EIO;
	value[n] = '\0';
	value[strcspn(value, " \t\n")] = '\0';
	return 0;
}

static int value_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		r = -errno;
	fd_close(fd);
	return r;
}

/* Somebody else's value stays. */
static void value_restore(const char *path, const char *old, const char *ours)
{
	char now[UNDO_VALUE_MAX];

	if (!value_read(path, now) && !strcmp(now, ours))
		value_write(path, old);
}

static void request_undo(const struct nlmsghdr *made)
{
	struct rtnl_request inverse;

	route_inverse(&inverse, made);
	rtnl_run(&inverse, NULL, NULL);
}

/* --- the file ----------------------------------------------------------------------------- */

static int record(struct undo *u, const char *line, size_t len)
{
	ssize_t n = write(u->fd, line, len);
	int r = n < 0 ? -errno : -ENOSPC;

	if (n == (ssize_t)len) {
		u->bytes += len;
		return 0;
	}
	if (n > 0 && ftruncate(u->fd, (off_t)u->bytes)) /* half a line would spoil the next one */
		r = -errno;
	return r;
}

static int record_request(struct undo *u, const struct undo_change *c)
{
	char line[2 * RTNL_REQUEST_BYTES + 64];
	struct rtnl_request inverse;
	size_t len;

	route_inverse(&inverse, c->made.head);
	len = (size_t)snprintf(line, sizeof(line), "%u request ", c->number);
	for (size_t i = 0; i < inverse.head->nlmsg_len; i++, len += 2)
		snprintf(line + len, 3, "%02x", (uint8_t)inverse.buf[i]);
	line[len++] = '\n';
	return record(u, line, len);
}

static int record_file(struct undo *u, const struct undo_change *c)
{
	char line[PATH_MAX + 128];
	int len = snprintf(line, sizeof(line), "%u file %s %s %s\n", c->number, c->path, c->old,
			   c->value);

	if (len < 0 || (size_t)len >= sizeof(line))
		return -ENAMETOOLONG;
	return record(u, line, (size_t)len);
}

static int record_change(struct undo *u, const struct undo_change *c)
{
	return c->path ? record_file(u, c) : record_request(u, c);
}

static void record_done(struct undo *u, uint32_t number)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%u done\n", number);

	record(u, line, (size_t)len);
}

/* --- replay ------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The file is root's own; still nothing is believed of it that the kernel does not check. */
static bool request_parse(const char *hex, struct rtnl_request *req)
{
	size_t bytes = strlen(hex) / 2;

	if (bytes < sizeof(struct nlmsghdr) || bytes > sizeof(req->buf) || strlen(hex) % 2)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		req->buf[i] = (char)(high << 4 | low);
	}
	req->head = (struct nlmsghdr *)req->buf;
	if (req->head->nlmsg_len != bytes)
		return false;
	switch (req->head->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return true;
	default:
		return false;
	}
}

static void replay_line(char *line)
{
	char *kind, *rest, path[PATH_MAX], old[UNDO_VALUE_MAX], ours[UNDO_VALUE_MAX];
	struct rtnl_request req;

	kind = strchr(line, ' ');
	rest = kind ? strchr(kind + 1, ' ') : NULL;
	if (!rest)
		return;
	rest++;
	if (!strncmp(kind, " request ", 9) && request_parse(rest, &req))
		rtnl_run(&req, NULL, NULL);
	else if (!strncmp(kind, " file /proc/sys/net/", 20) && !strstr(rest, "/../") &&
		 sscanf(rest, "%4095s %31s %31s", path, old, ours) == 3)
		value_restore(path, old, ours);
}

struct line {
	uint32_t number;
	char *text;
};

/* Cuts the text into lines; the last one without its end, and what is done, are left out. */
static size_t split(char *text, struct line *line, size_t max)
{
	size_t lines = 0;
	char *end;

	for (; (end = strchr(text, '\n')); text = end + 1) {
		uint32_t number = (uint32_t)strtoul(text, NULL, 10);
		size_t at = 0;

		*end = '\0';
		while (at < lines && line[at].number != number)
			at++;
		if (at < lines && strstr(text, " done"))
			memmove(&line[at], &line[at + 1], (--lines - at) * sizeof(*line));
		else if (at == lines && lines < max)
			line[lines++] = (struct line){ .number = number, .text = text };
	}
	return lines;
}

static int read_all(int fd, char **ret_text)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_size > FILE_BYTES_MAX)
		return -EPERM;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	n = pread(fd, text, (size_t)st.st_size, 0);
	if (n < 0) {
		n = -errno;
		free(text);
		return (int)n;
	}
	text[n] = '\0';
	*ret_text = text;
	return 0;
}

static int replay(int fd)
{
	struct line *line = calloc(UNDO_MAX, sizeof(*line));
	char *text = NULL;
	int r = line ? read_all(fd, &text) : -ENOMEM;

	if (!r)
		for (size_t lines = split(text, line, UNDO_MAX); lines; lines--)
			replay_line(line[lines - 1].text);
	free(text);
	free(line);
	return r;
}

/* --- life --------------------------------------------------------------------------------- */

void undo_init(struct undo *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = -1;
}

/* What tells one network namespace from another. */
static int netns_number(unsigned long *ret_number)
{
	struct stat st;

	if (stat("/proc/thread-self/ns/net", &st))
		return -errno;
	*ret_number = (unsigned long)st.st_ino;
	return 0;
}

/* Opens and locks; what a dead writer left in it is undone. */
static int open_locked(const char *path, int flags, int *ret_fd)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	int r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		fd_close(fd);
		return r;
	}
	r = replay(fd);
	if (!r && ftruncate(fd, 0))
		r = -errno;
	if (r) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Held while a file is opened and locked, so that nobody takes a new one for a dead writer's. */
static int lock_directory(const char *dir, int *ret_fd)
{
	int r, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX)) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Of the file that takes the place of the one at `path`. */
static const char *new_path(const char *path, char buf[NEW_PATH_MAX])
{
	snprintf(buf, NEW_PATH_MAX, "%s" SUFFIX_NEW, path);
	return buf;
}

static int open_new(struct undo *u, const char *dir)
{
	char path[NEW_PATH_MAX];
	int lock, r;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	r = lock_directory(dir, &lock);
	if (r)
		return r;
	r = open_locked(u->path, O_CREAT | O_APPEND, &u->fd);
	if (!r)
		unlink(new_path(u->path, path)); /* its writer died over it */
	fd_close(lock);
	return r;
}

int undo_open(struct undo *u, const char *dir, const char *name)
{
	unsigned long netns = 0;
	int r = netns_number(&netns);

	if (r)
		return r;
	r = snprintf(u->path, sizeof(u->path), "%s/%s.%lu" SUFFIX, dir, name, netns);
	if ((size_t)r >= sizeof(u->path))
		return -ENAMETOOLONG;
	u->bytes = 0;
	r = -ENOENT;
	for (int i = 0; i < OPEN_TRIES && r == -ENOENT; i++)
		r = open_new(u, dir);
	return r;
}

/* What was undone goes from the record: another file, without it, takes its name. */
static int write_anew(struct undo *u)
{
	int r, fd, old = u->fd;
	size_t bytes = u->bytes;
	char path[NEW_PATH_MAX];

	r = open_locked(new_path(u->path, path), O_CREAT | O_TRUNC | O_APPEND, &fd);
	if (r)
		return r;
	u->fd = fd;
	u->bytes = 0;
	for (uint32_t i = 0; !r && i < u->changes; i++)
		r = u->change[i] ? record_change(u, u->change[i]) : 0;
	if (!r && rename(path, u->path))
		r = -errno;
	if (r) {
		unlink(path);
		u->fd = old;
		u->bytes = bytes;
	}
	fd_close(r ? fd : old);
	return r;
}

static void close_gaps(struct undo *u)
{
	uint32_t changes = 0;

	for (uint32_t i = 0; i < u->changes; i++) {
		if (!u->change[i])
			continue;
		u->change[changes] = u->change[i];
		u->change[changes]->place = changes;
		changes++;
	}
	u->changes = changes;
}

static struct undo_change *change_new(struct undo *u)
{
	struct undo_change *c;

	if (u->changes == UNDO_MAX)
		close_gaps(u);
	if (u->changes == UNDO_MAX || (u->bytes > RECORD_BYTES_MAX && write_anew(u)))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->number = ++u->number;
	c->place = u->changes++;
	u->change[c->place] = c;
	return c;
}

static void change_forget(struct undo *u, struct undo_change *c)
{
	record_done(u, c->number);
	u->change[c->place] = NULL;
	free(c->path);
	free(c);
}

int undo_request(struct undo *u, const struct nlmsghdr *head, struct undo_change **ret_change)
{
	struct undo_change *c = change_new(u);
	int r;

	if (ret_change)
		*ret_change = NULL;
	if (!c)
		return -ENOSPC;
	memcpy(c->made.buf, head, head->nlmsg_len);
	c->made.head = (struct nlmsghdr *)c->made.buf;
	r = record_change(u, c);
	if (!r)
		r = rtnl_run(&c->made, NULL, NULL);
	if (r) {
		r = is_settled(head, r) ? 0 : r;
		change_forget(u, c);
		return r;
	}
	if (ret_change)
		*ret_change = c;
	return 0;
}

int undo_write(struct undo *u, const char *path, const char *value, struct undo_change **ret_change)
{
	struct undo_change *c;
	char old[UNDO_VALUE_MAX];
	int r = value_read(path, old);

	if (ret_change)
		*ret_change = NULL;
	if (r || !strcmp(old, value))
		return r;
	c = change_new(u);
	if (!c)
		return -ENOSPC;
	c->path = strdup(path);
	snprintf(c->old, sizeof(c->old), "%s", old);
	snprintf(c->value, sizeof(c->value), "%s", value);
	r = c->path ? record_change(u, c) : -ENOMEM;
	if (!r)
		r = value_write(path, value);
	if (r)
		change_forget(u, c);
	else if (ret_change)
		*ret_change = c;
	return r;
}

void undo_take_back(struct undo *u, struct undo_change *change)
{
	if (!change)
		return;
	if (change->path)
		value_restore(change->path, change->old, change->value);
	else
		request_undo(change->made.head);
	change_forget(u, change);
}

int undo_repair(struct undo *u)
{
	int missing = 0;

	for (uint32_t i = 0; i < u->changes; i++) {
		struct undo_change *c = u->change[i];
		int r;

		/* what was removed may be there again, as somebody else's: that is for the caller */
		if (!c || c->path || c->made.head->nlmsg_type == RTM_DELROUTE)
			continue;
		r = rtnl_run(&c->made, NULL, NULL);
		if (r && !is_settled(c->made.head, r))
			return r;
		missing += !r;
	}
	return missing;
}

void undo_close(struct undo *u)
{
	if (u->fd < 0)
		return;
	while (u->changes) {
		undo_take_back(u, u->change[u->changes - 1]);
		u->changes--;
	}
	unlink(u->path);
	u->fd = fd_close(u->fd);
}

static bool is_ours(const char *file, unsigned long netns)
{
	char tail[64];
	int len = snprintf(tail, sizeof(tail), ".%lu" SUFFIX, netns);
	size_t all = strlen(file);

	return all > (size_t)len && !strcmp(file + all - len, tail);
}

int undo_clean_stale(const char *dir)
{
	unsigned long netns = 0;
	int lock, cleaned = 0;
	struct dirent *e;
	DIR *d;

	if (netns_number(&netns) || lock_directory(dir, &lock))
		return 0;
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		char path[PATH_MAX], new[NEW_PATH_MAX];
		int fd;

		if (!is_ours(e->d_name, netns))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (open_locked(path, 0, &fd))
			continue;
		unlink(new_path(path, new));
		unlink(path);
		fd_close(fd);
		cleaned++;
	}
	if (d)
		closedir(d);
	fd_close(lock);
	return cleaned;
}
