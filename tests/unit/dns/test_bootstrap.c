// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* bootstrap.c: what resolv.conf says, and when it is looked at again. */
#include "support.h"

#include "dns/bootstrap.h"

static char path[] = "/tmp/headrace-test-resolv-XXXXXX";
static struct endpoint servers[DNS_UPSTREAMS_MAX];

static int setup(void **state)
{
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	close(fd);
	clock_inject(test_clock);
	return fd < 0;
}

static int teardown(void **state)
{
	unlink(path);
	clock_inject(NULL);
	return 0;
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
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
	bootstrap_init(&b, path);
	assert_true(bootstrap_changed(&b));
	assert_false(bootstrap_changed(&b));
	advance_ms(BOOTSTRAP_CHECK_MS * 10);
	assert_false(bootstrap_changed(&b));
}

static void a_change_is_seen_after_a_second_at_most(void **state)
{
	struct bootstrap b;

	put("nameserver 192.0.2.1\n");
	bootstrap_init(&b, path);
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
	bootstrap_init(&b, path);
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
