// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* devices.c: devices that come, go and change by configuration, and their addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "userspace/supervisor/devices.c"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/supervisor/kernel_fake.h"

static struct loop *loop;
static struct devices devices;
static struct conf_device wanted[4];
static struct conf_listener listeners[3];
static struct conf_dns dns;
static char err[ERROR_TEXT_MAX];

static bool run(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "PATH=$PATH:/usr/sbin:/sbin; %s", command);
	return !system(line);
}

static void listen_at(size_t place, const char *text)
{
	assert_int_equal(endpoint_parse(text, 53, &listeners[place].endpoint), 0);
	dns.listeners = place + 1;
}

static void want(size_t place, const char *name, enum conf_device_mode mode)
{
	wanted[place] = (struct conf_device){ .mode = mode };
	snprintf(wanted[place].name, sizeof(wanted[place].name), "%s", name);
	dns.devices = place + 1;
}

static int setup(void **state)
{
	fake_kernel_reset();
	dns = (struct conf_dns){ .listener = listeners, .device = wanted };
	err[0] = '\0';
	assert_true(run("ip link add da type veth peer name db; ip addr add 10.5.0.1/24 dev da;"
			"ip addr add 10.6.0.1/24 dev db; ip -6 addr add fd05::1/64 dev da nodad"));
	assert_int_equal(loop_new(&loop), 0);
	devices_init(&devices, loop);
	return 0;
}

static int teardown(void **state)
{
	devices_done(&devices);
	assert_int_equal(fake_kernel.devices, 0);
	loop_free(loop);
	run("ip link del da");
	return 0;
}

static int set(void)
{
	return devices_set(&devices, &fake_kernel, &dns, err);
}

static bool is_local(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, 53, &ep), 0);
	for (size_t i = 0; i < fake_kernel.locals; i++)
		if (addr_eq(&fake_kernel.local[i].addr, &ep.addr) &&
		    fake_kernel.local[i].port == ep.port)
			return true;
	return false;
}

static void a_listener_of_all_addresses_has_those_of_the_devices(void **state)
{
	want(0, "da", CONF_DEVICE_TC);
	listen_at(0, "0.0.0.0:53");
	listen_at(1, "127.0.0.1:5353");
	listen_at(2, "10.9.9.9:54");
	assert_int_equal(set(), 0);
	assert_int_equal(fake_kernel.devices, 1);
	assert_int_equal(fake_kernel.locals, 2);
	assert_true(is_local("10.5.0.1:53"));
	assert_true(is_local("10.9.9.9:54"));
	listen_at(0, "[::]:53");
	dns.listeners = 1;
	assert_int_equal(set(), 0);
	assert_true(is_local("[fd05::1]:53"));
	assert_false(is_local("10.5.0.1:53"));
}

static void a_new_configuration_changes_only_what_differs(void **state)
{
	struct device *kept;

	want(0, "da", CONF_DEVICE_TC);
	want(1, "db", CONF_DEVICE_TC);
	assert_int_equal(set(), 0);
	assert_int_equal(fake_kernel.devices, 2);
	kept = devices.entry[1].device;
	want(0, "db", CONF_DEVICE_TC);
	assert_int_equal(set(), 0);
	assert_int_equal(fake_kernel.devices, 1);
	assert_int_equal(devices.entries, 1);
	assert_ptr_equal(devices.entry[0].device, kept);
	dns.devices = 0;
	assert_int_equal(set(), 0);
	assert_int_equal(fake_kernel.devices, 0);
}

static void what_cannot_be_attached_as_asked_is_an_error(void **state)
{
	fake_kernel.device_result = -EBUSY;
	want(0, "da", CONF_DEVICE_XDP);
	assert_int_equal(set(), -EBUSY);
	assert_string_equal(err, "da: not here");
	devices_done(&devices);
	want(0, "da", CONF_DEVICE_AUTO);
	assert_int_equal(set(), 0);
	assert_null(devices.entry[0].device);
}

static void wait_attached(int count)
{
	uint64_t until = clock_ms() + 20000;

	while (fake_kernel.devices != count) {
		assert_true(clock_ms() < until);
		loop_once(loop, 50);
	}
}

static void a_device_is_attached_when_it_appears(void **state)
{
	json_t *shown;

	want(0, "late", CONF_DEVICE_TC);
	listen_at(0, "0.0.0.0:53");
	assert_int_equal(set(), 0);
	assert_int_equal(fake_kernel.devices, 0);
	shown = devices_show(&devices);
	assert_string_equal(json_string_value(json_object_get(json_array_get(shown, 0), "error")),
			    "late: no such device");
	json_decref(shown);
	assert_true(run("ip link add late type veth peer name lateb;"
			"ip addr add 10.7.0.1/24 dev late"));
	wait_attached(1);
	while (!is_local("10.7.0.1:53"))
		loop_once(loop, 50);
	assert_true(run("ip link del late"));
	wait_attached(0);
	assert_true(run("ip link add late type veth peer name lateb"));
	wait_attached(1);
	shown = devices_show(&devices);
	assert_string_equal(json_string_value(json_object_get(json_array_get(shown, 0), "mode")),
			    "fake");
	json_decref(shown);
	run("ip link del late");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_listener_of_all_addresses_has_those_of_the_devices),
		TEST(a_new_configuration_changes_only_what_differs),
		TEST(what_cannot_be_attached_as_asked_is_an_error),
		TEST(a_device_is_attached_when_it_appears),
	};

	if (geteuid() || unshare(CLONE_NEWNET))
		return 77;
	return cmocka_run_group_tests_name("supervisor/devices", tests, NULL, NULL);
}
