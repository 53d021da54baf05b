// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* privilege.c and sandbox.c: what a role can no longer do. Each case in a child, as root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>

#include "base/message.h"
#include "supervisor/privilege.h"

#ifdef __SANITIZE_ADDRESS__
#define FILTERED 0
#else
#define FILTERED 1
#endif

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			return __LINE__ % 200 + 1;                                                 \
	} while (0)

/* Runs `check` in a child that has dropped; its result 0 = all well, else a line's number. */
static void in_role(enum role_kind kind, enum protect_mode protect, int (*check)(void))
{
	int pair[2], status;
	pid_t pid;

	if (geteuid())
		skip();
	assert_int_equal(message_pair(pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		const char *what;

		close(pair[0]);
		if (pair[1] != ROLE_FD && dup2(pair[1], ROLE_FD) < 0)
			_exit(250);
		if (privilege_drop(kind, protect, &what))
			_exit(251);
		_exit(check());
	}
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pair[0]);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int nobody_at_all(void)
{
	struct rlimit lim;
	gid_t group;

	CHECK(getuid() && geteuid() && getgid() && getegid());
	CHECK(setuid(0) == -1);
	capng_get_caps_process();
	CHECK(capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE);
	CHECK(!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur == lim.rlim_max);
	if (FILTERED) {
		CHECK(setrlimit(RLIMIT_NOFILE, &lim) == -1 && errno == EPERM);
	} else {
		CHECK(getgroups(1, &group) == 0);
		CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	}
	return 0;
}

static int holds_only_net_admin(void)
{
	capng_get_caps_process();
	CHECK(capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN));
	CHECK(!capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW));
	CHECK(!capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN));
	CHECK(!capng_have_capability(CAPNG_PERMITTED, CAP_SETUID));
	return 0;
}

static int marks_sockets(void)
{
	unsigned int mark = HEADRACE_MARK, got = 0;
	socklen_t len = sizeof(got);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK(!setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)));
	CHECK(!getsockopt(fd, SOL_SOCKET, SO_MARK, &got, &len) && got == mark);
	return 0;
}

static int cannot_touch_files(void)
{
	CHECK(open("/etc/hosts", O_RDONLY) == -1 && errno == EPERM);
	CHECK(open("/tmp/never", O_RDWR | O_CREAT, 0600) == -1 && errno == EPERM);
	CHECK(unlink("/tmp/never") == -1 && errno == EPERM);
	return 0;
}

static int reads_files_only(void)
{
	char c;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && read(fd, &c, 1) == 1);
	CHECK(open("/tmp/never", O_RDWR | O_CREAT, 0600) == -1 && errno == EPERM);
	CHECK(open("/dev/null", O_WRONLY) == -1 && errno == EPERM);
	CHECK(open("/etc/passwd", O_RDONLY | O_TRUNC) == -1 && errno == EPERM);
	return 0;
}

static int opens_internet_sockets_alone(void)
{
	int pair[2];

	CHECK(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) >= 0 || errno == EACCES);
	CHECK(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP) == -1 && errno == EPERM);
	CHECK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) == -1 && errno == EPERM);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == -1 && errno == EPERM);
	CHECK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) >= 0);
	CHECK(socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EPERM);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 0) == -1 && errno == EPERM);
	CHECK(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EPERM);
	return 0;
}

/* As main hands it over: with a header of its own a raw socket would send anything. */
static int raw_icmp = -1;

static int sends_only_icmp(void)
{
	int on = 1;

	CHECK(setsockopt(raw_icmp, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on)) == -1);
	CHECK(errno == EPERM);
	CHECK(!setsockopt(raw_icmp, IPPROTO_IP, IP_TTL, &on, sizeof(on)));
	return 0;
}

static int brings_in_no_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC) == -1 && errno == EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		      MAP_FAILED &&
	      errno == EPERM);
	return 0;
}

static int starts_nothing_and_signals_nobody(void)
{
	char *argv[] = { "/bin/true", NULL };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(fd >= 0 && fcntl(fd, F_GETFL) >= 0);
	CHECK(fcntl(fd, F_SETSIG, SIGKILL) == -1 && errno == EPERM);
	CHECK(fcntl(fd, F_SETOWN, getpid()) == -1 && errno == EPERM);

	CHECK(fork() == -1 && errno == EPERM);
	CHECK(execv(argv[0], argv) == -1 && errno == EPERM);
	CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == -1 && errno == EPERM);
	return 0;
}

static void has_no_user_group_or_capability(void **state)
{
	in_role(ROLE_WORKER, PROTECT_CGROUP, nobody_at_all);
	in_role(ROLE_RESOLVER, PROTECT_CGROUP, nobody_at_all);
}

static void keeps_net_admin_where_it_marks_itself(void **state)
{
	in_role(ROLE_WORKER, PROTECT_SO_MARK, holds_only_net_admin);
	in_role(ROLE_WORKER, PROTECT_SO_MARK, marks_sockets);
}

static void worker_touches_no_file(void **state)
{
	if (!FILTERED)
		skip();
	in_role(ROLE_WORKER, PROTECT_CGROUP, cannot_touch_files);
}

static void resolver_only_reads_files(void **state)
{
	if (!FILTERED)
		skip();
	in_role(ROLE_RESOLVER, PROTECT_CGROUP, reads_files_only);
}

static void opens_no_other_sockets(void **state)
{
	if (!FILTERED)
		skip();
	in_role(ROLE_WORKER, PROTECT_CGROUP, opens_internet_sockets_alone);
	in_role(ROLE_RESOLVER, PROTECT_CGROUP, opens_internet_sockets_alone);
}

static void starts_and_signals_nobody(void **state)
{
	if (!FILTERED)
		skip();
	in_role(ROLE_WORKER, PROTECT_CGROUP, starts_nothing_and_signals_nobody);
}

static void sends_only_icmp_by_a_raw_socket(void **state)
{
	int fd;

	if (!FILTERED || geteuid())
		skip();
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	assert_true(fd >= 0);
	raw_icmp = fcntl(fd, F_DUPFD_CLOEXEC, ROLE_FD + 8); /* not in the way of ROLE_FD */
	close(fd);
	assert_true(raw_icmp >= 0);
	in_role(ROLE_WORKER, PROTECT_CGROUP, sends_only_icmp);
	close(raw_icmp);
}

static void executes_what_it_is_alone(void **state)
{
	if (!FILTERED)
		skip();
	in_role(ROLE_WORKER, PROTECT_CGROUP, brings_in_no_code);
	in_role(ROLE_RESOLVER, PROTECT_CGROUP, brings_in_no_code);
}

static void refuses_when_main_is_gone(void **state)
{
	int pair[2], status;
	pid_t pid;

	if (geteuid())
		skip();
	assert_int_equal(message_pair(pair), 0);
	pid = fork();
	if (!pid) {
		struct pollfd p = { .fd = ROLE_FD, .events = POLLIN };
		const char *what = "";

		close(pair[0]);
		if (pair[1] != ROLE_FD && (dup2(pair[1], ROLE_FD) < 0 || close(pair[1])))
			_exit(250);
		while (!(p.revents & POLLHUP))
			if (poll(&p, 1, 5000) != 1)
				_exit(251);
		_exit(privilege_drop(ROLE_WORKER, PROTECT_CGROUP, &what) == -EPIPE ? 0 : 1);
	}
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_no_user_group_or_capability),
		cmocka_unit_test(keeps_net_admin_where_it_marks_itself),
		cmocka_unit_test(worker_touches_no_file),
		cmocka_unit_test(resolver_only_reads_files),
		cmocka_unit_test(opens_no_other_sockets),
		cmocka_unit_test(starts_and_signals_nobody),
		cmocka_unit_test(sends_only_icmp_by_a_raw_socket),
		cmocka_unit_test(executes_what_it_is_alone),
		cmocka_unit_test(refuses_when_main_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
