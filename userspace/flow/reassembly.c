// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reassembly: a fixed number of datagrams in progress, each with room for 65535 bytes that
 * are touched only as far as they are used. A fragment is copied to its final place. Which
 * 8-byte units are there is kept in a bitmap: a unit that is there already is an overlap, and
 * since nothing ever overlaps, a datagram is whole when as many bytes came in as it has.
 *
 * The datagrams are kept by age of their first arrival; the oldest goes when there is no room
 * for another, or when FRAGMENTS_MAX are held. A datagram found bad keeps its place, without
 * its fragments, until its time is up, so that the rest of it is recognised (RFC 5722 §4).
 *
 * Limits: IPv6 extension headers ahead of the fragment header up to HEADER_MAX - 40 bytes;
 * exact duplicates count as overlaps (a TUN does not duplicate); ECN marks of later fragments
 * are not merged (RFC 3168 §5.3).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/list.h"
#include "flow/reassembly.h"
#include "netdev/packet.h"

#define UNIT_BYTES 8 /* fragment offsets count in these */
#define UNITS (65536 / UNIT_BYTES)
#define PAYLOAD_MAX 65535
#define HEADER_MAX 256 /* IP header and what stands ahead of the fragment header */

#define IP4_BYTES 20
#define IP6_BYTES 40
#define IP6_FRAGMENT_BYTES 8

/* What the fragments of one datagram have in common. */
struct fragment_key {
	struct addr saddr;
	struct addr daddr;
	uint32_t id;
	uint8_t version;
	uint8_t proto; /* IPv4 only: in IPv6 the first fragment alone decides */
	uint8_t pad[2];
};

struct datagram {
	struct list age; /* in reassembly.held, oldest first, or in reassembly.spare */
	struct fragment_key key;
	uint64_t deadline_ms;
	uint32_t received; /* payload bytes that are there */
	uint32_t total; /* payload bytes in all, 0 = last fragment not seen */
	uint32_t end; /* highest payload byte seen, plus one */
	uint32_t first_bytes; /* payload of the first fragment */
	uint16_t fragments; /* held */
	uint16_t header_len; /* 0 = first fragment not seen */
	uint16_t next_header; /* IPv6: offset in the header of the byte to patch */
	uint8_t fragment_next; /* IPv6: what the fragment header was followed by */
	bool bad; /* remembered only to drop the rest of it */
	uint64_t seen[UNITS / 64];
	uint8_t space[HEADER_MAX + PAYLOAD_MAX]; /* header ends, payload begins at HEADER_MAX */
};

struct reassembly {
	struct datapath *dp;
	reassembly_expired expired;
	void *arg;
	struct list held;
	struct list spare;
	unsigned int fragments;
	struct datagram *pool; /* FRAGMENT_DATAGRAMS_MAX */
	unsigned int made; /* of the pool: the rest was never needed and takes no memory yet */
	uint8_t lone_space[HEADER_MAX + PAYLOAD_MAX]; /* for atomic fragments */
};

/* Where a fragment's parts are. */
struct fragment {
	const uint8_t *packet;
	uint16_t header_len; /* ahead of the payload, IPv6 fragment header left out */
	uint16_t next_header; /* IPv6: offset of the next header byte that names 44 */
	uint8_t fragment_next;
	uint32_t payload_offset; /* from the IP header */
	uint32_t offset; /* of the payload in the datagram */
	uint32_t len; /* of the payload */
	bool more;
};

int reassembly_new(struct datapath *dp, reassembly_expired expired, void *arg,
		   struct reassembly **ret_reassembly)
{
	struct reassembly *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->pool = calloc(FRAGMENT_DATAGRAMS_MAX, sizeof(*r->pool));
	if (!r->pool) {
		free(r);
		return -ENOMEM;
	}
	r->dp = dp;
	r->expired = expired;
	r->arg = arg;
	list_init(&r->held);
	list_init(&r->spare);
	*ret_reassembly = r;
	return 0;
}

void reassembly_free(struct reassembly *r)
{
	if (!r)
		return;
	datapath_count(r->dp, RSTAT_FRAGMENTS_HELD, -(int64_t)r->fragments);
	free(r->pool);
	free(r);
}

static void count_drops(struct reassembly *r, enum drop_reason why, unsigned int n)
{
	while (n--)
		datapath_drop(r->dp, why);
}

/* Gives up the fragments that `d` holds. */
static void datagram_empty(struct reassembly *r, struct datagram *d)
{
	r->fragments -= d->fragments;
	datapath_count(r->dp, RSTAT_FRAGMENTS_HELD, -(int64_t)d->fragments);
	d->fragments = 0;
}

static void datagram_release(struct reassembly *r, struct datagram *d)
{
	datagram_empty(r, d);
	list_touch(&r->spare, &d->age);
}

static void datagram_drop(struct reassembly *r, struct datagram *d, enum drop_reason why)
{
	count_drops(r, why, d->fragments);
	datagram_release(r, d);
}

/* The fragment at hand is bad, and so is all that belongs to it. */
static void datagram_poison(struct reassembly *r, struct datagram *d)
{
	count_drops(r, DROP_FRAGMENT_BAD, d->fragments + 1);
	datagram_empty(r, d);
	d->bad = true;
}

/* IPv6: walks to the fragment header. False: not there, or too far behind. */
static bool locate_ip6(const struct packet *head, const uint8_t *p, struct fragment *ret_f)
{
	uint32_t at = IP6_BYTES;
	uint16_t next = 6; /* offset of the Next Header field */

	for (int i = 0; i <= PARSE_EXTENSIONS_MAX; i++) {
		if (at + IP6_FRAGMENT_BYTES > head->total_len || at > HEADER_MAX)
			return false;
		if (p[next] == IPPROTO_FRAGMENT)
			break;
		if (p[next] != IPPROTO_HOPOPTS && p[next] != IPPROTO_ROUTING &&
		    p[next] != IPPROTO_DSTOPTS)
			return false;
		next = at;
		at += 8 * (p[at + 1] + 1);
	}
	if (p[next] != IPPROTO_FRAGMENT)
		return false;
	ret_f->header_len = at;
	ret_f->next_header = next;
	ret_f->fragment_next = p[at];
	ret_f->payload_offset = at + IP6_FRAGMENT_BYTES;
	return true;
}

static bool locate(const struct packet *head, const uint8_t *p, struct fragment *ret_f)
{
	*ret_f = (struct fragment){ .packet = p };
	if (head->version == 6) {
		if (!locate_ip6(head, p, ret_f))
			return false;
	} else {
		ret_f->header_len = 4 * (p[0] & 0xf);
		ret_f->payload_offset = ret_f->header_len;
	}
	if (ret_f->payload_offset > head->total_len)
		return false;
	ret_f->offset = head->fragment_offset;
	ret_f->len = head->total_len - ret_f->payload_offset;
	ret_f->more = head->more_fragments;
	return true;
}

/* Largest payload behind a header of `header_len` bytes that still is one IP packet. */
static uint32_t payload_max(uint8_t version, uint32_t header_len)
{
	return PAYLOAD_MAX - (version == 6 ? header_len - IP6_BYTES : header_len);
}

/* Wrong by itself, whatever else there is of the datagram. */
static bool fragment_is_bad(const struct packet *head, const struct fragment *f)
{
	if (!f->len || f->offset + f->len > payload_max(head->version, f->header_len))
		return true;
	if (f->more && f->len % UNIT_BYTES)
		return true;
	return f->offset == 0 && !head->l4_valid;
}

/* Contradicts what the other fragments said of the datagram's length. */
static bool fragment_contradicts(const struct datagram *d, const struct fragment *f)
{
	uint32_t end = f->offset + f->len;

	if (d->total && (end > d->total || !f->more))
		return true;
	return !f->more && end < d->end;
}

/* Marks the fragment's units. False if one of them was there already. */
static bool mark_units(struct datagram *d, const struct fragment *f)
{
	uint32_t last = (f->offset + f->len - 1) / UNIT_BYTES;

	for (uint32_t u = f->offset / UNIT_BYTES; u <= last; u++) {
		uint64_t bit = 1ULL << (u % 64);

		if (d->seen[u / 64] & bit)
			return false;
		d->seen[u / 64] |= bit;
	}
	return true;
}

static void keep_header(struct datagram *d, const struct fragment *f)
{
	memcpy(d->space + HEADER_MAX - f->header_len, f->packet, f->header_len);
	d->header_len = f->header_len;
	d->next_header = f->next_header;
	d->fragment_next = f->fragment_next;
	d->first_bytes = f->len;
}

/* Turns a kept header into that of an unfragmented packet of `payload` bytes. */
static void header_finish(uint8_t *h, const struct fragment_key *key, uint16_t header_len,
			  uint16_t next_header, uint8_t fragment_next, uint32_t payload)
{
	uint16_t sum;

	if (key->version == 6) {
		uint16_t len = htons(header_len - IP6_BYTES + payload);

		memcpy(h + 4, &len, sizeof(len));
		h[next_header] = fragment_next;
		return;
	}
	h[2] = (header_len + payload) >> 8;
	h[3] = (header_len + payload) & 0xff;
	memset(h + 6, 0, 2); /* DF, MF, offset */
	memset(h + 10, 0, 2);
	sum = csum_fold(csum_add(0, h, header_len));
	memcpy(h + 10, &sum, sizeof(sum));
}

static struct reassembled datagram_packet(struct datagram *d, uint32_t payload)
{
	uint8_t *h = d->space + HEADER_MAX - d->header_len;

	header_finish(h, &d->key, d->header_len, d->next_header, d->fragment_next, payload);
	return (struct reassembled){ .data = h, .len = d->header_len + payload };
}

static struct datagram *datagram_find(struct reassembly *r, const struct fragment_key *key)
{
	list_for_each_safe(pos, next, &r->held) {
		struct datagram *d = container_of(pos, struct datagram, age);

		if (!memcmp(&d->key, key, sizeof(*key)))
			return d;
	}
	return NULL;
}

/* A spare one, the last that was used first: its memory is there. */
static struct datagram *datagram_take(struct reassembly *r)
{
	struct datagram *d;

	if (list_is_empty(&r->spare) && r->made < FRAGMENT_DATAGRAMS_MAX) {
		d = &r->pool[r->made++];
		list_init(&d->age);
		return d;
	}
	if (list_is_empty(&r->spare))
		datagram_drop(r, list_first(&r->held, struct datagram, age), DROP_FRAGMENT_CAP);
	return container_of(r->spare.prev, struct datagram, age);
}

static struct datagram *datagram_new(struct reassembly *r, const struct fragment_key *key,
				     uint64_t now_ms)
{
	struct datagram *d = datagram_take(r);

	list_touch(&r->held, &d->age);
	d->key = *key;
	d->deadline_ms = now_ms + FRAGMENT_TIMEOUT_MS;
	d->received = 0;
	d->total = 0;
	d->end = 0;
	d->first_bytes = 0;
	d->fragments = 0;
	d->header_len = 0;
	d->bad = false;
	memset(d->seen, 0, sizeof(d->seen));
	return d;
}

/* Makes room for one more fragment of `d`. False: `d` itself was the oldest and is gone. */
static bool make_room(struct reassembly *r, const struct datagram *d)
{
	while (r->fragments >= FRAGMENTS_MAX) {
		struct datagram *oldest = list_first(&r->held, struct datagram, age);
		bool self = oldest == d;

		datagram_drop(r, oldest, DROP_FRAGMENT_CAP);
		if (self)
			return false;
	}
	return true;
}

static void datagram_put(struct reassembly *r, struct datagram *d, const struct fragment *f)
{
	memcpy(d->space + HEADER_MAX + f->offset, f->packet + f->payload_offset, f->len);
	d->received += f->len;
	if (d->end < f->offset + f->len)
		d->end = f->offset + f->len;
	if (!f->more)
		d->total = f->offset + f->len;
	if (!f->offset)
		keep_header(d, f);
	d->fragments++;
	r->fragments++;
	datapath_count(r->dp, RSTAT_FRAGMENTS_HELD, 1);
}

/* RFC 6946: a fragment that is the whole datagram has nothing to do with any other. */
static bool take_atomic(struct reassembly *r, const struct packet *head, const struct fragment *f,
			struct reassembled *ret_whole)
{
	struct fragment_key key = { .version = head->version };

	if (fragment_is_bad(head, f)) {
		datapath_drop(r->dp, DROP_FRAGMENT_BAD);
		return false;
	}
	memcpy(r->lone_space, f->packet, f->header_len);
	memcpy(r->lone_space + f->header_len, f->packet + f->payload_offset, f->len);
	header_finish(r->lone_space, &key, f->header_len, f->next_header, f->fragment_next, f->len);
	*ret_whole = (struct reassembled){ r->lone_space, f->header_len + f->len };
	return true;
}

static struct fragment_key key_of(const struct packet *head)
{
	return (struct fragment_key){
		.saddr = head->saddr,
		.daddr = head->daddr,
		.id = head->fragment_id,
		.version = head->version,
		.proto = head->version == 4 ? head->proto : 0,
	};
}

bool reassembly_add(struct reassembly *r, const struct packet *head, const uint8_t *packet,
		    uint64_t now_ms, struct reassembled *ret_whole)
{
	struct fragment_key key = key_of(head);
	struct datagram *d;
	struct fragment f;

	if (!locate(head, packet, &f)) {
		datapath_drop(r->dp, DROP_FRAGMENT_BAD);
		return false;
	}
	if (!f.offset && !f.more)
		return take_atomic(r, head, &f, ret_whole);
	reassembly_expire(r, now_ms);
	d = datagram_find(r, &key);
	if (!d)
		d = datagram_new(r, &key, now_ms);
	if (d->bad) {
		datapath_drop(r->dp, DROP_FRAGMENT_BAD);
		return false;
	}
	if (fragment_is_bad(head, &f) || fragment_contradicts(d, &f) || !mark_units(d, &f)) {
		datagram_poison(r, d);
		return false;
	}
	if (!make_room(r, d)) {
		datapath_drop(r->dp, DROP_FRAGMENT_CAP);
		return false;
	}
	datagram_put(r, d, &f);
	if (d->received != d->total)
		return false;
	if (d->total > payload_max(head->version, d->header_len)) {
		count_drops(r, DROP_FRAGMENT_BAD, d->fragments);
		datagram_release(r, d);
		return false;
	}
	*ret_whole = datagram_packet(d, d->total);
	datagram_release(r, d); /* its space stays as it is until it is taken again */
	return true;
}

bool reassembly_expire(struct reassembly *r, uint64_t now_ms)
{
	while (!list_is_empty(&r->held)) {
		struct datagram *d = list_first(&r->held, struct datagram, age);

		if (now_ms < d->deadline_ms)
			return true;
		if (d->header_len && !d->bad && r->expired) {
			struct reassembled first = datagram_packet(d, d->first_bytes);

			r->expired(r->arg, first.data, first.len);
		}
		datagram_drop(r, d, DROP_FRAGMENT_LOST);
	}
	return false;
}
