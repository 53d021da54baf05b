/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For tests of `headrace run` as a whole: the test program itself is headraced. Run as
 * `headraced --run-fd N` it speaks base/control.h, makes a namespace (fake.h) and does what
 * the variable FAKE says. The command runs in a child, with its outputs in memory files.
 */
#ifndef TESTS_UNIT_TOOLS_HARNESS_H
#define TESTS_UNIT_TOOLS_HARNESS_H

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

static const char *fake_sbindir(void);
#undef HEADRACE_SBINDIR
#define HEADRACE_SBINDIR fake_sbindir()

#include "tests/unit/tools/fake.h"
#include "tools/client.c"
#include "tools/config.c"
#include "tools/daemon.c"
#include "tools/flow_row.c"
#include "tools/format.c"
#include "tools/job.c"
#include "tools/names.c"
#include "tools/object.c"
#include "tools/option.c"
#include "tools/private_etc.c"
#include "tools/report.c"
#include "tools/run.c"
#include "tools/sandbox.c"
#include "tools/sysfs.c"
#include "tools/table.c"
#include "tools/user.c"

#define OUTPUT_MAX 65536

static char sbindir[] = "/tmp/headrace-test-XXXXXX";

static const char *fake_sbindir(void)
{
	return sbindir;
}

/* --- the daemon ----------------------------------------------------------------------- */

static void fake_send(int fd, const char *line, int passed_fd)
{
	if (send_all(fd, line, strlen(line), passed_fd))
		_exit(1);
}

static void fake_ready(int fd, bool with_netns)
{
	pid_t dns;
	int ns = with_netns ? fake_netns(&dns) : -1;

	fake_send(fd, "{\"ready\":{\"stack4\":\"" FAKE_STACK "\",\"instance\":\"fake\"}}\n", ns);
	if (ns >= 0)
		close(ns);
}

static void fake_report(int fd, bool full)
{
	char line[512];
	int flows = full ? 25 : 20;

	for (int i = 0; i < flows; i++) {
		snprintf(line, sizeof(line),
			 "{\"flow\":{\"proto\":\"tcp\",\"daddr\":\"192.0.2.%d\",\"dport\":80,"
			 "\"domain\":\"host%d.test\",\"verdict\":\"forward\",\"bytes_up\":%d,"
			 "\"bytes_down\":1000,\"duration_ms\":5,\"end\":\"finished\"}}\n",
			 i + 1, i + 1, i);
		fake_send(fd, line, -1);
	}
	fake_send(fd,
		  "{\"summary\":{\"flows\":25,\"bytes_up\":300,\"bytes_down\":25000,"
		  "\"dns_queries\":1,\"drops\":{\"port_zero\":2}}}\n{\"done\":true}\n",
		  -1);
}

/* Writes the request where the test can read it. */
static void fake_note(const char *line)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s", getenv("FAKE_NOTE") ? getenv("FAKE_NOTE") : "/dev/null");
	f = fopen(path, "a");
	fprintf(f, "%s\n", line);
	fclose(f);
}

static void fake_command(int fd, const char *line, const char *mode, int passed_fd)
{
	fake_note(line);
	if (strstr(line, "\"run\"")) {
		if (!strcmp(mode, "refuse"))
			fake_send(fd, "{\"error\":\"instance 'x' is already running\"}\n", -1);
		else if (!strcmp(mode, "broken"))
			fake_send(fd, "hello\n", -1);
		else if (strcmp(mode, "silent") != 0)
			fake_ready(fd, passed_fd < 0);
		if (!strcmp(mode, "die")) {
			usleep(200000);
			raise(SIGKILL);
		}
	} else if (strstr(line, "\"report\"")) {
		fake_report(fd, strstr(line, "true"));
	} else if (strstr(line, "\"stop\"")) {
		_exit(0);
	}
}

static int fake_main(int fd)
{
	const char *mode = getenv("FAKE") ? getenv("FAKE") : "";
	struct client *c = malloc(sizeof(*c));
	const char *line;

	client_init(c, fd);
	while (strcmp(mode, "exit") != 0 && client_line(c, -1, &line) > 0)
		fake_command(fd, line, mode, c->passed_fd);
	free(c);
	return 0;
}

/* --- running it ------------------------------------------------------------------------- */

struct outcome {
	int status; /* of waitpid() */
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
};

static struct outcome outcome;

static int output_file(void)
{
	int fd = memfd_create("output", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void output_read(int fd, char text[OUTPUT_MAX])
{
	ssize_t n = pread(fd, text, OUTPUT_MAX - 1, 0);

	text[n < 0 ? 0 : n] = 0;
	close(fd);
}

/* Starts `headrace run ARGS...` in a child with its outputs in the two files. */
static pid_t start(char **args, int out, int err)
{
	int argc = 1;
	char *argv[32] = { "run" };
	pid_t pid;

	while (args[argc - 1]) {
		argv[argc] = args[argc - 1];
		argc++;
	}
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (out >= 0)
			dup2(out, STDOUT_FILENO);
		if (err >= 0)
			dup2(err, STDERR_FILENO);
		int status = run_main(argc, argv);

		fflush(NULL);
		_exit(status);
	}
	return pid;
}

static void run_args(char **args)
{
	int out = output_file();
	int err = output_file();
	pid_t pid = start(args, out, err);

	assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
	output_read(out, outcome.out);
	output_read(err, outcome.err);
}

#define RUN(...) run_args((char *[]){ __VA_ARGS__, NULL })
#define SH(script) "--quiet", "--", "sh", "-c", script

static void exited(int status)
{
	if (!WIFEXITED(outcome.status) || WEXITSTATUS(outcome.status) != status)
		fprintf(stderr, "status %x, stderr: %s\n", outcome.status, outcome.err);
	assert_true(WIFEXITED(outcome.status));
	assert_int_equal(WEXITSTATUS(outcome.status), status);
}

static void says(const char *text)
{
	if (!strstr(outcome.err, text))
		fprintf(stderr, "not said: %s\nin: %s\n", text, outcome.err);
	assert_non_null(strstr(outcome.err, text));
}

static inline void says_one_line(const char *text)
{
	says(text);
	assert_ptr_equal(strchr(outcome.err, '\n'), outcome.err + strlen(outcome.err) - 1);
}

/* Waits until `fd` holds `text`: the command has got that far. */
static void wait_for(int fd, const char *text)
{
	char got[OUTPUT_MAX];

	for (int i = 0; i < 500; i++) {
		ssize_t n = pread(fd, got, sizeof(got) - 1, 0);

		got[n < 0 ? 0 : n] = 0;
		if (strstr(got, text))
			return;
		usleep(10000);
	}
	fail_msg("never seen: %s", text);
}

static int setup(void **state)
{
	unsetenv("FAKE");
	unsetenv("FAKE_NOTE");
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

static int install_fake(void)
{
	char self[4096];
	char path[64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0 || !mkdtemp(sbindir))
		return -1;
	self[n] = 0;
	snprintf(path, sizeof(path), "%s/headraced", sbindir);
	return chmod(sbindir, 0755) || symlink(self, path) ? -1 : 0;
}

static void remove_fake(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/headraced", sbindir);
	unlink(path);
	rmdir(sbindir);
}

static int harness_main(int argc, char **argv, int (*own_tests)(void))
{
	int failed;

	if (argc == 3 && !strcmp(argv[1], "--run-fd"))
		return fake_main(atoi(argv[2]));
	if (geteuid()) {
		puts("skip: needs root");
		return 77;
	}
	unsetenv("SUDO_UID");
	if (install_fake())
		return 1;
	failed = own_tests();
	remove_fake();
	return failed;
}

#endif
