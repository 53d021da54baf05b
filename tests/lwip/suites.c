// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Runs lwIP's own test suites for TCP, IPv4, IPv6 and pbufs on the unpatched lwIP that we
 * build in, with our options (see lwipopts.h beside this). There are two programs of it: one
 * with our sizes, and one with those of lwIP's own test configuration (SUITES_SMALL), for
 * cases that cannot count higher.
 *
 * Every case is a process of its own. What is left out stands in the table below, is printed
 * with its reason by each run, and must be a case that exists.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/init.h>
#include <lwip/memp.h>
#include <lwip/netif.h>
#include <lwip/stats.h>

#include "core/test_pbuf.h"
#include "ip4/test_ip4.h"
#include "ip6/test_ip6.h"
#include "lwip_check.h"
#include "tcp/test_tcp.h"
#include "tcp/test_tcp_oos.h"

#define CASE_TIMEOUT_S 120.0 /* of a loaded machine */

#define WINDOW_16 "its ACKs say TCP_WND in 16 bits, unscaled: of 1 MiB 0 is left"
#define SENT_16 "it counts what it sends, a window of 1 MiB, in 16 bits"
#define WRITE_16 "it writes 3.75 * TCP_MSS at once, and tcp_write() takes 65535 bytes"
#define BOUNDED "empty where TCP_OOSEQ_MAX_PBUFS bounds the queue"

struct left_out {
	const char *name;
	const char *why;
	bool found;
};

static struct left_out left_out[] = {
	{ "test_ip6_frag_pbuf_len_assert",
	  "nothing is fragmented with LWIP_IPV6_FRAG 0, which would cut GSO packets" },
	{ "test_tcp_recv_ooseq_max_bytes", "empty: we bound buffers, not bytes, out of order" },
	{ "test_tcp_recv_ooseq_max_pbufs",
	  "does not compile where it is not empty (no local_ip); tests/unit/stack/test_conn_rx.c "
	  "has the bound" },
#ifndef SUITES_SMALL
	{ "test_tcp_fast_retx_recover", WINDOW_16 },
	{ "test_tcp_retx_add_to_sent", WINDOW_16 },
	{ "test_tcp_fast_rexmit_wraparound", WINDOW_16 },
	{ "test_tcp_rto_tracking", WINDOW_16 },
	{ "test_tcp_tx_full_window_lost_from_unacked", SENT_16 },
	{ "test_tcp_tx_full_window_lost_from_unsent", SENT_16 },
	{ "test_tcp_persist_split", WRITE_16 },
	{ "test_tcp_recv_ooseq_overrun_rxwin", BOUNDED },
	{ "test_tcp_recv_ooseq_overrun_rxwin_edge", BOUNDED },
#endif
};

#define LEFT_OUT (sizeof(left_out) / sizeof(left_out[0]))

static bool is_left_out(const char *name)
{
	for (size_t i = 0; i < LEFT_OUT; i++) {
		if (strcmp(left_out[i].name, name) == 0) {
			printf("left out: %s: %s\n", name, left_out[i].why);
			left_out[i].found = true;
			return true;
		}
	}
	return false;
}

static bool all_found(void)
{
	bool all = true;

	for (size_t i = 0; i < LEFT_OUT; i++) {
		if (left_out[i].found)
			continue;
		printf("not ok - %s is left out, but is no case of lwIP's\n", left_out[i].name);
		all = false;
	}
	return all;
}

/* --- what the suites call ----------------------------------------------------------------- */

Suite *create_suite(const char *name, testfunc *tests, size_t num_tests, SFun setup, SFun teardown)
{
	Suite *s = suite_create(name);

	for (size_t i = 0; i < num_tests; i++) {
		TCase *c;

		if (is_left_out(tests[i]->name))
			continue;
		c = tcase_create(name);
		tcase_add_checked_fixture(c, setup, teardown);
		tcase_set_timeout(c, CASE_TIMEOUT_S);
		tcase_add_test(c, tests[i]);
		suite_add_tcase(s, c);
	}
	return s;
}

void lwip_check_ensure_no_alloc(unsigned int skip)
{
	ck_assert_msg(skip & SKIP_HEAP || !lwip_stats.mem.used, "%u bytes of heap in use",
		      (unsigned int)lwip_stats.mem.used);
	for (int i = 0; i < MEMP_MAX; i++)
		ck_assert_msg(skip & 1U << i || !lwip_stats.memp[i]->used, "pool %d in use", i);
}

/* What lwIP's thread would do next: only the loopback interface leaves work behind. */
int tcpip_thread_poll_one(void)
{
	netif_poll_all();
	return 0;
}

u32_t sys_now(void)
{
	return 0;
}

void stack_lwip_assert(const char *what)
{
	fprintf(stderr, "lwip: %s\n", what);
	abort();
}

int main(void)
{
	SRunner *r;
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	lwip_init();
	r = srunner_create(ip4_suite());
	srunner_add_suite(r, ip6_suite());
	srunner_add_suite(r, tcp_suite());
	srunner_add_suite(r, tcp_oos_suite());
	srunner_add_suite(r, pbuf_suite());
	srunner_set_fork_status(r, CK_FORK);
	srunner_set_tap(r, "-");
	srunner_run_all(r, CK_SILENT);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed || !all_found() ? EXIT_FAILURE : EXIT_SUCCESS;
}
