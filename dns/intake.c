// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Intake of queries. Shorter than a header, an answer, or unparsable: dropped (N-12). A
 * header that can be read but asks for what we do not do gets the RCODE that says so: zone
 * transfers are REFUSED (several messages per answer), opcodes but QUERY are NOTIMP, more
 * or less than one question is FORMERR. Bytes behind the last record are no part of it.
 */
#include <errno.h>
#include <string.h>

#include "dns/intake.h"

int intake_read(struct intake *in, const uint8_t *msg, size_t len)
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
	if (r == -EEXIST || (r == 0 && in->edns.message_end > PLAIN_QUESTION_MAX))
		return RCODE_FORMERR;
	if (r < 0)
		return r;
	if (in->question.type == TYPE_AXFR || in->question.type == TYPE_IXFR)
		return RCODE_REFUSED;
	return 0;
}

bool intake_cacheable(uint16_t flags, const struct edns *edns)
{
	/* Without RD it asks for what the server has, which is not what RD gets. */
	return (flags & MSG_RD) && !edns->extra && edns->plain && edns->version == 0;
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

struct plain_question intake_normalize(const struct intake *in, uint8_t buf[PLAIN_QUESTION_MAX])
{
	size_t len = in->edns.message_end;

	memcpy(buf, in->msg, len);
	msg_put16(buf, 0);
	if (!in->edns.extra) {
		name_lower(buf + MSG_HEADER_BYTES, in->question.name.len);
		edns_lower_payload(buf, &in->edns);
	}
	return (struct plain_question){
		.message = buf,
		.len = len,
		.question_end = in->question.end,
		.verbatim = in->edns.extra,
	};
}
