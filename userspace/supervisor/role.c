// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of a role's process.
 *
 * A role is this executable run again as `--role KIND SLOT PROTECT`, with its socket as
 * descriptor ROLE_FD and nothing else open; it learns everything by messages. Its end is
 * told by its pidfd, not by SIGCHLD, so that no other child can be mistaken for it. What
 * comes up the socket is checked here: a role that breaks the protocol is killed and
 * restarted like one that crashed, and so is one that hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/message.h"
#include "supervisor/privilege.h"
#include "supervisor/role.h"

#define MESSAGES_PER_TURN 16 /* a role that floods must not starve the others */

#define STATE_NAME(name, text) [name] = text,
static const char *const state_names[] = { ROLE_STATES(STATE_NAME) };
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == ROLE_STATE_NUM, "state names");

const char *role_state_name(enum role_state state)
{
	return state_names[state];
}

static void set_state(struct role *r, enum role_state next)
{
	log_debug("role", "%s: %s -> %s", r->name, state_names[r->state], state_names[next]);
	r->state = next;
}

bool role_is_alive(const struct role *r)
{
	return r->pid > 0 && r->socket.fd >= 0;
}

uint64_t role_cpu_ms(const struct role *r)
{
	struct timespec used;
	clockid_t clock;

	if (r->pid <= 0 || clock_getcpuclockid(r->pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / NSEC_PER_MSEC;
}

/* What a role keeps of main's environment: nothing of the user's, who may keep secrets there. */
static const char *const environment[] = {
	"LOCALDOMAIN=",	 "RES_OPTIONS=", /* the host's resolver configuration */
	"ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS=", "LLVM_PROFILE_FILE=",
};

#define ENVIRONMENT (sizeof(environment) / sizeof(environment[0]))

static void keep_environment(char *ret_env[ENVIRONMENT + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < ENVIRONMENT; i++)
		for (char **e = environ; *e; e++)
			if (!strncmp(*e, environment[i], strlen(environment[i]))) {
				ret_env[n++] = *e;
				break;
			}
	ret_env[n] = NULL;
}

/* In the child: async-signal-safe calls only. */
static void __attribute__((noreturn)) become_role(int sock, char *const argv[], char *const env[])
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		_exit(126);
	if (sock == ROLE_FD ? fcntl(sock, F_SETFD, 0) : dup2(sock, ROLE_FD) < 0)
		_exit(126);
	close_range(ROLE_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execve("/proc/self/exe", argv, env);
	_exit(127);
}

static int fork_role(struct role *r, int sock)
{
	char title[96], slot[16];
	char *argv[] = { title,
			 "--role",
			 r->kind == ROLE_WORKER ? "worker" : "resolver",
			 slot,
			 (char *)privilege_protect_names[r->protect],
			 NULL };
	char *env[ENVIRONMENT + 1];
	int pid;

	keep_environment(env);
	snprintf(title, sizeof(title), "headraced: %s [%s]", r->name, r->instance);
	snprintf(slot, sizeof(slot), "%u", r->slot);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		become_role(sock, argv, env);
	return pid;
}

static void process_ready(struct watch *w, uint32_t events);
static void socket_ready(struct watch *w, uint32_t events);

/* Process and socket exist and are watched, or nothing is left of them. */
static int spawn(struct role *r)
{
	int pair[2], pid, pidfd, err;

	err = message_pair(pair);
	if (err)
		return err;
	pid = fork_role(r, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		err = -errno;
		goto err_kill;
	}
	r->process = (struct watch){ .ready = process_ready, .fd = pidfd };
	err = loop_add(r->loop, &r->process, EPOLLIN);
	if (err)
		goto err_pidfd;
	r->socket = (struct watch){ .ready = socket_ready, .fd = pair[0] };
	err = loop_add(r->loop, &r->socket, EPOLLIN);
	if (err)
		goto err_watch;
	r->pid = pid;
	r->spawned_ms = clock_ms();
	return 0;

err_watch:
	loop_remove(r->loop, &r->process);
err_pidfd:
	close(pidfd);
	r->process.fd = -1;
	r->socket.fd = -1;
err_kill:
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pair[0]);
	return err;
}

static void close_socket(struct role *r)
{
	int fd = r->socket.fd;

	if (fd < 0)
		return;
	loop_remove(r->loop, &r->socket);
	close(fd);
}

/* The process is gone: takes its status and closes what is ours of it. */
static void reap(struct role *r, char how[64])
{
	siginfo_t si = { 0 };
	int fd = r->process.fd;

	if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED))
		snprintf(how, 64, "unknown end");
	else if (si.si_code == CLD_EXITED)
		snprintf(how, 64, "exit status %d", si.si_status);
	else
		snprintf(how, 64, "signal %d, %s", si.si_status, strsignal(si.si_status));
	loop_remove(r->loop, &r->process);
	close(fd);
	close_socket(r);
	loop_disarm(&r->timer);
	r->pid = -1;
}

static void died(struct role *r, const char *how)
{
	enum role_state before = r->state;

	if (clock_ms() - r->spawned_ms >= ROLE_STEADY_MS)
		r->delay_ms = ROLE_RESTART_DELAY_MS;
	log_warn("role", "%s died (%s), restart in %u ms restarts=%u", r->name, how, r->delay_ms,
		 r->restarts);
	loop_arm(r->loop, &r->timer, r->delay_ms);
	r->delay_ms *= 2;
	if (r->delay_ms > ROLE_RESTART_DELAY_MAX_MS)
		r->delay_ms = ROLE_RESTART_DELAY_MAX_MS;
	/* the callback may stop this role, so it must find the state that is true from now */
	set_state(r, ROLE_STATE_WAITING);
	r->ops->died(r, before == ROLE_STATE_READY, how);
}

static void process_ready(struct watch *w, uint32_t events)
{
	struct role *r = container_of(w, struct role, process);
	char how[64];

	reap(r, how);
	if (r->state == ROLE_STATE_STOPPING) {
		set_state(r, ROLE_STATE_STOPPED);
		r->ops->stopped(r);
		return;
	}
	died(r, how);
}

static void take_ready(struct role *r)
{
	if (r->state != ROLE_STATE_STARTING)
		return;
	loop_disarm(&r->timer);
	set_state(r, ROLE_STATE_READY);
	r->pinged = false;
	r->silent = 0;
	if (r->restarts)
		log_warn("role", "%s is back restarts=%u", r->name, r->restarts);
	r->ops->ready(r);
}

static int take_pong(struct role *r)
{
	if (!r->pinged)
		return -EPROTO;
	r->pinged = false;
	r->silent = 0;
	return 0;
}

static int take_text(struct role *r, const uint8_t *body, size_t len)
{
	struct role_text t;

	if (len < sizeof(t))
		return -EPROTO;
	memcpy(&t, body, sizeof(t));
	if (t.length != len - sizeof(t))
		return -EPROTO;
	r->ops->text(r, t.tag, (const char *)body + sizeof(t), t.length);
	return 0;
}

static int take_want_names(struct role *r, const uint8_t *body, size_t len)
{
	struct role_want_names want;

	if (len != sizeof(want) || r->kind != ROLE_RESOLVER)
		return -EPROTO;
	memcpy(&want, body, len);
	if (!want.buckets || want.buckets > DNS_NAMES_BUCKETS_MAX)
		return -EPROTO;
	return r->ops->want_names(r, want.buckets);
}

static int take_message(struct role *r, const uint8_t *data, size_t len)
{
	struct role_message m;

	if (len < sizeof(m))
		return -EPROTO;
	memcpy(&m, data, sizeof(m));
	data += sizeof(m);
	len -= sizeof(m);
	switch (m.type) {
	case ROLE_READY:
		if (len)
			return -EPROTO;
		take_ready(r);
		return 0;
	case ROLE_TEXT:
		return take_text(r, data, len);
	case ROLE_PONG:
		return len ? -EPROTO : take_pong(r);
	case ROLE_WANT_NAMES:
		return take_want_names(r, data, len);
	}
	return -EPROTO;
}

/* The process goes on for a moment: process_ready() sees its end. */
static void disown(struct role *r, const char *why)
{
	if (r->state != ROLE_STATE_STOPPING)
		log_warn("role", "%s: %s, killed", r->name, why);
	close_socket(r);
	role_kill(r);
}

static void socket_ready(struct watch *w, uint32_t events)
{
	struct role *r = container_of(w, struct role, socket);
	uint8_t buf[ROLE_MESSAGE_MAX];

	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		int passed = -1;
		ssize_t n = message_recv(w->fd, buf, sizeof(buf), &passed);

		if (passed >= 0)
			close(passed); /* roles have nothing to give */
		if (n == -EAGAIN)
			return;
		if (n == 0 || n == -ECONNRESET) {
			/* usually it is just ending; if not, it has no business without us */
			close_socket(r);
			if (r->state != ROLE_STATE_STOPPING)
				loop_arm(r->loop, &r->timer, ROLE_STOP_MS);
			return;
		}
		if (n < 0 || take_message(r, buf, (size_t)n)) {
			disown(r, "broke the protocol");
			return;
		}
		if (w->fd < 0)
			return; /* a callback ended the role */
	}
}

static void restart(struct role *r)
{
	int err;

	r->restarts++;
	err = role_start(r);
	if (!err)
		return;
	log_warn("role", "%s: cannot restart: %s", r->name, strerror(-err));
	if (r->state == ROLE_STATE_WAITING)
		loop_arm(r->loop, &r->timer, r->delay_ms);
}

static void timer_expired(struct timer *t)
{
	struct role *r = container_of(t, struct role, timer);

	switch (r->state) {
	case ROLE_STATE_WAITING:
		restart(r);
		break;
	case ROLE_STATE_STARTING:
	case ROLE_STATE_READY:
	case ROLE_STATE_STOPPING:
		log_warn("role", "%s: does not %s in time, killed", r->name,
			 r->state == ROLE_STATE_STARTING ? "get ready" : "end");
		role_kill(r);
		break;
	default:
		break;
	}
}

void role_init(struct role *r, enum role_kind kind, unsigned int slot, struct loop *loop,
	       const char *instance, const struct role_ops *ops)
{
	*r = (struct role){ .kind = kind,
			    .slot = slot,
			    .ops = ops,
			    .loop = loop,
			    .instance = instance,
			    .pid = -1,
			    .delay_ms = ROLE_RESTART_DELAY_MS,
			    .process.fd = -1,
			    .socket.fd = -1 };
	if (kind == ROLE_RESOLVER)
		snprintf(r->name, sizeof(r->name), "resolver");
	else
		snprintf(r->name, sizeof(r->name), "worker %u", slot);
	timer_init(&r->timer, timer_expired);
}

int role_start(struct role *r)
{
	int err = spawn(r);

	if (err)
		return err;
	set_state(r, ROLE_STATE_STARTING);
	loop_arm(r->loop, &r->timer, ROLE_READY_MS);
	err = r->ops->hand_over(r);
	if (err)
		disown(r, "not set up");
	return err;
}

void role_stop(struct role *r)
{
	switch (r->state) {
	case ROLE_STATE_STARTING:
	case ROLE_STATE_READY:
		set_state(r, ROLE_STATE_STOPPING);
		loop_arm(r->loop, &r->timer, ROLE_STOP_MS);
		if (role_send(r, ROLE_STOP, NULL, 0, -1))
			role_kill(r);
		break;
	case ROLE_STATE_WAITING:
		loop_disarm(&r->timer);
		set_state(r, ROLE_STATE_STOPPED);
		r->ops->stopped(r);
		break;
	default:
		break;
	}
}

void role_check(struct role *r)
{
	if (r->state != ROLE_STATE_READY)
		return;
	if (r->silent == ROLE_HANG_MS / ROLE_PING_MS) {
		log_warn("role", "%s hangs, no answer for %u ms, killed", r->name, ROLE_HANG_MS);
		r->ops->hung(r);
		role_kill(r);
	}
	r->silent++;
	if (!r->pinged)
		r->pinged = !role_send(r, ROLE_PING, NULL, 0, -1);
}

void role_kill(struct role *r)
{
	if (r->pid > 0)
		pidfd_send_signal(r->process.fd, SIGKILL, NULL, 0);
}

int role_send(struct role *r, enum role_message_type type, const void *body, size_t len, int fd)
{
	uint8_t buf[ROLE_MESSAGE_MAX];
	struct role_message m = { .type = type };

	if (!role_is_alive(r))
		return -ENOTCONN;
	if (len > sizeof(buf) - sizeof(m))
		return -EMSGSIZE;
	memcpy(buf, &m, sizeof(m));
	if (len)
		memcpy(buf + sizeof(m), body, len);
	return message_send(r->socket.fd, buf, sizeof(m) + len, fd);
}

int role_send_descriptor(struct role *r, enum role_descriptor_kind kind, uint32_t index, int fd)
{
	struct role_descriptor d = { .kind = kind, .index = index };

	return role_send(r, ROLE_DESCRIPTOR, &d, sizeof(d), fd);
}

int role_query(struct role *r, uint64_t tag, const char *text)
{
	uint8_t body[sizeof(struct role_text) + ROLE_TEXT_MAX];
	struct role_text t = { .tag = tag, .length = (uint32_t)strlen(text) };

	if (t.length > sizeof(body) - sizeof(t))
		return -EMSGSIZE;
	memcpy(body, &t, sizeof(t));
	memcpy(body + sizeof(t), text, t.length);
	return role_send(r, ROLE_QUERY, body, sizeof(t) + t.length, -1);
}

void role_forget(struct role *r, uint64_t tag)
{
	struct role_text t = { .tag = tag };
	int err = role_is_alive(r) ? role_send(r, ROLE_FORGET, &t, sizeof(t), -1) : 0;

	if (err)
		log_debug("role", "%s not told to forget a query: %s", r->name, strerror(-err));
}
