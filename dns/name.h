/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Domain names in uncompressed wire form (RFC 1035 section 3.1). */
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/siphash.h"

#define NAME_WIRE_MAX 255 /* length octets and the root label included */
#define NAME_LABEL_MAX 63

/* Length octets, labels, and the root label's 0 at the end: len >= 1 in a valid name. */
struct name {
	uint8_t len;
	uint8_t wire[NAME_WIRE_MAX];
};

/*
 * Reads the name at `offset` of a message, compressed or not, with the case it has. Each
 * pointer must point before the label run it ends, so every walk ends. Returns the bytes
 * that the name takes at `offset`, or -EBADMSG. *ret_name is set on success alone.
 */
ssize_t name_parse(const uint8_t *msg, size_t len, size_t offset, struct name *ret_name);

/*
 * Reads presentation form, with or without the last dot; "." is the root; \DDD and \X as
 * name_format() writes them. 0 or -EINVAL: an empty or too long label, too long a name, a
 * broken escape.
 */
int name_from_text(const char *text, struct name *ret_name);

bool name_eq(const struct name *a, const struct name *b); /* without regard to case (RFC 4343) */
/* `name` has more labels than `parent` and ends in it. */
bool name_is_below(const struct name *name, const struct name *parent);

/* ASCII letters to lower case; length octets (<= 63) are no letters. */
void name_lower(uint8_t *wire, size_t len);
/* Each letter gets a case of its own, drawn from the kernel's random numbers (0x20). */
void name_mix_case(uint8_t *wire, size_t len);
/* Equal for names that name_eq() calls equal. */
uint64_t name_hash(const struct siphash_key *key, const struct name *name);

/*
 * Presentation form without the last dot ("." for the root): dots and backslashes inside
 * labels are escaped by a backslash, other octets than visible ASCII as \DDD. Cut before
 * the escape that does not fit. `size` >= 2. Returns buf.
 */
const char *name_format(const struct name *name, char *buf, size_t size);

#endif
