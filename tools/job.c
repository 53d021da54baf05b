// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * COMMAND as a child process (see job.h). It stays in the process group of headrace, so the
 * terminal treats both as one job: Ctrl-C reaches COMMAND without help, and SIGCONT after
 * `fg` as well. Stop signals are blocked here while it runs: whether the job stops is for
 * COMMAND to decide (it may catch or ignore SIGTSTP), and is learnt from waitpid().
 *
 * PDEATHSIG is set after the change of ids, which would clear it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/command.h"
#include "tools/job.h"
#include "tools/sandbox.h"
#include "tools/user.h"

void job_signals(sigset_t *ret_set)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(ret_set, signals[i]);
}

/* Ends the child; a byte through the pipe tells the parent that COMMAND never ran. */
__attribute__((noreturn)) static void child_fail(int pipe_fd, int status)
{
	ssize_t n = write(pipe_fd, "", 1);

	_exit(n == 1 ? status : EXIT_TROUBLE);
}

static int child_enter(const struct job_plan *plan, pid_t parent)
{
	char text[SANDBOX_ERROR_MAX];
	int err = plan->sandbox ? sandbox_enter(plan->sandbox, text) : 0;

	if (err) {
		fprintf(stderr, "headrace: %s\n", text);
		return err;
	}
	err = user_become(plan->user);
	if (err) {
		fprintf(stderr, "headrace: cannot become uid %u: %s\n", plan->user->uid,
			strerror(-err));
		return err;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -errno;
	return getppid() == parent ? 0 : -ESRCH; /* the parent died before it counted */
}

__attribute__((noreturn)) static void job_child(const struct job_plan *plan, pid_t parent,
						int pipe_fd)
{
	if (child_enter(plan, parent))
		child_fail(pipe_fd, EXIT_TROUBLE);
	sigprocmask(SIG_SETMASK, plan->mask, NULL);
	execvp(plan->argv[0], plan->argv);

	int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;

	fprintf(stderr, "headrace: %s: %s\n", plan->argv[0],
		errno == ENOENT ? "command not found" : strerror(errno));
	child_fail(pipe_fd, status);
}

int job_start(struct job *j, const struct job_plan *plan)
{
	pid_t parent = getpid();
	int fds[2];
	char byte;
	ssize_t n;

	memset(j, 0, sizeof(*j));
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	j->pid = fork();
	if (j->pid < 0) {
		int err = -errno;

		close(fds[0]);
		close(fds[1]);
		j->pid = 0;
		return err;
	}
	if (!j->pid) {
		close(fds[0]);
		job_child(plan, parent, fds[1]);
	}
	close(fds[1]);
	do {
		n = read(fds[0], &byte, 1);
	} while (n < 0 && errno == EINTR);
	close(fds[0]);
	j->executed = !n; /* exec closed the pipe, or COMMAND's process was killed before */
	return 0;
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/*
 * SIGSTOP and not the signal that stopped COMMAND: those are blocked here. Without a
 * terminal nobody would continue this process; then COMMAND alone stays stopped.
 */
static void stop_along(const struct job *j)
{
	if (!has_terminal())
		return;
	raise(SIGSTOP);
	kill(j->pid, SIGCONT); /* it may be in a process group of its own */
}

void job_reap(struct job *j)
{
	int status;

	while (j->pid && !j->ended) {
		pid_t pid = waitpid(j->pid, &status, WNOHANG | WUNTRACED);

		if (pid != j->pid)
			return;
		if (WIFSTOPPED(status)) {
			stop_along(j);
			continue;
		}
		j->ended = true;
		j->status = status;
	}
}

void job_signal(const struct job *j, const struct signalfd_siginfo *si)
{
	int signal = (int)si->ssi_signo;
	bool terminal = (signal == SIGINT || signal == SIGQUIT) && si->ssi_code > 0;

	if (!j->pid || j->ended || signal == SIGCHLD || terminal)
		return;
	if ((pid_t)si->ssi_pid == j->pid)
		return; /* COMMAND signals its own group: it has had it */
	kill(j->pid, signal);
}

void job_end(struct job *j, int grace_ms)
{
	uint64_t deadline = clock_ms() + (uint64_t)grace_ms;

	if (!j->pid || j->ended)
		return;
	kill(j->pid, SIGTERM);
	kill(j->pid, SIGCONT);
	while (!j->ended && clock_ms() < deadline) {
		poll(NULL, 0, 10);
		job_reap(j);
	}
	if (j->ended)
		return;
	kill(j->pid, SIGKILL);
	j->ended = waitpid(j->pid, &j->status, 0) == j->pid;
}

int job_exit_status(const struct job *j)
{
	return WIFSIGNALED(j->status) ? 128 + WTERMSIG(j->status) : WEXITSTATUS(j->status);
}
