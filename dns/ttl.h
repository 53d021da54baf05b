/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long an answer may be kept, by its records' TTLs and by what the configuration says. */
#ifndef DNS_TTL_H
#define DNS_TTL_H

#include <stddef.h>
#include <stdint.h>

#define TTL_MAX 86400U /* RFC 8767 section 4: days, not weeks */
#define TTL_NEGATIVE_MAX 10800U /* RFC 2308 section 5: 1 to 3 hours */

/* Seconds. Answers are kept, and given to clients, for no less and no more. */
struct ttl_limits {
	uint32_t min;
	uint32_t max;
	uint32_t negative_max; /* of "no such name" and "no such data"; bounds `min` there */
};

/*
 * Seconds that a well-formed answer to a question for `type` may be kept: the least TTL of all
 * its records; for "no such name" and "no such data" at most the SOA's minimum (RFC 2308). 0 =
 * it may not be kept: no SOA there, another RCODE, truncated, or a TTL of 0 that no `min` lifts.
 */
uint32_t ttl_lifetime(const uint8_t *msg, size_t len, size_t question_end, uint16_t type,
		      const struct ttl_limits *limits);

/*
 * Brings the TTLs of an answer that may be kept within the limits (those of a denial: to its
 * lifetime at most), so that whoever caches it behind us keeps it no longer. 0 or -EBADMSG.
 */
int ttl_clamp(uint8_t *msg, size_t len, size_t question_end, uint16_t type,
	      const struct ttl_limits *limits);

/* Sets the TTL of every record but OPT. 0 or -EBADMSG. */
int ttl_set(uint8_t *msg, size_t len, size_t question_end, uint32_t seconds);

#endif
