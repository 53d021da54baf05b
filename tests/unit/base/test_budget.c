// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* budget.c: names and bounds of limits, what a process makes of them, descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/budget.h"

static struct limits limits;
static char err[BUDGET_ERROR_MAX];

static int setup(void **state)
{
	limits_init(&limits);
	return 0;
}

static void every_default_is_within_its_bounds_or_depends(void **state)
{
	for (int i = 0; i < LIMIT_NUM; i++) {
		uint64_t n = limits.n[i];

		if (n)
			assert_int_equal(limits_set(&limits, limit_name(i), strlen(limit_name(i)),
						    (long long)n, err),
					 0);
		else
			assert_true(strstr(limit_name(i), "_per_source") || i == LIMIT_DESCRIPTORS);
	}
}

static void takes_a_named_number(void **state)
{
	assert_int_equal(limits_set_text(&limits, "udp_sessions=77", err), 0);
	assert_int_equal(limits.n[LIMIT_UDP], 77);
	assert_int_equal(limits_set_text(&limits, "udp-sessions-per-source=5", err), 0);
	assert_int_equal(limits.n[LIMIT_SOURCE_UDP], 5);
	assert_int_equal(limits_set_text(&limits, "buffer_bytes=64M", err), 0);
	assert_int_equal(limits.n[LIMIT_BUFFERS], 64 << 20);
	assert_int_equal(limits_set_text(&limits, "buffer_bytes=1G", err), 0);
	assert_int_equal(limits.n[LIMIT_BUFFERS], 1 << 30);
	assert_int_equal(limits_set_text(&limits, "flows=2K", err), 0);
	assert_int_equal(limits.n[LIMIT_FLOWS], 2048);
}

static void wrong(const char *text, const char *says)
{
	struct limits before = limits;

	err[0] = 0;
	assert_int_equal(limits_set_text(&limits, text, err), -EINVAL);
	assert_non_null(strstr(err, says));
	assert_memory_equal(&limits, &before, sizeof(limits));
}

static void says_what_is_wrong_with_others(void **state)
{
	wrong("", "NAME=N");
	wrong("flows", "NAME=N");
	wrong("=5", "NAME=N");
	wrong("flows=", "NAME=N");
	wrong("flows=x", "NAME=N");
	wrong("flows=100x", "NAME=N");
	wrong("flows=100KK", "NAME=N");
	wrong("flows=-100", "NAME=N");
	wrong("flows=99999999999999999999", "NAME=N");
	wrong("flows=9223372036854775807G", "NAME=N");
	wrong("flows=15", "expected 16 to 1048576");
	wrong("flows=2M", "expected 16 to 1048576");
	wrong("flow=100", "'flow': no such limit");
	wrong("flowss=100", "'flowss': no such limit");
	wrong("icmp_sessions=16385", "expected 1 to 16384");
}

static void one_source_has_three_quarters(void **state)
{
	assert_int_equal(budget_source_share(1000), 750);
	assert_int_equal(budget_source_share(3), 3);
	assert_int_equal(budget_source_share(1), 1);
}

static void the_only_source_has_all_but_what_is_set(void **state)
{
	struct budget_use b = { 0 };
	struct limits l;

	limits_init(&l);
	assert_int_equal(limits_set_text(&l, "udp-sessions-per-source=7", err), 0);
	limits_one_source(&l);
	assert_int_equal(l.n[LIMIT_SOURCE_UDP], 7);
	budget_setup(&b, l.n[LIMIT_FLOWS], l.n[LIMIT_SOURCE_FLOWS], 1);
	assert_int_equal(b.source_limit, l.n[LIMIT_FLOWS]);
	budget_setup(&b, 20000, l.n[LIMIT_SOURCE_DESCRIPTORS], 1);
	assert_int_equal(b.source_limit, 20000);
	budget_setup(&b, l.n[LIMIT_BUFFERS], l.n[LIMIT_SOURCE_BUFFERS], 2);
	assert_int_equal(b.source_limit, b.limit);
}

static void workers_share_what_the_instance_has(void **state)
{
	struct budget_use b = { .hits = 4 };

	budget_setup(&b, 1000, 0, 4);
	assert_int_equal(b.limit, 250);
	assert_int_equal(b.source_limit, 188);
	assert_int_equal(b.hits, 4); /* counters go on */
	budget_setup(&b, 1000, 100, 4);
	assert_int_equal(b.source_limit, 25);
	budget_setup(&b, 100, 5000, 1);
	assert_int_equal(b.source_limit, 100); /* never more than there is */
	budget_setup(&b, 3, 1, 16);
	assert_int_equal(b.limit, 1);
	assert_int_equal(b.source_limit, 1);
}

static void limit_descriptors(rlim_t n)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
}

static void descriptors_are_what_the_limit_leaves(void **state)
{
	struct rlimit before;
	uint64_t n;
	int fd;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	close_range(3, ~0U, 0); /* they lie close together, as in a role */
	limit_descriptors(200);
	n = budget_descriptors(20);
	assert_in_range(n, 100, 180);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(budget_descriptors(20), n - 1);
	/* and that many can be opened beside the spare ones */
	for (uint64_t i = 0; i < n - 1 + 20; i++)
		assert_true(dup(fd) > fd);
	assert_int_equal(dup(fd), -1);
	close_range((unsigned int)fd, ~0U, 0);
	limit_descriptors(10);
	assert_int_equal(budget_descriptors(20), 8);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void the_soft_limit_can_be_raised_to_the_hard_one(void **state)
{
	struct rlimit l;

	limit_descriptors(100);
	assert_int_equal(budget_raise_descriptors(), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	assert_true(l.rlim_cur == l.rlim_max && l.rlim_cur > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_default_is_within_its_bounds_or_depends, setup),
		cmocka_unit_test_setup(takes_a_named_number, setup),
		cmocka_unit_test_setup(says_what_is_wrong_with_others, setup),
		cmocka_unit_test(one_source_has_three_quarters),
		cmocka_unit_test(the_only_source_has_all_but_what_is_set),
		cmocka_unit_test(workers_share_what_the_instance_has),
		cmocka_unit_test(descriptors_are_what_the_limit_leaves),
		cmocka_unit_test(the_soft_limit_can_be_raised_to_the_hard_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
