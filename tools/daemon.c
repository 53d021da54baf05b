// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The private headraced of one `headrace run` (see daemon.h). It is a session of its own, so
 * that Ctrl-C reaches COMMAND and not the network under it; its end of the socket pair is its
 * life line: when this process is gone it reads EOF and cleans up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "tools/daemon.h"
#include "tools/object.h"

#define PROGRAM "headraced"
#define RUN_FD 3 /* where headraced finds its end */
#define STOP_TIMEOUT_MS (2 * ROLE_STOP_MS + 1000) /* its roles take ROLE_STOP_MS */
#define PROGRAM_PATH_MAX 4096

/* The headraced beside this executable, else the installed one. */
static const char *find_program(char path[PROGRAM_PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PROGRAM_PATH_MAX - sizeof(PROGRAM) - 1);

	if (n > 0) {
		path[n] = 0;

		char *slash = strrchr(path, '/');

		if (slash) {
			memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
			if (!access(path, X_OK))
				return path;
		}
	}
	snprintf(path, PROGRAM_PATH_MAX, "%s/" PROGRAM, HEADRACE_SBINDIR);
	return path;
}

/* Descriptors: /dev/null, /dev/null, the log, the socket; nothing else. */
static int child_descriptors(int sock, int log_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	if (log_fd >= 0 && dup2(log_fd, STDERR_FILENO) < 0)
		return -errno;
	if (sock == RUN_FD ? fcntl(sock, F_SETFD, 0) < 0 : dup2(sock, RUN_FD) < 0)
		return -errno;
	return close_range(RUN_FD + 1, ~0U, 0) ? -errno : 0;
}

/* Signals as at boot: the caller may have blocked or ignored some. */
static void child_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void daemon_child(const char *program, int sock, int log_fd)
{
	char fd_text[16];

	snprintf(fd_text, sizeof(fd_text), "%d", RUN_FD);
	setsid();
	child_signals();
	if (!child_descriptors(sock, log_fd))
		execl(program, PROGRAM, "--run-fd", fd_text, NULL);
	fprintf(stderr, "headrace: cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

int daemon_start(struct daemon *d, int log_fd)
{
	char program[PROGRAM_PATH_MAX];
	int fds[2];

	d->pid = 0;
	d->netns_fd = -1;
	client_init(&d->client, -1);
	if (access(find_program(program), X_OK)) {
		fprintf(stderr, "headrace: %s: %s; is headrace installed in full?\n", program,
			strerror(errno));
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
		perror("headrace: socketpair");
		return -1;
	}
	fflush(NULL);
	d->pid = fork();
	if (!d->pid)
		daemon_child(program, fds[1], log_fd);
	close(fds[1]);
	if (d->pid < 0) {
		perror("headrace: fork");
		close(fds[0]);
		d->pid = 0;
		return -1;
	}
	client_init(&d->client, fds[0]);
	return 0;
}

int daemon_clean(const char *instance)
{
	char program[PROGRAM_PATH_MAX];
	int status = 0;
	pid_t pid;

	find_program(program);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		execl(program, PROGRAM, "--clean", "--instance", instance, NULL);
		fprintf(stderr, "headrace: cannot run %s: %s\n", program, strerror(errno));
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
	perror("headrace: fork");
	return -1;
}

int daemon_request(struct daemon *d, const json_t *request, int tun_fd)
{
	int err = client_request(&d->client, request, tun_fd);

	/* EPIPE: it has ended already and said why */
	if (err && err != -EPIPE)
		fprintf(stderr, "headrace: cannot ask " PROGRAM ": %s\n", strerror(-err));
	return err ? -1 : 0;
}

static int daemon_ready(struct daemon *d, const json_t *ready)
{
	const char *stack4 = json_string_value(json_object_get(ready, "stack4"));
	const char *tun = json_string_value(json_object_get(ready, "tun"));

	if (stack4)
		snprintf(d->stack4, sizeof(d->stack4), "%s", stack4);
	else
		d->stack4[0] = 0;
	snprintf(d->tun, sizeof(d->tun), "%s", tun ? tun : "");
	d->netns_fd = d->client.passed_fd;
	d->client.passed_fd = -1;
	return 1;
}

static int daemon_line(struct daemon *d, const char *line)
{
	const char *kind;
	json_t *root;
	json_t *object;
	int ret = 0;

	switch (client_parse(line, &root, &kind, &object)) {
	case ANSWER_OBJECT:
		if (!strcmp(kind, "ready"))
			ret = daemon_ready(d, object);
		else if (!strcmp(kind, CONTROL_START))
			fprintf(stderr, "%s\n", object_text(object, "line", "?"));
		break;
	case ANSWER_DONE:
		break;
	case ANSWER_ERROR:
		fprintf(stderr, "headrace: %s\n", kind);
		ret = -1;
		break;
	case ANSWER_BROKEN:
		fprintf(stderr, "headrace: " PROGRAM " does not speak this version's protocol\n");
		ret = -1;
		break;
	}
	json_decref(root);
	return ret;
}

int daemon_progress(struct daemon *d)
{
	const char *line;
	int ret = 0;

	int n = client_fill(&d->client);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0) {
		fprintf(stderr, "headrace: " PROGRAM " ended before it was ready\n");
		return -1;
	}
	while (!ret && (line = client_take(&d->client)))
		ret = daemon_line(d, line);
	return ret;
}

bool daemon_is_gone(struct daemon *d)
{
	if (d->pid && waitpid(d->pid, &d->status, WNOHANG) == d->pid)
		d->pid = 0;
	return !d->pid;
}

/* Until it has ended or the time is up. Its socket's EOF comes a moment before its end. */
static void daemon_wait(struct daemon *d)
{
	uint64_t deadline = clock_ms() + STOP_TIMEOUT_MS;

	while (!daemon_is_gone(d) && clock_ms() < deadline) {
		struct pollfd p = { .fd = d->client.fd, .events = POLLIN };

		if (poll(&p, 1, 10) > 0 && client_fill(&d->client) <= 0)
			poll(NULL, 0, 2);
		while (client_take(&d->client))
			; /* "done", and a report that nobody waited for */
	}
}

void daemon_leave(struct daemon *d)
{
	d->pid = 0;
	client_done(&d->client);
}

void daemon_stop(struct daemon *d)
{
	json_t *stop = json_pack("{s:s}", "command", "stop");

	if (d->pid && stop && d->client.fd >= 0)
		client_request(&d->client, stop, -1);
	json_decref(stop);
	if (d->client.fd >= 0)
		shutdown(d->client.fd, SHUT_WR); /* the end, also if it does not read "stop" */
	if (d->pid)
		daemon_wait(d);
	if (d->pid) {
		fprintf(stderr, "headrace: " PROGRAM " did not end in %d s: killed\n",
			STOP_TIMEOUT_MS / 1000);
		kill(d->pid, SIGKILL);
		waitpid(d->pid, &d->status, 0);
		d->pid = 0;
	}
	if (d->netns_fd >= 0)
		close(d->netns_fd);
	d->netns_fd = -1;
	client_done(&d->client);
}

const char *daemon_log_wrong(const char *text)
{
	enum log_level level;

	return log_level_parse(text, &level) ? "not one of error, warn, info, debug" : NULL;
}
