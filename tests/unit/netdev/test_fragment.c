// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* fragment.c: what it writes is what the parser reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "bpf/parse.h"
#include "netdev/fragment.h"

static const struct packet_path path4 = {
	.src = { { [10] = 0xff, 0xff, 192, 0, 2, 1 } },
	.dst = { { [10] = 0xff, 0xff, 10, 0, 0, 2 } },
};
static const struct packet_path path6 = {
	.src = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	.dst = { { 0xfd, [15] = 2 } },
};

static void check(const struct packet_path *path, size_t offset, size_t len, bool more)
{
	uint8_t packet[FRAGMENT_HEADER_MAX + 2000] = { 0 };
	size_t n = fragment_header(packet, path, IPPROTO_UDP, 0x12345678, offset, len, more);
	bool v4 = addr_is_v4(&path->src);
	struct packet head;

	packet[n + 5] = 16; /* a UDP length, for first fragments */
	assert_int_equal(n, v4 ? 20 : 48);
	assert_int_equal(packet_parse(&head, packet, packet + n + len, 0), 0);
	assert_true(head.is_fragment);
	assert_int_equal(head.fragment_offset, offset);
	assert_int_equal(head.more_fragments, more);
	assert_int_equal(head.fragment_id, v4 ? 0x5678 : 0x12345678);
	assert_int_equal(head.proto, IPPROTO_UDP);
	assert_int_equal(head.total_len, n + len);
	assert_int_equal(head.dont_fragment, 0);
	assert_memory_equal(&head.saddr, &path->src, sizeof(head.saddr));
	assert_memory_equal(&head.daddr, &path->dst, sizeof(head.daddr));
	if (v4)
		assert_int_equal(csum_fold(csum_add(0, packet, n)), 0);
}

static void writes_what_the_parser_reads(void **state)
{
	const struct packet_path *paths[] = { &path4, &path6 };

	for (int i = 0; i < 2; i++) {
		check(paths[i], 0, 1448, true);
		check(paths[i], 1448, 1448, true);
		check(paths[i], 1448, 1, false);
		check(paths[i], 65512, 16, false);
	}
}

static void fills_the_mtu_with_multiples_of_eight(void **state)
{
	assert_int_equal(fragment_room(&path4, 1500), 1480);
	assert_int_equal(fragment_room(&path6, 1500), 1448);
	assert_int_equal(fragment_room(&path4, 1280), 1256);
	assert_int_equal(fragment_room(&path6, 1280), 1232);
	assert_int_equal(fragment_room(&path4, 1501), 1480);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_the_parser_reads),
		cmocka_unit_test(fills_the_mtu_with_multiples_of_eight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
