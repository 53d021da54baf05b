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

#include "base/limits.h"
#include "flow/reassembly.h"
#include "netdev/fragment.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pattern.h"

#define RECORD_V6 0x80
#define RECORD_MORE 0x40
#define RECORD_RAW 0x20
#define RECORD_LATER 0x10 /* time passes first */
#define RECORD_ID 0x0f
#define LATER_MS 4000
#define RECORD_LARGE 0x8000 /* of the length */
#define MANY_MAX 128 /* bytes of a fragment that many datagrams may have */

struct record {
	uint8_t flags;
	uint8_t units_be[2]; /* offset / 8 and, in the 3 bits above, log2 of how many datagrams
			      * have such a fragment; raw: length of what follows */
	uint8_t len_be[2]; /* small ones as they are (11 bits), RECORD_LARGE: half of it */
};

static const struct packet_path paths[2] = {
	{ .src = { { [10] = 0xff, 0xff, 10, 0, 0, 2 } },
	  .dst = { { [10] = 0xff, 0xff, 192, 0, 2, 1 } } },
	{ .src = { { 0xfd, [15] = 2 } }, .dst = { { 0x20, 1, [15] = 1 } } },
};

/* Where a packet is looked at: behind its end nothing may be touched. */
static uint8_t block[FRAGMENT_HEADER_MAX + 65536] __attribute__((aligned(8)));
static struct fence behind = { block, sizeof(block), sizeof(block) };

/* `len` bytes from `offset` of datagram `id`; a UDP length of 8 where that is looked for. */
static void fill(uint8_t *to, unsigned int id, size_t offset, size_t len)
{
	memcpy(to, pattern(id * 4099 + offset), len);
	if (offset <= 4 && offset + len > 5) {
		to[4 - offset] = 0;
		to[5 - offset] = 8;
	}
}

static void check_whole(const struct record *rec, unsigned int id, const struct reassembled *whole)
{
	size_t header = packet_ip_bytes(&paths[rec->flags & RECORD_V6 ? 1 : 0]);
	static uint8_t expected[65536];

	require(whole->len > header && whole->len <= PACKET_MAX);
	fill(expected, id, 0, whole->len - header);
	require(!memcmp(whole->data + header, expected, whole->len - header));
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

/* A packet of `len` bytes in the block. */
static bool add(struct reassembly *r, uint64_t now_ms, size_t len, struct reassembled *ret_whole)
{
	struct packet head;

	fence_move(&behind, len);
	if (packet_parse(&head, block, block + len, 0) || !head.is_fragment)
		return false;
	return reassembly_add(r, &head, block, now_ms, ret_whole);
}

static size_t record_length(const struct record *rec)
{
	size_t len = rec->len_be[0] << 8 | rec->len_be[1];

	if (!(len & RECORD_LARGE))
		return len & 0x7ff;
	len = (len & ~RECORD_LARGE) * 2;
	return len < 65535 - 20 ? len : 65535 - 20;
}

static void take_fragment(struct reassembly *r, uint64_t now_ms, const struct record *rec,
			  unsigned int id)
{
	const struct packet_path *path = &paths[rec->flags & RECORD_V6 ? 1 : 0];
	size_t offset = 8 * ((rec->units_be[0] << 8 | rec->units_be[1]) & 0x1fff);
	size_t len = record_length(rec);
	struct reassembled whole;
	size_t n;

	fence_move(&behind, FRAGMENT_HEADER_MAX + len);
	n = fragment_header(block, path, IPPROTO_UDP, id, offset, len, rec->flags & RECORD_MORE);
	fill(block + n, id, offset, len);
	if (add(r, now_ms, n + len, &whole))
		check_whole(rec, id, &whole);
}

static void take_fragments(struct reassembly *r, uint64_t now_ms, const struct record *rec)
{
	unsigned int num = record_length(rec) > MANY_MAX ? 1 : 1U << (rec->units_be[0] >> 5);

	for (unsigned int i = 0; i < num; i++)
		take_fragment(r, now_ms, rec, (rec->flags & RECORD_ID) + i * (RECORD_ID + 1));
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
		take_fragments(r, *now_ms, &rec);
		return true;
	}
	len = rec.units_be[0] << 8 | rec.units_be[1];
	len = len < *size ? len : *size;
	len = len < sizeof(block) ? len : sizeof(block);
	fence_move(&behind, len);
	memcpy(block, *data, len);
	if (add(r, *now_ms, len, &whole))
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
