// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Messages written. Every suffix of a name that is written is remembered by a hash and its
 * place, as long as there is room and a pointer reaches it; a later name ends in a pointer to
 * the longest suffix that is there already.
 *
 * Names inside of RDATA are unpacked where senders may have packed them (RFC 1035, and RFC 3597
 * section 4 for what came before it); they are packed anew only in RFC 1035's own types.
 */
#include <errno.h>
#include <string.h>

#include "dns/build.h"

#define POINTER_REACH 0x4000
#define RECORD_FIXED 10 /* type, class, TTL, RDLENGTH */

/* Where names are in RDATA: behind `before` octets, `names` of them; what follows is opaque. */
struct layout {
	uint16_t type;
	uint8_t before;
	uint8_t names;
	bool packed;
};

static const struct layout layouts[] = {
	{ TYPE_NS, 0, 1, true },     { 3, 0, 1, true },	       { 4, 0, 1, true },
	{ TYPE_CNAME, 0, 1, true },  { TYPE_SOA, 0, 2, true }, { 7, 0, 1, true },
	{ 8, 0, 1, true },	     { 9, 0, 1, true },	       { TYPE_PTR, 0, 1, true },
	{ 14, 0, 2, true }, /* MINFO */
	{ TYPE_MX, 2, 1, true },     { 17, 0, 2, false }, /* RP */
	{ 18, 2, 1, false }, /* AFSDB */
	{ 21, 2, 1, false }, /* RT */
	{ 26, 2, 2, false }, /* PX */
	{ TYPE_SRV, 6, 1, false },   { 36, 2, 1, false }, /* KX */
	{ TYPE_DNAME, 0, 1, false },
};

static const struct layout *layout_of(uint16_t type)
{
	static const struct layout opaque = { 0 };

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].type == type)
			return &layouts[i];
	}
	return &opaque;
}

/* Room for `bytes` more, NULL = there is none, or an error before. */
static uint8_t *take(struct build *b, size_t bytes)
{
	uint8_t *p = b->buf + b->len;

	if (b->error)
		return NULL;
	if (b->size - b->len < bytes) {
		b->error = -EMSGSIZE;
		return NULL;
	}
	b->len += bytes;
	return p;
}

static void put(struct build *b, const void *data, size_t bytes)
{
	uint8_t *p = take(b, bytes);

	if (p && bytes)
		memcpy(p, data, bytes);
}

static void put16(struct build *b, uint16_t v)
{
	uint8_t *p = take(b, 2);

	if (p)
		msg_put16(p, v);
}

/* --- names ------------------------------------------------------------------------------- */

/* FNV-1a, without regard to case; collisions cost a comparison each. */
static uint32_t suffix_hash(const uint8_t *wire, size_t len)
{
	uint32_t hash = 0x811c9dc5;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = wire[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		hash = (hash ^ c) * 0x01000193;
	}
	return hash;
}

static bool is_at(const struct build *b, uint16_t offset, const struct name *suffix)
{
	struct name there;

	return name_parse(b->buf, b->len, offset, &there) > 0 && name_eq(&there, suffix);
}

/* Place of a name equal to `suffix`, 0 = none. */
static uint16_t known(const struct build *b, const struct name *suffix, uint32_t hash)
{
	for (unsigned int i = 0; i < b->names; i++) {
		if (b->name[i].hash == hash && is_at(b, b->name[i].offset, suffix))
			return b->name[i].offset;
	}
	return 0;
}

static void remember(struct build *b, uint32_t hash)
{
	if (b->names == BUILD_NAMES_MAX || b->len >= POINTER_REACH)
		return;
	b->name[b->names++] = (struct build_name){ hash, (uint16_t)b->len };
}

static void put_packed(struct build *b, const struct name *name)
{
	struct name suffix = *name;

	while (suffix.len > 1 && !b->error) {
		size_t label = 1U + suffix.wire[0];
		uint32_t hash = suffix_hash(suffix.wire, suffix.len);
		uint16_t place = known(b, &suffix, hash);

		if (place) {
			put16(b, (uint16_t)(0xc000 | place));
			return;
		}
		remember(b, hash);
		put(b, suffix.wire, label);
		suffix.len -= (uint8_t)label;
		memmove(suffix.wire, suffix.wire + label, suffix.len);
	}
	put(b, "", 1);
}

/* --- messages ---------------------------------------------------------------------------- */

void build_begin(struct build *b, uint8_t *buf, size_t size, uint16_t id, uint16_t flags,
		 const struct msg_question *question)
{
	uint8_t *header;

	*b = (struct build){ .buf = buf, .size = size };
	header = take(b, MSG_HEADER_BYTES);
	if (!header)
		return;
	memset(header, 0, MSG_HEADER_BYTES);
	msg_put16(header, id);
	msg_put16(header + 2, flags);
	if (!question)
		return;
	msg_put16(header + 4, 1);
	put_packed(b, &question->name);
	put16(b, question->type);
	put16(b, question->class);
}

/* Owner and the fixed part; RDLENGTH is for end_record(). */
static void begin_record(struct build *b, const struct name *owner, uint16_t type, uint16_t class,
			 uint32_t ttl)
{
	uint8_t *fixed;

	put_packed(b, owner);
	fixed = take(b, RECORD_FIXED);
	if (!fixed)
		return;
	msg_put16(fixed, type);
	msg_put16(fixed + 2, class);
	msg_put32(fixed + 4, ttl);
}

/* RDATA began at `rdata`. */
static void end_record(struct build *b, enum msg_section section, size_t rdata)
{
	uint8_t *count = b->buf + 6 + 2 * (size_t)section;

	if (b->error)
		return;
	if (b->len - rdata > UINT16_MAX || msg_get16(count) == UINT16_MAX) {
		b->error = -EMSGSIZE;
		return;
	}
	msg_put16(b->buf + rdata - 2, (uint16_t)(b->len - rdata));
	msg_put16(count, (uint16_t)(msg_get16(count) + 1));
}

void build_record(struct build *b, enum msg_section section, const struct name *owner,
		  uint16_t type, uint32_t ttl, const void *rdata, size_t len)
{
	size_t start;

	begin_record(b, owner, type, CLASS_IN, ttl);
	start = b->len;
	put(b, rdata, len);
	end_record(b, section, start);
}

static void copy_rdata(struct build *b, const uint8_t *msg, const struct msg_record *record)
{
	const struct layout *l = layout_of(record->type);
	size_t pos = record->rdata, end = record->rdata + record->rdata_len;
	struct name name;

	if (record->rdata_len < l->before) {
		b->error = -EBADMSG;
		return;
	}
	put(b, msg + pos, l->before);
	pos += l->before;
	for (unsigned int i = 0; i < l->names; i++) {
		ssize_t bytes = name_parse(msg, end, pos, &name);

		if (bytes < 0) {
			b->error = -EBADMSG;
			return;
		}
		if (l->packed)
			put_packed(b, &name);
		else
			put(b, name.wire, name.len);
		pos += (size_t)bytes;
	}
	put(b, msg + pos, end - pos);
}

void build_copy(struct build *b, const uint8_t *msg, size_t len, const struct msg_record *record)
{
	struct name owner;
	size_t start;

	if (b->error)
		return;
	if (name_parse(msg, len, record->offset, &owner) < 0) {
		b->error = -EBADMSG;
		return;
	}
	begin_record(b, &owner, record->type, record->class, record->ttl);
	start = b->len;
	copy_rdata(b, msg, record);
	end_record(b, record->section, start);
}

ssize_t build_end(const struct build *b)
{
	return b->error ? b->error : (ssize_t)b->len;
}
