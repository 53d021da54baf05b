// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath/mountinfo.h"

static int find(const char *text, size_t size, char *ret_path)
{
	char file[] = "/tmp/headrace-test-XXXXXX";
	int fd = mkstemp(file), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	ret = mountinfo_find(file, "cgroup2", ret_path, size);
	unlink(file);
	return ret;
}

static const struct {
	const char *text;
	int ret;
	const char *path;
} cases[] = {
	{ "30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n", 0,
	  "/sys/fs/cgroup" },
	{ "29 1 0:25 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	  "30 1 0:26 / /sys/fs/cgroup/unified rw shared:9 master:2 - cgroup2 cgroup2 rw\n",
	  0, "/sys/fs/cgroup/unified" },
	{ "30 1 0:26 /part /first rw - cgroup2 none rw\n"
	  "31 1 0:26 / /whole rw - cgroup2 none rw\n",
	  0, "/whole" },
	{ "30 1 0:26 /part /first rw - cgroup2 none rw\n"
	  "31 1 0:26 /other /second rw - cgroup2 none rw\n",
	  0, "/first" },
	{ "30 1 0:26 / /with\\040blank rw - cgroup2 none rw\n", -ENOENT, NULL },
	{ "30 1 0:26 / /x rw - cgroup2fs none rw\n", -ENOENT, NULL },
	{ "", -ENOENT, NULL },
	{ " - cgroup2 \n - \n\n30 - cgroup2 x\n", -ENOENT, NULL },
	{ "30 1 0:26 / /much/longer/than/the/room/that/is/there rw - cgroup2 none rw\n",
	  -ENAMETOOLONG, NULL },
};

static void finds_the_mount_that_shows_most(void **state)
{
	char path[32];
	size_t i;
	int ret;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ret = find(cases[i].text, sizeof(path), path);
		if (ret != cases[i].ret)
			fail_msg("case %zu: %d, expected %d", i, ret, cases[i].ret);
		if (!ret)
			assert_string_equal(path, cases[i].path);
	}
}

static void no_file_is_an_error(void **state)
{
	char path[32];

	assert_int_equal(mountinfo_find("/nonexistent", "cgroup2", path, sizeof(path)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_mount_that_shows_most),
		cmocka_unit_test(no_file_is_an_error),
	};

	return cmocka_run_group_tests_name("datapath/mountinfo", tests, NULL, NULL);
}
