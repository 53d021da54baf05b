/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a DNS message record by record, with names compressed. The first thing that does not
 * fit or is no record ends it: the rest has no effect, and build_end() says so.
 */
#ifndef DNS_BUILD_H
#define DNS_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "dns/msg.h"

#define BUILD_NAMES_MAX 64 /* places that later names may point to */

struct build {
	uint8_t *buf;
	size_t size;
	size_t len;
	int error;
	unsigned int names;
	struct build_name {
		uint32_t hash;
		uint16_t offset;
	} name[BUILD_NAMES_MAX];
};

/* The header, with all of `header`'s but its counts, and the question if there is one. */
void build_begin(struct build *b, uint8_t *buf, size_t size, uint16_t id, uint16_t flags,
		 const struct msg_question *question);
/* Sections in their order. `rdata` as it is to be: without pointers. */
void build_record(struct build *b, enum msg_section section, const struct name *owner,
		  uint16_t type, uint32_t ttl, const void *rdata, size_t len);
/* A record of another message, whose names are unpacked and packed anew. */
void build_copy(struct build *b, const uint8_t *msg, size_t len, const struct msg_record *record);
/* The length, or -EMSGSIZE, -EBADMSG. */
ssize_t build_end(const struct build *b);

#endif
