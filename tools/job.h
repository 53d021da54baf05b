/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* COMMAND as a child process: start, signals, stop and continue, how it ended. */
#ifndef TOOLS_JOB_H
#define TOOLS_JOB_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct sandbox;
struct signalfd_siginfo;
struct user;

struct job_plan {
	char **argv; /* NULL-terminated */
	const struct sandbox *sandbox; /* NULL = runs where the caller is */
	const struct user *user;
	const sigset_t *mask; /* the signal mask that COMMAND gets: the caller's own */
};

struct job {
	pid_t pid; /* 0 = none */
	bool executed; /* COMMAND itself ran; false: it was not found, or the sandbox failed */
	bool ended;
	int status; /* of waitpid(), once it has ended */
};

/*
 * Forks and waits until COMMAND has been executed or has failed to be, which the child has
 * then said on stderr and in its exit status. 0 or -errno (no child).
 */
int job_start(struct job *j, const struct job_plan *plan);

/*
 * After SIGCHLD: notes the end. If COMMAND was stopped from a terminal, stops this process
 * too, so that the shell gets its prompt, and continues COMMAND when it is continued.
 */
void job_reap(struct job *j);

/*
 * A signal that this process was sent: TERM, HUP, USR1 and USR2 are passed on; INT and QUIT
 * only if a process sent them here, because the terminal's reach COMMAND by itself.
 */
void job_signal(const struct job *j, const struct signalfd_siginfo *si);

/* The network is gone: SIGTERM, and SIGKILL if it still runs after `grace_ms`. */
void job_end(struct job *j, int grace_ms);

/* What a shell's $? would be. */
int job_exit_status(const struct job *j);

/* Signals to be blocked while a job runs: those of job_signal() and SIGCHLD. */
void job_signals(sigset_t *ret_set);

#endif
