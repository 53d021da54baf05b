// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The client's end of the control protocol (see client.h). A line is bounded by
 * CONTROL_LINE_MAX: a longer one is a broken server (-EMSGSIZE), not more memory.
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/client.h"
#include "tools/command.h"

#define INSTANCES_MAX 64
#define ANSWER_SLOW_MS 10000 /* of silence, then it is said */
#define ANSWER_MAX_MS 120000

void client_init(struct client *c, int fd)
{
	c->fd = fd;
	c->passed_fd = -1;
	c->used = 0;
	c->taken = 0;
}

void client_done(struct client *c)
{
	if (c->passed_fd >= 0)
		close(c->passed_fd);
	if (c->fd >= 0)
		close(c->fd);
	client_init(c, -1);
}

/* "a, b, c" of at most INSTANCES_MAX names. */
static void instances_list(char names[][INSTANCE_NAME_MAX], size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i ? ", " : "", names[i]);
}

/* The only running instance, or an error that says what to do. */
static const char *instance_only(char names[][INSTANCE_NAME_MAX])
{
	size_t count = control_instances(names, INSTANCES_MAX);

	if (count == 1)
		return names[0];
	if (!count) {
		fprintf(stderr, "headrace: nothing is running in this network namespace; "
				"start something with `headrace run -- COMMAND` or "
				"`headrace up`\n");
		return NULL;
	}
	fprintf(stderr, "headrace: several instances are running; choose one with --instance: ");
	instances_list(names, count, stderr);
	fputc('\n', stderr);
	return NULL;
}

static void instance_unreachable(const char *instance, int err)
{
	char names[INSTANCES_MAX][INSTANCE_NAME_MAX];

	if (err == -EPERM || err == -EACCES) {
		fprintf(stderr, "headrace: instance '%s' is served by another user: not asked\n",
			instance);
		return;
	}
	if (err != -ECONNREFUSED) {
		fprintf(stderr, "headrace: cannot reach instance '%s': %s\n", instance,
			strerror(-err));
		return;
	}

	size_t count = control_instances(names, INSTANCES_MAX);

	fprintf(stderr, "headrace: no instance '%s' is running%s", instance,
		count ? "; running: " : "");
	instances_list(names, count, stderr);
	fputc('\n', stderr);
}

int client_open(struct client *c, const char *instance)
{
	char names[INSTANCES_MAX][INSTANCE_NAME_MAX];
	int fd;

	client_init(c, -1);
	if (!instance)
		instance = instance_only(names);
	if (!instance)
		return -1;

	int err = control_connect(instance, &fd);

	if (err) {
		instance_unreachable(instance, err);
		return -1;
	}
	client_init(c, fd);
	return 0;
}

static ssize_t send_all(int fd, const char *text, size_t len, int passed_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (char *)text, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (passed_fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);

		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &passed_fd, sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL; /* the descriptor went with the first bytes */
		msg.msg_controllen = 0;
	}
	return 0;
}

int client_request(struct client *c, const json_t *request, int passed_fd)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int err;

	if (!text)
		return -ENOMEM;

	size_t len = strlen(text);

	text[len] = '\n'; /* the NUL's place: sent by length */
	err = (int)send_all(c->fd, text, len + 1, passed_fd);
	free(text);
	return err;
}

/* Keeps the newest descriptor; one that nobody took is closed. */
static void take_descriptor(struct client *c, struct msghdr *msg)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		if (c->passed_fd >= 0)
			close(c->passed_fd);
		memcpy(&c->passed_fd, CMSG_DATA(cmsg), sizeof(int));
	}
}

int client_fill(struct client *c)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct iovec iov;
	ssize_t n;

	memmove(c->buf, c->buf + c->taken, c->used - c->taken);
	c->used -= c->taken;
	c->taken = 0;
	if (c->used >= CONTROL_LINE_MAX)
		return -EMSGSIZE;
	iov = (struct iovec){ c->buf + c->used, CONTROL_LINE_MAX - c->used };
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	do {
		n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	take_descriptor(c, &msg);
	c->used += (size_t)n;
	return n > 0;
}

const char *client_take(struct client *c)
{
	char *line = c->buf + c->taken;
	char *end = memchr(line, '\n', c->used - c->taken);

	if (!end)
		return NULL;
	*end = 0;
	c->taken += (size_t)(end - line) + 1;
	return line;
}

int client_line(struct client *c, int timeout_ms, const char **ret_line)
{
	uint64_t deadline = clock_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);

	while (!(*ret_line = client_take(c))) {
		int n = client_fill(c);

		if (n > 0)
			continue;
		if (n != -EAGAIN)
			return n;

		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		uint64_t now = clock_ms();
		int wait = timeout_ms < 0 ? -1 : now < deadline ? (int)(deadline - now) : 0;

		n = poll(&p, 1, wait);
		if (!n)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return 1;
}

enum client_answer client_parse(const char *line, json_t **ret_root, const char **ret_kind,
				json_t **ret_object)
{
	json_t *root = json_loads(line, 0, NULL);

	*ret_root = root;
	if (!json_is_object(root))
		return ANSWER_BROKEN;
	if (json_is_true(json_object_get(root, "done")))
		return ANSWER_DONE;

	const char *error = json_string_value(json_object_get(root, "error"));

	if (error) {
		*ret_kind = error;
		return ANSWER_ERROR;
	}

	void *first = json_object_iter(root);

	if (!first || !json_is_object(json_object_iter_value(first)))
		return ANSWER_BROKEN;
	*ret_kind = json_object_iter_key(first);
	*ret_object = json_object_iter_value(first);
	return ANSWER_OBJECT;
}

int client_show_line(const struct client_show *show, const char *line)
{
	const char *kind;
	json_t *root;
	json_t *object;
	int more = 1;

	switch (client_parse(line, &root, &kind, &object)) {
	case ANSWER_OBJECT:
		if (show->json) {
			puts(line);
			fflush(stdout);
		} else {
			show->object(show->arg, kind, object);
		}
		break;
	case ANSWER_DONE:
		more = 0;
		break;
	case ANSWER_ERROR:
		fprintf(stderr, "headrace: %s\n", kind);
		more = -1;
		break;
	case ANSWER_BROKEN:
		fprintf(stderr, "headrace: the daemon sent a line that is not of the protocol\n");
		more = -1;
		break;
	}
	json_decref(root);
	return more;
}

/* A line of an answer that has an end: for one that hangs nobody waits for ever. */
static int answer_line(struct client *c, const char **ret_line)
{
	int n = client_line(c, ANSWER_SLOW_MS, ret_line);

	if (n != -ETIMEDOUT)
		return n;
	fprintf(stderr,
		"headrace: no answer for %d s, still waiting; `headrace doctor` says whether the "
		"daemon hangs\n",
		ANSWER_SLOW_MS / 1000);
	return client_line(c, ANSWER_MAX_MS - ANSWER_SLOW_MS, ret_line);
}

static int show_answer(struct client *c, int follow, const struct client_show *show)
{
	bool shown = false;
	const char *line;
	int more = 1;

	while (more > 0) {
		int n = follow ? client_line(c, -1, &line) : answer_line(c, &line);

		if (n > 0) {
			more = client_show_line(show, line);
			shown |= more > 0;
		} else if (!n && follow) {
			more = 0; /* the instance ended: so does following it */
		} else if (n == -ETIMEDOUT) {
			fprintf(stderr, "headrace: no answer for %d s, the daemon hangs\n",
				ANSWER_MAX_MS / 1000);
			more = -1;
		} else {
			fprintf(stderr, "headrace: the daemon hung up: %s\n",
				n ? strerror(-n) : "no reason given");
			more = -1;
		}
	}
	if (!show->json && show->end && (shown || !more)) /* an error alone is not "nothing" */
		show->end(show->arg);
	return more ? EXIT_TROUBLE : EXIT_SUCCESS;
}

int client_ask(const char *instance, json_t *request, const struct client_show *show)
{
	int status = EXIT_TROUBLE, follow = json_is_true(json_object_get(request, "follow"));
	struct client *c = malloc(sizeof(*c));

	if (!c || !request) {
		fprintf(stderr, "headrace: out of memory\n");
		goto out;
	}
	if (client_open(c, instance))
		goto out;

	int err = client_request(c, request, -1);

	if (err && err != -EPIPE) /* who has hung up already may have said why */
		fprintf(stderr, "headrace: cannot send the request: %s\n", strerror(-err));
	else
		status = show_answer(c, follow, show);
	client_done(c);
out:
	json_decref(request);
	free(c);
	return status;
}

int client_command(const char *instance, const char *name, int follow,
		   const struct client_show *show)
{
	json_t *request = follow ? json_pack("{s:s, s:b}", "command", name, "follow", 1) :
				   json_pack("{s:s}", "command", name);

	return client_ask(instance, request, show);
}

bool client_put_user(json_t *request, const char *name)
{
	const struct passwd *user = name ? getpwnam(name) : NULL;

	if (user)
		json_object_set_new(request, "uid", json_integer(user->pw_uid));
	if (name && !user)
		fprintf(stderr, "headrace: no user '%s'\n", name);
	return !name || user;
}

const char *client_instance_wrong(const char *name)
{
	return control_instance_valid(name) ? NULL : "not a name of letters, digits, '.', '_', '-'";
}
