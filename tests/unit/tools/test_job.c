// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* COMMAND as a job: signals, the terminal, and who it runs as. Root only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tools/harness.h"

/* --- signals ---------------------------------------------------------------------------------- */

static void signals_are_passed_on(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int out = output_file();
		char script[128];
		pid_t pid;
		int status;

		snprintf(script, sizeof(script),
			 "trap 'echo got; exit 3' %d; echo up; while :; do sleep 0.05; done",
			 signals[i]);
		pid = start((char *[]){ SH(script), NULL }, out, -1);
		wait_for(out, "up\n");
		kill(pid, signals[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 3);
		wait_for(out, "got\n");
		close(out);
	}
}

static void killed_headrace_takes_the_command_along(void **state)
{
	int out = output_file();
	char text[64] = "";
	int status;
	pid_t pid = start((char *[]){ SH("echo $$; exec sleep 60"), NULL }, out, -1);

	wait_for(out, "\n");
	assert_true(pread(out, text, sizeof(text) - 1, 0) > 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	for (int i = 0; i < 200 && !kill(atoi(text), 0); i++)
		usleep(10000);
	assert_int_equal(kill(atoi(text), 0), -1);
	close(out);
}

/*
 * A shell in short: runs headrace as a job in the foreground of its terminal, waits until it
 * stops, continues it, and exits with 40 + its exit status.
 */
__attribute__((noreturn)) static void little_shell(char **args)
{
	int status;
	pid_t pid;

	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (!pid) {
		signal(SIGTTOU, SIG_IGN);
		setpgid(0, 0);
		tcsetpgrp(0, getpid());
		signal(SIGTTOU, SIG_DFL);

		int argc = 0;

		while (args[argc])
			argc++;
		_exit(run_main(argc, args));
	}
	setpgid(pid, pid);
	if (waitpid(pid, &status, WUNTRACED) != pid)
		_exit(1);
	if (WIFSTOPPED(status)) {
		printf("stopped\n");
		fflush(stdout);
		kill(-pid, SIGCONT);
		if (waitpid(pid, &status, 0) != pid)
			_exit(2);
	}
	_exit(WIFSIGNALED(status) ? 80 + WTERMSIG(status) : 40 + WEXITSTATUS(status));
}

/* Reads the terminal until `text` has come. */
static void terminal_wait(int master, const char *text)
{
	char got[4096] = "";
	size_t used = 0;

	while (used < sizeof(got) - 1) {
		struct pollfd p = { .fd = master, .events = POLLIN };
		ssize_t n = poll(&p, 1, 5000) > 0 ? read(master, got + used, 1) : -1;

		if (n <= 0)
			break;
		used++;
		if (strstr(got, text))
			return;
	}
	fail_msg("the terminal never showed '%s' but '%s'", text, got);
}

static pid_t on_terminal(int *ret_master, char **args)
{
	pid_t pid = forkpty(ret_master, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (!pid)
		little_shell(args);
	return pid;
}

static void ctrl_z_stops_the_job_and_continues_it(void **state)
{
	int master;
	int status;
	pid_t pid = on_terminal(&master, (char *[]){ "run", SH("echo up; read x; exit 5"), NULL });

	terminal_wait(master, "up");
	assert_int_equal(write(master, "\032", 1), 1);
	terminal_wait(master, "stopped");
	assert_int_equal(write(master, "x\n", 2), 2);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 45);
	close(master);
}

static void ctrl_c_reaches_the_command_and_not_headrace(void **state)
{
	int master;
	int status;
	pid_t pid = on_terminal(&master, (char *[]){ "run",
						     SH("trap 'exit 6' INT; echo up; "
							"while :; do sleep 0.05; done"),
						     NULL });

	terminal_wait(master, "up");
	assert_int_equal(write(master, "\003", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 46);
	close(master);
}

static void ctrl_c_that_kills_the_command_kills_headrace(void **state)
{
	int master;
	int status;
	pid_t pid = on_terminal(&master, (char *[]){ "run", SH("echo up; exec sleep 60"), NULL });

	terminal_wait(master, "up");
	usleep(50000);
	assert_int_equal(write(master, "\003", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 80 + SIGINT);
	close(master);
}

static void terminal_is_the_commands(void **state)
{
	int master;
	int status;
	pid_t pid = on_terminal(&master, (char *[]){ "run",
						     SH("test -t 0 && test -t 1 && : </dev/tty"
							" && exit 3"),
						     NULL });

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 43);
	close(master);
}

/* --- who and where -------------------------------------------------------------------------- */

static void runs_as_the_user_who_called_sudo(void **state)
{
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	RUN(SH("id -u; id -g; id -G; echo $USER $LOGNAME; grep -c '^Cap\\(Inh\\|Prm\\|Eff\\|Amb\\)"
	       ".*0000000000000000$' /proc/self/status"));
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	exited(0);
	assert_string_equal(outcome.out, "65534\n65534\n65534\nnobody nobody\n4\n");
}

static void user_option_wins(void **state)
{
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	RUN("--user", "daemon", SH("id -un; echo $HOME"));
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	exited(0);
	assert_string_equal(outcome.out, "daemon\n/usr/sbin\n");
}

static int own_tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(signals_are_passed_on),
		TEST(killed_headrace_takes_the_command_along),
		TEST(ctrl_z_stops_the_job_and_continues_it),
		TEST(ctrl_c_reaches_the_command_and_not_headrace),
		TEST(ctrl_c_that_kills_the_command_kills_headrace),
		TEST(terminal_is_the_commands),
		TEST(runs_as_the_user_who_called_sudo),
		TEST(user_option_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argc, argv, own_tests);
}
