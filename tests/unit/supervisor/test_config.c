// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* config.c: what main finds wrong in a configuration that is well-formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "supervisor/config.h"

static int check_of(const char *text, bool host, bool bpf, struct conf_errors *errors)
{
	struct config c;
	int err;

	config_init(&c);
	memset(errors, 0, sizeof(*errors));
	assert_int_equal(conf_read(text, strlen(text), "f.yaml", &c.conf, errors), 0);
	strcpy(c.file, "f.yaml");
	err = config_check_kernel(&c, host, bpf ? NULL : "not allowed", errors);
	config_done(&c);
	return err;
}

static int check_text(const char *text, bool bpf, struct conf_errors *errors)
{
	return check_of(text, false, bpf, errors);
}

/* Without BPF nothing would refuse a flow: each such policy is named with its line. */
static void policies_that_refuse_flows_need_the_kernel_half(void **state)
{
	static const char strict[] = "dns:\n"
				     "  policies:\n"
				     "    - {name: a, clients: [10.0.0.1], only-resolved: true}\n"
				     "    - {name: b, clients: [10.0.0.2], block-quic: true}\n"
				     "    - {name: c}\n";
	struct conf_errors errors;

	assert_int_equal(check_text(strict, true, &errors), 0);
	assert_int_equal(errors.num, 0);
	assert_int_equal(check_text(strict, false, &errors), -EOPNOTSUPP);
	assert_int_equal(errors.num, 2);
	assert_non_null(strstr(errors.text, "f.yaml:3: dns.policies.a: only-resolved"));
	assert_non_null(strstr(errors.text, "f.yaml:4: dns.policies.b: "));
	assert_int_equal(check_text("", false, &errors), 0);
}

/* A host whose traffic would pass as if nothing were there is not called captured. */
static void capture_points_and_rules_need_the_kernel_half(void **state)
{
	static const char route[] = "capture: {uplinks: none, route: table}\n";
	static const char *const points[] = { "", "capture: {uplinks: none, lan: [br0]}\n",
					      "capture: {uplinks: none, loopback: dns}\n" };
	struct conf_errors errors;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(check_of(points[i], true, true, &errors), 0);
		assert_int_equal(check_of(points[i], true, false, &errors), -EOPNOTSUPP);
		assert_int_equal(errors.num, 1);
		assert_non_null(strstr(errors.text, "f.yaml: capture: uplinks, lan and loopback"));
		assert_non_null(strstr(errors.text, "(not allowed)"));
		assert_int_equal(check_of(points[i], false, false, &errors), 0);
	}
	assert_int_equal(check_of(route, true, false, &errors), 0);
	assert_int_equal(check_text("rules: [{port: [25], action: reject}]\n", false, &errors),
			 -EOPNOTSUPP);
	assert_non_null(strstr(errors.text, "f.yaml:1: rules: need BPF"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_that_refuse_flows_need_the_kernel_half),
		cmocka_unit_test(capture_points_and_rules_need_the_kernel_half),
	};

	return cmocka_run_group_tests_name("supervisor/config", tests, NULL, NULL);
}
