// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup_tree.c on directories of its own (inotify tells of them alike), and on the cgroups that
 * there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datapath/cgroup_tree.h"

static char root[64];
static struct cgroup_tree *tree;
static char told[4096]; /* "+/a -/b " in the order it was told */
static uint64_t last_id;

static void on_change(void *arg, uint64_t id, const char *path, bool gone)
{
	size_t used = strlen(told);

	snprintf(told + used, sizeof(told) - used, "%c%s ", gone ? '-' : '+', path);
	last_id = id;
}

static const char *hears(void)
{
	struct pollfd p = { .fd = cgroup_tree_fd(tree), .events = POLLIN };

	told[0] = '\0';
	if (poll(&p, 1, 200) > 0)
		cgroup_tree_read(tree);
	return told;
}

static void make(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static void drop(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(rmdir(full), 0);
}

static int setup(void **state)
{
	snprintf(root, sizeof(root), "/tmp/headrace-tree-XXXXXX");
	told[0] = '\0';
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	cgroup_tree_close(tree);
	tree = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void what_is_there_is_told_when_it_is_opened(void **state)
{
	make("/a");
	make("/a/b");
	assert_int_equal(cgroup_tree_open(root, on_change, NULL, &tree), 0);
	assert_string_equal(told, "+/ +/a +/a/b ");
	assert_int_equal(cgroup_tree_num(tree), 3);
}

static void what_comes_is_told_with_its_id(void **state)
{
	char full[256];
	struct stat st;

	assert_int_equal(cgroup_tree_open(root, on_change, NULL, &tree), 0);
	make("/x");
	assert_string_equal(hears(), "+/x ");
	snprintf(full, sizeof(full), "%s/x", root);
	assert_int_equal(stat(full, &st), 0);
	assert_int_equal(last_id, st.st_ino);
	make("/x/y");
	assert_string_equal(hears(), "+/x/y ");
}

/* The second is made before the first one can be watched. */
static void what_comes_within_what_has_just_come_is_found(void **state)
{
	assert_int_equal(cgroup_tree_open(root, on_change, NULL, &tree), 0);
	make("/x");
	make("/x/y");
	make("/x/y/z");
	assert_string_equal(hears(), "+/x +/x/y +/x/y/z ");
	assert_int_equal(cgroup_tree_num(tree), 4);
}

static void what_goes_is_told_and_may_come_again(void **state)
{
	make("/a");
	make("/a/b");
	assert_int_equal(cgroup_tree_open(root, on_change, NULL, &tree), 0);
	drop("/a/b");
	assert_string_equal(hears(), "-/a/b ");
	make("/a/b");
	assert_string_equal(hears(), "+/a/b ");
	drop("/a/b");
	drop("/a");
	assert_string_equal(hears(), "-/a/b -/a ");
	assert_int_equal(cgroup_tree_num(tree), 1);
}

static void files_are_no_cgroups(void **state)
{
	char full[256];
	FILE *f;

	assert_int_equal(cgroup_tree_open(root, on_change, NULL, &tree), 0);
	snprintf(full, sizeof(full), "%s/file", root);
	f = fopen(full, "we");
	assert_non_null(f);
	fclose(f);
	assert_string_equal(hears(), "");
	assert_int_equal(cgroup_tree_num(tree), 1);
}

static void a_hundred_come_and_go(void **state)
{
	char path[32];

	assert_int_equal(cgroup_tree_open(root, on_change, NULL, &tree), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/c%d", i);
		make(path);
	}
	hears();
	assert_int_equal(cgroup_tree_num(tree), 101);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/c%d", i);
		drop(path);
	}
	hears();
	assert_int_equal(cgroup_tree_num(tree), 1);
}

static void the_cgroups_of_this_machine_are_found(void **state)
{
	int err = cgroup_tree_open(NULL, on_change, NULL, &tree);

	if (err == -ENOENT)
		skip();
	assert_int_equal(err, 0);
	assert_true(cgroup_tree_num(tree) >= 1);
	assert_int_equal(strncmp(told, "+/ ", 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_there_is_told_when_it_is_opened, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_comes_is_told_with_its_id, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_within_what_has_just_come_is_found,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_goes_is_told_and_may_come_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(files_are_no_cgroups, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hundred_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(the_cgroups_of_this_machine_are_found, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
