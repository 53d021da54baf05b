// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lifetimes of answers. What may not be kept as it came (no SOA, another RCODE) is not made
 * keepable by any limit; a TTL of 0 is, by a configured minimum.
 */
#include "dns/msg.h"
#include "dns/ttl.h"

#define SOA_MINIMUM_BYTES 20 /* five words behind the two names; the last is the minimum */

/* What the records of an answer say. */
struct lifetime {
	uint32_t least; /* TTL */
	uint32_t minimum; /* of the first SOA in the authority section */
	bool wanted; /* a record of the type asked for is in the answer section */
	bool soa;
};

/* The SOA's last field, which only bounds answers that deny something. */
static uint32_t soa_minimum(const uint8_t *msg, const struct msg_record *record)
{
	uint32_t minimum = msg_get32(msg + record->rdata + record->rdata_len - 4);

	return minimum & 0x80000000U ? 0 : minimum;
}

static void account(struct lifetime *l, const uint8_t *msg, const struct msg_record *record,
		    uint16_t type)
{
	uint32_t ttl = msg_ttl(record);

	if (record->type == TYPE_OPT)
		return;
	if (ttl < l->least)
		l->least = ttl;
	if (record->section == SECTION_ANSWER && record->type == type)
		l->wanted = true;
	if (record->section == SECTION_AUTHORITY && record->type == TYPE_SOA &&
	    record->rdata_len > SOA_MINIMUM_BYTES && !l->soa) {
		l->soa = true;
		l->minimum = soa_minimum(msg, record);
	}
}

static bool is_keepable(const uint8_t *msg, uint16_t type)
{
	uint16_t flags = msg_get16(msg + 2);
	unsigned int rcode = flags & MSG_RCODE;

	return !(flags & MSG_TC) && (rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN) &&
	       type != TYPE_ANY;
}

static uint32_t clamp(uint32_t v, uint32_t min, uint32_t max)
{
	if (v < min)
		v = min;
	return v < max ? v : max;
}

/* What kind of answer it is: TTLs are between *ret_min and *ret_max then. False: keep nothing. */
static bool bounds(const uint8_t *msg, size_t len, size_t question_end, uint16_t type,
		   const struct ttl_limits *limits, struct lifetime *l, uint32_t *ret_min,
		   uint32_t *ret_max)
{
	struct msg_record record;
	struct msg_walk w;
	int r;

	*l = (struct lifetime){ .least = UINT32_MAX };
	if (!is_keepable(msg, type))
		return false;
	msg_walk_begin(&w, msg, len, question_end);
	while ((r = msg_walk_next(&w, &record)) > 0)
		account(l, msg, &record, type);
	if (r < 0)
		return false;
	*ret_min = limits->min;
	*ret_max = limits->max;
	if ((msg_get16(msg + 2) & MSG_RCODE) == RCODE_NOERROR && l->wanted)
		return true;
	if (limits->negative_max < *ret_min)
		*ret_min = limits->negative_max;
	*ret_max = clamp(l->minimum, *ret_min, limits->negative_max);
	return l->soa;
}

uint32_t ttl_lifetime(const uint8_t *msg, size_t len, size_t question_end, uint16_t type,
		      const struct ttl_limits *limits)
{
	struct lifetime l;
	uint32_t min, max;

	if (!bounds(msg, len, question_end, type, limits, &l, &min, &max))
		return 0;
	return clamp(l.least, min, max);
}

/* Every TTL but that of an OPT. */
static int rewrite(uint8_t *msg, size_t len, size_t question_end, uint32_t min, uint32_t max)
{
	struct msg_record record;
	struct msg_walk w;
	int r;

	msg_walk_begin(&w, msg, len, question_end);
	while ((r = msg_walk_next(&w, &record)) > 0) {
		if (record.type != TYPE_OPT)
			msg_put32(msg + record.ttl_offset, clamp(msg_ttl(&record), min, max));
	}
	return r;
}

int ttl_clamp(uint8_t *msg, size_t len, size_t question_end, uint16_t type,
	      const struct ttl_limits *limits)
{
	struct lifetime l;
	uint32_t min, max;

	if (!bounds(msg, len, question_end, type, limits, &l, &min, &max))
		return 0;
	return rewrite(msg, len, question_end, min, max);
}

int ttl_set(uint8_t *msg, size_t len, size_t question_end, uint32_t seconds)
{
	return rewrite(msg, len, question_end, seconds, seconds);
}
