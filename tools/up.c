// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace up` and `headrace down`: the daemon of this host in the background. `up` checks the
 * configuration, starts it, and returns when it captures; until then its end of the socket pair
 * is the daemon's life line, so a start that is interrupted leaves nothing. `down` returns when
 * all is undone; where no daemon runs it takes away what a killed one has left.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "conf/conf.h"
#include "conf/file.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/daemon.h"

#define CONFIG_STANDARD "/etc/headrace/headrace.yaml"
#define JOURNAL "/run/systemd/journal/stdout"
#define DOWN_TIMEOUT_MS (3 * ROLE_STOP_MS)
#define GONE_TIMEOUT_MS 5000 /* of a process that was killed */

struct up_options {
	const char *config;
	const char *instance;
	const char *log;
	const char *log_file;
};

/* --- the log ------------------------------------------------------------------------------- */

/* As sd_journal_stream_fd(3): each line that is written becomes an entry. -1: no journal. */
static int open_journal(void)
{
	static const char head[] = "headraced\n\n6\n0\n0\n0\n0\n";
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = JOURNAL };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(head) - 1)
		return fd;
	close(fd);
	return -1;
}

/* 0, or -1 after one line on stderr. */
static int open_log(const char *file, int *ret_fd)
{
	int fd;

	if (file) {
		fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			fprintf(stderr, "headrace: cannot write %s: %s\n", file, strerror(errno));
	} else {
		fd = open_journal();
		if (fd < 0)
			fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			perror("headrace: /dev/null");
	}
	*ret_fd = fd;
	return fd < 0 ? -1 : 0;
}

/* --- up ------------------------------------------------------------------------------------ */

/* All that is wrong with the file, before anything is begun. "" = there is none. */
static int up_config(const struct up_options *o, char file[PATH_MAX])
{
	struct conf *conf;

	file[0] = '\0';
	if (!o->config && access(CONFIG_STANDARD, F_OK))
		return 0;
	if (conf_file_absolute(o->config ? o->config : CONFIG_STANDARD, file)) {
		fprintf(stderr, "headrace: %s: name too long\n", o->config);
		return -1;
	}
	conf = config_check(file);
	conf_free(conf);
	return conf ? 0 : -1;
}

static json_t *up_request(const struct up_options *o, const char *file)
{
	json_t *q = json_pack("{s:s, s:s, s:b}", "command", "run", RUN_INSTANCE,
			      o->instance ? o->instance : INSTANCE_HOST, RUN_HOST, 1);

	if (q && file[0])
		json_object_set_new(q, RUN_CONFIG, json_string(file));
	if (q && o->log)
		json_object_set_new(q, RUN_LOG, json_string(o->log));
	return q;
}

/* 0, or -1 after one line on stderr. */
static int up_wait(struct daemon *d)
{
	uint64_t now, deadline = clock_ms() + DAEMON_READY_MS;
	int ready = 0;

	while (!ready && (now = clock_ms()) < deadline) {
		struct pollfd p = { .fd = d->client.fd, .events = POLLIN };

		if (poll(&p, 1, (int)(deadline - now)) > 0)
			ready = daemon_progress(d);
	}
	if (!ready)
		fprintf(stderr, "headrace: headraced was not ready within %d s\n",
			DAEMON_READY_MS / 1000);
	return ready > 0 ? 0 : -1;
}

static int up_start(const struct up_options *o, const char *file, int log_fd)
{
	json_t *request = up_request(o, file);
	struct daemon d = { .netns_fd = -1 };
	int err = -1;

	if (request)
		err = daemon_start(&d, log_fd);
	if (!err)
		err = daemon_request(&d, request, -1);
	json_decref(request);
	if (!err)
		err = up_wait(&d);
	if (err) {
		daemon_stop(&d);
		return EXIT_TROUBLE;
	}
	printf("headrace is up: instance %s, %s%s%s\n", o->instance ? o->instance : INSTANCE_HOST,
	       d.tun, d.stack4[0] ? ", DNS at " : "", d.stack4);
	daemon_leave(&d);
	return EXIT_SUCCESS;
}

static bool up_is_root(const char *command)
{
	if (!geteuid())
		return true;
	fprintf(stderr, "headrace: %s needs root; use `sudo headrace %s`\n", command, command);
	return false;
}

static int up_main(int argc, char **argv)
{
	struct up_options opts = { 0 };
	char file[PATH_MAX];
	int status = 0, log_fd;

	if (option_parse_only(&up_command, argc, argv, &opts, &status) < 0)
		return status;
	if (up_config(&opts, file) || !up_is_root("up") || open_log(opts.log_file, &log_fd))
		return EXIT_TROUBLE;
	status = up_start(&opts, file, log_fd);
	close(log_fd);
	return status;
}

/* --- down ---------------------------------------------------------------------------------- */

static pid_t peer_pid(int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
}

enum down_answer { DOWN_DONE, DOWN_GONE, DOWN_HANGS };

/*
 * DONE: it has said that all is undone, and hung up; GONE: it hung up and said nothing, as one
 * that was killed a moment ago and whose socket the kernel has not closed yet.
 */
static enum down_answer down_ask(struct client *c)
{
	json_t *stop = json_pack("{s:s}", "command", "stop");
	bool answered = false;
	const char *line;
	int err = stop ? client_request(c, stop, -1) : -ENOMEM;

	json_decref(stop);
	if (err == -EPIPE || err == -ECONNRESET)
		return DOWN_GONE;
	while (!err && client_line(c, DOWN_TIMEOUT_MS, &line) > 0)
		answered = true; /* "done", or the error that ended it */
	if (err || client_fill(c) == -EAGAIN)
		return DOWN_HANGS;
	return answered ? DOWN_DONE : DOWN_GONE;
}

/* It hangs: what it has no time to undo, its end or the cleaning undoes. */
static int down_kill(struct client *c, const char *instance)
{
	pid_t pid = peer_pid(c->fd);
	const char *line;

	fprintf(stderr, "headrace: the daemon does not answer: killed\n");
	if (pid <= 0 || kill(pid, SIGKILL)) {
		fprintf(stderr, "headrace: cannot kill process %d: %s\n", (int)pid,
			strerror(errno));
		return EXIT_TROUBLE;
	}
	while (client_line(c, GONE_TIMEOUT_MS, &line) > 0)
		;
	return daemon_clean(instance) ? EXIT_TROUBLE : EXIT_SUCCESS;
}

static int down_instance(const char *instance)
{
	struct client *c;
	int fd, status, err = control_connect(instance, &fd);

	if (err == -ECONNREFUSED) {
		if (daemon_clean(instance))
			return EXIT_TROUBLE;
		printf("headrace: no instance '%s' was running\n", instance);
		return EXIT_SUCCESS;
	}
	c = err ? NULL : malloc(sizeof(*c));
	if (!c) {
		fprintf(stderr, "headrace: cannot reach instance '%s': %s\n", instance,
			err ? strerror(-err) : "out of memory");
		return EXIT_TROUBLE;
	}
	client_init(c, fd);
	switch (down_ask(c)) {
	case DOWN_DONE:
		status = EXIT_SUCCESS;
		break;
	case DOWN_GONE:
		status = daemon_clean(instance) ? EXIT_TROUBLE : EXIT_SUCCESS;
		break;
	default:
		status = down_kill(c, instance);
		break;
	}
	client_done(c);
	free(c);
	return status;
}

static int down_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	int status = 0;

	if (option_parse_only(&down_command, argc, argv, &opts, &status) < 0)
		return status;
	if (!up_is_root("down"))
		return EXIT_TROUBLE;
	return down_instance(opts.instance ? opts.instance : INSTANCE_HOST);
}

/* --- commands ------------------------------------------------------------------------------ */

static const struct option_spec up_options[] = {
	{ .name = "config",
	  .letter = 'c',
	  .value = "FILE",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct up_options, config),
	  .help = "configuration, see headrace.yaml(5) (default: " CONFIG_STANDARD
		  ", or none if it is not there)" },
	{ .name = "instance",
	  .value = "NAME",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct up_options, instance),
	  .wrong = client_instance_wrong,
	  .help = "name of the instance (default: " INSTANCE_HOST ")" },
	{ .name = "log",
	  .value = "LEVEL",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct up_options, log),
	  .wrong = daemon_log_wrong,
	  .help = "error, warn, info or debug (default: what the configuration says)" },
	{ .name = "log-file",
	  .value = "FILE",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct up_options, log_file),
	  .help = "where the daemon's log goes (default: the journal of systemd, if there is one)" },
	{ .name = NULL },
};

const struct command up_command = {
	.name = "up",
	.operands = "",
	.summary = "capture this host's traffic, in the background",
	.details =
		"Starts headraced for this host and returns when it captures what the\n"
		"configuration says: with none, DNS is answered and everything else goes its own\n"
		"way. Routes, firewall and resolv.conf stay as they are. `headrace down` ends it.",
	.options = up_options,
	.run = up_main,
};

static const struct option_spec down_options[] = {
	{ .name = "instance",
	  .value = "NAME",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct client_options, instance),
	  .wrong = client_instance_wrong,
	  .help = "name of the instance (default: " INSTANCE_HOST ")" },
	CLIENT_OPTION_END,
};

const struct command down_command = {
	.name = "down",
	.operands = "",
	.summary = "end what `headrace up` began, and undo it",
	.details = "Ends the daemon of this host and returns when everything is undone. One that\n"
		   "hangs is killed; what a killed one has left is taken away.",
	.options = down_options,
	.run = down_main,
};
