// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The section `capture.route`: what it means, and what is said of one that means nothing. */
#include "read.h"

#include <arpa/inet.h>

static const struct conf_route *good(const char *text)
{
	takes(text);
	return &conf->capture.route;
}

static void none_is_the_default(void **state)
{
	assert_int_equal(good("")->way, CONF_ROUTE_NONE);
	assert_int_equal(good("capture: {loopback: dns}")->way, CONF_ROUTE_NONE);
	assert_int_equal(conf->capture.uplinks_mode, CONF_UPLINKS_AUTO);
}

static void one_word_is_a_way_with_all_defaults(void **state)
{
	const struct conf_route *c = good("capture: {route: halves}");

	assert_int_equal(c->way, CONF_ROUTE_HALVES);
	c = good("capture: {route: table}");
	assert_int_equal(c->way, CONF_ROUTE_TABLE);
	assert_int_equal(c->mode, CONF_ROUTE_FIREWALL);
	assert_int_equal(c->table, 26738);
	assert_int_equal(c->priority, 9100);
	assert_int_equal(c->fwmark.mask, 0);
	assert_int_equal(c->address.bits, 0);
	assert_int_equal(c->address6.bits, 0);
	assert_int_equal(c->ranges, 0);
	assert_true(c->specific);
	assert_string_equal(c->tun, "");
}

static void a_way_stands_for_uplinks_unless_they_are_named(void **state)
{
	good("capture: {route: table}");
	assert_int_equal(conf->capture.uplinks_mode, CONF_UPLINKS_NONE);
	good("capture: {route: table, uplinks: auto}");
	assert_int_equal(conf->capture.uplinks_mode, CONF_UPLINKS_AUTO);
}

static void every_key(void **state)
{
	const struct conf_route *c =
		good("capture: {route: {way: table, mode: dns, tun: dmesh, address: 10.11.0.1/16,"
		     " address6: 'fd11::1/64', table: 1338, priority: 10, fwmark: 1338,"
		     " ranges: [10.10.0.0/16, '2001:db8::/32'], direct: 10.10.9.0/24,"
		     " vips: [{at: '10.10.1.1:80', to: 127.0.0.1}], specific-routes: false}}");

	assert_int_equal(c->way, CONF_ROUTE_TABLE);
	assert_int_equal(c->mode, CONF_ROUTE_DNS);
	assert_string_equal(c->tun, "dmesh");
	assert_int_equal(c->address.bits, 16);
	assert_int_equal(c->address.addr.b[13], 11);
	assert_int_equal(c->address.addr.b[15], 1);
	assert_int_equal(c->address6.bits, 64);
	assert_int_equal(c->table, 1338);
	assert_int_equal(c->priority, 10);
	assert_int_equal(c->fwmark.value, 1338);
	assert_int_equal(c->fwmark.mask, UINT32_MAX);
	assert_int_equal(c->ranges, 2);
	assert_int_equal(c->range[1].bits, 32);
	assert_int_equal(c->directs, 1);
	assert_int_equal(c->direct[0].bits, 24);
	assert_int_equal(c->vips, 1);
	assert_int_equal(ntohs(c->vip[0].at.port), 80);
	assert_int_equal(c->vip[0].to.port, 0);
	assert_true(addr_is_loopback(&c->vip[0].to.addr));
	assert_false(c->specific);
}

static void what_cannot_be_is_refused(void **state)
{
	refuses("capture: {route: halfs}", "did you mean 'halves'?");
	refuses("capture: {route: [table]}", "expected one of none, table");
	refuses("capture: {route: {way: table, adress: 10.0.0.1/24}}", "did you mean 'address'?");
	refuses("capture: {route: {way: table, address: 10.0.0.1}}", "prefix length");
	refuses("capture: {route: {way: table, address: 10.0.0.1/31}}", "cannot be the TUN's");
	refuses("capture: {route: {way: table, address: 127.0.0.1/24}}", "cannot be the TUN's");
	refuses("capture: {route: {way: table, address: 'fd00::1/64'}}", "such as 10.0.0.1/24");
	refuses("capture: {route: {way: table, address6: 10.0.0.1/24}}", "such as fd00::1/64");
	refuses("capture: {route: {way: table, ranges: 10.10.0.1/16}}", "bits set behind");
	refuses("capture: {route: {way: table, ranges: 10.10.0.0/33}}",
		"has no good prefix length");
	refuses("capture: {route: {way: table, vips: [{at: 10.10.1.1}]}}", "expected {at:");
	refuses("capture: {route: {way: table, vips: [{at: 10.10.1.1, to: '::1'}]}}",
		"not of one family");
	refuses("capture: {route: {way: table, table: 253}}", "one of the kernel's own");
	refuses("capture: {route: {way: table, table: 255}}", "one of the kernel's own");
	refuses("capture: {route: {way: table, priority: 32760}}", "is out of range");
	refuses("capture: {route: {way: bind, fwmark: 1}}", "is for `way: table` only");
	refuses("capture: {route: {way: halves, specific-routes: false}}", "is for `way: table`");
}

static void only_the_mode_can_change_at_run_time(void **state)
{
	struct conf_route a = *good("capture: {route: table}"), b;

	b = *good("capture: {route: {way: table, mode: dns}}");
	assert_false(conf_route_differs(&a, &b));
	b = *good("capture: {route: bind}");
	assert_true(conf_route_differs(&a, &b));
	b = *good("capture: {route: {way: table, ranges: 10.10.0.0/16}}");
	assert_true(conf_route_differs(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_the_default),
		cmocka_unit_test(one_word_is_a_way_with_all_defaults),
		cmocka_unit_test(a_way_stands_for_uplinks_unless_they_are_named),
		cmocka_unit_test(every_key),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(only_the_mode_can_change_at_run_time),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
