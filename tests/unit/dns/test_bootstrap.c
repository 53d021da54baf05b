// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* bootstrap.c: what resolv.conf says, and when it is looked at again. */
#include "support.h"

#include "dns/bootstrap.h"

static char path[] = "/tmp/headrace-test-resolv-XXXXXX";
static char resolved[] = "/tmp/headrace-test-resolved-XXXXXX";
static struct endpoint servers[DNS_UPSTREAMS_MAX];

static int setup(void **state)
{
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	close(fd);
	memcpy(resolved + sizeof(resolved) - 7, "XXXXXX", 6);
	close(mkstemp(resolved));
	clock_inject(test_clock);
	return fd < 0;
}

static int teardown(void **state)
{
	unlink(path);
	unlink(resolved);
	clock_inject(NULL);
	return 0;
}

static void put_into(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put(const char *text)
{
	put_into(path, text);
}

static const char *server(int i)
{
	static char text[ENDPOINT_TEXT_MAX];

	return endpoint_format(&servers[i], text);
}

static void reads_servers_in_their_order(void **state)
{
	put("# a comment\nsearch example.test\nnameserver 192.0.2.53\n"
	    "nameserver 2001:db8::53\nnameserver 127.0.0.53\noptions edns0\n");
	assert_int_equal(bootstrap_read(path, servers), 3);
	assert_string_equal(server(0), "192.0.2.53:53");
	assert_string_equal(server(1), "[2001:db8::53]:53");
	assert_string_equal(server(2), "127.0.0.53:53");
}

static void a_file_without_servers_has_none(void **state)
{
	put("# nameserver 192.0.2.53\nsearch example.test\n");
	assert_int_equal(bootstrap_read(path, servers), 0);
}

static void no_file_is_no_servers(void **state)
{
	unlink(path);
	assert_int_equal(bootstrap_read(path, servers), 0);
}

static void takes_no_more_than_its_table_holds(void **state)
{
	put("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
	    "nameserver 192.0.2.4\nnameserver 192.0.2.5\nnameserver 192.0.2.6\n"
	    "nameserver 192.0.2.7\nnameserver 192.0.2.8\nnameserver 192.0.2.9\n"
	    "nameserver 192.0.2.10\n");
	assert_int_equal(bootstrap_read(path, servers), DNS_UPSTREAMS_MAX);
}

static void rubbish_is_no_server(void **state)
{
	put("nameserver\nnameserver nonsense\nnameserver 300.1.1.1\n");
	assert_int_equal(bootstrap_read(path, servers), 0);
}

static void is_read_once_while_it_stays(void **state)
{
	struct bootstrap b;

	put("nameserver 192.0.2.1\n");
	bootstrap_init(&b, path, resolved, false);
	assert_true(bootstrap_changed(&b));
	assert_false(bootstrap_changed(&b));
	advance_ms(BOOTSTRAP_CHECK_MS * 10);
	assert_false(bootstrap_changed(&b));
}

static void a_change_is_seen_after_a_second_at_most(void **state)
{
	struct bootstrap b;

	put("nameserver 192.0.2.1\n");
	bootstrap_init(&b, path, resolved, false);
	assert_true(bootstrap_changed(&b));
	put("nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
	assert_false(bootstrap_changed(&b));
	advance_ms(BOOTSTRAP_CHECK_MS);
	assert_true(bootstrap_changed(&b));
}

static void coming_and_going_are_changes(void **state)
{
	struct bootstrap b;

	put("nameserver 192.0.2.1\n");
	bootstrap_init(&b, path, resolved, false);
	assert_true(bootstrap_changed(&b));
	unlink(path);
	advance_ms(BOOTSTRAP_CHECK_MS);
	assert_true(bootstrap_changed(&b));
	advance_ms(BOOTSTRAP_CHECK_MS);
	assert_false(bootstrap_changed(&b));
	put("nameserver 192.0.2.1\n");
	advance_ms(BOOTSTRAP_CHECK_MS);
	assert_true(bootstrap_changed(&b));
}

static int servers_of(bool host_capture)
{
	struct bootstrap b;

	bootstrap_init(&b, path, resolved, host_capture);
	return bootstrap_servers(&b, servers);
}

static void c24_a_loopback_stub_is_fine_while_the_host_is_not_captured(void **state)
{
	put("nameserver 127.0.0.53\n");
	put_into(resolved, "nameserver 192.0.2.7\n");
	assert_int_equal(servers_of(false), 1);
	assert_string_equal(server(0), "127.0.0.53:53");
}

static void c24_under_host_capture_a_stub_is_replaced_by_its_links_servers(void **state)
{
	put("nameserver 127.0.0.53\n");
	put_into(resolved, "nameserver 192.0.2.7\nnameserver 127.0.0.1\nnameserver 192.0.2.8\n");
	assert_int_equal(servers_of(true), 2);
	assert_string_equal(server(0), "192.0.2.7:53");
	assert_string_equal(server(1), "192.0.2.8:53");
}

static void c24_under_host_capture_loopback_and_own_addresses_are_never_asked(void **state)
{
	put("nameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\n");
	put_into(resolved, "nameserver 192.0.2.7\n");
	assert_int_equal(servers_of(true), 1);
	assert_string_equal(server(0), "192.0.2.1:53");
	put("nameserver 127.0.0.53\n");
	put_into(resolved, "nameserver 127.0.0.53\nnameserver ::1\n");
	assert_int_equal(servers_of(true), 0);
}

static void an_address_of_this_host_is_known_as_such(void **state)
{
	struct addr a;

	assert_int_equal(addr_parse("127.5.6.7", &a), 0);
	assert_true(bootstrap_is_own(&a));
	assert_int_equal(addr_parse("192.0.2.99", &a), 0);
	assert_false(bootstrap_is_own(&a));
}

static void c24_a_change_of_resolveds_servers_is_seen(void **state)
{
	struct bootstrap b;

	put("nameserver 127.0.0.53\n");
	put_into(resolved, "nameserver 192.0.2.7\n");
	bootstrap_init(&b, path, resolved, true);
	assert_true(bootstrap_changed(&b));
	put_into(resolved, "nameserver 192.0.2.7\nnameserver 192.0.2.8\n");
	assert_false(bootstrap_changed(&b));
	advance_ms(BOOTSTRAP_CHECK_MS);
	assert_true(bootstrap_changed(&b));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(c24_a_loopback_stub_is_fine_while_the_host_is_not_captured),
		T(c24_under_host_capture_a_stub_is_replaced_by_its_links_servers),
		T(c24_under_host_capture_loopback_and_own_addresses_are_never_asked),
		T(an_address_of_this_host_is_known_as_such),
		T(c24_a_change_of_resolveds_servers_is_seen),
		T(reads_servers_in_their_order),
		T(a_file_without_servers_has_none),
		T(no_file_is_no_servers),
		T(takes_no_more_than_its_table_holds),
		T(rubbish_is_no_server),
		T(is_read_once_while_it_stays),
		T(a_change_is_seen_after_a_second_at_most),
		T(coming_and_going_are_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
