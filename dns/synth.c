// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Made answers. Records point to the question's name by compression, except in what a CNAME
 * rewrite takes over from upstream: there every name is written out, so that no pointer of the
 * other message has to be moved. That makes it longer, which only its size bounds.
 */
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "bpf/dns_block.h"
#include "dns/synth.h"

#define RECORD_FIXED 10 /* type, class, TTL, length of RDATA: behind the owner */

static const struct name self_check = { .len = 15, .wire = "\10headrace\4test" };

bool synth_is_self_check(const struct name *name)
{
	return name_eq(name, &self_check);
}

static void set_counts(uint8_t *buf, unsigned int answers, unsigned int authorities)
{
	msg_put16(buf + 6, (uint16_t)answers);
	msg_put16(buf + 8, (uint16_t)authorities);
}

size_t synth_block(uint8_t *buf, const uint8_t *query, const struct msg_question *question,
		   enum dns_action action, uint32_t ttl)
{
	size_t len = msg_reply(buf, query, question->end, RCODE_NOERROR);
	struct dns_block b = dns_block_write(buf + len, action, question->type, ttl);

	buf[3] |= b.rcode;
	set_counts(buf, b.answers, b.authorities);
	return len + b.bytes;
}

static size_t put_address(uint8_t *out, const struct addr *a, uint32_t ttl)
{
	bool v4 = addr_is_v4(a);
	unsigned int bytes = v4 ? 4 : 16;

	dns_put_record(out, v4 ? TYPE_A : TYPE_AAAA, ttl, bytes);
	memcpy(out + 2 + RECORD_FIXED, a->b + 16 - bytes, bytes);
	return 2 + RECORD_FIXED + bytes;
}

size_t synth_addresses(uint8_t *buf, const uint8_t *query, const struct msg_question *question,
		       const struct addr *address, size_t addresses, uint32_t ttl)
{
	size_t len = question->end, start = len;
	unsigned int answers = 0;

	if (question->type != TYPE_A && question->type != TYPE_AAAA)
		return synth_block(buf, query, question, DNS_NODATA, ttl);
	msg_reply(buf, query, question->end, RCODE_NOERROR);
	for (size_t i = 0; i < addresses && answers < 8; i++) {
		if (addr_is_v4(&address[i]) != (question->type == TYPE_A))
			continue;
		len += put_address(buf + len, &address[i], ttl);
		answers++;
	}
	if (len == start)
		return synth_block(buf, buf, question, DNS_NODATA, ttl);
	set_counts(buf, answers, 0);
	return len;
}

/* A message that is being written; `failed` once it had no room. */
struct out {
	uint8_t *buf;
	size_t size;
	size_t len;
	bool failed;
};

static void put_bytes(struct out *o, const void *bytes, size_t n)
{
	if (o->failed || o->size - o->len < n) {
		o->failed = true;
		return;
	}
	memcpy(o->buf + o->len, bytes, n);
	o->len += n;
}

/* The name at `offset` of `msg`, written out. Returns its bytes there, 0 = malformed. */
static size_t put_name(struct out *o, const uint8_t *msg, size_t len, size_t offset)
{
	struct name name;
	ssize_t bytes = name_parse(msg, len, offset, &name);

	if (bytes < 0) {
		o->failed = true;
		return 0;
	}
	put_bytes(o, name.wire, name.len);
	return (size_t)bytes;
}

/* Types whose RDATA has names that may be compressed (RFC 3597 section 4; SRV all the same). */
static const struct layout {
	uint16_t type;
	uint8_t before; /* bytes in front of the names */
	uint8_t names;
} layouts[] = { { 2, 0, 1 },  { TYPE_CNAME, 0, 1 }, { TYPE_SOA, 0, 2 }, { 12, 0, 1 },
		{ 15, 2, 1 }, { 33, 6, 1 },	    { 39, 0, 1 } };

static struct layout layout_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].type == type)
			return layouts[i];
	}
	return (struct layout){ .type = type };
}

static void put_rdata(struct out *o, const uint8_t *msg, const struct msg_record *r)
{
	struct layout layout = layout_of(r->type);
	size_t pos = r->rdata, end = r->rdata + r->rdata_len;

	if (layout.before > r->rdata_len) {
		o->failed = true;
		return;
	}
	put_bytes(o, msg + pos, layout.before);
	pos += layout.before;
	for (unsigned int i = 0; i < layout.names && !o->failed; i++)
		pos += put_name(o, msg, end, pos);
	if (pos > end)
		o->failed = true;
	if (!o->failed)
		put_bytes(o, msg + pos, end - pos);
}

static void put_record(struct out *o, const uint8_t *msg, const struct msg_record *r)
{
	size_t fixed;

	put_name(o, msg, r->rdata, r->offset);
	fixed = o->len;
	put_bytes(o, msg + r->rdata - RECORD_FIXED, RECORD_FIXED);
	put_rdata(o, msg, r);
	if (!o->failed)
		msg_put16(o->buf + fixed + RECORD_FIXED - 2,
			  (uint16_t)(o->len - fixed - RECORD_FIXED));
}

/* Answers and authorities of `answer` behind what is there already. */
static void put_records(struct out *o, const uint8_t *answer, size_t len)
{
	unsigned int count[SECTION_NUM] = { 0 };
	struct msg_question question;
	struct msg_record record;
	struct msg_walk w;
	int r;

	if (msg_question_get(answer, len, &question) < 0) {
		o->failed = true;
		return;
	}
	msg_walk_begin(&w, answer, len, question.end);
	while ((r = msg_walk_next(&w, &record)) > 0 && record.section != SECTION_ADDITIONAL) {
		put_record(o, answer, &record);
		count[record.section]++;
	}
	o->failed |= r < 0;
	if (!o->failed)
		set_counts(o->buf, count[SECTION_ANSWER] + 1, count[SECTION_AUTHORITY]);
}

size_t synth_cname(uint8_t *buf, size_t size, const uint8_t *query,
		   const struct msg_question *question, const struct name *target, uint32_t ttl,
		   const uint8_t *answer, size_t answer_len)
{
	struct out o = { .buf = buf, .size = size, .len = question->end };
	uint8_t record[2 + RECORD_FIXED];

	if (size < question->end)
		return 0;
	msg_reply(buf, query, question->end, RCODE_NOERROR);
	dns_put_record(record, TYPE_CNAME, ttl, target->len);
	put_bytes(&o, record, sizeof(record));
	put_bytes(&o, target->wire, target->len);
	set_counts(buf, 1, 0);
	if (answer && answer_len >= MSG_HEADER_BYTES) {
		buf[3] |= answer[3] & MSG_RCODE;
		put_records(&o, answer, answer_len);
	} else if (answer) {
		o.failed = true;
	}
	return o.failed ? 0 : o.len;
}
