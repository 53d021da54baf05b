// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bailiwick. Additional records are dropped whatever they are: a client that needs the
 * addresses of a mail server asks for them, and gets an answer that was checked. NSEC, NSEC3
 * and their signatures stay where they share the zone with the chain, for clients that validate;
 * which zone that is says the SOA, without one any common parent will do.
 */
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "dns/build.h"
#include "dns/scrub.h"

#define RRSIG_COVERS_BYTES 2 /* the type that it signs is first in its RDATA */

struct scrubber {
	const uint8_t *msg;
	size_t len; /* up to the end of its last record */
	const struct msg_question *question;
	struct scrub_chain chain;
	struct name zone; /* owner of the first SOA that has a name of the chain in it */
	bool zone_known;
};

static bool owner_of(const uint8_t *msg, size_t len, const struct msg_record *record,
		     struct name *ret_owner)
{
	return name_parse(msg, len, record->offset, ret_owner) > 0;
}

static bool is_at_or_below(const struct name *name, const struct name *parent)
{
	return name_eq(name, parent) || name_is_below(name, parent);
}

/* --- the chain --------------------------------------------------------------------------- */

static bool in_chain(const struct scrub_chain *c, const struct name *name)
{
	for (unsigned int i = 0; i < c->num; i++) {
		if (name_eq(&c->name[i], name))
			return true;
	}
	return false;
}

/* The target if `record` is a CNAME of `owner`. */
static bool leads_from(const uint8_t *msg, size_t len, const struct msg_record *record,
		       uint16_t class, const struct name *owner, struct name *ret_target)
{
	struct name at;

	return record->section == SECTION_ANSWER && record->type == TYPE_CNAME &&
	       record->class == class && owner_of(msg, len, record, &at) && name_eq(&at, owner) &&
	       name_parse(msg, record->rdata + record->rdata_len, record->rdata, ret_target) ==
		       record->rdata_len;
}

/* Goes through the records once; servers write a chain in its order. 1 = a step was made. */
static int follow_once(const uint8_t *msg, size_t len, const struct msg_question *question,
		       struct scrub_chain *c)
{
	struct msg_record record;
	struct msg_walk w;
	struct name target;
	int steps = 0;

	msg_walk_begin(&w, msg, len, question->end);
	while (msg_walk_next(&w, &record) > 0 && record.section == SECTION_ANSWER) {
		if (!leads_from(msg, len, &record, question->class, &c->name[c->num - 1], &target))
			continue;
		if (c->num == SCRUB_CHAIN_MAX || in_chain(c, &target))
			return -ELOOP;
		c->name[c->num++] = target;
		steps = 1;
	}
	return steps;
}

int scrub_follow(const uint8_t *msg, size_t len, const struct msg_question *question,
		 struct scrub_chain *ret_chain)
{
	int r;

	ret_chain->num = 1;
	ret_chain->name[0] = question->name;
	if (question->type == TYPE_CNAME || question->type == TYPE_ANY)
		return 0;
	do {
		r = follow_once(msg, len, question, ret_chain);
	} while (r > 0);
	return r;
}

/* --- what belongs ------------------------------------------------------------------------ */

static uint16_t covers(const struct scrubber *s, const struct msg_record *record)
{
	if (record->type != TYPE_RRSIG || record->rdata_len < RRSIG_COVERS_BYTES)
		return 0;
	return msg_get16(s->msg + record->rdata);
}

/* One of the CNAMEs that were followed: of several with one owner the first alone. */
static bool is_link(const struct scrubber *s, const struct msg_record *record)
{
	struct name target;

	for (unsigned int i = 0; i + 1 < s->chain.num; i++) {
		if (leads_from(s->msg, s->len, record, s->question->class, &s->chain.name[i],
			       &target))
			return name_eq(&target, &s->chain.name[i + 1]);
	}
	return false;
}

/* A DNAME, from which a CNAME of the chain was made, or its signature. */
static bool is_above_chain(const struct scrubber *s, const struct name *owner)
{
	for (unsigned int i = 0; i + 1 < s->chain.num; i++) {
		if (name_is_below(&s->chain.name[i], owner))
			return true;
	}
	return false;
}

static bool answers(const struct scrubber *s, const struct msg_record *record,
		    const struct name *owner)
{
	uint16_t type = s->question->type;

	if (record->type == TYPE_DNAME || covers(s, record) == TYPE_DNAME)
		return is_above_chain(s, owner) || name_eq(owner, &s->question->name);
	if (record->type == TYPE_CNAME && type != TYPE_CNAME && type != TYPE_ANY)
		return is_link(s, record);
	if (record->type != type && record->type != TYPE_RRSIG && type != TYPE_ANY)
		return false;
	return in_chain(&s->chain, owner);
}

static bool is_parent_of_chain(const struct scrubber *s, const struct name *zone)
{
	for (unsigned int i = 0; i < s->chain.num; i++) {
		if (is_at_or_below(&s->chain.name[i], zone))
			return true;
	}
	return false;
}

/* Have they one label or more in common, at the end? Then the last one is. */
static bool shares_a_parent(const struct name *a, const struct name *b)
{
	unsigned int at = 0, next = 0;
	struct name top;

	while (a->wire[next]) {
		at = next;
		next += 1U + a->wire[next];
	}
	if (!next)
		return false;
	top.len = (uint8_t)(a->len - at);
	memcpy(top.wire, a->wire + at, top.len);
	return is_at_or_below(b, &top);
}

static bool explains(const struct scrubber *s, const struct msg_record *record,
		     const struct name *owner)
{
	switch (record->type) {
	case TYPE_SOA:
	case TYPE_NS:
	case TYPE_DS:
		return is_parent_of_chain(s, owner);
	case TYPE_NSEC:
	case TYPE_NSEC3:
	case TYPE_RRSIG:
		if (s->zone_known)
			return is_at_or_below(owner, &s->zone);
		return shares_a_parent(owner, &s->chain.name[s->chain.num - 1]);
	default:
		return false;
	}
}

static bool belongs(const struct scrubber *s, const struct msg_record *record)
{
	struct name owner;

	if (record->class != s->question->class || !owner_of(s->msg, s->len, record, &owner))
		return false;
	if (record->section == SECTION_ANSWER)
		return answers(s, record, &owner);
	return record->section == SECTION_AUTHORITY && explains(s, record, &owner);
}

static void find_zone(struct scrubber *s)
{
	struct msg_record record;
	struct msg_walk w;

	msg_walk_begin(&w, s->msg, s->len, s->question->end);
	while (!s->zone_known && msg_walk_next(&w, &record) > 0) {
		if (record.section == SECTION_AUTHORITY && record.type == TYPE_SOA &&
		    record.class == s->question->class)
			s->zone_known = owner_of(s->msg, s->len, &record, &s->zone) &&
					is_parent_of_chain(s, &s->zone);
	}
}

static unsigned int count_strangers(const struct scrubber *s)
{
	struct msg_record record;
	struct msg_walk w;
	unsigned int num = 0;

	msg_walk_begin(&w, s->msg, s->len, s->question->end);
	while (msg_walk_next(&w, &record) > 0)
		num += record.type != TYPE_OPT && !belongs(s, &record);
	return num;
}

static ssize_t rebuild(const struct scrubber *s, uint8_t *buf)
{
	struct msg_record record;
	struct msg_walk w;
	struct build b;

	build_begin(&b, buf, MSG_MAX, msg_get16(s->msg), msg_get16(s->msg + 2), s->question);
	msg_walk_begin(&w, s->msg, s->len, s->question->end);
	while (msg_walk_next(&w, &record) > 0) {
		if (belongs(s, &record))
			build_copy(&b, s->msg, s->len, &record);
	}
	return build_end(&b);
}

ssize_t scrub(const uint8_t *msg, const struct edns *e, const struct msg_question *question,
	      uint8_t *buf, unsigned int *ret_dropped)
{
	struct scrubber s = { .msg = msg, .len = e->message_end, .question = question };
	int r = scrub_follow(msg, s.len, question, &s.chain);

	*ret_dropped = 0;
	if (r < 0)
		return r;
	find_zone(&s);
	*ret_dropped = count_strangers(&s);
	/* An OPT before other records cannot be cut off: pointers may lead over it. */
	if (*ret_dropped || (e->present && e->end != e->message_end))
		return rebuild(&s, buf);
	memcpy(buf, msg, s.len);
	return (ssize_t)(e->present ? edns_strip(buf, e) : s.len);
}

/* --- rebinding --------------------------------------------------------------------------- */

#define SVCB_IPV4HINT 4
#define SVCB_IPV6HINT 6
#define V4_BYTES 4
#define V6_BYTES 16

static bool is_inside(const struct addr *a, const struct addr *also)
{
	return addr_is_private(a) || addr_is_loopback(a) || addr_is_link_local(a) ||
	       addr_is_this_host(a) || addr_eq(a, also);
}

/* Where forms of IPv6 addresses hold an IPv4 address that they lead to. */
static const struct embedded {
	uint8_t prefix[12];
	uint8_t bytes; /* of the prefix */
	uint8_t at;
} embedded[] = {
	{ { 0x00, 0x64, 0xff, 0x9b }, 12, 12 }, /* NAT64, RFC 6052 */
	{ { 0x20, 0x02 }, 2, 2 }, /* 6to4, RFC 3056 */
	{ { 0 }, 12, 12 }, /* IPv4-compatible, RFC 4291 section 2.5.5.1 */
};

static bool is_private_v6(const uint8_t *b, const struct addr *also)
{
	static const uint8_t local_nat64[] = { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }; /* RFC 8215 */
	struct addr a = addr_from_v6(b); /* v4-mapped ones are IPv4 addresses then */
	__be32 v4;

	if (is_inside(&a, also) || memcmp(b, local_nat64, sizeof(local_nat64)) == 0)
		return true;
	for (size_t i = 0; i < sizeof(embedded) / sizeof(embedded[0]); i++) {
		if (memcmp(b, embedded[i].prefix, embedded[i].bytes) != 0)
			continue;
		memcpy(&v4, b + embedded[i].at, sizeof(v4));
		a = addr_from_v4(v4);
		return is_inside(&a, also);
	}
	return false;
}

static bool is_private_v4(const uint8_t *b, const struct addr *also)
{
	struct addr a;
	__be32 v4;

	memcpy(&v4, b, sizeof(v4));
	a = addr_from_v4(v4);
	return is_inside(&a, also);
}

static bool any_private(const uint8_t *data, size_t len, size_t each, const struct addr *also)
{
	if (len % each)
		return true;
	for (size_t at = 0; at < len; at += each) {
		if (each == V4_BYTES ? is_private_v4(data + at, also) :
				       is_private_v6(data + at, also))
			return true;
	}
	return false;
}

/* SvcParams (RFC 9460 section 2.2) behind priority and target. */
static bool hints_are_private(const uint8_t *msg, const struct msg_record *record,
			      const struct addr *also)
{
	size_t pos = record->rdata + 2U, end = record->rdata + record->rdata_len;
	struct name target;
	ssize_t bytes = pos < end ? name_parse(msg, end, pos, &target) : -EBADMSG;

	if (bytes < 0)
		return true;
	for (pos += (size_t)bytes; pos < end;) {
		uint16_t key, len;

		if (end - pos < 4)
			return true;
		key = msg_get16(msg + pos);
		len = msg_get16(msg + pos + 2);
		pos += 4;
		if (end - pos < len)
			return true;
		if (key == SVCB_IPV4HINT && any_private(msg + pos, len, V4_BYTES, also))
			return true;
		if (key == SVCB_IPV6HINT && any_private(msg + pos, len, V6_BYTES, also))
			return true;
		pos += len;
	}
	return false;
}

static bool leads_inside(const uint8_t *msg, const struct msg_record *record,
			 const struct addr *also)
{
	const uint8_t *rdata = msg + record->rdata;

	switch (record->type) {
	case TYPE_A:
		return record->rdata_len == V4_BYTES && is_private_v4(rdata, also);
	case TYPE_AAAA:
		return record->rdata_len == V6_BYTES && is_private_v6(rdata, also);
	case TYPE_SVCB:
	case TYPE_HTTPS:
		return hints_are_private(msg, record, also);
	default:
		return false;
	}
}

bool scrub_is_rebinding(const uint8_t *msg, size_t len, size_t question_end,
			const struct addr *also)
{
	struct msg_record record;
	struct msg_walk w;

	msg_walk_begin(&w, msg, len, question_end);
	while (msg_walk_next(&w, &record) > 0) {
		if (leads_inside(msg, &record, also))
			return true;
	}
	return false;
}
