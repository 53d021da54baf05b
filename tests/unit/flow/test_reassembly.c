// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* reassembly.c: orders, overlaps, lies about lengths, time and room, in both families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "datapath/role.h"
#include "flow/reassembly.h"
#include "netdev/fragment.h"
#include "netdev/packet.h"

#define MTU 1500
#define PIECES_MAX 64

static struct datapath dp;
static struct reassembly *r;
static uint64_t now_ms = 1000;
static uint8_t datagram[66000]; /* UDP header and payload, room for lies */
static size_t datagram_len;
static uint8_t expired[2048];
static size_t expired_len;

static const struct packet_path path4 = {
	.src = { { [10] = 0xff, 0xff, 10, 0, 0, 2 } },
	.dst = { { [10] = 0xff, 0xff, 192, 0, 2, 1 } },
	.sport = 0x3930, /* 12345 */
	.dport = 0x0900,
};
static const struct packet_path path6 = {
	.src = { { 0xfd, [15] = 2 } },
	.dst = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	.sport = 0x3930,
	.dport = 0x0900,
};

struct piece {
	size_t offset;
	size_t len;
	bool more;
};

static void on_expired(void *arg, const uint8_t *first, size_t len)
{
	assert_true(len <= sizeof(expired));
	memcpy(expired, first, len);
	expired_len = len;
}

static int setup(void **state)
{
	now_ms = 1000;
	expired_len = 0;
	datapath_init(&dp, 1);
	return reassembly_new(&dp, on_expired, NULL, &r);
}

static int teardown(void **state)
{
	reassembly_free(r);
	assert_int_equal(dp.counters->stats.fragments_held, 0);
	datapath_done(&dp);
	return 0;
}

/* A datagram of `payload` bytes with a right checksum, as an application would send it. */
static void make_datagram(const struct packet_path *path, size_t payload)
{
	uint8_t headers[PACKET_HEADERS_MAX];
	size_t n;

	for (size_t i = 0; i < payload; i++)
		datagram[8 + i] = (uint8_t)(i * 7 + i / 251);
	n = packet_udp_header(headers, path, datagram + 8, payload);
	memcpy(datagram, headers + n - 8, 8);
	datagram_len = 8 + payload;
}

static size_t cut(const struct packet_path *path, size_t mtu, struct piece *pieces)
{
	size_t room = fragment_room(path, mtu), n = 0;

	for (size_t at = 0; at < datagram_len; at += room, n++) {
		size_t rest = datagram_len - at;

		assert_true(n < PIECES_MAX);
		pieces[n] = (struct piece){ at, rest < room ? rest : room, rest > room };
	}
	return n;
}

/* Feeds one packet; a negative answer of the parser is returned as it is. */
static int feed_packet(const uint8_t *packet, size_t len, struct reassembled *ret_whole)
{
	uint8_t *exact = malloc(len); /* so that a read behind its end is seen */
	struct packet head;
	int result;

	memcpy(exact, packet, len);
	result = packet_parse(&head, exact, exact + len, 0);
	if (!result)
		result = reassembly_add(r, &head, exact, now_ms, ret_whole);
	free(exact);
	return result;
}

static int feed(const struct packet_path *path, uint32_t id, const struct piece *p,
		struct reassembled *ret_whole)
{
	uint8_t packet[FRAGMENT_HEADER_MAX + 65535];
	size_t n = fragment_header(packet, path, IPPROTO_UDP, id, p->offset, p->len, p->more);

	memcpy(packet + n, datagram + p->offset, p->len);
	return feed_packet(packet, n + p->len, ret_whole);
}

static void assert_whole(const struct packet_path *path, const struct reassembled *whole)
{
	size_t header = packet_ip_bytes(path);
	struct packet head;

	assert_int_equal(whole->len, header + datagram_len);
	assert_memory_equal(whole->data + header, datagram, datagram_len);
	assert_int_equal(packet_parse(&head, whole->data, whole->data + whole->len, 0), 0);
	assert_false(head.is_fragment);
	assert_int_equal(head.proto, IPPROTO_UDP);
	assert_int_equal(head.total_len, whole->len);
	if (head.version == 4)
		assert_int_equal(csum_fold(csum_add(0, whole->data, header)), 0);
}

static uint64_t all_drops(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < DROP_NUM; i++)
		sum += ((uint64_t *)&dp.counters->drops)[i];
	return sum;
}

static void check_order(const struct packet_path *path, size_t payload, const size_t *order,
			size_t n)
{
	struct piece pieces[PIECES_MAX] = { 0 };
	struct reassembled whole = { 0 };

	make_datagram(path, payload);
	assert_int_equal(cut(path, MTU, pieces), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(feed(path, 77, &pieces[order[i]], &whole), i == n - 1);
	assert_whole(path, &whole);
	assert_int_equal(all_drops(), 0);
	assert_int_equal(dp.counters->stats.fragments_held, 0);
}

/* All orders of `n` pieces, by Heap's algorithm. */
static void each_order(const struct packet_path *path, size_t payload, size_t *order, size_t k,
		       size_t n)
{
	if (k == 1) {
		check_order(path, payload, order, n);
		return;
	}
	for (size_t i = 0; i < k; i++) {
		size_t j = k % 2 ? 0 : i, t;

		each_order(path, payload, order, k - 1, n);
		t = order[j];
		order[j] = order[k - 1];
		order[k - 1] = t;
	}
}

static void completes_in_every_order_v4(void **state)
{
	size_t order[] = { 0, 1, 2, 3 };

	each_order(&path4, 5000, order, 4, 4);
}

static void completes_in_every_order_v6(void **state)
{
	size_t order[] = { 0, 1, 2, 3 };

	each_order(&path6, 5000, order, 4, 4);
}

static void check_largest(const struct packet_path *path, size_t payload)
{
	struct piece pieces[PIECES_MAX] = { 0 };
	struct reassembled whole = { 0 };
	size_t n;

	make_datagram(path, payload);
	n = cut(path, MTU, pieces);
	for (size_t i = n; i-- > 0;)
		assert_int_equal(feed(path, 5, &pieces[i], &whole), i == 0);
	assert_whole(path, &whole);
}

static void completes_the_largest_datagram(void **state)
{
	check_largest(&path4, 65507);
	check_largest(&path6, 65527);
}

static void keeps_datagrams_apart_by_id_and_address(void **state)
{
	struct packet_path other = path4;
	struct piece pieces[PIECES_MAX] = { 0 };
	struct reassembled whole = { 0 };

	other.dst.b[15] = 9;
	make_datagram(&path4, 2000);
	cut(&path4, MTU, pieces);
	assert_int_equal(feed(&path4, 1, &pieces[0], &whole), 0);
	assert_int_equal(feed(&path4, 2, &pieces[1], &whole), 0);
	assert_int_equal(feed(&other, 1, &pieces[1], &whole), 0);
	assert_int_equal(dp.counters->stats.fragments_held, 3);
	assert_int_equal(feed(&path4, 1, &pieces[1], &whole), 1);
	assert_whole(&path4, &whole);
	assert_int_equal(dp.counters->stats.fragments_held, 2);
}

/* Feeds the pieces; the last of them is bad and takes the others with it. */
static void check_bad(const struct packet_path *path, const struct piece *pieces, size_t n)
{
	struct piece rest = { 1408, 8, true };
	struct reassembled whole = { 0 };
	uint64_t before = dp.counters->drops.fragment_bad;

	make_datagram(path, 4000);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(feed(path, 3, &pieces[i], &whole), 0);
	assert_int_equal(dp.counters->drops.fragment_bad, before + n);
	assert_int_equal(dp.counters->stats.fragments_held, 0);
	/* What comes later of it is dropped too, until its time is up. */
	assert_int_equal(feed(path, 3, &rest, &whole), 0);
	assert_int_equal(dp.counters->drops.fragment_bad, before + n + 1);
	now_ms += FRAGMENT_TIMEOUT_MS;
	assert_false(reassembly_expire(r, now_ms));
	assert_int_equal(dp.counters->drops.fragment_lost, 0);
}

static void drops_all_of_a_datagram_with_an_overlap(void **state)
{
	const struct piece overlaps[][3] = {
		{ { 0, 800, true }, { 1600, 800, true }, { 792, 16, true } },
		{ { 800, 800, true }, { 0, 400, true }, { 0, 1600, true } },
		{ { 0, 800, true }, { 800, 800, true }, { 800, 800, true } }, /* duplicate */
		{ { 0, 800, true }, { 800, 800, true }, { 1592, 2000, false } },
		{ { 800, 3, false }, { 0, 400, true }, { 800, 3, false } },
	};

	for (size_t i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]); i++) {
		check_bad(&path4, overlaps[i], 3);
		check_bad(&path6, overlaps[i], 3);
	}
}

static void drops_all_when_the_length_is_contradicted(void **state)
{
	const struct piece lies[][2] = {
		{ { 800, 100, false }, { 1600, 800, true } }, /* beyond the end */
		{ { 800, 100, false }, { 1600, 100, false } }, /* two ends */
		{ { 1600, 800, true }, { 800, 100, false } }, /* end before what was seen */
		{ { 1600, 100, false }, { 800, 100, false } },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		check_bad(&path4, lies[i], 2);
		check_bad(&path6, lies[i], 2);
	}
}

static void refuses_a_fragment_beyond_65535_bytes(void **state)
{
	struct piece last = { 65528, 100, false };
	struct reassembled whole = { 0 };

	make_datagram(&path4, 65507);
	assert_true(feed(&path4, 3, &last, &whole) <= 0);
	assert_true(feed(&path6, 3, &last, &whole) <= 0);
	last = (struct piece){ 65528, 7, false }; /* fits, but not behind an IPv4 header */
	assert_true(feed(&path4, 4, &last, &whole) <= 0);
	assert_int_equal(dp.counters->stats.fragments_held, 0);
}

static void refuses_lengths_that_are_no_multiple_of_eight(void **state)
{
	struct piece odd = { 0, 801, true };
	struct reassembled whole = { 0 };

	make_datagram(&path4, 4000);
	assert_true(feed(&path4, 3, &odd, &whole) <= 0);
	assert_true(feed(&path6, 3, &odd, &whole) <= 0);
	assert_int_equal(dp.counters->stats.fragments_held, 0);
}

static void refuses_a_first_fragment_without_its_l4_header(void **state)
{
	uint8_t packet[60];
	struct packet_path path = path4;
	struct packet head = { 0 };
	struct reassembled whole = { 0 };
	size_t n = fragment_header(packet, &path, IPPROTO_TCP, 9, 0, 8, true);

	memset(packet + n, 0, 8);
	/* The parser refuses it already; the reassembler must do so by itself, too. */
	assert_true(packet_parse(&head, packet, packet + n + 8, 0) < 0);
	head.version = 4;
	head.total_len = n + 8;
	head.is_fragment = 1;
	head.more_fragments = 1;
	head.fragment_offset = 0;
	head.l4_valid = 0;
	assert_false(reassembly_add(r, &head, packet, now_ms, &whole));
	assert_int_equal(dp.counters->drops.fragment_bad, 1);
	assert_int_equal(dp.counters->stats.fragments_held, 0);
}

static void takes_a_last_fragment_of_one_byte(void **state)
{
	struct piece pieces[] = { { 1480, 1, false }, { 0, 1480, true } };
	struct reassembled whole = { 0 };

	make_datagram(&path4, 1473);
	assert_int_equal(feed(&path4, 8, &pieces[0], &whole), 0);
	assert_int_equal(feed(&path4, 8, &pieces[1], &whole), 1);
	assert_whole(&path4, &whole);
}

static void drops_and_tells_what_is_never_completed(void **state)
{
	struct piece first = { 0, 800, true };
	struct reassembled whole = { 0 };
	struct packet head;

	make_datagram(&path4, 4000);
	feed(&path4, 8, &first, &whole);
	now_ms += FRAGMENT_TIMEOUT_MS - 1;
	assert_true(reassembly_expire(r, now_ms));
	assert_int_equal(all_drops(), 0);
	now_ms++;
	assert_false(reassembly_expire(r, now_ms));
	assert_int_equal(dp.counters->drops.fragment_lost, 1);
	assert_int_equal(dp.counters->stats.fragments_held, 0);
	assert_int_equal(expired_len, 20 + 800);
	/* What is quoted is the first fragment, as a packet that may be answered. */
	assert_int_equal(expired[6] | expired[7], 0);
	assert_memory_equal(expired + 20, datagram, 800);
	assert_true(packet_parse(&head, expired, expired + expired_len, 0) <= 0);
}

static void says_nothing_of_a_datagram_without_its_first_fragment(void **state)
{
	struct piece later = { 800, 800, true };
	struct reassembled whole = { 0 };

	make_datagram(&path6, 4000);
	feed(&path6, 8, &later, &whole);
	now_ms += FRAGMENT_TIMEOUT_MS;
	reassembly_expire(r, now_ms);
	assert_int_equal(dp.counters->drops.fragment_lost, 1);
	assert_int_equal(expired_len, 0);
}

static void a_new_datagram_evicts_the_oldest(void **state)
{
	struct piece pieces[] = { { 0, 800, true }, { 800, 1208, false } };
	struct reassembled whole = { 0 };

	make_datagram(&path4, 2000);
	for (uint32_t id = 0; id <= FRAGMENT_DATAGRAMS_MAX; id++)
		assert_int_equal(feed(&path4, id, &pieces[0], &whole), 0);
	assert_int_equal(dp.counters->drops.fragment_cap, 1);
	assert_int_equal(dp.counters->stats.fragments_held, FRAGMENT_DATAGRAMS_MAX);
	assert_int_equal(feed(&path4, FRAGMENT_DATAGRAMS_MAX, &pieces[1], &whole), 1);
	assert_whole(&path4, &whole);
}

static void never_holds_more_fragments_than_allowed(void **state)
{
	struct reassembled whole = { 0 };

	make_datagram(&path4, 65507);
	for (uint32_t i = 0; i < 3 * FRAGMENTS_MAX; i++) {
		struct piece tiny = { 8 * (1 + i % 300), 8, true };

		feed(&path4, i / 300, &tiny, &whole);
		assert_true(dp.counters->stats.fragments_held <= FRAGMENTS_MAX);
	}
	assert_int_equal(dp.counters->drops.fragment_cap + dp.counters->stats.fragments_held,
			 3 * FRAGMENTS_MAX);
}

static void one_datagram_alone_cannot_hold_them_all(void **state)
{
	struct reassembled whole = { 0 };

	make_datagram(&path4, 65507);
	for (uint32_t i = 0; i < FRAGMENTS_MAX + 1; i++) {
		struct piece tiny = { 8 * (1 + i), 8, true };

		assert_int_equal(feed(&path4, 1, &tiny, &whole), 0);
	}
	assert_int_equal(dp.counters->stats.fragments_held, 0);
	assert_int_equal(dp.counters->drops.fragment_cap, FRAGMENTS_MAX + 1);
}

#define OPTIONS 64 /* bytes: more than an IPv4 header's could be */

/* IPv6 header, destination options (one PadN), fragment header, payload. */
static size_t options_fragment(uint8_t *p, const struct piece *piece)
{
	size_t at = packet_ip_header(p, &path6, IPPROTO_DSTOPTS, OPTIONS + 8 + piece->len);
	uint16_t field = htons(piece->offset | piece->more);
	uint8_t options[OPTIONS] = { IPPROTO_FRAGMENT, OPTIONS / 8 - 1, 1, OPTIONS - 4 };
	static const uint8_t fragment[8] = { IPPROTO_UDP, [7] = 42 };

	memcpy(p + at, options, OPTIONS);
	at += OPTIONS;
	memcpy(p + at, fragment, 8);
	memcpy(p + at + 2, &field, 2);
	memcpy(p + at + 8, datagram + piece->offset, piece->len);
	return at + 8 + piece->len;
}

static void keeps_extension_headers_ahead_of_the_fragment_header(void **state)
{
	struct piece pieces[] = { { 0, 800, true }, { 800, 1208, false } };
	uint8_t packet[2048];
	struct reassembled whole = { 0 };
	struct packet head;

	make_datagram(&path6, 2000);
	assert_int_equal(feed_packet(packet, options_fragment(packet, &pieces[1]), &whole), 0);
	assert_int_equal(feed_packet(packet, options_fragment(packet, &pieces[0]), &whole), 1);
	assert_int_equal(packet_parse(&head, whole.data, whole.data + whole.len, 0), 0);
	assert_false(head.is_fragment);
	assert_int_equal(head.l4_offset, 40 + OPTIONS);
	assert_memory_equal(whole.data + 40 + OPTIONS, datagram, datagram_len);
}

static void an_atomic_fragment_is_whole_by_itself(void **state)
{
	struct piece all = { 0, 508, false }, first = { 0, 496, true };
	uint8_t packet[FRAGMENT_HEADER_MAX + 600];
	struct packet head;
	struct reassembled whole = { 0 };
	size_t n;

	make_datagram(&path6, 500);
	/* Even while fragments of the same identification are held (RFC 6946 §4). */
	assert_int_equal(feed(&path6, 6, &first, &whole), 0);
	n = fragment_header(packet, &path6, IPPROTO_UDP, 6, 0, all.len, false);
	memcpy(packet + n, datagram, all.len);
	assert_int_equal(packet_parse(&head, packet, packet + n + all.len, 0), 0);
	head.is_fragment = 1; /* a parser may call it one */
	assert_true(reassembly_add(r, &head, packet, now_ms, &whole));
	assert_whole(&path6, &whole);
	assert_int_equal(dp.counters->stats.fragments_held, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(completes_in_every_order_v4, setup, teardown),
		cmocka_unit_test_setup_teardown(completes_in_every_order_v6, setup, teardown),
		cmocka_unit_test_setup_teardown(completes_the_largest_datagram, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_datagrams_apart_by_id_and_address, setup,
						teardown),
		cmocka_unit_test_setup_teardown(drops_all_of_a_datagram_with_an_overlap, setup,
						teardown),
		cmocka_unit_test_setup_teardown(drops_all_when_the_length_is_contradicted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_a_fragment_beyond_65535_bytes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_lengths_that_are_no_multiple_of_eight,
						setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_a_first_fragment_without_its_l4_header,
						setup, teardown),
		cmocka_unit_test_setup_teardown(takes_a_last_fragment_of_one_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_and_tells_what_is_never_completed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			says_nothing_of_a_datagram_without_its_first_fragment, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_datagram_evicts_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(never_holds_more_fragments_than_allowed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_datagram_alone_cannot_hold_them_all, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			keeps_extension_headers_ahead_of_the_fragment_header, setup, teardown),
		cmocka_unit_test_setup_teardown(an_atomic_fragment_is_whole_by_itself, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
