// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* netns.c: namespaces are new, entered, left, and gone with their descriptor; needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "netdev/netns.h"

static char err[ERROR_TEXT_MAX];

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static ino_t current(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return st.st_ino;
}

static void making_one_leaves_the_process_where_it_is(void **state)
{
	ino_t here = current();
	int a = -1, b = -1;

	if (geteuid() != 0)
		skip();
	assert_int_equal(netns_new(&a, err), 0);
	assert_int_equal(netns_new(&b, err), 0);
	assert_true(current() == here);
	assert_true(inode(a) != here && inode(b) != here && inode(a) != inode(b));
	assert_true(fcntl(a, F_GETFD) & FD_CLOEXEC);
	fd_close(a);
	fd_close(b);
}

static void enters_and_leaves(void **state)
{
	ino_t here = current();
	int ns = -1, home = -1;

	if (geteuid() != 0)
		skip();
	assert_int_equal(netns_new(&ns, err), 0);
	assert_int_equal(netns_enter(ns, &home), 0);
	assert_true(current() == inode(ns));
	assert_int_equal(netns_leave(home), 0);
	assert_true(current() == here);
	assert_int_equal(fcntl(home, F_GETFD), -1);
	fd_close(ns);
}

static void entering_what_is_no_namespace_changes_nothing(void **state)
{
	ino_t here = current();
	int home = -1;

	assert_int_equal(netns_enter(-1, &home), -EBADF);
	assert_int_equal(netns_enter(0, &home), -EINVAL);
	assert_int_equal(home, -1);
	assert_true(current() == here);
}

/* In a child: no user may make a namespace; 0 = it was refused with a clear line. */
static int try_as_nobody(void)
{
	int fd = -1;

	if (setuid(65534) < 0)
		return 2;
	return netns_new(&fd, err) == -EPERM && strstr(err, "network namespace") && fd == -1 ? 0 :
											       1;
}

static void without_privilege_it_says_so(void **state)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(try_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void without_a_free_descriptor_it_comes_back(void **state)
{
	ino_t here = current();
	struct rlimit saved, tight;
	int next, fd = -1;

	if (geteuid() != 0)
		skip();
	next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	for (unsigned int room = 0; room < 2; room++) {
		tight = saved;
		tight.rlim_cur = (rlim_t)next + room;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
		assert_int_equal(netns_new(&fd, err), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
		assert_true(current() == here);
		assert_int_equal(fd, -1);
	}
}

struct visits {
	ino_t wanted[2];
	unsigned int wanted_seen[2], here_seen;
	ino_t here;
};

static void note_visit(void *arg)
{
	struct visits *v = arg;

	for (int i = 0; i < 2; i++)
		v->wanted_seen[i] += current() == v->wanted[i];
	v->here_seen += current() == v->here;
}

/* A process that holds a network namespace of its own until it is killed. */
static pid_t holder(ino_t *ret_ns)
{
	char path[64];
	struct stat st;
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNET) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	assert_int_equal(stat(path, &st), 0);
	*ret_ns = st.st_ino;
	return pid;
}

static void each_other_one_is_visited_once(void **state)
{
	struct visits v = { .here = current() };
	pid_t pid[2];

	if (geteuid() != 0)
		skip();
	for (int i = 0; i < 2; i++)
		pid[i] = holder(&v.wanted[i]);
	assert_int_equal(netns_each_other(note_visit, &v), 0);
	for (int i = 0; i < 2; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
		assert_int_equal(v.wanted_seen[i], 1);
	}
	assert_int_equal(v.here_seen, 0);
	assert_true(current() == v.here);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(making_one_leaves_the_process_where_it_is),
		cmocka_unit_test(enters_and_leaves),
		cmocka_unit_test(each_other_one_is_visited_once),
		cmocka_unit_test(entering_what_is_no_namespace_changes_nothing),
		cmocka_unit_test(without_privilege_it_says_so),
		cmocka_unit_test(without_a_free_descriptor_it_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
