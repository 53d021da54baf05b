// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reassembly, fed with any fragments in any order. The input is a list of records, each a
 * struct record and, if it is a raw one, as many bytes of a packet. A fragment's bytes follow
 * from its datagram and their place in it, so a datagram that comes out must hold exactly
 * those: any mix of two datagrams, or of a datagram's parts, shows.
 *
 * The corpus is made by tests/fuzz/generate/reassembly.c.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "flow/reassembly.h"
#include "netdev/fragment.h"
#include "tests/fuzz/fuzz.h"

#define RECORD_V6 0x80
#define RECORD_MORE 0x40
#define RECORD_RAW 0x20
#define RECORD_LATER 0x10 /* time passes first */
#define RECORD_ID 0x0f
#define LATER_MS 4000

struct record {
	uint8_t flags;
	uint8_t units_be[2]; /* offset / 8; raw: length of what follows */
	uint8_t len_be[2];
};

static const struct packet_path paths[2] = {
	{ .src = { { [10] = 0xff, 0xff, 10, 0, 0, 2 } },
	  .dst = { { [10] = 0xff, 0xff, 192, 0, 2, 1 } } },
	{ .src = { { 0xfd, [15] = 2 } }, .dst = { { 0x20, 1, [15] = 1 } } },
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* The byte at `at` of datagram `id`; a UDP length of 8 where that is looked for. */
static uint8_t byte_of(unsigned int id, size_t at)
{
	if (at == 4 || at == 5)
		return at == 5 ? 8 : 0;
	return id * 89 + at * 7 + at / 253;
}

static void check_whole(const struct record *rec, const struct reassembled *whole)
{
	size_t header = packet_ip_bytes(&paths[rec->flags & RECORD_V6 ? 1 : 0]);

	require(whole->len > header && whole->len <= PACKET_MAX);
	for (size_t i = header; i < whole->len; i++)
		require(whole->data[i] == byte_of(rec->flags & RECORD_ID, i - header));
	if (header == 20)
		require(!csum_fold(csum_add(0, whole->data, header)));
}

/* Every byte can be read, and it is no fragment any more. */
static void check_raw(const struct reassembled *whole)
{
	struct packet head;

	csum_add(0, whole->data, whole->len);
	if (!packet_parse(&head, whole->data, whole->data + whole->len, 0))
		require(head.total_len == whole->len);
}

static bool add(struct reassembly *r, uint64_t now_ms, const uint8_t *packet, size_t len,
		struct reassembled *ret_whole)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct packet head;
	bool whole = false;

	memcpy(exact, packet, len);
	if (!packet_parse(&head, exact, exact + len, 0) && head.is_fragment)
		whole = reassembly_add(r, &head, exact, now_ms, ret_whole);
	free(exact);
	return whole;
}

static void take_fragment(struct reassembly *r, uint64_t now_ms, const struct record *rec)
{
	static uint8_t packet[FRAGMENT_HEADER_MAX + 65535];
	const struct packet_path *path = &paths[rec->flags & RECORD_V6 ? 1 : 0];
	size_t offset = 8 * ((rec->units_be[0] << 8 | rec->units_be[1]) & 0x1fff);
	size_t len = rec->len_be[0] << 8 | rec->len_be[1];
	unsigned int id = rec->flags & RECORD_ID;
	struct reassembled whole;
	size_t n;

	if (len > 65535 - 20)
		len = 65535 - 20;
	n = fragment_header(packet, path, IPPROTO_UDP, id, offset, len, rec->flags & RECORD_MORE);
	for (size_t i = 0; i < len; i++)
		packet[n + i] = byte_of(id, offset + i);
	if (add(r, now_ms, packet, n + len, &whole))
		check_whole(rec, &whole);
}

/* Takes one record off the input; false if there is none left. */
static bool take_record(struct reassembly *r, uint64_t *now_ms, const uint8_t **data, size_t *size)
{
	struct reassembled whole;
	struct record rec;
	size_t len;

	if (*size < sizeof(rec))
		return false;
	memcpy(&rec, *data, sizeof(rec));
	*data += sizeof(rec);
	*size -= sizeof(rec);
	if (rec.flags & RECORD_LATER)
		*now_ms += LATER_MS;
	if (!(rec.flags & RECORD_RAW)) {
		take_fragment(r, *now_ms, &rec);
		return true;
	}
	len = rec.units_be[0] << 8 | rec.units_be[1];
	len = len < *size ? len : *size;
	if (add(r, *now_ms, *data, len, &whole))
		check_raw(&whole);
	*data += len;
	*size -= len;
	return true;
}

/* One for all inputs, since it takes long to make under ASan: each input leaves it empty. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reassembly *r;
	static struct datapath dp;
	static uint64_t now_ms = 1;

	if (!r) {
		datapath_init(&dp, 1);
		require(!reassembly_new(&dp, NULL, NULL, &r));
	}
	while (take_record(r, &now_ms, &data, &size))
		require(dp.counters->stats.fragments_held <= FRAGMENTS_MAX);
	now_ms += FRAGMENT_TIMEOUT_MS;
	require(!reassembly_expire(r, now_ms));
	require(!dp.counters->stats.fragments_held);
	return 0;
}
