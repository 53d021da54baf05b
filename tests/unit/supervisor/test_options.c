// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* options.c: values that are taken, values that are refused with a line that says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "supervisor/options.h"

static struct instance_options opt;
static char err[OPTIONS_ERROR_MAX];

static int setup(void **state)
{
	options_init(&opt);
	err[0] = '\0';
	return 0;
}

static int from_text(const char *text)
{
	json_t *request = json_loads(text, 0, NULL);
	int r;

	assert_non_null(request);
	r = options_from_json(&opt, request, err);
	json_decref(request);
	return r;
}

static void defaults_are_ipv6_one_worker_and_no_user(void **state)
{
	assert_true(opt.ipv6);
	assert_int_equal(opt.workers, 1);
	assert_int_equal(opt.uid, UID_NONE);
	assert_int_equal(opt.mtu, 0);
	assert_int_equal(opt.tun_fd, -1);
	assert_true(control_instance_valid(opt.instance));
}

static void takes_every_key(void **state)
{
	char text[ENDPOINT_TEXT_MAX];

	assert_int_equal(from_text("{\"command\":\"run\",\"instance\":\"a.b-c_1\","
				   "\"dns\":[\"192.0.2.1\",\"[2001:db8::1]:5353\"],\"ipv6\":false,"
				   "\"mtu\":1400,\"host_loopback\":\"198.51.100.7\",\"uid\":1000,"
				   "\"tun_fd\":true,\"log\":\"debug\",\"workers\":4,"
				   "\"limits\":{\"flows\":1000,\"udp_sessions_per_source\":7}}"),
			 0);
	assert_string_equal(opt.instance, "a.b-c_1");
	assert_int_equal(opt.dns_count, 2);
	assert_string_equal(endpoint_format(&opt.dns[0], text), "192.0.2.1:53");
	assert_string_equal(endpoint_format(&opt.dns[1], text), "[2001:db8::1]:5353");
	assert_false(opt.ipv6);
	assert_int_equal(opt.mtu, 1400);
	assert_string_equal(addr_format(&opt.host_loopback, text), "198.51.100.7");
	assert_int_equal(opt.uid, 1000);
	assert_true(opt.tun_handed);
	assert_int_equal(opt.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(opt.workers, 4);
	assert_int_equal(opt.limits.n[LIMIT_FLOWS], 1000);
	assert_int_equal(opt.limits.n[LIMIT_SOURCE_UDP], 7);
}

static void refuses(const char *text, const char *says)
{
	options_init(&opt);
	err[0] = '\0';
	assert_int_equal(from_text(text), -EINVAL);
	assert_non_null(strstr(err, says));
}

static void refuses_values_out_of_range(void **state)
{
	refuses("{\"mtu\":1279}", "1280");
	refuses("{\"mtu\":65536}", "65535");
	refuses("{\"workers\":0}", "1 to 16");
	refuses("{\"workers\":17}", "1 to 16");
	refuses("{\"uid\":-1}", "out of range");
	refuses("{\"uid\":4294967295}", "out of range");
	refuses("{\"instance\":\"a/b\"}", "a/b");
	refuses("{\"instance\":\"\"}", "instance name");
	refuses("{\"log\":\"loud\"}", "loud");
	refuses("{\"limits\":{\"flows\":1}}", "expected 16 to 1048576");
	refuses("{\"limits\":{\"flows\":-1}}", "expected 16 to 1048576");
	refuses("{\"limits\":{\"colour\":1}}", "'colour': no such limit");
}

static void refuses_bad_addresses(void **state)
{
	refuses("{\"dns\":[\"localhost\"]}", "localhost");
	refuses("{\"dns\":[\"192.0.2.1:0\"]}", "192.0.2.1:0");
	refuses("{\"dns\":[\"0.0.0.0\"]}", "0.0.0.0");
	refuses("{\"host_loopback\":\"127.0.0.1\"}", "127.0.0.1");
	refuses("{\"host_loopback\":\"::1\"}", "::1");
	refuses("{\"host_loopback\":\"224.0.0.1\"}", "224.0.0.1");
	refuses("{\"host_loopback\":\"fe80::1\"}", "fe80::1");
}

static void refuses_too_many_dns_servers(void **state)
{
	refuses("{\"dns\":[\"192.0.2.1\",\"192.0.2.2\",\"192.0.2.3\",\"192.0.2.4\",\"192.0.2.5\","
		"\"192.0.2.6\",\"192.0.2.7\",\"192.0.2.8\",\"192.0.2.9\"]}",
		"more than 8");
}

static void refuses_wrong_types_and_unknown_keys(void **state)
{
	refuses("{\"mtu\":\"1500\"}", "an integer");
	refuses("{\"ipv6\":1}", "true or false");
	refuses("{\"dns\":\"192.0.2.1\"}", "an array");
	refuses("{\"dns\":[1]}", "strings");
	refuses("{\"instance\":5}", "a string");
	refuses("{\"limits\":[]}", "an object");
	refuses("{\"limits\":{\"flows\":\"many\"}}", "'flows': expected an integer");
	refuses("{\"colour\":\"red\"}", "colour");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(defaults_are_ipv6_one_worker_and_no_user, setup),
		cmocka_unit_test_setup(takes_every_key, setup),
		cmocka_unit_test_setup(refuses_values_out_of_range, setup),
		cmocka_unit_test_setup(refuses_bad_addresses, setup),
		cmocka_unit_test_setup(refuses_too_many_dns_servers, setup),
		cmocka_unit_test_setup(refuses_wrong_types_and_unknown_keys, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
