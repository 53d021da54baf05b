// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Texts of the private resolv.conf and nsswitch.conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/names.c"

static void nsswitch_is(const char *host, const char *want)
{
	char *text = names_nsswitch(host);

	assert_string_equal(text, want);
	free(text);
}

static void resolv_conf_has_one_server_and_no_search(void **state)
{
	char *text = names_resolv_conf("10.1.2.3");
	char *line = strchr(text, '\n') + 1;

	assert_int_equal(*text, '#');
	assert_string_equal(line, "nameserver 10.1.2.3\noptions edns0\n");
	free(text);
}

static void replaces_the_hosts_line_where_it_stands(void **state)
{
	nsswitch_is(
		"passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] resolve dns\nx: y\n",
		"passwd: files\nhosts: files dns\nx: y\n");
}

static void knows_a_hosts_line_with_blanks(void **state)
{
	nsswitch_is(" \thosts\t : resolve\n", "hosts: files dns\n");
}

static void keeps_comments_and_longer_names(void **state)
{
	nsswitch_is("#hosts: files\nhostsfile: x\nhost: y\nhosts: a\n",
		    "#hosts: files\nhostsfile: x\nhost: y\nhosts: files dns\n");
}

static void drops_a_second_hosts_line(void **state)
{
	nsswitch_is("hosts: a\nhosts: b\n", "hosts: files dns\n");
}

static void appends_a_missing_hosts_line(void **state)
{
	nsswitch_is("", "hosts: files dns\n");
	nsswitch_is("passwd: files\n", "passwd: files\nhosts: files dns\n");
	nsswitch_is("passwd: files", "passwd: files\nhosts: files dns\n");
}

static void replaces_a_last_line_without_newline(void **state)
{
	nsswitch_is("a: b\nhosts: c", "a: b\nhosts: files dns\n");
	nsswitch_is("hosts", "hosts\nhosts: files dns\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolv_conf_has_one_server_and_no_search),
		cmocka_unit_test(replaces_the_hosts_line_where_it_stands),
		cmocka_unit_test(knows_a_hosts_line_with_blanks),
		cmocka_unit_test(keeps_comments_and_longer_names),
		cmocka_unit_test(drops_a_second_hosts_line),
		cmocka_unit_test(appends_a_missing_hosts_line),
		cmocka_unit_test(replaces_a_last_line_without_newline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
