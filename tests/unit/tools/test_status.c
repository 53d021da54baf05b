// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The load of an instance's processes as `headrace status` shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/client.c"
#include "tools/format.c"
#include "tools/object.c"
#include "tools/option.c"
#include "tools/status.c"
#include "tools/table.c"

static char printed[8192];

static json_t *print(const char *json)
{
	json_t *roles = json_loads(json, 0, NULL);
	FILE *f = fmemopen(printed, sizeof(printed), "w");

	assert_non_null(roles);
	memset(printed, 0, sizeof(printed));
	print_load(roles, f);
	fclose(f);
	return roles;
}

static void each_role_has_a_row_with_its_load(void **state)
{
	json_decref(print("[{\"name\":\"resolver\",\"state\":\"ready\",\"pid\":7,\"cpu_ms\":12},"
			  "{\"name\":\"worker 1\",\"state\":\"ready\",\"pid\":8,\"cpu_ms\":61000,"
			  "\"tcp_open\":64,\"udp_open\":0,\"icmp_open\":1,\"tun_rx\":10,"
			  "\"tun_rx_bytes\":15000,\"tun_tx\":20,\"tun_tx_bytes\":900,\"drops\":3,"
			  "\"restarts\":2}]"));
	assert_string_equal(printed,
			    "\n"
			    "ROLE      STATE  PID    CPU  TCP  UDP  ICMP  PKTS UP  BYTES UP  "
			    "PKTS DOWN  BYTES DOWN  DROPS  RESTARTS\n"
			    "resolver  ready    7  12 ms    -    -     -        -         -  "
			    "        -           -      -         -\n"
			    "worker 1  ready    8  1m01s   64    0     1       10     15 kB  "
			    "       20       900 B      3         2\n"
			    "\n");
}

/* What is in the row is not said again below it, and a role without anything else is not named. */
static void what_the_row_shows_is_gone_from_the_role(void **state)
{
	json_t *roles = print("[{\"name\":\"resolver\",\"slot\":0,\"state\":\"ready\",\"hangs\":0},"
			      "{\"name\":\"worker 1\",\"slot\":1,\"state\":\"ready\",\"pid\":8,"
			      "\"cpu_ms\":5,\"tcp_open\":1,\"tcp_total\":9,\"drops\":0},"
			      "{\"name\":\"worker 2\",\"slot\":2,\"state\":\"ready\"}]");
	json_t *want = json_loads("[{\"name\":\"worker 1\",\"tcp_total\":9}]", 0, NULL);

	assert_true(json_equal(roles, want));
	json_decref(roles);
	json_decref(want);
}

static void a_role_without_a_process_has_no_pid(void **state)
{
	json_decref(print("[{\"name\":\"worker 1\",\"state\":\"waiting to be restarted\"}]"));
	assert_non_null(strstr(printed, "waiting to be restarted    -"));
}

static void without_roles_nothing_is_shown(void **state)
{
	json_decref(print("[]"));
	assert_null(strstr(printed, "ROLE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_role_has_a_row_with_its_load),
		cmocka_unit_test(what_the_row_shows_is_gone_from_the_role),
		cmocka_unit_test(a_role_without_a_process_has_no_pid),
		cmocka_unit_test(without_roles_nothing_is_shown),
	};

	return cmocka_run_group_tests_name("tools/status", tests, NULL, NULL);
}
