// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Control connections: non-blocking stream sockets in the loop, a line buffer in and a byte
 * buffer out, which is sent when much has gathered or with the loop's next turn.
 *
 * A client is freed in one place, drop(), called only from its own watch, from the sweep and
 * from control_done(): so the functions that queue answers never free the client under their
 * caller. They mark it finished, and the loop does the rest.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "supervisor/control.h"

#define SWEEP_MS 1000
#define SEND_BYTES 65536 /* unsent bytes that are not left to the loop's next turn */

static size_t unsent(const struct control_client *cl)
{
	return cl->out_len - cl->out_sent;
}

static void drop(struct control_client *cl)
{
	struct control *c = cl->control;
	int fd = cl->watch.fd;

	c->ops->gone(c, cl);
	c->buffered -= unsent(cl);
	c->count--;
	list_remove(&cl->link);
	loop_remove(c->loop, &cl->watch);
	fd_close(fd);
	fd_close(cl->out_fd);
	fd_close(cl->in_fd);
	free(cl->out);
	free(cl);
}

/* One sendmsg, with the descriptor if the next byte is the one that it belongs to. */
static ssize_t send_some(struct control_client *cl)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = cl->out + cl->out_sent, .iov_len = unsent(cl) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool with_fd = cl->out_fd >= 0 && cl->out_fd_at == cl->out_sent;
	ssize_t n;

	if (cl->out_fd >= 0 && cl->out_fd_at > cl->out_sent)
		iov.iov_len = cl->out_fd_at - cl->out_sent;
	if (with_fd) {
		struct cmsghdr *cm;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &cl->out_fd, sizeof(int));
	}
	n = sendmsg(cl->watch.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (with_fd)
		cl->out_fd = fd_close(cl->out_fd);
	return n;
}

/* Sends what can be sent. 0, or -errno if the connection is broken. */
static int flush(struct control_client *cl)
{
	struct control *c = cl->control;

	while (unsent(cl)) {
		ssize_t n = send_some(cl);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		cl->out_sent += (size_t)n;
		c->buffered -= (size_t)n;
		cl->progress_ms = clock_ms();
	}
	if (!unsent(cl))
		cl->out_sent = cl->out_len = 0;
	/* what a finished one still says is not read, and would wake the loop for ever */
	return loop_modify(c->loop, &cl->watch,
			   (cl->finished ? 0 : EPOLLIN) |
				   (unsent(cl) || cl->finished ? EPOLLOUT : 0));
}

/* Nothing more is said to it, and the loop drops it. */
static void finish(struct control_client *cl)
{
	cl->finished = true;
	cl->follows = false;
	loop_modify(cl->control->loop, &cl->watch, EPOLLOUT);
}

static void give_up(struct control_client *cl, const char *why)
{
	if (cl->finished)
		return;
	log_info("control", "client dropped: %s", why);
	cl->control->buffered -= unsent(cl);
	cl->out_sent = cl->out_len = 0;
	finish(cl);
	/* a socket that is full would not wake the loop; one that is shut does */
	shutdown(cl->watch.fd, SHUT_RDWR);
}

/* Lines are sent together: at once when there is much, else in the loop's next turn. */
static void send_soon(struct control_client *cl)
{
	int err = 0;

	if (cl->finished)
		return;
	if (unsent(cl) >= SEND_BYTES)
		err = flush(cl);
	else
		err = loop_modify(cl->control->loop, &cl->watch, EPOLLIN | EPOLLOUT);
	if (err)
		give_up(cl, "gone");
}

static int reserve(struct control_client *cl, size_t more)
{
	size_t size = cl->out_size ? cl->out_size : 4096;
	char *out;

	if (cl->out_sent && cl->out_len + more > cl->out_size) {
		memmove(cl->out, cl->out + cl->out_sent, unsent(cl));
		if (cl->out_fd >= 0)
			cl->out_fd_at -= cl->out_sent;
		cl->out_len -= cl->out_sent;
		cl->out_sent = 0;
	}
	while (size < cl->out_len + more)
		size *= 2;
	if (size == cl->out_size)
		return 0;
	out = realloc(cl->out, size);
	if (!out)
		return -ENOMEM;
	cl->out = out;
	cl->out_size = size;
	return 0;
}

static void queue_line(struct control_client *cl, const char *line, size_t len)
{
	struct control *c = cl->control;

	if (cl->finished)
		return;
	if (c->buffered + len + 1 > CONTROL_BUFFER_BYTES ||
	    (cl->follows && unsent(cl) + len + 1 > CONTROL_FOLLOW_BYTES)) {
		give_up(cl, "too much that it has not taken");
		return;
	}
	if (reserve(cl, len + 1)) {
		give_up(cl, "out of memory");
		return;
	}
	if (!unsent(cl))
		cl->progress_ms = clock_ms();
	memcpy(cl->out + cl->out_len, line, len);
	cl->out[cl->out_len + len] = '\n';
	cl->out_len += len + 1;
	c->buffered += len + 1;
}

/*
 * Into memory of its final size, NULL without it. json_dumps() grows its own, and jansson does
 * not look whether a key still found room there: the line would be another one.
 */
static char *text_of(const json_t *line)
{
	size_t len = json_dumpb(line, NULL, 0, JSON_COMPACT);
	char *text = len ? malloc(len + 1) : NULL;

	if (!text)
		return NULL;
	if (json_dumpb(line, text, len, JSON_COMPACT) != len) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static char *line_of(const char *key, json_t *object)
{
	json_t *line = json_pack("{s:o}", key, object);
	char *text = line ? text_of(line) : NULL;

	json_decref(line);
	return text;
}

void control_send_fd(struct control_client *cl, const char *key, json_t *object, int fd)
{
	char *text = line_of(key, object);

	if (!text) {
		give_up(cl, "out of memory");
		return;
	}
	if (fd >= 0 && cl->out_fd < 0) {
		cl->out_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (cl->out_fd < 0) {
			give_up(cl, strerror(errno));
			goto out;
		}
		cl->out_fd_at = cl->out_len;
	}
	queue_line(cl, text, strlen(text));
	send_soon(cl);
out:
	free(text);
}

void control_send(struct control_client *cl, const char *key, json_t *object)
{
	control_send_fd(cl, key, object, -1);
}

void control_answered(struct control_client *cl)
{
	control_send(cl, "done", json_true());
}

/* What quotes a client may hold, or be cut to, something that is no UTF-8: then it is ASCII. */
static json_t *readable(char *text, size_t len)
{
	json_t *string = json_stringn(text, len);

	if (string)
		return string;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			text[i] = '?';
	return json_stringn(text, len);
}

/* What is not printable ASCII is shown as '?'. */
static void tell_line(struct control_client *cl, const char *key, const char *text, size_t len,
		      bool error)
{
	char line[1024];
	json_t *o;

	len = len < sizeof(line) - 1 ? len : sizeof(line) - 1;
	for (size_t i = 0; i < len; i++)
		line[i] = (char)(text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
	line[len] = '\0';
	if (!cl && error)
		log_err("main", "%s: %s", key, line);
	else if (!cl)
		log_info("main", "%s: %s", key, line);
	if (!cl)
		return;
	o = json_pack("{s:s}", "line", line);
	if (o && error)
		json_object_set_new(o, "error", json_true());
	control_send(cl, key, o);
}

void control_tell(struct control_client *cl, const char *key, const char *text, bool error)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		tell_line(cl, key, text, len, error);
		text += len + (text[len] == '\n');
	}
}

void control_refuse(struct control_client *cl, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	control_send(cl, "error", readable(text, strnlen(text, sizeof(text))));
}

bool control_has_followers(const struct control *c)
{
	for (struct list *l = c->clients.next; l != &c->clients; l = l->next)
		if (container_of(l, struct control_client, link)->follows)
			return true;
	return false;
}

void control_broadcast(struct control *c, const char *key, json_t *object,
		       bool (*wants)(void *arg, const struct control_client *client), void *arg)
{
	char *text = line_of(key, object);

	if (!text)
		return;
	list_for_each_safe(l, next, &c->clients) {
		struct control_client *cl = container_of(l, struct control_client, link);

		if (!cl->follows || (wants && !wants(arg, cl)))
			continue;
		queue_line(cl, text, strlen(text));
		send_soon(cl);
	}
	free(text);
}

static void take_line(struct control_client *cl, const char *line, size_t len)
{
	struct control *c = cl->control;
	json_error_t why;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);

	if (json_is_object(request))
		c->ops->request(c, cl, request);
	else
		control_refuse(cl, "not a JSON object on one line: %s",
			       request ? "another value" : why.text);
	json_decref(request);
	cl->in_fd = fd_close(cl->in_fd);
}

/* Handles the complete lines in the buffer. */
static void take_lines(struct control_client *cl)
{
	char *start = cl->in, *end = cl->in + cl->in_len, *newline;

	while (!cl->finished && (newline = memchr(start, '\n', (size_t)(end - start)))) {
		if (newline > start)
			take_line(cl, start, (size_t)(newline - start));
		start = newline + 1;
	}
	cl->in_len = (size_t)(end - start);
	memmove(cl->in, start, cl->in_len);
	if (cl->in_len == sizeof(cl->in) && !cl->finished) {
		control_refuse(cl, "request longer than %d bytes", CONTROL_REQUEST_MAX - 1);
		finish(cl);
	}
}

static void keep_descriptors(struct control_client *cl, struct msghdr *msg)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			if (cl->run && cl->in_fd < 0)
				cl->in_fd = fd;
			else
				fd_close(fd);
		}
	}
}

/* 0 = more may come, -errno or -EPIPE = it is over. */
static int receive(struct control_client *cl)
{
	char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = { .iov_base = cl->in + cl->in_len,
			     .iov_len = sizeof(cl->in) - cl->in_len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(cl->watch.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	keep_descriptors(cl, &msg);
	if (!n)
		return -EPIPE;
	cl->in_len += (size_t)n;
	take_lines(cl);
	return 0;
}

static void client_ready(struct watch *w, uint32_t events)
{
	struct control_client *cl = container_of(w, struct control_client, watch);
	int err = 0;

	if (!cl->finished && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		err = receive(cl);
	if (!err)
		err = flush(cl);
	if (err || (cl->finished && !unsent(cl)))
		drop(cl);
}

static int client_new(struct control *c, int fd, bool run)
{
	struct control_client *cl = calloc(1, sizeof(*cl));
	int err;

	if (!cl)
		return -ENOMEM;
	cl->control = c;
	cl->run = run;
	cl->out_fd = cl->in_fd = -1;
	cl->progress_ms = clock_ms();
	cl->watch = (struct watch){ .ready = client_ready, .fd = fd };
	err = loop_add(c->loop, &cl->watch, EPOLLIN);
	if (err) {
		free(cl);
		return err;
	}
	list_append(&c->clients, &cl->link);
	c->count++;
	if (!timer_is_armed(&c->sweep))
		loop_arm(c->loop, &c->sweep, SWEEP_MS);
	return 0;
}

/* Drops clients that have taken nothing for too long. */
static void sweep_expired(struct timer *t)
{
	struct control *c = container_of(t, struct control, sweep);
	uint64_t now = clock_ms();

	list_for_each_safe(l, next, &c->clients) {
		struct control_client *cl = container_of(l, struct control_client, link);

		if (!unsent(cl))
			cl->progress_ms = now;
		else if (!cl->run && now - cl->progress_ms > CONTROL_STALL_MS)
			drop(cl);
	}
	if (c->listener.fd >= 0)
		loop_modify(c->loop, &c->listener, EPOLLIN);
	if (c->count)
		loop_arm(c->loop, &c->sweep, SWEEP_MS);
}

static bool may_connect(const struct control *c, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	return cred.uid == 0 || (c->uid != (uid_t)-1 && cred.uid == c->uid);
}

/* Says why, as far as a socket that nobody serves will take it. */
static void turn_away(int fd, const char *why)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "{\"error\":\"%s\"}\n", why);

	if (send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control", "turned away without a word: %s", strerror(errno));
	close(fd);
}

/* Out of descriptors or memory: who waits would wake the loop again and again. */
static void pause_listening(struct control *c, int why)
{
	log_warn("control", "accept, tried again after %d ms: %s", SWEEP_MS, strerror(why));
	loop_modify(c->loop, &c->listener, 0);
	loop_arm(c->loop, &c->sweep, SWEEP_MS);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct control *c = container_of(w, struct control, listener);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			pause_listening(c, errno);
		return;
	}
	if (!may_connect(c, fd))
		turn_away(fd, "only root and the user of the command may ask: use sudo");
	else if (c->count >= CONTROL_CLIENTS_MAX)
		turn_away(fd, "too many clients of this instance: end one of them");
	else if (client_new(c, fd, false))
		close(fd);
}

void control_init(struct control *c, struct loop *loop, const struct control_ops *ops)
{
	*c = (struct control){ .ops = ops, .loop = loop, .uid = (uid_t)-1 };
	c->listener = (struct watch){ .ready = listener_ready, .fd = -1 };
	list_init(&c->clients);
	timer_init(&c->sweep, sweep_expired);
}

int control_serve(struct control *c, int listen_fd, uid_t uid)
{
	int err;

	c->uid = uid;
	c->listener.fd = listen_fd;
	err = loop_add(c->loop, &c->listener, EPOLLIN);
	if (err)
		c->listener.fd = -1;
	return err;
}

int control_adopt(struct control *c, int fd)
{
	int err = fd_set_cloexec(fd, true);

	return err ? err : client_new(c, fd, true);
}

void control_close(struct control *c)
{
	int fd = c->listener.fd;

	loop_remove(c->loop, &c->listener);
	fd_close(fd);
}

void control_done(struct control *c)
{
	control_close(c);
	loop_disarm(&c->sweep);
	list_for_each_safe(l, next, &c->clients) {
		struct control_client *cl = container_of(l, struct control_client, link);

		if (!flush(cl) && unsent(cl))
			log_debug("control", "client did not take %zu bytes", unsent(cl));
		drop(cl);
	}
}
