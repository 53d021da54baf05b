// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Intake of queries. Shorter than a header, an answer, or unparsable: dropped. A
 * header that can be read but asks for what we do not do gets the RCODE that says so: zone
 * transfers are REFUSED (several messages per answer), opcodes but QUERY are NOTIMP, more
 * or less than one question is FORMERR, and so is an empty name but for what the root
 * itself has; another version of EDNS is BADVERS. Bytes behind the last record are no part of it.
 *
 * What goes upstream is written anew, so that nothing a client adds to its query gets there. A
 * signed query (TSIG, SIG(0)) cannot be: it stays as it is, and is REFUSED if it tells more of
 * the client than the configuration allows.
 */
#include <errno.h>
#include <string.h>

#include "dns/intake.h"

/* Has the root something of this type? Clients that validate ask for it. */
static bool is_of_root(uint16_t type)
{
	static const uint16_t types[] = { TYPE_NS,   TYPE_SOA,	  TYPE_DS,     TYPE_RRSIG,
					  TYPE_NSEC, TYPE_DNSKEY, TYPE_ZONEMD, TYPE_ANY };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i] == type)
			return true;
	}
	return false;
}

static int judge(struct intake *in, uint8_t keep)
{
	uint8_t told = in->edns.options;

	in->edns.options &= keep;
	if (in->edns.version)
		return RCODE_BADVERS;
	if (in->question.name.len == 1 && !is_of_root(in->question.type))
		return RCODE_FORMERR;
	if (in->question.type == TYPE_AXFR || in->question.type == TYPE_IXFR)
		return RCODE_REFUSED;
	if (!in->edns.extra)
		return 0;
	if (told & ~keep & (EDNS_SUBNET | EDNS_IDENTITY))
		return RCODE_REFUSED;
	return in->edns.message_end > PLAIN_QUESTION_MAX ? RCODE_FORMERR : 0;
}

int intake_read(struct intake *in, const uint8_t *msg, size_t len, uint8_t keep)
{
	int r;

	memset(in, 0, sizeof(*in));
	in->msg = msg;
	if (len < MSG_HEADER_BYTES)
		return -EBADMSG;
	msg_header_get(msg, &in->header);
	if (in->header.flags & MSG_QR)
		return -EBADMSG;
	if (in->header.flags & MSG_OPCODE)
		return RCODE_NOTIMP;
	if (in->header.questions != 1)
		return RCODE_FORMERR;
	r = msg_question_get(msg, len, &in->question);
	if (r < 0)
		return r;
	/* The question's name is the first there is: it has nothing to point to. */
	if (in->question.end != MSG_HEADER_BYTES + in->question.name.len + 4U)
		return -EBADMSG;
	r = edns_find(msg, len, in->question.end, &in->edns);
	if (r == -EEXIST)
		return RCODE_FORMERR;
	return r < 0 ? r : judge(in, keep);
}

bool intake_cacheable(uint16_t flags, const struct edns *edns)
{
	/* Without RD it asks for what the server has, which is not what RD gets. */
	return (flags & MSG_RD) && !edns->extra && !edns->options;
}

struct cache_key intake_cache_key(const struct msg_question *question, uint16_t flags,
				  const struct edns *edns)
{
	struct cache_key key = {
		.name = question->name,
		.type = question->type,
		.class = question->class,
		.flags = (flags & (MSG_AD | MSG_CD)) | (edns->dnssec_ok ? CACHE_DO : 0),
	};

	name_lower(key.name.wire, key.name.len);
	return key;
}

size_t intake_question(uint8_t *buf, const struct msg_question *question, uint16_t flags,
		       const struct edns *edns)
{
	size_t len = MSG_HEADER_BYTES + question->name.len;

	memset(buf, 0, MSG_HEADER_BYTES);
	msg_put16(buf + 2, flags & (MSG_RD | MSG_AD | MSG_CD));
	msg_put16(buf + 4, 1);
	memcpy(buf + MSG_HEADER_BYTES, question->name.wire, question->name.len);
	name_lower(buf + MSG_HEADER_BYTES, question->name.len);
	msg_put16(buf + len, question->type);
	msg_put16(buf + len + 2, question->class);
	len += 4;
	return edns->present ? edns_append(buf, len, edns->dnssec_ok) : len;
}

struct plain_question intake_normalize(const struct intake *in, uint8_t buf[PLAIN_QUESTION_MAX])
{
	size_t len = in->edns.message_end;

	if (in->edns.extra) {
		memcpy(buf, in->msg, len);
		msg_put16(buf, 0);
	} else {
		len = intake_question(buf, &in->question, in->header.flags, &in->edns);
		len = edns_copy_options(buf, len, in->msg, &in->edns, in->edns.options);
	}
	return (struct plain_question){
		.message = buf,
		.len = len,
		.question_end = in->question.end,
		.verbatim = in->edns.extra,
	};
}
