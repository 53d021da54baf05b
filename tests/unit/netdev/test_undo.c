// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The record of changes: what is undone, and that it stays whole and short. */
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
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netdev/undo.c"

#define SYSCTL "/proc/sys/net/ipv4/conf/lo/rp_filter"

static char dir[64];
static struct undo undo;

static const char *file_in(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s.values/%s", dir, name);
	return path;
}

static void put(const char *path, const char *value)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fprintf(f, "%s\n", value);
	assert_int_equal(fclose(f), 0);
}

static void holds(const char *path, const char *value)
{
	char now[UNDO_VALUE_MAX];

	assert_int_equal(value_read(path, now), 0);
	assert_string_equal(now, value);
}

static int begin(void **state)
{
	char values[PATH_MAX];

	snprintf(dir, sizeof(dir), "/tmp/headrace-undo-%d", (int)getpid());
	assert_int_equal(mkdir(file_in("", values), 0700), 0);
	undo_init(&undo);
	assert_int_equal(undo_open(&undo, dir, "test"), 0);
	return 0;
}

static int end(void **state)
{
	char command[256];

	undo_close(&undo);
	assert_int_equal(rmdir(dir), 0); /* nothing is left in it */
	snprintf(command, sizeof(command), "rm -r %s.values", dir);
	return system(command);
}

static void all_is_undone_at_the_end(void **state)
{
	char a[PATH_MAX], b[PATH_MAX], c[PATH_MAX];

	put(file_in("a", a), "1");
	put(file_in("b", b), "1");
	put(file_in("c", c), "2");
	assert_int_equal(undo_write(&undo, a, "2", NULL), 0);
	assert_int_equal(undo_write(&undo, b, "2", NULL), 0);
	assert_int_equal(undo_write(&undo, c, "2", NULL), 0);
	put(b, "3"); /* somebody else's by now */
	holds(a, "2");
	undo_close(&undo);
	holds(a, "1");
	holds(b, "3");
	holds(c, "2");
}

static void a_writer_that_lives_is_not_undone(void **state)
{
	struct undo other;

	undo_init(&other);
	assert_int_equal(undo_open(&other, dir, "test"), -EBUSY);
	assert_int_equal(undo_clean_stale(dir), 0);
	assert_int_equal(undo_open(&other, dir, "other"), 0);
	undo_close(&other);
}

/* Some stay for long, others come and go between them. */
static void gaps_between_changes_are_used_again(void **state)
{
	struct undo_change *passing[UNDO_MAX / 4];
	char path[PATH_MAX], name[32];

	for (int i = 0; i < 8; i++) {
		for (int j = 0; j < UNDO_MAX / 4; j++) {
			snprintf(name, sizeof(name), "p%d", j);
			put(file_in(name, path), "1");
			assert_int_equal(undo_write(&undo, path, "2", &passing[j]), 0);
		}
		snprintf(name, sizeof(name), "stays%d", i);
		put(file_in(name, path), "1");
		assert_int_equal(undo_write(&undo, path, "2", NULL), 0);
		for (int j = UNDO_MAX / 4; j--;)
			undo_take_back(&undo, passing[j]);
		holds(path, "2");
	}
	undo_close(&undo);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "stays%d", i);
		holds(file_in(name, path), "1");
	}
}

static void there_is_an_end_to_changes(void **state)
{
	char path[PATH_MAX], name[32];

	for (int i = 0; i <= UNDO_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(file_in(name, path), "1");
		assert_int_equal(undo_write(&undo, path, "2", NULL), i < UNDO_MAX ? 0 : -ENOSPC);
	}
	holds(path, "1");
}

/* Makes a change and takes it back until the record has been written anew. */
static void wear(const char *path)
{
	size_t before;
	struct stat st;

	do {
		struct undo_change *c;

		before = undo.bytes;
		assert_int_equal(undo_write(&undo, path, "2", &c), 0);
		undo_take_back(&undo, c);
		assert_int_equal(fstat(undo.fd, &st), 0);
		assert_int_equal(st.st_size, undo.bytes);
		assert_true(st.st_size < RECORD_BYTES_MAX + 1024);
	} while (undo.bytes > before);
}

static void the_record_does_not_grow_for_ever(void **state)
{
	char stays[PATH_MAX], passing[PATH_MAX];

	put(file_in("stays", stays), "1");
	put(file_in("passing", passing), "1");
	assert_int_equal(undo_write(&undo, stays, "2", NULL), 0);
	wear(passing);
	assert_true(undo.bytes < 1024);
	wear(passing);
	a_writer_that_lives_is_not_undone(state);
	undo_close(&undo);
	holds(stays, "1");
	holds(passing, "1");
}

/* A process that is killed when the record has been written anew, and once in the midst of it. */
static void crash(const char *passing)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		assert_int_equal(undo_open(&undo, dir, "crash"), 0);
		if (undo_write(&undo, SYSCTL, "2", NULL))
			_exit(1);
		wear(passing);
		put(new_path(undo.path, (char[NEW_PATH_MAX]){ 0 }), "1 file " SYSCTL " 0 2");
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_crash_is_undone_by_a_record_that_was_written_anew(void **state)
{
	char passing[PATH_MAX];

	if (geteuid() || unshare(CLONE_NEWNET))
		skip();
	put(file_in("passing", passing), "1");
	put(SYSCTL, "1");
	undo_close(&undo);
	crash(passing);
	holds(SYSCTL, "2");
	assert_int_equal(undo_clean_stale(dir), 1);
	holds(SYSCTL, "1");
	crash(passing);
	assert_int_equal(undo_open(&undo, dir, "crash"), 0);
	holds(SYSCTL, "1");
}

/* A disk that is full in the midst of a line. */
static void half_a_line_spoils_no_other(void **state)
{
	struct rlimit old, little;
	char path[PATH_MAX];
	struct stat st;

	put(file_in("a", path), "1");
	assert_int_equal(undo_write(&undo, path, "2", NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	little = (struct rlimit){ .rlim_cur = undo.bytes + 8, .rlim_max = old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(record(&undo, "2 file /a 1 2\n", 14), -ENOSPC);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(fstat(undo.fd, &st), 0);
	assert_int_equal(st.st_size, undo.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_undone_at_the_end, begin, end),
		cmocka_unit_test_setup_teardown(a_writer_that_lives_is_not_undone, begin, end),
		cmocka_unit_test_setup_teardown(gaps_between_changes_are_used_again, begin, end),
		cmocka_unit_test_setup_teardown(there_is_an_end_to_changes, begin, end),
		cmocka_unit_test_setup_teardown(the_record_does_not_grow_for_ever, begin, end),
		cmocka_unit_test_setup_teardown(half_a_line_spoils_no_other, begin, end),
		cmocka_unit_test_setup_teardown(a_crash_is_undone_by_a_record_that_was_written_anew,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
