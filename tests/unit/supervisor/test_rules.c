// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * rules.c and rule_names.c over a kernel half in memory: what names stand for, and what happens
 * when that changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel_fake.h"
#include "supervisor/rule_names.h"
#include "supervisor/rules.h"

static struct loop *loop;
static struct rules rules;
static struct conf *conf;
static char err[ERROR_TEXT_MAX];
static char told[4096];
static uint64_t now_ms;

static uint64_t test_clock(void)
{
	return now_ms * NSEC_PER_MSEC;
}

static int setup(void **state)
{
	now_ms = 1000;
	clock_inject(test_clock);
	fake_kernel_reset();
	fake_kernel.features.bpf = true;
	if (loop_new(&loop))
		return -1;
	rules_init(&rules, loop);
	told[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	rules_done(&rules);
	conf_free(conf);
	conf = NULL;
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}

static struct conf *read_rules(const char *text)
{
	static struct conf_errors errors;

	conf_free(conf);
	conf = NULL;
	if (conf_read(text, strlen(text), "f", &conf, &errors))
		fail_msg("%s", errors.text);
	return conf;
}

static void start(const char *text)
{
	assert_int_equal(rules_start(&rules, &fake_kernel, read_rules(text), false, err), 0);
}

static void on_warning(void *arg, const char *line)
{
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s\n", line);
}

/* The set that was put for a value since the last commit, -1 = none. */
static int64_t put(enum rule_dim dim, uint64_t a, uint64_t b)
{
	for (size_t i = 0; i < fake_kernel.rule_values; i++)
		if (fake_kernel.rule_value[i].dim == dim && fake_kernel.rule_value[i].a == a &&
		    fake_kernel.rule_value[i].b == b)
			return fake_kernel.rule_value_set[i];
	return -1;
}

/* Rule 0 alone, whatever place that set has. */
static void assert_first_rule(int64_t place)
{
	assert_true(place > 0);
	assert_int_equal(rules.now.tables.set[place].bits[0], 1);
}

static void later(unsigned int ms)
{
	now_ms += ms;
	loop_once(loop, 0);
}

static void what_no_rule_decides_is_direct_on_a_host_and_forwarded_in_run(void **state)
{
	start("");
	assert_int_equal(fake_kernel.rules_prepared, 0); /* as it was loaded */
	rules_done(&rules);
	assert_int_equal(rules_start(&rules, &fake_kernel,
				     read_rules("default: forward\nrules: [{action: drop}]\n"),
				     true, err),
			 0);
	assert_int_equal(fake_kernel.rules.fallback, VERDICT_FORWARD);
}

static void names_stand_for_what_there_is(void **state)
{
	struct rule_names n = { 0 };
	unsigned int users = 0, devices = 0;

	read_rules(
		"rules: [{user: [root, 1234, no-such-user], action: drop, not: {interface: l*}}, "
		"{user: root, action: drop}]\n");
	rule_names_find(&n, conf, RULE_UID);
	rule_names_find(&n, conf, RULE_DEVICE);
	rule_names_find(&n, conf, RULE_EXE);
	for (size_t i = 0; i < n.num; i++) {
		users += n.name[i].dim == RULE_UID;
		devices += n.name[i].dim == RULE_DEVICE && !strcmp(n.name[i].name, "lo") &&
			   n.name[i].a == if_nametoindex("lo");
		assert_int_not_equal(n.name[i].dim, RULE_EXE);
	}
	assert_int_equal(users, 2);
	assert_int_equal(devices, 1);
	rule_names_done(&n);
}

static void a_file_is_told_by_inode_and_device_and_a_folder_is_none(void **state)
{
	uint64_t inode;
	uint32_t device;
	struct stat st;

	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_int_equal(rule_file_identify("/proc/self/exe", &inode, &device), 0);
	assert_int_equal(inode, st.st_ino);
	assert_int_equal(rule_file_identify("/no/such/file", &inode, &device), -ENOENT);
	assert_int_equal(rule_file_identify("/tmp", &inode, &device), -EINVAL);
}

static void a_process_is_told_by_the_file_that_it_executes(void **state)
{
	uint64_t inode, of_file;
	uint32_t device, of_files;

	assert_int_equal(rule_file_identify("/proc/self/exe", &of_file, &of_files), 0);
	assert_int_equal(rule_process_identify((uint32_t)getpid(), &inode, &device), 0);
	assert_int_equal(inode, of_file);
	assert_int_equal(device, of_files);
	assert_int_equal(rule_process_identify(INT32_MAX, &inode, &device), -ENOENT);
}

static void an_executable_that_is_replaced_is_known_after_a_while(void **state)
{
	char path[] = "/tmp/headrace-exe-XXXXXX", other[64], text[128];
	uint64_t inode, inode2;
	uint32_t device;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	snprintf(text, sizeof(text), "rules: [{executable: %s, action: drop}]\n", path);
	start(text);
	assert_int_equal(rule_file_identify(path, &inode, &device), 0);
	assert_first_rule(put(RULE_EXE, inode, device));
	snprintf(other, sizeof(other), "%s.new", path);
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(rule_file_identify(path, &inode2, &device), 0);
	assert_int_not_equal(inode, inode2);
	later(5000);
	assert_first_rule(put(RULE_EXE, inode2, device));
	assert_int_equal(fake_kernel.rule_values_removed, 1);
	unlink(path);
	later(5000);
	assert_int_equal(fake_kernel.rule_values_removed, 2);
}

static void what_does_not_exist_is_told_with_its_line(void **state)
{
	start("");
	assert_int_equal(rules_prepare(&rules,
				       read_rules("rules:\n  - {name: a, cgroup: /no-such, "
						  "unit: none.service, action: drop}\n"
						  "  - {name: b, cgroup: /, action: drop}\n"),
				       on_warning, NULL, err),
			 0);
	assert_non_null(strstr(told, "line 2: rule a: cgroup '/no-such' does not exist now\n"));
	assert_non_null(strstr(told, "line 2: rule a: unit 'none.service' does not exist now\n"));
	assert_null(strstr(told, "rule b"));
}

static void a_cgroup_that_the_kernel_half_asks_for_is_looked_up(void **state)
{
	start("rules: [{unit: test, action: drop}]\n");
	assert_non_null(fake_kernel.cgroup_fn);
	fake_kernel.cgroup_fn(fake_kernel.cgroup_arg, 77); /* /system.slice/test.service */
	assert_first_rule(put(RULE_CGROUP, 77, 0));
	fake_kernel.cgroup_fn(fake_kernel.cgroup_arg, 78); /* is gone: of no rule */
	assert_int_equal(put(RULE_CGROUP, 78, 0), 0);
}

static void cgroups_that_are_gone_are_forgotten_in_turn(void **state)
{
	start("rules: [{unit: test, action: drop}]\n");
	for (uint64_t id = 1000; id < 1000 + RULES_GONE_MAX; id++)
		fake_kernel.cgroup_fn(fake_kernel.cgroup_arg, id);
	assert_int_equal(fake_kernel.rule_values_removed, 0);
	fake_kernel.cgroup_fn(fake_kernel.cgroup_arg, 999);
	assert_int_equal(fake_kernel.rule_values_removed, 1);
}

static void without_room_all_of_it_is_loaded_anew(void **state)
{
	start("rules: [{unit: test, action: drop}]\n");
	assert_int_equal(fake_kernel.rules_prepared, 1);
	fake_kernel.rule_value_result = -ENOSPC;
	fake_kernel.cgroup_fn(fake_kernel.cgroup_arg, 77);
	fake_kernel.rule_value_result = 0;
	later(100);
	assert_int_equal(fake_kernel.rules_prepared, 2);
	assert_int_equal(fake_kernel.rules_committed, 2);
	assert_int_equal(fake_kernel.rules_reset, 0);
}

static void what_cannot_be_prepared_leaves_the_old_rules(void **state)
{
	start("rules: [{port: 1, action: drop}]\n");
	fake_kernel.rules_result = -ENOMEM;
	assert_int_equal(rules_prepare(&rules, read_rules("rules: [{action: drop}]\n"), on_warning,
				       NULL, err),
			 -ENOMEM);
	assert_non_null(strstr(err, "rules: cannot be loaded into the kernel"));
	rules_commit(&rules, true);
	assert_int_equal(fake_kernel.rules_committed, 1);
	assert_int_equal(rules.now.conf->rules, 1);
	assert_int_equal(rules.now.conf->rule[0].is.ports, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_no_rule_decides_is_direct_on_a_host_and_forwarded_in_run),
		T(names_stand_for_what_there_is),
		T(a_file_is_told_by_inode_and_device_and_a_folder_is_none),
		T(a_process_is_told_by_the_file_that_it_executes),
		T(an_executable_that_is_replaced_is_known_after_a_while),
		T(what_does_not_exist_is_told_with_its_line),
		T(a_cgroup_that_the_kernel_half_asks_for_is_looked_up),
		T(cgroups_that_are_gone_are_forgotten_in_turn),
		T(without_room_all_of_it_is_loaded_anew),
		T(what_cannot_be_prepared_leaves_the_old_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
