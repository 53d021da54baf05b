// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The life cycle of `headrace run`: options, status, output, report, troubles. Root only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tools/harness.h"

/* --- usage ------------------------------------------------------------------------------ */

static void refuses_usage_errors_with_one_line_and_status_2(void **state)
{
	static char *bad[][4] = {
		{ "--frobnicate", "true" },
		{ "--mtu", "1279", "true" },
		{ "--mtu", "65536", "true" },
		{ "--mtu", "many", "true" },
		{ "--mtu" },
		{ "--workers", "0", "true" },
		{ "--workers", "17", "true" },
		{ "--workers", "2x", "true" },
		{ "--workers=", "true" },
		{ "--tun-fd=0", "--workers=2" },
		{ "--dns", "example.org", "true" },
		{ "--dns", "1.2.3.4:0x", "true" },
		{ "--dns", "224.0.0.1", "true" },
		{ "--host-loopback", "127.0.0.1", "true" },
		{ "--host-loopback", "10.0.0", "true" },
		{ "--instance", "a/b", "true" },
		{ "--instance=", "true" },
		{ "--user", "no-such-user-here", "true" },
		{ "--log", "loud", "true" },
		{ "--limit", "flows", "true" },
		{ "--limit", "flows=1", "true" },
		{ "--limit", "flow=100", "true" },
		{ "--limit=udp-sessions=many", "true" },
		{ "--tun-fd", "999", "true" },
		{ "--tun-fd", "-1", "true" },
		{ "--quiet=yes", "true" },
		{ "--quiet", "--json", "true" },
		{ "--quiet" },
		{ "-x", "true" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		run_args(bad[i]);
		exited(EXIT_USAGE);
		says_one_line("see `headrace run --help`");
	}
}

static void help_goes_to_stdout(void **state)
{
	RUN("--help");
	exited(0);
	assert_non_null(strstr(outcome.out, "--host-loopback ADDRESS"));
	assert_string_equal(outcome.err, "");
}

static void without_root_says_what_to_do(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(99);
		RUN("true");
		_exit(WEXITSTATUS(outcome.status) == EXIT_TROUBLE &&
				      strstr(outcome.err, "sudo headrace run") ?
			      0 :
			      1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* --- status and output -------------------------------------------------------------------- */

static void exit_status_is_the_commands(void **state)
{
	RUN("--quiet", "--", "true");
	exited(0);
	RUN(SH("exit 7"));
	exited(7);
	assert_string_equal(outcome.err, "");
}

static void command_that_is_not_found_is_127(void **state)
{
	RUN("--", "no-such-command-here");
	exited(EXIT_NOT_FOUND);
	says_one_line("no-such-command-here: command not found");
}

static void command_that_is_not_executable_is_126(void **state)
{
	RUN("--", "/etc/passwd");
	exited(EXIT_NOT_EXECUTABLE);
	says_one_line("/etc/passwd: Permission denied");
	RUN("--", "/etc");
	exited(EXIT_NOT_EXECUTABLE);
}

static void killed_command_kills_headrace_by_the_same_signal(void **state)
{
	static const int signals[] = { SIGTERM, SIGKILL, SIGINT, SIGSEGV };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char script[32];

		snprintf(script, sizeof(script), "kill -%d $$", signals[i]);
		RUN(SH(script));
		assert_true(WIFSIGNALED(outcome.status));
		assert_int_equal(WTERMSIG(outcome.status), signals[i]);
	}
}

static void stdout_belongs_to_the_command(void **state)
{
	RUN("--report", "--", "echo", "hello", "--report");
	exited(0);
	assert_string_equal(outcome.out, "hello --report\n");
	says("host25.test");
}

static void working_directory_environment_and_stdin_are_kept(void **state)
{
	setenv("HEADRACE_TEST", "kept", 1);
	assert_int_equal(chdir("/usr/bin"), 0);
	RUN(SH("pwd; echo $HEADRACE_TEST; readlink /proc/self/fd/0"));
	exited(0);
	assert_int_equal(strncmp(outcome.out, "/usr/bin\nkept\n", 14), 0);
}

static void only_the_callers_descriptors_are_open(void **state)
{
	RUN(SH("for f in /proc/self/fd/*; do readlink $f; done; true"));
	exited(0);
	assert_null(strstr(outcome.out, "socket:"));
	assert_null(strstr(outcome.out, "net:["));
	assert_null(strstr(outcome.out, "signalfd"));
}

/* --- the report ---------------------------------------------------------------------------- */

static unsigned int lines(const char *text)
{
	unsigned int n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

static void report_has_the_largest_flows_and_the_sums(void **state)
{
	RUN("--", "true");
	exited(0);
	assert_int_equal(lines(outcome.err), 1 + 20 + 1);
	says("host20.test  192.0.2.20:80  tcp    forward  19 B  1.0 kB");
	says("headrace: 25 flows, 300 B up, 25 kB down, 1 DNS query, dropped or refused: "
	     "port_zero 2; 5 smaller flows not shown (--report shows all)\n");
	assert_true(strstr(outcome.err, "host20.test") < strstr(outcome.err, "host2.test"));
}

static void report_option_shows_all(void **state)
{
	RUN("--report", "--", "true");
	assert_int_equal(lines(outcome.err), 1 + 25 + 1);
	assert_null(strstr(outcome.err, "not shown"));
}

static void json_report_is_one_object_per_line(void **state)
{
	RUN("--json", "--", "true");
	assert_int_equal(lines(outcome.err), 25 + 1);
	for (char *line = strtok(outcome.err, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *o = json_loads(line, 0, NULL);

		assert_int_equal(json_object_size(o), 1);
		json_decref(o);
	}
}

static void quiet_reports_nothing(void **state)
{
	RUN("--quiet", "--", "true");
	assert_string_equal(outcome.err, "");
}

/* --- the daemon's troubles ------------------------------------------------------------------- */

static void error_of_the_daemon_is_passed_on(void **state)
{
	setenv("FAKE", "refuse", 1);
	RUN("--", "true");
	exited(EXIT_TROUBLE);
	says_one_line("headrace: instance 'x' is already running");
}

static void daemon_that_ends_at_once_is_reported(void **state)
{
	setenv("FAKE", "exit", 1);
	RUN("--", "true");
	exited(EXIT_TROUBLE);
	setenv("FAKE", "broken", 1);
	RUN("--", "true");
	exited(EXIT_TROUBLE);
	says_one_line("protocol");
}

static void dead_daemon_ends_the_command(void **state)
{
	setenv("FAKE", "die", 1);
	RUN("--", "sh", "-c", "trap 'echo terminated; exit 0' TERM; while :; do sleep 0.05; done");
	exited(EXIT_TROUBLE);
	assert_string_equal(outcome.out, "terminated\n");
	says_one_line("headraced ended unexpectedly");
}

/* Where the daemon's requests are written, as they come. */
static int note_file(void)
{
	int fd = output_file();
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	setenv("FAKE_NOTE", path, 1);
	return fd;
}

static void interrupt_during_the_start_ends_it(void **state)
{
	int err = output_file();
	int note = note_file();
	int status;
	pid_t pid;

	setenv("FAKE", "silent", 1);
	pid = start((char *[]){ "--", "true", NULL }, -1, err);
	wait_for(note, "\"run\"");
	kill(pid, SIGINT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	close(note);
	close(err);
}

static void a_caller_that_ignores_sigchld_is_no_trouble(void **state)
{
	signal(SIGCHLD, SIG_IGN);

	int out = output_file();
	pid_t pid;
	int status;

	pid = start((char *[]){ SH("exit 4"), NULL }, out, -1);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 4);
	close(out);
}

static json_t *requested(const char *note)
{
	return json_loads(strtok((char *)fake_read(note, 0), "\n"), 0, NULL);
}

static void request_carries_the_options(void **state)
{
	char note[] = "/tmp/headrace-note-XXXXXX";
	int fd = mkstemp(note);

	setenv("FAKE_NOTE", note, 1);
	RUN("--quiet", "--dns", "192.0.2.1", "--dns=[2001:db8::1]:5353", "--no-ipv6", "--mtu",
	    "1400", "--host-loopback", "10.9.9.9", "--instance", "mine", "--log", "error",
	    "--workers", "3", "true");
	exited(0);

	json_t *q = requested(note);
	json_t *want = json_pack("{s:s, s:s, s:[s, s], s:b, s:i, s:s, s:s, s:i, s:i}", "command",
				 "run", RUN_INSTANCE, "mine", RUN_DNS, "192.0.2.1",
				 "[2001:db8::1]:5353", RUN_IPV6, 0, RUN_MTU, 1400,
				 RUN_HOST_LOOPBACK, "10.9.9.9", RUN_LOG, "error", RUN_UID, 0,
				 RUN_WORKERS, 3);

	assert_true(json_equal(q, want));
	json_decref(q);
	json_decref(want);
	unlink(note);
	close(fd);
}

static void a_configuration_is_named_in_full_and_nothing_else_is_said(void **state)
{
	char note[] = "/tmp/headrace-note-XXXXXX", file[] = "/tmp/headrace-conf-XXXXXX";
	int fd = mkstemp(note), conf = mkstemp(file);
	json_t *q, *want;

	assert_int_equal(write(conf, "mtu: 1400\n", 10), 10);
	assert_int_equal(chdir("/tmp"), 0);
	setenv("FAKE_NOTE", note, 1);
	RUN("--quiet", "-c", file + strlen("/tmp/"), "--instance=mine", "true");
	exited(0);
	q = requested(note);
	want = json_pack("{s:s, s:s, s:s, s:i}", "command", "run", RUN_INSTANCE, "mine", RUN_CONFIG,
			 file, RUN_UID, 0);
	assert_true(json_equal(q, want));
	json_decref(q);
	json_decref(want);
	unlink(note);
	unlink(file);
	close(fd);
	close(conf);
}

static void a_bad_configuration_ends_the_start_before_it_begins(void **state)
{
	char file[] = "/tmp/headrace-conf-XXXXXX", says[128];
	int conf = mkstemp(file);

	assert_int_equal(write(conf, "mtu: 1\nloog: info\n", 18), 18);
	setenv("FAKE_NOTE", "/tmp/headrace-no-note", 1);
	RUN("--quiet", "--config", file, "true");
	exited(EXIT_TROUBLE);
	snprintf(says, sizeof(says), "%s:1: mtu: '1' is out of range", file);
	assert_non_null(strstr(outcome.err, says));
	snprintf(says, sizeof(says), "%s:2: loog: no such key", file);
	assert_non_null(strstr(outcome.err, says));
	assert_non_null(strstr(outcome.err, ": 2 errors\n"));
	assert_int_equal(access("/tmp/headrace-no-note", F_OK), -1);
	unlink(file);
	close(conf);
}

/* What a run with these options asks for; -1 = it leaves that to the daemon. */
static int workers_asked_for(char *option, char *value)
{
	char note[] = "/tmp/headrace-note-XXXXXX";
	int fd = mkstemp(note), workers;
	json_t *q, *n;

	setenv("FAKE_NOTE", note, 1);
	RUN("--quiet", option, value, "--", "true");
	exited(0);
	q = requested(note);
	n = json_object_get(q, RUN_WORKERS);
	workers = n ? (int)json_integer_value(n) : -1;
	json_decref(q);
	unlink(note);
	close(fd);
	return workers;
}

static void auto_is_a_worker_per_cpu_that_may_be_used(void **state)
{
	cpu_set_t all, one;
	int cpus, cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	cpus = CPU_COUNT(&all) < WORKERS_MAX ? CPU_COUNT(&all) : WORKERS_MAX;
	assert_int_equal(workers_asked_for("--workers", "auto"), cpus);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(workers_asked_for("--workers", "auto"), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(workers_asked_for("--log", "error"), -1);
}

static void host_is_untouched(void **state)
{
	static char resolv[OUTPUT_MAX];
	static char mounts[OUTPUT_MAX];

	snprintf(resolv, sizeof(resolv), "%s", fake_read("/etc/resolv.conf", 0));
	snprintf(mounts, sizeof(mounts), "%s", fake_read("/proc/self/mountinfo", 0));
	RUN(SH("getent hosts " FAKE_NAME "; ls /sys/class/net"));
	exited(0);
	assert_string_equal(outcome.out, FAKE_ADDRESS "      " FAKE_NAME "\nlo\n");
	assert_string_equal(fake_read("/etc/resolv.conf", 0), resolv);
	assert_string_equal(fake_read("/proc/self/mountinfo", 0), mounts);
}

static void tun_descriptor_means_no_namespace(void **state)
{
	char ns[64];
	char script[128];
	int fd = open("/dev/null", O_RDWR);
	char text[16];

	assert_true(readlink("/proc/self/ns/net", ns, sizeof(ns) - 1) > 0);
	snprintf(text, sizeof(text), "%d", fd);
	snprintf(script, sizeof(script), "readlink /proc/self/ns/net; ! test -e /proc/self/fd/%d",
		 fd);
	RUN("--tun-fd", text, SH(script));
	exited(0);
	assert_int_equal(strncmp(outcome.out, ns, strcspn(outcome.out, "\n")), 0);
	close(fd);
}

static void tun_descriptor_without_a_command_runs_until_interrupted(void **state)
{
	int fd = open("/dev/null", O_RDWR);
	int err = output_file();
	int note = note_file();
	char text[16];
	int status;
	pid_t pid;

	snprintf(text, sizeof(text), "%d", fd);
	pid = start((char *[]){ "--tun-fd", text, NULL }, -1, err);
	wait_for(note, "\"run\"");
	usleep(200000); /* nothing ends it now */
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	wait_for(err, "headrace: 25 flows");
	close(note);
	close(err);
	close(fd);
}

static int own_tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refuses_usage_errors_with_one_line_and_status_2),
		TEST(help_goes_to_stdout),
		TEST(without_root_says_what_to_do),
		TEST(exit_status_is_the_commands),
		TEST(command_that_is_not_found_is_127),
		TEST(command_that_is_not_executable_is_126),
		TEST(killed_command_kills_headrace_by_the_same_signal),
		TEST(stdout_belongs_to_the_command),
		TEST(working_directory_environment_and_stdin_are_kept),
		TEST(only_the_callers_descriptors_are_open),
		TEST(report_has_the_largest_flows_and_the_sums),
		TEST(report_option_shows_all),
		TEST(json_report_is_one_object_per_line),
		TEST(quiet_reports_nothing),
		TEST(error_of_the_daemon_is_passed_on),
		TEST(daemon_that_ends_at_once_is_reported),
		TEST(dead_daemon_ends_the_command),
		TEST(interrupt_during_the_start_ends_it),
		TEST(a_caller_that_ignores_sigchld_is_no_trouble),
		TEST(request_carries_the_options),
		TEST(a_configuration_is_named_in_full_and_nothing_else_is_said),
		TEST(a_bad_configuration_ends_the_start_before_it_begins),
		TEST(auto_is_a_worker_per_cpu_that_may_be_used),
		TEST(host_is_untouched),
		TEST(tun_descriptor_means_no_namespace),
		TEST(tun_descriptor_without_a_command_runs_until_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argc, argv, own_tests);
}
