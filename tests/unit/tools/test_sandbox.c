// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sandbox, on hosts of every kind: each test makes a mount namespace that plays the host,
 * with an /etc and a /run of its own, enters the sandbox from there in a child, and looks at
 * both afterwards. Root only.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/tools/fake.h"
#include "tools/names.c"
#include "tools/private_etc.c"
#include "tools/sandbox.c"
#include "tools/sysfs.c"

/* In a child of the test, where cmocka's way out would run the other tests again. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

#define LISTING_MAX 65536
#define LOOK_UP "test \"$(getent hosts " FAKE_NAME ")\" = '" FAKE_ADDRESS "      " FAKE_NAME "'"

static int shell(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The host: /etc and /run are its own, everything else is this machine's. */
static const char host_script[] =
	"set -e; d=$(mktemp -d); mount -t tmpfs t $d; mkdir $d/etc $d/etc/dir;"
	"cp /etc/passwd /etc/group $d/etc; echo a >$d/etc/dir/file;"
	"echo 192.0.2.5 in-hosts >$d/etc/hosts; ln -s dir/file $d/etc/link;"
	"echo 'nameserver 192.0.2.99' >$d/etc/resolv.conf;"
	"printf 'passwd: files\\nhosts: files resolve dns\\n' >$d/etc/nsswitch.conf;"
	"mount --bind $d/etc /etc; umount -l $d; rmdir $d; mount -t tmpfs r /run";

/* Runs `command` inside; its exit status, or 99 if the sandbox could not be entered. */
static int inside(int ns, const char *command)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct sandbox s = { .netns_fd = ns, .nameserver = FAKE_STACK };
		char err[SANDBOX_ERROR_MAX] = "";

		if (sandbox_enter(&s, err)) {
			fprintf(stderr, "%s\n", err);
			_exit(99);
		}
		_exit(shell(command));
	}
	MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A host with a small /etc and an empty /run; then what `setup` adds to it. */
static void make_host(const char *setup)
{
	MUST(!unshare(CLONE_NEWNS));
	MUST(!mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
	MUST(!shell(host_script));
	MUST(!shell(setup));
}

static char *listing(void)
{
	FILE *f = popen("cd /etc && find . -printf '%p %y %l %m %u %i %s\\n' | sort; cat hosts "
			"resolv.conf nsswitch.conf dir/file 2>&1; grep -c . /proc/self/mountinfo",
			"r");
	char *text = calloc(1, LISTING_MAX);

	MUST(f && text && fread(text, 1, LISTING_MAX - 1, f) > 0);
	pclose(f);
	return text;
}

/* The host of `setup` is as it was after `command` has run inside with status 0. */
static void check_host(const char *setup, const char *command)
{
	pid_t dns;
	int ns = fake_netns(&dns);

	make_host(setup);

	char *before = listing();

	MUST(!inside(ns, command));

	char *after = listing();

	MUST(!strcmp(before, after));
	free(before);
	free(after);
	fake_netns_end(ns, dns);
}

/* cmocka runs all tests in one process: each plays its host in a child. */
static void on_host(const char *setup, const char *command)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		check_host(setup, command);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void name_of_the_captured_dns_resolves(void **state)
{
	on_host("true", LOOK_UP);
}

static void resolv_conf_names_the_stack_alone(void **state)
{
	on_host("true", "test \"$(grep -v '^#' /etc/resolv.conf)\" = 'nameserver " FAKE_STACK "\n"
			"options edns0'");
}

static void nsswitch_keeps_all_but_the_hosts_line(void **state)
{
	on_host("true", "test \"$(cat /etc/nsswitch.conf)\" = 'passwd: files\nhosts: files dns'");
}

static void hosts_file_still_counts(void **state)
{
	on_host("true", "getent hosts in-hosts | grep -q 192.0.2.5");
}

static void works_with_a_link_into_the_hidden_directory(void **state)
{
	on_host("mkdir -p /run/systemd/resolve && echo x >/run/systemd/resolve/stub-resolv.conf &&"
		"ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
		LOOK_UP);
}

static void works_with_a_dangling_link(void **state)
{
	on_host("ln -sf /nowhere/resolv.conf /etc/resolv.conf", LOOK_UP);
}

static void works_with_a_resolv_conf_that_is_a_mount(void **state)
{
	on_host("cp /etc/resolv.conf /run/r && mount --bind /run/r /etc/resolv.conf && "
		"mount -o remount,bind,ro /etc/resolv.conf",
		LOOK_UP);
}

static void works_with_an_etc_that_is_read_only(void **state)
{
	on_host("mount -o remount,bind,ro /etc", LOOK_UP);
}

static void works_without_resolv_conf(void **state)
{
	on_host("rm /etc/resolv.conf", LOOK_UP);
}

static void works_without_nsswitch_conf(void **state)
{
	on_host("rm /etc/nsswitch.conf", LOOK_UP " && ! test -e /etc/nsswitch.conf");
}

static void rebuilt_etc_has_everything_and_writes_through(void **state)
{
	on_host("rm /etc/resolv.conf; mount -t tmpfs sub /etc/dir; echo a >/etc/dir/file",
		"test \"$(cat /etc/link)\" = a && grep -q root /etc/passwd && "
		"grep -q ' /etc/dir ' /proc/self/mountinfo && echo b >/etc/dir/new && "
		"rm /etc/dir/new");
}

static void covered_link_that_was_refused_is_rebuilt(void **state)
{
	const struct private_file file = { .name = "link", .text = "ours\n" };
	pid_t pid = fork();
	int status;

	if (!pid) {
		make_host("true");
		MUST(!rebuild(&file, 1));
		_exit(strcmp(fake_read("/etc/link", 0), "ours\n") ||
		      strcmp(fake_read("/etc/dir/file", 1), "a\n"));
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void sockets_of_name_services_are_hidden(void **state)
{
	on_host("mkdir -p /run/systemd/resolve /run/nscd; touch /run/nscd/socket; "
		"touch /run/systemd/resolve/io.systemd.Resolve; ln -sfn /run /var/run",
		"test -z \"$(ls -A /run/nscd /run/systemd/resolve | grep -v :)\"");
}

static void sys_shows_the_devices_of_the_namespace(void **state)
{
	on_host("true", "test \"$(ls /sys/class/net)\" = lo");
}

static void mounts_below_sys_are_carried_over(void **state)
{
	on_host("mount -t tmpfs below /sys/fs/bpf && echo here >/sys/fs/bpf/file",
		"test \"$(cat /sys/fs/bpf/file)\" = here");
}

static void everyone_may_ping(void **state)
{
	on_host("true",
		"test \"$(tr '\t' ' ' </proc/sys/net/ipv4/ping_group_range)\" = '" GROUPS_ALL "'");
}

static void readable_whatever_the_umask(void **state)
{
	on_host("true", "test \"$(stat -c %a /etc/resolv.conf /etc/nsswitch.conf)\" = '644\n644'");
}

static int no_umask(void **state)
{
	umask(0077);
	return 0;
}

static int with_umask(void **state)
{
	umask(0022);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_of_the_captured_dns_resolves),
		cmocka_unit_test(resolv_conf_names_the_stack_alone),
		cmocka_unit_test(nsswitch_keeps_all_but_the_hosts_line),
		cmocka_unit_test(hosts_file_still_counts),
		cmocka_unit_test(works_with_a_link_into_the_hidden_directory),
		cmocka_unit_test(works_with_a_dangling_link),
		cmocka_unit_test(works_with_a_resolv_conf_that_is_a_mount),
		cmocka_unit_test(works_with_an_etc_that_is_read_only),
		cmocka_unit_test(works_without_resolv_conf),
		cmocka_unit_test(works_without_nsswitch_conf),
		cmocka_unit_test(rebuilt_etc_has_everything_and_writes_through),
		cmocka_unit_test(covered_link_that_was_refused_is_rebuilt),
		cmocka_unit_test(sockets_of_name_services_are_hidden),
		cmocka_unit_test(sys_shows_the_devices_of_the_namespace),
		cmocka_unit_test(mounts_below_sys_are_carried_over),
		cmocka_unit_test(everyone_may_ping),
		cmocka_unit_test_setup_teardown(readable_whatever_the_umask, no_umask, with_umask),
	};

	if (geteuid()) {
		puts("skip: needs root");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
