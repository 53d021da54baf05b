// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The section `capture`: what it means, and what is said of one that means nothing. */
#include "read.h"

static const struct conf_capture *good(const char *text)
{
	takes(text);
	return &conf->capture;
}

static void the_defaults(void **state)
{
	const struct conf_capture *c = good("");

	assert_int_equal(c->uplinks_mode, CONF_UPLINKS_AUTO);
	assert_int_equal(c->uplinks, 0);
	assert_int_equal(c->lans, 0);
	assert_int_equal(c->loopback, CONF_LOOPBACK_NO);
	assert_int_equal(c->attach, CONF_ATTACH_AUTO);
	assert_false(c->closed);
	assert_int_equal(c->heartbeat_ms, 500);
	assert_int_equal(c->pass_marks, 0);
	assert_false(c->strict);
	assert_true(conf->dns.intercept);
	assert_false(conf->given & CONF_GIVEN_CAPTURE);
}

static void every_key(void **state)
{
	const struct conf_capture *c = good(
		"capture:\n"
		"  uplinks: [eth0, 'ppp*']\n"
		"  lan: [docker0, {name: 'veth*', bridged: true}, {name: lan1, dns-only: true}]\n"
		"  loopback: dns\n"
		"  attach: clsact\n"
		"  when-down: closed\n"
		"  heartbeat: 2s\n"
		"  pass-marks: [0x10/0xff, 7]\n"
		"  strict: true\n"
		"dns: {intercept: false}\n");

	assert_int_equal(c->uplinks_mode, CONF_UPLINKS_NAMED);
	assert_int_equal(c->uplinks, 2);
	assert_string_equal(c->uplink[0].name, "eth0");
	assert_string_equal(c->uplink[1].name, "ppp*");
	assert_int_equal(c->uplink[0].line, 2);
	assert_int_equal(c->lans, 3);
	assert_string_equal(c->lan[0].name, "docker0");
	assert_false(c->lan[0].bridged || c->lan[0].dns_only);
	assert_string_equal(c->lan[1].name, "veth*");
	assert_true(c->lan[1].bridged && !c->lan[1].dns_only);
	assert_string_equal(c->lan[2].name, "lan1");
	assert_true(c->lan[2].dns_only && !c->lan[2].bridged);
	assert_int_equal(c->loopback, CONF_LOOPBACK_DNS);
	assert_int_equal(c->attach, CONF_ATTACH_CLSACT);
	assert_true(c->closed);
	assert_int_equal(c->heartbeat_ms, 2000);
	assert_int_equal(c->pass_marks, 2);
	assert_int_equal(c->pass_mark[0].value, 0x10);
	assert_int_equal(c->pass_mark[0].mask, 0xff);
	assert_int_equal(c->pass_mark[1].value, 7);
	assert_int_equal(c->pass_mark[1].mask, UINT32_MAX);
	assert_true(c->strict);
	assert_false(conf->dns.intercept);
	assert_true(conf->given & CONF_GIVEN_CAPTURE);
}

static void uplinks_are_a_word_or_devices(void **state)
{
	assert_int_equal(good("capture: {uplinks: none}")->uplinks_mode, CONF_UPLINKS_NONE);
	assert_int_equal(good("capture: {uplinks: auto}")->uplinks_mode, CONF_UPLINKS_AUTO);
	assert_int_equal(good("capture: {uplinks: wan}")->uplinks, 1);
	assert_int_equal(conf->capture.uplinks_mode, CONF_UPLINKS_NAMED);
	refuses("capture: {uplinks: {eth0: 1}}", "expected auto, none, or a list of devices");
	refuses("capture: {uplinks: }", "expected auto, none, or a list of devices");
	refuses("capture: {uplinks: [a/b]}", "expected the name of a network device or a pattern");
	refuses("capture: {uplinks: [a, sixteen-letters-]}", "at most 15 characters");
	refuses("capture: {uplinks: [lo]}", "'lo' is captured by `loopback`");
}

static void what_is_wrong_of_a_lan(void **state)
{
	refuses("capture: {lan: [{bridged: true}]}", "capture.lan[0]: no name");
	refuses("capture: {lan: [{name: a, bridge: true}]}", "did you mean 'bridged'?");
	refuses("capture: {lan: [{name: lo}]}", "'lo' is captured by `loopback`");
	refuses("capture: {lan: [[a]]}", "a list, expected a network device");
	refuses("capture: {lan: {docker0: true}}", "expected a list");
}

static void marks_that_would_let_all_or_nothing_pass(void **state)
{
	refuses("capture: {pass-marks: [0x10/0x0f]}", "its value lies outside its mask");
	refuses("capture: {pass-marks: [1/0]}", "its value lies outside its mask");
	refuses("capture: {pass-marks: [0/0xff]}", "is what packets without a mark have");
	refuses("capture: {pass-marks: [0x68720000]}", "the mark of Headrace's own sockets");
	refuses("capture: {pass-marks: [0x60000000/0xf0000000]}",
		"the mark of Headrace's own sockets");
	refuses("capture: {pass-marks: [0x100000000]}", "is no mark");
	refuses("capture: {pass-marks: [-1]}", "is no mark");
	refuses("capture: {pass-marks: [0x1/]}", "is no mark");
	refuses("capture: {pass-marks: [x]}", "expected VALUE or VALUE/MASK");
}

static void words_and_bounds(void **state)
{
	refuses("capture: {when-down: close}", "did you mean 'closed'?");
	refuses("capture: {loopback: yes}", "expected one of false, true, dns");
	refuses("capture: {heartbeat: 50ms}", "is out of range");
	refuses("capture: {heartbeat: 500}", "has no unit");
	refuses("capture: {devices: []}", "no such key 'devices' of capture");
}

static void what_a_reload_can_change(void **state)
{
	static const struct {
		const char *text, *fixed;
	} changes[] = {
		{ "capture: {uplinks: [eth0], lan: [lan0], when-down: closed, heartbeat: 1s,"
		  " pass-marks: [1], loopback: dns}",
		  NULL },
		{ "capture: {attach: clsact}", "capture.attach" },
		{ "capture: {strict: true}", "capture.strict" },
		{ "dns: {intercept: false}", "dns.intercept" },
	};
	struct conf *before;

	good("");
	before = conf_get(conf);
	for (size_t i = 0; i < NUM(changes); i++) {
		const char *fixed;

		good(changes[i].text);
		fixed = conf_fixed_difference(before, conf);
		if (changes[i].fixed)
			assert_string_equal(fixed, changes[i].fixed);
		else
			assert_null(fixed);
	}
	conf_free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults),
		cmocka_unit_test(every_key),
		cmocka_unit_test(uplinks_are_a_word_or_devices),
		cmocka_unit_test(what_is_wrong_of_a_lan),
		cmocka_unit_test(marks_that_would_let_all_or_nothing_pass),
		cmocka_unit_test(words_and_bounds),
		cmocka_unit_test(what_a_reload_can_change),
	};

	return cmocka_run_group_tests_name("conf/capture", tests, NULL, teardown);
}
